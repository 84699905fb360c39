//! A block: the decoded values of one chunk of one variable.
//!
//! ```text
//!  ArrayReader::fetch ──▶ Option<EncodedChunk> ──▶ ArrayReader::decode ──▶ Decoding::apply ──▶ Block
//!      (I/O runtime)        None = not stored         (CPU, as stored)      (mask, scale)     Array │ Constant
//! ```
//! Coordinates of a block are implied by the chunk's index; they are not stored in it.

use std::ops::Range;

use arrow::array::ArrayRef;
use datafusion::common::ScalarValue;
use futures::future::try_join_all;

use super::Variable;
use super::chunks::AxisChunks;
use super::crop::crop;
use super::decoding::characters;
use crate::error::{CubeError, CubeResult};
use crate::source::{ChunkVersion, EncodedChunk, Payload, RawChunk};

/// The decoded values of one chunk.
#[derive(Debug, Clone)]
pub struct Block {
    /// Cells per axis of the variable, slowest first: at least the chunk's extent. Texts may have the padded
    /// shape of a chunk at an edge of the array.
    pub shape: Vec<usize>,
    /// Where along the slowest axis the cells begin, counted in the chunk: 0 unless only some were decoded.
    pub first: usize,
    /// The values in C order of `shape`.
    pub values: BlockValues,
}

/// The values of a [`Block`], of the variable's decoded type; NULL marks a missing value.
#[derive(Debug, Clone)]
pub enum BlockValues {
    /// One value per cell.
    Array(ArrayRef),
    /// All cells have this value: the chunk is not stored.
    Constant(ScalarValue),
}

impl Block {
    /// Number of cells, padding included.
    pub fn cells(&self) -> usize {
        self.shape.iter().product()
    }

    /// Number of cells of the chunk that come before the first.
    pub(super) fn before(&self) -> usize {
        self.shape.iter().skip(1).product::<usize>() * self.first
    }

    /// The values, one per cell. Copies only a constant.
    ///
    /// # Errors
    /// The constant's type cannot be repeated.
    pub fn to_array(&self) -> CubeResult<ArrayRef> {
        match &self.values {
            BlockValues::Array(array) => Ok(array.clone()),
            BlockValues::Constant(scalar) => scalar
                .to_array_of_size(self.cells())
                .map_err(|error| CubeError::unsupported("", error)),
        }
    }
}

impl Variable {
    /// How the variable is cut into chunks, one entry per entry of [`Variable::axes`].
    pub fn chunks(&self) -> &[AxisChunks] {
        let chunks = &self.array.description().chunks;
        &chunks[..self.axes.len().min(chunks.len())]
    }

    /// The cells that the chunk at `index` covers, one range per entry of [`Variable::axes`].
    pub fn region(&self, index: &[u64]) -> Vec<Range<u64>> {
        let chunks = self.chunks().iter();
        chunks.zip(index).map(|(c, i)| c.range(*i)).collect()
    }

    /// Fetches the chunk at `index` (one number per entry of [`Variable::axes`]). `None` when it is
    /// not stored, so that all its cells have the fill value.
    ///
    /// # Errors
    /// See [`crate::source::ArrayReader::fetch`].
    pub async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let chunks = &self.array.description().chunks;
        let place = |error: CubeError| error.within(self.field.name());
        let Some(characters) = chunks.get(self.axes.len()) else {
            return self.array.fetch(index).await.map_err(place);
        };
        let indices: Vec<Vec<u64>> = (0..characters.count())
            .map(|last| index.iter().copied().chain([last]).collect())
            .collect();
        if let [index] = indices.as_slice() {
            return self.array.fetch(index).await.map_err(place);
        }
        let pieces = indices.iter().map(|index| self.array.fetch(index));
        let pieces = try_join_all(pieces).await.map_err(place)?;
        self.join_characters(&indices, pieces).map_err(place)
    }

    /// The versions of the chunks at `indices`, see [`crate::source::ArrayReader::versions`]. Those of texts that are
    /// cut into characters are not known.
    ///
    /// # Errors
    /// The store failed.
    pub async fn versions(&self, indices: &[Vec<u64>]) -> CubeResult<Vec<ChunkVersion>> {
        if self.array.description().chunks.len() != self.axes.len() {
            return Ok(vec![ChunkVersion::Unknown; indices.len()]);
        }
        self.array.versions(indices).await
    }

    /// Puts the pieces of texts that are cut into several chunks together.
    fn join_characters(
        &self,
        indices: &[Vec<u64>],
        pieces: Vec<Option<EncodedChunk>>,
    ) -> CubeResult<Option<EncodedChunk>> {
        if pieces.iter().all(Option::is_none) {
            return Ok(None);
        }
        let description = self.array.description();
        let mut bytes_fetched = 0;
        let mut raw = Vec::with_capacity(pieces.len());
        for (index, piece) in indices.iter().zip(pieces) {
            let chunks = description.chunks.iter();
            let ranges: Vec<_> = chunks.zip(index).map(|(c, i)| c.range(*i)).collect();
            let shape: Vec<usize> = ranges
                .iter()
                .map(|range| (range.end - range.start) as usize)
                .collect();
            raw.push(match piece {
                Some(chunk) => {
                    bytes_fetched += chunk.bytes_fetched;
                    let chunk = self.decode_stored(index, chunk)?;
                    characters::crop(&chunk, &shape)?
                }
                None => RawChunk {
                    values: characters::blank(shape.iter().product())?,
                    shape,
                },
            });
        }
        Ok(Some(EncodedChunk {
            bytes_fetched,
            payload: Payload::Values(characters::join(&raw)?),
        }))
    }

    /// The stored numbers of a chunk, checked against its shape.
    fn decode_stored(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        let raw = match chunk.payload {
            Payload::Values(raw) => raw,
            payload => {
                let chunk = EncodedChunk { payload, ..chunk };
                self.array.decode(index, chunk)?
            }
        };
        check_length(index, raw)
    }

    /// Decodes what [`Variable::fetch`] returned for the same `index`: masks missing values, then
    /// scales. Pure compute.
    ///
    /// # Errors
    /// See [`crate::source::ArrayReader::decode`]; also when the chunk is smaller than its extent.
    pub fn decode(&self, index: &[u64], chunk: Option<EncodedChunk>) -> CubeResult<Block> {
        let extent = self.extent(index);
        let block = match chunk {
            None => Ok(self.constant(index, self.decoding.fill().clone())),
            Some(chunk) => self.decode_chunk(index, chunk),
        };
        let block = block.map_err(|error| error.within(self.field.name()))?;
        self.check_extent(index, &block, &extent)?;
        Ok(block)
    }

    /// As [`Variable::decode`], but only the cells at the positions `rows` along the slowest axis of the chunk. `None`
    /// where that would be no less work.
    ///
    /// # Errors
    /// See [`crate::source::ArrayReader::decode_rows`]; also when the chunk is smaller than its extent.
    pub(crate) fn decode_rows(
        &self,
        index: &[u64],
        chunk: &EncodedChunk,
        rows: Range<u64>,
    ) -> CubeResult<Option<Block>> {
        if self.array.description().chunks.len() != self.axes.len() {
            return Ok(None);
        }
        let (first, count) = (rows.start as usize, (rows.end - rows.start) as usize);
        let place = |error: CubeError| error.within(self.field.name());
        let Some(raw) = self.array.decode_rows(index, chunk, rows).map_err(place)? else {
            return Ok(None);
        };
        let mut extent = self.extent(index);
        if let Some(along) = extent.first_mut() {
            *along = count;
        }
        let block = check_length(index, raw).and_then(|raw| self.block_of(raw, &extent));
        let block = Block {
            first,
            ..block.map_err(place)?
        };
        self.check_extent(index, &block, &extent)?;
        Ok(Some(block))
    }

    /// The lengths of [`Variable::region`].
    fn extent(&self, index: &[u64]) -> Vec<usize> {
        let region = self.region(index).into_iter();
        region
            .map(|range| (range.end - range.start) as usize)
            .collect()
    }

    /// Has the block of the chunk at `index` all cells of `extent`?
    fn check_extent(&self, index: &[u64], block: &Block, extent: &[usize]) -> CubeResult<()> {
        let too_small = block.shape.len() != extent.len()
            || std::iter::zip(&block.shape, extent).any(|(have, need)| have < need);
        if too_small {
            return Err(CubeError::corrupt(
                format!("{}, chunk {index:?}", self.field.name()),
                format!(
                    "the chunk has shape {:?} instead of {extent:?}",
                    block.shape
                ),
            ));
        }
        Ok(())
    }

    /// The chunk at `index` when all its cells have the same value, or none.
    pub(crate) fn constant(&self, index: &[u64], value: ScalarValue) -> Block {
        Block {
            shape: self.extent(index),
            first: 0,
            values: BlockValues::Constant(value),
        }
    }

    fn decode_chunk(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<Block> {
        let stored_rank = self.array.description().chunks.len();
        let mut stored_index = index.to_vec();
        stored_index.resize(stored_rank, 0);
        let extent: Vec<usize> = std::iter::zip(&self.array.description().chunks, &stored_index)
            .map(|(chunks, index)| chunks.range(*index))
            .map(|range| (range.end - range.start) as usize)
            .collect();
        self.block_of(self.decode_stored(&stored_index, chunk)?, &extent)
    }

    /// The cells of `extent` in what is stored, decoded.
    fn block_of(&self, raw: RawChunk, extent: &[usize]) -> CubeResult<Block> {
        let (values, shape) = self.decoding.apply(crop(raw, extent)?)?;
        Ok(Block {
            shape,
            first: 0,
            values: BlockValues::Array(values),
        })
    }
}

/// Is there a value for every cell of the shape?
fn check_length(index: &[u64], raw: RawChunk) -> CubeResult<RawChunk> {
    let cells: usize = raw.shape.iter().product();
    if cells != raw.values.len() {
        return Err(CubeError::corrupt(
            format!("chunk {index:?}"),
            format!(
                "a chunk of shape {:?} has {} values",
                raw.shape,
                raw.values.len()
            ),
        ));
    }
    Ok(raw)
}
