//! Which cells of a grid each zone contains.
//!
//! ```text
//!             row of centres      ·   ·   ·   ·   ·   ·   ·
//!             edges cross it        \       /   \   /
//!  index of the first centre        1       3   4   5
//!  on or right of each
//!  paired: runs of cells            1‥3         4‥5
//! ```
//! Each edge is followed through the rows that it crosses; sorting the indices per row and pairing
//! them gives the runs. Where an edge passes is decided by exact arithmetic, and the same for both
//! polygons that share it: so polygons that share edges divide the cells among them, each to one.

use geo_types::Geometry;

use super::edges::{Edge, Outline, for_each_polygon};
use super::plane::{Plane, ZoneError};
use super::run::{Run, difference, normalize};

/// To whom a centre belongs that lies exactly on an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EdgeRule {
    /// To the polygon to the right of the edge; on a level edge, to the polygon above it (towards greater y).
    /// Of polygons that share edges exactly one contains each centre.
    #[default]
    HalfOpen,
    /// To no polygon, as `ST_Contains(polygon, point)` and `ST_Within(point, polygon)` have it.
    Exclude,
    /// To both polygons, as `ST_Intersects` and `ST_Covers` have it.
    Include,
}

/// The cells that each zone contains: those whose centre lies inside.
///
/// Whether a centre is inside one polygon is decided by the even-odd rule over all its rings, so their
/// direction does not matter. A zone of several polygons contains what any of them contains.
/// Points and lines contain no cell; neither does a zone without geometry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ZoneRuns {
    runs: Vec<Run>,
    /// Where the runs of each zone end.
    ends: Vec<usize>,
}

impl ZoneRuns {
    /// Lays zones on a grid.
    ///
    /// # Errors
    /// A vertex that is not a number, or a polygon that goes around the globe many times.
    pub fn new<'a>(
        plane: &Plane,
        zones: impl IntoIterator<Item = Option<&'a Geometry>>,
        rule: EdgeRule,
    ) -> Result<Self, ZoneError> {
        let mut all = ZoneRuns::default();
        for (zone, geometry) in zones.into_iter().enumerate() {
            if let Some(geometry) = geometry {
                all.runs.append(&mut runs_of(plane, zone, geometry, rule)?);
            }
            all.ends.push(all.runs.len());
        }
        Ok(all)
    }

    /// How many zones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Is there no zone?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The runs of one zone in the order of rows, then of cells; no cell occurs twice. A zone that does not exist has none.
    #[must_use]
    pub fn zone(&self, zone: usize) -> &[Run] {
        let Some(end) = self.ends.get(zone) else {
            return &[];
        };
        let start = zone.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.runs[start..*end]
    }

    /// The runs of every zone, in the order of zones.
    pub fn iter(&self) -> impl Iterator<Item = &[Run]> {
        (0..self.len()).map(|zone| self.zone(zone))
    }

    /// How many cells a zone contains.
    #[must_use]
    pub fn cells(&self, zone: usize) -> u64 {
        self.zone(zone)
            .iter()
            .map(|run| u64::from(run.cells()))
            .sum()
    }

    /// Bytes in memory.
    #[must_use]
    pub fn size(&self) -> usize {
        self.runs.capacity() * size_of::<Run>() + self.ends.capacity() * size_of::<usize>()
    }
}

/// The runs of one zone, see [`ZoneRuns`]. Errors call the zone by the number `zone`.
///
/// # Errors
/// A vertex that is not a number, or a polygon that goes around the globe many times.
pub fn runs_of(
    plane: &Plane,
    zone: usize,
    geometry: &Geometry,
    rule: EdgeRule,
) -> Result<Vec<Run>, ZoneError> {
    let Some(ends) = plane.x.ends() else {
        return Ok(Vec::new());
    };
    let mut runs = Vec::new();
    let mut scratch = Scratch::default();
    for_each_polygon(zone, geometry, &mut |outline: Outline<'_>| {
        for shift in plane.shifts(zone, outline.x, ends)? {
            scratch.lay(plane, &outline, shift, rule, &mut runs);
        }
        Ok::<(), ZoneError>(())
    })?;
    normalize(&mut runs);
    for run in &mut runs {
        (run.row, _) = plane.y.stored(run.row, run.row + 1);
        (run.start, run.end) = plane.x.stored(run.start, run.end);
    }
    // Indices of a falling axis come out in reverse.
    runs.sort_unstable();
    runs.shrink_to_fit();
    Ok(runs)
}

/// Memory that polygons of one zone share. All indices are in the order of rising coordinates.
#[derive(Debug, Default)]
struct Scratch {
    /// Row, and in it the first cell on or right of an edge.
    crossings: Vec<(u32, u32)>,
    inside: Vec<Run>,
    on_edges: Vec<Run>,
}

impl Scratch {
    /// Adds the runs of one polygon.
    fn lay(
        &mut self,
        plane: &Plane,
        outline: &Outline<'_>,
        shift: f64,
        rule: EdgeRule,
        runs: &mut Vec<Run>,
    ) {
        self.crossings.clear();
        self.inside.clear();
        for edge in outline.edges(shift) {
            cross(plane, &edge, &mut self.crossings);
        }
        self.pair(plane.x.len() as u32);
        if rule == EdgeRule::HalfOpen {
            runs.append(&mut self.inside);
            return;
        }
        self.on_edges.clear();
        for edge in outline.edges(shift) {
            cells_on(plane, &edge, &mut self.on_edges);
        }
        match rule {
            EdgeRule::Include => {
                runs.append(&mut self.inside);
                runs.append(&mut self.on_edges);
            }
            _ => {
                normalize(&mut self.on_edges);
                runs.append(&mut difference(&self.inside, &self.on_edges));
            }
        }
    }

    /// Pairs the crossings of each row. An edge beyond the last cell is no crossing, so the last may lack its partner.
    fn pair(&mut self, cells: u32) {
        self.crossings.sort_unstable();
        let mut rest = self.crossings.as_slice();
        while let Some((&(row, start), after)) = rest.split_first() {
            let (end, after) = match after.split_first() {
                Some((&(same, end), after)) if same == row => (end, after),
                _ => (cells, after),
            };
            rest = after;
            match self.inside.last_mut() {
                _ if start == end => {}
                Some(last) if last.row == row && last.end == start => last.end = end,
                _ => self.inside.push(Run { row, start, end }),
            }
        }
    }
}

/// In each row that an edge crosses, the first cell on or right of it.
///
/// An edge crosses the rows from its lower end up to, but not including, the row of its upper end, and level
/// edges cross none: so a centre counts as if it lay a trifle higher than it does.
fn cross(plane: &Plane, edge: &Edge, crossings: &mut Vec<(u32, u32)>) {
    if edge.is_level() {
        return;
    }
    let cells = plane.x.len();
    let rows = plane.y.first_at_least(edge.low.y)..plane.y.first_at_least(edge.high.y);
    for row in rows {
        let cell = first_right_of(plane, edge, plane.y.rising[row]);
        if cell < cells {
            crossings.push((row as u32, cell as u32));
        }
    }
}

/// The first cell of the row at height `y` that lies on the edge or right of it.
fn first_right_of(plane: &Plane, edge: &Edge, y: f64) -> usize {
    let x = &plane.x.rising;
    let mut cell = plane.x.first_at_least(edge.x_at(y));
    // What rounding put on the wrong side goes back.
    while cell > 0 && edge.side(x[cell - 1], y) <= 0.0 {
        cell -= 1;
    }
    while cell < x.len() && edge.side(x[cell], y) > 0.0 {
        cell += 1;
    }
    cell
}

/// The cells whose centres lie exactly on an edge, ends included.
fn cells_on(plane: &Plane, edge: &Edge, found: &mut Vec<Run>) {
    let rows = plane.y.first_at_least(edge.low.y)..plane.y.first_above(edge.high.y);
    if edge.is_level() {
        let start = plane.x.first_at_least(edge.low.x) as u32;
        let end = plane.x.first_above(edge.high.x) as u32;
        if start < end {
            found.extend(rows.map(|row| Run {
                row: row as u32,
                start,
                end,
            }));
        }
        return;
    }
    for row in rows {
        let y = plane.y.rising[row];
        let cell = first_right_of(plane, edge, y);
        if plane
            .x
            .rising
            .get(cell)
            .is_some_and(|x| edge.side(*x, y) == 0.0)
        {
            let (row, start) = (row as u32, cell as u32);
            found.push(Run {
                row,
                start,
                end: start + 1,
            });
        }
    }
}

#[cfg(test)]
mod tests;
