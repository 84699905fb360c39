//! Reads the chunks of one NetCDF variable: ranges of bytes in [`NetcdfArray::fetch`], filters
//! and byte order in [`NetcdfArray::decode`].
//!
//! Only the index of an HDF5 dataset's chunks, and text of variable length, go through the
//! library; both are I/O and belong to fetching.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use async_trait::async_trait;
use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{
    ArrayDescription, ArrayReader, ChunkVersion, EncodedChunk, Payload, RawChunk,
};
use hdf5_reader::Hdf5File;

use super::chunk_index::{ChunkedStorage, StoredChunk};
use super::element::Element;
use super::file::{StoredFile, damaged, library_error};
use super::filters;
use super::layout::{Layout, row_ranges};

/// One variable of a NetCDF file.
#[derive(Debug)]
pub(super) struct NetcdfArray {
    pub(super) file: Arc<StoredFile>,
    pub(super) description: ArrayDescription,
    pub(super) element: Element,
    pub(super) layout: Layout,
}

#[async_trait]
impl ArrayReader for NetcdfArray {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let region = self.region(index)?;
        let encoded = |bytes: Bytes, fetched: u64| {
            Some(EncodedChunk {
                bytes_fetched: fetched,
                payload: Payload::Encoded(bytes),
            })
        };
        match &self.layout {
            Layout::Unwritten => Ok(None),
            Layout::Inline(bytes) => Ok(encoded(bytes.clone(), 0)),
            Layout::Rows { start, stride } => {
                let shape = &self.description.shape;
                let ranges = row_ranges(*start, *stride, shape, &region, self.element.width);
                let bytes = self.read(&ranges).await?;
                let fetched = bytes.len() as u64;
                Ok(encoded(bytes, fetched))
            }
            Layout::Chunks(storage) => {
                let (chunk, index_bytes) = self.find_chunk(storage, index).await?;
                let Some(chunk) = chunk else {
                    return Ok(None);
                };
                let end = chunk.address.saturating_add(u64::from(chunk.size));
                let bytes = self.read(&[chunk.address..end]).await?;
                let fetched = bytes.len() as u64 + index_bytes;
                Ok(encoded(bytes, fetched))
            }
            Layout::Text(path) => self.fetch_text(path).await.map(Some),
        }
    }

    fn decode(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        let stored = match chunk.payload {
            Payload::Encoded(bytes) => bytes,
            payload => return payload.into_values(&self.description().name),
        };
        let place = self.chunk_place(index);
        if let Layout::Chunks(storage) = &self.layout {
            let values = self.decode_stored_chunk(storage, index, &stored, &place)?;
            let shape = &storage.location.chunk_shape;
            return Ok(RawChunk {
                values,
                shape: shape.iter().map(|size| *size as usize).collect(),
            });
        }
        let shape: Vec<usize> = self
            .region(index)?
            .iter()
            .map(|cells| cells.end.saturating_sub(cells.start) as usize)
            .collect();
        let expected = shape.iter().fold(self.element.width, |bytes, cells| {
            bytes.saturating_mul(*cells)
        });
        if stored.len() != expected {
            return Err(damaged(
                &place,
                format!("a chunk has {} bytes instead of {expected}", stored.len()),
            ));
        }
        Ok(RawChunk {
            values: self.element.decode(&stored, &place)?,
            shape,
        })
    }

    /// All chunks have the version of their file.
    async fn versions(&self, indices: &[Vec<u64>]) -> CubeResult<Vec<ChunkVersion>> {
        Ok(vec![self.file.version_now().await?; indices.len()])
    }
}

impl NetcdfArray {
    /// What people see: file and variable.
    fn place(&self) -> String {
        format!(
            "{}, variable {}",
            self.file.location.url, self.description.name
        )
    }

    fn chunk_place(&self, index: &[u64]) -> String {
        let index: Vec<String> = index.iter().map(u64::to_string).collect();
        format!("{}, chunk {}", self.place(), index.join("/"))
    }

    /// The cells of the chunk at `index`.
    fn region(&self, index: &[u64]) -> CubeResult<Vec<Range<u64>>> {
        let chunks = &self.description.chunks;
        let inside = index.len() == chunks.len()
            && index.iter().zip(chunks).all(|(i, axis)| *i < axis.count());
        if !inside {
            return Err(CubeError::invalid(
                self.chunk_place(index),
                "the variable has no such chunk",
            ));
        }
        Ok(index
            .iter()
            .zip(chunks)
            .map(|(i, axis)| axis.range(*i))
            .collect())
    }

    async fn read(&self, ranges: &[Range<u64>]) -> CubeResult<Bytes> {
        self.file
            .read(ranges)
            .await
            .map_err(|error| error.within(&self.place()))
    }

    /// The stored chunk at `index`, and the bytes fetched to find it.
    async fn find_chunk(
        &self,
        storage: &ChunkedStorage,
        index: &[u64],
    ) -> CubeResult<(Option<StoredChunk>, u64)> {
        let Some(number) = storage.location.number(index) else {
            // Beyond the cells this variable has of an unlimited dimension.
            return Ok((None, 0));
        };
        let mut fetched = 0;
        let chunks = storage
            .index
            .get_or_try_init(|| async {
                let (chunks, bytes) = storage.location.read(&self.file, &self.place()).await?;
                fetched = bytes;
                Ok::<_, CubeError>(chunks)
            })
            .await?;
        Ok((chunks.find(number), fetched))
    }

    fn decode_stored_chunk(
        &self,
        storage: &ChunkedStorage,
        index: &[u64],
        stored: &[u8],
        place: &str,
    ) -> CubeResult<ArrayRef> {
        let location = &storage.location;
        let chunk = location
            .number(index)
            .and_then(|number| storage.index.get()?.find(number))
            .ok_or_else(|| CubeError::invalid(place, "the chunk was not fetched"))?;
        let mut bytes = filters::undo(
            stored,
            &storage.filters,
            chunk.skipped_filters,
            location.width,
            location.chunk_bytes(place)?,
            place,
        )?;
        storage.fill_beyond_stored_shape(index, &self.description.shape, &mut bytes);
        self.element.decode(&bytes, place)
    }

    /// Text of variable length lies in heaps that the array refers to; the library follows.
    async fn fetch_text(&self, path: &str) -> CubeResult<EncodedChunk> {
        let place = self.place();
        let shape = self.description.shape.clone();
        let (work_path, work_place) = (path.to_string(), place.clone());
        let (texts, bytes_fetched) = self
            .file
            .run_library(0, move |storage| {
                Hdf5File::from_storage(storage)
                    .and_then(|file| file.dataset(&work_path))
                    .and_then(|dataset| dataset.with_padded_shape(&shape))
                    .and_then(|dataset| dataset.read_strings())
                    .map_err(|error| library_error(&work_place, error.into()))
            })
            .await
            .map_err(|error| error.within(&place))?;
        Ok(EncodedChunk {
            bytes_fetched,
            payload: Payload::Values(RawChunk {
                values: Arc::new(StringArray::from_iter_values(texts)),
                shape: self
                    .description
                    .shape
                    .iter()
                    .map(|length| *length as usize)
                    .collect(),
            }),
        })
    }
}
