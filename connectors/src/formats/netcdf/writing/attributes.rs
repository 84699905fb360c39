//! Attributes as HDF5 has them: [`Attribute`].
//!
//! ```text
//!  "degC"        a text                                 3, -3     32-bit integers where they fit, else 64-bit
//!  0.5, [1, 2.5] 64-bit floats                          true      an 8-bit integer
//!  _FillValue, valid_range, flag_values, …              numbers of the array's own type
//!  other lists, objects                                 texts
//! ```

use arrow::datatypes::DataType;
use serde_json::Value;

use super::types;
use crate::writing::number::{bytes_of_number, float};

/// Attributes of the type of their array: CF conventions 1.11, appendix A.
const OF_THE_ARRAYS_TYPE: [&str; 8] = [
    "_FillValue",
    "missing_value",
    "valid_range",
    "valid_min",
    "valid_max",
    "flag_values",
    "flag_masks",
    "actual_range",
];

/// The value of an attribute: type and shape as they stand in the file, and the bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attribute {
    pub(super) data_type: Vec<u8>,
    pub(super) shape: Vec<u64>,
    pub(super) bytes: Vec<u8>,
}

impl Attribute {
    /// The attribute `name` of an array of type `of`, or of a group. `None` for what says nothing.
    pub(super) fn of(name: &str, value: &Value, of: Option<&DataType>) -> Option<Self> {
        let own = of.filter(|_| OF_THE_ARRAYS_TYPE.contains(&name));
        if let Some(numbers) = own.and_then(|of| Self::numbers(value, of)) {
            return Some(numbers);
        }
        match value {
            Value::Null => None,
            Value::Bool(truth) => Self::numbers(&Value::from(i8::from(*truth)), &DataType::Int8),
            Value::String(text) => Some(Self::text(text)),
            Value::Number(_) => Self::plain_numbers(value),
            Value::Array(values) => {
                let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
                match texts {
                    Some(texts) if !texts.is_empty() => Some(Self::text(&texts.join(" "))),
                    _ => {
                        Self::plain_numbers(value).or_else(|| Some(Self::text(&value.to_string())))
                    }
                }
            }
            Value::Object(_) => Some(Self::text(&value.to_string())),
        }
    }

    pub(super) fn text(text: &str) -> Self {
        // No text is empty in HDF5.
        let bytes = match text.is_empty() {
            true => vec![0],
            false => text.as_bytes().to_vec(),
        };
        Self {
            data_type: types::text(bytes.len()),
            shape: Vec::new(),
            bytes,
        }
    }

    /// Numbers of the smallest type that holds them.
    fn plain_numbers(value: &Value) -> Option<Self> {
        let types = [DataType::Int32, DataType::Int64, DataType::Float64];
        types.iter().find_map(|of| {
            let is_whole = |number: &Value| number.is_i64() || number.is_u64();
            let are_whole = match value {
                Value::Array(numbers) => numbers.iter().all(is_whole),
                number => is_whole(number),
            };
            (are_whole || of.is_floating())
                .then(|| Self::numbers(value, of))
                .flatten()
        })
    }

    /// A number or a list of numbers as values of type `of`; `None` where they are none.
    pub(super) fn numbers(value: &Value, of: &DataType) -> Option<Self> {
        let one = std::slice::from_ref(value);
        let numbers = value.as_array().map_or(one, Vec::as_slice);
        if numbers.is_empty() || !numbers.iter().all(|number| float(number).is_some()) {
            return None;
        }
        let bytes: Option<Vec<Vec<u8>>> = numbers.iter().map(|n| bytes_of_number(of, n)).collect();
        Some(Self {
            data_type: types::number(of)?,
            shape: vec![numbers.len() as u64],
            bytes: bytes?.concat(),
        })
    }

    /// A scalar of 32 bits.
    pub(super) fn scalar(number: i32) -> Option<Self> {
        Some(Self {
            data_type: types::number(&DataType::Int32)?,
            shape: Vec::new(),
            bytes: number.to_ne_bytes().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attributes_take_the_type_that_readers_expect() {
        let of = |data_type: &DataType, count: usize, bytes: Vec<u8>| Attribute {
            data_type: types::number(data_type).unwrap_or_default(),
            shape: vec![count as u64],
            bytes,
        };
        let (small, single) = (DataType::Int16, DataType::Float32);
        let wide = 1_i64 << 40;
        let cases = [
            ("a", json!("degC"), Some(Attribute::text("degC"))),
            ("a", json!(null), None),
            (
                "a",
                json!(3),
                Some(of(&DataType::Int32, 1, 3_i32.to_ne_bytes().to_vec())),
            ),
            (
                "a",
                json!(wide),
                Some(of(&DataType::Int64, 1, wide.to_ne_bytes().to_vec())),
            ),
            (
                "a",
                json!([1, 2.5]),
                Some(of(
                    &DataType::Float64,
                    2,
                    [1_f64.to_ne_bytes(), 2.5_f64.to_ne_bytes()].concat(),
                )),
            ),
            (
                "_FillValue",
                json!(-9),
                Some(of(&small, 1, (-9_i16).to_ne_bytes().to_vec())),
            ),
            ("a", json!(["x", "y"]), Some(Attribute::text("x y"))),
            ("a", json!({"b": 1}), Some(Attribute::text("{\"b\":1}"))),
        ];
        for (name, value, expected) in cases {
            assert_eq!(
                Attribute::of(name, &value, Some(&small)),
                expected,
                "{name} {value}"
            );
        }
        let nan = Attribute::of("_FillValue", &json!("NaN"), Some(&single));
        assert_eq!(nan, Some(of(&single, 1, f32::NAN.to_ne_bytes().to_vec())));
    }
}
