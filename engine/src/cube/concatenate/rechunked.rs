//! An array cut as another one is: files of one cube may differ in how their grids are chunked.
//!
//! ```text
//!  wanted  ├──── chunk ────┤        every wanted chunk is put together from the stored chunks
//!  stored  ├──┼──┼──┼──┼──┼──┤      that it overlaps; those are read again for its neighbours
//! ```

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::interleave;
use async_trait::async_trait;
use futures::future::try_join_all;

use super::axis::fill_cells;
use crate::cube::chunks::AxisChunks;
use crate::error::{CubeError, CubeResult};
use crate::source::{ArrayDescription, ArrayReader, EncodedChunk, Payload, RawChunk};

/// `inner` in other chunks.
#[derive(Debug)]
pub(super) struct Rechunked {
    inner: Arc<dyn ArrayReader>,
    description: ArrayDescription,
}

impl Rechunked {
    /// `array`, in chunks like `wanted` but for `axis`, where it keeps its own; the array itself if
    /// it has these chunks.
    pub(super) fn like(
        array: Arc<dyn ArrayReader>,
        wanted: &[AxisChunks],
        axis: usize,
    ) -> Arc<dyn ArrayReader> {
        let own = &array.description().chunks;
        let chunks: Vec<AxisChunks> = own
            .iter()
            .zip(wanted)
            .enumerate()
            .map(|(position, (own, wanted))| if position == axis { own } else { wanted }.clone())
            .collect();
        if chunks == *own {
            return array;
        }
        let mut description = array.description().clone();
        description.chunks = chunks;
        Arc::new(Self {
            inner: array,
            description,
        })
    }

    fn cells(&self, chunks: &[AxisChunks], index: &[u64]) -> Vec<Range<u64>> {
        chunks
            .iter()
            .zip(index)
            .map(|(chunks, i)| chunks.range(*i))
            .collect()
    }
}

#[async_trait]
impl ArrayReader for Rechunked {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let region = self.cells(&self.description.chunks, index);
        let stored = &self.inner.description().chunks;
        let overlapping = overlapping(stored, &region);
        let fetched = overlapping.iter().map(|index| self.inner.fetch(index));
        let fetched = try_join_all(fetched).await?;
        if fetched.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut bytes_fetched = 0;
        let mut pieces = Vec::with_capacity(fetched.len());
        for (index, chunk) in overlapping.iter().zip(fetched) {
            let cells = self.cells(stored, index);
            let raw = match chunk {
                Some(chunk) => {
                    bytes_fetched += chunk.bytes_fetched;
                    self.inner.decode(index, chunk)?
                }
                None => {
                    let shape: Vec<usize> = cells.iter().map(extent).collect();
                    RawChunk {
                        values: fill_cells(&self.description, shape.iter().product())?,
                        shape,
                    }
                }
            };
            pieces.push((cells, raw));
        }
        let raw =
            assemble(&region, &pieces).map_err(|error| error.within(&self.description.name))?;
        Ok(Some(EncodedChunk {
            bytes_fetched,
            payload: Payload::Values(raw),
        }))
    }

    fn decode(&self, _index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        chunk.payload.into_values(&self.description.name)
    }
}

fn extent(cells: &Range<u64>) -> usize {
    (cells.end - cells.start) as usize
}

/// The stored chunks that have cells of `region`, in C order.
fn overlapping(stored: &[AxisChunks], region: &[Range<u64>]) -> Vec<Vec<u64>> {
    let mut indices = vec![Vec::new()];
    for (chunks, cells) in stored.iter().zip(region) {
        let numbers = match cells.is_empty() {
            true => 0..0,
            false => chunks.index_of(cells.start)..chunks.index_of(cells.end - 1) + 1,
        };
        indices = indices
            .into_iter()
            .flat_map(|index: Vec<u64>| {
                numbers.clone().map(move |number| {
                    let mut index = index.clone();
                    index.push(number);
                    index
                })
            })
            .collect();
    }
    indices
}

/// Puts the cells of `region` together from `pieces` (their cells, and values of at least these).
fn assemble(region: &[Range<u64>], pieces: &[(Vec<Range<u64>>, RawChunk)]) -> CubeResult<RawChunk> {
    let shape: Vec<usize> = region.iter().map(extent).collect();
    let mut sources = vec![(0, 0); shape.iter().product()];
    for (number, (cells, raw)) in pieces.iter().enumerate() {
        let common: Vec<Range<u64>> = cells
            .iter()
            .zip(region)
            .map(|(a, b)| a.start.max(b.start)..a.end.min(b.end))
            .collect();
        let from = positions(&common, cells, &raw.shape);
        let to = positions(&common, region, &shape);
        for (from, to) in from.into_iter().zip(to) {
            if from >= raw.values.len() {
                return Err(CubeError::corrupt("", "a chunk is smaller than its extent"));
            }
            if let Some(source) = sources.get_mut(to) {
                *source = (number, from);
            }
        }
    }
    let arrays: Vec<&dyn Array> = pieces.iter().map(|(_, raw)| raw.values.as_ref()).collect();
    let values: ArrayRef =
        interleave(&arrays, &sources).map_err(|error| CubeError::corrupt("", error))?;
    Ok(RawChunk { values, shape })
}

/// Where the cells `common` stand in a block of `shape` that starts where `block` does.
fn positions(common: &[Range<u64>], block: &[Range<u64>], shape: &[usize]) -> Vec<usize> {
    let mut positions = vec![0];
    for ((cells, block), length) in common.iter().zip(block).zip(shape) {
        let first = cells.start.saturating_sub(block.start) as usize;
        let count = cells.end.saturating_sub(cells.start) as usize;
        positions = positions
            .into_iter()
            .flat_map(|start| (first..first + count).map(move |cell| start * length + cell))
            .collect();
    }
    positions
}
