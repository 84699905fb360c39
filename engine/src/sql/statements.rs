//! Runs a statement: our commands here, everything else through DataFusion.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use datafusion::catalog::TableProvider;
use datafusion::common::config::ConfigEntry;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, ParamValues, Result, ScalarValue, TableReference};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{DdlStatement, LogicalPlan, Statement as PlanStatement};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::DataFrame;
use datafusion::sql::parser::{ResetStatement, Statement as SqlStatement};
use datafusion::sql::sqlparser::ast::{ObjectName, ObjectType, Statement as AstStatement};

use super::addresses::{Signed, take_queries, take_query, with_signed, without_queries};
use super::analyze::analyze;
use super::changing::{drop_cube, vacuum_stores};
use super::copying::GeometryCopy;
use super::declaring::{check_definition, may_declare, remove};
use super::describe::describe;
use super::granting;
use super::names::{PUBLIC_SCHEMA, qualified, quoted};
use super::naming::{create_name, drop_name};
use super::overviews;
use super::parser::{Command, Statement, fold, parse};
use super::planning::plan;
use super::settings;
use super::suggestions::{check_schema, unknown_table};
use super::traps::refuse_ignored_clauses;
use super::writing::Writing;
use crate::access::{Action, Reading};
use crate::catalog::definition::{Definition, FUNCTION, public_name};
use crate::catalog::system::column::{Column, batch, schema};
use crate::configuration::StoreDefinition;
use crate::engine::Query;
use crate::error::CubeError;
use crate::grids::while_planning;
use crate::progress::QueryProgress;
use crate::session::Session;

/// Runs one statement.
///
/// # Errors
/// See [`Session::run_with`].
pub(crate) async fn run(
    session: &Session,
    text: &str,
    parameters: &[ScalarValue],
) -> Result<Query> {
    let outcome = match parse(text) {
        Ok(Statement::Command(command)) => match refuse_parameters(parameters) {
            Ok(()) => run_command(session, command, text).await,
            Err(error) => Err(error),
        },
        Ok(Statement::Sql(statement)) => run_sql(session, *statement, text, parameters).await,
        Err(error) => Err(error),
    };
    outcome.map_err(|error| without_queries(error, text))
}

async fn run_sql(
    session: &Session,
    mut statement: SqlStatement,
    text: &str,
    parameters: &[ScalarValue],
) -> Result<Query> {
    refuse_ignored_clauses(&statement)?;
    let signed = take_queries(&mut statement)?;
    if let Some(definition) = Definition::of(statement.clone(), text)? {
        refuse_parameters(parameters)?;
        check_definition(&definition, &signed)?;
        may_declare(session, &definition)?;
        let public = session.catalog.public();
        let creating = Box::pin(public.create(definition, &session.catalog));
        while_planning(session.context.state(), creating).await?;
        return done();
    }
    if let Some(writing) = Writing::of(&statement, session)? {
        refuse_parameters(parameters)?;
        let text = session.catalog.without_outlet(text);
        let planning = Box::pin(writing.plan(session, &text));
        return match with_signed(signed, planning).await? {
            Some(planned) => Ok(planned.start(session)),
            None => done(),
        };
    }
    if let SqlStatement::Explain(explain) = &statement
        && !explain.options.analyze
        && let Some(writing) = Writing::of(&explain.statement, session)?
    {
        let planning = Box::pin(writing.plan(session, text));
        return match with_signed(signed, planning).await? {
            Some(planned) => result(planned.explain().await?),
            None => done(),
        };
    }
    if let SqlStatement::Statement(inner) = &statement {
        match inner.as_ref() {
            AstStatement::Drop {
                object_type: object_type @ (ObjectType::Table | ObjectType::View),
                if_exists,
                names,
                ..
            } => {
                let noun = match object_type {
                    ObjectType::View => "view",
                    _ => "table",
                };
                for name in names {
                    if noun == "table" && drop_cube(session, name, *if_exists).await? {
                        continue;
                    }
                    let name = public_name(name)?;
                    remove(session, &name, noun, *if_exists)?;
                }
                return done();
            }
            AstStatement::DropFunction(drop) => {
                for function in &drop.func_desc {
                    let name = public_name(&function.name)?;
                    remove(session, &name, FUNCTION, drop.if_exists)?;
                }
                return done();
            }
            AstStatement::Drop {
                object_type: ObjectType::Schema | ObjectType::Database,
                ..
            } => return Err(schemas_are_stores("DETACH name")),
            AstStatement::CreateSchema { .. } | AstStatement::CreateDatabase { .. } => {
                return Err(schemas_are_stores("ATTACH 'url' AS name"));
            }
            _ => {}
        }
    }
    if let SqlStatement::Reset(ResetStatement::Variable(name)) = &statement
        && let Some(setting) = name.to_string().strip_prefix("cube.")
    {
        settings::reset(session, setting)?;
        return done();
    }
    let state = session.context.state();
    let geometries = GeometryCopy::take(&mut statement, &session.engine.opener)?;
    let planning = plan(&state, &session.catalog, statement);
    let mut plan = with_signed(signed, Box::pin(planning)).await?;
    if let Some(geometries) = geometries {
        plan = Box::pin(geometries.apply(plan, &state)).await?;
    }
    if !parameters.is_empty() {
        plan = plan.with_param_values(ParamValues::from(parameters.to_vec()))?;
    }
    if let LogicalPlan::Statement(PlanStatement::SetVariable(assignment)) = &plan
        && let Some(setting) = assignment.variable.strip_prefix("cube.")
    {
        settings::set(session, setting, &assignment.value)?;
        return done();
    }
    refuse_writing(&plan)?;
    if reads_all_tables(&plan)? {
        session.catalog.open_everything().await;
    }
    let frame = session.context.execute_logical_plan(plan).await?;
    stream(session, frame).await
}

/// Statements that are no query have no place for values that come later.
fn refuse_parameters(parameters: &[ScalarValue]) -> Result<()> {
    match parameters.is_empty() {
        true => Ok(()),
        false => Err(
            CubeError::unsupported("", "only queries take parameters such as $1")
                .remedy("write the values into the statement")
                .into(),
        ),
    }
}

/// Starts a plan with a progress of its own.
async fn stream(session: &Session, frame: DataFrame) -> Result<Query> {
    let progress = Arc::new(QueryProgress::default());
    let (mut state, plan) = frame.into_parts();
    state.config_mut().set_extension(Arc::clone(&progress));
    let plan = state.create_physical_plan(&plan).await?;
    let threads = session.engine.threads_of_large.as_ref();
    let stream = crate::large::start(plan, Arc::new(TaskContext::from(&state)), threads)?;
    Ok(Query {
        schema: stream.schema(),
        stream,
        progress,
        number: 0,
    })
}

pub(super) async fn run_command(session: &Session, command: Command, text: &str) -> Result<Query> {
    let catalog = &session.catalog;
    match command {
        Command::Attach {
            url,
            name,
            if_not_exists,
            mut options,
        } => {
            let whole = catalog.administered("to attach stores")?;
            let kind = options.remove("type");
            let name = match name {
                Some(name) => name,
                None => name_of(&url)?,
            };
            if if_not_exists && catalog.store(&name).is_ok() {
                return done();
            }
            let store = whole.attach(StoreDefinition::new(&name, kind, url, options)?)?;
            if let Err(error) = store.connect() {
                whole.detach(&name);
                return Err(error.into());
            }
            done()
        }
        Command::Detach { name, if_exists } => {
            let whole = catalog.administered("to detach stores")?;
            match catalog.store(&name) {
                Err(_) if if_exists => {}
                Err(error) => return Err(error.into()),
                Ok(_) => whole.detach(&name),
            }
            done()
        }
        Command::RefreshStore { name } => {
            let store = catalog.store(&name)?;
            catalog.check_store(Action::Insert, &name)?;
            store.refresh();
            done()
        }
        Command::RefreshTable { name } => {
            let name = public_name(&name)?;
            let is_known = catalog.reading(PUBLIC_SCHEMA, &name) != Reading::Nothing;
            if is_known {
                catalog.check(Action::Insert, PUBLIC_SCHEMA, &name)?;
            }
            catalog.public().refresh(&name, is_known)?;
            done()
        }
        Command::ShowTables { schema, pattern } => show_tables(session, schema, pattern).await,
        Command::ShowStores => {
            let sql =
                "SELECT table_schema AS store, url, known_tables AS tables, error FROM cube.stores";
            Box::pin(run(session, sql, &[])).await
        }
        Command::Describe { table } => {
            let table = find_table(session, table).await?;
            result(describe(&table.schema())?)
        }
        Command::Analyze { table, variables } => {
            let table = table_to(Action::Insert, session, table).await?;
            analyze(session, &table, &variables)
        }
        Command::CreateOverviews {
            table,
            options,
            is_explained,
        } => {
            table_to(Action::Insert, session, table.clone()).await?;
            let (name, schema) = named_in_store(session, &table)?;
            check_writing_overviews(session, schema.as_deref())?;
            let found = find_table(session, table).await?;
            let planning = overviews::create(session, &found, name, schema, &options, text);
            let planned = Box::pin(planning).await?;
            match is_explained {
                true => result(planned.explain().await?),
                false => Ok(planned.start(session)),
            }
        }
        Command::DropOverviews { table } => {
            table_to(Action::Change, session, table.clone()).await?;
            let (_, schema) = named_in_store(session, &table)?;
            check_writing_overviews(session, schema.as_deref())?;
            let found = find_table(session, table).await?;
            overviews::drop_overviews(session, &found).await?;
            if let Some(schema) = schema {
                catalog.store(&schema)?.refresh();
            }
            done()
        }
        Command::CreateName {
            table,
            kind,
            name,
            from,
        } => {
            create_name(session, &table, kind, name, from).await?;
            done()
        }
        Command::DropName { table, kind, name } => {
            drop_name(session, &table, kind, name).await?;
            done()
        }
        Command::CancelJob { number } => {
            catalog.cancel_job(number)?;
            done()
        }
        Command::CancelQuery { number } => {
            catalog.cancel_query(number)?;
            done()
        }
        Command::Vacuum { schema, table } => {
            let schema = schema.unwrap_or_else(|| session.default_schema());
            result(vacuum_stores(session, &schema, table.as_deref()).await?)
        }
        Command::Use { schema } => {
            check_schema(catalog, &schema)?;
            let state = session.context.state_ref();
            let mut state = state.write();
            let options = state.config_mut().options_mut();
            options.catalog.default_schema = schema;
            done()
        }
        Command::ChangeAccess(change) => {
            granting::change(session, change)?;
            done()
        }
        Command::ShowGrants { of } => {
            let sql = granting::listing(session, of.as_deref())?;
            Box::pin(run(session, &sql, &[])).await
        }
        Command::ShowSetting { name } => show_setting(session, &name),
    }
}

/// The table that a command names.
async fn find_table(session: &Session, mut name: ObjectName) -> Result<Arc<dyn TableProvider>> {
    let mut signed = Signed::new();
    take_query(&mut name, &mut signed)?;
    let reference = reference_of(&name);
    let default_schema = session.default_schema();
    let state = session.context.state();
    let found = match state.schema_for_ref(reference.clone()) {
        Ok(schema) => {
            let finding = Box::pin(with_signed(signed, schema.table(reference.table())));
            while_planning(state, finding).await?
        }
        Err(_) => None,
    };
    match found {
        Some(table) => Ok(table),
        None => {
            let unknown = unknown_table(&session.catalog, &reference, &default_schema).await;
            Err(unknown.into())
        }
    }
}

/// The table that a command names to do something with it.
async fn table_to(
    action: Action,
    session: &Session,
    name: ObjectName,
) -> Result<Arc<dyn TableProvider>> {
    let reference = reference_of(&name);
    let found = find_table(session, name).await?;
    let default_schema = session.default_schema();
    let schema = reference.schema().unwrap_or(&default_schema);
    session.catalog.check(action, schema, reference.table())?;
    Ok(found)
}

/// A table for people, and the store that it is in, which is looked at again: what is known of it may be older than what
/// is there.
fn named_in_store(session: &Session, name: &ObjectName) -> Result<(String, Option<String>)> {
    let reference = reference_of(name);
    let catalog = &session.catalog;
    let default_schema = session.default_schema();
    let schema = reference.schema().unwrap_or(&default_schema);
    match catalog.store(schema) {
        Ok(store) => {
            store.refresh();
            let schema = schema.to_string();
            Ok((qualified(&schema, reference.table()), Some(schema)))
        }
        Err(_) => {
            // A table of the schema public, or an address.
            let _ = public_name(name).map(|name| catalog.public().refresh(&name, true));
            Ok((quoted(reference.table()), None))
        }
    }
}

/// Overviews of a cube in a store are in its care. Those of any other are wherever its definition or address says.
fn check_writing_overviews(session: &Session, schema: Option<&str>) -> Result<()> {
    match schema {
        Some(_) => Ok(()),
        None => Ok(session.catalog.check_writing_files()?),
    }
}

/// `SHOW cube.name`
fn show_setting(session: &Session, name: &str) -> Result<Query> {
    let setting = settings::current(session, name)?;
    let columns = [
        Column::text("name", "Setting", |setting: &ConfigEntry| {
            Some(format!("cube.{}", setting.key))
        }),
        Column::text("value", "Value", |setting: &ConfigEntry| {
            setting.value.clone()
        }),
    ];
    result(batch(&schema(&columns), &columns, &[setting])?)
}

async fn show_tables(
    session: &Session,
    schema: Option<String>,
    pattern: Option<String>,
) -> Result<Query> {
    let mut conditions = vec!["table_schema <> 'cube'".to_string()];
    if let Some(schema) = schema {
        check_schema(&session.catalog, &schema)?;
        conditions.push(format!("table_schema = {}", text_literal(&schema)));
    }
    if let Some(pattern) = pattern {
        conditions.push(format!("table_name LIKE {}", text_literal(&pattern)));
    }
    let sql = format!(
        "SELECT table_schema AS schema, table_name AS \"table\", table_type AS type, dims, shape, error \
         FROM cube.tables WHERE {} ORDER BY 1, 2",
        conditions.join(" AND ")
    );
    Box::pin(run(session, &sql, &[])).await
}

fn refuse_writing(plan: &LogicalPlan) -> Result<()> {
    match plan {
        LogicalPlan::Dml(dml) => Err(no_writing(&dml.op.name().to_uppercase())),
        LogicalPlan::Ddl(DdlStatement::CreateMemoryTable(_)) => Err(no_writing("SELECT INTO")),
        LogicalPlan::Ddl(ddl) => {
            Err(CubeError::unsupported("", format!("{} is not supported", ddl.name())).into())
        }
        _ => Ok(()),
    }
}

fn no_writing(what: &str) -> DataFusionError {
    CubeError::unsupported("", format!("{what} does not write cubes"))
        .remedy("say CREATE TABLE … AS SELECT, INSERT INTO … SELECT, DELETE FROM or ALTER TABLE")
        .into()
}

fn schemas_are_stores(remedy: &str) -> DataFusionError {
    CubeError::unsupported("", "a schema is an attached store")
        .remedy(remedy)
        .into()
}

/// Does a query read lists of all tables, which know those that have been opened?
fn reads_all_tables(plan: &LogicalPlan) -> Result<bool> {
    let lists_tables = |name: &TableReference| match name.schema() {
        Some("information_schema") => ["tables", "views", "columns"].contains(&name.table()),
        Some("pg_catalog") => ["pg_attribute", "pg_class", "pg_tables"].contains(&name.table()),
        _ => false,
    };
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && lists_tables(&scan.table_name)
        {
            found = true;
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// The name of a store that was attached without one: the last part of its URL.
fn name_of(url: &str) -> Result<String> {
    let last = url.trim_end_matches('/').rsplit('/').next().unwrap_or("");
    let stem = last.split('.').next().unwrap_or("");
    match stem.is_empty() {
        false => Ok(stem.to_lowercase()),
        true => Err(CubeError::invalid("", "the store needs a name")
            .remedy("ATTACH 'url' AS name")
            .into()),
    }
}

fn reference_of(name: &ObjectName) -> TableReference {
    let parts: Vec<String> = name
        .0
        .iter()
        .filter_map(|part| part.as_ident())
        .map(fold)
        .collect();
    match parts.as_slice() {
        [.., catalog, schema, table] => {
            TableReference::full(catalog.as_str(), schema.as_str(), table.as_str())
        }
        [schema, table] => TableReference::partial(schema.as_str(), table.as_str()),
        _ => TableReference::bare(parts.concat()),
    }
}

fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A statement that returns nothing.
fn done() -> Result<Query> {
    result(RecordBatch::new_empty(Arc::new(Schema::empty())))
}

/// A small result that is there already.
fn result(batch: RecordBatch) -> Result<Query> {
    let schema = batch.schema();
    let stream = futures::stream::iter([Ok(batch)]);
    Ok(Query {
        schema: Arc::clone(&schema),
        stream: Box::pin(RecordBatchStreamAdapter::new(schema, stream)),
        progress: Arc::default(),
        number: 0,
    })
}
