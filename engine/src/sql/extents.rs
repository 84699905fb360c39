//! The boxes of geometries, for formats that tell them: [`box_of`], per row, and [`extents`], of all rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::{SessionState, TaskContext};
use datafusion::functions::core::expr_fn::named_struct;
use datafusion::functions_aggregate::expr_fn::{max, min};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;

use crate::error::CubeError;
use crate::source::Extent;

/// The numbers of a box, and the functions that tell them.
const SIDES: [(&str, &str); 4] = [
    ("xmin", "st_xmin"),
    ("ymin", "st_ymin"),
    ("xmax", "st_xmax"),
    ("ymax", "st_ymax"),
];

/// The box of `geometry` as a structure of `xmin`, `ymin`, `xmax` and `ymax`.
///
/// # Errors
/// A function of geometries is missing.
pub(super) fn box_of(geometry: &Expr, state: &SessionState) -> Result<Expr> {
    let mut members = Vec::new();
    for (name, value) in sides(geometry, state)? {
        // A text of type Utf8, whatever texts are by default: it names a member.
        members.push(lit(ScalarValue::Utf8(Some(name.to_string()))));
        members.push(value);
    }
    Ok(named_struct(members))
}

fn sides(geometry: &Expr, state: &SessionState) -> Result<Vec<(&'static str, Expr)>> {
    let sides = SIDES.iter().map(|(name, function)| {
        let known = state.scalar_functions().get(*function);
        let known = known.ok_or_else(|| {
            CubeError::unsupported("", format!("there is no function {function}"))
        })?;
        Ok((*name, known.call(vec![geometry.clone()])))
    });
    sides.collect()
}

/// The boxes around all geometries of the columns `names` of `query`. The query runs once for it, without the columns
/// that they do not depend on. Nothing where it might give other rows when it runs again.
///
/// # Errors
/// The query fails.
pub(super) async fn extents(
    query: &LogicalPlan,
    names: &[String],
    state: &SessionState,
) -> Result<BTreeMap<String, Extent>> {
    let mut extents = BTreeMap::new();
    if names.is_empty() || !is_repeatable(query)? {
        return Ok(extents);
    }
    let mut reduced = Vec::new();
    for name in names {
        let column = query.schema().index_of_column_by_name(None, name);
        let Some(column) = column else {
            return Ok(extents);
        };
        let geometry = Expr::from(query.schema().qualified_field(column));
        for (side, value) in sides(&geometry, state)? {
            let of_all = match side.ends_with("min") {
                true => min(value),
                false => max(value),
            };
            reduced.push(of_all.alias(reduced.len().to_string()));
        }
    }
    let plan = LogicalPlanBuilder::from(query.clone())
        .aggregate(Vec::<Expr>::new(), reduced)?
        .build()?;
    let plan = state.create_physical_plan(&plan).await?;
    let mut rows = execute_stream(plan, Arc::new(TaskContext::from(state)))?;
    let mut row = None;
    while let Some(batch) = rows.next().await {
        row = Some(batch?).filter(|batch| batch.num_rows() > 0).or(row);
    }
    let Some(row) = row else {
        return Ok(extents);
    };
    for (name, columns) in names.iter().zip(row.columns().chunks(SIDES.len())) {
        let sides = columns.iter().map(|column| {
            let number = column.as_primitive_opt::<Float64Type>()?.iter().next()?;
            number.filter(|number| number.is_finite())
        });
        let sides: Option<Vec<f64>> = sides.collect();
        if let Some(extent) = sides.and_then(|sides| Extent::try_from(sides).ok()) {
            extents.insert(name.clone(), extent);
        }
    }
    Ok(extents)
}

/// Aggregates that depend on the order of rows.
const BY_ORDER: [&str; 5] = [
    "array_agg",
    "first_value",
    "last_value",
    "nth_value",
    "string_agg",
];

/// Does the query give the same rows each time?
fn is_repeatable(query: &LogicalPlan) -> Result<bool> {
    let mut is_repeatable = true;
    query.apply_with_subqueries(|node| {
        is_repeatable &= match node {
            LogicalPlan::Limit(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Distinct(Distinct::On(_)) => false,
            LogicalPlan::TableScan(scan) => scan.fetch.is_none(),
            _ => true,
        };
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                is_repeatable &= match part {
                    Expr::Placeholder(_) => false,
                    Expr::AggregateFunction(call) => !BY_ORDER.contains(&call.func.name()),
                    _ => !part.is_volatile_node(),
                };
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(is_repeatable)
}
