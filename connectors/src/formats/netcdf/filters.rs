//! The filters HDF5 applies to chunks: their names, and undoing them.
//!
//! ```text
//!  written:  values ─▶ shuffle ─▶ deflate ─▶ fletcher32 ─▶ file
//!  read:     values ◀─ shuffle ◀─ deflate ◀─ fletcher32 ◀─ file
//! ```
//! The library undoes deflate, shuffle, fletcher32, szip, n-bit and scale-offset; the codecs that
//! come as plugins of HDF5 are undone here and in [`super::bitshuffle`].

use std::borrow::Cow;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use graticule_engine::error::{CubeError, CubeResult};
use hdf5_reader::FilterRegistry;
use hdf5_reader::messages::filter_pipeline::FilterDescription;

use super::bitshuffle;
use super::file::{damaged, library_error};
use crate::formats::blosc;

/// Numbers of filters, as The HDF Group registers them.
mod number {
    pub(super) const BZIP2: u16 = 307;
    pub(super) const BLOSC: u16 = 32001;
    pub(super) const LZ4: u16 = 32004;
    pub(super) const BITSHUFFLE: u16 = 32008;
    pub(super) const ZSTD: u16 = 32015;
}

/// The filters that the library undoes.
static BUILT_IN: LazyLock<FilterRegistry> = LazyLock::new(FilterRegistry::new);

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
    // Filters in between may leave a little more than a chunk: a checksum, what does not shrink.
    let limit = expected.saturating_mul(2).saturating_add(64 * 1024);
    let mut bytes = Cow::Borrowed(stored);
    for (position, filter) in filters.iter().enumerate().rev() {
        let applied =
            u32::try_from(position).is_ok_and(|bit| skipped.checked_shr(bit).unwrap_or(0) & 1 == 0);
        if applied {
            // A panic in a codec is caused by the bytes it reads.
            bytes = catch_unwind(AssertUnwindSafe(|| {
                undo_one(&bytes, filter, width, limit, place)
            }))
            .unwrap_or_else(|_| Err(damaged(place, unreadable(filter, "nothing"))))?
            .into();
        }
    }
    if bytes.len() != expected {
        return Err(damaged(
            place,
            format!("a chunk has {} bytes instead of {expected}", bytes.len()),
        ));
    }
    Ok(bytes.into_owned())
}

/// Undoes one filter; stops at `limit` bytes or soon after.
fn undo_one(
    bytes: &[u8],
    filter: &FilterDescription,
    width: usize,
    limit: usize,
    place: &str,
) -> CubeResult<Vec<u8>> {
    let cannot = |cause: &dyn std::fmt::Display| damaged(place, unreadable(filter, cause));
    match filter.id {
        number::ZSTD => zstd::Decoder::new(bytes)
            .and_then(|decoder| read_up_to(decoder, limit))
            .map_err(|error| cannot(&error)),
        number::BZIP2 => {
            read_up_to(bzip2::read::BzDecoder::new(bytes), limit).map_err(|error| cannot(&error))
        }
        number::BLOSC => blosc::decompress(bytes, limit as u64).map_err(|cause| cannot(&cause)),
        number::LZ4 => bitshuffle::undo_lz4(bytes, limit).map_err(|error| cannot(&error)),
        number::BITSHUFFLE => {
            bitshuffle::undo(bytes, &filter.client_data, limit).map_err(|error| cannot(&error))
        }
        _ => BUILT_IN
            .apply_with_limit(filter, bytes, width, Some(limit))
            .map_err(|error| match error {
                hdf5_reader::error::Error::UnsupportedFilter(_) => CubeError::unsupported(
                    place,
                    format!("the HDF5 filter {} cannot be undone", name(filter)),
                )
                .remedy("rewrite the file with deflate: `h5repack -f GZIP=1`"),
                error => library_error(place, error.into()),
            }),
    }
}

fn unreadable(filter: &FilterDescription, cause: impl std::fmt::Display) -> String {
    format!("the filter {} cannot read a chunk: {cause}", name(filter))
}

fn read_up_to(decoder: impl Read, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    decoder.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The filters for people, in the order in which decoding undoes them.
pub(super) fn describe(filters: &[FilterDescription]) -> String {
    let names: Vec<String> = filters.iter().rev().map(name).collect();
    names.join(", ")
}

/// Name and level of a filter.
fn name(filter: &FilterDescription) -> String {
    let name = match filter.id {
        1 => "deflate",
        2 => return "shuffle".to_string(),
        3 => return "fletcher32".to_string(),
        4 => return "szip".to_string(),
        5 => return "nbit".to_string(),
        6 => return "scaleoffset".to_string(),
        number::BZIP2 => "bzip2",
        number::BLOSC => return "blosc".to_string(),
        number::LZ4 => return "lz4".to_string(),
        number::BITSHUFFLE => return "bitshuffle".to_string(),
        number::ZSTD => "zstd",
        32013 => return "zfp".to_string(),
        32026 => return "blosc2".to_string(),
        number => return format!("number {number}"),
    };
    match filter.client_data.first() {
        Some(level) => format!("{name}:{level}"),
        None => name.to_string(),
    }
}
