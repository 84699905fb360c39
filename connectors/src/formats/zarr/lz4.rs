//! The compressor `lz4` of numcodecs, which zarrs lacks: [`Lz4`].
//!
//! ```text
//!  [ decoded length: 4 bytes, little-endian ][ one LZ4 block ]
//! ```

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use zarrs::array::codec::api::{
    ArrayBytesRaw, BytesRepresentation, BytesToBytesCodecTraits, CodecError, CodecMetadataOptions,
    CodecOptions, CodecTraits, PartialDecoderCapability, PartialEncoderCapability,
    RecommendedConcurrency,
};
use zarrs::metadata::Configuration;
use zarrs::plugin::{ExtensionName, ZarrVersion};

use super::decoding::LARGEST_CHUNK;

/// Decompresses what numcodecs compressed with LZ4.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lz4;

impl ExtensionName for Lz4 {
    fn name(&self, _version: ZarrVersion) -> Option<Cow<'static, str>> {
        None
    }
}

impl CodecTraits for Lz4 {
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

impl BytesToBytesCodecTraits for Lz4 {
    fn into_dyn(self: Arc<Self>) -> Arc<dyn BytesToBytesCodecTraits> {
        self
    }

    fn recommended_concurrency(
        &self,
        _decoded: &BytesRepresentation,
    ) -> Result<RecommendedConcurrency, CodecError> {
        Ok(RecommendedConcurrency::new_maximum(1))
    }

    fn encoded_representation(&self, _decoded: &BytesRepresentation) -> BytesRepresentation {
        BytesRepresentation::UnboundedSize
    }

    fn encode<'a>(
        &self,
        _decoded: ArrayBytesRaw<'a>,
        _options: &CodecOptions,
    ) -> Result<ArrayBytesRaw<'a>, CodecError> {
        Err(CodecError::Other("lz4 is only undone".to_string()))
    }

    fn decode<'a>(
        &self,
        encoded: ArrayBytesRaw<'a>,
        decoded: &BytesRepresentation,
        _options: &CodecOptions,
    ) -> Result<ArrayBytesRaw<'a>, CodecError> {
        let (length, block) = encoded
            .split_first_chunk()
            .ok_or("the LZ4 block has no length")?;
        let length = u64::from(u32::from_le_bytes(*length));
        if length > decoded.size().unwrap_or(LARGEST_CHUNK) {
            return Err(CodecError::Other(format!(
                "the LZ4 block says it has {length} bytes, more than the chunk"
            )));
        }
        lz4_flex::block::decompress(block, length as usize)
            .map(Cow::Owned)
            .map_err(|error| CodecError::Other(error.to_string()))
    }
}
