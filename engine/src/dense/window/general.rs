//! Window functions without a kernel: DataFusion's own evaluator on the rows of one series after the
//! other. Slow, but without a sort, and right whatever the function and whatever rows a predicate leaves.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, new_null_array};
use arrow::compute::{concat, take, take_record_batch};
use datafusion::common::Result;
use datafusion::physical_expr::window::WindowExpr;

use crate::dense::window::block::Block;
use crate::dense::window::sequence::Sequence;

/// The values of `expression` at every cell of a block; NULL where there is no row.
///
/// # Errors
/// Whatever the function fails on.
pub(crate) fn evaluate(
    block: &Block<'_>,
    expression: &Arc<dyn WindowExpr>,
    sequence: &Sequence,
) -> Result<ArrayRef> {
    let cells = block.cells.num_rows();
    let inputs = block.windows.inputs.iter();
    let inputs = inputs.map(|input| input.evaluate(block.cells)?.into_array(cells));
    let schema = Arc::clone(&block.windows.input_schema);
    let input = RecordBatch::try_new(schema, inputs.collect::<Result<_>>()?)?;
    // Cells partition after partition, and where each partition ends.
    let mut order: Vec<u32> = Vec::with_capacity(cells);
    let mut ends = Vec::new();
    for lane in 0..block.lanes {
        for partition in &sequence.partitions {
            for place in partition.clone() {
                let cell = sequence.rows[place as usize] as usize * block.lanes + lane;
                if block.present.is_none_or(|present| present.value(cell)) {
                    order.push(cell as u32);
                }
            }
            ends.push(order.len());
        }
    }
    let mut place_of_cell: Vec<Option<u32>> = vec![None; cells];
    for (place, cell) in order.iter().enumerate() {
        place_of_cell[*cell as usize] = Some(place as u32);
    }
    let rows = take_record_batch(&input, &UInt32Array::from(order))?;
    let mut results: Vec<ArrayRef> = Vec::with_capacity(ends.len());
    let mut start = 0;
    for end in ends {
        if start < end {
            results.push(expression.evaluate(&rows.slice(start, end - start))?);
        }
        start = end;
    }
    if results.is_empty() {
        return Ok(new_null_array(expression.field()?.data_type(), cells));
    }
    let results: Vec<&dyn Array> = results.iter().map(AsRef::as_ref).collect();
    Ok(take(
        &concat(&results)?,
        &UInt32Array::from(place_of_cell),
        None,
    )?)
}
