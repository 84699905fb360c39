//! Texts as CF has them in files: arrays of characters with one more dimension, [`as_characters`], [`characters`].
//!
//! ```text
//!  name(station): "Wien", "Graz"   ─▶   name(station, string8): W i e n 0 0 0 0  G r a z 0 0 0 0
//! ```

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray};
use arrow::buffer::Buffer;
use arrow::datatypes::DataType;
use graticule_engine::sink::TargetArray;
use graticule_engine::source::Options;
use serde_json::json;

/// The option that says how many bytes a text has, at most.
pub(super) const TEXT_BYTES: &str = "text_bytes";

/// Bytes of a text where nobody says how many.
const DEFAULT: u64 = 64;

/// Bytes of a chunk, at most: each is in memory as a whole.
const CHUNK_BYTES: u64 = 256 << 20;

/// The type of a character.
pub(super) const CHARACTER: DataType = DataType::FixedSizeBinary(1);

/// How many bytes a text has, at most. The error is its cause in words.
pub(super) fn text_bytes(options: &Options) -> Result<u64, String> {
    let Some(text) = options.get(TEXT_BYTES) else {
        return Ok(DEFAULT);
    };
    let bytes = text.trim().parse().ok();
    let bytes = bytes.filter(|bytes| (1..=u64::from(u16::MAX)).contains(bytes));
    bytes.ok_or_else(|| format!("{TEXT_BYTES} = '{text}' is no number from 1 to 65535"))
}

/// The array of characters that an array of texts is stored as; other arrays stay as they are. The error is its cause
/// in words.
pub(super) fn as_characters(mut array: TargetArray, bytes: u64) -> Result<TargetArray, String> {
    if array.data_type != DataType::Utf8 {
        return Ok(array);
    }
    if array.dimensions.contains(&array.name) {
        return Err(
            "a dimension of NetCDF has no texts as its coordinates; number it, keep the texts as a variable beside it, \
             or write Zarr"
                .to_string(),
        );
    }
    let cells: u64 = array.chunks.iter().product();
    if cells.saturating_mul(bytes) > CHUNK_BYTES {
        return Err(format!(
            "a chunk of {cells} texts of {bytes} bytes is larger than {} MiB; choose smaller chunks, or a smaller {TEXT_BYTES}",
            CHUNK_BYTES >> 20
        ));
    }
    array.data_type = CHARACTER;
    array.dimensions.push(format!("string{bytes}"));
    array.shape.push(bytes);
    array.chunks.push(bytes);
    // What xarray and netCDF4 decode by.
    array
        .attributes
        .insert("_Encoding".to_string(), json!("utf-8"));
    Ok(array)
}

/// The characters of texts, `bytes` of each, the rest of them zero. The error is its cause in words.
pub(super) fn characters(texts: &ArrayRef, bytes: usize) -> Result<ArrayRef, String> {
    let mut characters = vec![0; texts.len() * bytes];
    let cells = characters.chunks_exact_mut(bytes);
    for (text, cell) in texts.as_string::<i32>().iter().zip(cells) {
        let text = text.unwrap_or_default().as_bytes();
        let place = cell.get_mut(..text.len()).ok_or_else(|| {
            format!(
                "a text of {} bytes is longer than the {bytes} that each has; say {TEXT_BYTES} = '{}' or more",
                text.len(),
                text.len()
            )
        })?;
        place.copy_from_slice(text);
    }
    let characters = FixedSizeBinaryArray::try_new(1, Buffer::from_vec(characters), None);
    Ok(Arc::new(characters.map_err(|error| error.to_string())?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::StringArray;

    use super::*;

    #[test]
    fn texts_fit_or_are_refused() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["ab", "", "ü"]));
        let found = characters(&texts, 2).unwrap();
        let found = found.as_fixed_size_binary().value_data();
        assert_eq!(found, b"ab\0\0\xc3\xbc");
        let error = characters(&texts, 1).unwrap_err();
        assert!(error.contains("say text_bytes = '2'"), "{error}");
    }

    #[test]
    fn numbers_of_bytes() {
        let of =
            |text: &str| text_bytes(&Options::from([(TEXT_BYTES.to_string(), text.to_string())]));
        assert_eq!(text_bytes(&Options::new()), Ok(DEFAULT));
        assert_eq!(of("12"), Ok(12));
        for text in ["0", "many", "65536"] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
