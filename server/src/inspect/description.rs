//! What there is to say about a cube, before it is laid out for people or for programs.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Schema, TimeUnit};
use graticule_engine::cube::{Axis, AxisOrder, Cube, Variable, metadata};
use graticule_engine::source::Attributes;
use serde_json::{Value, json};

use crate::output::cell_texts;

/// A cube.
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) format: String,
    pub(crate) crs: Option<String>,
    /// Name and length of each axis, slowest first.
    pub(crate) dimensions: Vec<(String, usize)>,
    pub(crate) coordinates: Vec<CoordinateDescription>,
    pub(crate) variables: Vec<VariableDescription>,
    pub(crate) attributes: Attributes,
}

/// The coordinates along one axis.
pub(crate) struct CoordinateDescription {
    pub(crate) name: String,
    pub(crate) data_type: String,
    pub(crate) size: usize,
    /// First and last in storage order, as text; absent on an empty axis.
    pub(crate) range: Option<(String, String)>,
    pub(crate) order: &'static str,
    pub(crate) units: Option<String>,
    pub(crate) calendar: Option<String>,
}

/// A variable.
pub(crate) struct VariableDescription {
    pub(crate) name: String,
    pub(crate) data_type: String,
    /// Type of the stored numbers, where decoding changes it.
    pub(crate) stored_type: Option<String>,
    pub(crate) dimensions: Vec<String>,
    pub(crate) units: Option<String>,
    pub(crate) long_name: Option<String>,
    /// Cells of a chunk along each dimension.
    pub(crate) chunks: Vec<u64>,
    pub(crate) chunk_count: u64,
    pub(crate) shards: Option<Vec<u64>>,
    pub(crate) codecs: String,
    pub(crate) fill: Option<Value>,
    /// Bytes of all values once decoded; texts have no size of their own.
    pub(crate) decoded_bytes: Option<u64>,
    pub(crate) stored_bytes: Option<u64>,
    pub(crate) attributes: Attributes,
}

impl Description {
    /// Describes `cube` from its metadata and coordinates.
    pub(crate) fn of(cube: &Cube) -> Self {
        Self {
            name: cube.name.clone(),
            url: cube.url.clone(),
            format: cube.format.clone(),
            crs: cube.crs.as_ref().map(|crs| crs.name.clone()),
            dimensions: cube
                .axes
                .iter()
                .map(|axis| (axis.field.name().clone(), axis.coordinates.len()))
                .collect(),
            coordinates: cube.axes.iter().map(CoordinateDescription::of).collect(),
            variables: cube
                .variables
                .iter()
                .map(|variable| VariableDescription::of(cube, variable))
                .collect(),
            attributes: cube.attributes.clone(),
        }
    }

    /// Rows of the table.
    pub(crate) fn cells(&self) -> u64 {
        self.dimensions
            .iter()
            .map(|(_, size)| *size as u64)
            .product()
    }

    /// Bytes of all variables once decoded.
    pub(crate) fn decoded_bytes(&self) -> u64 {
        self.variables
            .iter()
            .filter_map(|variable| variable.decoded_bytes)
            .sum()
    }

    /// All of it as JSON.
    pub(crate) fn to_json(&self) -> Value {
        let dimensions: serde_json::Map<String, Value> = self
            .dimensions
            .iter()
            .map(|(name, size)| (name.clone(), json!(size)))
            .collect();
        json!({
            "name": self.name,
            "url": self.url,
            "format": self.format,
            "crs": self.crs,
            "dimensions": dimensions,
            "cells": self.cells(),
            "decoded_bytes": self.decoded_bytes(),
            "coordinates": self.coordinates.iter().map(CoordinateDescription::to_json).collect::<Vec<_>>(),
            "variables": self.variables.iter().map(VariableDescription::to_json).collect::<Vec<_>>(),
            "attributes": self.attributes,
        })
    }
}

impl CoordinateDescription {
    fn of(axis: &Axis) -> Self {
        let calendar = axis.field.metadata().get(metadata::CALENDAR).cloned();
        Self {
            name: axis.field.name().clone(),
            data_type: column_type(&axis.field),
            size: axis.coordinates.len(),
            range: ends(&axis.field, &axis.coordinates),
            order: match axis.order {
                AxisOrder::Ascending => "ascending",
                AxisOrder::Descending => "descending",
                AxisOrder::Unordered => "unordered",
            },
            units: axis.field.metadata().get(metadata::UNITS).cloned(),
            calendar,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "type": self.data_type,
            "size": self.size,
            "first": self.range.as_ref().map(|(first, _)| number_or_text(first)),
            "last": self.range.as_ref().map(|(_, last)| number_or_text(last)),
            "order": self.order,
            "units": self.units,
            "calendar": self.calendar,
        })
    }
}

impl VariableDescription {
    fn of(cube: &Cube, variable: &Variable) -> Self {
        let array = variable.array.description();
        let data_type = variable.field.data_type();
        let decoded = column_type(&variable.field);
        let text = |key: &str| {
            array
                .attributes
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_string)
        };
        let axes = variable.axes.iter().filter_map(|axis| cube.axes.get(*axis));
        let cells: u64 = axes
            .clone()
            .map(|axis| axis.coordinates.len() as u64)
            .product();
        let stored = type_name(&array.data_type);
        Self {
            name: variable.field.name().clone(),
            stored_type: (stored != decoded).then_some(stored),
            data_type: decoded,
            dimensions: axes.map(|axis| axis.field.name().clone()).collect(),
            units: variable.field.metadata().get(metadata::UNITS).cloned(),
            long_name: text("long_name")
                .or_else(|| text("standard_name"))
                .filter(|long_name| long_name != variable.field.name()),
            chunks: array.chunks.iter().map(|chunks| chunks.size()).collect(),
            chunk_count: array.chunks.iter().map(|chunks| chunks.count()).product(),
            shards: array.shard_shape.clone(),
            codecs: array.codecs.clone(),
            fill: ["_FillValue", "missing_value"]
                .iter()
                .find_map(|key| array.attributes.get(*key).cloned()),
            decoded_bytes: data_type
                .primitive_width()
                .map(|width| cells * width as u64),
            stored_bytes: array.stored_bytes,
            attributes: array.attributes.clone(),
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "type": self.data_type,
            "stored_type": self.stored_type,
            "dimensions": self.dimensions,
            "units": self.units,
            "long_name": self.long_name,
            "chunks": self.chunks,
            "chunk_count": self.chunk_count,
            "shards": self.shards,
            "codecs": self.codecs,
            "fill": self.fill,
            "decoded_bytes": self.decoded_bytes,
            "stored_bytes": self.stored_bytes,
            "attributes": self.attributes,
        })
    }
}

fn number_or_text(value: &str) -> Value {
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() => json!(number),
        _ => json!(value),
    }
}

/// The type of a column; an integer that counts time in a calendar of its own is a date.
fn column_type(field: &FieldRef) -> String {
    let has_calendar = field.metadata().contains_key(metadata::CALENDAR);
    if has_calendar && *field.data_type() == DataType::Int64 {
        return "date".to_string();
    }
    type_name(field.data_type())
}

fn ends(field: &FieldRef, coordinates: &ArrayRef) -> Option<(String, String)> {
    let schema = Arc::new(Schema::new(vec![Arc::clone(field)]));
    let last = coordinates.len().checked_sub(1)?;
    let end = |index| {
        let value = coordinates.slice(index, 1);
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![value]).ok()?;
        cell_texts(&batch, "NULL").ok()?.pop()?.pop()
    };
    Some((end(0)?, end(last)?))
}

/// Types as NumPy and xarray call them, for that is where readers know them from.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Timestamp(TimeUnit::Microsecond, _) => "timestamp".to_string(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_string(),
        DataType::Boolean => "bool".to_string(),
        DataType::FixedSizeBinary(1) => "char".to_string(),
        DataType::List(element) => format!("list of {}", type_name(element.data_type())),
        other => other.to_string().to_lowercase(),
    }
}
