//! What the codecs of our own have in common: they only decode, whole chunks, on one thread.
//!
//! ```text
//!  bytes ──▶ Decompress ──▶ bytes ──▶ Unpack ──▶ cells ──▶ Undo ──▶ cells
//!            Decompressor             Unpacker             Undoer        what zarrs sees
//! ```
//!
//! A codec implements one of the three traits and goes to zarrs in the wrapper of that trait, which
//! does all else that zarrs asks for. Errors are their causes in words.

use std::borrow::Cow;
use std::fmt::Debug;
use std::num::NonZeroU64;
use std::sync::Arc;

use zarrs::array::codec::api::{
    ArrayBytes, ArrayBytesRaw, ArrayCodecTraits, ArrayToArrayCodecTraits, ArrayToBytesCodecTraits,
    BytesRepresentation, BytesToBytesCodecTraits, CodecError, CodecMetadataOptions, CodecOptions,
    CodecTraits, PartialDecoderCapability, PartialEncoderCapability, RecommendedConcurrency,
};
use zarrs::array::{ChunkShape, CodecChain, DataType, FillValue};
use zarrs::metadata::Configuration;
use zarrs::plugin::{ExtensionName, ZarrVersion};

use super::decoding::CODEC_OPTIONS;

/// Turns bytes into those that were compressed.
pub(super) trait Decompress: Debug + Send + Sync + 'static {
    /// The decompressed bytes, as many as `expected` where that is known.
    fn decompress(&self, encoded: &[u8], expected: Option<u64>) -> Result<Vec<u8>, String>;
}

/// Turns bytes into the cells of a chunk.
pub(super) trait Unpack: Debug + Send + Sync + 'static {
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

/// Turns the cells that a filter has stored into those it was given.
pub(super) trait Undo: Debug + Send + Sync + 'static {
    /// The type of the stored cells, for cells of `data_type`.
    fn stored_type(&self, data_type: &DataType) -> Result<DataType, String>;

    /// The shape of the stored cells of a chunk of `shape`; `None` where it is the same.
    fn stored_shape(&self, _shape: &[NonZeroU64]) -> Option<ChunkShape> {
        None
    }

    /// The cells of a chunk of `shape` in native byte order, as the stored ones are.
    fn undo(&self, stored: &[u8], shape: &[NonZeroU64]) -> Result<Vec<u8>, String>;
}

/// A [`Decompress`] as zarrs uses it.
#[derive(Debug)]
pub(super) struct Decompressor<D>(pub(super) D);

/// An [`Unpack`] as zarrs uses it.
#[derive(Debug)]
pub(super) struct Unpacker<U>(pub(super) U);

/// An [`Undo`] as zarrs uses it.
#[derive(Debug)]
pub(super) struct Undoer<U>(pub(super) U);

/// Implements zarrs' `CodecTraits` for a codec that has no encoder and no partial decoder.
macro_rules! decode_only {
    ($wrapper:ident, $codec:ident) => {
        impl<C: $codec> ExtensionName for $wrapper<C> {
            fn name(&self, _version: ZarrVersion) -> Option<Cow<'static, str>> {
                None
            }
        }

        impl<C: $codec> CodecTraits for $wrapper<C> {
            fn as_any(&self) -> &dyn std::any::Any {
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
    };
}
decode_only!(Decompressor, Decompress);
decode_only!(Unpacker, Unpack);
decode_only!(Undoer, Undo);

/// The error of every encoder.
fn no_encoder<T>() -> Result<T, CodecError> {
    Err(CodecError::Other("chunks are only decoded".to_string()))
}

impl<D: Decompress> BytesToBytesCodecTraits for Decompressor<D> {
    fn into_dyn(self: Arc<Self>) -> Arc<dyn BytesToBytesCodecTraits> {
        self
    }

    fn recommended_concurrency(
        &self,
        _decoded: &BytesRepresentation,
    ) -> Result<RecommendedConcurrency, CodecError> {
        Ok(one_thread())
    }

    fn encoded_representation(&self, _decoded: &BytesRepresentation) -> BytesRepresentation {
        BytesRepresentation::UnboundedSize
    }

    fn encode<'a>(
        &self,
        _decoded: ArrayBytesRaw<'a>,
        _options: &CodecOptions,
    ) -> Result<ArrayBytesRaw<'a>, CodecError> {
        no_encoder()
    }

    fn decode<'a>(
        &self,
        encoded: ArrayBytesRaw<'a>,
        decoded: &BytesRepresentation,
        _options: &CodecOptions,
    ) -> Result<ArrayBytesRaw<'a>, CodecError> {
        let decompressed = self.0.decompress(&encoded, decoded.size());
        decompressed.map(Cow::Owned).map_err(CodecError::Other)
    }
}

impl<U: Unpack> ArrayCodecTraits for Unpacker<U> {
    fn recommended_concurrency(
        &self,
        _shape: &[NonZeroU64],
        _data_type: &DataType,
    ) -> Result<RecommendedConcurrency, CodecError> {
        Ok(one_thread())
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

impl<U: Undo> ArrayCodecTraits for Undoer<U> {
    fn recommended_concurrency(
        &self,
        _shape: &[NonZeroU64],
        _data_type: &DataType,
    ) -> Result<RecommendedConcurrency, CodecError> {
        Ok(one_thread())
    }
}

impl<U: Undo> ArrayToArrayCodecTraits for Undoer<U> {
    fn into_dyn(self: Arc<Self>) -> Arc<dyn ArrayToArrayCodecTraits> {
        self
    }

    fn encoded_data_type(&self, decoded: &DataType) -> Result<DataType, CodecError> {
        self.0.stored_type(decoded).map_err(CodecError::Other)
    }

    /// Zero: no codec that follows looks at it.
    fn encoded_fill_value(
        &self,
        decoded: &DataType,
        _fill_value: &FillValue,
    ) -> Result<FillValue, CodecError> {
        Ok(zero(&self.encoded_data_type(decoded)?))
    }

    fn encoded_shape(&self, decoded: &[NonZeroU64]) -> Result<ChunkShape, CodecError> {
        let stored = self.0.stored_shape(decoded);
        Ok(stored.unwrap_or_else(|| decoded.to_vec()))
    }

    fn decoded_shape(&self, encoded: &[NonZeroU64]) -> Result<Option<ChunkShape>, CodecError> {
        let is_same = self.0.stored_shape(encoded).is_none();
        Ok(is_same.then(|| encoded.to_vec()))
    }

    fn encode<'a>(
        &self,
        _bytes: ArrayBytes<'a>,
        _shape: &[NonZeroU64],
        _data_type: &DataType,
        _fill_value: &FillValue,
        _options: &CodecOptions,
    ) -> Result<ArrayBytes<'a>, CodecError> {
        no_encoder()
    }

    fn decode<'a>(
        &self,
        bytes: ArrayBytes<'a>,
        shape: &[NonZeroU64],
        _data_type: &DataType,
        _fill_value: &FillValue,
        _options: &CodecOptions,
    ) -> Result<ArrayBytes<'a>, CodecError> {
        let undone = self.0.undo(&bytes.into_fixed()?, shape);
        undone.map(cells).map_err(CodecError::Other)
    }
}

fn one_thread() -> RecommendedConcurrency {
    RecommendedConcurrency::new_maximum(1)
}

/// How many cells a chunk of `shape` has. The decoder has checked that they fit into memory.
pub(super) fn cells_of(shape: &[NonZeroU64]) -> u64 {
    shape.iter().map(|size| size.get()).product()
}

/// Cells of a fixed size.
pub(super) fn cells(bytes: Vec<u8>) -> ArrayBytes<'static> {
    ArrayBytes::Fixed(Cow::Owned(bytes))
}

/// The zero of a type, an empty one where its cells have any length.
fn zero(data_type: &DataType) -> FillValue {
    FillValue::new(vec![0; data_type.fixed_size().unwrap_or(0)])
}

/// Undoes codecs that a codec has of its own for a part of its chunks: cells of `shape`.
pub(super) fn decode_part(
    codecs: &CodecChain,
    encoded: &[u8],
    shape: &[NonZeroU64],
    data_type: &DataType,
) -> Result<ArrayBytes<'static>, String> {
    let zero = zero(data_type);
    let encoded = Cow::Borrowed(encoded);
    let decoded = codecs.decode(encoded, shape, data_type, &zero, &CODEC_OPTIONS);
    Ok(decoded.map_err(|error| error.to_string())?.into_owned())
}
