//! Plans plain SQL; an unknown name becomes an error that shows the way.

use datafusion::common::{Result, TableReference};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as SqlStatement;

use super::suggestions::{explain_column, unknown_table};
use crate::catalog::Catalog;

/// Plans a statement.
///
/// # Errors
/// What the planner says, or for an unknown table or column the nearest names.
pub(crate) async fn plan(
    state: &SessionState,
    catalog: &Catalog,
    statement: SqlStatement,
) -> Result<LogicalPlan> {
    let error = match state.statement_to_plan(statement.clone()).await {
        Ok(plan) => return Ok(plan),
        Err(error) => error,
    };
    if !error.find_root().to_string().contains("not found") {
        return Err(explain_column(error));
    }
    let functions = state.table_functions();
    let default_schema = &state.config_options().catalog.default_schema;
    for reference in state.resolve_table_references(&statement)? {
        let is_function = reference.schema().is_none() && functions.contains_key(reference.table());
        if !is_function && !table_exists(state, &reference).await? {
            return Err(unknown_table(catalog, &reference, default_schema)
                .await
                .into());
        }
    }
    Err(explain_column(error))
}

async fn table_exists(state: &SessionState, reference: &TableReference) -> Result<bool> {
    match state.schema_for_ref(reference.clone()) {
        Ok(schema) => Ok(schema.table(reference.table()).await?.is_some()),
        Err(_) => Ok(false),
    }
}
