//! Shapefiles: geometries in `.shp`, attributes in `.dbf`, the coordinate reference system in `.prj`.
//!
//! ```text
//!  a.shp   header ┆ number, length, shape ┆ …        shapefile.rs, shapefile/shapes.rs
//!  a.dbf   header ┆ fields ┆ record ┆ record ┆ …      shapefile/attributes.rs; may be absent
//!  a.cpg   encoding of the texts                      may be absent
//!  a.prj   well-known text                            may be absent
//! ```

mod attributes;
mod shapes;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{Layer, Location, TableFormat};
use object_store::path::Path;

use super::columns::{Columns, Crs};
use super::{parse, read_if_there, read_whole};

/// Reads shapefiles.
#[derive(Debug)]
pub(super) struct Shapefile;

#[async_trait]
impl TableFormat for Shapefile {
    fn name(&self) -> &'static str {
        "SHAPEFILE"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".shp"]
    }

    fn companions(&self, location: &Location) -> Vec<Location> {
        ["dbf", "cpg", "prj"]
            .iter()
            .filter_map(|suffix| beside(location, suffix))
            .collect()
    }

    async fn read(&self, location: &Location) -> CubeResult<Vec<Layer>> {
        let shapes = read_whole(location).await?;
        let mut others = Vec::new();
        for other in self.companions(location) {
            others.push(read_if_there(&other).await?);
        }
        let url = &location.url;
        Ok(vec![parse(url, || table(&shapes, &others, url))?.into()])
    }
}

/// The file of the same name with another suffix, in capitals if this one's is.
fn beside(location: &Location, suffix: &str) -> Option<Location> {
    let path = location.path.as_ref();
    let (stem, own) = path.rsplit_once('.')?;
    let suffix = match own.chars().all(|letter| letter.is_ascii_uppercase()) {
        true => suffix.to_ascii_uppercase(),
        false => suffix.to_string(),
    };
    let url = location.url.strip_suffix(own).unwrap_or(&location.url);
    Some(Location {
        path: Path::parse(format!("{stem}.{suffix}")).ok()?,
        url: format!("{url}{suffix}"),
        ..location.clone()
    })
}

fn table(shapes: &[u8], others: &[Option<Bytes>], url: &str) -> CubeResult<RecordBatch> {
    let text = |at: usize| -> Option<&[u8]> { others.get(at)?.as_deref() };
    let broken = |cause: String| {
        CubeError::corrupt(url, cause)
            .remedy("copy all files of the shapefile again from their source")
    };
    let mut geometries = shapes::geometries(shapes).map_err(broken)?;
    let mut columns = Columns::default();
    if let Some(attributes) = text(0) {
        let deleted = attributes::read(attributes, text(1), &mut columns).map_err(broken)?;
        if deleted.len() != geometries.len() {
            return Err(broken(format!(
                "there are {} shapes and {} records of attributes",
                geometries.len(),
                deleted.len()
            )));
        }
        let mut deleted = deleted.into_iter();
        geometries.retain(|_| deleted.next() != Some(true));
    } else {
        geometries.iter().for_each(|_| columns.add_row([]));
    }
    let crs = text(2).map(|wkt| String::from_utf8_lossy(wkt).trim().to_string());
    let crs = crs.filter(|wkt| !wkt.is_empty()).map(Crs::Text);
    columns.finish(url, geometries, crs)
}

#[cfg(test)]
mod tests;
