//! Plans plain SQL; an unknown name becomes an error that shows the way.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, TableReference};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as SqlStatement;

use super::privileges::check_privileges;
use super::suggestions::{explain_column, unknown_table};
use crate::catalog::visible::VisibleCatalog;
use crate::error::{CubeError, ErrorKind};
use crate::grids::naming::into_names;
use crate::grids::{GRID_SCHEMA, while_planning};

/// Operators of a plan: far more than people write, few enough to be planned in seconds.
const MAXIMUM_OPERATORS: usize = 5_000;

/// Plans a statement.
///
/// # Errors
/// What the planner says, or for an unknown table or column the nearest names.
pub(crate) async fn plan(
    state: &SessionState,
    catalog: &VisibleCatalog,
    mut statement: SqlStatement,
) -> Result<LogicalPlan> {
    into_names(&mut statement);
    let planning = Box::pin(state.statement_to_plan(statement.clone()));
    let error = match while_planning(state.clone(), planning).await {
        Ok(plan) => {
            check_privileges(&plan, catalog)?;
            return check_size(plan);
        }
        Err(error) => error,
    };
    if !error.find_root().to_string().contains("not found") {
        return Err(explain_column(error));
    }
    let functions = state.table_functions();
    let default_schema = &state.config_options().catalog.default_schema;
    for reference in state.resolve_table_references(&statement)? {
        let is_function = reference.schema().is_none() && functions.contains_key(reference.table());
        let is_call = reference.schema() == Some(GRID_SCHEMA);
        if !is_function && !is_call && !table_exists(state, &reference).await? {
            return Err(unknown_table(catalog, &reference, default_schema)
                .await
                .into());
        }
    }
    Err(explain_column(error))
}

/// Views are written out where they are used: one that joins another with itself is twice its size.
fn check_size(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut operators = 0;
    plan.apply_with_subqueries(|_| {
        operators += 1;
        Ok(match operators > MAXIMUM_OPERATORS {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    match operators > MAXIMUM_OPERATORS {
        true => Err(CubeError::new(
            ErrorKind::Limit,
            "",
            format!("the query expands to more than {MAXIMUM_OPERATORS} operators"),
        )
        .remedy("use fewer views of views, or keep a result: COPY (SELECT …) TO 'file.parquet'")
        .into()),
        false => Ok(plan),
    }
}

async fn table_exists(state: &SessionState, reference: &TableReference) -> Result<bool> {
    match state.schema_for_ref(reference.clone()) {
        Ok(schema) => {
            let finding = while_planning(state.clone(), schema.table(reference.table()));
            Ok(finding.await?.is_some())
        }
        Err(_) => Ok(false),
    }
}
