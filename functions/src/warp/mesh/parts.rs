//! How much of each cell of a mesh lies in each cell of the target: [`Mesh::overlaps`].
//!
//! ```text
//!    ┌───────┬───────┐
//!    │    ╱╲ │       │     a cell of the source is cut along the rows of the target, the strips along its columns,
//!    │   ╱  ╲│       │     and the area of what is left is its weight there
//!    ├──╱────╲───────┤
//!    │  ╲    │╲      │
//! ```
//! Cells share their edges, so that each place counts once: the integral of the values stays the same.

use std::ops::Range;

use super::super::overlap::{Overlaps, area, cut};
use super::super::positions::Lattice;
use super::blocks::{Blocks, Bounds};
use super::gathered::Pair;
use super::quadrilateral::Place;
use super::search::turns;
use super::{CIRCLE, Mesh};

/// Parts of a cell that are smaller come of rounding.
const LEAST: f64 = 1e-12;

/// The edges of the target's cells along one of its axes.
struct Edges {
    /// Upwards.
    edges: Vec<f64>,
    /// Did they go down?
    is_turned: bool,
}

impl Edges {
    fn new(mut edges: Vec<f64>) -> Self {
        let is_turned = edges.first() > edges.last();
        if is_turned {
            edges.reverse();
        }
        Self { edges, is_turned }
    }

    fn bounds(&self) -> (f64, f64) {
        let end = |edge: Option<&f64>| edge.copied().unwrap_or(f64::NAN);
        (end(self.edges.first()), end(self.edges.last()))
    }

    fn cells(&self) -> usize {
        self.edges.len().saturating_sub(1)
    }

    /// The cells between two places: the number of each, and its lower and upper edge.
    fn between(&self, low: f64, high: f64) -> impl Iterator<Item = (usize, f64, f64)> {
        let first = self.edges.partition_point(|edge| *edge <= low);
        let end = self.edges.partition_point(|edge| *edge < high);
        let cells: Range<usize> = first.saturating_sub(1)..end.min(self.cells());
        cells.map(|cell| {
            let number = match self.is_turned {
                true => self.cells() - 1 - cell,
                false => cell,
            };
            (number, self.edges[cell], self.edges[cell + 1])
        })
    }
}

impl Mesh {
    /// The parts of cells in the cells of the target between `edges`. `None` where no cell lies in any.
    #[must_use]
    pub fn overlaps(&self, edges: Lattice<'_>) -> Option<Overlaps> {
        let columns = Edges::new(edges.x.to_vec());
        let rows = Edges::new(edges.y.iter().map(|y| self.by_area(*y)).collect());
        let bounds = Bounds {
            x: columns.bounds(),
            y: rows.bounds(),
        };
        let outlines = self.outlines.get_or_init(|| {
            let cells = (self.centres.width, self.centres.height());
            Blocks::new(cells, |columns, rows| self.bounds_of_cells(columns, rows))
        });
        let mut pairs: Vec<Pair<f32>> = Vec::new();
        for (block, own_columns, own_rows) in outlines.each() {
            if !self.may_meet(&block, &bounds) {
                continue;
            }
            for row in own_rows {
                for column in own_columns.clone() {
                    let Some(outline) = self.outline(column, row) else {
                        continue;
                    };
                    let own = outline.iter().copied().fold(Bounds::NONE, Bounds::with);
                    let mut lay = |turn: f64| {
                        let moved: Vec<Place> =
                            outline.iter().map(|(x, y)| (x + turn, *y)).collect();
                        parts(&moved, own.moved(turn), (&columns, &rows), |cell, part| {
                            pairs.push((cell as u32, column as i64, row as i64, part as f32));
                        });
                    };
                    match self.is_globe() {
                        true => turns(own.x, bounds.x).for_each(lay),
                        false => lay(0.0),
                    }
                }
            }
        }
        let gathered = self.gathered(columns.cells() * rows.cells(), pairs)?;
        Some(Overlaps::of_areas(
            gathered.window,
            gathered.starts,
            gathered.cells,
            gathered.weights,
        ))
    }

    /// What the cells of some columns and rows cover, longitudes unrolled.
    fn bounds_of_cells(&self, columns: Range<usize>, rows: Range<usize>) -> Bounds {
        let mut bounds = Bounds::NONE;
        for row in rows {
            for column in columns.clone() {
                let Some(outline) = self.outline(column, row) else {
                    continue;
                };
                let own = outline.into_iter().fold(Bounds::NONE, Bounds::with);
                let turn = match self.is_globe() && bounds.x.0 <= bounds.x.1 {
                    true => CIRCLE * ((bounds.x.0 - own.x.0) / CIRCLE).round(),
                    false => 0.0,
                };
                let own = own.moved(turn);
                bounds = bounds.with((own.x.0, own.y.0)).with((own.x.1, own.y.1));
            }
        }
        bounds
    }
}

/// Calls `found` with each cell of the target in which a polygon lies, and the area of the part in it.
fn parts(
    polygon: &[Place],
    bounds: Bounds,
    (columns, rows): (&Edges, &Edges),
    mut found: impl FnMut(usize, f64),
) {
    let least = area(polygon) * LEAST;
    let (mut rest, mut strip, mut part) = (Vec::new(), Vec::new(), Vec::new());
    for (row, low, high) in rows.between(bounds.y.0, bounds.y.1) {
        cut(polygon, &mut rest, |place| place.1 - low);
        cut(&rest, &mut strip, |place| high - place.1);
        let own = strip.iter().copied().fold(Bounds::NONE, Bounds::with);
        for (column, low, high) in columns.between(own.x.0, own.x.1) {
            cut(&strip, &mut rest, |place| place.0 - low);
            cut(&rest, &mut part, |place| high - place.0);
            let size = area(&part);
            if size > least {
                found(row * columns.cells() + column, size);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::super::method::{Method, Missing};
    use super::super::tests::mesh;
    use super::*;

    /// A mesh on the globe, and the integrals of its values and of those of a grid made of them.
    fn integrals(width: usize, height: usize, place: impl Fn(f64, f64) -> Place) -> (f64, f64) {
        let mesh = mesh(width, height, place);
        let value = |column: i64, row: i64| {
            1.0 + (column.rem_euclid(width as i64) * 7 + row * 3).rem_euclid(11) as f64
        };
        let source = (0..height).flat_map(|row| (0..width).map(move |column| (column, row)));
        let source = source.filter_map(|(column, row)| {
            let outline = mesh.outline(column, row)?;
            Some(area(&outline) * value(column as i64, row as i64))
        });
        let lattice_x: Vec<f64> = (0..=40).map(|edge| f64::from(edge) * 9.0 - 180.0).collect();
        let lattice_y: Vec<f64> = (0..=30).map(|edge| 90.0 - f64::from(edge) * 6.0).collect();
        let lattice = Lattice {
            x: &lattice_x,
            y: &lattice_y,
        };
        let made = mesh.overlaps(lattice).unwrap();
        let window = made.window().clone();
        let plane: Vec<f64> = window
            .y
            .clone()
            .flat_map(|row| window.x.clone().map(move |column| value(column, row)))
            .collect();
        let mut means = vec![0.0; 1200];
        made.apply(Method::Conservative, Missing::Skip, &plane, &mut means);
        let covered = made.covered();
        let target = std::iter::zip(means, covered).filter(|(mean, _)| !mean.is_nan());
        (
            source.sum(),
            target.map(|(mean, covered)| mean * covered).sum(),
        )
    }

    fn check(name: &str, (source, target): (f64, f64)) {
        let off = (source - target).abs() / source;
        assert!(off < 1e-6, "{name}: {source} {target}");
    }

    #[test]
    fn integrals_stay() {
        let sheared = |column: f64, row: f64| (170.0 + column + 0.3 * row, row - 0.2 * column);
        check("across the date line", integrals(30, 40, sheared));
        let globe = |column: f64, row: f64| (column * 10.0 - 175.0, row * 10.0 - 85.0);
        let (source, target) = integrals(36, 18, globe);
        check("a globe", (source, target));
        // A plane around the pole: one cell lies over it.
        let around = |column: f64, row: f64| {
            let (x, y) = (column - 9.7, row - 10.2);
            (y.atan2(x).to_degrees(), 90.0 - x.hypot(y))
        };
        check("a pole", integrals(20, 20, around));
    }

    #[test]
    fn a_globe_is_covered_once() {
        let mesh = mesh(36, 18, |column, row| (column * 10.0, row * 10.0 - 85.0));
        let cells = (0..18).flat_map(|row| (0..36).map(move |column| (column, row)));
        let sizes = cells.map(|(column, row)| area(&mesh.outline(column, row).unwrap()));
        let all: f64 = sizes.sum();
        // Longitudes times sines, in degrees.
        let sphere = 360.0 * 2.0_f64.to_degrees();
        assert!((all - sphere).abs() < 1e-9 * sphere, "{all} {sphere}");
    }
}
