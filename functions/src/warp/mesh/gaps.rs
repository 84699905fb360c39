//! Where neighbouring centres do not belong together, and whether the columns close a circle.

use arrow::buffer::BooleanBuffer;

use super::Centres;
use super::chart::short_way;
use super::quadrilateral::Place;

/// Metres per degree of a great circle.
const DEGREE: f64 = 111_195.0;

/// Quadrilaterals that are looked at to know how long sides are.
const PROBES: usize = 4096;

/// A side so many times longer than most is that of a gap.
const GAP: f64 = 20.0;

/// Rows that are looked at to know whether columns close a circle.
const ROWS: usize = 64;

/// How far two places lie apart, in metres, where a degree of longitude is `cosine` of one of latitude.
pub(super) fn distance(one: Place, other: Place, cosine: f64) -> f64 {
    let east = short_way(one.0 - other.0) * cosine;
    DEGREE * east.hypot(one.1 - other.1)
}

/// How large a degree of longitude is at a latitude, in degrees of latitude.
pub(super) fn cosine(latitude: f64) -> f64 {
    latitude.to_radians().cos()
}

/// Does the first column of most rows come where the next one after the last would?
pub(super) fn is_closed(places: &Centres) -> bool {
    let (width, height) = (places.width, places.height());
    if width < 4 {
        return false;
    }
    let (mut yes, mut no) = (0, 0);
    for row in (0..height).step_by(height.div_ceil(ROWS).max(1)) {
        let side = |one: usize, other: usize| {
            let (one, other) = (places.at(one, row), places.at(other, row));
            distance(one, other, cosine(one.1))
        };
        let (first, last, seam) = (side(0, 1), side(width - 2, width - 1), side(width - 1, 0));
        match seam >= 0.5 * first.min(last) && seam <= 1.5 * first.max(last) {
            true => yes += 1,
            false if seam.is_finite() => no += 1,
            false => {}
        }
    }
    yes > no
}

/// Columns of quadrilaterals between centres.
pub(super) fn columns(places: &Centres, is_closed: bool) -> usize {
    places.width - usize::from(!is_closed)
}

/// The corners of a quadrilateral between centres.
pub(super) fn corners(places: &Centres, column: usize, row: usize) -> [Place; 4] {
    let right = (column + 1) % places.width;
    [
        places.at(column, row),
        places.at(right, row),
        places.at(right, row + 1),
        places.at(column, row + 1),
    ]
}

/// Which quadrilaterals have a side that is longer than `widest` metres, or is far longer than most; row by row.
pub(super) fn gaps(places: &Centres, is_closed: bool, widest: Option<f64>) -> BooleanBuffer {
    let width = columns(places, is_closed);
    let count = width * (places.height() - 1);
    let longest = |at: usize| {
        let corners = corners(places, at % width, at / width);
        let cosine = cosine(corners[0].1);
        let side = |at: usize| distance(corners[at], corners[(at + 1) % 4], cosine);
        // The length of a side to a missing corner is none.
        (0..4).map(side).fold(0.0, f64::max)
    };
    let widest = widest.unwrap_or_else(|| {
        let probes = (0..count).step_by(count.div_ceil(PROBES).max(1));
        let mut sides: Vec<f64> = probes.map(longest).filter(|side| *side > 0.0).collect();
        median(&mut sides).map_or(f64::INFINITY, |side| GAP * side)
    });
    BooleanBuffer::collect_bool(count, |at| longest(at) > widest)
}

/// The value in the middle.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}
