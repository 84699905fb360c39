//! The rows of a build as arrays over the places of the cube's keys.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{concat, take};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use futures::StreamExt;

use super::plan::LookupPlan;
use crate::runtime::yield_now;

/// Output columns of `plan` whose values together are different in every row, because an aggregate
/// groups by them; `None` where that is not known.
pub(crate) fn unique_columns(plan: &Arc<dyn ExecutionPlan>) -> Option<Vec<usize>> {
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        let is_last = !matches!(
            aggregate.mode(),
            AggregateMode::Partial | AggregateMode::PartialReduce
        );
        let groups = aggregate.group_expr();
        return (is_last && !groups.has_grouping_set()).then(|| (0..groups.expr().len()).collect());
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let below = unique_columns(filter.input())?;
        let Some(kept) = filter.projection().as_ref() else {
            return Some(below);
        };
        let mut below = below.into_iter();
        return below.try_fold(Vec::new(), |mut columns, column| {
            columns.push(kept.iter().position(|kept| *kept == column)?);
            Some(columns)
        });
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let mut below = unique_columns(projection.input())?.into_iter();
        let position = |column: usize| {
            projection.expr().iter().position(|output| {
                let bare = output.expr.downcast_ref::<Column>();
                bare.is_some_and(|bare| bare.index() == column)
            })
        };
        return below.try_fold(Vec::new(), |mut columns, column| {
            columns.push(position(column)?);
            Some(columns)
        });
    }
    unique_columns(plan.downcast_ref::<SortExec>()?.input())
}

/// The results of a build.
#[derive(Debug)]
pub(crate) struct Results {
    /// One array per column of the plan, and whether there is a row where the plan asks for it.
    pub(crate) values: Vec<Option<ArrayRef>>,
    /// Has every place a row?
    pub(crate) is_complete: bool,
}

/// Stands for a place without a row.
const NO_ROW: u32 = u32::MAX;

/// Collects the rows of `build`.
///
/// # Errors
/// The build fails, or its results do not fit into memory.
pub(crate) async fn collect(
    plan: &LookupPlan,
    mut build: SendableRecordBatchStream,
    memory: &mut MemoryReservation,
) -> Result<Results> {
    let places = plan.places();
    memory.try_grow(places.saturating_mul(size_of::<u32>()))?;
    let mut row_of_place = vec![NO_ROW; places];
    let mut numbers = plan
        .keys
        .iter()
        .map(super::plan::AxisKeys::numbers)
        .collect::<Result<Vec<_>>>()?;
    let schema = build.schema();
    let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::new(); plan.columns.len()];
    let mut rows: usize = 0;
    let mut held: usize = 0;
    while let Some(batch) = build.next().await {
        let batch = batch?;
        for (column, parts) in std::iter::zip(&plan.columns, &mut columns) {
            let part = Arc::clone(batch.column(column.0));
            memory.try_grow(part.get_array_memory_size())?;
            parts.push(part);
        }
        for (row, place) in places_of(plan, &mut numbers, &batch)?
            .into_iter()
            .enumerate()
        {
            let Some(place) = place else { continue };
            let number = u32::try_from(rows + row).unwrap_or(NO_ROW);
            if std::mem::replace(&mut row_of_place[place], number) != NO_ROW {
                return internal_err!("a group of a lookup has two rows");
            }
        }
        rows += batch.num_rows();
        // Keys that the cube does not have are remembered, too.
        let now = numbers.iter().map(|numbers| numbers.bytes()).sum::<usize>();
        memory.try_grow(now.saturating_sub(held))?;
        held = held.max(now);
        yield_now().await;
    }
    let is_complete = !row_of_place.contains(&NO_ROW);
    let present = plan.says_present.then(|| {
        let truths = row_of_place.iter().map(|row| Some(*row != NO_ROW));
        Some(Arc::new(truths.collect::<BooleanArray>()) as ArrayRef)
    });
    // Rows of the cube for which there is none go away where the plan asks whether there is one. Until
    // then they need a value, because the column may be declared to have no NULL: any will do.
    let instead = plan.says_present.then_some(0);
    let order: UInt32Array = row_of_place
        .into_iter()
        .map(|row| if row == NO_ROW { instead } else { Some(row) })
        .collect();
    let mut values = Vec::with_capacity(columns.len() + 1);
    for ((column, _), parts) in std::iter::zip(&plan.columns, columns) {
        let whole = if rows == 0 {
            ScalarValue::new_default(schema.field(*column).data_type())?.to_array_of_size(1)?
        } else {
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            concat(&parts)?
        };
        let dense = take(&whole, &order, None)?;
        memory.try_grow(dense.get_array_memory_size())?;
        values.push(Some(dense));
    }
    values.extend(present);
    Ok(Results {
        values,
        is_complete,
    })
}

/// Per row of a batch, its place in the array of results, if the cube has these keys.
fn places_of(
    plan: &LookupPlan,
    numbers: &mut [crate::dense::zip::places::KeyNumbers],
    batch: &RecordBatch,
) -> Result<Vec<Option<usize>>> {
    let mut places = vec![Some(0); batch.num_rows()];
    for (keys, numbers) in std::iter::zip(&plan.keys, numbers) {
        let values = keys
            .build
            .iter()
            .map(|key| key.evaluate(batch)?.into_array(batch.num_rows()))
            .collect::<Result<Vec<_>>>()?;
        for (place, number) in std::iter::zip(&mut places, numbers.of(&values)?) {
            let number = number.filter(|number| *number < keys.count);
            *place = place
                .zip(number)
                .map(|(place, number)| place * keys.count + number);
        }
    }
    Ok(places)
}
