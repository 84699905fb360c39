//! `cube.overviews`: the levels of cubes that have some, a variable a row.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;

use super::tables::cubes;
use super::{Column, SystemRows, Wanted};
use crate::catalog::visible::VisibleCatalog;
use crate::cube::Cube;
use crate::overviews::{Found, Level};

/// Folders of overviews that are looked into at the same time.
const AT_ONCE: usize = 8;

/// The rows of `cube.overviews`.
#[derive(Debug)]
pub(super) struct OverviewList;

/// A variable of a level; or why the overviews of a cube cannot be read.
pub(super) struct Row {
    schema: String,
    table: String,
    place: String,
    level: Option<(Level, usize)>,
    is_current: Option<bool>,
    error: Option<String>,
}

impl Row {
    fn name(&self) -> Option<String> {
        let (level, at) = self.level.as_ref()?;
        let variable = level.cube.variables.get(*at)?;
        Some(variable.field.name().clone())
    }
}

impl SystemRows for OverviewList {
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
            Column::whole(
                "level",
                "1 for cells twice as large, 2 for four times, …",
                |row| row.level.as_ref().map(|(level, _)| u64::from(level.number)),
            ),
            Column::text("variable", "Name of the variable", Row::name),
            Column::text("method", "How its cells were made", |row| {
                let (level, _) = row.level.as_ref()?;
                Some(level.methods.get(&row.name()?)?.to_string())
            }),
            Column::whole(
                "bits",
                "Bits of the significand that its values are rounded to; NULL where they keep all",
                |row| {
                    let (level, _) = row.level.as_ref()?;
                    level.bits.get(&row.name()?).copied().map(u64::from)
                },
            ),
            Column::wholes("shape", "Cells along each of its dimensions", |row| {
                let (level, at) = row.level.as_ref()?;
                let variable = level.cube.variables.get(*at)?;
                Some(variable.array.description().shape.clone())
            }),
            Column::flag(
                "is_current",
                "Were they made of the cube as it is? Others are not read",
                |row| row.is_current,
            ),
            Column::text("location", "Folder of the levels", |row| {
                Some(row.place.clone())
            }),
            Column::text("error", "Why the overviews cannot be read", |row| {
                row.error.clone()
            }),
        ]
    }

    fn rows(catalog: &Arc<VisibleCatalog>, wanted: Wanted) -> BoxStream<'static, Vec<Row>> {
        cubes(catalog, &wanted)
            .map(|(schema, cube)| of_cube(schema, cube))
            .buffered(AT_ONCE)
            .boxed()
    }
}

async fn of_cube(schema: String, cube: Arc<Cube>) -> Vec<Row> {
    let Some(overviews) = &cube.overviews else {
        return Vec::new();
    };
    let folder = overviews.folder();
    let place = folder.map_or(String::new(), |folder| folder.location.url.clone());
    let row = |level, is_current, error| Row {
        schema: schema.clone(),
        table: cube.name.clone(),
        place: place.clone(),
        level,
        is_current,
        error,
    };
    match overviews.found().await {
        Err(error) => vec![row(None, None, Some(error.to_string()))],
        Ok(found) => {
            let Found { levels, is_current } = found.as_ref();
            let of_level = |level: &Level| {
                let level = level.clone();
                // What counts the cells of another variable is none of the cube's.
                let variables = level.cube.variables.iter().enumerate();
                let of_cube = variables
                    .filter(|(_, variable)| level.methods.contains_key(variable.field.name()));
                let places: Vec<usize> = of_cube.map(|(at, _)| at).collect();
                places.into_iter().map(move |at| (level.clone(), at))
            };
            let each = levels.iter().flat_map(of_level);
            each.map(|level| row(Some(level), Some(*is_current), None))
                .collect()
        }
    }
}
