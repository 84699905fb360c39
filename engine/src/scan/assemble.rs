//! Cuts the selected cells of a unit out of the decoded chunks of one variable.
//!
//! When the unit is one whole chunk, which is the normal case, nothing is copied.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, MutableArrayData, make_array};
use datafusion::common::{Result, ScalarValue};

use crate::cube::Variable;
use crate::cube::block::{Block, BlockValues};
use crate::scan::grid::{Unit, touched_chunks};

/// The values of a variable at the selected cells of a unit.
#[derive(Debug, Clone)]
pub(crate) enum UnitValues {
    /// One value per cell of the variable's own axes, in the order of the cube's axes.
    Array(ArrayRef),
    /// The same value everywhere.
    Constant(ScalarValue),
}

/// The chunks of `variable` that hold selected cells of `unit`, last dimension fastest.
pub(crate) fn needed_chunks(variable: &Variable, unit: &Unit) -> Vec<Vec<u64>> {
    let mut needed: Vec<Vec<u64>> = vec![Vec::new()];
    for (axis, chunks) in variable.axes.iter().zip(variable.chunks()) {
        let touched = touched_chunks(chunks, &unit.axes[*axis].runs);
        needed = needed
            .iter()
            .flat_map(|index| {
                touched
                    .iter()
                    .map(move |chunk| index.iter().copied().chain([*chunk]).collect())
            })
            .collect();
    }
    needed
}

/// A run of cells of one dimension inside one chunk.
#[derive(Debug, Clone, Copy)]
struct Segment {
    /// Which of the touched chunks of the dimension.
    chunk: usize,
    /// First cell, counted within the chunk.
    start: usize,
    length: usize,
}

/// One dimension of the variable, as the unit selects from it.
struct Dimension {
    segments: Vec<Segment>,
    chunk_count: usize,
    count: usize,
}

impl Dimension {
    fn new(variable: &Variable, dimension: usize, unit: &Unit) -> Self {
        let axis = &unit.axes[variable.axes[dimension]];
        let chunks = &variable.chunks()[dimension];
        let touched = touched_chunks(chunks, &axis.runs);
        let mut segments = Vec::new();
        for (position, chunk) in touched.iter().enumerate() {
            let cells = chunks.range(*chunk);
            for run in &axis.runs {
                let part = run.start.max(cells.start)..run.end.min(cells.end);
                if part.start < part.end {
                    let start = (part.start - cells.start) as usize;
                    segments.push(Segment {
                        chunk: position,
                        start,
                        length: (part.end - part.start) as usize,
                    });
                }
            }
        }
        if axis.reversed {
            segments = segments
                .iter()
                .rev()
                .flat_map(Segment::cells_backwards)
                .collect();
        }
        Self {
            segments,
            chunk_count: touched.len(),
            count: axis.count,
        }
    }

    /// The single run of cells, when there is only one.
    fn run(&self) -> Option<Range<usize>> {
        match self.segments.as_slice() {
            [only] => Some(only.start..only.start + only.length),
            _ => None,
        }
    }

    fn cells(&self) -> impl Iterator<Item = Segment> + '_ {
        self.segments.iter().flat_map(|segment| {
            (0..segment.length).map(|offset| Segment {
                start: segment.start + offset,
                length: 1,
                ..*segment
            })
        })
    }
}

impl Segment {
    fn cells_backwards(&self) -> impl Iterator<Item = Segment> + use<> {
        let segment = *self;
        (0..segment.length).rev().map(move |offset| Segment {
            start: segment.start + offset,
            length: 1,
            ..segment
        })
    }
}

/// Cuts the selected cells out of `blocks`, which are the chunks of [`needed_chunks`] in that order.
///
/// # Errors
/// A value that cannot be repeated.
pub(crate) fn assemble(
    variable: &Variable,
    unit: &Unit,
    blocks: &[Arc<Block>],
) -> Result<UnitValues> {
    if let [block] = blocks
        && let BlockValues::Constant(value) = &block.values
    {
        return Ok(UnitValues::Constant(value.clone()));
    }
    let dimensions: Vec<Dimension> = (0..variable.axes.len())
        .map(|dimension| Dimension::new(variable, dimension, unit))
        .collect();
    // Dimensions in the order of the cube's axes: that is the order of rows.
    let mut order: Vec<usize> = (0..dimensions.len()).collect();
    order.sort_by_key(|dimension| variable.axes[*dimension]);
    if let [block] = blocks
        && order.is_sorted()
        && let BlockValues::Array(values) = &block.values
        && let Some(cells) = contiguous(&dimensions, &block.shape)
    {
        return Ok(UnitValues::Array(
            values.slice(cells.start, cells.end - cells.start),
        ));
    }
    gather(&dimensions, &order, blocks).map(UnitValues::Array)
}

/// The values of the chunk at `index`, in the order of its dimensions and without padding.
///
/// # Errors
/// A value that cannot be repeated.
pub(crate) fn whole_chunk(variable: &Variable, index: &[u64], block: Block) -> Result<ArrayRef> {
    let regions = variable.region(index);
    let extent = regions
        .iter()
        .map(|cells| (cells.end - cells.start) as usize);
    let dimensions: Vec<Dimension> = extent
        .map(|count| Dimension {
            segments: vec![Segment {
                chunk: 0,
                start: 0,
                length: count,
            }],
            chunk_count: 1,
            count,
        })
        .collect();
    if let BlockValues::Array(values) = &block.values
        && let Some(cells) = contiguous(&dimensions, &block.shape)
    {
        return Ok(values.slice(cells.start, cells.end - cells.start));
    }
    let order: Vec<usize> = (0..dimensions.len()).collect();
    gather(&dimensions, &order, &[Arc::new(block)])
}

/// The cells of one block that the dimensions select, when they lie side by side in memory.
fn contiguous(dimensions: &[Dimension], shape: &[usize]) -> Option<Range<usize>> {
    let mut start = 0;
    let mut count = 1;
    let mut inner_is_whole = true;
    let mut stride = 1;
    for (dimension, length) in dimensions.iter().zip(shape).rev() {
        let run = dimension.run()?;
        if !inner_is_whole && run.len() > 1 {
            return None;
        }
        inner_is_whole &= run.len() == *length;
        start += run.start * stride;
        count *= run.len();
        stride *= length;
    }
    Some(start..start + count)
}

/// The general case: several chunks, gaps, padding, other orders of dimensions.
fn gather(dimensions: &[Dimension], order: &[usize], blocks: &[Arc<Block>]) -> Result<ArrayRef> {
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
            chunk: 0,
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
            let block: usize = at
                .iter()
                .zip(&block_strides)
                .map(|(cell, stride)| cell.chunk * stride)
                .sum();
            let offset = match &blocks[block].values {
                BlockValues::Constant(_) => 0,
                BlockValues::Array(_) => {
                    let shape = &blocks[block].shape;
                    at.iter()
                        .zip(shape)
                        .fold(0, |offset, (cell, length)| offset * length + cell.start)
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
