//! Cuts the selected cells of a unit out of the decoded chunks of one variable.
//!
//! When the unit is one whole chunk, which is the normal case, nothing is copied.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::common::{Result, ScalarValue};

use crate::cube::Variable;
use crate::cube::block::{Block, BlockValues};
use crate::cube::gather::{Segment, Selected, cut};
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

/// The cells of one dimension of the variable, as the unit selects from it.
fn selected(variable: &Variable, dimension: usize, unit: &Unit) -> Selected {
    let axis = &unit.axes[variable.axes[dimension]];
    let chunks = &variable.chunks()[dimension];
    let touched = touched_chunks(chunks, &axis.runs);
    let mut segments = Vec::new();
    for (position, chunk) in touched.iter().enumerate() {
        let cells = chunks.range(*chunk);
        for run in &axis.runs {
            let part = run.start.max(cells.start)..run.end.min(cells.end);
            if part.start < part.end {
                segments.push(Segment {
                    chunk: Some(position),
                    start: (part.start - cells.start) as usize,
                    length: (part.end - part.start) as usize,
                });
            }
        }
    }
    let selected = Selected::new(segments, touched.len());
    match axis.reversed {
        true => selected.backwards(),
        false => selected,
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
    let dimensions: Vec<Selected> = (0..variable.axes.len())
        .map(|dimension| selected(variable, dimension, unit))
        .collect();
    // Dimensions in the order of the cube's axes: that is the order of rows.
    let mut order: Vec<usize> = (0..dimensions.len()).collect();
    order.sort_by_key(|dimension| variable.axes[*dimension]);
    cut(&dimensions, &order, blocks).map(UnitValues::Array)
}

/// The values of the chunk at `index`, in the order of its dimensions and without padding.
///
/// # Errors
/// A value that cannot be repeated.
pub(crate) fn whole_chunk(variable: &Variable, index: &[u64], block: Block) -> Result<ArrayRef> {
    let whole = |cells: Range<u64>| {
        let segment = Segment {
            chunk: Some(0),
            start: 0,
            length: (cells.end - cells.start) as usize,
        };
        Selected::new(vec![segment], 1)
    };
    let dimensions: Vec<Selected> = variable.region(index).into_iter().map(whole).collect();
    let order: Vec<usize> = (0..dimensions.len()).collect();
    cut(&dimensions, &order, &[Arc::new(block)])
}
