//! `INSERT`, `DELETE`, `DROP TABLE` and `VACUUM` of cubes in stores.
//!
//! ```text
//!  INSERT INTO store.t SELECT …                          a row whose cell is there is an error
//!  INSERT OR REPLACE INTO …, INSERT OVERWRITE …          it replaces it
//!  INSERT INTO … SELECT … ON CONFLICT DO NOTHING         it is left out
//!  DELETE FROM store.t WHERE …
//! ```

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::{Result, TableReference};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as SqlStatement;
use datafusion::sql::sqlparser::ast::{
    Delete, FromTable, Insert, ObjectName, OnConflictAction, OnInsert, SqliteOnConflict,
    Statement as AstStatement, TableFactor, TableObject,
};

use super::names::{CATALOG, PUBLIC_SCHEMA, qualified};
use super::parser::{Statement, fold, parse};
use super::planned::{Planned, Work};
use super::planning::plan;
use super::suggestions::unknown_table;
use super::versions::{refuse, split};
use crate::access::{Action, Reading};
use crate::catalog::opener::keeps_no_versions;
use crate::catalog::system::column::{Column, batch, schema};
use crate::cube::Cube;
use crate::error::{CubeError, ErrorKind};
use crate::runtime::io_handle;
use crate::session::Session;
use crate::sink::CubeSink;
use crate::source::Location;
use crate::write::amend::{Before, Change, OnConflict, plan_change};
use crate::write::derivation::Derivations;
use crate::write::plan::Target;
use crate::write::vacuum::{Swept, remove_cube, vacuum};

/// A cube in a store, by its name.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) sink: Arc<dyn CubeSink>,
    pub(super) location: Location,
    pub(super) version: String,
}

/// The cube of a store that a statement names to do something with it; `None` when the name is one of the schema
/// `public`, or there is no such cube for the user.
///
/// # Errors
/// The user may read the cube and not do that, or the store failed.
pub(super) async fn stored(
    session: &Session,
    name: &ObjectName,
    action: Action,
) -> Result<Option<Stored>> {
    let parts: Vec<String> = name
        .0
        .iter()
        .filter_map(|part| part.as_ident())
        .map(fold)
        .collect();
    let (schema, name) = match parts.as_slice() {
        [name] => (session.default_schema(), name.clone()),
        [schema, name] => (schema.clone(), name.clone()),
        [catalog, schema, name] if catalog == CATALOG => (schema.clone(), name.clone()),
        _ => return Ok(None),
    };
    let Ok(store) = session.catalog.store(&schema) else {
        return Ok(None);
    };
    if session.catalog.reading(&schema, &name) == Reading::Nothing {
        return Ok(None);
    }
    session.catalog.check(action, &schema, &name)?;
    let root = store.connect()?.root;
    let (table, as_of) = split(&name)?;
    for sink in &session.engine.opener.sinks {
        let mut location = root.child(&format!("{table}{}", sink.suffix()));
        if as_of.is_some() {
            location.as_of.clone_from(&as_of);
        }
        if let Some(version) = sink.version(&location).await? {
            let opener = &session.engine.opener;
            let format = opener.format_named(sink.name());
            if location.as_of.is_some() && format.is_none_or(|format| format.history().is_none()) {
                return Err(keeps_no_versions(&location.url, sink.name()).into());
            }
            return Ok(Some(Stored {
                schema,
                name,
                sink: Arc::clone(sink),
                location,
                version,
            }));
        }
    }
    Ok(None)
}

/// Plans an `INSERT`.
///
/// # Errors
/// Clauses that nothing would come of, or what [`plan_change`] refuses.
pub(super) async fn insert(session: &Session, insert: &Insert, text: &str) -> Result<Planned> {
    let TableObject::TableName(name) = &insert.table else {
        return Err(CubeError::unsupported("", "INSERT INTO needs the name of a table").into());
    };
    let Some(source) = &insert.source else {
        return Err(CubeError::invalid("", "INSERT has no rows")
            .remedy("write INSERT INTO store.table SELECT …")
            .into());
    };
    if !insert.columns.is_empty() || insert.partitioned.is_some() || insert.returning.is_some() {
        return Err(
            CubeError::unsupported("", "INSERT INTO takes a table and a query")
                .remedy("columns are matched by name: name them with AS in the query")
                .into(),
        );
    }
    let on_conflict = on_conflict(insert)?;
    let action = match on_conflict {
        // What is there goes, as with DELETE.
        OnConflict::Replace => Action::Change,
        OnConflict::Error | OnConflict::Nothing => Action::Insert,
    };
    let found = before(session, name, action).await?;
    let query = SqlStatement::Statement(Box::new(AstStatement::Query(source.clone())));
    let query = planned(session, query).await?;
    let change = Change::Insert { query, on_conflict };
    change_of(session, found, change, text).await
}

fn on_conflict(insert: &Insert) -> Result<OnConflict> {
    let replaces = insert.overwrite
        || insert.replace_into
        || matches!(insert.or, Some(SqliteOnConflict::Replace));
    match (&insert.on, replaces) {
        (None, true) => Ok(OnConflict::Replace),
        (None, false) if insert.ignore || matches!(insert.or, Some(SqliteOnConflict::Ignore)) => {
            Ok(OnConflict::Nothing)
        }
        (None, false) => Ok(OnConflict::Error),
        (Some(OnInsert::OnConflict(conflict)), false)
            if conflict.conflict_target.is_none()
                && matches!(conflict.action, OnConflictAction::DoNothing) =>
        {
            Ok(OnConflict::Nothing)
        }
        _ => Err(
            CubeError::unsupported("", "of ON CONFLICT only DO NOTHING is known")
                .remedy("say INSERT OR REPLACE INTO … to replace what is there")
                .into(),
        ),
    }
}

/// Plans a `DELETE`.
///
/// # Errors
/// Clauses that nothing would come of, or what [`plan_change`] refuses.
pub(super) async fn delete(session: &Session, delete: &Delete, text: &str) -> Result<Planned> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let plain = delete.using.is_none() && delete.returning.is_none() && delete.limit.is_none();
    let name = match from.as_slice() {
        [only] if plain && only.joins.is_empty() => match &only.relation {
            TableFactor::Table { name, .. } => name,
            _ => return Err(only_from_and_where().into()),
        },
        _ => return Err(only_from_and_where().into()),
    };
    let Some(condition) = &delete.selection else {
        return Err(
            CubeError::invalid("", "DELETE without WHERE would leave an empty cube")
                .remedy(format!("say DROP TABLE {name}"))
                .into(),
        );
    };
    let found = before(session, name, Action::Change).await?;
    let gone = parsed(session, &format!("SELECT * FROM {name} WHERE {condition}")).await?;
    let rest = parsed(
        session,
        &format!("SELECT * FROM {name} WHERE ({condition}) IS NOT TRUE"),
    )
    .await?;
    let change = Change::Delete {
        is_of_slices: is_of_slices(&gone),
        rest,
    };
    change_of(session, found, change, text).await
}

fn only_from_and_where() -> CubeError {
    CubeError::unsupported("", "DELETE takes one table and a condition")
        .remedy("write DELETE FROM store.table WHERE …")
}

/// Does the condition of the query read one axis and nothing else?
fn is_of_slices(query: &LogicalPlan) -> bool {
    let mut conditions = Vec::new();
    let mut plan = query;
    while let Some(input) = plan.inputs().first() {
        if let LogicalPlan::Filter(filter) = plan {
            let below = Derivations::of(&filter.input);
            let schema = filter.input.schema();
            for column in filter.predicate.column_refs() {
                let at = schema.maybe_index_of_column(column);
                conditions.push(at.and_then(|at| below.columns.get(at)).cloned());
            }
        }
        plan = input;
    }
    let mut axes = std::collections::BTreeSet::new();
    for read in conditions {
        match read {
            Some(read) if !read.reads_values => axes.extend(read.axes),
            _ => return false,
        }
    }
    axes.len() == 1
}

/// Removes the cube, if it is one of a store. False when the name is none of a store's.
///
/// # Errors
/// There is no such cube, unless `if_exists`; it is none that is written here; someone writes it; or the
/// store failed or denied access.
pub(super) async fn drop_cube(
    session: &Session,
    name: &ObjectName,
    if_exists: bool,
) -> Result<bool> {
    if let Some(last) = name.0.last().and_then(|part| part.as_ident()) {
        let remedy = "say ALTER TABLE … DROP BRANCH or DROP TAG";
        refuse(&last.value, "DROP TABLE", remedy)?;
    }
    let Some(cube) = stored(session, name, Action::Change).await? else {
        let reference = TableReference::parse_str(&name.to_string());
        let Some(schema) = reference.schema().filter(|schema| *schema != PUBLIC_SCHEMA) else {
            return Ok(false);
        };
        let error = match session.catalog.store(schema) {
            Ok(_) => cannot_be_changed(session, name).await,
            Err(error) => error,
        };
        return match if_exists && error.kind() == ErrorKind::NotFound {
            true => Ok(true),
            false => Err(error.into()),
        };
    };
    let io = io_handle(session.context.state().config());
    remove_cube(&cube.sink, &cube.location, &io).await?;
    session.catalog.store(&cube.schema)?.refresh();
    Ok(true)
}

/// `VACUUM [store[.table]]`: removes what writers left behind that died, and states that readers do not
/// see any more.
///
/// # Errors
/// The store failed or denied access.
pub(super) async fn vacuum_stores(
    session: &Session,
    schema_name: &str,
    table: Option<&str>,
) -> Result<arrow::array::RecordBatch> {
    let store = session.catalog.store(schema_name)?;
    let readable = |table: &str| session.catalog.reading(schema_name, table) != Reading::Nothing;
    match table {
        Some(table) if readable(table) => {
            session.catalog.check(Action::Change, schema_name, table)?;
        }
        _ => session.catalog.check_store(Action::Change, schema_name)?,
    }
    let mut root = store.connect()?.root;
    // What is removed is removed from all versions.
    root.as_of = None;
    let io = io_handle(session.context.state().config());
    let swept = vacuum(&root, &session.engine.opener.sinks, table, &io).await?;
    store.refresh();
    let columns = swept_columns();
    batch(&schema(&columns), &columns, &swept)
}

/// The columns of what `VACUUM` says.
pub(super) fn vacuum_columns() -> SchemaRef {
    schema(&swept_columns())
}

fn swept_columns() -> Vec<Column<Swept>> {
    vec![
        Column::text("cube", "The cube", |row: &Swept| Some(row.name.clone())),
        Column::text("found", "What was found", |row| Some(row.found.to_string())),
        Column::whole("objects", "Objects removed", |row| Some(row.objects)),
        Column::whole("bytes", "Bytes removed", |row| Some(row.bytes)),
    ]
}

/// Why what a statement names is no cube of a store: it is another table, or there is none.
async fn cannot_be_changed(session: &Session, name: &ObjectName) -> CubeError {
    match parsed(session, &format!("SELECT * FROM {name}")).await {
        Ok(_) => CubeError::unsupported("", format!("{name} is no cube that can be changed"))
            .remedy("a cube is changed by its name in a store: ATTACH the folder it lies in"),
        Err(_) => {
            let reference = TableReference::parse_str(&name.to_string());
            unknown_table(&session.catalog, &reference, &session.default_schema()).await
        }
    }
}

/// A cube that a statement changes.
pub(super) struct Found {
    pub(super) before: Before,
    pub(super) target: Target,
    /// The store it is in.
    pub(super) schema: String,
}

/// The cube that a statement changes, by its name.
///
/// # Errors
/// There is none, it is none that can be changed, or the user may not do that.
pub(super) async fn before(session: &Session, name: &ObjectName, action: Action) -> Result<Found> {
    let Some(stored) = stored(session, name, action).await? else {
        return Err(cannot_be_changed(session, name).await.into());
    };
    let describes = stored.sink.stored(&stored.location).await?;
    let describes =
        describes.ok_or_else(|| CubeError::not_found(&stored.location.url, "the cube is gone"))?;
    // What is known of the cube may be older than what is there.
    session.catalog.store(&stored.schema)?.refresh();
    let query = parsed(
        session,
        &format!("SELECT * FROM {}", qualified(&stored.schema, &stored.name)),
    )
    .await?;
    let target = Target {
        name: qualified(&stored.schema, &stored.name),
        location: stored.location.clone(),
        sink: Arc::clone(&stored.sink),
        over: Some(stored.version.clone()),
    };
    let before = Before {
        cube: cube_of(&query)?,
        query,
        stored: describes,
    };
    Ok(Found {
        before,
        target,
        schema: stored.schema,
    })
}

/// The one cube that a query reads.
fn cube_of(query: &LogicalPlan) -> Result<Arc<Cube>> {
    let derivations = Derivations::of(query);
    match derivations.cubes.as_slice() {
        [cube] => Ok(Arc::clone(cube)),
        _ => Err(CubeError::unsupported("", "the table is no cube").into()),
    }
}

pub(super) async fn change_of(
    session: &Session,
    found: Found,
    change: Change,
    text: &str,
) -> Result<Planned> {
    let state = session.context.state();
    let plan = plan_change(state, found.before, change, found.target, text).await?;
    Ok(Planned::new(
        Work::Write(Box::new(plan)),
        Some(found.schema),
    ))
}

async fn parsed(session: &Session, sql: &str) -> Result<LogicalPlan> {
    match parse(sql)? {
        Statement::Sql(statement) => planned(session, *statement).await,
        Statement::Command(_) => {
            Err(CubeError::new(ErrorKind::Invalid, "", format!("{sql} is no query")).into())
        }
    }
}

async fn planned(session: &Session, statement: SqlStatement) -> Result<LogicalPlan> {
    let state = session.context.state();
    Box::pin(plan(&state, &session.catalog, statement)).await
}
