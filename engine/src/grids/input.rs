//! The relation that a grid function is called with, as a cube.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as SqlStatement;
use datafusion::sql::sqlparser::ast::{Expr, Query, Statement as AstStatement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::call::Call;
use crate::cache::BlockCache;
use crate::error::CubeError;
use crate::overviews::{OfQuery, Overviews};
use crate::scan::CubeTable;
use crate::sql::planning::plan;
use crate::write::query_cube::query_cube;

/// Bytes of chunks that are kept of a query that reads no cube.
const OF_NO_CUBE: u64 = 64 << 20;

/// Opens a table by its name or place, or a query, as a cube.
///
/// # Errors
/// It cannot be planned, or it has no grid.
pub(super) async fn open(expression: &Expr, call: &Call) -> Result<CubeTable> {
    let plan = rows(expression, call).await?;
    if let Some(table) = whole_table(&plan)? {
        return Ok(table);
    }
    let mut cube = query_cube(&call.state, &plan).await?;
    let coarser = OfQuery::of(&plan, &call.state)?;
    cube.overviews = coarser.map(|query| Arc::new(Overviews::of_query(query)));
    Ok(CubeTable::new(Arc::new(cube), blocks_of(&plan)?))
}

/// The rows of a table, by its name or place, or of a query.
///
/// # Errors
/// It cannot be planned.
pub(super) async fn rows(expression: &Expr, call: &Call) -> Result<LogicalPlan> {
    let query = match expression {
        Expr::Subquery(query) => query.as_ref().clone(),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Function(_) => {
            of_table(&expression.to_string(), call)?
        }
        _ => {
            let cause = format!(
                "{} takes a table or a query, not {expression}",
                call.function.name()
            );
            return Err(CubeError::invalid("", cause)
                .remedy("name a table, or write the query in parentheses: (SELECT …)")
                .into());
        }
    };
    let statement = SqlStatement::Statement(Box::new(AstStatement::Query(Box::new(query))));
    Box::pin(plan(&call.state, &call.catalog, statement)).await
}

/// Where chunks of the cubes that a query reads are kept.
fn blocks_of(plan: &LogicalPlan) -> Result<Arc<BlockCache>> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(cube) = source_as_provider(&scan.source)?.downcast_ref::<CubeTable>()
        {
            found = Some(Arc::clone(cube.blocks()));
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found.unwrap_or_else(|| Arc::new(BlockCache::of_execution(OF_NO_CUBE, None))))
}

/// `SELECT * FROM table`
fn of_table(table: &str, call: &Call) -> Result<Query> {
    let sql = format!("SELECT * FROM {table}");
    let mut parser = Parser::new(&GenericDialect {}).try_with_sql(&sql)?;
    let query = parser.parse_query().map_err(|_| {
        CubeError::invalid("", format!("{} cannot read {table}", call.function.name()))
            .remedy("name a table, or write the query in parentheses: (SELECT …)")
    })?;
    Ok(*query)
}

/// The cube, where a plan reads nothing but all of one.
fn whole_table(plan: &LogicalPlan) -> Result<Option<CubeTable>> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let below = projection.input.schema();
            let is_same = projection.expr.len() == below.fields().len()
                && projection.expr.iter().enumerate().all(|(at, expression)| {
                    matches!(expression, datafusion::logical_expr::Expr::Column(column)
                        if below.maybe_index_of_column(column) == Some(at))
                });
            match is_same {
                true => whole_table(&projection.input),
                false => Ok(None),
            }
        }
        LogicalPlan::SubqueryAlias(alias) => whole_table(&alias.input),
        LogicalPlan::TableScan(scan) if scan.filters.is_empty() && scan.fetch.is_none() => {
            if scan.projection.is_some() {
                return Ok(None);
            }
            let provider = source_as_provider(&scan.source)?;
            Ok(provider.downcast_ref::<CubeTable>().cloned())
        }
        _ => Ok(None),
    }
}
