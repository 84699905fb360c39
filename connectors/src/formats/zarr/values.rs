//! Decoded cells, bytes in native order, as Arrow arrays: [`values_of`].
//!
//! ```text
//!  ArrayBytes::Fixed     [ cell, cell, … ]             numbers share the buffer where it is aligned
//!             Variable   [ bytes ] and where cells end  texts and lists
//!             Optional   one of these and a mask        NULL where the mask is 0
//! ```

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayDataBuilder, ArrayRef, AsArray, BooleanArray, ListArray, StringBuilder, make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, Field, Int64Type, UInt32Type};
use bytes::Bytes;
use zarrs::array::{ArrayBytes, ArrayBytesRaw};

use super::data_type::{CellType, NOT_A_TIME};
use super::numbers::Numbers;

/// The `cells` cells of type `cell` in `decoded`, which was made of `encoded`. The error is its cause in
/// words.
pub(super) fn values_of(
    cell: &CellType,
    decoded: ArrayBytes<'_>,
    encoded: &Bytes,
    cells: usize,
) -> Result<ArrayRef, String> {
    match (cell, decoded) {
        (CellType::Optional(cell), ArrayBytes::Optional(masked)) => {
            let (values, mask) = masked.into_parts();
            with_mask(&values_of(cell, *values, encoded, cells)?, &mask)
        }
        (_, ArrayBytes::Optional(_)) => Err("the values have a mask of their own".to_string()),
        (_, ArrayBytes::Fixed(raw)) => fixed(cell, buffer_of(raw, encoded), cells),
        (CellType::Lists(numbers), ArrayBytes::Variable(lists)) => {
            let (bytes, ends) = lists.into_parts();
            lists_of(*numbers, bytes.into_owned(), &ends)
        }
        (_, ArrayBytes::Variable(texts)) => {
            let (bytes, offsets) = texts.into_parts();
            texts_of(offsets.windows(2).map(|ends| bytes.get(ends[0]..ends[1])))
        }
    }
}

/// Values of fixed size from `cells` cells in native byte order.
fn fixed(cell: &CellType, buffer: Buffer, cells: usize) -> Result<ArrayRef, String> {
    match cell {
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
        CellType::FixedBytes { bytes: 1 } => array_of(&cell.arrow(), buffer, cells),
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
            array_of(&cell.arrow(), counts, cells)
        }
        CellType::Text | CellType::Bytes | CellType::Lists(_) | CellType::Optional(_) => {
            Err("the cells have no fixed size".to_string())
        }
    }
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

/// Lists of numbers: `ends` are bytes at which lists begin and the last one ends.
fn lists_of(numbers: Numbers, bytes: Vec<u8>, ends: &[usize]) -> Result<ArrayRef, String> {
    let width = numbers.bytes();
    let count = bytes.len() / width;
    let ends: Result<Vec<i32>, _> = ends.iter().map(|end| i32::try_from(end / width)).collect();
    let ends = ends.map_err(|_| "the lists hold more numbers than can be counted")?;
    let element = Arc::new(Field::new_list_field(numbers.arrow(), false));
    let numbers = array_of(&numbers.arrow(), Buffer::from_vec(bytes), count)?;
    let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
    let lists = ListArray::try_new(element, ends, numbers, None);
    Ok(Arc::new(lists.map_err(|error| error.to_string())?))
}

/// The same values, NULL where `mask` is 0 too.
fn with_mask(values: &ArrayRef, mask: &[u8]) -> Result<ArrayRef, String> {
    let valid = BooleanBuffer::from_iter(mask.iter().map(|cell| *cell != 0));
    let valid = NullBuffer::union(values.nulls(), Some(&NullBuffer::new(valid)));
    let masked = values.to_data().into_builder();
    let masked = masked.nulls(valid).build();
    masked.map(make_array).map_err(|error| error.to_string())
}
