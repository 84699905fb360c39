//! What a statement takes and gives, told without running it: what clients that prepare statements ask for.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{ParamValues, Result, ScalarValue};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Cast, Expr, LogicalPlan, TryCast};
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

/// Plans a statement, and says what it takes and gives; with its plan, if the stock planner has made it.
///
/// # Errors
/// See [`Session::describe`].
pub(crate) async fn describe(
    session: &Session,
    text: &str,
    given: &[Option<DataType>],
) -> Result<(Described, Option<LogicalPlan>)> {
    let outcome = match parse(text) {
        Ok(Statement::Command(command)) => describe_command(session, command, text)
            .await
            .map(|described| (described, None)),
        Ok(Statement::Sql(statement)) => describe_sql(session, *statement, text, given).await,
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
            | Command::ShowGrants { .. }
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
        | Command::ShowGrants { .. }
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
        | Command::ChangeAccess(_)
        | Command::Use { .. } => return Ok(Described::nothing()),
    };
    Ok(Described::without_parameters(columns, is_read))
}

async fn describe_sql(
    session: &Session,
    mut statement: SqlStatement,
    text: &str,
    given: &[Option<DataType>],
) -> Result<(Described, Option<LogicalPlan>)> {
    refuse_ignored_clauses(&statement)?;
    let signed = take_queries(&mut statement)?;
    if Definition::of(statement.clone(), text)?.is_some() {
        return Ok((Described::nothing(), None));
    }
    if Writing::of(&statement, session)?.is_some() {
        let described = Described::without_parameters(planned::schema_of(false), false);
        return Ok((described, None));
    }
    let is_without_result = match &statement {
        SqlStatement::Explain(explain) => {
            if !explain.options.analyze && Writing::of(&explain.statement, session)?.is_some() {
                let described = Described::without_parameters(planned::schema_of(true), true);
                return Ok((described, None));
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
        return Ok((Described::nothing(), None));
    }
    let state = session.context.state();
    let _ = GeometryCopy::take(&mut statement, &session.engine.opener)?;
    let planning = plan(&state, &session.catalog, statement);
    let plan = with_signed(signed, Box::pin(planning)).await?;
    let parameters = parameters_of(&plan)?;
    let columns = match &plan {
        LogicalPlan::Statement(_) | LogicalPlan::Ddl(_) => Arc::new(Schema::empty()),
        plan => columns_of(plan, &parameters, given)?,
    };
    let is_read = !plan.exists(|node| Ok(changes(node)))?;
    let described = Described {
        parameters,
        columns,
        is_read,
    };
    Ok((described, Some(plan)))
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

/// The columns of a query whose parameters have these types, or those that are given where nothing in it says.
fn columns_of(
    plan: &LogicalPlan,
    parameters: &[Option<DataType>],
    given: &[Option<DataType>],
) -> Result<SchemaRef> {
    let columns = |plan: &LogicalPlan| Arc::new(plan.schema().as_arrow().clone());
    if parameters.is_empty() {
        return Ok(columns(plan));
    }
    let values = parameters.iter().enumerate().map(|(index, parameter)| {
        let given = given.get(index).and_then(Option::as_ref);
        ScalarValue::try_from(parameter.as_ref().or(given).unwrap_or(&DataType::Utf8))
    });
    let values = values.collect::<Result<Vec<_>>>()?;
    // A value that is missing may not stand where one must be, such as in LIMIT.
    let typed = plan.clone().with_param_values(ParamValues::from(values));
    Ok(columns(typed.as_ref().unwrap_or(plan)))
}

/// The types of `$1`, `$2`, …: what is compared or computed with them says, what they are cast to, or their place.
fn parameters_of(plan: &LogicalPlan) -> Result<Vec<Option<DataType>>> {
    let mut parameters: Vec<Option<DataType>> = vec![];
    let mut found = |placeholder: &Placeholder, said: Option<&DataType>| {
        let number = placeholder.id.trim_start_matches('$').parse::<u16>();
        // As many as PostgreSQL's protocol can count; a larger number gets no value, and an error says so.
        let Some(index) = number.ok().and_then(|number| number.checked_sub(1)) else {
            return;
        };
        let index = usize::from(index);
        if index >= parameters.len() {
            parameters.resize(index + 1, None);
        }
        if let Some(parameter) = parameters.get_mut(index).filter(|known| known.is_none()) {
            let own = placeholder.field.as_ref().map(|field| field.data_type());
            *parameter = own.or(said).cloned();
        }
    };
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            for rows in [&limit.skip, &limit.fetch].into_iter().flatten() {
                if let Expr::Placeholder(placeholder) = rows.as_ref() {
                    found(placeholder, Some(&DataType::Int64));
                }
            }
        }
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                match part {
                    Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
                        if let Expr::Placeholder(placeholder) = expr.as_ref() {
                            found(placeholder, Some(field.data_type()));
                        }
                    }
                    Expr::Placeholder(placeholder) => found(placeholder, None),
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(parameters)
}
