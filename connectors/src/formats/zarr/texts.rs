//! Texts of any length, the codec `vlen-utf8`: [`Texts`]. That of zarrs panics on damaged chunks.
//!
//! ```text
//!  [ count: 4 bytes ]( [ length: 4 bytes ][ UTF-8 ] ) × count        numbers are little-endian
//! ```

use std::any::Any;
use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::Arc;

use zarrs::array::codec::api::{
    ArrayBytes, ArrayBytesOffsets, ArrayBytesRaw, ArrayCodecTraits, ArrayToBytesCodecTraits,
    BytesRepresentation, CodecError, CodecMetadataOptions, CodecOptions, CodecTraits,
    PartialDecoderCapability, PartialEncoderCapability, RecommendedConcurrency,
};
use zarrs::array::{DataType, FillValue};
use zarrs::metadata::Configuration;
use zarrs::plugin::{ExtensionName, ZarrVersion};

/// Reads texts of any length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texts;

/// The texts in `encoded` one behind the other, and where each begins and the last one ends.
fn split(encoded: &[u8], cells: u64) -> Option<(Vec<u8>, Vec<usize>)> {
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

impl ExtensionName for Texts {
    fn name(&self, _version: ZarrVersion) -> Option<Cow<'static, str>> {
        None
    }
}

impl CodecTraits for Texts {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn configuration(
        &self,
        _version: ZarrVersion,
        _options: &CodecMetadataOptions,
    ) -> Option<Configuration> {
        None
    }

    fn partial_decoder_capability(&self) -> PartialDecoderCapability {
        PartialDecoderCapability {
            partial_read: false,
            partial_decode: false,
        }
    }

    fn partial_encoder_capability(&self) -> PartialEncoderCapability {
        PartialEncoderCapability {
            partial_encode: false,
        }
    }
}

impl ArrayCodecTraits for Texts {
    fn recommended_concurrency(
        &self,
        _shape: &[NonZeroU64],
        _data_type: &DataType,
    ) -> Result<RecommendedConcurrency, CodecError> {
        Ok(RecommendedConcurrency::new_maximum(1))
    }
}

impl ArrayToBytesCodecTraits for Texts {
    fn into_dyn(self: Arc<Self>) -> Arc<dyn ArrayToBytesCodecTraits> {
        self
    }

    fn encoded_representation(
        &self,
        _shape: &[NonZeroU64],
        _data_type: &DataType,
        _fill_value: &FillValue,
    ) -> Result<BytesRepresentation, CodecError> {
        Ok(BytesRepresentation::UnboundedSize)
    }

    fn encode<'a>(
        &self,
        _bytes: ArrayBytes<'a>,
        _shape: &[NonZeroU64],
        _data_type: &DataType,
        _fill_value: &FillValue,
        _options: &CodecOptions,
    ) -> Result<ArrayBytesRaw<'a>, CodecError> {
        Err(CodecError::Other("texts are only read".to_string()))
    }

    fn decode<'a>(
        &self,
        bytes: ArrayBytesRaw<'a>,
        shape: &[NonZeroU64],
        _data_type: &DataType,
        _fill_value: &FillValue,
        _options: &CodecOptions,
    ) -> Result<ArrayBytes<'a>, CodecError> {
        let cells = shape.iter().map(|length| length.get()).product();
        let (texts, offsets) = split(&bytes, cells)
            .ok_or_else(|| CodecError::Other("the texts do not fit the chunk".to_string()))?;
        Ok(ArrayBytes::new_vlen(
            texts,
            ArrayBytesOffsets::new(offsets)?,
        )?)
    }
}

#[cfg(test)]
mod tests {
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
}
