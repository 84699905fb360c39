//! The cells of a grid that a geometry of any kind marks: [`burnt`].
//!
//! ```text
//!  polygon   cells whose centre lies inside        runs
//!  line      cells along it, one per row or column whichever are more (Bresenham 1965)
//!  point     the cell in which it lies
//! ```
//! As GDAL's rasterisation without "all touched" does it.

use geo_types::{Coord, Geometry, LineString};

use super::geometry::is_area;
use super::plane::{Plane, ZoneError};
use super::run::{Run, normalize};
use super::runs::{EdgeRule, runs_of};

/// Where coordinates lie along an axis, counted in cells from the outer edge of the first one.
pub type AlongAxis<'a> = &'a dyn Fn(f64) -> f64;

/// The cells that `geometry` marks, in the order of rows, each once. `along` says where x and y lie on the axes of `plane`,
/// which have as many cells as `counts` says. Errors call the geometry by the number `zone`.
///
/// # Errors
/// A vertex that is not a number, or a polygon that goes around the globe many times.
pub fn burnt(
    plane: &Plane,
    along: (AlongAxis<'_>, AlongAxis<'_>),
    counts: (usize, usize),
    zone: usize,
    geometry: &Geometry,
) -> Result<Vec<Run>, ZoneError> {
    // Polygons among others, too: points and lines have no area.
    let mut runs = runs_of(plane, zone, geometry, EdgeRule::HalfOpen)?;
    if !is_area(geometry) {
        let turns: &[f64] = match plane.period() {
            Some(_) => &[-1.0, 0.0, 1.0],
            None => &[0.0],
        };
        for turn in turns {
            let mut cells = Cells {
                along,
                shift: turn * plane.period().unwrap_or(0.0),
                columns: counts.0 as i64,
                rows: counts.1 as i64,
                runs: &mut runs,
            };
            cells.mark(geometry);
        }
        normalize(&mut runs);
    }
    Ok(runs)
}

/// The cells under points and lines.
struct Cells<'a> {
    along: (AlongAxis<'a>, AlongAxis<'a>),
    /// What x is moved by, so that it falls on a grid that begins at another longitude.
    shift: f64,
    columns: i64,
    rows: i64,
    runs: &'a mut Vec<Run>,
}

impl Cells<'_> {
    fn mark(&mut self, geometry: &Geometry) {
        match geometry {
            Geometry::Point(point) => self.point(point.0),
            Geometry::MultiPoint(points) => points.iter().for_each(|point| self.point(point.0)),
            Geometry::Line(line) => self.line(&LineString::from(*line)),
            Geometry::LineString(line) => self.line(line),
            Geometry::MultiLineString(lines) => lines.iter().for_each(|line| self.line(line)),
            Geometry::GeometryCollection(parts) => parts.iter().for_each(|part| self.mark(part)),
            _ => {}
        }
    }

    fn cell(&self, place: Coord) -> Option<(i64, i64)> {
        let (column, row) = (
            (self.along.0)(place.x + self.shift),
            (self.along.1)(place.y),
        );
        // Numbers of cells that are exact.
        let is_place = |position: f64| position.abs() < 9e15;
        (is_place(column) && is_place(row)).then(|| (column.floor() as i64, row.floor() as i64))
    }

    fn point(&mut self, place: Coord) {
        if let Some((column, row)) = self.cell(place) {
            self.put(column, row);
        }
    }

    fn line(&mut self, line: &LineString) {
        for pair in line.0.windows(2) {
            if let (Some(from), Some(to)) = (self.cell(pair[0]), self.cell(pair[1])) {
                self.segment(from, to);
            }
        }
    }

    /// Of each step along the longer side the cell that is nearest to the line; of two that are as near the one further
    /// on. Only steps on the grid are made, however long the line is.
    fn segment(&mut self, from: (i64, i64), to: (i64, i64)) {
        let (across, down) = (to.0 - from.0, to.1 - from.1);
        let is_flat = across.abs() >= down.abs();
        let (long, short) = if is_flat {
            (across, down)
        } else {
            (down, across)
        };
        let (start, cells) = match is_flat {
            true => (from.0, self.columns),
            false => (from.1, self.rows),
        };
        let (steps, aside) = (i128::from(long.abs()), i128::from(short.abs()));
        let (first, last) = match long < 0 {
            true => (start - (cells - 1), start),
            false => (-start, cells - 1 - start),
        };
        for step in first.max(0)..=last.min(long.abs()) {
            let moved = match steps {
                0 => 0,
                _ => ((2 * aside * i128::from(step) + steps) / (2 * steps)) as i64,
            };
            let (long, short) = (step * long.signum(), moved * short.signum());
            match is_flat {
                true => self.put(from.0 + long, from.1 + short),
                false => self.put(from.0 + short, from.1 + long),
            }
        }
    }

    fn put(&mut self, column: i64, row: i64) {
        if (0..self.columns).contains(&column) && (0..self.rows).contains(&row) {
            let start = column as u32;
            self.runs.push(Run {
                row: row as u32,
                start,
                end: start + 1,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use geo_types::{line_string, point};

    use super::*;

    #[test]
    fn lines_and_points_mark_cells() {
        let centres = [0.5, 1.5, 2.5, 3.5];
        let plane = Plane::new(&centres, &centres, None).unwrap();
        let same = |place: f64| place;
        let cells = |geometry: Geometry| {
            let runs = burnt(&plane, (&same, &same), (4, 4), 0, &geometry).unwrap();
            let cells = runs
                .iter()
                .flat_map(|run| (run.start..run.end).map(|x| (x, run.row)));
            cells.collect::<Vec<_>>()
        };
        assert_eq!(cells(point! {x: 3.2, y: 1.9}.into()), [(3, 1)]);
        assert_eq!(cells(point! {x: 4.0, y: 1.9}.into()), []);
        let line = line_string![(x: 0.1, y: 0.1), (x: 3.9, y: 1.9)];
        assert_eq!(cells(line.into()), [(0, 0), (1, 0), (2, 1), (3, 1)]);
        let long = line_string![(x: -4e9, y: 1.5), (x: 4e9, y: 1.5)];
        assert_eq!(cells(long.into()), [(0, 1), (1, 1), (2, 1), (3, 1)]);
        let steep = line_string![(x: 1.5, y: 3.5), (x: 1.5, y: -1.0)];
        assert_eq!(cells(steep.into()), [(1, 0), (1, 1), (1, 2), (1, 3)]);
    }
}
