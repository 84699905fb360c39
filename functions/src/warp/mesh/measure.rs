//! How large the cells of a mesh are, and what they cover.

use super::blocks::Bounds;
use super::chart::{Chart, POLAR};
use super::gaps::median;
use super::quadrilateral::{Place, Quadrilateral, minus};
use super::{CIRCLE, Mesh};

/// Quadrilaterals that are looked at to know how large cells are.
const PROBES: usize = 4096;

/// Parts of a circle of longitudes of which is known whether something lies in them.
const PARTS: usize = 1440;

/// A pole lies in a quadrilateral when it lies in it by more than this part of the area.
const INSIDE: f64 = -1e-6;

impl Mesh {
    /// The side of a square as large as the quadrilateral of median size, in units of the target; `None` where there
    /// is no quadrilateral.
    #[must_use]
    pub fn cell_size(&self) -> Option<f64> {
        let sizes = self.probes().map(|corners| {
            let size = Quadrilateral::new(corners).map_or(f64::NAN, |found| found.size());
            size.sqrt()
        });
        median(&mut sizes.filter(|size| *size > 0.0).collect::<Vec<_>>())
    }

    /// How many cells of the source along x and y lie on the way from one cell of a grid with these steps to the next,
    /// at least one; of half of the places more.
    #[must_use]
    pub fn spread(&self, step: (f64, f64)) -> (f64, f64) {
        let (mut along, mut down) = (Vec::new(), Vec::new());
        for [first, right, last, below] in self.probes() {
            // In the middle, per column and per row of the source.
            let half = |one: Place, other: Place| {
                (one.0 / 2.0 + other.0 / 2.0, one.1 / 2.0 + other.1 / 2.0)
            };
            let column = half(minus(right, first), minus(last, below));
            let row = half(minus(below, first), minus(last, right));
            let size = (column.0 * row.1 - column.1 * row.0).abs();
            if size > 0.0 {
                along.push((row.1 * step.0).hypot(row.0 * step.1) / size);
                down.push((column.1 * step.0).hypot(column.0 * step.1) / size);
            }
        }
        let most = |values: &mut Vec<f64>| median(values).unwrap_or(1.0).max(1.0);
        (most(&mut along), most(&mut down))
    }

    /// Some quadrilaterals between centres, longitudes unrolled.
    fn probes(&self) -> impl Iterator<Item = [Place; 4]> {
        let (columns, rows) = self.quadrilaterals();
        let count = columns * rows;
        let steps = (0..count).step_by(count.div_ceil(PROBES).max(1));
        steps.filter_map(move |at| {
            let (corners, is_outer) = self.corners(at % columns, at / columns)?;
            (!is_outer).then(|| self.unrolled(corners))
        })
    }

    fn unrolled(&self, corners: [Place; 4]) -> [Place; 4] {
        match self.is_globe() {
            true => corners.map(|corner| Chart::Degrees.place(corner, corners[0].0)),
            false => corners,
        }
    }

    /// All quadrilaterals, longitudes of each unrolled.
    fn each(&self) -> impl Iterator<Item = [Place; 4]> {
        let (columns, rows) = self.quadrilaterals();
        (0..columns * rows).filter_map(move |at| {
            let (corners, _) = self.corners(at % columns, at / columns)?;
            Some(self.unrolled(corners))
        })
    }

    /// West, south, east and north of what the cells cover; east may lie beyond 180 degrees. `None` where they cover nothing.
    #[must_use]
    pub fn extent(&self) -> Option<[f64; 4]> {
        let mut bounds = Bounds::NONE;
        match self.is_globe() {
            false => {
                for corner in self.each().flatten() {
                    bounds = bounds.with(corner);
                }
            }
            true => {
                let (west, is_full) = self.gap();
                for corners in self.each() {
                    let low = corners
                        .iter()
                        .fold(f64::INFINITY, |low, (x, _)| low.min(*x));
                    let moved = west + (low - west).rem_euclid(CIRCLE) - low;
                    for (x, y) in corners {
                        bounds = bounds.with((x + moved, y));
                    }
                    bounds.y = with_pole(bounds.y, &corners);
                }
                if is_full {
                    bounds.x = (-CIRCLE / 2.0, CIRCLE / 2.0);
                }
            }
        }
        let is_some = bounds.x.0 < bounds.x.1 && bounds.y.0 < bounds.y.1;
        is_some.then_some([bounds.x.0, bounds.y.0, bounds.x.1, bounds.y.1])
    }

    /// A longitude from -180 to 180 in the middle of the widest range in which nothing lies, and whether there is none.
    fn gap(&self) -> (f64, bool) {
        let mut is_covered = vec![false; PARTS];
        let part = |x: f64| (x / CIRCLE * PARTS as f64).floor() as i64;
        for corners in self.each() {
            let bounds = corners.into_iter().fold(Bounds::NONE, Bounds::with);
            let all = goes_round(&corners) || bounds.x.1 - bounds.x.0 >= CIRCLE;
            let range = match all {
                true => 0..=PARTS as i64 - 1,
                false => part(bounds.x.0)..=part(bounds.x.1),
            };
            for at in range {
                is_covered[at.rem_euclid(PARTS as i64) as usize] = true;
            }
        }
        let (mut longest, mut length) = ((0, 0), 0);
        // Twice round, because the range may lie across the end.
        for at in 0..2 * PARTS {
            length = match is_covered[at % PARTS] {
                true => 0,
                false => length + 1,
            };
            if length > longest.1 {
                longest = (at, length.min(PARTS));
            }
        }
        let (end, length) = longest;
        let middle = (end as f64 + 1.0 - length as f64 / 2.0) * CIRCLE / PARTS as f64;
        (super::chart::short_way(middle), length == 0)
    }
}

/// Does a pole lie in a quadrilateral?
fn goes_round(corners: &[Place; 4]) -> bool {
    pole_of(corners).is_some()
}

/// The latitude of the pole in a quadrilateral.
fn pole_of(corners: &[Place; 4]) -> Option<f64> {
    let is_near = |corner: &Place| corner.1.abs() > POLAR;
    let near = corners.iter().find(|corner| is_near(corner))?;
    let chart = Chart::at(near.1);
    let quadrilateral = Quadrilateral::new(corners.map(|corner| chart.place(corner, 0.0)))?;
    quadrilateral.position((0.0, 0.0), INSIDE)?;
    Some(90.0_f64.copysign(near.1))
}

fn with_pole(range: (f64, f64), corners: &[Place; 4]) -> (f64, f64) {
    match pole_of(corners) {
        Some(latitude) => (range.0.min(latitude), range.1.max(latitude)),
        None => range,
    }
}
