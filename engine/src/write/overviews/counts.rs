//! Arrays that say how many cells of the cube with a value are under each cell of a level.
//!
//! ```text
//!  v                              ancillary_variables = "v_number_of_observations"
//!  v_number_of_observations       standard_name = "… number_of_observations"       (CF 1.13, 3.4)
//! ```
//! Where nothing is missing the number is the fill value, so that chunks without missing cells take no bytes.

use arrow::datatypes::DataType;
use graticule_functions::warp::Method;
use serde_json::{Value, json};

use super::super::plan::Draft;
use super::Reduction;
use crate::cube::Cube;
use crate::error::{CubeError, CubeResult};
use crate::sink::TargetArray;

const NUMBER: &str = "number_of_observations";
const STANDARD_NAME: &str = "standard_name";
const ANCILLARY: &str = "ancillary_variables";

/// The name of the array that counts the cells of the variable `name` of `cube`, where `method` needs it.
pub(super) fn name_of_counts(cube: &Cube, name: &str, method: Method) -> Option<String> {
    let mut counts = format!("{name}_{NUMBER}");
    while cube.schema.index_of(&counts).is_ok() {
        counts.push('_');
    }
    method.weighs_counts().then_some(counts)
}

/// Adds the arrays of counts to level `number`.
///
/// # Errors
/// A variable is not there.
pub(super) fn add_counts(
    level: &mut Draft,
    number: u32,
    variables: &[Reduction],
) -> CubeResult<()> {
    for reduction in variables {
        let (name, Some(counts)) = (reduction.variable.field.name(), &reduction.counts) else {
            continue;
        };
        let counted = number_of(level, name)?;
        let counted = &mut level.cube.arrays[counted];
        let added = counts_of(counted, counts, number);
        let others = counted.attributes.get(ANCILLARY).and_then(Value::as_str);
        let all = others.map_or(counts.clone(), |others| format!("{others} {counts}"));
        counted.attributes.insert(ANCILLARY.to_string(), json!(all));
        level.cube.arrays.push(added);
    }
    Ok(())
}

/// The number of the array `name` of a level.
///
/// # Errors
/// There is none.
pub(super) fn number_of(level: &Draft, name: &str) -> CubeResult<usize> {
    let mut arrays = level.cube.arrays.iter();
    let found = arrays.position(|array| array.name == name);
    found.ok_or_else(|| CubeError::invalid(&level.target.name, format!("a level has no {name}")))
}

fn counts_of(counted: &TargetArray, name: &str, number: u32) -> TargetArray {
    let mut attributes = counted.attributes.clone();
    attributes.retain(|name, _| name == "grid_mapping" || name == "coordinates");
    let standard_name = match counted
        .attributes
        .get(STANDARD_NAME)
        .and_then(Value::as_str)
    {
        Some(known) => format!("{known} {NUMBER}"),
        None => NUMBER.to_string(),
    };
    let long_name = format!("cells with a value of {} below a cell", counted.name);
    attributes.insert(STANDARD_NAME.to_string(), json!(standard_name));
    attributes.insert("long_name".to_string(), json!(long_name));
    attributes.insert("units".to_string(), json!("1"));
    TargetArray {
        name: name.to_string(),
        data_type: DataType::UInt32,
        fill_value: json!(1_u32 << (2 * number)),
        attributes,
        ..counted.clone()
    }
}
