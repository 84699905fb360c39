//! The arrays beside the variables of a group: coordinates of its axes and the grid mapping.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use graticule_engine::source::{ArrayReader, Attributes};
use serde_json::{Value, json};

use super::GRID_MAPPING;
use super::axes::{Axes, Height};
use crate::formats::grib::computed::ComputedArray;
use crate::formats::grib::grid::{Axis, Grid, Places};
use crate::formats::grib::level::Kind;
use crate::formats::grib::time::Seconds;
use crate::formats::stored_file::StoredFile;

/// The dimension of points that are on no rows and columns.
pub(in crate::formats::grib) const POINTS: &str = "values";

/// Coordinates that are no dimensions: their names belong into the attribute `coordinates` of variables.
pub(super) fn names_beside(grid: &Grid, axes: &Axes) -> Vec<&'static str> {
    let mut names = Vec::new();
    if let Places::Points { axes } = &grid.places {
        names.extend(axes.iter().map(|axis| axis.name));
    }
    if !axes.steps.is_empty() {
        names.push("valid_time");
    }
    if !axes.step_of_time.is_empty() {
        names.push("step");
    }
    names
}

/// The arrays beside the variables.
pub(super) fn arrays(
    file: &Arc<StoredFile>,
    grid: &Grid,
    axes: &Axes,
) -> Vec<Arc<dyn ArrayReader>> {
    let mut arrays: Vec<ComputedArray> = Vec::new();
    let mut add = |name: &str, dimensions: &[(&str, u64)], values: ArrayRef, attributes| {
        arrays.push(ComputedArray::list(
            file, name, dimensions, values, attributes,
        ));
    };
    if !axes.numbers.is_empty() {
        let attributes = json!({
            "standard_name": "realization",
            "long_name": "ensemble member numerical id",
            "units": "1",
        });
        let values = axes.numbers.iter().map(|number| *number as i64);
        let values = Arc::new(Int64Array::from_iter_values(values));
        let dimension = ("number", axes.numbers.len() as u64);
        add("number", &[dimension], values, map(attributes));
    }
    let times = ("time", axes.times.len() as u64);
    let is_reference = !axes.steps.is_empty();
    let values = Arc::new(Int64Array::from(axes.times.clone()));
    add("time", &[times], values, time_attributes(is_reference));
    if is_reference {
        let steps = ("step", axes.steps.len() as u64);
        add("step", &[steps], hours(&axes.steps), step_attributes());
        let starts = axes.times.iter();
        let valid = starts.flat_map(|start| axes.steps.iter().map(move |step| start + step));
        let valid = Arc::new(Int64Array::from_iter_values(valid));
        add("valid_time", &[times, steps], valid, time_attributes(false));
    }
    if !axes.step_of_time.is_empty() {
        add(
            "step",
            &[times],
            hours(&axes.step_of_time),
            step_attributes(),
        );
    }
    for (kind, levels) in &axes.levels {
        let dimension = (kind.name.as_str(), levels.len() as u64);
        let values = Arc::new(Float64Array::from(heights(levels)));
        add(&kind.name, &[dimension], values, level_attributes(kind));
    }
    arrays.extend(of_grid(file, grid));
    arrays
        .into_iter()
        .map(|array| Arc::new(array) as Arc<dyn ArrayReader>)
        .collect()
}

fn of_grid(file: &Arc<StoredFile>, grid: &Grid) -> Vec<ComputedArray> {
    let array = |axis: &Axis, dimension: &str| {
        let attributes = json!({"standard_name": axis.standard_name, "units": axis.units});
        let coordinates = axis.coordinates.clone();
        let place = (dimension, axis.length());
        ComputedArray::coordinates(file, axis.name, place, coordinates, map(attributes))
    };
    match &grid.places {
        Places::Points { axes } => axes.iter().map(|axis| array(axis, POINTS)).collect(),
        Places::Rectangle {
            rows,
            columns,
            mapping,
        } => {
            let mut arrays = vec![array(rows, rows.name), array(columns, columns.name)];
            if let Some(mapping) = mapping {
                arrays.push(ComputedArray::grid_mapping(
                    file,
                    GRID_MAPPING,
                    mapping.as_ref().clone(),
                ));
            }
            arrays
        }
    }
}

fn map(value: Value) -> Attributes {
    match value {
        Value::Object(map) => map,
        _ => Attributes::new(),
    }
}

fn time_attributes(is_reference: bool) -> Attributes {
    let (standard_name, long_name) = match is_reference {
        true => ("forecast_reference_time", "initial time of forecast"),
        false => ("time", "time"),
    };
    map(json!({
        "standard_name": standard_name,
        "long_name": long_name,
        "units": "seconds since 1970-01-01T00:00:00",
        "calendar": "proleptic_gregorian",
    }))
}

fn step_attributes() -> Attributes {
    map(json!({
        "standard_name": "forecast_period",
        "long_name": "time since forecast_reference_time",
        "units": "hours",
    }))
}

fn hours(steps: &[Seconds]) -> ArrayRef {
    let hours = steps.iter().map(|step| *step as f64 / 3600.0);
    Arc::new(Float64Array::from_iter_values(hours))
}

fn level_attributes(kind: &Kind) -> Attributes {
    let mut attributes = map(json!({"units": kind.units}));
    let mut set = |name: &str, text: &str| {
        if !text.is_empty() {
            attributes.insert(name.to_string(), Value::from(text));
        }
    };
    if let Some((standard_name, long_name, direction)) = kind.description() {
        set("standard_name", standard_name);
        set("long_name", long_name);
        set("positive", direction);
    }
    attributes
}

/// Layers are placed by their first surface, or half way between their surfaces where several have the same first one.
fn heights(levels: &[Height]) -> Vec<f64> {
    let tops: Vec<f64> = levels.iter().map(|height| height.top).collect();
    // They are in order.
    match tops.windows(2).any(|pair| pair[0] == pair[1]) {
        false => tops,
        true => {
            let middle = |height: &Height| (height.top + height.bottom.unwrap_or(height.top)) / 2.0;
            levels.iter().map(middle).collect()
        }
    }
}
