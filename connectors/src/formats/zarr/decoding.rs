//! From the encoded bytes of a chunk to an Arrow array: the CPU half of reading.
//!
//! [`Decoder`] undoes the codecs on the calling thread, checks the length, and hands the buffer to
//! Arrow without a copy where the memory is aligned. Bytes that are not what the metadata promise
//! are an error in words, never a panic: zarrs panics on garbage in shards inside of shards, which is
//! caught here.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayDataBuilder, ArrayRef, AsArray, BooleanArray, StringBuilder, make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, Int64Type, UInt32Type};
use bytes::Bytes;
use serde_json::Value;
use zarrs::array::{
    ArrayBytes, ArrayBytesRaw, ArrayToBytesCodecTraits, BytesRepresentation, CodecChain,
    CodecOptions, DataType, FillValue,
};
use zarrs::metadata::v3::MetadataV3;

use super::codecs::{Codec, pipeline};
use super::data_type::{CellType, NOT_A_TIME};

/// The largest chunk that is decoded, in bytes.
pub(super) const LARGEST_CHUNK: u64 = 2 << 30;

/// Decodes the chunks of one array.
#[derive(Debug)]
pub(super) struct Decoder {
    cell: CellType,
    chain: CodecChain,
    data_type: DataType,
    fill_value: FillValue,
}

impl Decoder {
    /// A decoder for cells of `cell` behind `codecs`. `fill_value` is in the terms of the stored
    /// values. The error is its cause in words.
    pub(super) fn new(
        cell: &CellType,
        codecs: &[Codec],
        fill_value: &Value,
    ) -> Result<Self, String> {
        let metadata: MetadataV3 =
            serde_json::from_value(cell.zarrs_metadata()).map_err(|error| error.to_string())?;
        let data_type = DataType::from_metadata(&metadata).map_err(|error| error.to_string())?;
        let chain = pipeline(codecs)?;
        Ok(Self {
            cell: cell.clone(),
            fill_value: codec_fill_value(&data_type, fill_value),
            chain,
            data_type,
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
        let values = match decoded {
            ArrayBytes::Fixed(raw) => self.fixed(buffer_of(raw, encoded), cells)?,
            ArrayBytes::Variable(texts) => {
                let (bytes, offsets) = texts.into_parts();
                texts_of(offsets.windows(2).map(|ends| bytes.get(ends[0]..ends[1])))?
            }
            ArrayBytes::Optional(_) => return Err("the values have a mask of their own".into()),
        };
        if values.len() != cells {
            return Err(format!(
                "the chunk has {} cells instead of {cells}",
                values.len()
            ));
        }
        Ok(values)
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

    /// Values of fixed size from `cells` cells in native byte order.
    fn fixed(&self, buffer: Buffer, cells: usize) -> Result<ArrayRef, String> {
        match &self.cell {
            CellType::Number(number) => array_of(number, buffer, cells),
            CellType::Half => {
                let halves = array_of(&ArrowType::Float16, buffer, cells)?;
                cast(&halves, &ArrowType::Float32).map_err(|error| error.to_string())
            }
            CellType::Boolean => {
                let values = buffer.get(..cells).ok_or("the chunk is too short")?;
                let bits = BooleanBuffer::from_iter(values.iter().map(|byte| *byte != 0));
                Ok(Arc::new(BooleanArray::new(bits, None)))
            }
            CellType::FixedBytes { bytes: 1 } => array_of(&self.cell.arrow(), buffer, cells),
            CellType::FixedBytes { bytes } => texts_of(buffer.chunks_exact(*bytes).map(|text| {
                let last = text.iter().rposition(|byte| *byte != 0);
                text.get(..last.map_or(0, |last| last + 1))
            })),
            CellType::FixedText { characters } => {
                let codes = array_of(&ArrowType::UInt32, buffer, cells * characters)?;
                let codes = codes.as_primitive::<UInt32Type>().values();
                let mut texts = StringBuilder::new();
                for text in codes.chunks_exact(*characters) {
                    let last = text.iter().rposition(|code| *code != 0);
                    let used = text.iter().take(last.map_or(0, |last| last + 1));
                    let text: Option<String> = used.map(|code| char::from_u32(*code)).collect();
                    texts.append_value(text.ok_or("a text is not UTF-32")?);
                }
                Ok(Arc::new(texts.finish()))
            }
            CellType::Time { factor, .. } | CellType::Duration { factor, .. } => {
                let counts = multiplied(buffer, cells, *factor)?;
                array_of(&self.cell.arrow(), counts, cells)
            }
            CellType::Text | CellType::Bytes => {
                Err("texts of any length have no fixed size".to_string())
            }
        }
    }
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

/// The decoded bytes as a buffer. Neither a decoder's own memory nor bytes that came as they are
/// get copied.
fn buffer_of(raw: ArrayBytesRaw<'_>, encoded: &Bytes) -> Buffer {
    match raw {
        Cow::Owned(bytes) => Buffer::from_vec(bytes),
        Cow::Borrowed(bytes) => Buffer::from(encoded.slice_ref(bytes)),
    }
}

/// Copies only where the memory is not aligned for the type.
fn array_of(data_type: &ArrowType, buffer: Buffer, cells: usize) -> Result<ArrayRef, String> {
    ArrayDataBuilder::new(data_type.clone())
        .len(cells)
        .add_buffer(buffer)
        .align_buffers(true)
        .build()
        .map(make_array)
        .map_err(|error| error.to_string())
}

/// Counts times `factor`, where "not a time" stays what it is.
fn multiplied(buffer: Buffer, cells: usize, factor: i64) -> Result<Buffer, String> {
    if factor == 1 {
        return Ok(buffer);
    }
    let counts = array_of(&ArrowType::Int64, buffer, cells)?;
    let counts = counts.as_primitive::<Int64Type>().values().iter();
    let multiplied: Option<Vec<i64>> = counts
        .map(|count| match *count {
            NOT_A_TIME => Some(NOT_A_TIME),
            count => count.checked_mul(factor),
        })
        .collect();
    multiplied
        .map(Buffer::from_vec)
        .ok_or_else(|| "a time is too far from 1970".to_string())
}

/// Texts; bytes that are not UTF-8 show as the replacement character.
fn texts_of<'a>(texts: impl Iterator<Item = Option<&'a [u8]>>) -> Result<ArrayRef, String> {
    let mut builder = StringBuilder::new();
    for text in texts {
        let text = text.ok_or("a text reaches beyond the chunk")?;
        builder.append_value(String::from_utf8_lossy(text));
    }
    Ok(Arc::new(builder.finish()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::datatypes::Float64Type;
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
