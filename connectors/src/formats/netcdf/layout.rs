//! Where the bytes of an array lie in its file, and how arrays without chunks are cut into some.
//!
//! ```text
//!  Rows      NetCDF-3 and HDF5 contiguous     start + row * stride ──▶ one row of the first dimension
//!  Chunks    HDF5 chunked                     chunk index ──▶ address, size, filters to undo
//!  Inline    HDF5 compact                     the bytes stand in the header
//! ```
//! A NetCDF-3 file with an unlimited dimension interleaves its record variables: record 0 of all
//! of them, then record 1 of all of them. So the stride is that of all and the row is ours.

use std::ops::Range;

use bytes::Bytes;
use graticule_engine::cube::chunks::AxisChunks;

use super::chunk_index::ChunkedStorage;

/// Values that lie together in up to this many bytes are one chunk …
const LARGEST_CHUNK_BYTES: u64 = 4 * 1024 * 1024;
/// … and more than that are cut into pieces of about this many.
const CHUNK_BYTES: u64 = 2 * 1024 * 1024;

/// Where an array's bytes lie.
#[derive(Debug)]
pub(super) enum Layout {
    /// In the file's metadata, already read.
    Inline(Bytes),
    /// Row after row; a row is one cell of the first dimension with all cells of the others.
    Rows {
        /// First byte of row 0.
        start: u64,
        /// Bytes from one row to the next.
        stride: u64,
    },
    /// In chunks that an index finds.
    Chunks(Box<ChunkedStorage>),
    /// Nowhere: no cell was ever written.
    Unwritten,
    /// Text of variable length, which the library reads, all of the array at once. The value is
    /// the dataset's path in the file.
    Text(String),
}

/// How an array without chunks of its own is cut so that a point or a time step reads little: as
/// many of the last dimensions as fit 4 MiB stay whole, the next one is cut into pieces of about
/// 2 MiB, and the ones before it into single cells. So every chunk is one run of bytes per row.
pub(super) fn virtual_chunks(shape: &[u64], width: usize) -> Vec<AxisChunks> {
    let mut sizes = vec![1; shape.len()];
    let mut bytes = width as u64;
    for (size, length) in sizes.iter_mut().zip(shape).rev() {
        let whole = bytes.saturating_mul(*length);
        if whole > LARGEST_CHUNK_BYTES {
            *size = (CHUNK_BYTES / bytes.max(1)).max(1);
            break;
        }
        *size = *length;
        bytes = whole;
    }
    shape
        .iter()
        .zip(sizes)
        .map(|(length, size)| AxisChunks::regular(*length, size))
        .collect()
}

/// One chunk that holds the whole array.
pub(super) fn single_chunk(shape: &[u64]) -> Vec<AxisChunks> {
    shape
        .iter()
        .map(|length| AxisChunks::regular(*length, *length))
        .collect()
}

/// The byte ranges of the cells `region` in an array of `shape` stored as [`Layout::Rows`], in
/// the order of the cells. Only the first axis of `region` with more than one cell may be a part
/// of its axis, as [`virtual_chunks`] sees to. Numbers too large for a file saturate, and so
/// fail the check against its size.
pub(super) fn row_ranges(
    start: u64,
    stride: u64,
    shape: &[u64],
    region: &[Range<u64>],
    width: usize,
) -> Vec<Range<u64>> {
    let width = width as u64;
    let Some((rows, inner)) = region.split_first() else {
        return vec![start..start.saturating_add(width)];
    };
    let mut offset = 0_u64;
    let mut bytes = width;
    let mut step = width;
    for (cells, length) in inner.iter().zip(shape.iter().skip(1)).rev() {
        offset = offset.saturating_add(cells.start.saturating_mul(step));
        bytes = bytes.saturating_mul(cells.end.saturating_sub(cells.start));
        step = step.saturating_mul(*length);
    }
    if bytes == stride {
        // Rows without a gap between them.
        let first = start.saturating_add(rows.start.saturating_mul(stride));
        let last = start.saturating_add(rows.end.saturating_mul(stride));
        return vec![first..last];
    }
    rows.clone()
        .map(|row| {
            let first = start
                .saturating_add(row.saturating_mul(stride))
                .saturating_add(offset);
            first..first.saturating_add(bytes)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_without_chunks_are_cut_where_a_chunk_would_be_too_large() {
        // shape, width, sizes of the chunks
        let cases: &[(&[u64], usize, &[u64])] = &[
            (&[], 4, &[]),
            (&[0], 8, &[1]),
            (&[365], 8, &[365]),
            (&[240, 37, 49], 4, &[240, 37, 49]),
            (&[1000, 720, 1440], 4, &[1, 720, 1440]),
            (&[1000, 100, 100], 4, &[52, 100, 100]),
            (&[12, 4, 3600, 7200], 2, &[1, 1, 145, 7200]),
            (&[10, 0, 5], 4, &[10, 1, 5]),
            (&[3, 2_000_000], 8, &[1, 262_144]),
        ];
        for (shape, width, sizes) in cases {
            let chunks = virtual_chunks(shape, *width);
            let found: Vec<u64> = chunks.iter().map(AxisChunks::size).collect();
            assert_eq!(&found, sizes, "{shape:?}");
        }
    }

    #[test]
    fn ranges_cover_the_region_row_by_row() {
        // shape, stride, region, ranges; two bytes a value, array at byte 100
        type Case = (&'static [u64], u64, &'static [Range<u64>], Vec<Range<u64>>);
        let cases: Vec<Case> = vec![
            (&[], 0, &[], vec![100..102]),
            (&[5], 2, &[1..4], vec![102..108]),
            (&[5, 3], 6, &[1..3, 0..3], vec![106..118]),
            (&[5, 3], 50, &[1..3, 0..3], vec![150..156, 200..206]),
            (&[5, 4, 3], 24, &[2..3, 1..3, 0..3], vec![154..166]),
            (&[5, 4, 3], 80, &[2..3, 1..2, 1..3], vec![268..272]),
            (&[5], 40, &[0..2], vec![100..102, 140..142]),
        ];
        for (shape, stride, region, ranges) in cases {
            assert_eq!(
                row_ranges(100, stride, shape, region, 2),
                ranges,
                "{shape:?} {region:?}"
            );
        }
    }
}
