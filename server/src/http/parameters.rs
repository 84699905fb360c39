//! Values of JSON as those of `$1`, `$2`, …, in the types that the statement takes them for.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use serde_json::Value;

use super::problem::Problem;

/// The values of a statement that takes values of these types; `None` where the statement does not say.
///
/// # Errors
/// There are more or fewer values, or one does not fit.
pub(super) fn values(
    given: &[Value],
    types: &[Option<DataType>],
) -> Result<Vec<ScalarValue>, Problem> {
    if given.len() != types.len() {
        let detail = format!(
            "the statement takes {} values and the request has {}; put as many into params",
            types.len(),
            given.len()
        );
        return Err(Problem::bad_request(detail));
    }
    let numbered = given.iter().zip(types).enumerate();
    let value = |(index, (given, data_type)): (usize, (&Value, &Option<DataType>))| {
        converted(given, data_type.as_ref()).ok_or_else(|| {
            let detail = match data_type {
                Some(data_type) => {
                    format!("${} is of type {data_type}, and not {given}", index + 1)
                }
                None => format!("${} is a number, a text, true, false or null", index + 1),
            };
            Problem::bad_request(detail)
        })
    };
    numbered.map(value).collect()
}

fn converted(given: &Value, data_type: Option<&DataType>) -> Option<ScalarValue> {
    let value = match given {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::from(*value),
        Value::String(text) => ScalarValue::from(text.as_str()),
        Value::Number(number) => {
            let signed = number.as_i64().map(ScalarValue::from);
            let unsigned = || number.as_u64().map(ScalarValue::from);
            let real = || number.as_f64().map(ScalarValue::from);
            signed.or_else(unsigned).or_else(real)?
        }
        Value::Array(_) | Value::Object(_) => return None,
    };
    let Some(data_type) = data_type else {
        return Some(value);
    };
    let is_kind = match given {
        Value::Bool(_) => *data_type == DataType::Boolean,
        Value::Number(_) => *data_type != DataType::Boolean,
        _ => true,
    };
    let cast = value.cast_to(data_type).ok().filter(|_| is_kind)?;
    // A cast to whole numbers cuts off what is behind the point.
    let is_same = |back: ScalarValue| back == value;
    let is_whole = !given.is_number()
        || !data_type.is_integer()
        || cast.cast_to(&value.data_type()).is_ok_and(is_same);
    is_whole.then_some(cast)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_become_what_the_statement_takes() {
        let time = DataType::Timestamp(TimeUnit::Second, None);
        let cases = [
            (json!(3), DataType::Int32, Some(ScalarValue::Int32(Some(3)))),
            (
                json!(3.0),
                DataType::Int32,
                Some(ScalarValue::Int32(Some(3))),
            ),
            (json!(3.5), DataType::Int32, None),
            (json!(300), DataType::Int8, None),
            (
                json!(0.1),
                DataType::Float32,
                Some(ScalarValue::Float32(Some(0.1))),
            ),
            (
                json!("9007199254740993"),
                DataType::Int64,
                Some(ScalarValue::Int64(Some(9_007_199_254_740_993))),
            ),
            (json!("three"), DataType::Int64, None),
            (
                json!(true),
                DataType::Boolean,
                Some(ScalarValue::Boolean(Some(true))),
            ),
            (json!(true), DataType::Int64, None),
            (json!(1), DataType::Boolean, None),
            (json!(null), DataType::Int64, Some(ScalarValue::Int64(None))),
            (
                json!("1970-01-01T00:01:00"),
                time.clone(),
                Some(ScalarValue::TimestampSecond(Some(60), None)),
            ),
            (json!("soon"), time, None),
            (json!([1]), DataType::Int64, None),
        ];
        for (given, data_type, expected) in cases {
            let found = converted(&given, Some(&data_type));
            assert_eq!(found, expected, "{given} as {data_type}");
        }
    }

    #[test]
    fn there_are_as_many_values_as_the_statement_takes() {
        assert!(values(&[json!(1)], &[]).is_err());
        assert!(values(&[], &[Some(DataType::Int64)]).is_err());
        assert_eq!(
            values(&[json!("a")], &[None]),
            Ok(vec![ScalarValue::from("a")])
        );
    }
}
