//! Counts the valid cells of each frame: rows that enter are added, rows that leave are taken off again,
//! which is exact for integers.

use super::Frames;
use crate::kernels::dispatch::vectorised;
use crate::kernels::{Bits, LANES};

/// Valid cells in the frame of each cell.
pub fn count(frames: Frames<'_>, valid: Option<Bits<'_>>) -> Vec<u32> {
    let mut counts = vec![0; frames.cells()];
    match valid {
        Some(valid) => walk(frames, valid, &mut counts),
        None => {
            for place in 0..frames.rows.len() {
                counts[frames.cells_of(place)].fill(frames.range(place).len() as u32);
            }
        }
    }
    counts
}

vectorised! {
fn walk [] [] (frames: Frames<'_>, valid: Bits<'_>, counts: &mut [u32]) {
    let mut current = vec![0u32; frames.lanes];
    let mut held = 0..0;
    for place in 0..frames.rows.len() {
        let range = frames.range(place);
        if range.start >= held.end {
            current.fill(0);
            held = range.start..range.start;
        }
        for entering in held.end..range.end {
            step::<true>(&mut current, valid, frames.cells_of(entering).start);
        }
        for leaving in held.start..range.start {
            step::<false>(&mut current, valid, frames.cells_of(leaving).start);
        }
        held = range.start..range.end.max(held.end);
        counts[frames.cells_of(place)].copy_from_slice(&current);
    }
}
}

/// Adds the bits of a row, or takes them off.
#[inline(always)]
fn step<const ADD: bool>(current: &mut [u32], valid: Bits<'_>, first: usize) {
    for (chunk, counts) in current.chunks_mut(LANES).enumerate() {
        let mask = valid.sixteen(first + chunk * LANES);
        for (lane, count) in counts.iter_mut().enumerate() {
            let bit = (mask >> lane) & 1;
            *count = if ADD { *count + bit } else { *count - bit };
        }
    }
}
