//! Attributes out of the texts that columns carry: numbers and lists become what CF wants them to be.

use arrow::datatypes::DataType;
use graticule_functions::metadata::{FLAG_MASKS, FLAG_VALUES};
use serde_json::{Value, json};

use crate::cube::conventions::is_of_storage_or_structure;
use crate::cube::metadata::{CELL_SIZE, CRS};

/// Attributes that are texts even where the text is a number, above all `units: "1"`: those of CF 1.11
/// appendix A and of ACDD 1.3.
const TEXTS: [&str; 23] = [
    "ancillary_variables",
    "axis",
    "cell_measures",
    "cell_methods",
    "cf_role",
    "comment",
    "coverage_content_type",
    "description",
    "featureType",
    "flag_meanings",
    "formula_terms",
    "history",
    "institution",
    "long_name",
    "positive",
    "references",
    "short_name",
    "source",
    "standard_name",
    "title",
    "units",
    "units_metadata",
    "version",
];

/// Attributes that another statement about the data makes wrong: the range of the values at hand.
const OF_VALUES: [&str; 5] = ["actual_range", "data_min", "data_max", "minimum", "maximum"];

/// The attribute that the metadata `name: text` of a column stand for. `None` where it belongs to
/// the arrays that the column was read from.
pub(super) fn attribute(name: &str, text: &str, data_type: &DataType) -> Option<Value> {
    let is_ours = [CRS, CELL_SIZE].contains(&name);
    let is_of_arrow = name.starts_with("ARROW:") || name.starts_with("PARQUET:");
    if is_ours || is_of_arrow || is_of_storage_or_structure(name) || OF_VALUES.contains(&name) {
        return None;
    }
    if [FLAG_VALUES, FLAG_MASKS].contains(&name) {
        return flags(text, data_type);
    }
    if TEXTS.contains(&name) {
        return Some(json!(text));
    }
    let value = serde_json::from_str(text).ok();
    let value = value.filter(|value: &Value| value.is_number() || value.is_array());
    Some(value.unwrap_or_else(|| json!(text)))
}

/// A list of integers of the column's own type (CF 1.11 §3.5): as JSON, or separated by spaces or
/// commas. Of floats, which hold flags where some are missing, as it is. `None` if the column has no numbers.
fn flags(text: &str, data_type: &DataType) -> Option<Value> {
    if !data_type.is_numeric() {
        return None;
    }
    let numbers = text.trim_matches(['[', ']']);
    let numbers = numbers.split(|c: char| c == ',' || c.is_whitespace());
    let numbers = numbers.filter(|number| !number.is_empty());
    let numbers: Option<Vec<i128>> = numbers.map(integer).collect();
    if data_type.is_floating() {
        let numbers = numbers?.into_iter().map(|number| json!(number as i64));
        return Some(Value::Array(numbers.collect()));
    }
    let bits = 8 * data_type.primitive_width()? as u32;
    let numbers = numbers?.into_iter();
    let numbers: Option<Vec<Value>> = numbers
        .map(|number| of_width(number, bits, data_type.is_signed_integer()))
        .collect();
    numbers.map(Value::Array)
}

fn integer(text: &str) -> Option<i128> {
    let float = || {
        let number: f64 = text.parse().ok()?;
        (number.fract() == 0.0 && number.abs() < 1e18).then_some(number as i128)
    };
    text.parse().ok().or_else(float)
}

/// The number with the same bits that the type has: unsigned flags are often written as signed ones.
fn of_width(number: i128, bits: u32, is_signed: bool) -> Option<Value> {
    let range = 1_i128 << bits;
    if !(-range / 2..range).contains(&number) {
        return None;
    }
    Some(match is_signed {
        true if number >= range / 2 => json!((number - range) as i64),
        true => json!(number as i64),
        false => json!(number.rem_euclid(range) as u64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_what_they_stand_for() {
        let cases = [
            ("units", "1", DataType::Float32, Some(json!("1"))),
            ("wavelength", "665.5", DataType::Float32, Some(json!(665.5))),
            ("band", "7", DataType::Float32, Some(json!(7))),
            ("comment", "42", DataType::Float32, Some(json!("42"))),
            ("product", "L3 7", DataType::Float32, Some(json!("L3 7"))),
            ("crs", "EPSG:4326", DataType::Float32, None),
            ("scale_factor", "0.01", DataType::Float32, None),
            ("actual_range", "[0,1]", DataType::Float32, None),
            (
                "ARROW:extension:name",
                "geoarrow.wkb",
                DataType::Float32,
                None,
            ),
            (
                "flag_values",
                "[0,1,2]",
                DataType::Int8,
                Some(json!([0, 1, 2])),
            ),
            (
                "flag_values",
                "0 1 2",
                DataType::Int8,
                Some(json!([0, 1, 2])),
            ),
            (
                "flag_values",
                "0.0, 1.0",
                DataType::Int8,
                Some(json!([0, 1])),
            ),
            (
                "flag_masks",
                "[1,-128]",
                DataType::UInt8,
                Some(json!([1, 128])),
            ),
            (
                "flag_masks",
                "[1,128]",
                DataType::Int8,
                Some(json!([1, -128])),
            ),
            (
                "flag_masks",
                "[9223372036854775808]",
                DataType::UInt64,
                Some(json!([1_u64 << 63])),
            ),
            (
                "flag_values",
                "[0,1]",
                DataType::Float32,
                Some(json!([0, 1])),
            ),
            ("flag_values", "[0,1]", DataType::Boolean, None),
            (
                "color_table",
                "[0.5,13.0]",
                DataType::Float32,
                Some(json!([0.5, 13.0])),
            ),
            ("flag_values", "[0,300]", DataType::UInt8, None),
            ("flag_values", "low high", DataType::Int8, None),
        ];
        for (name, text, data_type, expected) in cases {
            assert_eq!(
                attribute(name, text, &data_type),
                expected,
                "{name}: {text}"
            );
        }
    }
}
