//! Which cells of one axis stand for the cells of another: equal axes, an offset, a subset, a reversed
//! axis, or many cells for one (months for days).

use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use crate::cube::chunks::AxisChunks;
use crate::cube::gather::{Segment, Selected};

/// For each cell of an axis, the cell of another axis that it is seen as, if there is one.
#[derive(Debug, Clone)]
pub(crate) struct AxisMap {
    cells: Arc<[u32]>,
}

impl AxisMap {
    const ABSENT: u32 = u32::MAX;

    /// A map of as many cells as there are items. Axes have fewer than 2³² cells: their coordinates
    /// are in memory.
    pub(crate) fn new(cells: impl Iterator<Item = Option<usize>>) -> Self {
        let number = |cell: Option<usize>| cell.and_then(|cell| u32::try_from(cell).ok());
        Self {
            cells: cells
                .map(|cell| number(cell).unwrap_or(Self::ABSENT))
                .collect(),
        }
    }

    /// The cell that `cell` is seen as.
    pub(crate) fn get(&self, cell: u64) -> Option<u64> {
        let seen = self.cells.get(cell as usize).copied()?;
        (seen != Self::ABSENT).then_some(u64::from(seen))
    }

    /// Per cell of the axis, the cell that it is seen as.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Option<u64>> + '_ {
        let seen = |cell: &u32| (*cell != Self::ABSENT).then_some(u64::from(*cell));
        self.cells.iter().map(seen)
    }

    /// Is every cell that is seen at all seen as the cell with its own number, on an axis of `length`?
    pub(crate) fn is_identity(&self, length: u64) -> bool {
        let mut cells = self.cells.iter().zip(0..);
        self.cells.len() as u64 == length
            && cells.all(|(seen, cell): (&u32, u32)| *seen == cell || *seen == Self::ABSENT)
    }

    /// How this axis is cut where the other is cut like `chunks`; `None` when that would mix chunks, or
    /// when several cells are seen as one, so that a chunk may be of any length.
    pub(crate) fn cut_like(&self, chunks: &AxisChunks) -> Option<AxisChunks> {
        let mut bounds = vec![0];
        let mut before: Option<(u64, u64)> = None;
        let mut ascending = None;
        for (cell, seen) in self.cells().enumerate() {
            let Some(seen) = seen else { continue };
            let chunk = chunks.index_of(seen);
            if let Some((seen_before, chunk_before)) = before {
                let ascends = seen > seen_before;
                if seen == seen_before || *ascending.get_or_insert(ascends) != ascends {
                    return None;
                }
                if chunk != chunk_before {
                    bounds.push(cell as u64);
                }
            }
            before = Some((seen, chunk));
        }
        bounds.push(self.cells.len() as u64);
        Some(AxisChunks::ending_at(bounds))
    }

    /// The chunks of the other axis in which `cells` are seen, ascending.
    pub(crate) fn touched(&self, cells: Range<u64>, chunks: &AxisChunks) -> Vec<u64> {
        let seen = self.cells[cells.start as usize..cells.end as usize].iter();
        let seen = seen.filter(|seen| **seen != Self::ABSENT);
        let mut touched: Vec<u64> = seen.map(|seen| chunks.index_of(u64::from(*seen))).collect();
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    /// Where `cells` are seen in the chunks `touched` of the other axis.
    pub(crate) fn selected(
        &self,
        cells: Range<u64>,
        chunks: &AxisChunks,
        touched: &[u64],
    ) -> Selected {
        let mut segments: Vec<Segment> = Vec::new();
        for cell in cells {
            let next = self.get(cell).and_then(|seen| {
                let chunk = chunks.index_of(seen);
                let position = touched.binary_search(&chunk).ok()?;
                Some((position, (seen - chunks.range(chunk).start) as usize))
            });
            let (chunk, start) = next.unzip();
            let start = start.unwrap_or(0);
            match segments.last_mut() {
                Some(last)
                    if last.chunk == chunk
                        && (chunk.is_none() || last.start + last.length == start) =>
                {
                    last.length += 1;
                }
                _ => segments.push(Segment {
                    chunk,
                    start,
                    length: 1,
                }),
            }
        }
        Selected::new(segments, touched.len())
    }
}

impl Hash for AxisMap {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.cells.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(cells: &[i64]) -> AxisMap {
        AxisMap::new(cells.iter().map(|cell| usize::try_from(*cell).ok()))
    }

    #[test]
    fn cuts_an_axis_where_the_other_is_cut() {
        let regular = |length, size| AxisChunks::regular(length, size);
        let bounds = |bounds: &[u64]| Some(AxisChunks::ending_at(bounds.to_vec()));
        let cases: &[(&[i64], AxisChunks, Option<AxisChunks>)] = &[
            (&[0, 1, 2, 3], regular(4, 2), bounds(&[0, 2, 4])),
            // An offset, a step, the other direction, cells that are not there.
            (&[1, 2, 3, 4], regular(6, 3), bounds(&[0, 2, 4])),
            (&[0, 2, 4, 6, 8], regular(9, 4), bounds(&[0, 2, 4, 5])),
            (&[3, 2, 1, 0], regular(4, 3), bounds(&[0, 1, 4])),
            (&[-1, 0, -1, 1, 2, -1], regular(3, 2), bounds(&[0, 4, 6])),
            (&[-1, -1], regular(3, 2), bounds(&[0, 2])),
            // Many for one, and no order.
            (&[0, 0, 1, 1], regular(2, 1), None),
            (&[0, 2, 1, 3], regular(4, 2), None),
        ];
        for (cells, chunks, expected) in cases {
            assert_eq!(map(cells).cut_like(chunks), *expected, "{cells:?}");
        }
    }

    #[test]
    fn knows_an_axis_that_is_the_same() {
        for (cells, length, expected) in [
            (&[0, 1, 2][..], 3, true),
            (&[0, -1, 2], 3, true),
            (&[0, 1, 2], 4, false),
            (&[1, 2, 3], 3, false),
        ] {
            assert_eq!(map(cells).is_identity(length), expected, "{cells:?}");
        }
    }
}
