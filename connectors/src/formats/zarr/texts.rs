//! Texts of any length: [`Texts`], the codec `vlen-utf8` and its like, and [`TextsApart`], `zarrs.vlen`.
//! Those of zarrs panic on damaged chunks.
//!
//! ```text
//!  vlen-utf8    [ count: 4 bytes ]( [ length: 4 bytes ][ text ] ) × count
//!  zarrs.vlen   [ bytes of the index: 8 ][ index: where texts begin and end ][ all texts ]
//!               or the same in reverse; index and texts each behind codecs of their own
//! ```
//!
//! Numbers are little-endian.

use std::num::NonZeroU64;

use serde_json::{Map, Value};
use zarrs::array::codec::api::{ArrayBytes, ArrayBytesOffsets};
use zarrs::array::{CodecChain, DataType, data_type};

use super::codecs::{Codec, pipeline};
use super::decode_only::{Unpack, cells_of, decode_part};
use super::decoding::LARGEST_CHUNK;
use super::numbers::Numbers;

/// Reads texts of any length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts;

/// The texts in `encoded` one behind the other, and where each begins and the last one ends.
pub(super) fn split(encoded: &[u8], cells: u64) -> Option<(Vec<u8>, Vec<usize>)> {
    let (count, mut rest) = number(encoded)?;
    // Each text takes 4 bytes at least, so that no count leads to an allocation it does not fill.
    if count as u64 != cells || rest.len() / 4 < count {
        return None;
    }
    let mut texts = Vec::with_capacity(rest.len() - 4 * count);
    let mut offsets = Vec::with_capacity(count + 1);
    offsets.push(0);
    for _ in 0..count {
        let (length, after) = number(rest)?;
        let (text, after) = after.split_at_checked(length)?;
        texts.extend_from_slice(text);
        offsets.push(texts.len());
        rest = after;
    }
    Some((texts, offsets))
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*number) as usize, rest))
}

fn do_not_fit() -> String {
    "the texts do not fit the chunk".to_string()
}

/// Cells of any length one behind the other, and where each begins and the last one ends.
pub(super) fn variable(texts: Vec<u8>, offsets: Vec<usize>) -> Result<ArrayBytes<'static>, String> {
    let offsets = ArrayBytesOffsets::new(offsets).map_err(|error| error.to_string())?;
    ArrayBytes::new_vlen(texts, offsets).map_err(|error| error.to_string())
}

impl Unpack for Texts {
    fn unpack(
        &self,
        encoded: &[u8],
        shape: &[NonZeroU64],
        _data_type: &DataType,
    ) -> Result<ArrayBytes<'static>, String> {
        let (texts, offsets) = split(encoded, cells_of(shape)).ok_or_else(do_not_fit)?;
        variable(texts, offsets)
    }
}

/// Reads texts of any length whose ends stand in an index.
#[derive(Debug)]
pub(super) struct TextsApart {
    index: CodecChain,
    index_type: Numbers,
    index_at_end: bool,
    texts: CodecChain,
}

impl TextsApart {
    /// The codec as its configuration describes it. The error is its cause in words.
    pub(super) fn of(configuration: &Map<String, Value>) -> Result<Self, String> {
        let codecs = |key: &str| pipeline(&Codec::list_of_v3(configuration.get(key))?);
        let word = |key: &str| configuration.get(key).and_then(Value::as_str);
        Ok(Self {
            index: codecs("index_codecs")?,
            index_type: match word("index_data_type") {
                Some("uint32") => Numbers::U32,
                Some("uint64") => Numbers::U64,
                _ => return Err("the index is of a type that is not known".to_string()),
            },
            index_at_end: word("index_location") == Some("end"),
            texts: codecs("data_codecs")?,
        })
    }

    /// The index and the texts, as stored.
    fn cut<'a>(&self, encoded: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        if self.index_at_end {
            let (rest, length) = encoded.split_last_chunk()?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let (texts, index) = rest.split_at_checked(rest.len().checked_sub(length)?)?;
            return Some((index, texts));
        }
        let (length, rest) = encoded.split_first_chunk()?;
        rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
    }
}

/// Decodes `count` numbers to their bytes.
fn decoded(
    codecs: &CodecChain,
    encoded: &[u8],
    count: u64,
    data_type: &DataType,
) -> Result<Vec<u8>, String> {
    let Some(count) = NonZeroU64::new(count) else {
        return Ok(Vec::new());
    };
    let numbers = decode_part(codecs, encoded, &[count], data_type)?;
    let numbers = numbers.into_fixed().map_err(|error| error.to_string())?;
    Ok(numbers.into_owned())
}

impl Unpack for TextsApart {
    fn unpack(
        &self,
        encoded: &[u8],
        shape: &[NonZeroU64],
        _data_type: &DataType,
    ) -> Result<ArrayBytes<'static>, String> {
        let (index, texts) = self.cut(encoded).ok_or_else(do_not_fit)?;
        let count = cells_of(shape) + 1;
        let index = decoded(&self.index, index, count, &self.index_type.data_type())?;
        let offsets: Result<Vec<usize>, _> = self
            .index_type
            .integers(&index)
            .map(usize::try_from)
            .collect();
        let offsets = offsets.map_err(|_| do_not_fit())?;
        let length = offsets.last().map_or(0, |length| *length as u64);
        if !offsets.is_sorted() || length > LARGEST_CHUNK {
            return Err(do_not_fit());
        }
        let texts = decoded(&self.texts, texts, length, &data_type::uint8())?;
        variable(texts, offsets)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow::array::{AsArray, StringArray};
    use bytes::Bytes;
    use zarrs::array::ArrayBuilder;
    use zarrs::array::codec::VlenArrayCodec;
    use zarrs::storage::store::MemoryStore;

    use super::super::decoding::Decoder;
    use super::super::metadata::ArrayMetadata;
    use super::*;

    #[test]
    fn texts_are_split_or_refused() {
        let whole = [2, 0, 0, 0, 1, 0, 0, 0, b'a', 2, 0, 0, 0, b'b', b'c'];
        let expected = Some((b"abc".to_vec(), vec![0, 1, 3]));
        assert_eq!(split(&whole, 2), expected);
        assert_eq!(split(&whole, 3), None);
        for length in 0..whole.len() {
            assert_eq!(split(&whole[..length], 2), None, "{length} bytes");
        }
        let mut too_long = whole;
        too_long[12] = 0xff;
        assert_eq!(split(&too_long, 2), None);
        assert_eq!(split(&[0xff; 12], u64::from(u32::MAX)), None);
    }

    /// In Zarr v3 the codec `vlen-array` stores the texts that the type of the array names.
    #[test]
    fn lists_of_characters_of_zarrs_are_read() {
        let texts = ["", "Öl", "x"];
        let store = Arc::new(MemoryStore::new());
        let mut array = ArrayBuilder::new(vec![3], vec![3], data_type::string(), "");
        array.array_to_bytes_codec(Arc::new(VlenArrayCodec::new()));
        let array = array.build(store, "/array").unwrap();
        array.store_chunk(&[0], texts.to_vec()).unwrap();
        let encoded = array.retrieve_encoded_chunk(&[0]).unwrap().unwrap();
        let metadata = serde_json::to_value(array.metadata()).unwrap();
        let metadata = metadata.as_object().unwrap().clone();
        let metadata = ArrayMetadata::of_v3(metadata, "here").unwrap();
        let cell = metadata.cell.unwrap();
        let decoder = Decoder::new(&cell, &metadata.codecs, &metadata.fill_value).unwrap();
        let decoded = decoder.decode(&Bytes::from(encoded), &[3]).unwrap();
        assert_eq!(
            decoded.as_string::<i32>(),
            &StringArray::from(texts.to_vec())
        );
    }
}
