//! How the cells of an array are stored, and which Arrow type they become.
//!
//! ```text
//!  v2 "<f4", "|S8", "<M8[ns]" ┐                 ┌ zarrs type: what the codecs decode to
//!                             ├─▶ CellType ─────┤
//!  v3 "float32", {"name": …}  ┘                 └ Arrow type: what the engine gets
//! ```

use arrow::datatypes::{ArrowPrimitiveType, DataType as ArrowType, Float16Type, TimeUnit};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::numbers::Numbers;

/// Rust's 16-bit float, by the name under which Arrow has it.
pub(super) type Float16 = <Float16Type as ArrowPrimitiveType>::Native;

/// "Not a time" of NumPy's datetime64 and timedelta64.
pub(super) const NOT_A_TIME: i64 = i64::MIN;

/// Characters or bytes in a text of fixed size, at most: more is a damaged type.
const LONGEST_FIXED_TEXT: usize = 1 << 20;

/// The type of the cells of an array.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CellType {
    /// An integer, or a float of 32 or 64 bits.
    Number(ArrowType),
    /// A float of 16 bits, read as one of 32.
    Half,
    /// One byte, 0 or 1.
    Boolean,
    /// `bytes` bytes of text, padded with zeros. One byte is a character of a character array.
    FixedBytes { bytes: usize },
    /// `characters` characters of UTF-32, padded with zeros.
    FixedText { characters: usize },
    /// Text of any length.
    Text,
    /// Bytes of any length, read as text like those of fixed size.
    Bytes,
    /// NumPy's datetime64: a count of `factor` × `unit` since 1970, the smallest number is "not a time".
    Time { unit: TimeUnit, factor: i64 },
    /// NumPy's timedelta64: a count of `factor` × `unit`, the smallest number is "not a time".
    Duration { unit: &'static str, factor: i64 },
    /// Lists of any length of numbers.
    Lists(Numbers),
    /// Cells of another type, which are missing where a mask says so.
    Optional(Box<CellType>),
}

/// Which bytes of a number come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl CellType {
    /// Reads a Zarr v2 `dtype`, NumPy's array protocol: `<f4`, `|S8`, `<M8[ns]`.
    /// `objects` is what a filter makes of objects (`|O`).
    pub(super) fn of_v2(dtype: &Value, objects: Option<Self>) -> Option<(Self, ByteOrder)> {
        let text = dtype.as_str()?;
        let order = match text.chars().next()? {
            '>' => ByteOrder::Big,
            '<' | '|' | '=' => ByteOrder::Little,
            _ => return None,
        };
        let rest = text.get(1..)?;
        let kind = rest.chars().next()?;
        let size = rest.get(1..)?;
        let cell = match (kind, size) {
            ('M', _) => time(size.strip_prefix("8[")?.strip_suffix(']')?)?,
            ('m', _) => duration(size.strip_prefix("8[")?.strip_suffix(']')?)?,
            ('b', "1") => Self::Boolean,
            ('O', "") => objects?,
            ('S', _) => Self::FixedBytes {
                bytes: text_length(size)?,
            },
            ('U', _) => Self::FixedText {
                characters: text_length(size)?,
            },
            ('i', "1") => Self::Number(ArrowType::Int8),
            ('i', "2") => Self::Number(ArrowType::Int16),
            ('i', "4") => Self::Number(ArrowType::Int32),
            ('i', "8") => Self::Number(ArrowType::Int64),
            ('u', "1") => Self::Number(ArrowType::UInt8),
            ('u', "2") => Self::Number(ArrowType::UInt16),
            ('u', "4") => Self::Number(ArrowType::UInt32),
            ('u', "8") => Self::Number(ArrowType::UInt64),
            ('f', "2") => Self::Half,
            ('f', "4") => Self::Number(ArrowType::Float32),
            ('f', "8") => Self::Number(ArrowType::Float64),
            _ => return None,
        };
        Some((cell, order))
    }

    /// Reads a Zarr v3 `data_type`: a name, or an object with a name and a configuration.
    pub(super) fn of_v3(data_type: &Value) -> Option<Self> {
        let name = data_type
            .as_str()
            .or_else(|| data_type.get("name")?.as_str())?;
        let setting = |key: &str| data_type.get("configuration")?.get(key);
        let length = |key: &str| usize::try_from(setting(key)?.as_u64()?).ok();
        Some(match name {
            "bool" => Self::Boolean,
            "int8" => Self::Number(ArrowType::Int8),
            "int16" => Self::Number(ArrowType::Int16),
            "int32" => Self::Number(ArrowType::Int32),
            "int64" => Self::Number(ArrowType::Int64),
            "uint8" => Self::Number(ArrowType::UInt8),
            "uint16" => Self::Number(ArrowType::UInt16),
            "uint32" => Self::Number(ArrowType::UInt32),
            "uint64" => Self::Number(ArrowType::UInt64),
            "float16" => Self::Half,
            "float32" => Self::Number(ArrowType::Float32),
            "float64" => Self::Number(ArrowType::Float64),
            "string" => Self::Text,
            "bytes" | "variable_length_bytes" => Self::Bytes,
            "fixed_length_utf32" => {
                let bytes = length("length_bytes")?;
                Self::FixedText {
                    characters: Some(bytes / 4)
                        .filter(|characters| bytes % 4 == 0 && is_text_length(characters))?,
                }
            }
            "null_terminated_bytes" => Self::FixedBytes {
                bytes: length("length_bytes").filter(is_text_length)?,
            },
            "zarrs.optional" => match Self::of_v3(data_type.get("configuration")?)? {
                // There is no NULL inside of a text of characters.
                Self::FixedBytes { bytes: 1 } => return None,
                values => Self::Optional(Box::new(values)),
            },
            "numpy.datetime64" | "numpy.timedelta64" => {
                let scale = setting("scale_factor").map_or(Some(1), Value::as_i64)?;
                let unit = format!("{scale}{}", setting("unit")?.as_str()?);
                if name == "numpy.datetime64" {
                    time(&unit)?
                } else {
                    duration(&unit)?
                }
            }
            _ => return None,
        })
    }

    /// The type of the cells that are not missing.
    pub(super) fn of_values(&self) -> &Self {
        match self {
            Self::Optional(values) => values.of_values(),
            other => other,
        }
    }

    /// The type of the decoded values.
    pub(super) fn arrow(&self) -> ArrowType {
        match self {
            Self::Number(number) => number.clone(),
            Self::Half => ArrowType::Float32,
            Self::Boolean => ArrowType::Boolean,
            Self::FixedBytes { bytes: 1 } => ArrowType::FixedSizeBinary(1),
            Self::FixedBytes { .. } | Self::FixedText { .. } | Self::Text | Self::Bytes => {
                ArrowType::Utf8
            }
            Self::Time { unit, .. } => ArrowType::Timestamp(*unit, None),
            Self::Duration { .. } => ArrowType::Int64,
            Self::Lists(numbers) => ArrowType::new_list(numbers.arrow(), false),
            Self::Optional(values) => values.arrow(),
        }
    }

    /// The name and configuration of the type the codecs work on, as Zarr v3 writes it. Of cells that
    /// may be missing, that of the values.
    pub(super) fn zarrs_metadata(&self) -> Value {
        match self {
            Self::Number(number) => json!(number.to_string().to_lowercase()),
            Self::Half => json!("float16"),
            Self::Boolean => json!("bool"),
            Self::FixedBytes { bytes } => json!(format!("r{}", bytes * 8)),
            Self::FixedText { characters } => json!({
                "name": "fixed_length_utf32",
                "configuration": {"length_bytes": characters * 4},
            }),
            Self::Text | Self::Bytes => json!("string"),
            Self::Time { .. } | Self::Duration { .. } => json!("int64"),
            Self::Lists(_) => json!("bytes"),
            Self::Optional(values) => values.zarrs_metadata(),
        }
    }

    /// Bytes of a decoded cell; of texts and lists of any length, those of their offset.
    pub(super) fn cell_bytes(&self) -> u64 {
        match self {
            Self::Number(number) => number.primitive_width().unwrap_or(8) as u64,
            Self::Half => 4,
            Self::Boolean => 1,
            Self::FixedBytes { bytes } => *bytes as u64,
            Self::FixedText { characters } => *characters as u64 * 4,
            Self::Text
            | Self::Bytes
            | Self::Lists(_)
            | Self::Time { .. }
            | Self::Duration { .. } => 8,
            Self::Optional(values) => values.cell_bytes() + 1,
        }
    }

    /// The fill value in the terms of the decoded values: times as counts, bytes as text, floats
    /// written in hexadecimal as numbers. What makes no sense for the type stays as it is.
    pub(super) fn fill_value(&self, stored: &Value) -> Value {
        match (self, stored) {
            // NumPy writes a number where it has no list.
            (_, Value::Null) | (Self::Lists(_), _) => Value::Null,
            (Self::Optional(values), Value::Array(one)) => match one.as_slice() {
                [value] => values.fill_value(value),
                _ => stored.clone(),
            },
            (Self::Time { factor, .. } | Self::Duration { factor, .. }, _) => {
                count(stored, *factor)
            }
            (Self::FixedBytes { .. } | Self::Bytes, Value::String(text)) => {
                json!(text_of_base64(text))
            }
            (
                Self::FixedBytes { .. } | Self::FixedText { .. } | Self::Text | Self::Bytes,
                Value::Number(_),
            ) => json!(""),
            (Self::Boolean, Value::Number(number)) => json!(number.as_f64() != Some(0.0)),
            (Self::Number(ArrowType::Float32), Value::String(text)) => hexadecimal(text)
                .and_then(|bits| u32::try_from(bits).ok())
                .map_or_else(|| stored.clone(), |bits| float(f32::from_bits(bits).into())),
            (Self::Number(ArrowType::Float64), Value::String(text)) => {
                hexadecimal(text).map_or_else(|| stored.clone(), |bits| float(f64::from_bits(bits)))
            }
            (Self::Half, Value::String(text)) => hexadecimal(text)
                .and_then(|bits| u16::try_from(bits).ok())
                .map_or_else(
                    || stored.clone(),
                    |bits| float(Float16::from_bits(bits).to_f64()),
                ),
            _ => stored.clone(),
        }
    }
}

/// The length of a text of fixed size, if it is possible.
fn text_length(digits: &str) -> Option<usize> {
    digits.parse().ok().filter(is_text_length)
}

fn is_text_length(length: &usize) -> bool {
    (1..=LONGEST_FIXED_TEXT).contains(length)
}

/// A NumPy unit as its count and its name: `25s` is `(25, "s")`, `ns` is `(1, "ns")`.
fn unit_of(text: &str) -> Option<(i64, &str)> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (count, unit) = text.split_at(digits);
    let count = if count.is_empty() {
        1
    } else {
        count.parse().ok().filter(|count| *count > 0)?
    };
    Some((count, unit))
}

/// Years and months have no fixed length, and nothing finer than nanoseconds is known to Arrow.
fn time(text: &str) -> Option<CellType> {
    let (count, unit) = unit_of(text)?;
    let (unit, seconds) = match unit {
        "W" => (TimeUnit::Second, 7 * 86_400),
        "D" => (TimeUnit::Second, 86_400),
        "h" => (TimeUnit::Second, 3_600),
        "m" => (TimeUnit::Second, 60),
        "s" => (TimeUnit::Second, 1),
        "ms" => (TimeUnit::Millisecond, 1),
        "us" | "μs" => (TimeUnit::Microsecond, 1),
        "ns" => (TimeUnit::Nanosecond, 1),
        _ => return None,
    };
    let factor = count.checked_mul(seconds)?;
    Some(CellType::Time { unit, factor })
}

fn duration(text: &str) -> Option<CellType> {
    let (count, unit) = unit_of(text)?;
    let (unit, weeks) = match unit {
        "W" => ("days", 7),
        "D" => ("days", 1),
        "h" => ("hours", 1),
        "m" => ("minutes", 1),
        "s" => ("seconds", 1),
        "ms" => ("milliseconds", 1),
        "us" | "μs" => ("microseconds", 1),
        "ns" => ("nanoseconds", 1),
        _ => return None,
    };
    let factor = count.checked_mul(weeks)?;
    Some(CellType::Duration { unit, factor })
}

/// A stored count, or `"NaT"`, in the unit of the decoded values.
fn count(stored: &Value, factor: i64) -> Value {
    match stored.as_i64() {
        Some(NOT_A_TIME) => json!(NOT_A_TIME),
        Some(count) => count
            .checked_mul(factor)
            .map_or_else(|| stored.clone(), |count| json!(count)),
        None if stored.as_str() == Some("NaT") => json!(NOT_A_TIME),
        None => stored.clone(),
    }
}

/// Zarr writes fill values of bytes in base64.
fn text_of_base64(encoded: &str) -> String {
    match BASE64_STANDARD.decode(encoded) {
        Ok(bytes) => String::from_utf8_lossy(&bytes)
            .trim_end_matches('\0')
            .to_string(),
        Err(_) => encoded.to_string(),
    }
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// A float as JSON, with words for what JSON lacks.
fn float(value: f64) -> Value {
    if value.is_nan() {
        json!("NaN")
    } else if value.is_infinite() {
        json!(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        json!(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dtypes_of_v2_become_arrow_types() {
        let cases = [
            ("<f4", Some((ArrowType::Float32, ByteOrder::Little))),
            (">i2", Some((ArrowType::Int16, ByteOrder::Big))),
            ("|b1", Some((ArrowType::Boolean, ByteOrder::Little))),
            ("<f2", Some((ArrowType::Float32, ByteOrder::Little))),
            (
                "|S1",
                Some((ArrowType::FixedSizeBinary(1), ByteOrder::Little)),
            ),
            ("|S8", Some((ArrowType::Utf8, ByteOrder::Little))),
            (">U3", Some((ArrowType::Utf8, ByteOrder::Big))),
            (
                "<M8[D]",
                Some((
                    ArrowType::Timestamp(TimeUnit::Second, None),
                    ByteOrder::Little,
                )),
            ),
            (
                "<M8[25ns]",
                Some((
                    ArrowType::Timestamp(TimeUnit::Nanosecond, None),
                    ByteOrder::Little,
                )),
            ),
            (">m8[ns]", Some((ArrowType::Int64, ByteOrder::Big))),
            ("<M8[Y]", None),
            ("<M8", None),
            ("<c16", None),
            ("|V8", None),
            ("|O", None),
            ("<f16", None),
            ("|S0", None),
            ("f4", None),
            ("", None),
            ("<é4", None),
        ];
        for (dtype, expected) in cases {
            let found = CellType::of_v2(&json!(dtype), None);
            let found = found.map(|(cell, order)| (cell.arrow(), order));
            assert_eq!(found, expected, "{dtype}");
        }
    }

    #[test]
    fn cells_may_be_missing() {
        let optional = |of: Value| json!({"name": "zarrs.optional", "configuration": of});
        let plain = |name: &str| json!({"name": name, "configuration": {}});
        let time =
            json!({"name": "numpy.datetime64", "configuration": {"unit": "D", "scale_factor": 1}});
        let character =
            json!({"name": "null_terminated_bytes", "configuration": {"length_bytes": 1}});
        let seconds = ArrowType::Timestamp(TimeUnit::Second, None);
        let cases = [
            (plain("int16"), Some(ArrowType::Int16)),
            (plain("float16"), Some(ArrowType::Float32)),
            (plain("string"), Some(ArrowType::Utf8)),
            (time, Some(seconds)),
            (character, None),
            (optional(plain("int16")), Some(ArrowType::Int16)),
            (optional(optional(plain("string"))), Some(ArrowType::Utf8)),
            (plain("complex64"), None),
            (json!({}), None),
            (json!(3), None),
        ];
        for (of, expected) in cases {
            let found = CellType::of_v3(&optional(of.clone()));
            assert_eq!(found.map(|cell| cell.arrow()), expected, "{of}");
        }
        assert_eq!(CellType::of_v3(&json!("zarrs.optional")), None);
    }

    #[test]
    fn fill_values_are_in_the_terms_of_the_values() {
        let day = CellType::Time {
            unit: TimeUnit::Second,
            factor: 86_400,
        };
        let single = CellType::Number(ArrowType::Float32);
        let double = CellType::Number(ArrowType::Float64);
        let bytes = CellType::FixedBytes { bytes: 4 };
        let maybe = CellType::Optional(Box::new(single.clone()));
        let twice = CellType::Optional(Box::new(maybe.clone()));
        let cases = [
            (&day, json!(2), json!(172_800)),
            (&day, json!("NaT"), json!(i64::MIN)),
            (&day, json!(i64::MIN), json!(i64::MIN)),
            (&single, json!("0x7fc00000"), json!("NaN")),
            (&single, json!("0x3f800000"), json!(1.0)),
            (&double, json!("-Infinity"), json!("-Infinity")),
            (&CellType::Half, json!("0x3c00"), json!(1.0)),
            (&bytes, json!("YWIAAA=="), json!("ab")),
            (&CellType::Text, json!(0), json!("")),
            (&CellType::Boolean, json!(0), json!(false)),
            (&CellType::Lists(Numbers::I32), json!(0), Value::Null),
            (&maybe, json!(["0x3f800000"]), json!(1.0)),
            (&maybe, Value::Null, Value::Null),
            (&maybe, json!([1, 2]), json!([1, 2])),
            (&twice, json!([["0x3f800000"]]), json!(1.0)),
            (&twice, json!([null]), Value::Null),
            (&single, Value::Null, Value::Null),
        ];
        for (cell, stored, expected) in cases {
            assert_eq!(cell.fill_value(&stored), expected, "{cell:?} {stored}");
        }
    }
}
