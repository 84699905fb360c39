//! What a user may say about how one variable is stored.

use arrow::datatypes::DataType;
use serde_json::{Value, json};

use crate::cube::decoding::number::Number;
use crate::error::{CubeError, CubeResult};
use crate::source::Options;

/// Options that [`EncodingOptions::parse`] reads, with one line of documentation each.
pub const ENCODING_OPTIONS: &[(&str, &str)] = &[
    (
        "dtype",
        "type of the stored numbers: int8 to int64, uint8 to uint64, float32 or float64",
    ),
    (
        "scale_factor",
        "stored numbers times this, plus add_offset, are the values; by default 1",
    ),
    ("add_offset", "see scale_factor; by default 0"),
    (
        "fill_value",
        "the stored number that means NULL: by default NaN, the lowest of a signed type, the highest of an unsigned one",
    ),
    (
        "out_of_range",
        "'error' or 'null': what becomes of values that the stored type does not hold",
    ),
    (
        "units",
        "for times what is counted, as 'days since 1970-01-01'; for other values their units",
    ),
];

/// The names of the types of stored numbers.
const TYPES: [(&str, DataType); 10] = [
    ("int8", DataType::Int8),
    ("int16", DataType::Int16),
    ("int32", DataType::Int32),
    ("int64", DataType::Int64),
    ("uint8", DataType::UInt8),
    ("uint16", DataType::UInt16),
    ("uint32", DataType::UInt32),
    ("uint64", DataType::UInt64),
    ("float32", DataType::Float32),
    ("float64", DataType::Float64),
];

/// The options of one variable, read. Everything that is not stated is left to the column's type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EncodingOptions {
    /// Type of the stored numbers.
    pub dtype: Option<DataType>,
    /// Stored numbers times this, plus the offset, are the values.
    pub scale_factor: Option<f64>,
    /// See [`EncodingOptions::scale_factor`].
    pub add_offset: Option<f64>,
    /// The stored number that means NULL, as JSON; `"NaN"` where it is no number.
    pub fill_value: Option<Value>,
    /// What becomes of values that cannot be stored.
    pub out_of_range: OutOfRange,
    /// Units of the values; what stored numbers count where the values are times.
    pub units: Option<String>,
}

/// What becomes of a value that the stored type does not hold. It is never clipped, and never wraps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OutOfRange {
    /// The statement fails.
    #[default]
    Error,
    /// The cell is NULL, and counted.
    Null,
}

impl EncodingOptions {
    /// Reads the options of one variable. Names that are not in [`ENCODING_OPTIONS`] are ignored:
    /// whoever takes options from a user rejects those that nobody knows.
    ///
    /// # Errors
    /// A value that its option does not have.
    pub fn parse(options: &Options) -> CubeResult<EncodingOptions> {
        let text = |name: &str| options.get(name).map(|value| value.trim());
        let scale_factor = text("scale_factor").map(|value| number("scale_factor", value));
        let scale_factor = scale_factor.transpose()?;
        if scale_factor == Some(0.0) {
            let remedy = "use a number other than 0, by which values can be divided";
            return Err(wrong("scale_factor", "0").remedy(remedy));
        }
        let add_offset = text("add_offset").map(|value| number("add_offset", value));
        Ok(EncodingOptions {
            dtype: text("dtype").map(data_type).transpose()?,
            scale_factor,
            add_offset: add_offset.transpose()?,
            fill_value: text("fill_value").map(fill_value).transpose()?,
            out_of_range: text("out_of_range").map_or(Ok(OutOfRange::Error), out_of_range)?,
            units: text("units").map(str::to_string),
        })
    }
}

/// The name of a type of stored numbers as options have it; Arrow's name for all others.
pub(super) fn type_name(data_type: &DataType) -> String {
    let known = TYPES.iter().find(|(_, known)| known == data_type);
    known.map_or_else(|| data_type.to_string(), |(name, _)| (*name).to_string())
}

fn data_type(text: &str) -> CubeResult<DataType> {
    let known = TYPES
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map(|(_, data_type)| data_type).ok_or_else(|| {
        let names = TYPES.map(|(name, _)| name).join(", ");
        wrong("dtype", text).remedy(format!("use one of {names}"))
    })
}

fn number(option: &str, text: &str) -> CubeResult<f64> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| wrong(option, text).remedy("use a number, as 0.01"))
}

/// Integers stay exact; a number that is none is `"NaN"`.
fn fill_value(text: &str) -> CubeResult<Value> {
    if text.eq_ignore_ascii_case("nan") {
        return Ok(json!("NaN"));
    }
    let value = serde_json::from_str(text).ok();
    let value = value.filter(|value: &Value| value.is_number() && Number::parse(value).is_some());
    value.ok_or_else(|| wrong("fill_value", text).remedy("use a number, as -9999, or NaN"))
}

fn out_of_range(text: &str) -> CubeResult<OutOfRange> {
    match text.to_ascii_lowercase().as_str() {
        "error" => Ok(OutOfRange::Error),
        "null" => Ok(OutOfRange::Null),
        _ => Err(wrong("out_of_range", text).remedy("use 'error' or 'null'")),
    }
}

fn wrong(option: &str, value: &str) -> CubeError {
    CubeError::invalid("", format!("the option {option} cannot be '{value}'"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> CubeResult<EncodingOptions> {
        let pairs = pairs.iter();
        let options = pairs.map(|(name, value)| (name.to_string(), value.to_string()));
        EncodingOptions::parse(&options.collect())
    }

    #[test]
    fn values_are_read() {
        let options = read(&[
            ("dtype", "INT16"),
            ("scale_factor", " 0.01 "),
            ("add_offset", "-5"),
            ("fill_value", "-9999"),
            ("out_of_range", "NULL"),
            ("units", "degC"),
            ("chunks", "time=1"),
        ]);
        let expected = EncodingOptions {
            dtype: Some(DataType::Int16),
            scale_factor: Some(0.01),
            add_offset: Some(-5.0),
            fill_value: Some(json!(-9999)),
            out_of_range: OutOfRange::Null,
            units: Some("degC".to_string()),
        };
        assert_eq!(options.unwrap(), expected);
        assert_eq!(read(&[]).unwrap(), EncodingOptions::default());
        let largest = read(&[("fill_value", "18446744073709551615")]).unwrap();
        assert_eq!(largest.fill_value, Some(json!(u64::MAX)));
    }

    #[test]
    fn wrong_values_are_errors() {
        let cases = [
            ("dtype", "i2", "use one of int8, int16"),
            ("dtype", "Int128", "float64"),
            ("scale_factor", "0", "other than 0"),
            ("scale_factor", "inf", "use a number"),
            ("add_offset", "ten", "use a number"),
            ("fill_value", "none", "or NaN"),
            ("fill_value", "\"7\"", "or NaN"),
            ("out_of_range", "clip", "'error' or 'null'"),
        ];
        for (name, value, expected) in cases {
            let message = read(&[(name, value)]).unwrap_err().to_string();
            assert!(
                message.contains(expected) && message.contains(&format!("{name} cannot be")),
                "{message}"
            );
        }
    }
}
