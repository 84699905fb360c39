//! Copies cells out of decoded chunks into one array.
//!
//! ```text
//!  chunks   ├── 0 ──┼── 1 ──┼── 2 ──┤
//!  wanted      ▓▓▓▓ ▓▓▓   ·   ▓▓         per dimension: segments, each inside one chunk, or nowhere
//! ```
//! When the cells lie side by side in one chunk, which is the normal case, nothing is copied.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, MutableArrayData, make_array};
use datafusion::common::Result;

use super::block::{Block, BlockValues};

/// A run of cells of one dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Which of the chunks along the dimension that are at hand; `None` where there are no values.
    pub(crate) chunk: Option<usize>,
    /// First cell, counted within the chunk.
    pub(crate) start: usize,
    /// Cells.
    pub(crate) length: usize,
}

impl Segment {
    fn cells(self) -> impl DoubleEndedIterator<Item = Segment> {
        (0..self.length).map(move |offset| Segment {
            start: self.start + offset,
            length: 1,
            ..self
        })
    }
}

/// The wanted cells along one dimension.
#[derive(Debug)]
pub(crate) struct Selected {
    segments: Vec<Segment>,
    chunk_count: usize,
    count: usize,
}

impl Selected {
    /// The cells of `segments`, in this order, out of `chunk_count` chunks.
    pub(crate) fn new(segments: Vec<Segment>, chunk_count: usize) -> Self {
        Self {
            count: segments.iter().map(|segment| segment.length).sum(),
            segments,
            chunk_count,
        }
    }

    /// The same cells from the last to the first.
    pub(crate) fn backwards(self) -> Self {
        let segments = self.segments.iter().rev();
        Self {
            segments: segments.flat_map(|run| run.cells().rev()).collect(),
            ..self
        }
    }

    /// Number of cells.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Is there a value for every cell?
    pub(crate) fn is_complete(&self) -> bool {
        self.segments.iter().all(|segment| segment.chunk.is_some())
    }

    /// The single run of cells, when there is only one.
    fn run(&self) -> Option<Range<usize>> {
        match self.segments.as_slice() {
            [only] if only.chunk.is_some() => Some(only.start..only.start + only.length),
            _ => None,
        }
    }

    fn cells(&self) -> impl Iterator<Item = Segment> + '_ {
        self.segments.iter().flat_map(|segment| segment.cells())
    }
}

/// The values of the cells that `dimensions` select, the last dimension of `order` fastest. `blocks`
/// are the chunks at hand, the last of `dimensions` fastest.
///
/// # Errors
/// A value that cannot be repeated.
pub(crate) fn cut(
    dimensions: &[Selected],
    order: &[usize],
    blocks: &[Arc<Block>],
) -> Result<ArrayRef> {
    if let [block] = blocks
        && order.is_sorted()
        && let BlockValues::Array(values) = &block.values
        && let Some(cells) = contiguous(dimensions, block)
    {
        return Ok(values.slice(cells.start, cells.end - cells.start));
    }
    gather(dimensions, order, blocks)
}

/// The cells of one block that the dimensions select, when they lie side by side in memory.
fn contiguous(dimensions: &[Selected], block: &Block) -> Option<Range<usize>> {
    let mut start = 0;
    let mut count = 1;
    let mut inner_is_whole = true;
    let mut stride = 1;
    for (dimension, length) in dimensions.iter().zip(&block.shape).rev() {
        let run = dimension.run()?;
        if !inner_is_whole && run.len() > 1 {
            return None;
        }
        inner_is_whole &= run.len() == *length;
        start += run.start * stride;
        count *= run.len();
        stride *= length;
    }
    start -= block.before();
    Some(start..start + count)
}

/// The general case: several chunks, gaps, padding, other orders of dimensions.
fn gather(dimensions: &[Selected], order: &[usize], blocks: &[Arc<Block>]) -> Result<ArrayRef> {
    let longest = dimensions
        .iter()
        .flat_map(|dimension| &dimension.segments)
        .map(|segment| segment.length)
        .max();
    let sources = blocks
        .iter()
        .map(|block| match &block.values {
            BlockValues::Array(values) => Ok(Arc::clone(values)),
            BlockValues::Constant(value) => value.to_array_of_size(longest.unwrap_or(1)),
        })
        .collect::<Result<Vec<ArrayRef>>>()?;
    let source_data: Vec<_> = sources.iter().map(|source| source.to_data()).collect();
    let capacity = dimensions.iter().map(|dimension| dimension.count).product();
    let mut output = MutableArrayData::new(source_data.iter().collect(), true, capacity);

    // Distance of neighbouring chunks in `blocks`, per dimension.
    let mut block_strides = vec![1; dimensions.len()];
    for dimension in (1..dimensions.len()).rev() {
        block_strides[dimension - 1] = block_strides[dimension] * dimensions[dimension].chunk_count;
    }
    let Some((inner, outer)) = order.split_last() else {
        if let Some(source) = sources.first() {
            output.try_extend(0, 0, source.len().min(1))?;
        }
        return Ok(make_array(output.freeze()));
    };
    // Runs can be copied whole only along the dimension that is contiguous in memory.
    let runs: Vec<Segment> = if *inner + 1 == dimensions.len() {
        dimensions[*inner].segments.clone()
    } else {
        dimensions[*inner].cells().collect()
    };
    let outer_cells: Vec<Vec<Segment>> = outer
        .iter()
        .map(|dimension| dimensions[*dimension].cells().collect())
        .collect();
    let mut position = vec![0; outer.len()];
    let mut at = vec![
        Segment {
            chunk: None,
            start: 0,
            length: 1
        };
        dimensions.len()
    ];
    let rows: usize = outer_cells.iter().map(Vec::len).product();
    for _ in 0..rows {
        for ((dimension, cells), index) in outer.iter().zip(&outer_cells).zip(&position) {
            at[*dimension] = cells[*index];
        }
        for run in &runs {
            at[*inner] = *run;
            let chunks = at.iter().zip(&block_strides);
            let block = chunks
                .map(|(cell, stride)| Some(cell.chunk? * stride))
                .sum::<Option<usize>>();
            let Some(block) = block else {
                output.try_extend_nulls(run.length)?;
                continue;
            };
            let offset = match &blocks[block].values {
                BlockValues::Constant(_) => 0,
                BlockValues::Array(_) => {
                    let block = &blocks[block];
                    let cells = at.iter().zip(&block.shape);
                    let offset =
                        cells.fold(0, |offset, (cell, length)| offset * length + cell.start);
                    offset - block.before()
                }
            };
            output.try_extend(block, offset, offset + run.length)?;
        }
        advance(&mut position, &outer_cells);
    }
    Ok(make_array(output.freeze()))
}

/// Counts up like an odometer, the last position fastest.
fn advance(position: &mut [usize], cells: &[Vec<Segment>]) {
    for (index, cells) in position.iter_mut().zip(cells).rev() {
        *index += 1;
        if *index < cells.len() {
            return;
        }
        *index = 0;
    }
}
