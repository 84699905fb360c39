//! The chunks of an HDF5 dataset: which are stored, where, and how their filters are undone.
//!
//! HDF5 finds chunks through one of six kinds of index. The library walks it once per array, on
//! the first fetch, and [`ChunkIndex`] keeps the result: 24 bytes a chunk.

use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use hdf5_reader::Storage;
use hdf5_reader::btree_v1::{BTreeV1Key, collect_btree_v1_leaves_storage};
use hdf5_reader::chunk_index::{
    ChunkEntry, collect_implicit_chunk_entries, collect_v2_chunk_entries_storage,
    single_chunk_entry,
};
use hdf5_reader::extensible_array::collect_extensible_array_chunk_entries_storage;
use hdf5_reader::fixed_array::collect_fixed_array_chunk_entries_storage;
use hdf5_reader::messages::filter_pipeline::FilterDescription;
use hdf5_reader::messages::layout::ChunkIndexing;
use tokio::sync::OnceCell;

use super::file::{StoredFile, damaged, library_error};

/// The largest chunk that is decoded, in bytes. netCDF and h5py write chunks of a few MiB; a
/// damaged file may claim anything.
const LARGEST_CHUNK_BYTES: u64 = 1 << 30;

/// How a chunked dataset is stored.
#[derive(Debug)]
pub(super) struct ChunkedStorage {
    pub(super) location: IndexLocation,
    /// Filters in the order in which they were applied.
    pub(super) filters: Vec<FilterDescription>,
    /// The bytes of one cell that was never written.
    pub(super) fill: Vec<u8>,
    pub(super) index: OnceCell<ChunkIndex>,
}

/// Where the index of a dataset's chunks is, and what it takes to read it.
#[derive(Debug, Clone)]
pub(super) struct IndexLocation {
    /// Address of the index, from `base`.
    pub(super) address: u64,
    /// `None` for the version 1 B-tree of older files.
    pub(super) kind: Option<ChunkIndexing>,
    /// Cells of a chunk along each dimension.
    pub(super) chunk_shape: Vec<u32>,
    /// Cells of the dataset; a shorter one than its unlimited dimension has fewer.
    pub(super) stored_shape: Vec<u64>,
    /// How far each dimension may grow.
    pub(super) largest_shape: Option<Vec<u64>>,
    /// Bytes of a cell.
    pub(super) width: usize,
    /// Where the file's addresses count from.
    pub(super) base: u64,
    /// Bytes of an address in this file.
    pub(super) offset_size: u8,
    /// Bytes of a length in this file.
    pub(super) length_size: u8,
}

/// A stored chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoredChunk {
    /// Its number in C order over the grid of chunks.
    number: u64,
    /// First byte in the file.
    pub(super) address: u64,
    /// Bytes as stored; HDF5 chunks are below 4 GiB.
    pub(super) size: u32,
    /// Bit `i` is set when filter `i` was not applied.
    pub(super) skipped_filters: u32,
}

/// The stored chunks of a dataset, by number.
#[derive(Debug)]
pub(super) struct ChunkIndex(Vec<StoredChunk>);

impl ChunkIndex {
    /// The chunk `number`, when it is stored.
    pub(super) fn find(&self, number: u64) -> Option<StoredChunk> {
        let found = self
            .0
            .binary_search_by_key(&number, |chunk| chunk.number)
            .ok()?;
        self.0.get(found).copied()
    }
}

impl ChunkedStorage {
    /// Overwrites the cells of a decoded chunk that lie in the array's `shape` but beyond what
    /// the dataset has stored with the fill value: whatever stands there was never written.
    pub(super) fn fill_beyond_stored_shape(&self, index: &[u64], shape: &[u64], bytes: &mut [u8]) {
        let location = &self.location;
        let stored: Vec<u64> = index
            .iter()
            .zip(&location.chunk_shape)
            .zip(&location.stored_shape)
            .map(|((i, size), length)| length.saturating_sub(i.saturating_mul(u64::from(*size))))
            .collect();
        let complete = location.stored_shape == shape
            || stored
                .iter()
                .zip(&location.chunk_shape)
                .all(|(cells, size)| *cells >= u64::from(*size));
        if complete || self.fill.len() != location.width {
            return;
        }
        let mut position = vec![0_u64; stored.len()];
        for cell in bytes.chunks_exact_mut(location.width.max(1)) {
            if position.iter().zip(&stored).any(|(at, end)| at >= end) {
                cell.copy_from_slice(&self.fill);
            }
            for (at, size) in position.iter_mut().zip(&location.chunk_shape).rev() {
                *at += 1;
                if *at < u64::from(*size) {
                    break;
                }
                *at = 0;
            }
        }
    }
}

impl IndexLocation {
    /// Bytes of a decoded chunk.
    ///
    /// # Errors
    /// More than this reader decodes at once.
    pub(super) fn chunk_bytes(&self, place: &str) -> CubeResult<usize> {
        let bytes = self
            .chunk_shape
            .iter()
            .fold(self.width as u64, |bytes, size| {
                bytes.saturating_mul(u64::from(*size))
            });
        if bytes > LARGEST_CHUNK_BYTES {
            return Err(CubeError::new(
                ErrorKind::Limit,
                place,
                format!("a chunk has {bytes} bytes; at most {LARGEST_CHUNK_BYTES} can be read"),
            )
            .remedy("rewrite the file with smaller chunks, for example `nccopy -c time/1`"));
        }
        Ok(bytes as usize)
    }

    /// The number of the chunk at `index` in C order over the grid of the stored chunks; `None`
    /// outside of it.
    pub(super) fn number(&self, index: &[u64]) -> Option<u64> {
        if index.len() != self.chunk_shape.len() {
            return None;
        }
        let mut number = 0_u64;
        for ((position, length), size) in
            index.iter().zip(&self.stored_shape).zip(&self.chunk_shape)
        {
            let count = length.div_ceil(u64::from((*size).max(1)));
            if *position >= count {
                return None;
            }
            number = number.checked_mul(count)?.checked_add(*position)?;
        }
        Some(number)
    }

    /// Reads the whole index; returns it and the bytes fetched for it.
    ///
    /// # Errors
    /// The store failed, or the index is damaged.
    pub(super) async fn read(
        &self,
        file: &StoredFile,
        place: &str,
    ) -> CubeResult<(ChunkIndex, u64)> {
        let location = self.clone();
        let work_place = place.to_string();
        file.run_library(self.base, move |storage| {
            location.collect(storage.as_ref(), &work_place)
        })
        .await
        .map_err(|error| error.within(place))
    }

    fn collect(&self, storage: &dyn Storage, place: &str) -> CubeResult<ChunkIndex> {
        let chunk_bytes = self.chunk_bytes(place)? as u64;
        let mut chunks = Vec::new();
        for entry in self
            .entries(storage)
            .map_err(|error| library_error(place, error.into()))?
        {
            let mut index = Vec::with_capacity(entry.offsets.len());
            for (offset, size) in entry.offsets.iter().zip(&self.chunk_shape) {
                let size = u64::from((*size).max(1));
                if offset % size != 0 {
                    return Err(damaged(place, "its index places a chunk between chunks"));
                }
                index.push(offset / size);
            }
            // HDF5 may keep chunks that a dataset has shrunk away from.
            let Some(number) = self.number(&index) else {
                continue;
            };
            let size = if entry.size == 0 {
                chunk_bytes
            } else {
                entry.size
            };
            chunks.push(StoredChunk {
                number,
                address: entry.address.saturating_add(self.base),
                size: u32::try_from(size)
                    .map_err(|_| damaged(place, format!("a chunk of {size} bytes")))?,
                skipped_filters: entry.filter_mask,
            });
        }
        chunks.sort_unstable_by_key(|chunk| chunk.number);
        if chunks
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.number == b.number))
        {
            return Err(damaged(place, "its index names a chunk twice"));
        }
        Ok(ChunkIndex(chunks))
    }

    fn entries(&self, storage: &dyn Storage) -> hdf5_reader::error::Result<Vec<ChunkEntry>> {
        let rank = self.chunk_shape.len();
        match &self.kind {
            None => Ok(collect_btree_v1_leaves_storage(
                storage,
                self.address,
                self.offset_size,
                self.length_size,
                Some(rank as u32),
                &self.chunk_shape,
                None,
            )?
            .into_iter()
            .filter_map(|(key, address)| match key {
                BTreeV1Key::RawData {
                    chunk_size,
                    filter_mask,
                    mut offsets,
                } => {
                    // The last offset is that within a value, always 0.
                    offsets.truncate(rank);
                    Some(ChunkEntry {
                        address,
                        size: u64::from(chunk_size),
                        filter_mask,
                        offsets,
                    })
                }
                BTreeV1Key::Group { .. } => None,
            })
            .collect()),
            Some(ChunkIndexing::SingleChunk {
                filtered_size,
                filters,
            }) => Ok(vec![single_chunk_entry(
                self.address,
                *filtered_size,
                *filters,
                rank,
            )]),
            Some(ChunkIndexing::Implicit) => collect_implicit_chunk_entries(
                self.address,
                &self.stored_shape,
                &self.chunk_shape,
                self.width,
                None,
                storage.len(),
            ),
            Some(ChunkIndexing::FixedArray { .. }) => collect_fixed_array_chunk_entries_storage(
                storage,
                self.address,
                self.offset_size,
                self.length_size,
                &self.stored_shape,
                &self.chunk_shape,
                None,
            ),
            Some(ChunkIndexing::ExtensibleArray { .. }) => {
                collect_extensible_array_chunk_entries_storage(
                    storage,
                    self.address,
                    self.offset_size,
                    self.length_size,
                    &self.stored_shape,
                    self.largest_shape.as_deref(),
                    &self.chunk_shape,
                    None,
                )
            }
            Some(ChunkIndexing::BTreeV2) => collect_v2_chunk_entries_storage(
                storage,
                self.address,
                self.offset_size,
                self.length_size,
                rank as u32,
                &self.chunk_shape,
                None,
            ),
        }
    }
}
