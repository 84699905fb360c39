//! What a statement takes and gives, told without running it: what clients that prepare statements ask for.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{ResetStatement, Statement as SqlStatement};
use datafusion::sql::sqlparser::ast::Statement as AstStatement;

use super::addresses::{take_queries, with_signed, without_queries};
use super::changing::vacuum_columns;
use super::copying::GeometryCopy;
use super::parser::{Command, Statement, parse};
use super::planned;
use super::planning::plan;
use super::statements::run_command;
use super::traps::refuse_ignored_clauses;
use super::writing::Writing;
use crate::catalog::definition::Definition;
use crate::session::Session;

/// What a statement takes and gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The types of `$1`, `$2`, …; `None` where nothing in the statement says.
    pub parameters: Vec<Option<DataType>>,
    /// The columns of the result; none where the statement has no result.
    pub columns: SchemaRef,
    /// Does it read, and change neither data, catalogue nor settings?
    pub is_read: bool,
}

impl Described {
    fn without_parameters(columns: SchemaRef, is_read: bool) -> Self {
        Self {
            parameters: vec![],
            columns,
            is_read,
        }
    }

    fn nothing() -> Self {
        Self::without_parameters(Arc::new(Schema::empty()), false)
    }
}

/// Plans a statement, and says what it takes and gives.
///
/// # Errors
/// See [`Session::describe`].
pub(crate) async fn describe_statement(session: &Session, text: &str) -> Result<Described> {
    let outcome = match parse(text) {
        Ok(Statement::Command(command)) => describe_command(session, command, text).await,
        Ok(Statement::Sql(statement)) => describe_sql(session, *statement, text).await,
        Err(error) => Err(error),
    };
    outcome.map_err(|error| without_queries(error, text))
}

async fn describe_command(session: &Session, command: Command, text: &str) -> Result<Described> {
    let is_read = matches!(
        command,
        Command::ShowTables { .. }
            | Command::ShowStores
            | Command::ShowSetting { .. }
            | Command::Describe { .. }
            | Command::CreateOverviews {
                is_explained: true,
                ..
            }
    );
    let columns = match &command {
        // These read nothing but the catalogue, or do nothing before they are polled.
        Command::ShowTables { .. }
        | Command::ShowStores
        | Command::ShowSetting { .. }
        | Command::Describe { .. }
        | Command::Analyze { .. } => run_command(session, command, text).await?.schema,
        Command::CreateOverviews { is_explained, .. } => planned::schema_of(*is_explained),
        Command::Vacuum { .. } => vacuum_columns(),
        Command::Attach { .. }
        | Command::Detach { .. }
        | Command::RefreshStore { .. }
        | Command::RefreshTable { .. }
        | Command::DropOverviews { .. }
        | Command::CreateName { .. }
        | Command::DropName { .. }
        | Command::CancelJob { .. }
        | Command::CancelQuery { .. }
        | Command::Use { .. } => return Ok(Described::nothing()),
    };
    Ok(Described::without_parameters(columns, is_read))
}

async fn describe_sql(
    session: &Session,
    mut statement: SqlStatement,
    text: &str,
) -> Result<Described> {
    refuse_ignored_clauses(&statement)?;
    let signed = take_queries(&mut statement)?;
    if Definition::of(statement.clone(), text)?.is_some() {
        return Ok(Described::nothing());
    }
    if Writing::of(&statement, session)?.is_some() {
        return Ok(Described::without_parameters(
            planned::schema_of(false),
            false,
        ));
    }
    let is_without_result = match &statement {
        SqlStatement::Explain(explain) => {
            if !explain.options.analyze && Writing::of(&explain.statement, session)?.is_some() {
                return Ok(Described::without_parameters(
                    planned::schema_of(true),
                    true,
                ));
            }
            false
        }
        SqlStatement::Reset(ResetStatement::Variable(_)) => true,
        SqlStatement::Statement(inner) => matches!(
            inner.as_ref(),
            AstStatement::Drop { .. } | AstStatement::DropFunction(_) | AstStatement::Set(_)
        ),
        _ => false,
    };
    if is_without_result {
        return Ok(Described::nothing());
    }
    let state = session.context.state();
    let _ = GeometryCopy::take(&mut statement, &session.engine.opener)?;
    let planning = plan(&state, &session.catalog, statement);
    let plan = with_signed(signed, Box::pin(planning)).await?;
    let parameters = in_order(&plan.get_parameter_fields()?);
    let columns = match &plan {
        LogicalPlan::Statement(_) | LogicalPlan::Ddl(_) => Arc::new(Schema::empty()),
        plan => Arc::new(plan.schema().as_arrow().clone()),
    };
    let is_read = !plan.exists(|node| Ok(changes(node)))?;
    Ok(Described {
        parameters,
        columns,
        is_read,
    })
}

/// Does this part of a plan do more than read?
fn changes(node: &LogicalPlan) -> bool {
    matches!(
        node,
        LogicalPlan::Statement(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Copy(_)
    )
}

/// `$1`, `$2`, … in the order of their numbers.
fn in_order(fields: &HashMap<String, Option<FieldRef>>) -> Vec<Option<DataType>> {
    let number = |name: &str| name.trim_start_matches('$').parse::<usize>().ok();
    let count = fields.keys().filter_map(|name| number(name)).max();
    (1..=count.unwrap_or(0))
        .map(|wanted| {
            let mut found = fields
                .iter()
                .filter(|(name, _)| number(name) == Some(wanted));
            let field = found.next().and_then(|(_, field)| field.as_ref());
            field.map(|field| field.data_type().clone())
        })
        .collect()
}
