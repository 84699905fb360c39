//! How much of each cell a zone covers.
//!
//! ```text
//!        ┌────┬────┬────┬────┐
//!        │  ▗▄│████│████│▙▖  │   0.2   1   1   0.6      area right of the left edge
//!        └────┴────┴────┴────┘                         − area right of the right edge
//! ```
//! Every edge is cut at the bounds of cells. A piece covers what lies to its right: part of its own
//! cell and all cells behind it in the row, added or taken away depending on its direction. The sums
//! are exact but for rounding, and cost as much as the boundary is long.

use std::f64::consts::FRAC_PI_2;
use std::ops::Range;

use geo_types::{Coord, Geometry};

use super::edges::{Edge, Outline, for_each_polygon};
use super::plane::{Plane, ZoneError};
use super::run::Run;

/// In what a fraction of a cell is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// In the plane of the coordinates, as for a projected grid.
    Plane,
    /// On the sphere: y is a latitude in degrees, and a strip counts by the difference of the sines of its bounds.
    Sphere,
}

/// A cell that a zone covers in part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartialCell {
    /// Index along y.
    pub row: u32,
    /// Index along x.
    pub cell: u32,
    /// More than 0, less than 1.
    pub fraction: f64,
}

/// The cells that a zone covers, wholly or in part.
///
/// The rings of a polygon may touch each other and themselves, but where they cross, and where the polygons
/// of one zone overlap, the fraction of the cells concerned is not defined beyond lying between 0 and 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ZoneCover {
    /// Cells that are covered wholly, in order.
    pub full: Vec<Run>,
    /// Cells that are covered in part, in order.
    pub partial: Vec<PartialCell>,
}

/// Nearer to 0 or 1 than this a fraction is rounding.
const ROUNDING: f64 = 1e-12;

impl ZoneCover {
    /// Lays a zone on cells with `bounds`: a plane whose coordinates are not the centres of cells but
    /// the bounds between them, one more than there are cells, see [`super::midpoints`].
    ///
    /// # Errors
    /// A vertex that is not a number, a polygon that goes around the globe many times, or on the sphere
    /// bounds beyond a pole. Errors call the zone by the number `zone`.
    pub fn new(
        bounds: &Plane,
        zone: usize,
        geometry: &Geometry,
        measure: Measure,
    ) -> Result<Self, ZoneError> {
        let (Some(ends), Some([south, north])) = (bounds.x.ends(), bounds.y.ends()) else {
            return Ok(ZoneCover::default());
        };
        if measure == Measure::Sphere && (south < -90.0 || north > 90.0) {
            return Err(ZoneError::Pole { south, north });
        }
        let mut pieces = Pieces {
            bounds,
            measure,
            found: Vec::new(),
        };
        for_each_polygon(zone, geometry, &mut |outline: Outline<'_>| {
            for shift in bounds.shifts(zone, outline.x, ends)? {
                for (place, ring) in outline.rings(shift).enumerate() {
                    pieces.add_ring(&ring.collect::<Vec<Coord>>(), place > 0);
                }
            }
            Ok::<(), ZoneError>(())
        })?;
        Ok(pieces.sum())
    }

    /// What part of a cell the zone covers, between 0 and 1.
    #[must_use]
    pub fn fraction(&self, row: u32, cell: u32) -> f64 {
        let key = |partial: &PartialCell| (partial.row, partial.cell);
        if let Ok(at) = self.partial.binary_search_by_key(&(row, cell), key) {
            return self.partial[at].fraction;
        }
        let behind = self
            .full
            .partition_point(|run| (run.row, run.start) <= (row, cell));
        let before = behind.checked_sub(1).and_then(|at| self.full.get(at));
        match before.is_some_and(|run| run.row == row && cell < run.end) {
            true => 1.0,
            false => 0.0,
        }
    }
}

/// What one piece of an edge covers. Indices are in the order of rising coordinates.
#[derive(Debug, Clone, Copy)]
struct Piece {
    row: u32,
    /// `None` for an edge left of all cells.
    cell: Option<u32>,
    /// Its height, by which it covers every cell behind its own.
    height: f64,
    /// What it covers in its own cell.
    area: f64,
}

struct Pieces<'a> {
    bounds: &'a Plane,
    measure: Measure,
    found: Vec<Piece>,
}

impl Pieces<'_> {
    fn add_ring(&mut self, ring: &[Coord], is_hole: bool) {
        // An outer ring covers, a hole uncovers, whatever the direction in which they are written.
        let counterclockwise = doubled_area(ring) > 0.0;
        for pair in ring.windows(2) {
            let upward = pair[0].y < pair[1].y;
            // Counterclockwise, the area lies to the right of edges that point down.
            let sign = match (upward == counterclockwise) == is_hole {
                true => 1.0,
                false => -1.0,
            };
            self.add_edge(Edge::new(pair[0], pair[1]), sign);
        }
    }

    fn add_edge(&mut self, edge: Edge, sign: f64) {
        let y = &self.bounds.y.rising;
        let first = self.bounds.y.first_above(edge.low.y).saturating_sub(1);
        for row in first..y.len().saturating_sub(1) {
            let (bottom, top) = (edge.low.y.max(y[row]), edge.high.y.min(y[row + 1]));
            if bottom >= top {
                break;
            }
            let x_at = |y: f64| match y {
                _ if y == edge.low.y => edge.low.x,
                _ if y == edge.high.y => edge.high.x,
                _ => edge.x_at(y),
            };
            let from = Coord {
                x: x_at(bottom),
                y: bottom,
            };
            let to = Coord {
                x: x_at(top),
                y: top,
            };
            self.add_strip(row as u32, from, to, sign);
        }
    }

    /// Cuts the part of an edge that lies in one row at the bounds between its cells.
    fn add_strip(&mut self, row: u32, from: Coord, to: Coord, sign: f64) {
        let x = &self.bounds.x;
        let rightward = from.x <= to.x;
        let (left, right) = match rightward {
            true => (from.x, to.x),
            false => (to.x, from.x),
        };
        let first = x.first_above(left);
        let inner = &x.rising[first..x.first_at_least(right).max(first)];
        let cut = |bound: &f64| Coord {
            x: *bound,
            y: (from.y + (bound - from.x) / (to.x - from.x) * (to.y - from.y)).clamp(from.y, to.y),
        };
        let mut start = from;
        for place in 0..=inner.len() {
            let end = match rightward {
                _ if place == inner.len() => to,
                true => cut(&inner[place]),
                false => cut(&inner[inner.len() - 1 - place]),
            };
            self.add_piece(row, start, end, sign);
            start = end;
        }
    }

    fn add_piece(&mut self, row: u32, from: Coord, to: Coord, sign: f64) {
        let x = &self.bounds.x;
        let middle = f64::midpoint(from.x, to.x);
        let height = self.measure.height(from.y, to.y);
        let above = x.first_above(middle);
        let (cell, area) = match (above, x.rising.get(above)) {
            (0, _) => (None, 0.0),
            // Right of all cells it covers none.
            (_, None) => return,
            (_, Some(right)) => {
                let lean = (to.x - from.x) * self.measure.lean(from.y, to.y);
                (Some(above as u32 - 1), (right - middle) * height + lean)
            }
        };
        self.found.push(Piece {
            row,
            cell,
            height: sign * height,
            area: sign * area,
        });
    }

    /// Adds up what all pieces cover.
    fn sum(mut self) -> ZoneCover {
        let mut cover = ZoneCover::default();
        self.found.sort_by_key(|piece| (piece.row, piece.cell));
        let cells = self.bounds.x.len() as u32 - 1;
        for row in self.found.chunk_by(|a, b| a.row == b.row) {
            self.sum_row(row, cells, &mut cover);
        }
        cover.full.sort_unstable();
        cover
            .partial
            .sort_by_key(|partial| (partial.row, partial.cell));
        cover
    }

    fn sum_row(&self, pieces: &[Piece], cells: u32, cover: &mut ZoneCover) {
        let Some(row) = pieces.first().map(|piece| piece.row) else {
            return;
        };
        let (x, y) = (&self.bounds.x.rising, &self.bounds.y.rising);
        let row_height = self.measure.height(y[row as usize], y[row as usize + 1]);
        let mut fractions = RowFractions {
            bounds: self.bounds,
            row: self.bounds.y.stored_cell(row),
            cover,
            full_since: None,
        };
        let mut height = 0.0;
        let mut next = 0;
        for group in pieces.chunk_by(|a, b| a.cell == b.cell) {
            if let Some(cell) = group.first().and_then(|piece| piece.cell) {
                // No edge cuts these, but a level one may pass through them.
                fractions.add(next..cell, height / row_height);
                let area: f64 = group.iter().map(|piece| piece.area).sum();
                let width = x[cell as usize + 1] - x[cell as usize];
                let fraction = (height * width + area) / (row_height * width);
                fractions.add(cell..cell + 1, fraction);
                next = cell + 1;
            }
            height += group.iter().map(|piece| piece.height).sum::<f64>();
        }
        fractions.add(next..cells, height / row_height);
        fractions.finish(cells);
    }
}

/// Writes down the fractions of a row's cells from left to right.
struct RowFractions<'a> {
    bounds: &'a Plane,
    row: u32,
    cover: &'a mut ZoneCover,
    /// The first of the full cells that are not yet written down.
    full_since: Option<u32>,
}

impl RowFractions<'_> {
    fn add(&mut self, cells: Range<u32>, fraction: f64) {
        if cells.is_empty() {
            return;
        }
        if fraction >= 1.0 - ROUNDING {
            self.full_since.get_or_insert(cells.start);
            return;
        }
        self.finish(cells.start);
        if fraction > ROUNDING {
            let partial = cells.map(|cell| PartialCell {
                row: self.row,
                cell: self.bounds.x.stored_cell(cell),
                fraction,
            });
            self.cover.partial.extend(partial);
        }
    }

    /// Writes down the full cells that end before `end`.
    fn finish(&mut self, end: u32) {
        if let Some(start) = self.full_since.take() {
            let (start, end) = self.bounds.x.stored_cells(start, end);
            let row = self.row;
            self.cover.full.push(Run { row, start, end });
        }
    }
}

impl Measure {
    /// How much a strip between two heights counts, per unit of x.
    fn height(self, bottom: f64, top: f64) -> f64 {
        match self {
            Measure::Plane => top - bottom,
            // The difference of two sines, without their cancellation.
            Measure::Sphere => {
                let middle = f64::midpoint(bottom, top).to_radians();
                2.0 * middle.cos() * ((top - bottom).to_radians() / 2.0).sin()
            }
        }
    }

    /// What an edge that leans right by one unit over the strip covers more than an upright one through
    /// its middle: on the sphere the lower half of a strip in the north counts more than its upper half.
    ///
    /// ```text
    ///  with u from -h to h around the middle m:  −∫ u/2h · cos(m + u) du = sin m · (sin h − h cos h) / h
    /// ```
    fn lean(self, bottom: f64, top: f64) -> f64 {
        match self {
            Measure::Plane => 0.0,
            Measure::Sphere => {
                let half = (top - bottom).to_radians() / 2.0;
                let square = half * half;
                let moment = match half.abs() < FRAC_PI_2 / 50.0 {
                    true => {
                        square / 3.0 - square * square / 30.0 + square * square * square / 840.0
                    }
                    false => half.sin() / half - half.cos(),
                };
                f64::midpoint(bottom, top).to_radians().sin() * moment
            }
        }
    }
}

/// Twice the area inside a ring, positive where it is written counterclockwise.
fn doubled_area(ring: &[Coord]) -> f64 {
    let Some(origin) = ring.first() else {
        return 0.0;
    };
    ring.windows(2)
        .map(|pair| {
            let (a, b) = (pair[0] - *origin, pair[1] - *origin);
            a.x * b.y - a.y * b.x
        })
        .sum()
}

#[cfg(test)]
mod tests;
