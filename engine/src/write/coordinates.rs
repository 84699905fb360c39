//! The coordinates of a cube that is to be made, found before any of its values is computed.
//!
//! A dimension's coordinates are the distinct values of its column. Predicates on values are left out,
//! so that no chunk need be read: a step of time at which nothing satisfies them is a step without
//! values. Where a dimension reads values, as columns of ordinary tables do, the query runs once for it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::{SortOptions, concat, sort_to_indices, take};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;

use super::derivation::Derivations;
use crate::cube::AxisOrder;
use crate::error::CubeError;

/// The distinct values of column number `column` of `query`, in the order in which they run along the
/// axis that they come from, ascending where there is none.
///
/// # Errors
/// Missing values, none at all, or what running the query gives.
pub(super) async fn coordinates(
    state: &SessionState,
    query: &LogicalPlan,
    column: usize,
    order: Option<AxisOrder>,
) -> Result<ArrayRef> {
    let (qualifier, field) = query.schema().qualified_field(column);
    let name = field.name().clone();
    let key = Expr::from((qualifier, field));
    let free = without_values(query)?;
    let distinct = LogicalPlanBuilder::from(free)
        .project([key])?
        .distinct()?
        .build()?;
    let optimized = state.optimize(&distinct)?;
    let flat = without_inner_groups(optimized)?;
    let plan = state.create_physical_plan(&flat).await?;
    let mut rows = execute_stream(plan, Arc::new(TaskContext::from(state)))?;
    let mut found: Vec<ArrayRef> = Vec::new();
    while let Some(batch) = rows.next().await {
        found.push(Arc::clone(batch?.column(0)));
    }
    let columns: Vec<&dyn Array> = found.iter().map(AsRef::as_ref).collect();
    let values = match columns.is_empty() {
        true => return Err(empty(&name)),
        false => concat(&columns)?,
    };
    if values.is_empty() {
        return Err(empty(&name));
    }
    if values.null_count() > 0 {
        let cause = format!("the dimension {name} has missing values");
        return Err(CubeError::invalid("", cause)
            .remedy(format!("say WHERE {name} IS NOT NULL"))
            .into());
    }
    let options = SortOptions {
        descending: order == Some(AxisOrder::Descending),
        nulls_first: false,
    };
    Ok(take(
        &values,
        &sort_to_indices(&values, Some(options), None)?,
        None,
    )?)
}

fn empty(name: &str) -> datafusion::common::DataFusionError {
    CubeError::invalid(
        "",
        format!("the query has no rows, so the dimension {name} has no coordinates"),
    )
    .remedy("check the WHERE clause")
    .into()
}

/// The query without those of its conditions that read values. What stands below a LIMIT stays: it decides
/// which rows there are.
fn without_values(query: &LogicalPlan) -> Result<LogicalPlan> {
    let kept = query.clone().transform_down(|plan| match &plan {
        LogicalPlan::Limit(_) => Ok(Transformed::new(plan, false, TreeNodeRecursion::Jump)),
        LogicalPlan::Filter(filter) => match without_conditions(filter)? {
            Some(kept) => Ok(Transformed::yes(kept)),
            None => Ok(Transformed::no(plan)),
        },
        _ => Ok(Transformed::no(plan)),
    })?;
    Ok(kept.data)
}

/// The filter without its conditions that read values, `None` when it has none.
fn without_conditions(filter: &Filter) -> Result<Option<LogicalPlan>> {
    let below = Derivations::of(&filter.input);
    if below.reads_tables {
        return Ok(None);
    }
    let schema = filter.input.schema();
    let reads_values = |condition: &&Expr| {
        let columns = condition.column_refs();
        columns.iter().any(|column| {
            let at = schema.maybe_index_of_column(column);
            at.is_none_or(|at| below.columns.get(at).is_none_or(|found| found.reads_values))
        })
    };
    let (dropped, kept): (Vec<&Expr>, Vec<&Expr>) = split_conjunction(&filter.predicate)
        .into_iter()
        .partition(reads_values);
    if dropped.is_empty() {
        return Ok(None);
    }
    // Without any condition left, one that is always true: its input is looked through all the same.
    let predicate = conjunction(kept.into_iter().cloned()).unwrap_or_else(|| lit(true));
    let filter = Filter::try_new(predicate, Arc::clone(&filter.input))?;
    Ok(Some(LogicalPlan::Filter(filter)))
}

/// Groups below a DISTINCT from which nothing but keys is left make no difference.
fn without_inner_groups(plan: LogicalPlan) -> Result<LogicalPlan> {
    let is_distinct = |plan: &LogicalPlan| matches!(plan, LogicalPlan::Aggregate(aggregate) if aggregate.aggr_expr.is_empty());
    let mut is_outermost = true;
    let flat = plan.transform_down(|plan| match &plan {
        LogicalPlan::Aggregate(aggregate) if is_distinct(&plan) && !is_outermost => {
            let keys = LogicalPlanBuilder::from(aggregate.input.as_ref().clone())
                .project(aggregate.group_expr.clone())?
                .build()?;
            Ok(Transformed::yes(keys))
        }
        LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) if is_outermost => {
            is_outermost = false;
            Ok(Transformed::no(plan))
        }
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Filter(_) => {
            Ok(Transformed::no(plan))
        }
        // Elsewhere, below a LIMIT for example, the number of rows matters.
        _ => Ok(Transformed::new(plan, false, TreeNodeRecursion::Jump)),
    })?;
    Ok(flat.data)
}
