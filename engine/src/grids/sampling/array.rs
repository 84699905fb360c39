//! A variable at points: [`Sampled`], an array whose chunks are gathered from those of the variable.
//!
//! ```text
//!  point   0  1  2 │ 3  4  5        chunk of points ─▶ which chunks of the source its cells lie in: Touched
//!          └──┬──┘   └──┬──┘                              │ fetched, decoded
//!  source  chunk 7    chunk 9                             ▼
//!                                   per point: one cell, or the corners around it with their weights
//! ```
//! Dimensions that the points name become one, which comes first; the others stay.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};

use super::gather::{Cells, linear};
use super::scale::Position;
use super::touched::{Along, Touched};
use crate::cache::{BlockCache, BlockKey};
use crate::cube::Variable;
use crate::cube::block::Block;
use crate::error::{CubeError, CubeResult};
use crate::source::{ArrayDescription, ArrayReader, EncodedChunk, Payload, RawChunk};

/// Chunks that are fetched at the same time.
const CONCURRENT_FETCHES: usize = 16;

/// The array.
#[derive(Debug)]
pub(super) struct Sampled {
    pub(super) source: Variable,
    /// Per dimension of the source the positions of the points, where they name it.
    pub(super) along: Vec<Option<Arc<[Position]>>>,
    pub(super) description: ArrayDescription,
    /// Are values made of all corners around a point?
    pub(super) is_linear: bool,
    /// Where decoded chunks of the source are looked for, and kept where the scan `keeps` them.
    pub(super) blocks: Arc<BlockCache>,
    pub(super) keeps: bool,
}

impl Sampled {
    /// The points of the chunk at `index`.
    fn points(&self, index: &[u64]) -> Range<usize> {
        let points = self.description.chunks[0].range(index[0]);
        points.start as usize..points.end as usize
    }

    /// The chunks of the source for the chunk at `index`.
    fn touched(&self, index: &[u64]) -> Touched {
        let points = self.points(index);
        let mut kept = index[1..].iter();
        let dimensions =
            std::iter::zip(&self.along, self.source.chunks()).map(|(at, chunks)| match at {
                Some(at) => Along::points(&at[points.clone()], chunks),
                None => Along::Chunk(kept.next().copied().unwrap_or(0)),
            });
        Touched::new(dimensions.collect(), points.len())
    }

    fn key(&self, chunk: &[u64]) -> Option<BlockKey> {
        Some(BlockKey {
            array: self.source.origin.clone()?,
            chunk: chunk.into(),
        })
    }

    async fn fetch_source(&self, chunk: Vec<u64>) -> CubeResult<Option<EncodedChunk>> {
        let kept = self.key(&chunk).and_then(|key| self.blocks.get(&key));
        match kept {
            Some(block) => Ok(Some(EncodedChunk {
                bytes_fetched: 0,
                payload: Payload::Kept(block),
            })),
            None => self.source.fetch(&chunk).await,
        }
    }

    /// The block of a chunk of the source; of one that is not kept only those cells that the points need along the
    /// slowest dimension.
    fn decode_source(
        &self,
        chunk: &[u64],
        fetched: Option<EncodedChunk>,
        touched: &Touched,
    ) -> CubeResult<Arc<Block>> {
        let fetched = match fetched {
            Some(EncodedChunk {
                payload: Payload::Kept(block),
                ..
            }) => return Ok(block),
            fetched => fetched,
        };
        if let (true, Some(key)) = (self.keeps, self.key(chunk)) {
            let decode = || self.source.decode(chunk, fetched).map(Arc::new);
            return self.blocks.get_or_decode(&key, decode);
        }
        if let (Some(fetched), Some(rows)) = (&fetched, touched.rows())
            && let Some(part) = self.source.decode_rows(chunk, fetched, rows)?
        {
            return Ok(Arc::new(part));
        }
        self.source.decode(chunk, fetched).map(Arc::new)
    }

    fn values(
        &self,
        index: &[u64],
        touched: &Touched,
        blocks: &[Arc<Block>],
    ) -> CubeResult<ArrayRef> {
        let kept: Vec<usize> = std::iter::zip(&self.description.chunks, index)
            .skip(1)
            .map(|(chunks, number)| {
                let range = chunks.range(*number);
                (range.end - range.start) as usize
            })
            .collect();
        let cells = Cells::new(touched, blocks, &kept);
        if self.is_linear {
            return match self.source.decoding.data_type() {
                DataType::Float32 => self.between::<Float32Type>(&cells, blocks),
                _ => self.between::<Float64Type>(&cells, blocks),
            };
        }
        let mut arrays = blocks
            .iter()
            .map(|block| block.to_array())
            .collect::<CubeResult<Vec<ArrayRef>>>()?;
        arrays.push(new_null_array(self.source.decoding.data_type(), 1));
        let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        interleave(&arrays, &cells.nearest(blocks.len())).map_err(|error| self.failed(&error))
    }

    fn between<P: ArrowPrimitiveType>(
        &self,
        cells: &Cells<'_>,
        blocks: &[Arc<Block>],
    ) -> CubeResult<ArrayRef>
    where
        P::Native: Into<f64>,
        f64: super::gather::Narrow<P::Native>,
    {
        linear::<P>(cells, blocks).map_err(|error| error.within(&self.description.name))
    }

    fn failed(&self, cause: &dyn std::fmt::Display) -> CubeError {
        CubeError::unsupported(&self.description.name, cause)
    }
}

#[async_trait]
impl ArrayReader for Sampled {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let needed = self.touched(index).chunks();
        if needed.is_empty() {
            return Ok(None);
        }
        let pieces: Vec<Option<EncodedChunk>> = stream::iter(needed)
            .map(|chunk| self.fetch_source(chunk))
            .buffered(CONCURRENT_FETCHES)
            .try_collect()
            .await?;
        Ok(Some(EncodedChunk::of_pieces(pieces)))
    }

    fn decode(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        let Payload::Pieces(fetched) = chunk.payload else {
            return chunk.payload.into_values(&self.description.name);
        };
        let touched = self.touched(index);
        let blocks = std::iter::zip(touched.chunks(), fetched)
            .map(|(chunk, piece)| self.decode_source(&chunk, piece, &touched))
            .collect::<CubeResult<Vec<_>>>()?;
        let ranges = std::iter::zip(&self.description.chunks, index);
        let ranges = ranges.map(|(chunks, number)| chunks.range(*number));
        Ok(RawChunk {
            values: self.values(index, &touched, &blocks)?,
            shape: ranges
                .map(|range| (range.end - range.start) as usize)
                .collect(),
        })
    }
}
