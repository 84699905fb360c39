//! `DESCRIBE`: a table's columns with units and meaning, and how attributes and coordinates read.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Result;
use datafusion::common::cast::as_primitive_array;
use graticule_functions::calendar::Calendar;

use crate::catalog::system::column::{Column, batch, schema};
use crate::cube::Axis;
use crate::cube::metadata::CALENDAR;

pub(crate) use crate::cube::metadata::UNITS;

/// CF: a description in words.
pub(crate) const LONG_NAME: &str = "long_name";
/// CF: the name in the table of standard names.
pub(crate) const STANDARD_NAME: &str = "standard_name";

/// An attribute that travels with a column.
pub(crate) fn attribute(field: &Field, name: &str) -> Option<String> {
    field.metadata().get(name).cloned()
}

/// The columns of a table: `column_name`, `data_type`, `is_nullable`, `units`, `description`.
///
/// # Errors
/// None that a caller could cause.
pub(crate) fn describe(table: &SchemaRef) -> Result<RecordBatch> {
    let columns = [
        Column::text("column_name", "Name", |field: &FieldRef| {
            Some(field.name().clone())
        }),
        Column::text("data_type", "Type", |field: &FieldRef| {
            Some(type_name(field))
        }),
        Column::text(
            "is_nullable",
            "Can values be missing?",
            |field: &FieldRef| Some(if field.is_nullable() { "YES" } else { "NO" }.to_string()),
        ),
        Column::text("units", "Units", |field: &FieldRef| attribute(field, UNITS)),
        Column::text("description", "What it is", |field: &FieldRef| {
            attribute(field, LONG_NAME).or_else(|| attribute(field, STANDARD_NAME))
        }),
    ];
    batch(&schema(&columns), &columns, table.fields())
}

/// The coordinate of cell `at` of an axis, as text; times in the axis's own calendar.
pub(crate) fn coordinate_text(axis: &Axis, at: usize) -> Option<String> {
    let coordinates = &axis.coordinates;
    if at >= coordinates.len() || coordinates.is_null(at) {
        return None;
    }
    if let Some(calendar) = attribute(&axis.field, CALENDAR)
        && let Some(calendar) = Calendar::parse(&calendar)
        && let Ok(micros) = as_primitive_array::<Int64Type>(coordinates)
    {
        return Some(calendar.civil(micros.value(at)).to_string());
    }
    let formatter = ArrayFormatter::try_new(coordinates, &FormatOptions::default()).ok()?;
    formatter.value(at).try_to_string().ok()
}

fn type_name(field: &Field) -> String {
    match (field.data_type(), attribute(field, CALENDAR)) {
        (DataType::Int64, Some(calendar)) => format!("Int64 (time, calendar {calendar})"),
        (data_type, _) => data_type.to_string(),
    }
}
