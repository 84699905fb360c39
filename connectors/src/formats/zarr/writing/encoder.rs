//! From the values of a shard to the bytes of its object: [`ArrayEncoder`], the CPU half of writing.
//!
//! ```text
//!  values of a shard ──┬─ cut ─▶ chunk ─▶ all fill value? ─▶ nothing
//!                      │                └▶ CodecChain ─▶ bytes ┐
//!                      └─ cut ─▶ …                             ├─▶ [ chunk ][ chunk ]…[ index, crc32c ]
//!                                                              ┘     without shards: the bytes alone
//! ```
//!
//! One thread encodes a shard: the engine's partitions are the parallelism.

use std::num::NonZeroU64;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType as ArrowType;
use bytes::Bytes;
use graticule_engine::sink::TargetArray;
use serde_json::{Value, json};
use zarrs::array::codec::api::{ArrayToBytesCodecTraits, BytesToBytesCodecTraits};
use zarrs::array::codec::{BytesCodec, Crc32cCodec, VlenUtf8Codec};
use zarrs::array::{CodecChain, DataType, FillValue};
use zarrs::metadata::v3::MetadataV3;

use super::super::data_type::CellType;
use super::super::decoding::{CODEC_OPTIONS, LARGEST_CHUNK};
use super::compression::Compression;
use crate::writing::boxes::CellBox;
use crate::writing::cells::{Cells, Fill};

/// Offset and length of a chunk that is not stored, in the index of a shard.
const ABSENT: u64 = u64::MAX;

/// Encodes the shards of one array.
#[derive(Debug)]
pub(super) struct ArrayEncoder {
    cell: CellType,
    shape: Vec<u64>,
    chunk: Vec<usize>,
    /// Chunks of a shard along each dimension, of an array with shards.
    chunks_per_shard: Option<Vec<usize>>,
    compression: Compression,
    chain: CodecChain,
    checksum: Crc32cCodec,
    data_type: DataType,
    fill_value: FillValue,
    fill: Fill,
}

impl ArrayEncoder {
    /// An encoder for `array`. The error is its cause in words.
    pub(super) fn new(array: &TargetArray) -> Result<Self, String> {
        let cell = cell_type(&array.data_type)?;
        check_shape(array)?;
        let compression = match &array.codec {
            Some(text) => Compression::parse(text)?,
            None => Compression::DEFAULT,
        };
        let width = width(&cell);
        let metadata: MetadataV3 =
            serde_json::from_value(cell.zarrs_metadata()).map_err(|error| error.to_string())?;
        let data_type = DataType::from_metadata(&metadata).map_err(|error| error.to_string())?;
        let fill_value = fill_value(&data_type, &stored_fill_value(array))?;
        let to_bytes: Arc<dyn ArrayToBytesCodecTraits> = match cell {
            CellType::Text => Arc::new(VlenUtf8Codec::new()),
            _ => Arc::new(BytesCodec::little()),
        };
        let compressor = compression.codec(width)?;
        let chunk = sizes(&array.chunks)?;
        let cell_bytes = cell.cell_bytes();
        let chunk_bytes = array
            .chunks
            .iter()
            .try_fold(cell_bytes, |a, b| a.checked_mul(*b));
        if chunk_bytes.is_none_or(|bytes| bytes > LARGEST_CHUNK) {
            return Err(format!(
                "chunks of {:?} cells are larger than {LARGEST_CHUNK} bytes",
                array.chunks
            ));
        }
        let chunks_per_shard = match &array.shards {
            None => None,
            Some(shards) => {
                let counts: Vec<u64> = shards
                    .iter()
                    .zip(&array.chunks)
                    .map(|(a, b)| a / b)
                    .collect();
                Some(sizes(&counts)?)
            }
        };
        Ok(Self {
            shape: array.shape.clone(),
            chunk,
            chunks_per_shard,
            compression,
            chain: CodecChain::new(Vec::new(), to_bytes, compressor.into_iter().collect()),
            checksum: Crc32cCodec::new(),
            fill: Fill {
                bytes: fill_value.as_ne_bytes().to_vec(),
                is_nan: is_nan(&array.data_type, fill_value.as_ne_bytes()),
            },
            fill_value,
            data_type,
            cell,
        })
    }

    /// The type of the cells.
    pub(super) fn cell(&self) -> &CellType {
        &self.cell
    }

    /// Bytes of a cell, 1 for texts.
    pub(super) fn width(&self) -> usize {
        width(&self.cell)
    }

    pub(super) fn compression(&self) -> Compression {
        self.compression
    }

    /// Encodes the shard at `index` from its `values`, of `extent` cells along each dimension. `None`
    /// when all of them have the fill value, unless `always`. The error is its cause in words.
    pub(super) fn encode(
        &self,
        index: &[u64],
        values: &ArrayRef,
        extent: &[usize],
        always: bool,
    ) -> Result<Option<Bytes>, String> {
        self.check(index, values, extent)?;
        let cells = Cells::of(values)?;
        let encoded = match &self.chunks_per_shard {
            None => {
                let whole = CellBox {
                    source: extent,
                    start: vec![0; extent.len()],
                    count: extent.to_vec(),
                };
                self.encode_chunk(&cells, &whole, always)?
            }
            Some(counts) => self.encode_shard(&cells, extent, counts, always)?,
        };
        Ok(encoded.map(Bytes::from))
    }

    fn check(&self, index: &[u64], values: &ArrayRef, extent: &[usize]) -> Result<(), String> {
        if values.data_type() != &self.cell.arrow() {
            let expected = self.cell.arrow();
            return Err(format!(
                "values are of type {}, not {expected}",
                values.data_type()
            ));
        }
        let rank = self.shape.len();
        let expected = (index.len() == rank).then(|| self.extent(index)).flatten();
        if expected.as_deref() != Some(extent) {
            return Err(format!(
                "values of {extent:?} cells are no shard of an array of {:?} cells",
                self.shape
            ));
        }
        match values.len() == extent.iter().product::<usize>() {
            true => Ok(()),
            false => Err(format!(
                "{} values cannot be {extent:?} cells",
                values.len()
            )),
        }
    }

    /// The cells along each dimension that the shard at `index` has of the array.
    fn extent(&self, index: &[u64]) -> Option<Vec<usize>> {
        let axes = index.iter().zip(&self.shape).enumerate();
        let extent = axes.map(|(axis, (at, length))| {
            let chunks = self
                .chunks_per_shard
                .as_ref()
                .map_or(1, |counts| counts[axis]);
            let object = (self.chunk[axis] * chunks) as u64;
            let rest = length.checked_sub(at.checked_mul(object)?)?;
            usize::try_from(rest.min(object))
                .ok()
                .filter(|cells| *cells > 0)
        });
        extent.collect()
    }

    fn encode_chunk(
        &self,
        cells: &Cells<'_>,
        part: &CellBox<'_>,
        always: bool,
    ) -> Result<Option<Vec<u8>>, String> {
        let chunk = cells.cut(part, &self.chunk, &self.fill);
        if !always && chunk.are_all(&self.fill) {
            return Ok(None);
        }
        let shape: Option<Vec<NonZeroU64>> = self
            .chunk
            .iter()
            .map(|size| NonZeroU64::new(*size as u64))
            .collect();
        let encoded = self.chain.encode(
            chunk.as_array_bytes()?,
            &shape.ok_or("a chunk size is 0")?,
            &self.data_type,
            &self.fill_value,
            &CODEC_OPTIONS,
        );
        let encoded = encoded.map_err(|error| error.to_string())?;
        Ok(Some(encoded.into_owned()))
    }

    fn encode_shard(
        &self,
        cells: &Cells<'_>,
        extent: &[usize],
        counts: &[usize],
        always: bool,
    ) -> Result<Option<Vec<u8>>, String> {
        let mut shard = Vec::new();
        let mut places = Vec::new();
        let mut is_empty = true;
        for number in 0..counts.iter().product::<usize>() {
            let start = self.start_of_chunk(number, counts);
            let axes = start.iter().zip(extent).zip(&self.chunk);
            let count = axes.map(|((start, end), chunk)| end.saturating_sub(*start).min(*chunk));
            let part = CellBox {
                source: extent,
                count: count.collect(),
                start,
            };
            // Chunks beyond the end of the array are never stored.
            let encoded = match part.cells() {
                0 => None,
                _ => self.encode_chunk(cells, &part, always)?,
            };
            let place = match encoded {
                None => (ABSENT, ABSENT),
                Some(encoded) => {
                    is_empty = false;
                    let offset = shard.len() as u64;
                    shard.extend_from_slice(&encoded);
                    (offset, encoded.len() as u64)
                }
            };
            places.extend_from_slice(&place.0.to_le_bytes());
            places.extend_from_slice(&place.1.to_le_bytes());
        }
        if is_empty {
            return Ok(None);
        }
        let index = self.checksum.encode(places.into(), &CODEC_OPTIONS);
        shard.extend_from_slice(&index.map_err(|error| error.to_string())?);
        Ok(Some(shard))
    }

    /// The first cell of chunk number `number` of a shard.
    fn start_of_chunk(&self, mut number: usize, counts: &[usize]) -> Vec<usize> {
        let mut start = vec![0; counts.len()];
        for axis in (0..counts.len()).rev() {
            start[axis] = number % counts[axis] * self.chunk[axis];
            number /= counts[axis];
        }
        start
    }
}

fn cell_type(data_type: &ArrowType) -> Result<CellType, String> {
    match data_type {
        ArrowType::Int8
        | ArrowType::Int16
        | ArrowType::Int32
        | ArrowType::Int64
        | ArrowType::UInt8
        | ArrowType::UInt16
        | ArrowType::UInt32
        | ArrowType::UInt64
        | ArrowType::Float32
        | ArrowType::Float64 => Ok(CellType::Number(data_type.clone())),
        ArrowType::Boolean => Ok(CellType::Boolean),
        ArrowType::Utf8 => Ok(CellType::Text),
        _ => Err(format!(
            "values of type {data_type} cannot be stored in Zarr"
        )),
    }
}

fn width(cell: &CellType) -> usize {
    match cell {
        CellType::Text => 1,
        _ => cell.cell_bytes() as usize,
    }
}

fn check_shape(array: &TargetArray) -> Result<(), String> {
    let rank = array.shape.len();
    let lengths = [
        ("dimension names", array.dimensions.len()),
        ("chunk sizes", array.chunks.len()),
        ("shard sizes", array.shards.as_ref().map_or(rank, Vec::len)),
    ];
    for (what, length) in lengths {
        if length != rank {
            return Err(format!(
                "the array has {rank} dimensions, but {length} {what}"
            ));
        }
    }
    if array.chunks.contains(&0) {
        return Err("a chunk size is 0".to_string());
    }
    let cells = array
        .shape
        .iter()
        .try_fold(1_u64, |cells, length| cells.checked_mul(*length));
    if cells.is_none_or(|cells| i64::try_from(cells).is_err()) {
        return Err(format!(
            "the shape {:?} has too many cells to count",
            array.shape
        ));
    }
    let Some(shards) = &array.shards else {
        return Ok(());
    };
    let mut sizes = shards.iter().zip(&array.chunks);
    match sizes.all(|(shard, chunk)| *shard > 0 && shard % chunk == 0) {
        true => Ok(()),
        false => Err(format!(
            "shards of {shards:?} cells cannot be cut into chunks of {:?}",
            array.chunks
        )),
    }
}

fn sizes(sizes: &[u64]) -> Result<Vec<usize>, String> {
    let sizes: Option<Vec<usize>> = sizes
        .iter()
        .map(|size| usize::try_from(*size).ok())
        .collect();
    sizes.ok_or_else(|| "a size is too large".to_string())
}

/// The fill value that goes into the metadata: Zarr v3 has no array without.
pub(super) fn stored_fill_value(array: &TargetArray) -> Value {
    match (&array.fill_value, &array.data_type) {
        (Value::Null, ArrowType::Boolean) => json!(false),
        (Value::Null, ArrowType::Utf8) => json!(""),
        (Value::Null, _) => json!(0),
        (Value::Number(number), data_type) if data_type.is_floating() => {
            json!(number.as_f64())
        }
        (value, _) => value.clone(),
    }
}

fn fill_value(data_type: &DataType, stored: &Value) -> Result<FillValue, String> {
    let metadata = serde_json::from_value(stored.clone());
    let value = metadata
        .ok()
        .and_then(|metadata| data_type.fill_value_v3(&metadata).ok());
    value.ok_or_else(|| format!("the fill value {stored} is not a value of the array's type"))
}

fn is_nan(data_type: &ArrowType, bytes: &[u8]) -> bool {
    match data_type {
        ArrowType::Float32 => bytes
            .try_into()
            .is_ok_and(|bytes| f32::from_ne_bytes(bytes).is_nan()),
        ArrowType::Float64 => bytes
            .try_into()
            .is_ok_and(|bytes| f64::from_ne_bytes(bytes).is_nan()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::Int16Array;
    use graticule_engine::source::Attributes;

    use super::*;

    fn array(shards: Option<Vec<u64>>) -> TargetArray {
        TargetArray {
            name: "v".to_string(),
            dimensions: vec!["y".to_string(), "x".to_string()],
            shape: vec![3, 5],
            chunks: vec![2, 2],
            shards,
            data_type: ArrowType::Int16,
            fill_value: json!(-1),
            codec: Some("none".to_string()),
            attributes: Attributes::new(),
        }
    }

    fn values(values: &[i16]) -> ArrayRef {
        Arc::new(Int16Array::from(values.to_vec()))
    }

    fn numbers(bytes: &[u8]) -> Vec<i16> {
        let numbers = bytes.as_chunks().0.iter();
        numbers.map(|bytes| i16::from_le_bytes(*bytes)).collect()
    }

    #[test]
    fn chunks_at_an_edge_are_padded_with_the_fill_value() {
        let encoder = ArrayEncoder::new(&array(None)).unwrap();
        let encode = |index: &[u64], cells: &[i16], extent: &[usize], always| {
            let encoded = encoder.encode(index, &values(cells), extent, always);
            encoded.unwrap().map(|bytes| numbers(&bytes))
        };
        assert_eq!(
            encode(&[0, 1], &[1, 2, 3, 4], &[2, 2], false),
            Some(vec![1, 2, 3, 4])
        );
        assert_eq!(
            encode(&[1, 2], &[7], &[1, 1], false),
            Some(vec![7, -1, -1, -1])
        );
        assert_eq!(
            encode(&[0, 2], &[7, 8], &[2, 1], false),
            Some(vec![7, -1, 8, -1])
        );
        assert_eq!(encode(&[1, 2], &[-1], &[1, 1], false), None);
        assert_eq!(encode(&[1, 2], &[-1], &[1, 1], true), Some(vec![-1; 4]));
    }

    #[test]
    fn shards_hold_the_chunks_that_are_needed_and_an_index() {
        let encoder = ArrayEncoder::new(&array(Some(vec![4, 4]))).unwrap();
        // The shard at the right: 3 × 1 cells of 4 × 4, that is chunks 0 and 2 of 4.
        let encode = |cells: &[i16], always| {
            encoder
                .encode(&[0, 1], &values(cells), &[3, 1], always)
                .unwrap()
        };
        let shard = encode(&[5, 6, 7], false).unwrap();
        let index = 4 * 16 + 4;
        let (chunks, index) = shard.split_at(shard.len() - index);
        assert_eq!(numbers(chunks), [5, -1, 6, -1, 7, -1, -1, -1]);
        let (places, checksum) = index.split_at(64);
        let places: Vec<u64> = places
            .as_chunks()
            .0
            .iter()
            .map(|n| u64::from_le_bytes(*n))
            .collect();
        assert_eq!(places, [0, 8, ABSENT, ABSENT, 8, 8, ABSENT, ABSENT]);
        assert_eq!(checksum.len(), 4);

        // A chunk of nothing but the fill value is not there.
        let shard = encode(&[-1, -1, 7], false).unwrap();
        assert_eq!(numbers(&shard[..8]), [7, -1, -1, -1]);
        assert_eq!(shard.len(), 8 + 68);
        assert_eq!(encode(&[-1, -1, -1], false), None);
        assert_eq!(encode(&[-1, -1, -1], true).unwrap().len(), 16 + 68);
    }
}
