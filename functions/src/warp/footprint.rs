//! Values of the cells of the source under a target's cell, reduced to one: [`Footprints`].
//!
//! ```text
//!  upper left ●─────┐      what lies between the positions of the upper left and the
//!             │     │      lower right corner, as GDAL takes it (`gdalwarpkernel.cpp`);
//!             └─────● lower right
//! ```
//! where the cell is turned so far that these say little, as they do around a pole, what lies around all four corners.

use super::axis::CellAxis;
use super::interpolate::Sample;
use super::method::{Method, Missing};
use super::positions::Positions;
use super::window::Window;

/// What a corner may be beyond an edge and still lie on it.
const ON_EDGE: f64 = 1e-9;

/// A rectangle between two corners that has a smaller part of a cell's area than this says little about the cell.
const SAYS_LITTLE: f64 = 0.5;

/// Where the target's cells lie in a window of the source, the same for every plane of it.
#[derive(Debug, Clone)]
pub struct Footprints {
    window: Window,
    /// Per cell the edges left, right, top and bottom in cells of the window; left after right where there are none.
    edges: Vec<[f64; 4]>,
}

impl Footprints {
    /// For cells whose corners are at `corners`, a lattice of one more than there are cells along x and y, on the axes x
    /// and y of the source. `None` where no cell lies over the source.
    #[must_use]
    pub fn new(corners: &Positions, axes: (&CellAxis, &CellAxis)) -> Option<Self> {
        let (width, height) = (corners.width(), corners.height());
        let mut edges = Vec::with_capacity((width - 1) * height.saturating_sub(1));
        let clip = |one: f64, other: f64, axis: &CellAxis| {
            // From centres to edges: cell number 3 reaches from 3 to 4.
            let (low, high) = (one.min(other) + 0.5, one.max(other) + 0.5);
            match axis.is_closed() {
                true => (low, high),
                false => (low.max(0.0), high.min(axis.cells() as f64)),
            }
        };
        let is_empty = |edges: &[f64; 4]| {
            let [left, right, top, bottom] = *edges;
            // NaN is empty, too.
            !(right - left > ON_EDGE && bottom - top > ON_EDGE)
        };
        for row in 0..height.saturating_sub(1) {
            for column in 0..width - 1 {
                let places = corners.around(column, row, axes.0);
                let [x, y] = covered_by(&places);
                let (left, right) = clip(x.0, x.1, axes.0);
                let (top, bottom) = clip(y.0, y.1, axes.1);
                let found = [left, right, top, bottom];
                edges.push(match is_empty(&found) {
                    true => [1.0, 0.0, 1.0, 0.0],
                    false => found,
                });
            }
        }
        let mut covered = [
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        for [left, right, top, bottom] in edges.iter().filter(|edges| !is_empty(edges)) {
            covered[0] = covered[0].min(*left);
            covered[1] = covered[1].max(*right);
            covered[2] = covered[2].min(*top);
            covered[3] = covered[3].max(*bottom);
        }
        if covered[0] > covered[1] {
            return None;
        }
        let window = Window {
            x: covered[0].floor() as i64..covered[1].ceil() as i64,
            y: covered[2].floor() as i64..covered[3].ceil() as i64,
        };
        let (x, y) = (window.x.start as f64, window.y.start as f64);
        for edges in edges.iter_mut().filter(|edges| !is_empty(edges)) {
            *edges = [edges[0] - x, edges[1] - x, edges[2] - y, edges[3] - y];
        }
        Some(Self { window, edges })
    }

    /// The cells of the source that are needed.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.edges.len() * size_of::<[f64; 4]>()
    }

    /// The values of the target's cells out of those of the window, row by row. Where cells of the window are means
    /// themselves, `counts` says of how many values each; they weigh as much.
    pub fn apply<T: Sample>(
        &self,
        method: Method,
        missing: Missing,
        (plane, counts): (&[T], Option<&[T]>),
        out: &mut [T],
    ) {
        let width = self.window.width();
        let count = |cell: usize| counts.map_or(1.0, |counts| counts[cell].wide());
        let mut values: Vec<(T, f64)> = Vec::new();
        for (out, [left, right, top, bottom]) in out.iter_mut().zip(&self.edges) {
            values.clear();
            let mut is_complete = true;
            if left < right {
                let columns = cells(*left, *right, width);
                for row in cells(*top, *bottom, self.window.height()) {
                    let of_row = covered(row, *top, *bottom);
                    for column in columns.clone() {
                        let cell = row * width + column;
                        let value = plane[cell];
                        let weight = of_row * covered(column, *left, *right);
                        match value.is_missing() {
                            true => is_complete = false,
                            false => values.push((value, weight * count(cell))),
                        }
                    }
                }
            }
            *out = match is_complete || missing == Missing::Skip {
                true => reduced(method, &mut values),
                false => T::MISSING,
            };
        }
    }
}

/// The ranges along x and y that a quadrilateral covers, its corners in the order in which they follow each other.
fn covered_by(places: &[(f64, f64); 4]) -> [(f64, f64); 2] {
    let [first, right, last, below] = *places;
    let of_diagonal = [(first.0, last.0), (first.1, last.1)];
    let size = |[x, y]: [(f64, f64); 2]| ((x.1 - x.0) * (y.1 - y.0)).abs();
    let across = |one: (f64, f64), other: (f64, f64)| (other.0 - one.0, other.1 - one.1);
    let (one, other) = (across(first, last), across(right, below));
    let area = (one.0 * other.1 - one.1 * other.0).abs() / 2.0;
    if size(of_diagonal) >= SAYS_LITTLE * area {
        return of_diagonal;
    }
    let around = |of: fn(&(f64, f64)) -> f64| {
        let values = places.iter().map(of);
        (
            values.clone().fold(f64::INFINITY, f64::min),
            values.fold(f64::NEG_INFINITY, f64::max),
        )
    };
    [around(|place| place.0), around(|place| place.1)]
}

/// The cells between two edges.
fn cells(low: f64, high: f64, most: usize) -> std::ops::Range<usize> {
    let first = (low + ON_EDGE).floor().max(0.0) as usize;
    let end = (high - ON_EDGE).ceil().max(0.0) as usize;
    first..end.min(most)
}

/// How much of a cell lies between two edges.
fn covered(cell: usize, low: f64, high: f64) -> f64 {
    let cell = cell as f64;
    (high.min(cell + 1.0) - low.max(cell)).max(0.0)
}

/// One value of several, each with its weight.
pub(super) fn reduced<T: Sample>(method: Method, values: &mut [(T, f64)]) -> T {
    let (Some(first), Some(last)) = (values.first().copied(), values.last().copied()) else {
        return T::MISSING;
    };
    let sum = |of: &dyn Fn(f64) -> f64| -> f64 {
        values
            .iter()
            .map(|(value, weight)| of(value.wide()) * weight)
            .sum()
    };
    let weights = || values.iter().map(|(_, weight)| weight).sum::<f64>();
    match method {
        Method::RootMeanSquare => T::of((sum(&|value| value * value) / weights()).sqrt()),
        Method::Minimum => values.iter().fold(
            first.0,
            |least, (value, _)| if *value < least { *value } else { least },
        ),
        Method::Maximum => values.iter().fold(
            first.0,
            |most, (value, _)| if *value > most { *value } else { most },
        ),
        Method::FirstQuartile => at_rank(values, 0.25),
        Method::Median => at_rank(values, 0.5),
        Method::ThirdQuartile => at_rank(values, 0.75),
        Method::Mode => most_frequent(values),
        Method::First => first.0,
        Method::Last => last.0,
        _ => T::of(sum(&|value| value) / weights()),
    }
}

/// The value below which a part of the others lies, one of them: as GDAL, number ⌈part × count⌉ in their order.
fn at_rank<T: Sample>(values: &mut [(T, f64)], part: f64) -> T {
    let rank = (part * values.len() as f64).ceil() as usize;
    let rank = rank.clamp(1, values.len()) - 1;
    let compare = |one: &(T, f64), other: &(T, f64)| {
        one.0
            .partial_cmp(&other.0)
            .unwrap_or(std::cmp::Ordering::Equal)
    };
    values.select_nth_unstable_by(rank, compare).1.0
}

/// The value that occurs most often, of several the one that has done so first.
fn most_frequent<T: Sample>(values: &[(T, f64)]) -> T {
    let mut counts: Vec<(T, usize)> = Vec::new();
    let mut best = (values[0].0, 0);
    for (value, _) in values {
        let at = counts.iter().position(|(counted, _)| counted == value);
        let at = at.unwrap_or_else(|| {
            counts.push((*value, 0));
            counts.len() - 1
        });
        counts[at].1 += 1;
        if counts[at].1 > best.1 {
            best = counts[at];
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Two cells of the target over rows of 6 cells: the first covers 2½ × 2 of them, the second none.
    fn reduced_by(method: Method, missing: Missing, values: &[f64]) -> f64 {
        weighed_by(method, missing, values, None)
    }

    fn weighed_by(method: Method, missing: Missing, values: &[f64], counts: Option<&[f64]>) -> f64 {
        let axis = |cells: usize| {
            let centres: Vec<f64> = (0..cells).map(|cell| cell as f64).collect();
            CellAxis::new(&centres, None).unwrap()
        };
        let corners = Positions::Each {
            width: 3,
            x: vec![0.5, 3.0, f64::NAN, 0.5, 3.0, f64::NAN],
            y: vec![-0.5, -0.5, -0.5, 1.5, 1.5, 1.5],
        };
        let made = Footprints::new(&corners, (&axis(6), &axis(2))).unwrap();
        assert_eq!(
            (made.window().x.clone(), made.window().y.clone()),
            (1..4, 0..2)
        );
        let mut out = [0.0, 0.0];
        made.apply(method, missing, (values, counts), &mut out);
        assert!(out[1].is_nan());
        out[0]
    }

    #[test]
    fn cells_below_are_reduced() {
        let values = [1.0, 5.0, 9.0, 5.0, 4.0, 8.0];
        for (method, expected) in [
            (Method::Average, (1.0 + 5.0 + 5.0 + 4.0 + 4.5 + 4.0) / 5.0),
            (Method::Minimum, 1.0),
            (Method::Maximum, 9.0),
            (Method::FirstQuartile, 4.0),
            (Method::Median, 5.0),
            (Method::ThirdQuartile, 8.0),
            (Method::Mode, 5.0),
            (Method::First, 1.0),
            (Method::Last, 8.0),
        ] {
            assert_eq!(
                reduced_by(method, Missing::Skip, &values),
                expected,
                "{method}"
            );
        }
    }

    #[test]
    fn missing_cells_are_left_out_or_count() {
        let values = [1.0, f64::NAN, 9.0, 5.0, 4.0, 8.0];
        let skipped = reduced_by(Method::Average, Missing::Skip, &values);
        assert_eq!(skipped, (1.0 + 5.0 + 4.0 + 4.5 + 4.0) / 4.0);
        assert!(reduced_by(Method::Average, Missing::Propagate, &values).is_nan());
    }
    #[test]
    fn means_weigh_as_much_as_what_they_are_made_of() {
        let values = [1.0, f64::NAN, 9.0, 5.0, 4.0, 8.0];
        let counts = [4.0, 0.0, 1.0, 2.0, 4.0, 2.0];
        let weighed = |method| weighed_by(method, Missing::Skip, &values, Some(&counts));
        let (sum, weight) = (4.0 + 0.5 * 9.0 + 10.0 + 16.0 + 0.5 * 16.0, 11.5);
        assert_eq!(weighed(Method::Average), sum / weight);
        let squares: f64 = 4.0 + 0.5 * 81.0 + 2.0 * 25.0 + 4.0 * 16.0 + 64.0;
        assert_eq!(weighed(Method::RootMeanSquare), (squares / weight).sqrt());
    }
}
