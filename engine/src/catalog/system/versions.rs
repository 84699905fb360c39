//! `cube.versions`: the states that cubes have been in, of formats that keep them.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;

use super::{Column, SystemRows, Wanted};
use crate::access::{Action, Reading};
use crate::catalog::OPENED_AT_ONCE;
use crate::catalog::visible::VisibleCatalog;
use crate::error::CubeError;
use crate::history::CubeVersion;
use crate::source::{CubeFormat, Location};

/// The rows of `cube.versions`.
#[derive(Debug)]
pub(super) struct Versions;

/// One version of one cube, or why those of a cube are not known.
pub(super) struct Row {
    schema: String,
    table: String,
    /// Statements name other tables and conditions: they are for who may make some themselves.
    tells_message: bool,
    version: Result<CubeVersion, CubeError>,
}

impl Row {
    fn version(&self) -> Option<&CubeVersion> {
        self.version.as_ref().ok()
    }
}

impl SystemRows for Versions {
    type Row = Row;

    fn columns() -> Vec<Column<Row>> {
        vec![
            Column::text(
                "table_schema",
                "Schema, which is the name of a store",
                |row: &Row| Some(row.schema.clone()),
            ),
            Column::text("table_name", "Name of the table", |row| {
                Some(row.table.clone())
            }),
            Column::text("version", "What FOR VERSION AS OF calls it", |row| {
                Some(row.version()?.id.clone())
            }),
            Column::text("parent", "The version it was made of", |row| {
                row.version()?.parent.clone()
            }),
            Column::text("time", "When it was written, UTC", |row| {
                Some(row.version()?.time.clone())
            }),
            Column::text(
                "message",
                "What its writer said: of those written here, the statement",
                |row| {
                    let version = row.version()?;
                    row.tells_message.then(|| version.message.clone())
                },
            ),
            Column::texts("branches", "Branches that end here", |row| {
                Some(row.version()?.branches.clone())
            }),
            Column::texts("tags", "Tags that lead here", |row| {
                Some(row.version()?.tags.clone())
            }),
            Column::text("error", "Why the versions are not known", |row| {
                row.version.as_ref().err().map(ToString::to_string)
            }),
        ]
    }

    fn rows(catalog: &Arc<VisibleCatalog>, wanted: Wanted) -> BoxStream<'static, Vec<Row>> {
        let Wanted { schema, table, .. } = wanted;
        let seen = Arc::clone(catalog);
        let writing = Arc::clone(catalog);
        let stores: Vec<_> = catalog
            .stores()
            .into_iter()
            .filter(|store| {
                let name = &store.definition.name;
                schema.as_ref().is_none_or(|schema| schema == name)
            })
            .collect();
        futures::stream::iter(stores)
            .then(|store| async move {
                let schema = store.definition.name.clone();
                (schema, store.with_history().await.unwrap_or_default())
            })
            .flat_map(|(schema, cubes)| {
                let cubes = cubes.into_iter().map(move |cube| (schema.clone(), cube));
                futures::stream::iter(cubes)
            })
            .filter(move |(schema, (name, ..))| {
                // Who reads a part of a cube does not learn how the whole of it came about.
                let is_whole = seen.reading(schema, name) == Reading::Everything;
                let is_wanted = table.as_ref().is_none_or(|table| table == name);
                async move { is_whole && is_wanted }
            })
            .map(move |(schema, (table, location, format))| {
                let may_write = writing.check(Action::Insert, &schema, &table).is_ok();
                let row = move |version| Row {
                    schema: schema.clone(),
                    table: table.clone(),
                    tells_message: may_write,
                    version,
                };
                of_cube(row, location, format)
            })
            .buffered(OPENED_AT_ONCE)
            .boxed()
    }
}

async fn of_cube(
    row: impl Fn(Result<CubeVersion, CubeError>) -> Row,
    location: Location,
    format: Arc<dyn CubeFormat>,
) -> Vec<Row> {
    let versions = match format.history() {
        Some(history) => history.versions(&location).await,
        None => Ok(Vec::new()),
    };
    match versions {
        Ok(versions) => versions
            .into_iter()
            .map(|version| row(Ok(version)))
            .collect(),
        Err(error) => vec![row(Err(error))],
    }
}
