//! GeoPackage: layers of features in a database of SQLite.
//!
//! ```text
//!  gpkg_contents          which tables are layers           ─┐
//!  gpkg_geometry_columns  which column, in which system      ├─▶ Layer ─▶ SELECT its columns ─▶ rows
//!  gpkg_spatial_ref_sys   what that system is               ─┘
//! ```
//! The only layer of features is the table of the file; of several each has its name behind that of the file, and so have
//! tables without geometries. Tiles are not read. What is still in a `-wal` file beside the database is not there yet.
//!
//! Source: OGC 12-128r19, GeoPackage 1.4.

mod columns;
mod database;
mod geometry;

use std::collections::HashSet;

use async_trait::async_trait;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{Layer, Location, TableFormat};

use self::columns::{Column, Columns};
use self::database::{Database, quoted};
use super::columns::Crs;
use super::{parse, read_whole};

/// Reads GeoPackage.
#[derive(Debug)]
pub(super) struct GeoPackage;

#[async_trait]
impl TableFormat for GeoPackage {
    fn name(&self) -> &'static str {
        "GEOPACKAGE"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".gpkg"]
    }

    async fn read(&self, location: &Location) -> CubeResult<Vec<Layer>> {
        let bytes = read_whole(location).await?;
        let url = location.url.clone();
        let read = move || parse(&url, || layers(&bytes, &url));
        // It fails only when the runtime is shutting down.
        let read = tokio::task::spawn_blocking(read).await;
        read.unwrap_or_else(|error| Err(CubeError::corrupt(&location.url, error)))
    }
}

/// A table that is a layer, and its column of geometries, if it has one.
struct Content {
    table: String,
    geometry: Option<(String, Option<Crs>)>,
}

fn layers(bytes: &[u8], url: &str) -> CubeResult<Vec<Layer>> {
    let database = Database::open(bytes, url)?;
    let contents = contents(&database)?;
    if contents.is_empty() {
        let cause = "the file has no layers of features";
        return Err(CubeError::unsupported(url, cause).remedy("tiles are not read"));
    }
    let of_features = contents.iter().filter(|content| content.geometry.is_some());
    let is_only = of_features.count() == 1;
    let layer = |content: &Content| {
        Ok(Layer {
            name: match is_only && content.geometry.is_some() {
                true => String::new(),
                false => content.table.clone(),
            },
            rows: rows(&database, content)?,
        })
    };
    contents.iter().map(layer).collect()
}

/// The layers in the order of their names.
fn contents(database: &Database) -> CubeResult<Vec<Content>> {
    let query = "SELECT table_name, data_type FROM gpkg_contents \
                 WHERE data_type IN ('features', 'attributes') ORDER BY table_name";
    let tables: Vec<(String, String)> = database.all(query, [], |row| {
        Ok((row.get("table_name")?, row.get("data_type")?))
    })?;
    let mut listed = HashSet::new();
    let mut names = tables.iter().map(|(table, _)| table);
    if let Some(table) = names.find(|table| !listed.insert(table.to_ascii_lowercase())) {
        return Err(database.corrupt(format!("the layer {table:?} is listed twice")));
    }
    let content = |(table, data_type): (String, String)| {
        let geometry = match data_type.as_str() {
            "features" => Some(geometry(database, &table)?),
            _ => None,
        };
        Ok(Content { table, geometry })
    };
    tables.into_iter().map(content).collect()
}

/// The column of geometries of a layer, and their system.
fn geometry(database: &Database, table: &str) -> CubeResult<(String, Option<Crs>)> {
    let query = "SELECT column_name, srs_id FROM gpkg_geometry_columns WHERE table_name = ?1";
    let found: Vec<(String, i64)> = database.all(query, [table], |row| {
        Ok((row.get("column_name")?, row.get("srs_id")?))
    })?;
    let [(column, system)] = found.as_slice() else {
        return Err(database.corrupt(format!(
            "the layer {table:?} has {} columns of geometries, not one",
            found.len()
        )));
    };
    Ok((column.clone(), crs(database, *system)?))
}

/// A system of coordinates. −1 and 0 stand for those that nobody knows.
fn crs(database: &Database, system: i64) -> CubeResult<Option<Crs>> {
    if system == -1 || system == 0 {
        return Ok(None);
    }
    let query = "SELECT organization, organization_coordsys_id, definition \
                 FROM gpkg_spatial_ref_sys WHERE srs_id = ?1";
    let found = database.all(query, [system], |row| {
        let (authority, code): (String, i64) = (
            row.get("organization")?,
            row.get("organization_coordsys_id")?,
        );
        let definition: Option<String> = row.get("definition")?;
        Ok((authority, code, definition))
    })?;
    let first = found.into_iter().next();
    Ok(first.and_then(|(authority, code, definition)| {
        let authority = authority.trim().to_ascii_uppercase();
        let is_known = ["EPSG", "ESRI", "OGC", "IAU_2015"].contains(&authority.as_str());
        let text = definition.filter(|text| text.contains('['));
        match (is_known && code > 0, text) {
            (true, _) => Some(Crs::Code(format!("{authority}:{code}"))),
            (false, Some(text)) => Some(Crs::Text(text)),
            (false, None) => None,
        }
    }))
}

/// All rows of a layer.
fn rows(database: &Database, content: &Content) -> CubeResult<arrow::array::RecordBatch> {
    let table = &content.table;
    database.check_is_table(table)?;
    let query = "SELECT name, type FROM pragma_table_info(?1) ORDER BY cid";
    let stored: Vec<(String, String)> = database.all(query, [table], |row| {
        Ok((row.get("name")?, row.get("type")?))
    })?;
    let is_geometry = |name: &str| {
        let geometry = content.geometry.as_ref();
        geometry.filter(|(column, _)| column.eq_ignore_ascii_case(name))
    };
    let columns: Vec<Column> = stored
        .iter()
        .map(|(name, declared)| match is_geometry(name) {
            Some((_, crs)) => Column::of_geometries(name, crs.clone()),
            None => Column::declared(name, declared),
        })
        .collect();
    if let Some((column, _)) = &content.geometry
        && !stored.iter().any(|(name, _)| is_geometry(name).is_some())
    {
        return Err(database.corrupt(format!("the layer {table:?} has no column {column:?}")));
    }
    let names: Vec<String> = stored.iter().map(|(name, _)| quoted(name)).collect();
    // Without its indexes, which may say something else than the table.
    let query = format!(
        "SELECT {} FROM {} NOT INDEXED",
        names.join(", "),
        quoted(table)
    );
    let failed = |error: rusqlite::Error| database.failed(&error);
    let mut statement = database.connection.prepare(&query).map_err(failed)?;
    let mut found = statement.query([]).map_err(failed)?;
    let mut columns = Columns::new(columns, &database.budget);
    while let Some(row) = found.next().map_err(failed)? {
        let value = |at: usize| row.get_ref(at).map_err(|error| error.to_string());
        columns
            .add_row(value)
            .map_err(|cause| database.corrupt(format!("in the layer {table:?} {cause}")))?;
    }
    columns
        .finish()
        .map_err(|cause| database.corrupt(format!("in the layer {table:?} {cause}")))
}
