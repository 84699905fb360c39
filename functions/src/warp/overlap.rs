//! How much of each cell of the source a target's cell covers: [`Overlaps`].
//!
//! ```text
//!   ┌────┬────┬────┐
//!   │   ╱╲    │    │      the target's cell is the quadrilateral between its corners in the source;
//!   ├──╱──╲───┼────┤      it is cut along rows of the source, the strips along columns
//!   │  ╲   ╲  │    │      (Sutherland and Hodgman 1974), and what is left of a cell is its weight
//!   └───╲──╱──┴────┘
//! ```
//! Neighbouring cells of the target have corners in common, so that together they cover each cell of the source once:
//! what is summed over them stays the same.

use super::axis::CellAxis;
use super::interpolate::Sample;
use super::method::{Method, Missing};
use super::positions::Positions;
use super::window::Window;

/// Weights that are smaller, in cells, are left out.
const LEAST: f64 = 1e-9;

/// The weights of the cells of a window for some cells of the target, the same for every plane of it.
#[derive(Debug, Clone)]
pub struct Overlaps {
    window: Window,
    /// Per cell of the target where its weights begin, and the end of all.
    starts: Vec<u32>,
    /// Cells of the window.
    cells: Vec<u32>,
    /// How much of each is covered, 0 to 1, or the area of that.
    covered: Vec<f32>,
    /// How large the cells of each row of the window are.
    sizes: Vec<f64>,
}

type Place = (f64, f64);

impl Overlaps {
    /// For cells whose corners are at `corners`, a lattice of one more than there are cells along x and y, on the axes x
    /// and y of the source. `size` is how large the cells of a row of the source are, in any unit. `None` where no cell
    /// lies over the source.
    #[must_use]
    pub fn new(
        corners: &Positions,
        axes: (&CellAxis, &CellAxis),
        size: impl Fn(usize) -> f64,
    ) -> Option<Self> {
        let (width, height) = (corners.width(), corners.height());
        let rows = axes.1.cells() as f64;
        let mut low = (f64::INFINITY, f64::INFINITY);
        let mut high = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let mut quadrilaterals = Vec::with_capacity(width * height);
        for row in 0..height.saturating_sub(1) {
            for column in 0..width - 1 {
                // From centres to edges: cell number 3 reaches from 3 to 4.
                let found = corners
                    .around(column, row, axes.0)
                    .map(|(x, y)| (x + 0.5, y + 0.5));
                let bounds = bounds(&found);
                let [left, right, top, bottom] = clipped(bounds, axes.0, rows);
                let is_over = left < right && top < bottom;
                if is_over {
                    low = (low.0.min(left), low.1.min(top));
                    high = (high.0.max(right), high.1.max(bottom));
                }
                quadrilaterals.push(is_over.then_some(found));
            }
        }
        if low.0 > high.0 {
            return None;
        }
        let window = Window {
            x: low.0.floor() as i64..high.0.ceil() as i64,
            y: low.1.floor() as i64..high.1.ceil() as i64,
        };
        let sizes = window.y.clone().map(|row| size(row.max(0) as usize));
        let mut overlaps = Self {
            starts: vec![0],
            cells: Vec::new(),
            covered: Vec::new(),
            sizes: sizes.collect(),
            window,
        };
        for quadrilateral in quadrilaterals {
            if let Some(places) = quadrilateral {
                overlaps.add(&places);
            }
            overlaps.starts.push(overlaps.cells.len() as u32);
        }
        Some(overlaps)
    }

    /// For cells of the target whose weights begin at `starts`: areas of parts of the `cells` of a window.
    pub(super) fn of_areas(
        window: Window,
        starts: Vec<u32>,
        cells: Vec<u32>,
        areas: Vec<f32>,
    ) -> Self {
        Self {
            starts,
            cells,
            covered: areas,
            sizes: vec![1.0; window.height()],
            window,
        }
    }

    /// How much of each cell of the target is covered, where the cells of the source have the size 1.
    #[cfg(test)]
    pub(super) fn covered(&self) -> Vec<f64> {
        let of = |ends: &[u32]| {
            let parts = &self.covered[ends[0] as usize..ends[1] as usize];
            parts.iter().map(|part| f64::from(*part)).sum()
        };
        self.starts.windows(2).map(of).collect()
    }

    /// The cells of the source that are needed.
    #[must_use]
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.starts.len() * 4 + self.cells.len() * 8
    }

    /// The values of the target's cells out of those of the window, row by row: sums, or means weighted with areas.
    pub fn apply<T: Sample>(&self, method: Method, missing: Missing, plane: &[T], out: &mut [T]) {
        let width = self.window.width();
        for (out, ends) in out.iter_mut().zip(self.starts.windows(2)) {
            let range = ends[0] as usize..ends[1] as usize;
            let (mut sum, mut weights, mut is_complete) = (0.0, 0.0, true);
            for (cell, covered) in self.cells[range.clone()].iter().zip(&self.covered[range]) {
                let value = plane[*cell as usize];
                let weight = match method {
                    Method::Sum => f64::from(*covered),
                    _ => f64::from(*covered) * self.sizes[*cell as usize / width],
                };
                match value.is_missing() {
                    true => is_complete = false,
                    false => {
                        sum += value.wide() * weight;
                        weights += weight;
                    }
                }
            }
            *out = match (
                weights > 0.0 && (is_complete || missing == Missing::Skip),
                method,
            ) {
                (false, _) => T::MISSING,
                (true, Method::Sum) => T::of(sum),
                (true, _) => T::of(sum / weights),
            };
        }
    }

    /// Adds the weights of a cell of the target.
    fn add(&mut self, places: &[Place; 4]) {
        let (x, y) = (self.window.x.start as f64, self.window.y.start as f64);
        let (width, height) = (self.window.width(), self.window.height());
        let moved: Vec<Place> = places.iter().map(|(px, py)| (px - x, py - y)).collect();
        let between = |low: f64, high: f64, most: usize| {
            let first = low.floor().max(0.0) as usize;
            first..(high.ceil().max(0.0) as usize).min(most)
        };
        let [_, _, top, bottom] = bounds(&moved);
        let (mut rest, mut strip, mut cell) = (Vec::new(), Vec::new(), Vec::new());
        for row in between(top, bottom, height) {
            let edge = row as f64;
            cut(&moved, &mut rest, |place| place.1 - edge);
            cut(&rest, &mut strip, |place| edge + 1.0 - place.1);
            if strip.is_empty() {
                continue;
            }
            let [left, right, ..] = bounds(&strip);
            for column in between(left, right, width) {
                let edge = column as f64;
                cut(&strip, &mut rest, |place| place.0 - edge);
                cut(&rest, &mut cell, |place| edge + 1.0 - place.0);
                let covered = area(&cell);
                if covered > LEAST {
                    self.cells.push((row * width + column) as u32);
                    self.covered.push(covered as f32);
                }
            }
        }
    }
}

/// Left, right, top and bottom of some places; not a number where one of them is none.
fn bounds(places: &[Place]) -> [f64; 4] {
    if places.iter().any(|(x, y)| !(x + y).is_finite()) {
        return [f64::NAN; 4];
    }
    let start = [
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    places
        .iter()
        .fold(start, |[left, right, top, bottom], (x, y)| {
            [left.min(*x), right.max(*x), top.min(*y), bottom.max(*y)]
        })
}

/// What of a rectangle lies over the source.
fn clipped([left, right, top, bottom]: [f64; 4], x: &CellAxis, rows: f64) -> [f64; 4] {
    let (left, right) = match x.is_closed() {
        true => (left, right),
        false => (left.max(0.0), right.min(x.cells() as f64)),
    };
    [left, right, top.max(0.0), bottom.min(rows)]
}

/// The part of a polygon where `inside` is not negative; of one that is not convex its parts, joined by lines without an area.
pub(super) fn cut(polygon: &[Place], part: &mut Vec<Place>, inside: impl Fn(Place) -> f64) {
    part.clear();
    let Some(mut before) = polygon.last().copied() else {
        return;
    };
    for place in polygon.iter().copied() {
        let (one, other) = (inside(before), inside(place));
        if (one < 0.0) != (other < 0.0) {
            let share = one / (one - other);
            part.push((
                before.0 + (place.0 - before.0) * share,
                before.1 + (place.1 - before.1) * share,
            ));
        }
        if other >= 0.0 {
            part.push(place);
        }
        before = place;
    }
}

/// The area of a polygon.
pub(super) fn area(polygon: &[Place]) -> f64 {
    // From one of its corners: far from the origin the differences would be lost.
    let Some(&(x, y)) = polygon.first() else {
        return 0.0;
    };
    let places = polygon.iter().map(|place| (place.0 - x, place.1 - y));
    let next = places.clone().skip(1);
    let twice: f64 = places
        .zip(next)
        .map(|(one, other)| one.0 * other.1 - other.0 * one.1)
        .sum();
    twice.abs() / 2.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A lattice that is turned and stretched over a source of 20 × 16 cells.
    fn turned() -> (Vec<f64>, Vec<f64>) {
        let (mut along_x, mut along_y) = (Vec::new(), Vec::new());
        for row in 0..8 {
            for column in 0..9 {
                let (x, y) = (f64::from(column) * 1.7, f64::from(row) * 1.4);
                along_x.push(0.8 * x - 0.4 * y + 5.0);
                along_y.push(0.3 * x + 0.9 * y + 0.5);
            }
        }
        (along_x, along_y)
    }

    #[test]
    fn sums_stay() {
        let axis = |cells: usize| {
            let centres: Vec<f64> = (0..cells).map(|cell| cell as f64).collect();
            CellAxis::new(&centres, None).unwrap()
        };
        let (x, y) = turned();
        let corners = Positions::Each {
            width: 9,
            x: x.clone(),
            y: y.clone(),
        };
        let made = Overlaps::new(&corners, (&axis(20), &axis(16)), |_| 1.0).unwrap();
        let value = |x: i64, y: i64| 1.0 + (x * y % 7) as f64;
        let plane: Vec<f64> = made
            .window()
            .y
            .clone()
            .flat_map(|y| made.window().x.clone().map(move |x| value(x, y)))
            .collect();
        let (mut sums, mut means) = (vec![0.0; 56], vec![0.0; 56]);
        made.apply(Method::Sum, Missing::Skip, &plane, &mut sums);
        made.apply(Method::Conservative, Missing::Skip, &plane, &mut means);
        // The whole lattice as one cell covers the same.
        let outer = [0, 8, 63, 71];
        let whole = Positions::Each {
            width: 2,
            x: outer.map(|at| x[at]).to_vec(),
            y: outer.map(|at| y[at]).to_vec(),
        };
        let one = Overlaps::new(&whole, (&axis(20), &axis(16)), |_| 1.0).unwrap();
        let plane: Vec<f64> = one
            .window()
            .y
            .clone()
            .flat_map(|y| one.window().x.clone().map(move |x| value(x, y)))
            .collect();
        let mut sum = [0.0];
        one.apply(Method::Sum, Missing::Skip, &plane, &mut sum);
        let total: f64 = sums.iter().sum();
        assert!((total - sum[0]).abs() < 1e-4, "{total} {}", sum[0]);
        assert!(
            means.iter().all(|mean| (1.0..=7.0).contains(mean)),
            "{means:?}"
        );
    }

    #[test]
    fn parts_of_cells() {
        let square = [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)];
        let mut part = Vec::new();
        cut(&square, &mut part, |place| place.0 - 0.5);
        assert_eq!(area(&part), 3.0);
        cut(&square, &mut part, |place| 2.0 - place.0 - place.1);
        assert_eq!(area(&part), 2.0);
        cut(&square, &mut part, |place| -1.0 - place.0);
        assert_eq!(area(&part), 0.0);
    }
}
