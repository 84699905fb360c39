//! Values of rows that come in, column by column: [`Columns`].
//!
//! Texts are turned into values a batch at a time; which one is none is looked for only when there is one.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, StringBuilder};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use graticule_engine::cube::metadata::CALENDAR;
use graticule_functions::calendar::{Calendar, parse_civil};
use pgwire::api::Type;

use super::fields::Fields;
use super::malformed;
use crate::failure::{Failure, SqlState};
use crate::postgres::encoding::type_of;
use crate::postgres::parameters;

/// Rows of a batch.
const ROWS: usize = 8192;

/// Bytes of a batch, as they came in.
const BYTES: usize = 8 << 20;

/// What is wrong, and in which line.
type Misplaced = (Failure, u64);

/// The rows of a batch that is being made.
pub(super) struct Columns {
    schema: SchemaRef,
    columns: Vec<Column>,
    /// The line of each row.
    lines: Vec<u64>,
    bytes: usize,
}

struct Column {
    field: FieldRef,
    /// What clients are told that the column is.
    told: Type,
    values: Values,
}

enum Values {
    Texts(StringBuilder),
    Scalars(Vec<ScalarValue>),
}

impl Columns {
    /// For rows with a value for each column of a table that `schema` names.
    pub(super) fn new(schema: &SchemaRef, is_binary: bool) -> Self {
        let columns = schema.fields().iter().map(|field| Column {
            field: Arc::new(field.as_ref().clone().with_nullable(true)),
            told: match calendar_of(field) {
                Some(_) => Type::TEXT,
                None => type_of(field),
            },
            values: match is_binary {
                true => Values::Scalars(vec![]),
                false => Values::Texts(StringBuilder::new()),
            },
        });
        let columns: Vec<Column> = columns.collect();
        let fields = columns.iter().map(|column| Arc::clone(&column.field));
        Self {
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            columns,
            lines: vec![],
            bytes: 0,
        }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.lines.len() >= ROWS || self.bytes >= BYTES
    }

    /// Takes a row of texts in.
    ///
    /// # Errors
    /// It has more values than there are columns, or fewer, or one that is not UTF-8.
    pub(super) fn push_texts(&mut self, fields: &Fields, line: u64) -> Result<(), Failure> {
        if let Some(missing) = self.columns.get(fields.len()) {
            let name = missing.field.name();
            return Err(malformed(format!(
                "there is no value for the column {name}"
            )));
        }
        if fields.len() > self.columns.len() {
            let text = format!(
                "the row has {} values, and there are {} columns",
                fields.len(),
                self.columns.len()
            );
            return Err(malformed(text));
        }
        let texts = fields.iter().zip(&self.columns).map(|(value, column)| {
            let text = value.map(std::str::from_utf8).transpose();
            text.map_err(|_| {
                let name = column.field.name();
                let text = format!(", column {name}: the value is not UTF-8; send text in UTF-8");
                Failure::with_state(SqlState::INVALID_CHARACTERS, text)
            })
        });
        let texts = texts.collect::<Result<Vec<_>, Failure>>()?;
        for (column, text) in self.columns.iter_mut().zip(texts) {
            self.bytes += text.map_or(0, str::len);
            let is_text = column.is_text();
            if let Values::Texts(texts) = &mut column.values {
                texts.append_option(match is_text {
                    true => text,
                    false => text.map(str::trim),
                });
            }
        }
        self.lines.push(line);
        Ok(())
    }

    /// Takes a row of values in, one for each column, in the binary form of what clients are told that it is.
    ///
    /// # Errors
    /// One of them is no such value.
    pub(super) fn push_binary(
        &mut self,
        values: &[Option<&[u8]>],
        line: u64,
    ) -> Result<(), Failure> {
        let read = self.columns.iter().zip(values).map(|(column, value)| {
            self.bytes += value.map_or(0, <[u8]>::len);
            column.read(*value, true)
        });
        let read = read.collect::<Result<Vec<_>, Failure>>()?;
        for (column, value) in self.columns.iter_mut().zip(read) {
            if let Values::Scalars(scalars) = &mut column.values {
                scalars.push(value);
            }
        }
        self.lines.push(line);
        Ok(())
    }

    /// The rows, which are forgotten.
    ///
    /// # Errors
    /// A value is none of its column's type.
    pub(super) fn finish(&mut self) -> Result<RecordBatch, Misplaced> {
        let lines = std::mem::take(&mut self.lines);
        self.bytes = 0;
        let arrays: Vec<_> = self.columns.iter_mut().map(Column::finish).collect();
        let failed = arrays.iter().filter_map(|array| array.as_ref().err());
        if let Some((row, failure)) = failed.min_by_key(|(row, _)| *row) {
            let line = lines.get(*row).copied().unwrap_or_default();
            return Err((failure.clone(), line));
        }
        let arrays = arrays.into_iter().filter_map(Result::ok).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays);
        batch.map_err(|error| {
            let text = format!(": {error}");
            let line = lines.first().copied().unwrap_or_default();
            (Failure::with_state(SqlState::INTERNAL_ERROR, text), line)
        })
    }
}

impl Column {
    fn is_text(&self) -> bool {
        self.field.data_type().is_string()
    }

    /// The values as an array; or the row of the first one that is none, and why.
    fn finish(&mut self) -> Result<ArrayRef, (usize, Failure)> {
        match &mut self.values {
            Values::Scalars(scalars) => {
                let scalars = std::mem::take(scalars);
                self.array(scalars)
            }
            Values::Texts(texts) => {
                let texts = texts.finish();
                self.parsed(&texts)
            }
        }
    }

    fn parsed(&self, texts: &StringArray) -> Result<ArrayRef, (usize, Failure)> {
        let is_alike = !matches!(
            self.field.data_type(),
            DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::List(_)
                | DataType::LargeList(_)
        );
        if is_alike && calendar_of(&self.field).is_none() {
            let options = CastOptions {
                safe: false,
                ..CastOptions::default()
            };
            if let Ok(array) = cast_with_options(texts, self.field.data_type(), &options) {
                return Ok(array);
            }
        }
        let values = texts.iter().enumerate().map(|(row, text)| {
            let value = self.read(text.map(str::as_bytes), false);
            value.map_err(|failure| (row, failure))
        });
        self.array(values.collect::<Result<Vec<_>, _>>()?)
    }

    fn array(&self, values: Vec<ScalarValue>) -> Result<ArrayRef, (usize, Failure)> {
        let array = match values.is_empty() {
            true => Ok(arrow::array::new_empty_array(self.field.data_type())),
            false => ScalarValue::iter_to_array(values),
        };
        array.map_err(|error| (0, Failure::of_statement(&error, "")))
    }

    /// Reads one value.
    fn read(&self, value: Option<&[u8]>, is_binary: bool) -> Result<ScalarValue, Failure> {
        let wanted = self.field.data_type();
        let given = match is_binary {
            true => &self.told,
            // What the text means is what the column is.
            false => &Type::TEXT,
        };
        let read = match (calendar_of(&self.field), value) {
            (Some(calendar), Some(value)) => date(value, calendar).ok_or(()),
            _ => parameters::read(0, value, is_binary, given, Some(wanted)).map_err(drop),
        };
        read.map_err(|()| {
            let (name, told) = (self.field.name(), self.told.name());
            match is_binary {
                true => Failure::with_state(
                    SqlState::INVALID_BINARY_REPRESENTATION,
                    format!(", column {name}: the bytes are no {told} that the column can hold"),
                ),
                false => {
                    let value = String::from_utf8_lossy(value.unwrap_or_default());
                    let value: String = value.chars().take(40).collect();
                    Failure::with_state(
                        SqlState::INVALID_TEXT_REPRESENTATION,
                        format!(
                            ", column {name}: \"{value}\" is no {told} that the column can hold"
                        ),
                    )
                }
            }
        })
    }
}

/// The calendar of an integer column with time, which clients see as text.
fn calendar_of(field: &Field) -> Option<Calendar> {
    let calendar = field.metadata().get(CALENDAR)?;
    match field.data_type() {
        DataType::Int64 => Calendar::parse(calendar),
        _ => None,
    }
}

fn date(text: &[u8], calendar: Calendar) -> Option<ScalarValue> {
    let (civil, ahead) = parse_civil(std::str::from_utf8(text).ok()?).ok()?;
    let time = calendar.micros(&civil).ok()?.checked_sub(ahead)?;
    Some(ScalarValue::from(time))
}
