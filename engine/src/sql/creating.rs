//! `CREATE TABLE … AS SELECT` and `COPY … TO` a cube: from the statement to a plan of writing.
//!
//! ```text
//!  CREATE TABLE lake.chl WITH (…) AS q      lake/chl.zarr of the store
//!  CREATE TABLE chl WITH (location = 'x.zarr', …) AS q    an external table of the schema public
//!  COPY (q) TO 'x.zarr' STORED AS ZARR OPTIONS (…)        no table
//! ```

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::sql::parser::{CopyToSource, CopyToStatement, Statement as SqlStatement};
use datafusion::sql::sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use datafusion::sql::sqlparser::ast::{
    CreateTable, CreateTableOptions, Expr, ObjectName, Query as AstQuery, SqlOption,
    Statement as AstStatement,
};

use super::parser::{fold, option_text};
use super::planned::{Planned, Work};
use super::planning::plan;
use super::versions::refuse;
use crate::access::Action;
use crate::catalog::definition::Definition;
use crate::error::{CubeError, ErrorKind};
use crate::session::Session;
use crate::sink::CubeSink;
use crate::source::{Location, Options};
use crate::sql::names::{CATALOG, PUBLIC_SCHEMA, qualified, quoted};
use crate::write::new_cube::plan_new;
use crate::write::options::{WriteOptions, option_name};
use crate::write::overviews::OverviewRequest;
use crate::write::plan::Target;

/// A statement that makes a cube.
#[derive(Debug)]
pub(super) struct Creation {
    place: Place,
    query: AstQuery,
    options: Options,
    replaces: bool,
    only_if_new: bool,
}

/// Where a cube is made.
#[derive(Debug)]
enum Place {
    /// A table of a store.
    Table {
        schema: Option<String>,
        name: String,
    },
    /// An address, and the format if it was named.
    Address { url: String, format: Option<String> },
}

impl Creation {
    /// The creation in a parsed statement, `None` if it is another one.
    ///
    /// # Errors
    /// Clauses that nothing would come of.
    pub(super) fn of(statement: &SqlStatement, session: &Session) -> Result<Option<Self>> {
        match statement {
            SqlStatement::Statement(inner) => match inner.as_ref() {
                AstStatement::CreateTable(table) => of_table(table).map(Some),
                _ => Ok(None),
            },
            SqlStatement::CopyTo(copy) => of_copy(copy, session),
            _ => Ok(None),
        }
    }

    /// Plans it. `None` when there is nothing to do, because the cube is there already.
    ///
    /// # Errors
    /// The query or an option is wrong, or the cube is there.
    pub(super) async fn plan(self, session: &Session, text: &str) -> Result<Option<Planned>> {
        let options = WriteOptions::parse(&self.options)?;
        self.check(session)?;
        let (sink, location, name, schema) = self.target(session, &options)?;
        let definition = match (&self.place, &schema, &options.location) {
            (Place::Table { name, .. }, None, Some(_)) => {
                external_table(name, sink.as_ref(), &location)?
            }
            _ => None,
        };
        if options.overwrite && matches!(self.place, Place::Table { .. }) {
            return Err(CubeError::invalid("", "overwrite is an option of COPY")
                .remedy("say CREATE OR REPLACE TABLE")
                .into());
        }
        let over = sink.version(&location).await?;
        if over.is_some() && self.only_if_new {
            return Ok(None);
        }
        if over.is_some() && !self.replaces && !options.overwrite {
            let remedy = match (&self.place, sink.replaces()) {
                (Place::Table { .. }, true) => {
                    "say CREATE OR REPLACE TABLE, or DROP TABLE it first"
                }
                (Place::Table { .. }, false) => "DROP TABLE it first",
                (Place::Address { .. }, true) => {
                    "choose another address, or add OPTIONS ('overwrite' 'true')"
                }
                (Place::Address { .. }, false) => "choose another address, or remove it first",
            };
            return Err(CubeError::new(
                ErrorKind::Conflict,
                &location.url,
                format!("{name} is there already"),
            )
            .remedy(remedy)
            .into());
        }
        let state = session.context.state();
        let query = SqlStatement::Statement(Box::new(AstStatement::Query(Box::new(self.query))));
        let query = Box::pin(plan(&state, &session.catalog, query)).await?;
        let target = Target {
            name,
            location,
            sink,
            over,
        };
        let overviews = options.overviews.clone().map(|methods| OverviewRequest {
            methods,
            ..OverviewRequest::default()
        });
        if overviews.is_some() && target.sink.overviews().is_none() {
            let cause = format!(
                "{} keeps no overviews in its own folder",
                target.sink.name()
            );
            return Err(CubeError::unsupported("", cause)
                .remedy("leave the option overviews out, and say CREATE OVERVIEWS where they may be kept")
                .into());
        }
        let plan = plan_new(state, query, target, &options, text).await?;
        if let Some(overviews) = &overviews {
            overviews.check(&plan.target().name, plan.variables())?;
        }
        let work = Work::Write(Box::new(plan));
        let planned = Planned::new(work, schema).with_table(definition);
        Ok(Some(planned.with_overviews(overviews)))
    }

    /// May the user make it?
    fn check(&self, session: &Session) -> Result<()> {
        let (schema, name) = match &self.place {
            Place::Table { schema, name } => (schema, name),
            Place::Address { url, .. } => return Ok(session.catalog.check_writing_to(url)?),
        };
        let schema = schema.clone().unwrap_or_else(|| session.default_schema());
        if schema == PUBLIC_SCHEMA {
            session.catalog.check_writing_files()?;
        } else {
            session.catalog.store(&schema)?;
        }
        // In the schema public what has the name is replaced, be it a cube or not.
        let action = match self.replaces || schema == PUBLIC_SCHEMA {
            true => Action::Change,
            false => Action::Insert,
        };
        Ok(session.catalog.check(action, &schema, name)?)
    }

    fn target(
        &self,
        session: &Session,
        options: &WriteOptions,
    ) -> Result<(Arc<dyn CubeSink>, Location, String, Option<String>)> {
        let opener = &session.engine.opener;
        match &self.place {
            Place::Table { schema, name } => {
                let schema = schema.clone().unwrap_or_else(|| session.default_schema());
                if schema == PUBLIC_SCHEMA {
                    let Some(url) = &options.location else {
                        return Err(no_store(name).into());
                    };
                    let sink = match &options.format {
                        Some(format) => opener.sink(format)?,
                        None => opener.sink_of_url(url)?,
                    };
                    opener.check_is_read(sink.as_ref(), url)?;
                    return Ok((sink, opener.connect_new(url)?, quoted(name), None));
                }
                let sink = opener.sink(options.format.as_deref().unwrap_or("ZARR"))?;
                opener.check_is_read(sink.as_ref(), &format!("{name}{}", sink.suffix()))?;
                let store = session.catalog.store(&schema)?;
                let root = store.connect()?.root;
                let location = root.child(&format!("{name}{}", sink.suffix()));
                Ok((sink, location, qualified(&schema, name), Some(schema)))
            }
            Place::Address { url, format } => {
                let format = format.as_deref().or(options.format.as_deref());
                let sink = match format {
                    Some(format) => opener.sink(format)?,
                    None => opener.sink_of_url(url)?,
                };
                let location = opener.connect_new(url)?;
                let name = location.url.clone();
                Ok((sink, location, name, None))
            }
        }
    }
}

/// What makes a cube outside of stores a table.
fn external_table(
    name: &str,
    sink: &dyn CubeSink,
    location: &Location,
) -> Result<Option<Definition>> {
    let url = location.url.replace('\'', "''");
    Definition::parse(&format!(
        "CREATE OR REPLACE EXTERNAL TABLE {} STORED AS {} LOCATION '{url}'",
        quoted(name),
        sink.name()
    ))
}

fn no_store(name: &str) -> CubeError {
    CubeError::invalid("", format!("{name} is in no store")).remedy(format!(
        "name one: CREATE TABLE store.{name} AS …, after ATTACH 'folder or url' AS store; \
             say WITH (location = '{name}.zarr', …); or write COPY (SELECT …) TO '{name}.zarr'"
    ))
}

fn of_table(table: &CreateTable) -> Result<Creation> {
    let Some(query) = &table.query else {
        return Err(CubeError::unsupported(
            "",
            "CREATE TABLE without AS SELECT makes a cube of nothing",
        )
        .remedy("write CREATE TABLE store.name AS SELECT …")
        .into());
    };
    let plain = CreateTable {
        or_replace: false,
        if_not_exists: false,
        name: ObjectName(vec![]),
        table_options: CreateTableOptions::None,
        query: None,
        ..table.clone()
    };
    if plain != CreateTableBuilder::new(ObjectName(vec![])).build() {
        return Err(CubeError::unsupported(
            "",
            "only WITH (…) may stand between the table's name and AS SELECT",
        )
        .remedy("columns, types and their order come from the query")
        .into());
    }
    let options = match &table.table_options {
        CreateTableOptions::None => Options::new(),
        CreateTableOptions::With(options) => with_options(options)?,
        _ => {
            return Err(CubeError::unsupported("", "options of a table stand in WITH (…)").into());
        }
    };
    let parts: Vec<String> = table
        .name
        .0
        .iter()
        .filter_map(|part| part.as_ident())
        .map(fold)
        .collect();
    let (schema, name) = match parts.as_slice() {
        [name] => (None, name.clone()),
        [schema, name] => (Some(schema.clone()), name.clone()),
        [catalog, schema, name] if catalog == CATALOG => (Some(schema.clone()), name.clone()),
        _ => {
            return Err(
                CubeError::invalid("", format!("{} is no name of a table", table.name))
                    .remedy("write store.name")
                    .into(),
            );
        }
    };
    let remedy =
        "a new cube begins with the branch main; say ALTER TABLE … CREATE BRANCH afterwards";
    refuse(&name, "CREATE TABLE", remedy)?;
    Ok(Creation {
        place: Place::Table { schema, name },
        query: query.as_ref().clone(),
        options,
        replaces: table.or_replace,
        only_if_new: table.if_not_exists,
    })
}

/// The options in `WITH (…)` and `SET (…)`.
///
/// # Errors
/// Something that is no option, or one that stands twice.
pub(super) fn with_options(options: &[SqlOption]) -> Result<Options> {
    let mut read = Options::new();
    for option in options {
        let SqlOption::KeyValue { key, value } = option else {
            return Err(CubeError::invalid("", format!("{option} is no option"))
                .remedy("write name = 'value'")
                .into());
        };
        let name = option_name(&key.value);
        let value = match value {
            Expr::Value(value) => option_text(&value.value),
            other => other.to_string(),
        };
        if read.insert(name.clone(), value).is_some() {
            return Err(CubeError::invalid("", format!("option {name} stands twice")).into());
        }
    }
    Ok(read)
}

/// `COPY … TO` a format of cubes; everything else is DataFusion's.
fn of_copy(copy: &CopyToStatement, session: &Session) -> Result<Option<Creation>> {
    let opener = &session.engine.opener;
    let is_cube = match &copy.stored_as {
        Some(format) => opener.sink(format).is_ok(),
        None => opener.sink_of_url(&copy.target).is_ok(),
    };
    if !is_cube {
        return Ok(None);
    }
    if !copy.partitioned_by.is_empty() {
        return Err(
            CubeError::unsupported("", "a cube is not partitioned by columns")
                .remedy("choose chunks: OPTIONS ('chunks' 'time=1,lat=256,lon=256')")
                .into(),
        );
    }
    let mut options = Options::new();
    for (name, value) in &copy.options {
        options.insert(option_name(name), option_text(value));
    }
    let query = match &copy.source {
        CopyToSource::Query(query) => query.as_ref().clone(),
        CopyToSource::Relation(name) => all_of(name)?,
    };
    Ok(Some(Creation {
        place: Place::Address {
            url: copy.target.clone(),
            format: copy.stored_as.clone(),
        },
        query,
        options,
        replaces: false,
        only_if_new: false,
    }))
}

/// `SELECT * FROM name`
fn all_of(name: &ObjectName) -> Result<AstQuery> {
    let parsed = super::parser::parse(&format!("SELECT * FROM {name}"))?;
    if let super::parser::Statement::Sql(statement) = parsed
        && let SqlStatement::Statement(statement) = *statement
        && let AstStatement::Query(query) = *statement
    {
        return Ok(*query);
    }
    Err(CubeError::invalid("", format!("{name} is no table")).into())
}
