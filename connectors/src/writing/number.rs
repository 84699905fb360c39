//! Numbers of attributes in the bytes of a type: [`bytes_of_number`].

use arrow::datatypes::DataType;
use serde_json::Value;

/// The number in native byte order, as a value of `data_type`; `None` where it is no number, or none that
/// the type can hold. Floats that JSON lacks are words: `"NaN"`.
pub(crate) fn bytes_of_number(data_type: &DataType, number: &Value) -> Option<Vec<u8>> {
    let whole = || number.as_i64().or_else(|| whole_float(number));
    Some(match data_type {
        DataType::Boolean => vec![u8::from(number.as_bool()?)],
        DataType::Int8 => i8::try_from(whole()?).ok()?.to_ne_bytes().to_vec(),
        DataType::Int16 => i16::try_from(whole()?).ok()?.to_ne_bytes().to_vec(),
        DataType::Int32 => i32::try_from(whole()?).ok()?.to_ne_bytes().to_vec(),
        DataType::Int64 => whole()?.to_ne_bytes().to_vec(),
        DataType::UInt8 => u8::try_from(whole()?).ok()?.to_ne_bytes().to_vec(),
        DataType::UInt16 => u16::try_from(whole()?).ok()?.to_ne_bytes().to_vec(),
        DataType::UInt32 => u32::try_from(whole()?).ok()?.to_ne_bytes().to_vec(),
        DataType::UInt64 => {
            let wide = number.as_u64();
            let wide = wide.or_else(|| u64::try_from(whole_float(number)?).ok());
            wide?.to_ne_bytes().to_vec()
        }
        DataType::Float32 => (float(number)? as f32).to_ne_bytes().to_vec(),
        DataType::Float64 => float(number)?.to_ne_bytes().to_vec(),
        _ => return None,
    })
}

/// A float that is a whole number.
fn whole_float(number: &Value) -> Option<i64> {
    let float = number.as_f64()?;
    (float.fract() == 0.0 && float.abs() < 2_f64.powi(53)).then_some(float as i64)
}

/// A float, or a word for one that JSON lacks.
pub(crate) fn float(number: &Value) -> Option<f64> {
    match number {
        Value::Number(number) => number.as_f64(),
        Value::String(word) => match word.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_in_the_bytes_of_a_type() {
        let cases = [
            (
                DataType::Int16,
                json!(-2),
                Some((-2_i16).to_ne_bytes().to_vec()),
            ),
            (
                DataType::Int16,
                json!(7.0),
                Some(7_i16.to_ne_bytes().to_vec()),
            ),
            (DataType::Int16, json!(7.5), None),
            (DataType::UInt8, json!(256), None),
            (DataType::UInt64, json!(u64::MAX), Some(vec![0xff; 8])),
            (
                DataType::Float32,
                json!("NaN"),
                Some(f32::NAN.to_ne_bytes().to_vec()),
            ),
            (
                DataType::Float64,
                json!(3),
                Some(3_f64.to_ne_bytes().to_vec()),
            ),
            (DataType::Boolean, json!(true), Some(vec![1])),
            (DataType::Float32, json!("much"), None),
            (DataType::Utf8, json!(3), None),
        ];
        for (data_type, number, expected) in cases {
            assert_eq!(bytes_of_number(&data_type, &number), expected, "{number}");
        }
    }
}
