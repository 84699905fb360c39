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
        let mut cells = Cells {
            along,
            columns: counts.0 as i64,
            rows: counts.1 as i64,
            runs: &mut runs,
        };
        cells.mark(geometry);
        normalize(&mut runs);
    }
    Ok(runs)
}

/// The cells under points and lines.
struct Cells<'a> {
    along: (AlongAxis<'a>, AlongAxis<'a>),
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
        let (column, row) = ((self.along.0)(place.x), (self.along.1)(place.y));
        // Far beyond the grid there is nothing to follow.
        let is_near = |position: f64, cells: i64| {
            position.is_finite() && position.abs() <= 4.0 * cells as f64 + 4e6
        };
        let both = is_near(column, self.columns) && is_near(row, self.rows);
        both.then(|| (column.floor() as i64, row.floor() as i64))
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

    fn segment(&mut self, (mut column, mut row): (i64, i64), to: (i64, i64)) {
        let (across, down) = ((to.0 - column).abs(), (to.1 - row).abs());
        let (right, below) = ((to.0 - column).signum(), (to.1 - row).signum());
        let is_flat = across >= down;
        let (long, short) = if is_flat { (across, down) } else { (down, across) };
        let mut error = 2 * short - long;
        for _ in 0..long {
            self.put(column, row);
            if error >= 0 {
                match is_flat {
                    true => row += below,
                    false => column += right,
                }
                error -= 2 * long;
            }
            match is_flat {
                true => column += right,
                false => row += below,
            }
            error += 2 * short;
        }
        self.put(to.0, to.1);
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
            let cells = runs.iter().flat_map(|run| (run.start..run.end).map(|x| (x, run.row)));
            cells.collect::<Vec<_>>()
        };
        assert_eq!(cells(point! {x: 3.2, y: 1.9}.into()), [(3, 1)]);
        assert_eq!(cells(point! {x: 4.0, y: 1.9}.into()), []);
        let line = line_string![(x: 0.1, y: 0.1), (x: 3.9, y: 1.9)];
        assert_eq!(cells(line.into()), [(0, 0), (1, 0), (2, 1), (3, 1)]);
        let steep = line_string![(x: 1.5, y: 3.5), (x: 1.5, y: -1.0)];
        assert_eq!(cells(steep.into()), [(1, 0), (1, 1), (1, 2), (1, 3)]);
    }
}
