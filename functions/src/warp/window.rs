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
    /// The cells at most `halo` cells away from some positions along x and y; `None` where there are none.
    #[must_use]
    pub fn around(
        x: impl Iterator<Item = f64>,
        y: impl Iterator<Item = f64>,
        halo: f64,
    ) -> Option<Self> {
        let range = |positions: &mut dyn Iterator<Item = f64>| {
            let first = positions.next()?;
            let around = |(low, high): (f64, f64), at: f64| (low.min(at), high.max(at));
            let (low, high) = positions.fold((first, first), around);
            Some((low - halo).floor() as i64..(high + halo).floor() as i64 + 2)
        };
        let (mut x, mut y) = (x, y);
        Some(Self {
            x: range(&mut x)?,
            y: range(&mut y)?,
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
