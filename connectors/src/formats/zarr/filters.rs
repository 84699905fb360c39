//! The numeric filters of numcodecs, undone with the arithmetic of NumPy: [`Filter`].
//!
//! | filter | stored | decoded |
//! |---|---|---|
//! | `delta` | differences of neighbours | their running sum |
//! | `fixedscaleoffset` | packed numbers | `stored / scale + offset` |
//! | `astype`, `quantize`, `bitround` | numbers of another type, or rounded | the same in the array's type |
//!
//! zarrs has no `delta`, and its `fixedscaleoffset` computes with 32-bit floats, which is not what
//! the writer meant. In Zarr v3 the same filters are called `numcodecs.delta` and so on.

use std::any::Any;
use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::Arc;

use arrow::datatypes::DataType as ArrowType;
use serde_json::{Map, Value, json};
use zarrs::array::codec::api::{
    ArrayBytes, ArrayCodecTraits, ArrayToArrayCodecTraits, CodecError, CodecMetadataOptions,
    CodecOptions, CodecTraits, PartialDecoderCapability, PartialEncoderCapability,
    RecommendedConcurrency,
};
use zarrs::array::{DataType, FillValue};
use zarrs::metadata::Configuration;
use zarrs::plugin::{ExtensionName, ZarrVersion};

use super::data_type::{ByteOrder, CellType};

/// One numeric filter.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    operation: Operation,
    /// The types of the numbers before and after decoding; `None` where the filter keeps the type.
    types: Option<(Numbers, Numbers)>,
    /// The byte order of the stored numbers, where the filter says so.
    order: Option<ByteOrder>,
}

#[derive(Debug, Clone, Copy)]
enum Operation {
    Sum,
    Unpack { scale: f64, offset: f64 },
    Convert,
}

/// The types of numbers filters work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbers {
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
}

impl Filter {
    /// The filter that numcodecs calls `name`, if it is one of those. The error is its cause in words.
    pub(super) fn of(
        name: &str,
        configuration: &Map<String, Value>,
    ) -> Option<Result<Self, String>> {
        let name = name.strip_prefix("numcodecs.").unwrap_or(name);
        let number = |key: &str| {
            let value = configuration.get(key).and_then(Value::as_f64);
            value.ok_or_else(|| format!("the filter {name:?} has no number {key:?}"))
        };
        let operation = match name {
            "delta" => Ok(Operation::Sum),
            "astype" | "quantize" | "bitround" => Ok(Operation::Convert),
            "fixedscaleoffset" => number("scale").and_then(|scale| {
                number("offset").map(|offset| Operation::Unpack { scale, offset })
            }),
            _ => return None,
        };
        Some(operation.and_then(|operation| Self::new(name, operation, configuration)))
    }

    fn new(
        name: &str,
        operation: Operation,
        configuration: &Map<String, Value>,
    ) -> Result<Self, String> {
        let (decoded, stored) = match name {
            "bitround" => {
                return Ok(Self {
                    operation,
                    types: None,
                    order: None,
                });
            }
            "astype" => ("decode_dtype", "encode_dtype"),
            _ => ("dtype", "astype"),
        };
        let type_of = |key: &str| configuration.get(key).filter(|value| !value.is_null());
        let wrong = |value: Option<&Value>| {
            let value = value.unwrap_or(&Value::Null);
            format!("the filter {name:?} works on numbers, not on {value}")
        };
        let decoded = type_of(decoded);
        let stored = type_of(stored).or(decoded);
        let (decoded, _) = Numbers::parse(decoded).ok_or_else(|| wrong(decoded))?;
        let (stored, order) = Numbers::parse(stored).ok_or_else(|| wrong(stored))?;
        Ok(Self {
            operation,
            types: Some((stored, decoded)),
            order: Some(order),
        })
    }

    /// The byte order of the stored numbers, where the filter says so.
    pub(super) fn order(&self) -> Option<ByteOrder> {
        self.order
    }

    fn undo(&self, stored: &[u8]) -> Vec<u8> {
        use Numbers::{F32, F64};
        let Some((from, to)) = self.types else {
            return stored.to_vec();
        };
        match (self.operation, from, to) {
            (Operation::Convert, _, _) if from == to => stored.to_vec(),
            (Operation::Convert, F32 | F64, _) | (Operation::Convert, _, F32 | F64) => {
                to.bytes_of_floats(from.floats(stored))
            }
            (Operation::Convert, _, _) => to.bytes_of_integers(from.integers(stored)),
            (Operation::Unpack { scale, offset }, F32, _) => {
                // NumPy keeps single precision here.
                let (scale, offset) = (scale as f32, offset as f32);
                let singles = from.floats(stored);
                let unpack = |value| f64::from(value as f32 / scale + offset);
                to.bytes_of_floats(singles.map(unpack))
            }
            (Operation::Unpack { scale, offset }, _, _) => {
                to.bytes_of_floats(from.floats(stored).map(|value| value / scale + offset))
            }
            (Operation::Sum, _, F32) => {
                let sums = from.floats(stored).scan(0.0_f32, |sum, difference| {
                    *sum += difference as f32;
                    Some(f64::from(*sum))
                });
                to.bytes_of_floats(sums)
            }
            (Operation::Sum, _, F64) => {
                let sums = from.floats(stored).scan(0.0_f64, |sum, difference| {
                    *sum += difference;
                    Some(*sum)
                });
                to.bytes_of_floats(sums)
            }
            (Operation::Sum, _, _) => {
                let sums = from.integers(stored).scan(0_i64, |sum, difference| {
                    *sum = sum.wrapping_add(difference);
                    Some(*sum)
                });
                to.bytes_of_integers(sums)
            }
        }
    }
}

/// Runs `$body` with `$native` as the Rust type of `$numbers`.
macro_rules! with_native {
    ($numbers:expr, $native:ident => $body:expr) => {{
        macro_rules! run {
            ($rust:ty) => {{
                type $native = $rust;
                $body
            }};
        }
        match $numbers {
            Numbers::I8 => run!(i8),
            Numbers::I16 => run!(i16),
            Numbers::I32 => run!(i32),
            Numbers::I64 => run!(i64),
            Numbers::U8 => run!(u8),
            Numbers::U16 => run!(u16),
            Numbers::U32 => run!(u32),
            Numbers::U64 => run!(u64),
            Numbers::F32 => run!(f32),
            Numbers::F64 => run!(f64),
        }
    }};
}

impl Numbers {
    /// Reads a NumPy type with or without byte order.
    fn parse(dtype: Option<&Value>) -> Option<(Self, ByteOrder)> {
        let dtype = dtype?.as_str()?;
        let dtype = match dtype.starts_with(['<', '>', '|', '=']) {
            true => dtype.to_string(),
            false => format!("={dtype}"),
        };
        let (cell, order) = CellType::of_v2(&json!(dtype), false)?;
        let numbers = match cell {
            CellType::Number(ArrowType::Int8) => Self::I8,
            CellType::Number(ArrowType::Int16) => Self::I16,
            CellType::Number(ArrowType::Int32) => Self::I32,
            CellType::Number(ArrowType::Int64) => Self::I64,
            CellType::Number(ArrowType::UInt8) => Self::U8,
            CellType::Number(ArrowType::UInt16) => Self::U16,
            CellType::Number(ArrowType::UInt32) => Self::U32,
            CellType::Number(ArrowType::UInt64) => Self::U64,
            CellType::Number(ArrowType::Float32) => Self::F32,
            CellType::Number(ArrowType::Float64) => Self::F64,
            _ => return None,
        };
        Some((numbers, order))
    }

    fn data_type(self) -> DataType {
        use zarrs::array::data_type as types;
        match self {
            Self::I8 => types::int8(),
            Self::I16 => types::int16(),
            Self::I32 => types::int32(),
            Self::I64 => types::int64(),
            Self::U8 => types::uint8(),
            Self::U16 => types::uint16(),
            Self::U32 => types::uint32(),
            Self::U64 => types::uint64(),
            Self::F32 => types::float32(),
            Self::F64 => types::float64(),
        }
    }

    fn floats(self, bytes: &[u8]) -> Box<dyn Iterator<Item = f64> + '_> {
        with_native!(self, Native => Box::new(
            bytes.as_chunks().0.iter().map(|cell| Native::from_ne_bytes(*cell) as f64)
        ))
    }

    fn integers(self, bytes: &[u8]) -> Box<dyn Iterator<Item = i64> + '_> {
        with_native!(self, Native => Box::new(
            bytes.as_chunks().0.iter().map(|cell| Native::from_ne_bytes(*cell) as i64)
        ))
    }

    fn bytes_of_floats(self, values: impl Iterator<Item = f64>) -> Vec<u8> {
        with_native!(self, Native => values.flat_map(|value| (value as Native).to_ne_bytes()).collect())
    }

    fn bytes_of_integers(self, values: impl Iterator<Item = i64>) -> Vec<u8> {
        with_native!(self, Native => values.flat_map(|value| (value as Native).to_ne_bytes()).collect())
    }
}

impl ExtensionName for Filter {
    fn name(&self, _version: ZarrVersion) -> Option<Cow<'static, str>> {
        None
    }
}

impl CodecTraits for Filter {
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

impl ArrayCodecTraits for Filter {
    fn recommended_concurrency(
        &self,
        _shape: &[NonZeroU64],
        _data_type: &DataType,
    ) -> Result<RecommendedConcurrency, CodecError> {
        Ok(RecommendedConcurrency::new_maximum(1))
    }
}

impl ArrayToArrayCodecTraits for Filter {
    fn into_dyn(self: Arc<Self>) -> Arc<dyn ArrayToArrayCodecTraits> {
        self
    }

    fn encoded_data_type(&self, decoded: &DataType) -> Result<DataType, CodecError> {
        match self.types {
            None => Ok(decoded.clone()),
            Some((stored, filtered)) if filtered.data_type() == *decoded => Ok(stored.data_type()),
            Some((_, filtered)) => Err(CodecError::Other(format!(
                "a filter gives numbers of type {filtered:?}, which the array does not have"
            ))),
        }
    }

    /// Zero: no codec that follows looks at it.
    fn encoded_fill_value(
        &self,
        decoded: &DataType,
        _fill_value: &FillValue,
    ) -> Result<FillValue, CodecError> {
        let size = self.encoded_data_type(decoded)?.fixed_size().unwrap_or(0);
        Ok(FillValue::new(vec![0; size]))
    }

    fn encode<'a>(
        &self,
        _bytes: ArrayBytes<'a>,
        _shape: &[NonZeroU64],
        _data_type: &DataType,
        _fill_value: &FillValue,
        _options: &CodecOptions,
    ) -> Result<ArrayBytes<'a>, CodecError> {
        Err(CodecError::Other("filters are only undone".to_string()))
    }

    fn decode<'a>(
        &self,
        bytes: ArrayBytes<'a>,
        _shape: &[NonZeroU64],
        _data_type: &DataType,
        _fill_value: &FillValue,
        _options: &CodecOptions,
    ) -> Result<ArrayBytes<'a>, CodecError> {
        let stored = bytes.into_fixed()?;
        Ok(ArrayBytes::new_flen(self.undo(&stored)))
    }
}
