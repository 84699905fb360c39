//! Where a projection tears the Earth apart: quadrilaterals whose corners lie on both sides of a seam, [`Torn`].
//!
//! ```text
//!   ┌──●                      ●──┐      in the projection its corners are a map apart; seen from each of them the
//!   │  ╎ ·                  · ╎  │      others lie beyond the seam, which says which points may lie in it;
//!   └──●                      ●──┘      where these lie is then found out in degrees
//! ```

use arrow::buffer::BooleanBuffer;

use super::blocks::Bounds;
use super::chart::{Chart, short_way};
use super::gaps::{columns, corners, cosine, distance, median};
use super::quadrilateral::{Place, Quadrilateral, minus};
use super::search::{Laid, Search, goes_round};
use super::{Centres, Mesh, Plane, Projection};
use crate::space::ProjectionError;

/// Quadrilaterals that are looked at to know how large most become.
const PROBES: usize = 4096;

/// What becomes so many times larger than most may be torn.
const SUSPICIOUS: f64 = 3.0;

/// How far the middle of a diagonal may lie from where its ends say, in parts of it.
const OFF: f64 = 0.25;

/// Degrees between places that say how the projection turns and stretches.
const STEP: f64 = 1e-4;

/// How far beyond a side, in parts of the area, points count: sides are straight in the projection for the neighbours.
const SLACK: f64 = 0.02;

/// A quadrilateral that is torn.
#[derive(Debug)]
pub(super) struct Torn {
    corners: [Place; 4],
    /// Positions of the first corner.
    column: usize,
    row: usize,
    /// Where points of it may lie.
    boxes: Vec<Bounds>,
}

/// The quadrilaterals that are torn, and all that are left out: they, and those left out already.
pub(super) fn torn(
    places: &Centres,
    centres: &Centres,
    is_closed: bool,
    left_out: BooleanBuffer,
    projection: &Projection,
) -> Result<(BooleanBuffer, Vec<Torn>), ProjectionError> {
    let width = columns(places, is_closed);
    let stretch = |at: usize| -> f64 {
        let (own, moved) = (
            corners(places, at % width, at / width),
            corners(centres, at % width, at / width),
        );
        let cosine = cosine(own[0].1);
        let diagonal = |one: usize, other: usize| {
            let (x, y) = minus(moved[one], moved[other]);
            x.hypot(y) / distance(own[one], own[other], cosine)
        };
        diagonal(0, 2).max(diagonal(1, 3))
    };
    let probes = (0..left_out.len()).step_by(left_out.len().div_ceil(PROBES).max(1));
    let mut stretches: Vec<f64> = probes
        .map(stretch)
        .filter(|stretch| stretch.is_finite())
        .collect();
    let Some(usual) = median(&mut stretches) else {
        return Ok((left_out, Vec::new()));
    };
    let is_suspicious = |at: &usize| !left_out.value(*at) && stretch(*at) > SUSPICIOUS * usual;
    let suspicious: Vec<usize> = (0..left_out.len()).filter(is_suspicious).collect();
    let corners_of = |at: usize, of: &Centres| corners(of, at % width, at / width);
    // Of both diagonals the middles.
    let mut middles: Vec<Place> = suspicious
        .iter()
        .flat_map(|at| {
            let own = corners_of(*at, places);
            [middle(own[0], own[2]), middle(own[1], own[3])]
        })
        .collect();
    projection.project(&mut middles)?;
    let is_torn = |(at, middles): &(&usize, &[Place])| {
        let moved = corners_of(**at, centres);
        [(0, 2), (1, 3)]
            .into_iter()
            .zip(middles.iter())
            .any(|((one, other), middle)| {
                let (one, other) = (moved[one], moved[other]);
                let expected = ((one.0 + other.0) / 2.0, (one.1 + other.1) / 2.0);
                let (off, length) = (minus(*middle, expected), minus(one, other));
                // Not a number, too.
                !(off.0.hypot(off.1) <= OFF * length.0.hypot(length.1))
            })
    };
    let found: Vec<usize> = suspicious
        .iter()
        .zip(middles.chunks_exact(2))
        .filter(is_torn)
        .map(|(at, _)| *at)
        .collect();
    let mut torn = Vec::with_capacity(found.len());
    for at in &found {
        let own = corners_of(*at, places);
        torn.push(Torn {
            boxes: boxes(own, corners_of(*at, centres), projection)?,
            corners: own,
            column: at % width,
            row: at / width,
        });
    }
    let mut next = found.iter().peekable();
    let left_out = BooleanBuffer::collect_bool(left_out.len(), |at| {
        left_out.value(at) || next.next_if(|torn| **torn == at).is_some()
    });
    Ok((left_out, torn))
}

/// The place in the middle of the great circle between two.
fn middle(one: Place, other: Place) -> Place {
    let vector = |(x, y): Place| {
        let ((sine_x, cosine_x), (sine_y, cosine_y)) =
            (x.to_radians().sin_cos(), y.to_radians().sin_cos());
        [cosine_y * cosine_x, cosine_y * sine_x, sine_y]
    };
    let (one, other) = (vector(one), vector(other));
    let [x, y, z] = [0, 1, 2].map(|at| one[at] + other[at]);
    (y.atan2(x).to_degrees(), z.atan2(x.hypot(y)).to_degrees())
}

/// Where points of a torn quadrilateral may lie: around each of its corners, where the others would lie without the seam.
fn boxes(
    own: [Place; 4],
    moved: [Place; 4],
    projection: &Projection,
) -> Result<Vec<Bounds>, ProjectionError> {
    if goes_round(&own) {
        // From the corners to the pole, which may be a line.
        let pole = 90.0_f64.copysign(own[0].1);
        let mut line: Vec<Place> = (-6..=6)
            .map(|at| (f64::from(at) * 30.0 * (1.0 - 1e-9), pole * (1.0 - 1e-9)))
            .collect();
        projection.project(&mut line)?;
        let known = line.into_iter().chain(moved);
        let known = known.filter(|(x, y)| (x + y).is_finite());
        return Ok(vec![known.fold(Bounds::NONE, Bounds::with)]);
    }
    let mut boxes = Vec::new();
    for at in 0..4 {
        let (corner, place) = (own[at], moved[at]);
        let mut steps = [
            (corner.0 + STEP, corner.1),
            (corner.0, corner.1 - STEP.copysign(corner.1)),
        ];
        projection.project(&mut steps)?;
        let east = minus(steps[0], place);
        let north = minus(steps[1], place);
        let north_step = -STEP.copysign(corner.1);
        let seen = own.map(|other| {
            let (right, up) = (short_way(other.0 - corner.0) / STEP, (other.1 - corner.1) / north_step);
            (
                place.0 + east.0 * right + north.0 * up,
                place.1 + east.1 * right + north.1 * up,
            )
        });
        if seen.iter().all(|(x, y)| (x + y).is_finite()) {
            let bounds = seen.into_iter().fold(Bounds::NONE, Bounds::with);
            let (width, height) = (bounds.x.1 - bounds.x.0, bounds.y.1 - bounds.y.0);
            let margin = width.max(height) / 10.0;
            boxes.push(Bounds {
                x: (bounds.x.0 - margin, bounds.x.1 + margin),
                y: (bounds.y.0 - margin, bounds.y.1 + margin),
            });
        }
    }
    Ok(boxes)
}

impl Mesh {
    /// Finds points that lie in torn quadrilaterals, and nowhere else.
    pub(super) fn find_in_torn(&self, search: &mut Search<'_>) -> Result<(), ProjectionError> {
        let Plane::Projected(projection) = &self.plane else {
            return Ok(());
        };
        let bounds = search.bounds();
        let width = search.columns.points.len();
        let (mut candidates, mut places) = (Vec::new(), Vec::new());
        for (number, torn) in self.torn.iter().enumerate() {
            for own in torn.boxes.iter().filter(|own| own.meets(&bounds)) {
                for row in search.rows.between(own.y.0, own.y.1) {
                    for column in search.columns.between(own.x.0, own.x.1) {
                        if search.found.x[row * width + column].is_nan() {
                            candidates.push((number, row * width + column));
                            places.push((search.columns.points[column], search.rows.points[row]));
                        }
                    }
                }
            }
        }
        projection.unproject(&mut places)?;
        for ((number, cell), place) in candidates.into_iter().zip(places) {
            self.torn[number].find(cell, place, search);
        }
        Ok(())
    }
}

impl Torn {
    fn find(&self, cell: usize, place: Place, search: &mut Search<'_>) {
        if !(place.0 + place.1).is_finite() {
            return;
        }
        let chart = Chart::at(place.1);
        let near = self.corners[0].0;
        let in_chart = self.corners.map(|corner| chart.place(corner, near));
        let Some(quadrilateral) = Quadrilateral::new(in_chart) else {
            return;
        };
        if let Some(position) = quadrilateral.position(chart.place(place, near), SLACK) {
            let (column, row) = (self.column as f64, self.row as f64);
            let laid = Laid {
                corners: self.corners,
                columns: (column, column + 1.0),
                rows: (row, row + 1.0),
                is_outer: false,
            };
            search.found.offer(cell, &laid, position, quadrilateral.size());
        }
    }
}
