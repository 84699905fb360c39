//! Cells that may be missing: [`Masked`], the codec `zarrs.optional`.
//!
//! ```text
//!  [ bytes of the mask: 8 ][ bytes of the values: 8 ][ mask ][ values of the cells that have one ]
//!                                                      a boolean per cell
//! ```
//!
//! Numbers are little-endian; mask and values stand behind codecs of their own. The decoder of zarrs
//! panics on damaged chunks.

use std::num::NonZeroU64;

use serde_json::{Map, Value};
use zarrs::array::codec::api::ArrayBytes;
use zarrs::array::{CodecChain, DataType, data_type};

use super::codecs::{Codec, pipeline};
use super::decode_only::{Unpack, cells, cells_of, decode_part};
use super::texts::variable;

/// Reads cells that may be missing.
#[derive(Debug)]
pub(super) struct Masked {
    mask: CodecChain,
    values: CodecChain,
}

impl Masked {
    /// The codec as its configuration describes it. The error is its cause in words.
    pub(super) fn of(configuration: &Map<String, Value>) -> Result<Self, String> {
        let codecs = |key: &str| pipeline(&Codec::list_of_v3(configuration.get(key))?);
        Ok(Self {
            mask: codecs("mask_codecs")?,
            values: codecs("data_codecs")?,
        })
    }
}

/// The mask and the values, as stored.
fn cut(encoded: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mask, rest) = encoded.split_first_chunk()?;
    let (values, rest) = rest.split_first_chunk()?;
    let length = |bytes: &[u8; 8]| usize::try_from(u64::from_le_bytes(*bytes)).ok();
    let (mask, rest) = rest.split_at_checked(length(mask)?)?;
    (rest.len() == length(values)?).then_some((mask, rest))
}

/// As many values as the mask has cells, zero, empty or missing where it leaves none.
fn spread(
    values: ArrayBytes<'_>,
    mask: &[u8],
    data_type: &DataType,
) -> Result<ArrayBytes<'static>, String> {
    match values {
        ArrayBytes::Fixed(values) => {
            let width = data_type.fixed_size().ok_or_else(do_not_fit)?;
            Ok(cells(spread_cells(&values, mask, width)?))
        }
        ArrayBytes::Variable(values) => {
            let (bytes, ends) = values.into_parts();
            let mut ends = ends.iter().copied();
            let mut last = ends.next().unwrap_or(0);
            let mut spread = Vec::with_capacity(mask.len() + 1);
            spread.push(last);
            for cell in mask {
                if *cell != 0 {
                    last = ends.next().ok_or_else(do_not_fit)?;
                }
                spread.push(last);
            }
            variable(bytes.into_owned(), spread)
        }
        // A value that may be missing may be missing again: both are one NULL to a table.
        ArrayBytes::Optional(values) => {
            let (values, mask_of_values) = values.into_parts();
            let of_values = data_type.as_optional().ok_or_else(do_not_fit)?.data_type();
            let values = spread(*values, mask, of_values)?;
            Ok(values.with_optional_mask(spread_cells(&mask_of_values, mask, 1)?))
        }
    }
}

/// The same of cells of `width` bytes.
fn spread_cells(values: &[u8], mask: &[u8], width: usize) -> Result<Vec<u8>, String> {
    let mut values = values.chunks_exact(width);
    let mut spread = Vec::with_capacity(mask.len() * width);
    for cell in mask {
        match *cell != 0 {
            true => spread.extend_from_slice(values.next().ok_or_else(do_not_fit)?),
            false => spread.resize(spread.len() + width, 0),
        }
    }
    Ok(spread)
}

/// No values.
fn nothing(data_type: &DataType) -> Result<ArrayBytes<'static>, String> {
    match data_type.as_optional() {
        Some(values) => Ok(nothing(values.data_type())?.with_optional_mask(Vec::new())),
        None if data_type.fixed_size().is_some() => Ok(cells(Vec::new())),
        None => variable(Vec::new(), vec![0]),
    }
}

fn do_not_fit() -> String {
    "the values do not fit their mask".to_string()
}

impl Unpack for Masked {
    fn unpack(
        &self,
        encoded: &[u8],
        shape: &[NonZeroU64],
        data_type: &DataType,
    ) -> Result<ArrayBytes<'static>, String> {
        let of_values = data_type
            .as_optional()
            .ok_or("the type of the array has no missing values")?
            .data_type();
        let (mask, values) = cut(encoded).ok_or("the mask does not fit the chunk")?;
        let mask = decode_part(&self.mask, mask, shape, &data_type::bool())?;
        let mask = mask.into_fixed().map_err(|error| error.to_string())?;
        if mask.len() as u64 != cells_of(shape) {
            return Err("the mask does not fit the chunk".to_string());
        }
        let count = mask.iter().filter(|cell| **cell != 0).count();
        let values = match NonZeroU64::new(count as u64) {
            Some(count) => decode_part(&self.values, values, &[count], of_values)?,
            None => nothing(of_values)?,
        };
        Ok(spread(values, &mask, of_values)?.with_optional_mask(mask.into_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int16Array, StringArray};
    use bytes::Bytes;
    use serde_json::json;
    use zarrs::array::{ArrayBuilder, Element, FillValue};
    use zarrs::storage::store::MemoryStore;

    use super::super::decoding::Decoder;
    use super::super::metadata::ArrayMetadata;
    use super::*;

    fn decoder(metadata: Value) -> Decoder {
        let metadata = metadata.as_object().unwrap().clone();
        let metadata = ArrayMetadata::of_v3(metadata, "here").unwrap();
        let cell = metadata.cell.unwrap();
        Decoder::new(&cell, &metadata.codecs, &metadata.fill_value).unwrap()
    }

    /// What zarrs writes is read as what it was given.
    fn check<T: Element>(of: DataType, fill: FillValue, cells: Vec<Option<T>>, expected: ArrayRef)
    where
        Option<T>: Element,
    {
        let length = cells.len() as u64;
        let store = Arc::new(MemoryStore::new());
        let array = ArrayBuilder::new(vec![length], vec![length], of.to_optional(), fill);
        let array = array.build(store, "/array").unwrap();
        array.store_chunk(&[0], cells).unwrap();
        let encoded = array.retrieve_encoded_chunk(&[0]).unwrap().unwrap();
        let decoder = decoder(serde_json::to_value(array.metadata()).unwrap());
        let decoded = decoder.decode(&Bytes::from(encoded), &[length]).unwrap();
        assert_eq!(&decoded, &expected);
    }

    #[test]
    fn chunks_of_zarrs_are_read() {
        let null = FillValue::new_optional_null;
        let numbers = vec![None, Some(0.5), Some(f64::INFINITY), None, Some(-0.0)];
        let expected = Float64Array::from(numbers.clone());
        check(data_type::float64(), null(), numbers, array(expected));
        let numbers = vec![Some(i16::MIN), None, Some(3)];
        let expected = Int16Array::from(numbers.clone());
        let fill = FillValue::from(Some(3_i16));
        check(data_type::int16(), fill.clone(), numbers, array(expected));
        let nothing: Vec<Option<i16>> = vec![None; 9];
        let expected = Int16Array::from(nothing.clone());
        check(data_type::int16(), fill, nothing, array(expected));
        let truths: Vec<Option<bool>> = (0..17).map(|n| (n % 3 > 0).then_some(n % 2 > 0)).collect();
        let expected = BooleanArray::from(truths.clone());
        check(data_type::bool(), null(), truths, array(expected));
        let texts = ["", "Öl", "x"].map(|text| Some(text.to_string()));
        let texts: Vec<Option<String>> = texts.into_iter().flat_map(|text| [None, text]).collect();
        let expected = StringArray::from(texts.clone());
        check(data_type::string(), null(), texts, array(expected));
    }

    #[test]
    fn values_that_may_be_missing_twice_are_missing_once() {
        let twice = vec![None, Some(Some(7_i16)), Some(None), Some(Some(-2)), None];
        let once: Vec<Option<i16>> = twice.iter().map(|cell| cell.flatten()).collect();
        let of = data_type::int16().to_optional();
        let null = FillValue::new_optional_null;
        check(of.clone(), null(), twice, array(Int16Array::from(once)));
        let nothing: Vec<Option<Option<i16>>> = vec![None; 9];
        let expected = Int16Array::from(vec![None; 9]);
        // A chunk that is all fill value is not stored.
        check(of.clone(), null().into_optional(), nothing, array(expected));
        let missing_inside: Vec<Option<Option<i16>>> = vec![Some(None); 9];
        let expected = Int16Array::from(vec![None; 9]);
        check(of, null(), missing_inside, array(expected));
        let texts = ["", "Öl"].map(|text| Some(text.to_string()));
        let twice = vec![
            Some(texts[0].clone()),
            None,
            Some(None),
            Some(texts[1].clone()),
        ];
        let once: Vec<Option<String>> = twice.iter().cloned().map(Option::flatten).collect();
        let of = data_type::string().to_optional();
        check(of, null(), twice, array(StringArray::from(once)));
    }

    fn array(array: impl arrow::array::Array + 'static) -> ArrayRef {
        Arc::new(array)
    }

    /// Three cells, of which the second is missing.
    #[test]
    fn damaged_chunks_are_refused() {
        let decoder = decoder(json!({
            "shape": [3], "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [3]}},
            "data_type": {"name": "zarrs.optional", "configuration": {"name": "int16"}},
            "fill_value": null, "codecs": [{"name": "zarrs.optional", "configuration":
                {"mask_codecs": ["packbits"], "data_codecs": [{"name": "bytes", "configuration": {"endian": "big"}}]}}],
        }));
        let decode = |chunk: &[u8]| decoder.decode(&Bytes::copy_from_slice(chunk), &[3]);
        let mut whole = [0; 21];
        whole[0] = 1;
        whole[8] = 4;
        whole[16..].copy_from_slice(&[0b101, 0, 7, 0xff, 0xfe]);
        let expected = Int16Array::from(vec![Some(7), None, Some(-2)]);
        assert_eq!(&decode(&whole).unwrap(), &array(expected));
        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).is_err(), "{length} bytes");
        }
        for (position, value) in [(0, 2), (7, 0xff), (8, 3), (8, 5), (15, 0xff), (16, 0b111)] {
            let mut damaged = whole;
            damaged[position] = value;
            assert!(decode(&damaged).is_err(), "{value} at {position}");
        }
    }
}
