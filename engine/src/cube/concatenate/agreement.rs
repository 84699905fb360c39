//! What files must have in common to be put together.

use std::collections::BTreeSet;

use arrow::array::ArrayRef;
use serde_json::Value;

use super::Member;
use crate::error::{CubeError, CubeResult};
use crate::source::ArrayDescription;

/// The attributes that decide how stored numbers are read. Others, such as a history, may differ.
const DECODING_ATTRIBUTES: &[&str] = &[
    "scale_factor",
    "add_offset",
    "_FillValue",
    "missing_value",
    "valid_min",
    "valid_max",
    "valid_range",
    "_Unsigned",
    "flag_values",
    "flag_masks",
    "flag_meanings",
    "dtype",
];
/// Those that do not matter where times are recounted.
const UNIT_ATTRIBUTES: &[&str] = &["units", "calendar"];

/// Do two files have the same cells along `dimension`?
pub(super) fn same_axis(a: &Member, b: &Member, dimension: &str) -> bool {
    let along = |member: &Member| -> Vec<(String, ArrayRef)> {
        let coordinates = member.coordinates.iter();
        coordinates
            .filter(|(_, coordinate)| coordinate.dimension == dimension)
            .map(|(name, coordinate)| (name.clone(), coordinate.values.clone()))
            .collect()
    };
    a.length(dimension) == b.length(dimension) && along(a) == along(b)
}

/// All files have the same variables.
pub(super) fn check_same_variables(members: &[Member]) -> CubeResult<()> {
    let names = |member: &Member| -> BTreeSet<String> {
        let arrays = member.group.arrays.iter();
        arrays
            .map(|array| array.description().name.clone())
            .collect()
    };
    let Some((first, others)) = members.split_first() else {
        return Ok(());
    };
    let expected = names(first);
    for other in others {
        let found = names(other);
        let (owner, lacking, name) = if let Some(name) = expected.difference(&found).next() {
            (first, other, name)
        } else if let Some(name) = found.difference(&expected).next() {
            (other, first, name)
        } else {
            continue;
        };
        return Err(CubeError::invalid(
            &lacking.url,
            format!("the variable {name} of {} is missing", owner.url),
        )
        .remedy(format!(
            "attach files with the same variables, or leave it out with drop_variables = '{name}'"
        )));
    }
    Ok(())
}

/// Two descriptions of a variable agree but for the length along `dimension`. Units may differ when
/// `times` are recounted.
///
/// # Errors
/// The first difference, by name, with both values.
pub(super) fn check_same_variable(
    first: (&str, &ArrayDescription),
    other: (&str, &ArrayDescription),
    dimension: Option<&str>,
    times: bool,
) -> CubeResult<()> {
    let ((first_url, a), (other_url, b)) = (first, other);
    let differs = |what: &str, here: String, there: String| {
        Err(CubeError::invalid(
            format!("{other_url}, variable {}", a.name),
            format!("{what} is {here}, but {there} in {first_url}"),
        )
        .remedy(format!(
            "attach files that agree, or leave the variable out with drop_variables = '{}'",
            a.name
        )))
    };
    if a.dimensions != b.dimensions {
        return differs(
            "its dimensions",
            b.dimensions.join(", "),
            a.dimensions.join(", "),
        );
    }
    let shape = |d: &ArrayDescription| -> Vec<u64> {
        let lengths = d.shape.iter().zip(&d.dimensions);
        lengths
            .filter(|(_, name)| Some(name.as_str()) != dimension)
            .map(|(length, _)| *length)
            .collect()
    };
    if shape(a) != shape(b) {
        return differs(
            "its shape",
            format!("{:?}", b.shape),
            format!("{:?}", a.shape),
        );
    }
    let units = if times { &[] } else { UNIT_ATTRIBUTES };
    for name in DECODING_ATTRIBUTES.iter().chain(units) {
        let (here, there) = (b.attributes.get(*name), a.attributes.get(*name));
        if !same_value(here, there) {
            return differs(name, shown(here), shown(there));
        }
    }
    if times {
        // Recounted to the same type, with the same fill value.
        return Ok(());
    }
    if a.data_type != b.data_type {
        return differs("its type", b.data_type.to_string(), a.data_type.to_string());
    }
    if a.fill_value != b.fill_value {
        return differs(
            "its fill value",
            b.fill_value.to_string(),
            a.fill_value.to_string(),
        );
    }
    Ok(())
}

/// Numbers are the same whether they are written as integers or not.
fn same_value(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a == b || a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "absent".to_string(), Value::to_string)
}
