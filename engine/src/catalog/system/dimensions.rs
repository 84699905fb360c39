//! `cube.dimensions`: the axes of every cube.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array};
use arrow::compute::{cast, max, min};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::cast::as_primitive_array;
use futures::StreamExt;
use futures::stream::BoxStream;

use super::tables::{cubes, length};
use super::{Column, SystemRows, Wanted};
use crate::catalog::visible::VisibleCatalog;
use crate::cube::{Axis, AxisOrder, AxisRole, Cube};
use crate::sql::describe::{UNITS, attribute, coordinate_text};

/// Steps that differ by less than this part of their mean are one step.
const STEP_TOLERANCE: f64 = 1e-4;

/// The rows of `cube.dimensions`.
#[derive(Debug)]
pub(super) struct Dimensions;

/// One axis of one cube.
pub(super) struct Row {
    schema: String,
    cube: Arc<Cube>,
    at: usize,
}

impl Row {
    fn axis(&self) -> Option<&Axis> {
        self.cube.axes.get(self.at)
    }
}

impl SystemRows for Dimensions {
    type Row = Row;

    fn columns() -> Vec<Column<Row>> {
        vec![
            Column::text(
                "table_schema",
                "Schema, which is the name of a store",
                |row| Some(row.schema.clone()),
            ),
            Column::text("table_name", "Name of the table", |row| {
                Some(row.cube.name.clone())
            }),
            Column::text(
                "dimension",
                "Name of the dimension and of its column",
                |row| row.axis().map(|axis| axis.field.name().clone()),
            ),
            Column::whole(
                "position",
                "Place in the storage order, from 1; the last varies fastest",
                |row| Some(row.at as u64 + 1),
            ),
            Column::text(
                "role",
                "What it measures: time, latitude, longitude, y, x, vertical, other",
                |row| row.axis().map(|axis| role_name(axis.role).to_string()),
            ),
            Column::whole("size", "Number of cells", |row| row.axis().map(length)),
            Column::text("data_type", "Type of the column", |row| {
                row.axis().map(|axis| axis.field.data_type().to_string())
            }),
            Column::text("units", "Units", |row| attribute(&row.axis()?.field, UNITS)),
            Column::text("first", "Coordinate of the first cell", |row| {
                coordinate_text(row.axis()?, 0)
            }),
            Column::text("last", "Coordinate of the last cell", |row| {
                let axis = row.axis()?;
                coordinate_text(axis, axis.coordinates.len().checked_sub(1)?)
            }),
            Column::real(
                "step",
                "Distance of neighbouring cells, in units (of seconds for times), where it is the same everywhere",
                |row| step(row.axis()?),
            ),
            Column::text("direction", "ascending, descending or unordered", |row| {
                row.axis().map(|axis| order_name(axis.order).to_string())
            }),
            Column::text("bounds", "Variable with the bounds of the cells", |row| {
                row.axis()?.bounds.clone()
            }),
        ]
    }

    fn rows(catalog: &Arc<VisibleCatalog>, wanted: Wanted) -> BoxStream<'static, Vec<Row>> {
        cubes(catalog, &wanted)
            .map(|(schema, cube)| {
                (0..cube.axes.len())
                    .map(|at| Row {
                        schema: schema.clone(),
                        cube: Arc::clone(&cube),
                        at,
                    })
                    .collect()
            })
            .boxed()
    }
}

/// The smallest and the largest coordinate of an axis, as `show` writes them.
pub(super) fn range(
    axis: &Axis,
    show: impl Fn(&Axis, usize) -> Option<String>,
) -> Option<(String, String)> {
    let last = axis.coordinates.len().checked_sub(1)?;
    let (low, high) = match axis.order {
        AxisOrder::Ascending => (0, last),
        AxisOrder::Descending => (last, 0),
        AxisOrder::Unordered => {
            let ranks = arrow::compute::sort_to_indices(&axis.coordinates, None, None).ok()?;
            let present = ranks.len().checked_sub(1)?;
            (ranks.value(0) as usize, ranks.value(present) as usize)
        }
    };
    Some((show(axis, low)?, show(axis, high)?))
}

/// The step of a regular axis; seconds for times.
fn step(axis: &Axis) -> Option<f64> {
    if axis.order == AxisOrder::Unordered {
        return None;
    }
    let is_time = axis.role == AxisRole::Time
        && matches!(
            axis.field.data_type(),
            DataType::Timestamp(..) | DataType::Int64
        );
    let values = numbers(&axis.coordinates)?;
    let steps: Float64Array = values
        .values()
        .windows(2)
        .filter_map(|pair| Some(pair.get(1)? - pair.first()?))
        .collect();
    let (least, most) = (min(&steps)?, max(&steps)?);
    let mean = (values.values().last()? - values.values().first()?) / steps.len() as f64;
    let is_regular = (most - least).abs() <= STEP_TOLERANCE * mean.abs();
    let scale = if is_time { 1e6 } else { 1.0 };
    is_regular.then_some(rounded(mean / scale))
}

/// Coordinates in single precision have a step of 0.25, not of 0.24999999.
fn rounded(step: f64) -> f64 {
    format!("{step:.6e}").parse().unwrap_or(step)
}

fn numbers(coordinates: &ArrayRef) -> Option<Float64Array> {
    let integers = match coordinates.data_type() {
        DataType::Timestamp(..) => &cast(coordinates, &DataType::Int64).ok()?,
        DataType::Utf8 | DataType::Utf8View | DataType::Boolean => return None,
        _ => coordinates,
    };
    let floats = cast(integers, &DataType::Float64).ok()?;
    let floats = as_primitive_array::<Float64Type>(&floats).ok()?;
    (floats.null_count() == 0 && floats.len() > 1).then(|| floats.clone())
}

fn role_name(role: AxisRole) -> &'static str {
    match role {
        AxisRole::Time => "time",
        AxisRole::Latitude => "latitude",
        AxisRole::Longitude => "longitude",
        AxisRole::Y => "y",
        AxisRole::X => "x",
        AxisRole::Vertical => "vertical",
        AxisRole::Other => "other",
    }
}

fn order_name(order: AxisOrder) -> &'static str {
    match order {
        AxisOrder::Ascending => "ascending",
        AxisOrder::Descending => "descending",
        AxisOrder::Unordered => "unordered",
    }
}
