//! The points of a lattice along one of its axes: [`Line`].

use std::ops::Range;

use super::super::axis::CellAxis;

/// How far the axis may lie from the points, in steps: those that are nearly even count as even.
const ROUNDED: f64 = 2e-3;

/// The points, in order.
pub(super) struct Line<'a> {
    pub(super) points: &'a [f64],
    axis: Option<CellAxis>,
}

impl<'a> Line<'a> {
    pub(super) fn new(points: &'a [f64]) -> Self {
        Self {
            points,
            axis: CellAxis::new(points, None),
        }
    }

    /// The lowest and the highest.
    pub(super) fn bounds(&self) -> (f64, f64) {
        let (first, last) = (self.points.first(), self.points.last());
        let (first, last) = (
            first.copied().unwrap_or(f64::NAN),
            last.copied().unwrap_or(f64::NAN),
        );
        (first.min(last), first.max(last))
    }

    /// The points between two places, perhaps one more at either end.
    pub(super) fn between(&self, low: f64, high: f64) -> Range<usize> {
        let Some(axis) = &self.axis else {
            let is_between = |point: &f64| low <= *point && *point <= high;
            return 0..usize::from(self.points.first().is_some_and(is_between));
        };
        let (one, other) = (axis.position(low), axis.position(high));
        let first = (one.min(other) - ROUNDED).ceil().max(0.0) as usize;
        let end = (one.max(other) + ROUNDED).floor() + 1.0;
        let end = (end.max(0.0) as usize).min(self.points.len());
        first.min(end)..end
    }

    /// Where these are edges: the cell in which a place lies.
    pub(super) fn cell(&self, place: f64) -> Option<usize> {
        let position = self.axis.as_ref()?.position(place);
        let cell = position.floor();
        let is_cell = cell >= 0.0 && cell < (self.points.len() - 1) as f64;
        is_cell.then_some(cell as usize)
    }
}
