//! NetCDF attributes as JSON: one value as a scalar, several as an array, text as a string.

use graticule_engine::source::Attributes;
use netcdf_reader::{NcAttrValue, NcAttribute};
use serde_json::Value;

/// The attributes that have a JSON form. Attributes of compound, opaque and variable-length types
/// are left out.
pub(super) fn to_json(attributes: &[NcAttribute]) -> Attributes {
    attributes
        .iter()
        .filter_map(|attribute| Some((attribute.name.clone(), value(&attribute.value)?)))
        .collect()
}

fn value(value: &NcAttrValue) -> Option<Value> {
    Some(match value {
        NcAttrValue::Chars(text) => Value::from(text.trim_end_matches('\0')),
        NcAttrValue::Strings(values) => one_or_many(values, |text| Value::from(text.as_str())),
        NcAttrValue::Bytes(values) => one_or_many(values, |v| Value::from(*v)),
        NcAttrValue::Shorts(values) => one_or_many(values, |v| Value::from(*v)),
        NcAttrValue::Ints(values) => one_or_many(values, |v| Value::from(*v)),
        NcAttrValue::Int64s(values) => one_or_many(values, |v| Value::from(*v)),
        NcAttrValue::UBytes(values) => one_or_many(values, |v| Value::from(*v)),
        NcAttrValue::UShorts(values) => one_or_many(values, |v| Value::from(*v)),
        NcAttrValue::UInts(values) => one_or_many(values, |v| Value::from(*v)),
        NcAttrValue::UInt64s(values) => one_or_many(values, |v| Value::from(*v)),
        NcAttrValue::Floats(values) => one_or_many(values, |v| float(f64::from(*v))),
        NcAttrValue::Doubles(values) => one_or_many(values, |v| float(*v)),
        NcAttrValue::UserDefined { .. } => return None,
    })
}

fn one_or_many<T>(values: &[T], json: impl Fn(&T) -> Value) -> Value {
    match values {
        [only] => json(only),
        many => Value::Array(many.iter().map(json).collect()),
    }
}

/// A float; those that JSON lacks by name.
pub(super) fn float(value: f64) -> Value {
    if value.is_nan() {
        Value::from("NaN")
    } else if value.is_infinite() {
        Value::from(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        Value::from(value)
    }
}
