//! Where the first or the last valid value of each frame is: cells as indices, so that one kernel serves
//! values of every type.

use super::{Frames, NONE};
use crate::kernels::dispatch::vectorised;
use crate::kernels::{Bits, LANES};

/// The cell of the last valid value in the frame of each cell; [`NONE`] where there is none.
pub fn last(frames: Frames<'_>, valid: Bits<'_>) -> Vec<u32> {
    let mut found = vec![NONE; frames.cells()];
    walk_forwards(frames, valid, &mut found);
    found
}

/// The cell of the first valid value in the frame of each cell; [`NONE`] where there is none.
pub fn first(frames: Frames<'_>, valid: Bits<'_>) -> Vec<u32> {
    let mut found = vec![NONE; frames.cells()];
    walk_backwards(frames, valid, &mut found);
    found
}

vectorised! {
fn walk_forwards [] [] (frames: Frames<'_>, valid: Bits<'_>, found: &mut [u32]) {
    // One more than the last place below `end` with a valid value; 0 where there is none.
    let mut latest = vec![0u32; frames.lanes];
    let mut end = 0;
    for place in 0..frames.rows.len() {
        let range = frames.range(place);
        while end < range.end {
            remember(&mut latest, valid, frames.cells_of(end).start, end as u32 + 1);
            end += 1;
        }
        let start = range.start as u32;
        if range.is_empty() {
            continue;
        }
        let cells = frames.cells_of(place);
        for (lane, found) in found[cells].iter_mut().enumerate() {
            let after = latest[lane];
            if after > start {
                *found = cell(frames, after - 1, lane);
            }
        }
    }
}
}

vectorised! {
fn walk_backwards [] [] (frames: Frames<'_>, valid: Bits<'_>, found: &mut [u32]) {
    // The first place from `start` on with a valid value.
    let mut earliest = vec![NONE; frames.lanes];
    let mut start = frames.rows.len();
    for place in (0..frames.rows.len()).rev() {
        let range = frames.range(place);
        while start > range.start {
            start -= 1;
            remember(&mut earliest, valid, frames.cells_of(start).start, start as u32);
        }
        if range.is_empty() {
            continue;
        }
        let end = range.end as u32;
        let cells = frames.cells_of(place);
        for (lane, found) in found[cells].iter_mut().enumerate() {
            let first = earliest[lane];
            if first < end {
                *found = cell(frames, first, lane);
            }
        }
    }
}
}

#[inline(always)]
fn cell(frames: Frames<'_>, place: u32, lane: usize) -> u32 {
    frames.rows[place as usize] * frames.lanes as u32 + lane as u32
}

/// Writes `mark` into the lanes whose cell is valid in the row that starts at cell `first`.
#[inline(always)]
pub(super) fn remember(marks: &mut [u32], valid: Bits<'_>, first: usize, mark: u32) {
    for (chunk, marks) in marks.chunks_mut(LANES).enumerate() {
        let mask = valid.sixteen(first + chunk * LANES);
        for (lane, known) in marks.iter_mut().enumerate() {
            *known = if mask & (1 << lane) != 0 {
                mark
            } else {
                *known
            };
        }
    }
}
