//! Columns as Arrow fields: attributes travel as field metadata, numbers as JSON text.

use std::collections::HashMap;

use arrow::datatypes::Field;
use serde_json::Value;

use crate::cube::decoding::{Decoding, DecodingRules};
use crate::cube::metadata::{CALENDAR, CRS, UNITS};
use crate::overviews::precision::ATTRIBUTE as ROUNDED_TO;
use crate::source::Attributes;

/// Attributes that describe how values are stored: decoding has used them up.
const OF_STORAGE: [&str; 10] = [
    "_FillValue",
    "missing_value",
    "scale_factor",
    "add_offset",
    "_Unsigned",
    "valid_min",
    "valid_max",
    "valid_range",
    "dtype",
    ROUNDED_TO,
];

/// Attributes that tie arrays together: the cube's model says the same.
const OF_STRUCTURE: [&str; 9] = [
    "bounds",
    "climatology",
    "grid_mapping",
    CALENDAR,
    "_ARRAY_DIMENSIONS",
    "DIMENSION_LIST",
    "REFERENCE_LIST",
    "CLASS",
    "NAME",
];

/// Attributes that are lists even where there is one value in them, or none.
const LISTS: [&str; 2] = ["flag_values", "flag_masks"];

/// Does the attribute describe how values are stored or which arrays belong together, rather than the
/// values?
pub(crate) fn is_of_storage_or_structure(name: &str) -> bool {
    OF_STORAGE.contains(&name) || OF_STRUCTURE.contains(&name)
}

/// The field of a column with `attributes`.
pub(super) fn field(
    name: &str,
    decoding: &Decoding,
    attributes: &Attributes,
    rules: DecodingRules,
    crs: Option<&str>,
) -> Field {
    let mut metadata: HashMap<String, String> = attributes
        .iter()
        .filter(|(name, _)| {
            let name = name.as_str();
            let used_up = rules.mask_and_scale && OF_STORAGE.contains(&name);
            let replaced = decoding.is_time() && name == UNITS;
            !used_up && !replaced && !OF_STRUCTURE.contains(&name)
        })
        .filter_map(|(name, value)| Some((name.clone(), metadata_text(name, value)?)))
        .collect();
    if let Some(calendar) = decoding.calendar() {
        metadata.insert(CALENDAR.to_string(), calendar.name().to_string());
    }
    if let Some(crs) = crs {
        metadata.insert(CRS.to_string(), crs.to_string());
    }
    Field::new(name, decoding.data_type().clone(), true).with_metadata(metadata)
}

fn metadata_text(name: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Array(list) if list.len() == 1 && !LISTS.contains(&name) => {
            metadata_text(name, &list[0])
        }
        Value::Array(list) if LISTS.contains(&name) || !list.is_empty() => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) | Value::Null => None,
    }
}
