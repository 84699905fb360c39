//! The side file with the statistics of one variable.
//!
//! ```text
//!  graticule statistics 1 9f86d081884c7d65\n      format, its version, checksum of all that follows (FNV-1a)
//!  Arrow IPC stream
//!    metadata of the schema   address, variable, decoding, grid
//!    chunk    uint64          number of the chunk, in C order of the grid: the last axis fastest
//!    minimum  as the column   NULL: no value, or not known
//!    maximum  as the column   NULL: no value, or not known
//!    valid    uint64          values that are not missing
//!    version  utf8            of the object that holds the chunk; NULL: the chunk is not stored
//! ```
//! Any Arrow library reads it after the first line. Chunks without a row are not known, so whoever writes a
//! cube may put the same file beside it, chunk by chunk. `decoding` stands for everything that turns
//! stored numbers into values; `grid` is a list with one entry per axis, `[length, size]` where chunks are
//! of equal size, else `{"bounds": […]}`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, UInt64Type};
use arrow::ipc::CompressionType;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use serde_json::{Value, json};

use super::{ChunkGrid, Records, VariableStatistics};
use crate::cube::chunks::AxisChunks;

const FORMAT: &str = "graticule statistics";
const VERSION: &str = "1";

/// Whose statistics a file has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    /// URL of the cube, without secrets.
    pub(super) address: String,
    /// Name of the array.
    pub(super) variable: String,
    /// See [`decoding_text`](super::store).
    pub(super) decoding: String,
}

/// FNV-1a, 64 bits: <https://datatracker.ietf.org/doc/draft-eastlake-fnv/>. It finds damage, not malice.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// The bytes of a side file.
pub(super) fn encode(
    subject: &Subject,
    statistics: &VariableStatistics,
) -> arrow::error::Result<Vec<u8>> {
    let grid: Vec<Value> = statistics.grid.axes.iter().map(axis_text).collect();
    let metadata = HashMap::from([
        ("address".to_string(), subject.address.clone()),
        ("variable".to_string(), subject.variable.clone()),
        ("decoding".to_string(), subject.decoding.clone()),
        ("grid".to_string(), Value::from(grid).to_string()),
    ]);
    let records = statistics
        .records()
        .map_err(|error| arrow::error::ArrowError::ExternalError(Box::new(error)))?;
    let data_type = records.minimum.data_type().clone();
    let fields = vec![
        Field::new("chunk", DataType::UInt64, false),
        Field::new("minimum", data_type.clone(), true),
        Field::new("maximum", data_type, true),
        Field::new("valid", DataType::UInt64, false),
        Field::new("version", DataType::Utf8, true),
    ];
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let columns = vec![
        Arc::new(records.chunks) as _,
        records.minimum,
        records.maximum,
        Arc::new(records.valid) as _,
        Arc::new(records.versions) as _,
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &schema, options)?;
    writer.write(&batch)?;
    let body = writer.into_inner()?;
    let mut bytes = format!("{FORMAT} {VERSION} {:016x}\n", checksum(&body)).into_bytes();
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Reads a side file of `subject`, whose values have `data_type`. The error says in words why it is no
/// such file.
pub(super) fn decode(
    bytes: &[u8],
    subject: &Subject,
    data_type: &DataType,
) -> Result<VariableStatistics, String> {
    let line_end = bytes.iter().take(64).position(|byte| *byte == b'\n');
    let (line, body) = match line_end {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => return Err("it is not a file of statistics".to_string()),
    };
    let line = String::from_utf8_lossy(line);
    let words = line.strip_prefix(FORMAT).map(str::split_whitespace);
    let mut words = words.ok_or("it is not a file of statistics")?;
    match words.next() {
        Some(VERSION) => {}
        other => {
            let version = other.unwrap_or("none");
            return Err(format!("it has version {version}, not {VERSION}"));
        }
    }
    let sum = words
        .next()
        .and_then(|sum| u64::from_str_radix(sum, 16).ok());
    if sum != Some(checksum(body)) {
        return Err("it is damaged".to_string());
    }
    let damaged = |error: arrow::error::ArrowError| format!("it is damaged: {error}");
    let reader = StreamReader::try_new(body, None).map_err(damaged)?;
    let schema = reader.schema();
    let text = |name: &str| schema.metadata().get(name).map_or("", String::as_str);
    if text("address") != subject.address || text("variable") != subject.variable {
        return Err("it belongs to another variable".to_string());
    }
    if text("decoding") != subject.decoding {
        return Err("the values of the variable are decoded in another way now".to_string());
    }
    let grid = grid_of(text("grid")).ok_or("it is damaged: no grid")?;
    let batches = reader.collect::<arrow::error::Result<Vec<_>>>();
    let batch = concat_batches(&schema, &batches.map_err(damaged)?).map_err(damaged)?;
    let column = |name: &str, data_type: &DataType| {
        let column = batch.column_by_name(name).cloned();
        column
            .filter(|column| column.data_type() == data_type)
            .ok_or_else(|| format!("it has no column {name} of type {data_type}"))
    };
    let numbers = |name| {
        Ok::<_, String>(
            column(name, &DataType::UInt64)?
                .as_primitive::<UInt64Type>()
                .clone(),
        )
    };
    let records = Records {
        chunks: numbers("chunk")?,
        minimum: column("minimum", data_type)?,
        maximum: column("maximum", data_type)?,
        valid: numbers("valid")?,
        versions: column("version", &DataType::Utf8)?
            .as_string::<i32>()
            .clone(),
    };
    if records.chunks.null_count() + records.valid.null_count() > 0
        || grid.count() > super::MOST_CHUNKS
    {
        return Err("it is damaged".to_string());
    }
    VariableStatistics::of_records(grid, &records).map_err(|error| error.to_string())
}

fn axis_text(axis: &AxisChunks) -> Value {
    match axis {
        AxisChunks::Regular { length, size } => json!([length, size]),
        AxisChunks::Irregular { bounds } => json!({ "bounds": bounds.to_vec() }),
    }
}

fn grid_of(text: &str) -> Option<ChunkGrid> {
    let axes: Vec<Value> = serde_json::from_str(text).ok()?;
    let axis = |value: &Value| match value {
        Value::Array(pair) => match pair.as_slice() {
            [length, size] => Some(AxisChunks::regular(length.as_u64()?, size.as_u64()?)),
            _ => None,
        },
        other => {
            let bounds = other.get("bounds")?.as_array()?;
            let bounds: Option<Vec<u64>> = bounds.iter().map(Value::as_u64).collect();
            let bounds = bounds.filter(|bounds| {
                bounds.first() == Some(&0) && bounds.is_sorted_by(|before, after| before < after)
            })?;
            Some(AxisChunks::Irregular {
                bounds: bounds.into(),
            })
        }
    };
    let axes: Option<Vec<AxisChunks>> = axes.iter().map(axis).collect();
    Some(ChunkGrid { axes: axes? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::common::ScalarValue;

    use super::*;
    use crate::source::ChunkVersion;
    use crate::statistics::summary::ChunkSummary;

    fn subject() -> Subject {
        Subject {
            address: "/data/c.zarr".to_string(),
            variable: "v".to_string(),
            decoding: "1".to_string(),
        }
    }

    fn statistics(length: u64) -> VariableStatistics {
        let grid = ChunkGrid {
            axes: vec![
                AxisChunks::regular(length, 4),
                AxisChunks::Irregular {
                    bounds: vec![0, 1, 3].into(),
                },
            ],
        };
        let chunk = |minimum, maximum, valid| ChunkSummary {
            minimum: ScalarValue::Float32(minimum),
            maximum: ScalarValue::Float32(maximum),
            valid,
        };
        let records = vec![
            (3, chunk(Some(-0.0), Some(7.5), 8), Some("e 1".to_string())),
            (0, chunk(None, None, 0), None),
            (4, chunk(Some(1.0), Some(2.0), 2), Some("e 2".to_string())),
        ];
        let records = Records::new(&DataType::Float32, records).unwrap();
        VariableStatistics::of_records(grid, &records).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = statistics(10);
        let bytes = encode(&subject(), &written).unwrap();
        let read = decode(&bytes, &subject(), &DataType::Float32).unwrap();
        assert_eq!((read.known(), read.grid.count()), (3, 6));
        for chunk in 0..6 {
            assert_eq!(read.chunk(chunk), written.chunk(chunk), "{chunk}");
        }
        let stored = |token: &str| ChunkVersion::Stored {
            token: token.to_string(),
            settled: true,
        };
        assert!(read.is_of(0, &ChunkVersion::Missing) && !read.is_of(0, &stored("")));
        assert!(read.is_of(3, &stored("e 1")) && !read.is_of(3, &stored("e 2")));
        assert!(!read.is_of(3, &ChunkVersion::Missing) && !read.is_of(3, &ChunkVersion::Unknown));
        assert!(
            !read.is_of(1, &ChunkVersion::Missing),
            "nothing is known of chunk 1"
        );
    }

    #[test]
    fn an_array_that_grows_keeps_what_is_known_of_whole_chunks() {
        // Chunk 4 covered two cells and covers four now; chunks 0 and 3 are as they were.
        let before = statistics(10);
        let grown = before.on(statistics(17).grid.clone()).unwrap();
        assert_eq!((grown.known(), grown.grid.count()), (2, 10));
        assert_eq!(grown.chunk(3), before.chunk(3));
        assert_eq!(grown.chunk(4), None);
    }

    #[test]
    fn other_files_are_refused_with_the_reason() {
        let good = encode(&subject(), &statistics(10)).unwrap();
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let other_version = good.iter().copied();
        let other_version: Vec<u8> = other_version.collect();
        let other_version = [
            b"graticule statistics 2 0\n",
            &other_version[other_version.len() - 9..],
        ]
        .concat();
        let cases: Vec<(Vec<u8>, &str)> = vec![
            (vec![], "not a file of statistics"),
            (b"hello\nworld".to_vec(), "not a file of statistics"),
            (vec![0; 4096], "not a file of statistics"),
            (b"graticule statistics\n".to_vec(), "version none"),
            (other_version, "version 2"),
            (good[..good.len() - 5].to_vec(), "damaged"),
            (flipped, "damaged"),
        ];
        for (bytes, reason) in cases {
            let error = decode(&bytes, &subject(), &DataType::Float32).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        for (change, reason) in [
            (("address", "/elsewhere"), "another variable"),
            (("variable", "w"), "another variable"),
            (("decoding", "2"), "decoded in another way"),
        ] {
            let mut other = subject();
            match change.0 {
                "address" => other.address = change.1.to_string(),
                "variable" => other.variable = change.1.to_string(),
                _ => other.decoding = change.1.to_string(),
            }
            let error = decode(&good, &other, &DataType::Float32).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        let error = decode(&good, &subject(), &DataType::Float64).unwrap_err();
        assert!(error.contains("no column minimum"), "{error}");
    }
}
