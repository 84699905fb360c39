//! Files of places and zones: tables with a column of geometries, read whole.
//!
//! ```text
//!  GeoJSON ────┐
//!  FlatGeobuf ─┼─▶ Columns: attributes, typed ─┐
//!  Shapefile ──┴─▶ WKB, one per row ───────────┴─▶ RecordBatch; the column `geometry` is `geoarrow.wkb`
//!  GeoParquet, GeoPackage ───────────────────────▶ and states its coordinate reference system
//! ```
//! Adding a format is a module and a line in [`table_formats`].

mod columns;
mod flatgeobuf;
mod geojson;
mod geopackage;
mod geoparquet;
mod shapefile;
mod wkb;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{Location, TableFormat};

use crate::formats::zarr::objects::Objects;

/// Every format of tables that Graticule reads whole, in the order in which a listing asks them.
pub fn table_formats() -> Vec<Arc<dyn TableFormat>> {
    vec![
        Arc::new(geojson::GeoJson),
        Arc::new(geoparquet::GeoParquet),
        Arc::new(flatgeobuf::FlatGeobuf),
        Arc::new(shapefile::Shapefile),
        Arc::new(geopackage::GeoPackage),
    ]
}

/// All bytes of a file.
async fn read_whole(location: &Location) -> CubeResult<Bytes> {
    let bytes = read_if_there(location).await?;
    bytes.ok_or_else(|| CubeError::not_found(&location.url, "there is no such file"))
}

/// All bytes of a file that need not be there.
async fn read_if_there(location: &Location) -> CubeResult<Option<Bytes>> {
    let objects = Objects::of(location);
    let fetched = objects.get(&location.path, None, &location.url).await?;
    Ok(fetched.map(|fetched| fetched.bytes))
}

/// What `parse` makes of a file, or an error where a library panics on it.
fn parse<T>(url: &str, parse: impl FnOnce() -> CubeResult<T>) -> CubeResult<T> {
    // Nothing that a panic could leave half-written outlives the call.
    catch_unwind(AssertUnwindSafe(parse)).unwrap_or_else(|_| {
        Err(CubeError::corrupt(url, "the file cannot be parsed")
            .remedy("copy it again from its source"))
    })
}
