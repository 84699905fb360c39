//! Character arrays: texts stored as one character per cell along a trailing dimension.
//!
//! ```text
//!  station(station, length)   ['O','s','l','o',0,0]  ──▶  station(station)   'Oslo'
//! ```

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, FixedSizeBinaryArray, StringArray};
use arrow::buffer::Buffer;
use arrow::datatypes::DataType;

use crate::error::{CubeError, CubeResult};
use crate::source::RawChunk;

/// The stored type of one character.
pub(in crate::cube) const CHARACTER: DataType = DataType::FixedSizeBinary(1);

/// Joins the characters along the last dimension to texts, without the NUL bytes at their ends.
/// Bytes that are not UTF-8 are read as Latin-1, as older files have them.
///
/// Returns one text per cell of the leading dimensions, and the shape of those.
///
/// # Errors
/// The values are no characters.
pub(super) fn texts(raw: &RawChunk) -> CubeResult<(ArrayRef, Vec<usize>)> {
    let bytes = bytes(&raw.values)?;
    let (length, shape) = match raw.shape.split_last() {
        Some((length, shape)) => (*length, shape.to_vec()),
        None => (1, Vec::new()),
    };
    let count: usize = shape.iter().product();
    let texts = (0..count).map(|cell| text(&bytes[cell * length..(cell + 1) * length]));
    Ok((Arc::new(StringArray::from_iter_values(texts)), shape))
}

fn text(characters: &[u8]) -> String {
    let end = characters.iter().rposition(|byte| *byte != 0);
    let characters = &characters[..end.map_or(0, |end| end + 1)];
    match std::str::from_utf8(characters) {
        Ok(text) => text.to_string(),
        Err(_) => characters.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// `count` NUL characters: the piece of a text whose chunk is not stored.
pub(in crate::cube) fn blank(count: usize) -> CubeResult<ArrayRef> {
    characters(vec![0; count])
}

/// The leading corner of `raw` that has `shape`: formats may pad the chunks at an edge.
///
/// # Errors
/// The chunk is smaller than `shape`, or its values are no characters.
pub(in crate::cube) fn crop(raw: &RawChunk, shape: &[usize]) -> CubeResult<RawChunk> {
    let fits = raw.shape.len() == shape.len()
        && raw.shape.iter().zip(shape).all(|(have, need)| have >= need);
    if !fits {
        let cause = format!("the chunk has shape {:?} instead of {shape:?}", raw.shape);
        return Err(CubeError::corrupt("", cause));
    }
    let mut cropped = Vec::with_capacity(shape.iter().product());
    copy_corner(bytes(&raw.values)?, &raw.shape, shape, &mut cropped);
    Ok(RawChunk {
        values: characters(cropped)?,
        shape: shape.to_vec(),
    })
}

fn copy_corner(from: &[u8], stored: &[usize], wanted: &[usize], to: &mut Vec<u8>) {
    match (stored, wanted) {
        ([_, stored @ ..], [count, wanted @ ..]) => {
            let step: usize = stored.iter().product();
            for start in 0..*count {
                copy_corner(&from[start * step..(start + 1) * step], stored, wanted, to);
            }
        }
        _ => to.extend_from_slice(from),
    }
}

/// Joins pieces of equal leading shape along their last dimension.
///
/// # Errors
/// The values are no characters.
pub(in crate::cube) fn join(pieces: &[RawChunk]) -> CubeResult<RawChunk> {
    let mut shape = pieces.first().map_or_else(Vec::new, |p| p.shape.clone());
    let last_length = |piece: &RawChunk| piece.shape.last().copied().unwrap_or(0);
    let rows: usize = shape.iter().take(shape.len().saturating_sub(1)).product();
    let parts: Vec<(&[u8], usize)> = pieces
        .iter()
        .map(|piece| Ok((bytes(&piece.values)?, last_length(piece))))
        .collect::<CubeResult<_>>()?;
    let mut joined = Vec::new();
    for row in 0..rows {
        for (bytes, length) in &parts {
            joined.extend_from_slice(&bytes[row * length..(row + 1) * length]);
        }
    }
    if let Some(last) = shape.last_mut() {
        *last = pieces.iter().map(last_length).sum();
    }
    Ok(RawChunk {
        values: characters(joined)?,
        shape,
    })
}

fn bytes(values: &ArrayRef) -> CubeResult<&[u8]> {
    let array = values.as_any().downcast_ref::<FixedSizeBinaryArray>();
    let array = array.filter(|array| array.value_length() == 1);
    let array = array.ok_or_else(|| {
        let cause = format!(
            "expected characters, the chunk holds {}",
            values.data_type()
        );
        CubeError::corrupt("", cause)
    })?;
    Ok(&array.value_data()[..array.len()])
}

fn characters(bytes: Vec<u8>) -> CubeResult<ArrayRef> {
    let array = FixedSizeBinaryArray::try_new(1, Buffer::from_vec(bytes), None);
    Ok(Arc::new(
        array.map_err(|error| CubeError::corrupt("", error))?,
    ))
}
