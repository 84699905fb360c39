//! A grid whose cells have coordinates of their own, as swaths and ocean models do: [`Mesh`].
//!
//! ```text
//!      ·╌╌╌·╌╌╌╌·╌╌╌·      ● centres of cells, moved into the target's plane
//!      ╎   ╎    ╎   ╎      quadrilaterals between them: a place in one lies at a position between its four corners
//!      ·╌╌╌●────●╌╌╌·      ╌ the outermost ones end half a cell beyond the centres, where cells end
//!      ╎   │    │   ╎
//!      ·╌╌╌●────●╌╌╌·      blocks of 32 × 32 know their bounds: only those over a tile are looked at
//! ```
//! Every quadrilateral is laid over the target's points and says where those inside of it lie; so the inverse of the
//! coordinates costs as much as there are cells. Where several lie over a point the smallest one counts, of equal ones the
//! first, and what lies beyond the outermost centres only where there is nothing else. Folded ones, those without a corner,
//! and those across a gap are left out. On a globe of degrees longitudes are unrolled, and around the poles
//! sides are straight in a polar plane (`chart`); where a projection tears the Earth apart, in degrees (`torn`).

mod blocks;
mod chart;
mod gaps;
mod gathered;
mod line;
mod measure;
mod members;
mod outline;
mod parts;
mod quadrilateral;
mod search;
mod torn;

use std::sync::OnceLock;

use arrow::buffer::{BooleanBuffer, ScalarBuffer};

use self::blocks::Blocks;
pub use self::members::Members;
use self::quadrilateral::Place;
use self::torn::Torn;
use super::axis::CellAxis;
use crate::space::{ProjectionError, Transformation};

/// A full circle of longitudes, in degrees.
const CIRCLE: f64 = 360.0;

/// The plane of the target, in which the centres of the source lie.
#[derive(Debug)]
pub enum Plane {
    /// Longitudes and latitudes in degrees.
    Globe,
    /// A projection.
    Projected(Projection),
}

/// From longitudes and latitudes to the axes of the target.
#[derive(Debug, Clone)]
pub struct Projection {
    /// Into the target's system.
    pub forth: Transformation,
    /// Out of it.
    pub back: Transformation,
    /// What a unit of the target's axes is in units of its system.
    pub unit: f64,
}

impl Projection {
    /// Moves longitudes and latitudes to the axes of the target.
    ///
    /// # Errors
    /// PROJ cannot.
    pub fn project(&self, places: &mut [Place]) -> Result<(), ProjectionError> {
        self.forth.move_places(places)?;
        for (x, y) in places {
            (*x, *y) = (*x / self.unit, *y / self.unit);
        }
        Ok(())
    }

    fn unproject(&self, places: &mut [Place]) -> Result<(), ProjectionError> {
        for (x, y) in places.iter_mut() {
            (*x, *y) = (*x * self.unit, *y * self.unit);
        }
        self.back.move_places(places)
    }
}

/// The centres of cells, row by row, NaN where there are none.
#[derive(Debug, Clone)]
pub struct Centres {
    /// Along x, or longitudes.
    pub x: ScalarBuffer<f64>,
    /// Along y, or latitudes.
    pub y: ScalarBuffer<f64>,
    /// Cells of a row.
    pub width: usize,
}

impl Centres {
    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.x.len() / self.width.max(1)
    }

    fn at(&self, column: usize, row: usize) -> Place {
        let at = row * self.width + column;
        (self.x[at], self.y[at])
    }
}

/// The grid.
#[derive(Debug)]
pub struct Mesh {
    centres: Centres,
    plane: Plane,
    /// Do the columns close a circle?
    is_closed: bool,
    /// Quadrilaterals between centres that are left out, row by row.
    left_out: BooleanBuffer,
    torn: Vec<Torn>,
    blocks: Blocks,
    /// Bounds of the cells themselves, found out when they are first asked for.
    outlines: OnceLock<Blocks>,
}

impl Mesh {
    /// The grid whose cells have centres at the longitudes and latitudes `places`, which are `centres` in the plane of
    /// the target. Sides longer than `widest` metres are those of a gap; where nothing is said, those that are
    /// many times longer than most.
    ///
    /// # Errors
    /// PROJ fails.
    pub fn new(
        places: &Centres,
        centres: Centres,
        plane: Plane,
        widest: Option<f64>,
    ) -> Result<Self, ProjectionError> {
        let is_closed = gaps::is_closed(places);
        let gaps = gaps::gaps(places, is_closed, widest);
        let (left_out, torn) = match &plane {
            Plane::Globe => (gaps, Vec::new()),
            Plane::Projected(projection) => {
                torn::torn(places, &centres, is_closed, gaps, projection)?
            }
        };
        let mut mesh = Self {
            centres,
            plane,
            is_closed,
            left_out,
            torn,
            blocks: Blocks::default(),
            outlines: OnceLock::new(),
        };
        mesh.blocks = Blocks::of(&mesh);
        Ok(mesh)
    }

    /// Positions along x and y.
    #[must_use]
    pub fn axes(&self) -> Option<(CellAxis, CellAxis)> {
        let numbers = |cells: usize| (0..cells).map(|cell| cell as f64).collect::<Vec<_>>();
        let (width, height) = (self.centres.width, self.centres.height());
        let circle = self.is_closed.then_some(width as f64);
        Some((
            CellAxis::new(&numbers(width), circle)?,
            CellAxis::new(&numbers(height), None)?,
        ))
    }

    fn is_globe(&self) -> bool {
        matches!(self.plane, Plane::Globe)
    }

    /// Quadrilaterals along a row and a column, the outermost ones included.
    fn quadrilaterals(&self) -> (usize, usize) {
        let columns = match self.is_closed {
            true => self.centres.width,
            false => self.centres.width + 1,
        };
        (columns, self.centres.height() + 1)
    }

    /// The position along x of a line of corners, and whether it lies beyond the outermost centres.
    fn column_line(&self, line: usize) -> (f64, bool) {
        match self.is_closed {
            true => (line as f64, false),
            false => outward(line, self.centres.width),
        }
    }

    /// As [`Mesh::column_line`] along y.
    fn row_line(&self, line: usize) -> (f64, bool) {
        outward(line, self.centres.height())
    }

    /// The place where lines of corners cross: a centre, or half a cell beyond the outermost ones.
    fn corner(&self, column: usize, row: usize) -> Place {
        let (columns, rows) = (self.centres.width, self.centres.height());
        let (own_column, next_column) = match self.is_closed {
            true => (column % columns, None),
            false => inward(column, columns),
        };
        let (own_row, next_row) = inward(row, rows);
        let (x, y) = self.centres.at(own_column, own_row);
        if next_column.is_none() && next_row.is_none() {
            return (x, y);
        }
        let mut place = (x, y);
        let mut add = |column: usize, row: usize| {
            let other = self.centres.at(column, row);
            let away = match self.is_globe() {
                true => chart::short_way(x - other.0),
                false => x - other.0,
            };
            place = (place.0 + away / 2.0, place.1 + (y - other.1) / 2.0);
        };
        if let Some(next) = next_column {
            add(next, own_row);
        }
        if let Some(next) = next_row {
            add(own_column, next);
        }
        match self.is_globe() {
            true => (place.0, place.1.clamp(-90.0, 90.0)),
            false => place,
        }
    }

    /// The corners of a quadrilateral in the order in which they follow each other, and whether it lies beyond the
    /// outermost centres; `None` where it is left out.
    fn corners(&self, column: usize, row: usize) -> Option<([Place; 4], bool)> {
        let is_outer = self.column_line(column).1
            || self.column_line(column + 1).1
            || self.row_line(row).1
            || self.row_line(row + 1).1;
        // Of an outermost one that inside of it.
        let width = gaps::columns(&self.centres, self.is_closed);
        let own_column = match self.is_closed {
            true => column,
            false => column.saturating_sub(1).min(width - 1),
        };
        let own_row = row.saturating_sub(1).min(self.centres.height() - 2);
        if self.left_out.value(own_row * width + own_column) {
            return None;
        }
        let (right, below) = (column + 1, row + 1);
        let places = [(column, row), (right, row), (right, below), (column, below)];
        let places = places.map(|(column, row)| self.corner(column, row));
        let is_whole = places.iter().all(|(x, y)| (x + y).is_finite());
        is_whole.then_some((places, is_outer))
    }
}

/// The position of line number `line` of corners: the first and the last lie half a cell beyond the centres.
fn outward(line: usize, cells: usize) -> (f64, bool) {
    match line {
        0 => (-0.5, true),
        line if line > cells => (cells as f64 - 0.5, true),
        line => (line as f64 - 1.0, false),
    }
}

/// The centre of a line of corners, and of an outermost line the next one inside.
fn inward(line: usize, cells: usize) -> (usize, Option<usize>) {
    match line {
        0 => (0, Some(1)),
        line if line > cells => (cells - 1, Some(cells - 2)),
        line => (line - 1, None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::method::{Method, Missing};
    use super::super::positions::Lattice;
    use super::*;

    /// Centres at `place` of each column and row, on a globe.
    pub(super) fn mesh(width: usize, height: usize, place: impl Fn(f64, f64) -> Place) -> Mesh {
        let cells = (0..width * height).map(|at| ((at % width) as f64, (at / width) as f64));
        let places: Vec<Place> = cells.map(|(column, row)| place(column, row)).collect();
        let centres = Centres {
            x: places.iter().map(|place| place.0).collect(),
            y: places.iter().map(|place| place.1).collect(),
            width,
        };
        Mesh::new(&centres.clone(), centres, Plane::Globe, None).unwrap()
    }

    fn at(mesh: &Mesh, x: f64, y: f64) -> Place {
        let lattice = Lattice { x: &[x], y: &[y] };
        mesh.positions(lattice).unwrap().at(0, 0)
    }

    #[test]
    fn points_are_found() {
        let sheared =
            |column: f64, row: f64| (178.0 + column + 0.5 * row, 10.0 + row - 0.2 * column);
        let found = mesh(40, 50, sheared);
        for (column, row) in [
            (0.0, 0.0),
            (20.25, 30.5),
            (-0.4, 3.0),
            (39.3, 49.4),
            (38.5, 0.75),
        ] {
            let (x, y) = sheared(column, row);
            for x in [x, x - CIRCLE] {
                let (found_column, found_row) = at(&found, x, y);
                let off = (found_column - column).hypot(found_row - row);
                assert!(off < 1e-9, "{column} {row}: {found_column} {found_row}");
            }
        }
        for (column, row) in [(-0.6, 3.0), (20.0, 49.6), (39.6, 49.6)] {
            let (x, y) = sheared(column, row);
            assert!(at(&found, x, y).0.is_nan(), "{column} {row}");
        }
    }

    #[test]
    fn poles_are_inside() {
        // A plane around the pole.
        let around = |column: f64, row: f64| {
            let (x, y) = (column - 9.7, row - 10.2);
            (y.atan2(x).to_degrees(), 90.0 - x.hypot(y))
        };
        let found = mesh(20, 20, around);
        for (column, row) in [
            (9.7, 10.2),
            (9.71, 10.2),
            (3.3, 12.1),
            (9.5, 2.0),
            (12.0, 10.4),
        ] {
            let (x, y) = around(column, row);
            let (found_column, found_row) = at(&found, x, y);
            let off = (found_column - column).hypot(found_row - row);
            assert!(off < 1e-9, "{column} {row}: {found_column} {found_row}");
        }
        let [west, south, east, north] = found.extent().unwrap();
        assert_eq!((west, east, north), (-180.0, 180.0, 90.0));
        assert!(south < 78.0, "{south}");
    }

    #[test]
    fn circles_close_and_gaps_do_not() {
        let globe = |column: f64, row: f64| (column * 10.0, row * 10.0 - 60.0);
        let found = mesh(36, 13, globe);
        assert!(found.is_closed);
        let (column, row) = at(&found, -6.0, 3.0);
        assert!((column - 35.4).hypot(row - 6.3) < 1e-9, "{column} {row}");
        let half = mesh(18, 13, globe);
        assert!(!half.is_closed);
        let extent = half.extent().unwrap().map(f64::round);
        assert_eq!(extent, [-5.0, -65.0, 175.0, 65.0]);
        // Columns on both sides of a gap.
        let apart = mesh(18, 13, |column, row| {
            let (x, y) = (column * 0.1, row * 0.1);
            (if column > 8.0 { x + 60.0 } else { x }, y)
        });
        assert!(at(&apart, 30.0, 0.5).0.is_nan());
        assert_eq!(apart.extent().map(|extent| extent[2].round()), Some(62.0));
    }

    #[test]
    fn centres_belong_to_one_cell_each() {
        let found = mesh(30, 30, |column, row| (0.1 * column + 0.03 * row, 0.1 * row));
        let edges: Vec<f64> = (0..=5).map(f64::from).collect();
        let centres: Vec<f64> = (0..5).map(|cell| f64::from(cell) + 0.5).collect();
        let (edges, centres) = (
            Lattice {
                x: &edges,
                y: &edges,
            },
            Lattice {
                x: &centres,
                y: &centres,
            },
        );
        let members = found.members(edges, centres).unwrap().unwrap();
        let plane = vec![1.0_f64; members.window().cells()];
        let mut sums = vec![0.0; 25];
        members.apply(Method::Sum, Missing::Skip, &plane, &mut sums);
        let total: f64 = sums.iter().filter(|sum| !sum.is_nan()).sum();
        assert_eq!(total, 900.0);
    }

    #[test]
    fn steps_are_counted_in_cells_of_the_source() {
        let found = mesh(30, 30, |column, row| (0.1 * column, 0.2 * row));
        let (x, y) = found.spread((0.5, 0.4));
        assert!((x - 5.0).abs() < 1e-9 && (y - 2.0).abs() < 1e-9, "{x} {y}");
        let size = found.cell_size().unwrap();
        assert!((size - 0.02_f64.sqrt()).abs() < 1e-12, "{size}");
    }
}
