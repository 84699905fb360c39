//! Numbers as codecs see them, a type and bytes in native order: [`Numbers`].

use arrow::datatypes::DataType as ArrowType;
use serde_json::{Value, json};
use zarrs::array::DataType;

use super::data_type::{ByteOrder, CellType};

/// A type of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
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
pub(super) use with_native;

impl Numbers {
    const ALL: [Self; 10] = [
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::F32,
        Self::F64,
    ];

    /// The numbers that zarrs calls `data_type`.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|numbers| numbers.data_type() == *data_type)
    }

    /// Bytes of one number.
    pub(super) fn bytes(self) -> usize {
        with_native!(self, Native => size_of::<Native>())
    }

    /// Is it a signed integer?
    pub(super) fn is_signed(self) -> bool {
        matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64)
    }

    /// Reads a NumPy type with or without byte order.
    pub(super) fn parse(dtype: Option<&Value>) -> Option<(Self, ByteOrder)> {
        let dtype = dtype?.as_str()?;
        let dtype = match dtype.starts_with(['<', '>', '|', '=']) {
            true => dtype.to_string(),
            false => format!("={dtype}"),
        };
        let (cell, order) = CellType::of_v2(&json!(dtype), None)?;
        let CellType::Number(number) = cell else {
            return None;
        };
        let mut all = Self::ALL.into_iter();
        let numbers = all.find(|numbers| numbers.arrow() == number)?;
        Some((numbers, order))
    }

    /// The type as Arrow has it.
    pub(super) fn arrow(self) -> ArrowType {
        match self {
            Self::I8 => ArrowType::Int8,
            Self::I16 => ArrowType::Int16,
            Self::I32 => ArrowType::Int32,
            Self::I64 => ArrowType::Int64,
            Self::U8 => ArrowType::UInt8,
            Self::U16 => ArrowType::UInt16,
            Self::U32 => ArrowType::UInt32,
            Self::U64 => ArrowType::UInt64,
            Self::F32 => ArrowType::Float32,
            Self::F64 => ArrowType::Float64,
        }
    }

    /// The type as zarrs has it.
    pub(super) fn data_type(self) -> DataType {
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

    /// Numbers of this type as floats.
    pub(super) fn floats(self, bytes: &[u8]) -> Box<dyn Iterator<Item = f64> + '_> {
        with_native!(self, Native => Box::new(
            bytes.as_chunks().0.iter().map(|cell| Native::from_ne_bytes(*cell) as f64)
        ))
    }

    /// Numbers of this type as integers.
    pub(super) fn integers(self, bytes: &[u8]) -> Box<dyn Iterator<Item = i64> + '_> {
        with_native!(self, Native => Box::new(
            bytes.as_chunks().0.iter().map(|cell| Native::from_ne_bytes(*cell) as i64)
        ))
    }

    /// Floats as numbers of this type.
    pub(super) fn bytes_of_floats(self, values: impl Iterator<Item = f64>) -> Vec<u8> {
        with_native!(self, Native => values.flat_map(|value| (value as Native).to_ne_bytes()).collect())
    }

    /// Integers as numbers of this type.
    pub(super) fn bytes_of_integers(self, values: impl Iterator<Item = i64>) -> Vec<u8> {
        with_native!(self, Native => values.flat_map(|value| (value as Native).to_ne_bytes()).collect())
    }
}
