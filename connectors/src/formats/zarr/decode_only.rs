//! What the codecs of our own have in common: they only decode, whole chunks, on one thread.
//!
//! [`decode_only`] implements what zarrs asks of every codec. A codec that turns bytes into an array
//! implements [`Unpack`] and goes to zarrs as an [`Unpacker`].

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::Arc;

use zarrs::array::codec::api::{
    ArrayBytes, ArrayBytesRaw, ArrayCodecTraits, ArrayToBytesCodecTraits, BytesRepresentation,
    CodecError, CodecOptions, RecommendedConcurrency,
};
use zarrs::array::{DataType, FillValue};

/// Implements zarrs' `CodecTraits` for a codec that has no encoder and no partial decoder.
macro_rules! decode_only {
    ($codec:ty $(where $parameter:ident: $bound:path)?) => {
        impl$(<$parameter: $bound>)? ::zarrs::plugin::ExtensionName for $codec {
            fn name(
                &self,
                _version: ::zarrs::plugin::ZarrVersion,
            ) -> Option<::std::borrow::Cow<'static, str>> {
                None
            }
        }

        impl$(<$parameter: $bound>)? ::zarrs::array::codec::api::CodecTraits for $codec {
            fn as_any(&self) -> &dyn ::std::any::Any {
                self
            }

            fn configuration(
                &self,
                _version: ::zarrs::plugin::ZarrVersion,
                _options: &::zarrs::array::codec::api::CodecMetadataOptions,
            ) -> Option<::zarrs::metadata::Configuration> {
                None
            }

            fn partial_decoder_capability(
                &self,
            ) -> ::zarrs::array::codec::api::PartialDecoderCapability {
                ::zarrs::array::codec::api::PartialDecoderCapability {
                    partial_read: false,
                    partial_decode: false,
                }
            }

            fn partial_encoder_capability(
                &self,
            ) -> ::zarrs::array::codec::api::PartialEncoderCapability {
                ::zarrs::array::codec::api::PartialEncoderCapability {
                    partial_encode: false,
                }
            }
        }
    };
}
pub(super) use decode_only;

/// The error of every encoder.
pub(super) fn no_encoder<T>() -> Result<T, CodecError> {
    Err(CodecError::Other("chunks are only decoded".to_string()))
}

/// Turns bytes into the cells of a chunk. Errors are their causes in words.
pub(super) trait Unpack: std::fmt::Debug + Send + Sync + 'static {
    /// The cells of a chunk of `shape`, in C order and native byte order.
    fn unpack(
        &self,
        encoded: &[u8],
        shape: &[NonZeroU64],
        data_type: &DataType,
    ) -> Result<ArrayBytes<'static>, String>;

    /// The length of the encoded bytes, where the shape determines it.
    fn encoded_bytes(&self, _cells: u64, _data_type: &DataType) -> Option<u64> {
        None
    }
}

/// An [`Unpack`] as zarrs uses it.
#[derive(Debug)]
pub(super) struct Unpacker<U>(pub(super) U);

decode_only!(Unpacker<U> where U: Unpack);

/// How many cells a chunk of `shape` has. The decoder has checked that they fit into memory.
pub(super) fn cells_of(shape: &[NonZeroU64]) -> u64 {
    shape.iter().map(|size| size.get()).product()
}

impl<U: Unpack> ArrayCodecTraits for Unpacker<U> {
    fn recommended_concurrency(
        &self,
        _shape: &[NonZeroU64],
        _data_type: &DataType,
    ) -> Result<RecommendedConcurrency, CodecError> {
        Ok(RecommendedConcurrency::new_maximum(1))
    }
}

impl<U: Unpack> ArrayToBytesCodecTraits for Unpacker<U> {
    fn into_dyn(self: Arc<Self>) -> Arc<dyn ArrayToBytesCodecTraits> {
        self
    }

    fn encoded_representation(
        &self,
        shape: &[NonZeroU64],
        data_type: &DataType,
        _fill_value: &FillValue,
    ) -> Result<BytesRepresentation, CodecError> {
        let length = self.0.encoded_bytes(cells_of(shape), data_type);
        Ok(length.map_or(
            BytesRepresentation::UnboundedSize,
            BytesRepresentation::FixedSize,
        ))
    }

    fn encode<'a>(
        &self,
        _bytes: ArrayBytes<'a>,
        _shape: &[NonZeroU64],
        _data_type: &DataType,
        _fill_value: &FillValue,
        _options: &CodecOptions,
    ) -> Result<ArrayBytesRaw<'a>, CodecError> {
        no_encoder()
    }

    fn decode<'a>(
        &self,
        encoded: ArrayBytesRaw<'a>,
        shape: &[NonZeroU64],
        data_type: &DataType,
        _fill_value: &FillValue,
        _options: &CodecOptions,
    ) -> Result<ArrayBytes<'a>, CodecError> {
        self.0
            .unpack(&encoded, shape, data_type)
            .map_err(CodecError::Other)
    }
}

/// Cells of a fixed size.
pub(super) fn cells(bytes: Vec<u8>) -> ArrayBytes<'static> {
    ArrayBytes::Fixed(Cow::Owned(bytes))
}
