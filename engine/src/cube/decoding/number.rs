//! Numbers as attributes give them, and what they are in an array's stored type.
//!
//! Zarr writes what JSON lacks as text: `"NaN"`, `"-Infinity"`, bits in hexadecimal (`"0x7fc00000"`),
//! and xarray writes the `_FillValue` of Zarr 3 floats as base64 of their little-endian bytes.

use arrow::datatypes::{ArrowPrimitiveType, Float16Type};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Runs `$body` with `$type` as Arrow's type of the numbers that `$data_type` names.
macro_rules! with_number_type {
    ($data_type:expr, $type:ident => $body:expr, otherwise $other:expr) => {
        match $data_type {
            DataType::Int8 => with_number_type!(@ Int8Type, $type => $body),
            DataType::Int16 => with_number_type!(@ Int16Type, $type => $body),
            DataType::Int32 => with_number_type!(@ Int32Type, $type => $body),
            DataType::Int64 => with_number_type!(@ Int64Type, $type => $body),
            DataType::UInt8 => with_number_type!(@ UInt8Type, $type => $body),
            DataType::UInt16 => with_number_type!(@ UInt16Type, $type => $body),
            DataType::UInt32 => with_number_type!(@ UInt32Type, $type => $body),
            DataType::UInt64 => with_number_type!(@ UInt64Type, $type => $body),
            DataType::Float32 => with_number_type!(@ Float32Type, $type => $body),
            DataType::Float64 => with_number_type!(@ Float64Type, $type => $body),
            _ => $other,
        }
    };
    (@ $known:ident, $type:ident => $body:expr) => {{
        type $type = arrow::array::types::$known;
        $body
    }};
}
pub(in crate::cube) use with_number_type;

type Half = <Float16Type as ArrowPrimitiveType>::Native;

/// A number of an attribute, before its array's type is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::cube) enum Number {
    /// Written without a fraction.
    Integer(i128),
    /// Written with a fraction or an exponent, or as one of the texts above.
    Float(f64),
}

impl Number {
    /// Reads a JSON number or one of the texts that stand for a float.
    pub(in crate::cube) fn parse(value: &Value) -> Option<Number> {
        match value {
            Value::Number(number) => {
                let integer = number.as_i64().map(i128::from);
                let integer = integer.or_else(|| number.as_u64().map(i128::from));
                integer
                    .map(Number::Integer)
                    .or_else(|| number.as_f64().map(Number::Float))
            }
            Value::Bool(flag) => Some(Number::Integer(i128::from(*flag))),
            Value::String(text) => float_text(text).map(Number::Float),
            Value::Array(one) if one.len() == 1 => Number::parse(&one[0]),
            _ => None,
        }
    }

    /// All numbers of an attribute: one, or a list.
    pub(in crate::cube) fn parse_all(value: &Value) -> Vec<Number> {
        match value {
            Value::Array(list) => list.iter().filter_map(Number::parse).collect(),
            one => Number::parse(one).into_iter().collect(),
        }
    }

    pub(in crate::cube) fn to_f64(self) -> f64 {
        match self {
            Number::Integer(integer) => integer as f64,
            Number::Float(float) => float,
        }
    }
}

fn float_text(text: &str) -> Option<f64> {
    match text {
        "NaN" | "nan" => return Some(f64::NAN),
        "Infinity" | "inf" => return Some(f64::INFINITY),
        "-Infinity" | "-inf" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    if let Some(bits) = text.strip_prefix("0x") {
        let number = u64::from_str_radix(bits, 16).ok()?;
        return match bits.len() {
            16 => Some(f64::from_bits(number)),
            8 => Some(f64::from(f32::from_bits(number as u32))),
            4 => Some(f64::from(Half::from_bits(number as u16))),
            _ => None,
        };
    }
    let bytes = STANDARD.decode(text).ok()?;
    if let Ok(bytes) = <[u8; 8]>::try_from(bytes.as_slice()) {
        return Some(f64::from_le_bytes(bytes));
    }
    let bytes = <[u8; 4]>::try_from(bytes.as_slice()).ok()?;
    Some(f64::from(f32::from_le_bytes(bytes)))
}

/// A type in which arrays are stored.
pub(in crate::cube) trait Stored: Copy + PartialOrd + 'static {
    /// The lowest value, minus infinity for floats.
    const LOWEST: Self;
    /// The highest value, infinity for floats.
    const HIGHEST: Self;
    /// Can a value be no number?
    const HAS_NAN: bool;

    /// The number in this type: floats are rounded to the nearest, integers must be exact.
    fn from_number(number: Number) -> Option<Self>;

    /// Is the value a number, not NaN?
    fn is_number(self) -> bool;

    /// The value as a float, rounded where it has more than 53 bits.
    fn to_f64(self) -> f64;

    /// The value as an integer, if its type is one and it fits.
    fn to_i64(self) -> Option<i64>;

    /// The smallest value that is not below `number`, if the type has it.
    fn ceiling(number: Number) -> Option<Self> {
        match number {
            Number::Float(float) if !Self::HAS_NAN => {
                Self::from_number(Number::Float(float.ceil()))
            }
            number => Self::from_number(number),
        }
    }

    /// The greatest value that is not above `number`, if the type has it.
    fn floor(number: Number) -> Option<Self> {
        match number {
            Number::Float(float) if !Self::HAS_NAN => {
                Self::from_number(Number::Float(float.floor()))
            }
            number => Self::from_number(number),
        }
    }
}

macro_rules! stored_integers {
    ($($native:ty),*) => {$(
        impl Stored for $native {
            const LOWEST: Self = <$native>::MIN;
            const HIGHEST: Self = <$native>::MAX;
            const HAS_NAN: bool = false;

            fn from_number(number: Number) -> Option<Self> {
                match number {
                    Number::Integer(integer) => integer.try_into().ok(),
                    // The cast saturates far outside of every integer type.
                    Number::Float(float) if float.fract() == 0.0 => (float as i128).try_into().ok(),
                    Number::Float(_) => None,
                }
            }

            fn is_number(self) -> bool {
                true
            }

            fn to_f64(self) -> f64 {
                self as f64
            }

            fn to_i64(self) -> Option<i64> {
                self.try_into().ok()
            }
        }
    )*};
}
stored_integers!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! stored_floats {
    ($($native:ty),*) => {$(
        impl Stored for $native {
            const LOWEST: Self = <$native>::NEG_INFINITY;
            const HIGHEST: Self = <$native>::INFINITY;
            const HAS_NAN: bool = true;

            fn from_number(number: Number) -> Option<Self> {
                Some(number.to_f64() as $native)
            }

            fn is_number(self) -> bool {
                !self.is_nan()
            }

            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            fn to_i64(self) -> Option<i64> {
                None
            }
        }
    )*};
}
stored_floats!(f32, f64);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_stand_for_floats() {
        let cases = [
            (json!("NaN"), f64::NAN),
            (json!("Infinity"), f64::INFINITY),
            (json!("-Infinity"), f64::NEG_INFINITY),
            (json!("0x7fc00000"), f64::NAN),
            (json!("0xc61c3c00"), -9999.0),
            (json!("AAAAAICHw8A="), -9999.0),
            (json!("ADwcxg=="), -9999.0),
            (json!("AAAAAAAA+H8="), f64::NAN),
            (json!([7]), 7.0),
        ];
        for (value, expected) in cases {
            let number = Number::parse(&value).unwrap().to_f64();
            let same = number == expected || (number.is_nan() && expected.is_nan());
            assert!(same, "{value} is {number}");
        }
        for value in [json!("missing"), json!(null), json!({}), json!("-9999")] {
            assert_eq!(Number::parse(&value), None, "{value}");
        }
    }

    #[test]
    fn integers_are_exact_or_nothing() {
        let cases = [
            (json!(-9999.0), Some(-9999)),
            (json!(-9999.5), None),
            (json!(70000), None),
            (json!(1e20), None),
        ];
        for (value, expected) in cases {
            assert_eq!(i16::from_number(Number::parse(&value).unwrap()), expected);
        }
        let largest = Number::parse(&json!(u64::MAX)).unwrap();
        assert_eq!(u64::from_number(largest), Some(u64::MAX));
        assert_eq!(i16::ceiling(Number::Float(1.5)), Some(2));
        assert_eq!(i16::floor(Number::Float(-1.5)), Some(-2));
    }
}
