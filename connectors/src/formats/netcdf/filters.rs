//! The filters HDF5 applies to chunks: their names, and undoing them.
//!
//! The library undoes deflate, shuffle, fletcher32, szip, n-bit, scale-offset and LZ4; Zstandard
//! and Blosc are undone by the codecs that Zarr uses too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use graticule_engine::error::{CubeError, CubeResult};
use hdf5_reader::FilterRegistry;
use hdf5_reader::filters::apply_pipeline_with_limit;
use hdf5_reader::messages::filter_pipeline::FilterDescription;

use super::file::{damaged, library_error};

/// The filters that can be undone.
static FILTERS: LazyLock<FilterRegistry> = LazyLock::new(FilterRegistry::new);

/// Undoes `filters`, in reverse, except those whose bit is set in `skipped`. The result has
/// exactly `expected` bytes.
///
/// # Errors
/// A filter that cannot be undone; bytes that do not decode to `expected` bytes; a checksum that
/// does not match.
pub(super) fn undo(
    stored: &[u8],
    filters: &[FilterDescription],
    skipped: u32,
    width: usize,
    expected: usize,
    place: &str,
) -> CubeResult<Vec<u8>> {
    // One byte more than expected, so that a chunk which is too long is seen rather than cut.
    let limit = expected.saturating_add(1);
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        apply_pipeline_with_limit(stored, filters, skipped, width, Some(&FILTERS), Some(limit))
    }))
    .map_err(|_| damaged(place, "a filter cannot make sense of a chunk"))?
    .map_err(|error| match error {
        hdf5_reader::error::Error::UnsupportedFilter(_) => {
            let names: Vec<String> = filters.iter().map(name).collect();
            CubeError::unsupported(
                place,
                format!("chunks went through the HDF5 filters {}, which cannot all be undone", names.join(", ")),
            )
            .remedy("rewrite the file with deflate, for example `nccopy -d 1`")
        }
        error => library_error(place, error.into()),
    })?;
    if decoded.len() != expected {
        return Err(damaged(
            place,
            format!("a chunk has {} bytes instead of {expected}", decoded.len()),
        ));
    }
    Ok(decoded)
}

/// The filters for people, in the order in which decoding undoes them.
pub(super) fn describe(filters: &[FilterDescription]) -> String {
    let names: Vec<String> = filters.iter().rev().map(name).collect();
    names.join(", ")
}

/// Name and parameter of a filter, by the numbers The HDF Group registers.
fn name(filter: &FilterDescription) -> String {
    let first = filter.client_data.first();
    match (filter.id, first) {
        (1, Some(level)) => format!("deflate:{level}"),
        (1, None) => "deflate".to_string(),
        (2, _) => "shuffle".to_string(),
        (3, _) => "fletcher32".to_string(),
        (4, _) => "szip".to_string(),
        (5, _) => "nbit".to_string(),
        (6, _) => "scaleoffset".to_string(),
        (307, _) => "bzip2".to_string(),
        (32001, _) => "blosc".to_string(),
        (32004, _) => "lz4".to_string(),
        (32008, _) => "bitshuffle".to_string(),
        (32013, _) => "zfp".to_string(),
        (32015, Some(level)) => format!("zstd:{level}"),
        (32015, None) => "zstd".to_string(),
        (32026, _) => "blosc2".to_string(),
        (number, _) => format!("filter {number}"),
    }
}
