//! Values on the straight line between the valid neighbours along an axis.

use std::ops::Range;

use super::nearest::remember;
use super::{Frames, NONE};
use crate::kernels::{Bits, Element};

/// Where the rows lie, and which gaps are closed.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Coordinate of each place.
    pub coordinates: &'a [f64],
    /// For a gap that begins after each place, the first place that is too far away to end it.
    pub reach: &'a [u32],
}

/// The valid cells as they are, and the others on the line between their valid neighbours in the
/// partition, which is their frame in `frames`; the cells where `known` says false have none.
///
/// Both arrays have one entry per cell.
pub fn interpolate<E: Element<Sum = f64>>(
    frames: Frames<'_>,
    line: Line<'_>,
    values: &[E],
    valid: Bits<'_>,
) -> (Vec<f64>, Vec<bool>) {
    let lanes = frames.lanes;
    let mut results = vec![0.0; frames.cells()];
    let mut known = vec![false; frames.cells()];
    // One more than the last place with a valid value.
    let mut before = vec![0u32; lanes];
    let mut earlier = vec![0u32; frames.cells()];
    for place in 0..frames.rows.len() {
        let cells = frames.cells_of(place);
        remember(&mut before, valid, cells.start, place as u32 + 1);
        earlier[cells].copy_from_slice(&before);
    }
    let mut after = vec![NONE; lanes];
    for place in (0..frames.rows.len()).rev() {
        let cells = frames.cells_of(place);
        remember(&mut after, valid, cells.start, place as u32);
        let partition = frames.range(place);
        for lane in 0..lanes {
            let cell = cells.start + lane;
            let neighbours = [earlier[cell], after[lane]];
            let Some((first, last)) = ends(neighbours, &partition) else {
                continue;
            };
            let value = |place: usize| values[frames.cells_of(place).start + lane].widen(0.0);
            if first == last {
                results[cell] = value(place);
                known[cell] = true;
            } else if last < line.reach[first] as usize {
                let at = |place: usize| line.coordinates[place];
                let share = (at(place) - at(first)) / (at(last) - at(first));
                results[cell] = value(first) + (value(last) - value(first)) * share;
                known[cell] = true;
            }
        }
    }
    (results, known)
}

/// The places of the valid neighbours, `[one more than the one before, the one after]`, if both lie in
/// the partition.
fn ends([before, after]: [u32; 2], partition: &Range<usize>) -> Option<(usize, usize)> {
    let first = (before as usize).checked_sub(1)?;
    let last = after as usize;
    (partition.contains(&first) && partition.contains(&last)).then_some((first, last))
}
