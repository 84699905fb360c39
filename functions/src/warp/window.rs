//! The part of a plane of the source that some target cells need: [`Window`].

use std::ops::Range;

/// Cells of the source around some positions: a rectangle, which may reach over the edges of the source, where all is
/// missing, and on a circle over its seam.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Along the x axis.
    pub x: Range<i64>,
    /// Along the y axis.
    pub y: Range<i64>,
}

impl Window {
    /// The cells at most `halo` cells away from the positions that are finite; `None` where none is.
    #[must_use]
    pub fn around(x: &[f64], y: &[f64], halo: f64) -> Option<Self> {
        let mut low = (f64::INFINITY, f64::INFINITY);
        let mut high = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        for (x, y) in x.iter().zip(y) {
            if (x + y).is_finite() {
                low = (low.0.min(*x), low.1.min(*y));
                high = (high.0.max(*x), high.1.max(*y));
            }
        }
        if low.0 > high.0 {
            return None;
        }
        let range =
            |low: f64, high: f64| (low - halo).floor() as i64..(high + halo).floor() as i64 + 2;
        Some(Self {
            x: range(low.0, high.0),
            y: range(low.1, high.1),
        })
    }

    /// Cells of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        (self.x.end - self.x.start) as usize
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        (self.y.end - self.y.start) as usize
    }

    /// Cells.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.width() * self.height()
    }
}
