//! Columns that a format cannot hold, or that people cannot read, turned into text.
//!
//! A time in a calendar that Arrow does not know, such as `360_day`, is an integer column with the
//! calendar in its metadata. People want to see the date.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use graticule_engine::cube::metadata;
use graticule_functions::calendar::Calendar;

/// Which columns become text.
pub(crate) struct Textual {
    schema: SchemaRef,
    columns: Vec<Treatment>,
}

enum Treatment {
    Keep,
    Date(Calendar),
    Format,
}

impl Textual {
    /// Turns dates of CF calendars into text and leaves the rest.
    pub(crate) fn dates(schema: &SchemaRef) -> Self {
        Self::dates_and(schema, |_| false)
    }

    /// Turns dates of CF calendars and columns of the types that `also` names into text.
    pub(crate) fn dates_and(schema: &SchemaRef, also: impl Fn(&DataType) -> bool) -> Self {
        let columns: Vec<Treatment> = schema
            .fields()
            .iter()
            .map(|field| match calendar_of(field) {
                Some(calendar) => Treatment::Date(calendar),
                None if also(field.data_type()) => Treatment::Format,
                None => Treatment::Keep,
            })
            .collect();
        let fields: Vec<Field> = schema
            .fields()
            .iter()
            .zip(&columns)
            .map(|(field, treatment)| match treatment {
                Treatment::Keep => field.as_ref().clone(),
                Treatment::Date(_) | Treatment::Format => {
                    Field::new(field.name(), DataType::Utf8, field.is_nullable())
                }
            })
            .collect();
        Self {
            schema: Arc::new(Schema::new(fields)),
            columns,
        }
    }

    /// The columns after conversion.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Converts the rows.
    ///
    /// # Errors
    /// A value that has no text.
    pub(crate) fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns = batch
            .columns()
            .iter()
            .zip(&self.columns)
            .map(|(column, treatment)| match treatment {
                Treatment::Keep => Ok(Arc::clone(column)),
                Treatment::Date(calendar) => Ok(dates(column, *calendar)),
                Treatment::Format => formatted(column),
            })
            .collect::<Result<Vec<_>, ArrowError>>()?;
        let options =
            arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }
}

/// The calendar of an integer column with time.
fn calendar_of(field: &Field) -> Option<Calendar> {
    if *field.data_type() != DataType::Int64 {
        return None;
    }
    Calendar::parse(field.metadata().get(metadata::CALENDAR)?)
}

fn dates(column: &ArrayRef, calendar: Calendar) -> ArrayRef {
    let values = column.as_primitive::<Int64Type>().iter();
    let texts = values.map(|value| value.map(|time| calendar.civil(time).to_string()));
    Arc::new(texts.collect::<StringArray>())
}

fn formatted(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let options = FormatOptions::new().with_display_error(true);
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
    let texts = (0..column.len())
        .map(|row| (!column.is_null(row)).then(|| formatter.value(row).to_string()));
    Ok(Arc::new(texts.collect::<StringArray>()))
}
