//! Cuts chunks into units that are smaller than they are, so that what an operator holds fits into memory.
//! Each chunk is then decoded once for every part.

use crate::cube::chunks::AxisChunks;
use crate::scan::CubeScan;
use crate::scan::grid::scan_chunks;

/// A chunk is decoded at most this often.
pub(crate) const MOST_PASSES: u64 = 16;

/// How a scan cuts the axes, if nothing else is asked for.
pub(crate) fn chunks_of(scan: &CubeScan) -> Vec<AxisChunks> {
    let (early, late) = scan.variables();
    let variables: Vec<usize> = early.into_iter().chain(late).collect();
    scan_chunks(&scan.cube, &variables)
}

/// Each chunk of an axis in `parts` of about the same length.
pub(crate) fn cut_chunks(chunks: &AxisChunks, parts: u64) -> AxisChunks {
    if parts == 1 {
        return chunks.clone();
    }
    let step = chunks.size().div_ceil(parts).max(1);
    let mut bounds = vec![0];
    for chunk in 0..chunks.count() {
        let cells = chunks.range(chunk);
        bounds.extend((cells.start..cells.end).step_by(step as usize).skip(1));
        bounds.push(cells.end);
    }
    AxisChunks::Irregular {
        bounds: bounds.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_is_cut_by_itself() {
        let cut = cut_chunks(&AxisChunks::regular(25, 10), 3);
        let ranges: Vec<_> = (0..cut.count()).map(|chunk| cut.range(chunk)).collect();
        assert_eq!(
            ranges,
            [0..4, 4..8, 8..10, 10..14, 14..18, 18..20, 20..24, 24..25]
        );
        let whole = AxisChunks::regular(25, 10);
        assert_eq!(cut_chunks(&whole, 1), whole);
        assert_eq!(cut_chunks(&whole, 10).count(), 25);
    }
}
