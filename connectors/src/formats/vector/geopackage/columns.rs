//! Columns of a layer: types as they are declared, filled row by row.
//!
//! | declared | is |
//! |---|---|
//! | `BOOLEAN` | Boolean |
//! | `TINYINT`, `SMALLINT`, `MEDIUMINT`, `INT`, `INTEGER` and what has `INT` in its name | Int64 |
//! | `FLOAT`, `DOUBLE`, `REAL` and what has `FLOA`, `DOUB`, `REAL`, `NUMERIC` or `DECIMAL` in its name | Float64 |
//! | `DATE` | Date32 |
//! | `DATETIME`, `TIMESTAMP` | Timestamp |
//! | `BLOB` | Binary |
//! | geometries | Binary, `geoarrow.wkb` |
//! | the rest | Utf8 |
//!
//! SQLite lets a row hold a value of another type than the column's; that is an error here.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder,
    RecordBatch, RecordBatchOptions, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{Field, Schema};
use rusqlite::types::ValueRef;

use super::super::columns::{Crs, days_of, distinct, geometry_metadata, microseconds_of};
use super::database::Budget;
use super::geometry::well_known_binary;

/// A column as it is declared.
#[derive(Debug)]
pub(super) struct Column {
    name: String,
    values: Values,
    /// The system of a column of geometries.
    geometry: Option<Option<Crs>>,
}

#[derive(Debug)]
enum Values {
    Boolean(BooleanBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Date(Date32Builder),
    Time(TimestampMicrosecondBuilder),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Geometry(BinaryBuilder),
}

impl Column {
    /// A column of geometries in the system `crs`.
    pub(super) fn of_geometries(name: &str, crs: Option<Crs>) -> Self {
        Self {
            name: name.to_string(),
            values: Values::Geometry(BinaryBuilder::new()),
            geometry: Some(crs),
        }
    }

    /// A column of the type that the table declares.
    pub(super) fn declared(name: &str, declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |part: &str| declared.contains(part);
        let values = match declared.split('(').next().unwrap_or_default().trim() {
            "BOOLEAN" | "BOOL" => Values::Boolean(BooleanBuilder::new()),
            "DATE" => Values::Date(Date32Builder::new()),
            "DATETIME" | "TIMESTAMP" => Values::Time(TimestampMicrosecondBuilder::new()),
            "BLOB" => Values::Bytes(BinaryBuilder::new()),
            // The order in which SQLite looks.
            _ if has("INT") => Values::Integer(Int64Builder::new()),
            _ if has("CHAR") || has("TEXT") => Values::Text(StringBuilder::new()),
            _ if ["FLOA", "DOUB", "REAL", "NUMERIC", "DECIMAL"]
                .iter()
                .any(|part| has(part)) =>
            {
                Values::Number(Float64Builder::new())
            }
            _ => Values::Text(StringBuilder::new()),
        };
        Self {
            name: name.to_string(),
            values,
            geometry: None,
        }
    }
}

impl Values {
    /// `None` where the value is of another type.
    fn add(&mut self, value: ValueRef<'_>) -> Result<Option<()>, &'static str> {
        let text = |value: ValueRef<'_>| match value {
            ValueRef::Text(text) => std::str::from_utf8(text).ok().map(str::to_string),
            _ => None,
        };
        let is_null = value == ValueRef::Null;
        macro_rules! add {
            ($builder:ident, $found:expr) => {
                match (is_null, $found) {
                    (true, _) => $builder.append_null(),
                    (false, Some(found)) => $builder.append_value(found),
                    (false, None) => return Ok(None),
                }
            };
        }
        match (self, value) {
            (Self::Boolean(builder), ValueRef::Integer(number)) => {
                builder.append_value(number != 0)
            }
            (Self::Boolean(builder), _) => add!(builder, None::<bool>),
            (Self::Integer(builder), ValueRef::Integer(number)) => builder.append_value(number),
            (Self::Integer(builder), _) => add!(builder, None::<i64>),
            (Self::Number(builder), ValueRef::Integer(number)) => {
                builder.append_value(number as f64)
            }
            (Self::Number(builder), ValueRef::Real(number)) => builder.append_value(number),
            (Self::Number(builder), _) => add!(builder, None::<f64>),
            (Self::Date(builder), value) => {
                add!(builder, text(value).and_then(|text| days_of(&text)));
            }
            (Self::Time(builder), value) => {
                add!(
                    builder,
                    // Some write a space where the standard has a T.
                    text(value).and_then(|text| microseconds_of(&text.replacen(' ', "T", 1)))
                );
            }
            // A type that no standard knows may hold numbers.
            (Self::Text(builder), ValueRef::Integer(number)) => {
                builder.append_value(number.to_string())
            }
            (Self::Text(builder), ValueRef::Real(number)) => {
                builder.append_value(number.to_string())
            }
            (Self::Text(builder), value) => add!(builder, text(value)),
            (Self::Bytes(builder), ValueRef::Blob(bytes) | ValueRef::Text(bytes)) => {
                builder.append_value(bytes);
            }
            (Self::Bytes(builder), _) => add!(builder, None::<&[u8]>),
            (Self::Geometry(builder), ValueRef::Blob(bytes)) => {
                builder.append_value(well_known_binary(bytes)?);
            }
            (Self::Geometry(builder), _) => add!(builder, None::<&[u8]>),
        }
        Ok(Some(()))
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Number(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Time(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Bytes(builder) | Self::Geometry(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Cells of a table.
const MOST_CELLS: usize = 1 << 28;

/// What a value is that is not of its column's type.
fn stored_as(value: ValueRef<'_>) -> &'static str {
    match value {
        ValueRef::Null => "nothing",
        ValueRef::Integer(_) => "a whole number that is not of its type",
        ValueRef::Real(_) => "a number that is not of its type",
        ValueRef::Text(_) => "text that is not of its type",
        ValueRef::Blob(_) => "bytes that are not of its type",
    }
}

/// The rows so far.
#[derive(Debug)]
pub(super) struct Columns<'a> {
    columns: Vec<Column>,
    rows: usize,
    budget: &'a Budget,
}

impl<'b> Columns<'b> {
    /// Of a table in a file whose rows take their bytes from `budget`.
    pub(super) fn new(columns: Vec<Column>, budget: &'b Budget) -> Self {
        Self {
            columns,
            rows: 0,
            budget,
        }
    }

    /// Adds a row; `value` gives those of the columns.
    pub(super) fn add_row<'a>(
        &mut self,
        value: impl Fn(usize) -> Result<ValueRef<'a>, String>,
    ) -> Result<(), String> {
        self.rows += 1;
        let row = self.rows;
        self.budget.row()?;
        for (at, column) in self.columns.iter_mut().enumerate() {
            let value = value(at)?;
            self.budget.value(value)?;
            let wrong = |cause: &str| {
                let name = &column.name;
                format!("column {name:?} has {cause} in row {row}")
            };
            match column.values.add(value) {
                Ok(Some(())) => {}
                Ok(None) => return Err(wrong(stored_as(value))),
                Err(cause) => return Err(wrong(cause)),
            }
        }
        match row.saturating_mul(self.columns.len()) > MOST_CELLS {
            true => Err(format!("there are more than {MOST_CELLS} cells")),
            false => Ok(()),
        }
    }

    pub(super) fn finish(self) -> Result<RecordBatch, String> {
        let mut taken = HashSet::new();
        let mut fields = Vec::new();
        let mut arrays = Vec::new();
        for mut column in self.columns {
            let array = column.values.finish();
            let name = distinct(column.name, &mut taken);
            let field = Field::new(name, array.data_type().clone(), true);
            fields.push(match column.geometry {
                None => field,
                Some(crs) => field.with_metadata(geometry_metadata("geoarrow.wkb", crs, None)),
            });
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .map_err(|error| error.to_string())
    }
}
