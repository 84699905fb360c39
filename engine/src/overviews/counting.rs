//! The query of a cube as one that counts: [`counting`].
//!
//! ```text
//!  SELECT time, lat, lon, chl * 2 + 1 AS c FROM t WHERE time > …
//!  SELECT time, lat, lon, chl AS c FROM (SELECT time, lat, lon, chl_number_of_observations AS chl FROM "t, overview 3") WHERE time > …
//! ```
//! A factor and a constant change no count. So each column has the count of the variable that it is made of, and the
//! names and steps of the query.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, plan_err};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection, TableScan};

use super::kept::{Counts, Level};
use crate::cache::BlockCache;
use crate::scan::CubeTable;

/// `plan` over the counts of `level`, where it has some.
///
/// # Errors
/// The plan is no query that takes each cell for itself.
pub(super) fn counting(
    plan: &LogicalPlan,
    level: &Level,
    blocks: &Arc<BlockCache>,
) -> Result<LogicalPlan> {
    let replaced = plan.clone().transform_up(|node| match node {
        LogicalPlan::TableScan(scan) => Ok(Transformed::yes(counts_of(&scan, level, blocks)?)),
        LogicalPlan::Projection(projection) => {
            let columns = projection.expr.into_iter().map(counted);
            let columns = columns.collect::<Result<Vec<Expr>>>()?;
            let projection = Projection::try_new(columns, projection.input)?;
            Ok(Transformed::yes(LogicalPlan::Projection(projection)))
        }
        other => Ok(Transformed::yes(other.recompute_schema()?)),
    });
    replaced.data()
}

/// The scan of a cube as one of counts that are called as what they count.
fn counts_of(scan: &TableScan, level: &Level, blocks: &Arc<BlockCache>) -> Result<LogicalPlan> {
    let (mut places, mut columns) = (Vec::new(), Vec::new());
    let of = Some(scan.table_name.clone());
    for field in scan.projected_schema.fields() {
        let name = match level.counts.get(field.name()) {
            Some(Counts::Of(counts)) => counts.field.name(),
            _ => field.name(),
        };
        places.push(level.cube.schema.index_of(name)?);
        let column = Expr::Column(Column::new(of.clone(), name));
        columns.push(column.alias_qualified(of.clone(), field.name()));
    }
    let table = CubeTable::new(Arc::clone(&level.cube), Arc::clone(blocks));
    let source = provider_as_source(Arc::new(table));
    LogicalPlanBuilder::scan(scan.table_name.clone(), source, Some(places))?
        .project(columns)?
        .build()
}

/// The count of what an expression is made of.
fn counted(expression: Expr) -> Result<Expr> {
    let (of, name) = expression.qualified_name();
    let Some(column) = expression.column_refs().into_iter().next().cloned() else {
        return plan_err!("{name} is made of no variable");
    };
    Ok(Expr::Column(column).alias_qualified(of, name))
}
