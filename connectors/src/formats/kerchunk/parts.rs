//! Sets of references that are a folder of Parquet files: [`ReferenceParts`].
//!
//! ```text
//!  set.parq/   .zmetadata           metadata of all arrays, and how many chunks a file has: record_size
//!              sst/refs.0.parq      chunks 0 … record_size − 1 of sst, in C order: path, offset, size, raw
//!              sst/refs.1.parq      the next ones
//!
//!  sst/1.0.2 ─▶ number of the chunk ─▶ file, row ─▶ slice of rows, kept for a while ─▶ reference
//! ```
//! Files are read when a chunk is asked for, so that opening a set costs one request however large it is. Source: the
//! class `LazyReferenceMapper` of fsspec, which reads and writes such folders.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::source::Location;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::{Map, Value};

use super::references::{Reference, ReferenceTable, TableBuilder, range_of};
use crate::formats::zarr::json::parse_object;
use crate::formats::zarr::objects::{Objects, version_of};

/// The document with the metadata of all arrays.
pub(super) const METADATA: &str = ".zmetadata";

/// Rows that are decoded and kept together.
const SLICE: u64 = 32_768;

/// Rows in one batch of the reader.
const BATCH: usize = 1024;

/// Bytes of slices that are kept, and of bytes that one slice may hold itself.
const KEPT: u64 = 64 << 20;
const LARGEST_SLICE: usize = 256 << 20;

/// The columns of a file.
const COLUMNS: [&str; 4] = ["path", "offset", "size", "raw"];

/// References in a folder of Parquet files.
#[derive(Debug)]
pub(super) struct ReferenceParts {
    location: Location,
    metadata: Bytes,
    /// When the metadata were written.
    pub(super) version: String,
    record_size: u64,
    /// The number of chunks along each dimension of each array.
    arrays: HashMap<String, Vec<u64>>,
    slices: Cache<Slice, Arc<ReferenceTable>, BytesOfSlice>,
}

/// Some rows of a file of an array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Slice {
    array: String,
    file: u64,
    slice: u64,
}

#[derive(Debug, Clone)]
struct BytesOfSlice;

impl Weighter<Slice, Arc<ReferenceTable>> for BytesOfSlice {
    fn weight(&self, _: &Slice, rows: &Arc<ReferenceTable>) -> u64 {
        // What weighs nothing would stay for ever.
        rows.size() as u64 + 256
    }
}

impl ReferenceParts {
    /// The set in the folder at `location`, if there is one.
    ///
    /// # Errors
    /// The store failed, or the metadata make no sense.
    pub(super) async fn open(location: &Location) -> CubeResult<Option<Self>> {
        let place = location.child(METADATA);
        let objects = Objects::of(location);
        let Some(fetched) = objects.get(&place.path, None, &place.url).await? else {
            return Ok(None);
        };
        let document = parse_object(&fetched.bytes, &place.url)?;
        let wrong = |cause: String| CubeError::corrupt(&place.url, cause);
        let record_size = document.get("record_size").and_then(Value::as_u64);
        let record_size = record_size.filter(|size| *size > 0).ok_or_else(|| {
            wrong("the metadata are not of a set of references: they have no record_size".into())
                .remedy("a cube of Zarr is read with STORED AS ZARR")
        })?;
        let metadata = document.get("metadata").and_then(Value::as_object);
        let metadata = metadata.ok_or_else(|| wrong("there is no object \"metadata\"".into()))?;
        let mut arrays = HashMap::new();
        for (key, array) in metadata {
            if let Some(path) = array_of(key) {
                let counts = chunk_counts(array).ok_or_else(|| {
                    wrong(format!("the shape and the chunks of {path} make no sense"))
                })?;
                arrays.insert(path.to_string(), counts);
            }
        }
        Ok(Some(Self {
            location: location.clone(),
            metadata: metadata_of(metadata).map_err(wrong)?,
            version: version_of(&fetched.meta),
            record_size,
            arrays,
            slices: Cache::with_weighter(64, KEPT, BytesOfSlice),
        }))
    }

    /// What is behind `key`.
    pub(super) async fn get(&self, key: &str) -> CubeResult<Option<Reference>> {
        if key == METADATA {
            return Ok(Some(Reference::Inline(self.metadata.clone())));
        }
        let Some((array, number)) = self.chunk(key) else {
            return Ok(None);
        };
        let row = number % self.record_size;
        let slice = Slice {
            array: array.to_string(),
            file: number / self.record_size,
            slice: row / SLICE,
        };
        let rows = self
            .slices
            .get_or_insert_async(&slice, self.read(&slice))
            .await?;
        Ok(rows.get(&row.to_string()))
    }

    /// The array that a key belongs to, and the number of the chunk in C order.
    fn chunk<'a>(&self, key: &'a str) -> Option<(&'a str, u64)> {
        let (mut array, mut index) = key.rsplit_once('/')?;
        // The separator within the index may be a slash.
        let counts = loop {
            match self.arrays.get(array) {
                Some(counts) => break counts,
                None => {
                    array = array.rsplit_once('/')?.0;
                    index = key.get(array.len() + 1..)?;
                }
            }
        };
        let index: Vec<u64> = index
            .split(['.', '/'])
            .map(|number| number.parse().ok())
            .collect::<Option<_>>()?;
        let scalar = [1];
        let counts = match counts.is_empty() {
            true => scalar.as_slice(),
            false => counts.as_slice(),
        };
        if index.len() != counts.len() {
            return None;
        }
        let mut axes = index.iter().zip(counts);
        let number = axes.try_fold(0_u64, |number, (at, count)| match at < count {
            true => number.checked_mul(*count)?.checked_add(*at),
            false => None,
        })?;
        Some((array, number))
    }

    async fn read(&self, slice: &Slice) -> CubeResult<Arc<ReferenceTable>> {
        let Slice { array, file, slice } = slice;
        let place = self.location.child(&format!("{array}/refs.{file}.parq"));
        let objects = Objects::of(&self.location);
        // Files without any reference are not written.
        let Some(fetched) = objects.get(&place.path, None, &place.url).await? else {
            return Ok(Arc::default());
        };
        let (first, most) = (slice * SLICE, SLICE.min(self.record_size));
        let decode = move || decode(fetched.bytes, first, most);
        let decoded = tokio::task::spawn_blocking(decode).await;
        // The library panics on some files that are broken.
        let decoded = decoded.unwrap_or_else(|_| Err("the file cannot be parsed".to_string()));
        let decoded = decoded.map_err(|cause| {
            let cause = format!("the references cannot be read: {cause}");
            CubeError::new(ErrorKind::Corrupt, &place.url, cause)
                .remedy("copy the file again from its source")
        });
        Ok(Arc::new(decoded?))
    }
}

/// The path of the array that has this document.
fn array_of(key: &str) -> Option<&str> {
    match key {
        ".zarray" => Some(""),
        key => key.strip_suffix("/.zarray"),
    }
}

/// The metadata as a cube of Zarr has them.
fn metadata_of(metadata: &Map<String, Value>) -> Result<Bytes, String> {
    let document = serde_json::json!({"zarr_consolidated_format": 1, "metadata": metadata});
    let text = serde_json::to_vec(&document);
    text.map(Bytes::from).map_err(|error| error.to_string())
}

/// The number of chunks along each dimension.
fn chunk_counts(array: &Value) -> Option<Vec<u64>> {
    let numbers = |name: &str| -> Option<Vec<u64>> {
        let list = array.get(name)?.as_array()?;
        list.iter().map(Value::as_u64).collect()
    };
    let (shape, chunks) = (numbers("shape")?, numbers("chunks")?);
    let axes = shape.iter().zip(&chunks);
    let counts = axes.map(|(length, chunk)| (*chunk > 0).then(|| length.div_ceil(*chunk)));
    (shape.len() == chunks.len()).then(|| counts.collect())?
}

/// The references of `most` rows from `first` on, by the numbers of their rows.
fn decode(file: Bytes, first: u64, most: u64) -> Result<ReferenceTable, String> {
    let broken = |error: &dyn std::fmt::Display| error.to_string();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| broken(&error))?;
    let wanted = ProjectionMask::columns(builder.parquet_schema(), COLUMNS);
    let reader = builder
        .with_projection(wanted)
        .with_batch_size(BATCH)
        .with_offset(first as usize)
        .with_limit(most as usize)
        .build()
        .map_err(|error| broken(&error))?;
    let mut table = TableBuilder::default();
    let mut row = first;
    for batch in reader {
        add(
            &batch.map_err(|error| broken(&error))?,
            &mut row,
            &mut table,
        )?;
        if table.size() > LARGEST_SLICE {
            return Err("it holds too many bytes of chunks itself".to_string());
        }
    }
    Ok(table.finish())
}

fn add(batch: &RecordBatch, row: &mut u64, table: &mut TableBuilder) -> Result<(), String> {
    let column = |name: &str, data_type: DataType| -> Result<Option<ArrayRef>, String> {
        let stored = batch.column_by_name(name);
        let as_wanted = stored.map(|column| cast(column, &data_type));
        as_wanted
            .transpose()
            .map_err(|_| format!("the column {name} has another type"))
    };
    let raw = column("raw", DataType::Binary)?;
    let path = column("path", DataType::Utf8)?;
    let offset = column("offset", DataType::Int64)?;
    let size = column("size", DataType::Int64)?;
    let number = |column: &Option<ArrayRef>, at: usize| -> Result<u64, String> {
        let Some(column) = column else { return Ok(0) };
        let column = column.as_primitive::<Int64Type>();
        match column.is_valid(at) {
            true => u64::try_from(column.value(at)).map_err(|_| "a range is negative".to_string()),
            false => Ok(0),
        }
    };
    for at in 0..batch.num_rows() {
        let key = row.to_string();
        *row += 1;
        let raw = raw.as_ref().map(|column| column.as_binary::<i32>());
        if let Some(raw) = raw.filter(|column| column.is_valid(at)) {
            table.bytes(&key, raw.value(at))?;
            continue;
        }
        let path = path.as_ref().map(|column| column.as_string::<i32>());
        let Some(path) = path.filter(|column| column.is_valid(at)) else {
            continue;
        };
        let range = match (number(&offset, at)?, number(&size, at)?) {
            (0, 0) => None,
            (offset, size) => Some(range_of(offset, size)?),
        };
        table.file(&key, path.value(at), range)?;
    }
    Ok(())
}
