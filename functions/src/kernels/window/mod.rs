//! Kernels of window functions: many series at once, side by side.
//!
//! ```text
//!              lanes: one series each ─▶
//!  row 0    v  v  v  v  v  v  v  v  v       place 0 ─▶ rows[0], its frame places 0..2
//!  row 1    v  v  v  v  v  v  v  v  v       place 1 ─▶ rows[1], its frame places 0..3
//!  …        (one step of all series)        …
//! ```
//! All series have the same order and the same frames, because these depend on the axis alone. So a
//! kernel walks places, and each step is a loop over the lanes of a row, which becomes vector
//! instructions. Values lie row by row (cell = row × lanes + lane); missing values are bits beside them.
//!
//! | kernel | gives |
//! |---|---|
//! | [`count`] | valid cells of each frame |
//! | [`fold`] | sum, minimum, maximum of each frame |
//! | [`nearest`] | the cell of the first or last valid value of each frame |
//! | [`between`] | values on the straight line between the valid neighbours |

pub mod between;
pub mod count;
pub mod fold;
pub mod nearest;

use std::ops::Range;

/// The order of the rows of a block, and the frame of each.
///
/// Frames are ranges of places; both ends never move backwards from one place to the next, neither
/// inside a partition nor from one partition to the next.
#[derive(Debug, Clone, Copy)]
pub struct Frames<'a> {
    /// The row at each place.
    pub rows: &'a [u32],
    /// The frame of each place.
    pub ranges: &'a [Range<u32>],
    /// Series side by side.
    pub lanes: usize,
}

impl Frames<'_> {
    /// Cells of the block.
    pub fn cells(&self) -> usize {
        self.rows.len() * self.lanes
    }

    /// The cells of the row at `place`.
    pub(crate) fn cells_of(&self, place: usize) -> Range<usize> {
        let first = self.rows[place] as usize * self.lanes;
        first..first + self.lanes
    }

    /// The frame of the row at `place`; an empty one where it would end before it begins.
    pub(crate) fn range(&self, place: usize) -> Range<usize> {
        let range = &self.ranges[place];
        range.start as usize..(range.end as usize).max(range.start as usize)
    }
}

/// No cell, in the indices of [`nearest`].
pub const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests;
