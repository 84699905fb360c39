//! Where a projection tears the Earth apart: quadrilaterals whose corners lie on both sides of a seam, or whose sides it
//! bends, [`Torn`].
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

/// A quadrilateral is torn if the middle of a diagonal lies so far from where its ends say, in parts of it.
const TORN: f64 = 0.25;

/// Where it lies so far from there, as around poles, sides are not straight in the projection.
const CURVED: f64 = 0.05;

/// Degrees between places that say how the projection turns and stretches.
const STEP: f64 = 1e-4;

/// How far beyond a side, in parts of the area, points count: sides are straight in the projection for the neighbours.
const SLACK: f64 = 0.1;

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
    let mut torn = Vec::new();
    let mut found = Vec::new();
    for (at, middles) in std::iter::zip(suspicious, middles.chunks_exact(2)) {
        let (own, moved) = (corners_of(at, places), corners_of(at, centres));
        let off = off(&moved, middles);
        if off <= CURVED {
            continue;
        }
        let mut boxes = boxes(own, moved, projection)?;
        if off <= TORN {
            boxes.push(with_margin(
                moved.into_iter().fold(Bounds::NONE, Bounds::with),
            ));
        }
        found.push(at);
        torn.push(Torn {
            corners: own,
            column: at % width,
            row: at / width,
            boxes,
        });
    }
    let mut next = found.iter().peekable();
    let left_out = BooleanBuffer::collect_bool(left_out.len(), |at| {
        left_out.value(at) || next.next_if(|torn| **torn == at).is_some()
    });
    Ok((left_out, torn))
}

/// How far the middles of diagonals lie from where their ends say, in parts of these; infinitely where one is nowhere.
fn off(moved: &[Place; 4], middles: &[Place]) -> f64 {
    let diagonals = [(moved[0], moved[2]), (moved[1], moved[3])];
    let off = diagonals.iter().zip(middles).map(|((one, other), middle)| {
        let expected = ((one.0 + other.0) / 2.0, (one.1 + other.1) / 2.0);
        let (off, length) = (minus(*middle, expected), minus(*one, *other));
        let off = off.0.hypot(off.1) / length.0.hypot(length.1);
        if off.is_finite() { off } else { f64::INFINITY }
    });
    off.fold(0.0, f64::max)
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
            let (right, up) = (
                short_way(other.0 - corner.0) / STEP,
                (other.1 - corner.1) / north_step,
            );
            (
                place.0 + east.0 * right + north.0 * up,
                place.1 + east.1 * right + north.1 * up,
            )
        });
        if seen.iter().all(|(x, y)| (x + y).is_finite()) {
            let bounds = seen.into_iter().fold(Bounds::NONE, Bounds::with);
            boxes.push(with_margin(bounds));
        }
    }
    Ok(boxes)
}

/// A tenth more on all sides.
fn with_margin(bounds: Bounds) -> Bounds {
    let (width, height) = (bounds.x.1 - bounds.x.0, bounds.y.1 - bounds.y.0);
    let margin = width.max(height) / 10.0;
    Bounds {
        x: (bounds.x.0 - margin, bounds.x.1 + margin),
        y: (bounds.y.0 - margin, bounds.y.1 + margin),
    }
}

impl Mesh {
    /// Finds points that lie in torn quadrilaterals, and in no other between centres.
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
                        if !search.found.is_inner[row * width + column] {
                            candidates.push((number, row * width + column));
                            places.push((search.columns.points[column], search.rows.points[row]));
                        }
                    }
                }
            }
        }
        projection.unproject(&mut places)?;
        // Those that lie in one before those that only may.
        for slack in [0.0, SLACK] {
            let mut found = Vec::new();
            for ((number, cell), place) in candidates.iter().zip(&places) {
                if !search.found.is_inner[*cell] && (place.0 + place.1).is_finite() {
                    let position = self.torn[*number].position(*place, slack);
                    found.extend(position.map(|position| (*number, *cell, position)));
                }
            }
            for (number, cell, (position, size)) in found {
                let laid = self.torn[number].laid();
                search.found.offer(cell, &laid, position, size);
            }
        }
        Ok(())
    }
}

impl Torn {
    /// Where a longitude and latitude lies in it, and how large it is there.
    fn position(&self, place: Place, slack: f64) -> Option<(Place, f64)> {
        let chart = Chart::at(place.1);
        let near = self.corners[0].0;
        let quadrilateral =
            Quadrilateral::new(self.corners.map(|corner| chart.place(corner, near)))?;
        let position = quadrilateral.position(chart.place(place, near), slack)?;
        Some((position, quadrilateral.size()))
    }

    fn laid(&self) -> Laid {
        let (column, row) = (self.column as f64, self.row as f64);
        Laid {
            corners: self.corners,
            columns: (column, column + 1.0),
            rows: (row, row + 1.0),
            is_outer: false,
        }
    }
}
