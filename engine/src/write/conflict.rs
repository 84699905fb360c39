//! Rows that come in although their cells are there: [`check_conflict`].
//!
//! ```text
//!  axes   y before {0, 1}, x before {0, 1}       the row (0, 1) is there, the rows (9, 0) and (0, 9) are not,
//!         y coming {0, 9}, x coming {0, 1, 9}    though each of their coordinates is known
//! ```
//! The axes alone tell that there is no conflict, more often than not. Only where each has coordinates
//! that are there are the rows looked at, one after the other, up to the first that is there.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use datafusion::common::Result;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;

use super::merge::{Merged, positions};
use crate::cube::Cube;
use crate::error::{CubeError, CubeResult, ErrorKind};

/// Is no row of `query`, whose first columns are the axes of `cube`, in a cell that the cube has?
///
/// # Errors
/// One is, or running the query gives an error.
pub(super) async fn check_conflict(
    state: &SessionState,
    cube: &Cube,
    query: &LogicalPlan,
    merged: &[Merged],
) -> Result<()> {
    if !merged.iter().all(Merged::may_conflict) {
        return Ok(());
    }
    let keys = (0..cube.axes.len()).map(|axis| Expr::from(query.schema().qualified_field(axis)));
    let keys = LogicalPlanBuilder::from(query.clone())
        .project(keys)?
        .build()?;
    let plan = state.create_physical_plan(&state.optimize(&keys)?).await?;
    let mut rows = execute_stream(plan, Arc::new(TaskContext::from(state)))?;
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        if let Some(row) = first_that_is_there(cube, &batch)? {
            return Err(conflict(cube, &batch, row)?.into());
        }
    }
    Ok(())
}

fn first_that_is_there(cube: &Cube, batch: &RecordBatch) -> Result<Option<usize>> {
    let mut is_there = vec![true; batch.num_rows()];
    for (axis, column) in cube.axes.iter().zip(batch.columns()) {
        let places = positions(column, &axis.coordinates, axis.order)?;
        for (row, place) in is_there.iter_mut().zip(places) {
            *row &= place.is_some();
        }
    }
    Ok(is_there.iter().position(|is_there| *is_there))
}

fn conflict(cube: &Cube, batch: &RecordBatch, row: usize) -> CubeResult<CubeError> {
    let place = cube.axes.iter().zip(batch.columns()).map(|(axis, column)| {
        let value = array_value_to_string(column, row)?;
        Ok(format!("{} = {value}", axis.field.name()))
    });
    let place = place.collect::<Result<Vec<String>>>();
    let place = place.map_err(|error| CubeError::invalid(&cube.name, error.to_string()))?;
    Ok(CubeError::new(
        ErrorKind::Conflict,
        &cube.name,
        format!("the cube has the cell {} already", place.join(", ")),
    )
    .remedy("say INSERT OR REPLACE INTO … to replace what is there, or ON CONFLICT DO NOTHING to keep it"))
}
