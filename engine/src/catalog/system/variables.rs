//! `cube.variables`: the variables of every cube, with how they are stored.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::Value;

use super::tables::cubes;
use super::{Column, SystemRows, Wanted};
use crate::catalog::visible::VisibleCatalog;
use crate::cube::{Cube, Variable};
use crate::source::ArrayDescription;
use crate::sql::describe::{LONG_NAME, STANDARD_NAME, UNITS, attribute};

/// The rows of `cube.variables`.
#[derive(Debug)]
pub(super) struct Variables;

/// One variable of one cube.
pub(super) struct Row {
    pub(super) schema: String,
    pub(super) cube: Arc<Cube>,
    pub(super) at: usize,
}

impl Row {
    pub(super) fn variable(&self) -> Option<&Variable> {
        self.cube.variables.get(self.at)
    }

    fn stored(&self) -> Option<&ArrayDescription> {
        self.variable().map(|variable| variable.array.description())
    }

    pub(super) fn dims(&self) -> Option<Vec<String>> {
        let variable = self.variable()?;
        let axes = variable.axes.iter();
        axes.map(|axis| Some(self.cube.axes.get(*axis)?.field.name().clone()))
            .collect()
    }
}

impl SystemRows for Variables {
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
                "variable",
                "Name of the variable and of its column",
                |row| row.variable().map(|variable| variable.field.name().clone()),
            ),
            Column::texts("dims", "Dimensions in storage order", Row::dims),
            Column::wholes("shape", "Cells along each dimension", |row| {
                row.stored().map(|stored| stored.shape.clone())
            }),
            Column::text("data_type", "Type of the column, after decoding", |row| {
                row.variable()
                    .map(|variable| variable.field.data_type().to_string())
            }),
            Column::text("stored_type", "Type as stored", |row| {
                row.stored().map(|stored| stored.data_type.to_string())
            }),
            Column::text("units", "Units after decoding", |row| {
                attribute(&row.variable()?.field, UNITS)
            }),
            Column::text("long_name", "Description", |row| {
                attribute(&row.variable()?.field, LONG_NAME)
            }),
            Column::text(
                "standard_name",
                "Name in the CF standard name table",
                |row| attribute(&row.variable()?.field, STANDARD_NAME),
            ),
            Column::text("fill_value", "Stored value that means missing", |row| {
                let stored = row.stored()?;
                shown(stored.attributes.get("_FillValue")?)
            }),
            Column::real(
                "scale_factor",
                "Factor that was applied to stored values",
                |row| row.stored()?.attributes.get("scale_factor")?.as_f64(),
            ),
            Column::real(
                "add_offset",
                "Offset that was added to stored values",
                |row| row.stored()?.attributes.get("add_offset")?.as_f64(),
            ),
            Column::wholes("chunk_shape", "Cells of a chunk", |row| {
                let chunks = row.stored()?.chunks.iter();
                Some(chunks.map(|axis| axis.size()).collect())
            }),
            Column::whole("chunks", "Number of chunks", |row| {
                let chunks = row.stored()?.chunks.iter();
                Some(chunks.fold(1, |product, axis| product.saturating_mul(axis.count())))
            }),
            Column::wholes(
                "shard_shape",
                "Cells of a shard, where chunks share objects",
                |row| row.stored()?.shard_shape.clone(),
            ),
            Column::text("codecs", "How chunks are compressed", |row| {
                let codecs = &row.stored()?.codecs;
                (!codecs.is_empty()).then(|| codecs.clone())
            }),
            Column::whole("bytes", "Bytes as stored, before compression", |row| {
                row.variable().and_then(decoded_bytes)
            }),
            Column::whole(
                "stored_bytes",
                "Bytes after compression, where the format tells without listing",
                |row| row.stored()?.stored_bytes,
            ),
        ]
    }

    fn rows(catalog: &Arc<VisibleCatalog>, wanted: Wanted) -> BoxStream<'static, Vec<Row>> {
        rows(catalog, wanted)
    }
}

/// The variables that a query wants rows about, cube by cube.
pub(super) fn rows(catalog: &Arc<VisibleCatalog>, wanted: Wanted) -> BoxStream<'static, Vec<Row>> {
    let name = wanted.variable.clone();
    cubes(catalog, &wanted)
        .map(move |(schema, cube)| {
            let is_wanted = |variable: &Variable| {
                name.as_ref()
                    .is_none_or(|name| name == variable.field.name())
            };
            cube.variables
                .iter()
                .enumerate()
                .filter(|(_, variable)| is_wanted(variable))
                .map(|(at, _)| Row {
                    schema: schema.clone(),
                    cube: Arc::clone(&cube),
                    at,
                })
                .collect()
        })
        .boxed()
}

/// Bytes of a variable in its stored type, before compression. `None` for texts.
pub(super) fn decoded_bytes(variable: &Variable) -> Option<u64> {
    let stored = variable.array.description();
    let width = match &stored.data_type {
        arrow::datatypes::DataType::FixedSizeBinary(width) => u64::try_from(*width).ok()?,
        arrow::datatypes::DataType::Boolean => 1,
        data_type => data_type.primitive_width()? as u64,
    };
    stored
        .shape
        .iter()
        .try_fold(width, |product, length| product.checked_mul(*length))
}

fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
