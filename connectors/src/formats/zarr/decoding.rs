//! From the encoded bytes of a chunk to an Arrow array: the CPU half of reading.
//!
//! [`Decoder`] undoes the codecs on the calling thread and checks the length; [`values_of`] makes an
//! Arrow array of what comes out. Bytes that are not what the metadata promise are an error in words,
//! never a panic: zarrs panics on garbage in shards inside of shards, which is caught here.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use arrow::array::{Array, ArrayRef};
use bytes::Bytes;
use serde_json::Value;
use zarrs::array::{
    ArrayBytes, ArrayToBytesCodecTraits, BytesRepresentation, CodecChain, CodecOptions, DataType,
    FillValue,
};
use zarrs::metadata::v3::MetadataV3;

use super::codecs::{Codec, are_numbers_in_blosc, pipeline};
use super::data_type::CellType;
use super::values::values_of;
use crate::formats::blosc;

/// The largest chunk that is decoded, in bytes.
pub(super) const LARGEST_CHUNK: u64 = 2 << 30;

/// Decodes the chunks of one array.
#[derive(Debug)]
pub(super) struct Decoder {
    cell: CellType,
    chain: CodecChain,
    data_type: DataType,
    fill_value: FillValue,
    /// Can a part of a chunk be decoded alone?
    has_parts: bool,
}

impl Decoder {
    /// A decoder for cells of `cell` behind `codecs`. `fill_value` is in the terms of the stored
    /// values. The error is its cause in words.
    pub(super) fn new(
        cell: &CellType,
        codecs: &[Codec],
        fill_value: &Value,
    ) -> Result<Self, String> {
        let data_type = type_of(cell)?;
        let chain = pipeline(codecs)?;
        Ok(Self {
            cell: cell.clone(),
            fill_value: codec_fill_value(&data_type, fill_value),
            chain,
            data_type,
            has_parts: matches!(cell, CellType::Number(_)) && are_numbers_in_blosc(codecs),
        })
    }

    /// Is a chunk of `shape` small enough? The error is its cause in words.
    pub(super) fn check_size(&self, shape: &[u64]) -> Result<(), String> {
        let bytes = shape
            .iter()
            .try_fold(self.cell.cell_bytes(), |bytes, size| {
                bytes.checked_mul(*size)
            });
        match bytes {
            Some(bytes) if bytes <= LARGEST_CHUNK => Ok(()),
            _ => Err(format!(
                "a chunk of {shape:?} cells is larger than {LARGEST_CHUNK} bytes, the most that is decoded at once"
            )),
        }
    }

    /// Decodes a chunk of `shape`. The error is its cause in words.
    pub(super) fn decode(&self, encoded: &Bytes, shape: &[u64]) -> Result<ArrayRef, String> {
        self.check_size(shape)?;
        let cells = shape.iter().product::<u64>() as usize;
        let decode = AssertUnwindSafe(|| self.decode_bytes(encoded, shape));
        let decoded = catch_unwind(decode)
            .map_err(|_| "the bytes are not a chunk of this array".to_string())??;
        let values = values_of(&self.cell, decoded, encoded, cells)?;
        if values.len() != cells {
            return Err(format!(
                "the chunk has {} cells instead of {cells}",
                values.len()
            ));
        }
        Ok(values)
    }

    /// Decodes the cells of a chunk of `shape` at the positions `rows` along its first dimension. `None` where that is
    /// no less work than to decode all of them. The error is its cause in words.
    pub(super) fn decode_rows(
        &self,
        encoded: &Bytes,
        shape: &[u64],
        rows: Range<u64>,
    ) -> Option<Result<ArrayRef, String>> {
        if !self.has_parts || self.check_size(shape).is_err() {
            return None;
        }
        let (count, inner) = shape.split_first()?;
        let row_cells = inner.iter().product::<u64>();
        let row_bytes = row_cells * self.cell.cell_bytes();
        let part = (rows.start * row_bytes) as usize..(rows.end * row_bytes) as usize;
        let decoded = blosc::decompress_part(encoded, count * row_bytes, part)?;
        let cells = ((rows.end - rows.start) * row_cells) as usize;
        Some(decoded.and_then(|bytes| {
            let bytes = ArrayBytes::Fixed(Cow::Owned(bytes));
            values_of(&self.cell, bytes, encoded, cells)
        }))
    }

    /// Bytes that a chunk of `shape` has as stored, where that does not depend on its values.
    pub(super) fn encoded_size(&self, shape: &[u64]) -> Result<Option<u64>, String> {
        let shape = positive(shape)?;
        let size = self
            .chain
            .encoded_representation(&shape, &self.data_type, &self.fill_value)
            .map_err(|error| error.to_string())?;
        Ok(match size {
            BytesRepresentation::FixedSize(size) => Some(size),
            _ => None,
        })
    }

    fn decode_bytes<'a>(
        &self,
        encoded: &'a Bytes,
        shape: &[u64],
    ) -> Result<ArrayBytes<'a>, String> {
        self.chain
            .decode(
                Cow::Borrowed(encoded.as_ref()),
                &positive(shape)?,
                &self.data_type,
                &self.fill_value,
                &CODEC_OPTIONS,
            )
            .map_err(|error| error.to_string())
    }
}

/// The type that the codecs work on.
fn type_of(cell: &CellType) -> Result<DataType, String> {
    if let CellType::Optional(values) = cell {
        return Ok(type_of(values)?.to_optional());
    }
    let metadata: MetadataV3 =
        serde_json::from_value(cell.zarrs_metadata()).map_err(|error| error.to_string())?;
    DataType::from_metadata(&metadata).map_err(|error| error.to_string())
}

fn positive(shape: &[u64]) -> Result<Vec<NonZeroU64>, String> {
    let shape: Option<Vec<NonZeroU64>> = shape.iter().map(|n| NonZeroU64::new(*n)).collect();
    shape.ok_or_else(|| "a chunk size is 0".to_string())
}

/// Checksums are validated, and each chunk is decoded by one thread: the engine's partitions are
/// the parallelism. Built inside a pool of its own, because zarrs asks rayon for its number of
/// threads, which would start rayon's global pool.
pub(super) static CODEC_OPTIONS: LazyLock<CodecOptions> = LazyLock::new(|| {
    let options = || CodecOptions::default().with_concurrent_target(1);
    match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool.install(options),
        Err(_) => options(),
    }
});

/// The fill value for codecs that need one. What is not a value of the type counts as zero: no
/// codec looks at it then, because the engine fills missing chunks itself.
fn codec_fill_value(data_type: &DataType, fill_value: &Value) -> FillValue {
    serde_json::from_value(fill_value.clone())
        .ok()
        .and_then(|metadata| data_type.fill_value_v3(&metadata).ok())
        .unwrap_or_else(|| FillValue::new(vec![0; data_type.fixed_size().unwrap_or(0)]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::{DataType as ArrowType, Float64Type};
    use serde_json::json;

    /// What is stored as it is in memory is not copied; what is not aligned is, once.
    #[test]
    fn plain_values_are_not_copied() {
        let codecs = json!([{"name": "bytes", "configuration": {"endian": "little"}}]);
        let codecs = Codec::list_of_v3(Some(&codecs)).unwrap();
        let decoder =
            Decoder::new(&CellType::Number(ArrowType::Float64), &codecs, &json!(0)).unwrap();
        let numbers = [0.5_f64, 1.5, 2.5];
        let stored: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        for shift in 0..8 {
            let mut memory = vec![0; 40];
            let start = memory.as_ptr().align_offset(8) + shift;
            memory[start..start + 24].copy_from_slice(&stored);
            let encoded = Bytes::from(memory).slice(start..start + 24);
            let is_aligned = encoded.as_ptr().align_offset(8) == 0;
            let values = decoder.decode(&encoded, &[3]).unwrap();
            assert_eq!(values.as_primitive::<Float64Type>().values(), &numbers);
            let is_same = values.to_data().buffers()[0].as_ptr() == encoded.as_ptr();
            assert_eq!(is_same, is_aligned);
        }
    }
}
