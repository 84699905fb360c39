//! Where the points of a lattice lie among the cells of the source: [`Positions`].
//!
//! ```text
//!  ●─────────·─────────●     ● · places that PROJ transforms; between them positions are interpolated
//!  │         ╎         │     if the middles lie where the corners say, but for the tolerance,
//!  ·╌╌╌╌╌╌╌╌╌·╌╌╌╌╌╌╌╌╌·     else the block is cut into its quarters, down to
//!  │         ╎         │     blocks of which every point is transformed
//!  ●─────────·─────────●
//! ```
//! As GDAL's approximating transformer does it along lines (`gdal_alg.h`), here in both directions, and with quarters
//! of a block that was found good, which quarters the error once more.

use super::axis::CellAxis;

/// Points along a side of the blocks that are tried first.
const BLOCK: usize = 64;
/// Blocks of this many points along a side are computed exactly.
const EXACT: usize = 8;
/// Where no place of a block of this size has coordinates in the source, none has.
const NOWHERE: usize = 16;
/// Positions that differ by less, in cells, are the same.
const SAME: f64 = 1e-6;

/// The points at all combinations of some coordinates.
#[derive(Debug, Clone, Copy)]
pub struct Lattice<'a> {
    /// Along a row.
    pub x: &'a [f64],
    /// Along a column.
    pub y: &'a [f64],
}

/// Positions of the points of a lattice along the source's axes x and y; not finite for points that the source has not.
#[derive(Debug, Clone, PartialEq)]
pub enum Positions {
    /// Columns of the lattice lie along columns of the source, and rows along rows: a position for each.
    Separable {
        /// Along x, a column each.
        x: Vec<f64>,
        /// Along y, a row each.
        y: Vec<f64>,
    },
    /// Row by row.
    Each {
        /// Points of a row.
        width: usize,
        /// Along x.
        x: Vec<f64>,
        /// Along y.
        y: Vec<f64>,
    },
}

/// What positions are computed with.
struct Computation<'a, E> {
    lattice: Lattice<'a>,
    axes: (&'a CellAxis, &'a CellAxis),
    transform: &'a mut dyn FnMut(&mut [(f64, f64)]) -> Result<(), E>,
    tolerance: f64,
    /// What has been found, row by row.
    x: Vec<f64>,
    y: Vec<f64>,
}

impl Positions {
    /// The positions of the points of `lattice` on the source's axes x and y, right to `tolerance` cells. `transform`
    /// moves places of the lattice into the source's system, and makes NaN of those that it has not.
    ///
    /// # Errors
    /// Those of `transform`.
    pub fn of<E>(
        lattice: Lattice<'_>,
        axes: (&CellAxis, &CellAxis),
        tolerance: f64,
        transform: &mut dyn FnMut(&mut [(f64, f64)]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let (width, height) = (lattice.x.len(), lattice.y.len());
        let cells = width * height;
        let mut computation = Computation {
            lattice,
            axes,
            transform,
            tolerance,
            x: Vec::new(),
            y: Vec::new(),
        };
        if cells == 0 {
            return Ok(Self::Separable {
                x: Vec::new(),
                y: Vec::new(),
            });
        }
        if let Some((column, row)) = computation.separable()? {
            return computation.separate(column, row);
        }
        computation.x = vec![f64::NAN; cells];
        computation.y = vec![f64::NAN; cells];
        let starts = |length: usize| (0..length.saturating_sub(1).max(1)).step_by(BLOCK);
        for top in starts(height) {
            let bottom = (top + BLOCK).min(height - 1);
            for left in starts(width) {
                let right = (left + BLOCK).min(width - 1);
                computation.fill((left, right), (top, bottom))?;
            }
        }
        let (mut x, y) = (computation.x, computation.y);
        unroll(&mut x, width / 2 + cells / 2 / width * width, axes.0);
        Ok(Self::Each { width, x, y })
    }

    /// Positions of places in the source's own system.
    #[must_use]
    pub fn of_same_system(lattice: Lattice<'_>, axes: (&CellAxis, &CellAxis)) -> Self {
        let along = |axis: &CellAxis, places: &[f64]| -> Vec<f64> {
            places.iter().map(|place| axis.position(*place)).collect()
        };
        let (mut x, y) = (along(axes.0, lattice.x), along(axes.1, lattice.y));
        let middle = x.len() / 2;
        unroll(&mut x, middle, axes.0);
        Self::Separable { x, y }
    }

    /// Points of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::Separable { x, .. } => x.len(),
            Self::Each { width, .. } => *width,
        }
    }

    /// Rows of points.
    #[must_use]
    pub fn height(&self) -> usize {
        match self {
            Self::Separable { y, .. } => y.len(),
            Self::Each { width, y, .. } => y.len() / (*width).max(1),
        }
    }

    /// The position of a point along x and y.
    #[must_use]
    pub fn at(&self, column: usize, row: usize) -> (f64, f64) {
        match self {
            Self::Separable { x, y } => (x[column], y[row]),
            Self::Each { width, x, y } => {
                let at = row * width + column;
                (x[at], y[at])
            }
        }
    }

    /// The four points around a cell of a lattice of corners, following each other; across the seam of a circle the
    /// short way.
    #[must_use]
    pub fn around(&self, column: usize, row: usize, axis: &CellAxis) -> [(f64, f64); 4] {
        let (right, below) = (column + 1, row + 1);
        let places = [(column, row), (right, row), (right, below), (column, below)];
        let places = places.map(|(column, row)| self.at(column, row));
        places.map(|(x, y)| (axis.unrolled(x, places[0].0), y))
    }

    /// The same with other positions along y.
    #[must_use]
    pub fn with_y(mut self, of: impl Fn(f64) -> f64) -> Self {
        let (Self::Separable { y, .. } | Self::Each { y, .. }) = &mut self;
        for y in y {
            *y = of(*y);
        }
        self
    }
}

/// Puts positions on a circle side by side: around that of the point `middle` where the circle is closed, so that a
/// lattice across the seam needs one window; else around the middle of the cells.
pub(super) fn unroll(positions: &mut [f64], middle: usize, axis: &CellAxis) {
    if axis.period().is_none() {
        return;
    }
    let is_known = |x: &f64| x.is_finite();
    let of_middle = positions.get(middle).copied().filter(is_known);
    let near = match axis.is_closed() {
        true => match of_middle.or_else(|| positions.iter().copied().find(is_known)) {
            // The middle itself is where its window is shortest: among the cells.
            Some(x) => axis.unrolled(x, axis.middle()),
            None => return,
        },
        false => axis.middle(),
    };
    for x in positions {
        *x = axis.unrolled(*x, near);
    }
}

impl<E> Computation<'_, E> {
    /// A row and a column of the lattice that say all, where its columns lie along columns of the source, and its rows
    /// along rows, as they do between cylindrical projections.
    fn separable(&mut self) -> Result<Option<(usize, usize)>, E> {
        let probed = |length: usize| (0..5).map(move |at| at * (length - 1) / 4);
        let (columns, rows) = (self.lattice.x.len(), self.lattice.y.len());
        let points: Vec<(usize, usize)> = probed(rows)
            .flat_map(|row| probed(columns).map(move |column| (column, row)))
            .collect();
        let place = |point: &(usize, usize)| (self.lattice.x[point.0], self.lattice.y[point.1]);
        let mut nodes: Vec<(f64, f64)> = points.iter().map(place).collect();
        self.moved(&mut nodes)?;
        let found: Vec<_> = std::iter::zip(points, nodes)
            .filter(|(_, (x, y))| (x + y).is_finite())
            .collect();
        let Some(((column, row), _)) = found.get(found.len() / 2).copied() else {
            return Ok(None);
        };
        let is_same = |one: f64, other: f64| (one - other).abs() <= SAME;
        let agree = found.iter().all(|(point, place)| {
            found.iter().all(|(other_point, other)| {
                (point.0 != other_point.0 || is_same(place.0, other.0))
                    && (point.1 != other_point.1 || is_same(place.1, other.1))
            })
        });
        Ok(agree.then_some((column, row)))
    }

    /// The positions of a lattice of which the column and the row with these numbers say all.
    fn separate(&mut self, column: usize, row: usize) -> Result<Positions, E> {
        let (x, y) = (self.lattice.x, self.lattice.y);
        let mut along: Vec<(f64, f64)> = x.iter().map(|x| (*x, y[row])).collect();
        let mut down: Vec<(f64, f64)> = y.iter().map(|y| (x[column], *y)).collect();
        self.moved(&mut along)?;
        self.moved(&mut down)?;
        let mut x: Vec<f64> = along.into_iter().map(|(x, _)| x).collect();
        let middle = x.len() / 2;
        unroll(&mut x, middle, self.axes.0);
        Ok(Positions::Separable {
            x,
            y: down.into_iter().map(|(_, y)| y).collect(),
        })
    }

    /// Makes positions of places of the lattice.
    fn moved(&mut self, places: &mut [(f64, f64)]) -> Result<(), E> {
        (self.transform)(places)?;
        for place in places {
            *place = (self.axes.0.position(place.0), self.axes.1.position(place.1));
        }
        Ok(())
    }

    /// Fills in the points of a block, its last row and column included.
    fn fill(&mut self, columns: (usize, usize), rows: (usize, usize)) -> Result<(), E> {
        let (width, height) = (columns.1 - columns.0, rows.1 - rows.0);
        if width <= EXACT || height <= EXACT {
            return self.fill_exactly(columns, rows);
        }
        let across = [columns.0, columns.0 + width / 2, columns.1];
        let down = [rows.0, rows.0 + height / 2, rows.1];
        let mut nodes: Vec<(f64, f64)> = down
            .iter()
            .flat_map(|row| across.map(|column| (self.lattice.x[column], self.lattice.y[*row])))
            .collect();
        self.moved(&mut nodes)?;
        let finite = nodes.iter().filter(|(x, y)| (x + y).is_finite()).count();
        if finite == 0 && width.max(height) <= NOWHERE {
            return Ok(());
        }
        if finite == nodes.len() {
            let near = nodes[0].0;
            for (x, _) in &mut nodes {
                *x = self.axes.0.unrolled(*x, near);
            }
            if self.is_good(&nodes, across, down) {
                self.interpolate(&nodes, across, down);
                return Ok(());
            }
        }
        for rows in [(down[0], down[1]), (down[1], down[2])] {
            for columns in [(across[0], across[1]), (across[1], across[2])] {
                self.fill(columns, rows)?;
            }
        }
        Ok(())
    }

    fn fill_exactly(&mut self, columns: (usize, usize), rows: (usize, usize)) -> Result<(), E> {
        for row in rows.0..=rows.1 {
            let places = columns.0..=columns.1;
            let mut places: Vec<(f64, f64)> = places
                .map(|column| (self.lattice.x[column], self.lattice.y[row]))
                .collect();
            self.moved(&mut places)?;
            let start = row * self.lattice.x.len() + columns.0;
            for (at, (x, y)) in places.into_iter().enumerate() {
                self.x[start + at] = x;
                self.y[start + at] = y;
            }
        }
        Ok(())
    }

    /// Do the corners say where the middles are?
    fn is_good(&self, nodes: &[(f64, f64)], across: [usize; 3], down: [usize; 3]) -> bool {
        let corners = [nodes[0], nodes[2], nodes[6], nodes[8]];
        [(1, 0), (0, 1), (1, 1), (2, 1), (1, 2)]
            .into_iter()
            .all(|(column, row)| {
                let (x, y) = (
                    share(self.lattice.x, across[0], across[2], across[column]),
                    share(self.lattice.y, down[0], down[2], down[row]),
                );
                let (expected, exact) = (between(corners, x, y), nodes[row * 3 + column]);
                let off = (expected.0 - exact.0)
                    .abs()
                    .max((expected.1 - exact.1).abs());
                off <= self.tolerance
            })
    }

    /// Fills in the points of a block, each quarter between its four nodes.
    fn interpolate(&mut self, nodes: &[(f64, f64)], across: [usize; 3], down: [usize; 3]) {
        for (below, right) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let first = below * 3 + right;
            let corners = [
                nodes[first],
                nodes[first + 1],
                nodes[first + 3],
                nodes[first + 4],
            ];
            let (left, end) = (across[right], across[right + 1]);
            let (top, bottom) = (down[below], down[below + 1]);
            let shares: Vec<f64> = (left..=end)
                .map(|column| share(self.lattice.x, left, end, column))
                .collect();
            for row in top..=bottom {
                let y = share(self.lattice.y, top, bottom, row);
                let start = row * self.lattice.x.len() + left;
                for (at, x) in shares.iter().enumerate() {
                    let (x, y) = between(corners, *x, y);
                    self.x[start + at] = x;
                    self.y[start + at] = y;
                }
            }
        }
    }
}

/// How far on the way from point `first` to point `last` point `at` lies.
fn share(points: &[f64], first: usize, last: usize, at: usize) -> f64 {
    (points[at] - points[first]) / (points[last] - points[first])
}

/// Between the corners of a rectangle: upper left, upper right, lower left, lower right.
fn between(corners: [(f64, f64); 4], x: f64, y: f64) -> (f64, f64) {
    let along = |one: (f64, f64), other: (f64, f64)| {
        (one.0 + (other.0 - one.0) * x, one.1 + (other.1 - one.1) * x)
    };
    let (upper, lower) = (along(corners[0], corners[1]), along(corners[2], corners[3]));
    (
        upper.0 + (lower.0 - upper.0) * y,
        upper.1 + (lower.1 - upper.1) * y,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::convert::Infallible;

    use super::*;
    use crate::space::Transformation;

    fn range(first: f64, step: f64, count: usize) -> Vec<f64> {
        (0..count).map(|at| first + step * at as f64).collect()
    }

    /// Everywhere as near as was asked for, whatever is there: ordinary places, the antimeridian, a pole.
    #[test]
    fn positions_are_right_to_the_tolerance() {
        let longitudes = range(-179.875, 0.25, 1440);
        let latitudes = range(89.875, -0.25, 720);
        let axes = (
            &CellAxis::new(&longitudes, Some(360.0)).unwrap(),
            &CellAxis::new(&latitudes, None).unwrap(),
        );
        for (system, x, y, step) in [
            ("EPSG:3035", 3.0e6, 4.0e6, 5000.0),
            ("EPSG:3832", -1.0e6, 1.0e6, 10_000.0),
            ("EPSG:3413", -1.3e6, 1.2e6, 12_500.0),
            ("EPSG:6933", -17.3e6, 7.3e6, 100_000.0),
        ] {
            let transformation = Transformation::between(system, "OGC:CRS84").unwrap();
            let (x, y) = (range(x, step, 207), range(y, -step, 193));
            let lattice = Lattice { x: &x, y: &y };
            let mut calls = 0;
            let found = Positions::of(lattice, axes, 0.125, &mut |places| {
                calls += places.len();
                transformation.move_places(places)
            });
            let found = found.unwrap();
            let most = if system == "EPSG:3413" { 1.5 } else { 0.1 };
            let part = calls as f64 / (x.len() * y.len()) as f64;
            assert!(part < most, "{system}: {part}");
            let mut worst: f64 = 0.0;
            for (row, y) in lattice.y.iter().enumerate() {
                for (column, x) in lattice.x.iter().enumerate() {
                    let mut place = [(*x, *y)];
                    transformation.move_places(&mut place).unwrap();
                    let (x, y) = found.at(column, row);
                    let exact = axes.0.unrolled(axes.0.position(place[0].0), x);
                    worst = worst.max((exact - x).abs());
                    worst = worst.max((axes.1.position(place[0].1) - y).abs());
                }
            }
            assert!(worst <= 0.125, "{system}: {worst}");
        }
    }

    #[test]
    fn the_seam_of_a_circle_is_no_edge() {
        let axis = CellAxis::new(&range(0.5, 1.0, 360), Some(360.0)).unwrap();
        let x = range(-5.0, 1.0, 10);
        let lattice = Lattice { x: &x, y: &[1.5] };
        let other = CellAxis::new(&range(0.5, 1.0, 10), None).unwrap();
        let found = Positions::of_same_system(lattice, (&axis, &other));
        let steps = (1..10).map(|column| found.at(column, 0).0 - found.at(column - 1, 0).0);
        assert!(steps.into_iter().all(|step| step == 1.0));
        let mut same = |_: &mut [(f64, f64)]| -> Result<(), Infallible> { Ok(()) };
        let by_places = Positions::of(lattice, (&axis, &other), 0.125, &mut same).unwrap();
        assert_eq!(found, by_places);
    }
}
