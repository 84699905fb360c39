//! GeoParquet: Parquet whose metadata say which columns are geometries and in which coordinates.
//!
//! Source: GeoParquet 1.1 <https://geoparquet.org/releases/v1.1.0>. All columns keep their names and types.

mod writing;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use async_trait::async_trait;
use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{Extent, Layer, Location, TableFormat, WrittenTable};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};

use super::columns::{Crs, geometry_metadata};
use super::{parse, read_whole};

/// Reads GeoParquet, and says how DataFusion writes it.
#[derive(Debug)]
pub(super) struct GeoParquet;

#[async_trait]
impl TableFormat for GeoParquet {
    fn name(&self) -> &'static str {
        "GEOPARQUET"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".geoparquet"]
    }

    async fn read(&self, location: &Location) -> CubeResult<Vec<Layer>> {
        let bytes = read_whole(location).await?;
        let url = &location.url;
        Ok(vec![parse(url, || table(bytes, url))?.into()])
    }

    fn written_as(&self) -> Option<&'static str> {
        Some("PARQUET")
    }

    fn written(
        &self,
        schema: &Schema,
        extents: &BTreeMap<String, Extent>,
    ) -> CubeResult<WrittenTable> {
        writing::written(schema, extents)
    }
}

fn table(bytes: Bytes, url: &str) -> CubeResult<RecordBatch> {
    let broken = |cause: &dyn std::fmt::Display| {
        CubeError::corrupt(url, format!("the file cannot be read as Parquet: {cause}"))
            .remedy("copy the file again from its source")
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|error| broken(&error))?;
    let geometries = geometry_columns(&reader).ok_or_else(|| {
        CubeError::unsupported(
            url,
            "the file does not say which of its columns are geometries",
        )
        .remedy("write it as GeoParquet, or read it with STORED AS PARQUET")
    })?;
    // Boxes are there so that parts can be left out, not to be looked at.
    let boxes = covering_columns(&geometries);
    let columns = reader.schema().fields().iter().enumerate();
    let columns = columns.filter(|(_, field)| !boxes.contains(field.name().as_str()));
    let columns: Vec<usize> = columns.map(|(column, _)| column).collect();
    let stored = Arc::new(
        reader
            .schema()
            .project(&columns)
            .map_err(|error| broken(&error))?,
    );
    let mask = ProjectionMask::roots(reader.parquet_schema(), columns);
    let reader = reader
        .with_projection(mask)
        .build()
        .map_err(|error| broken(&error))?;
    let batches: Vec<RecordBatch> = reader
        .collect::<Result<_, _>>()
        .map_err(|error| broken(&error))?;
    let all = concat_batches(&stored, &batches).map_err(|error| broken(&error))?;
    let fields: Vec<FieldRef> = stored
        .fields()
        .iter()
        .map(|field| match geometries.get(field.name()) {
            Some(column) => Ok(Arc::new(described(field, column, url)?)),
            None => Ok(Arc::clone(field)),
        })
        .collect::<CubeResult<_>>()?;
    RecordBatch::try_new(Arc::new(Schema::new(fields)), all.columns().to_vec())
        .map_err(|error| broken(&error))
}

/// What the file's metadata say of each column of geometries.
fn geometry_columns(reader: &ParquetRecordBatchReaderBuilder<Bytes>) -> Option<Map<String, Value>> {
    let metadata = reader.metadata().file_metadata().key_value_metadata()?;
    let geo = metadata
        .iter()
        .find(|entry| entry.key == "geo")?
        .value
        .as_ref()?;
    let geo: Value = serde_json::from_str(geo).ok()?;
    geo.get("columns")?.as_object().cloned()
}

/// The columns that hold the boxes of geometries, as `{"covering": {"bbox": {"xmin": ["bbox", "xmin"], …}}}` says.
fn covering_columns(geometries: &Map<String, Value>) -> HashSet<&str> {
    let boxes = geometries
        .values()
        .map(|column| &column["covering"]["bbox"]);
    boxes.filter_map(|of| of["xmin"][0].as_str()).collect()
}

/// A column of geometries as a GeoArrow extension type.
fn described(field: &Field, column: &Value, url: &str) -> CubeResult<Field> {
    let encoding = column
        .get("encoding")
        .and_then(Value::as_str)
        .unwrap_or("WKB");
    let is_binary = matches!(
        field.data_type(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView
    );
    let extension = match encoding {
        "WKB" if is_binary => "geoarrow.wkb".to_string(),
        "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
            if !is_binary =>
        {
            format!("geoarrow.{encoding}")
        }
        _ => {
            let cause = format!(
                "column {} encodes geometries as {encoding}, which cannot be read",
                field.name()
            );
            return Err(
                CubeError::unsupported(url, cause).remedy("write the file with geometries as WKB")
            );
        }
    };
    let crs = match column.get("crs") {
        None => Some(Crs::Code("OGC:CRS84".to_string())),
        Some(Value::Null) => None,
        Some(definition) => Some(Crs::Json(definition.clone())),
    };
    let edges = column.get("edges").and_then(Value::as_str);
    let mut metadata: HashMap<String, String> = field.metadata().clone();
    metadata.extend(geometry_metadata(&extension, crs, edges));
    Ok(field.clone().with_metadata(metadata))
}
