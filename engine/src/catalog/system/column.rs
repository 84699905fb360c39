//! A column of a small table: its name, what it means, and how to read it off a row.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, Int64Builder, ListBuilder, RecordBatch,
    RecordBatchOptions, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;

use crate::sql::describe::LONG_NAME;

/// A column of rows of type `R`.
pub(crate) struct Column<R> {
    name: &'static str,
    description: &'static str,
    read: Read<R>,
}

/// How to read a value, by its type.
enum Read<R> {
    Text(fn(&R) -> Option<String>),
    Whole(fn(&R) -> Option<u64>),
    Real(fn(&R) -> Option<f64>),
    Flag(fn(&R) -> Option<bool>),
    Texts(fn(&R) -> Option<Vec<String>>),
    Wholes(fn(&R) -> Option<Vec<u64>>),
}

impl<R> Column<R> {
    /// A text.
    pub(crate) fn text(
        name: &'static str,
        description: &'static str,
        read: fn(&R) -> Option<String>,
    ) -> Self {
        Self::new(name, description, Read::Text(read))
    }

    /// A whole number.
    pub(crate) fn whole(
        name: &'static str,
        description: &'static str,
        read: fn(&R) -> Option<u64>,
    ) -> Self {
        Self::new(name, description, Read::Whole(read))
    }

    /// A real number.
    pub(crate) fn real(
        name: &'static str,
        description: &'static str,
        read: fn(&R) -> Option<f64>,
    ) -> Self {
        Self::new(name, description, Read::Real(read))
    }

    /// Yes or no.
    pub(crate) fn flag(
        name: &'static str,
        description: &'static str,
        read: fn(&R) -> Option<bool>,
    ) -> Self {
        Self::new(name, description, Read::Flag(read))
    }

    /// A list of texts.
    pub(crate) fn texts(
        name: &'static str,
        description: &'static str,
        read: fn(&R) -> Option<Vec<String>>,
    ) -> Self {
        Self::new(name, description, Read::Texts(read))
    }

    /// A list of whole numbers.
    pub(crate) fn wholes(
        name: &'static str,
        description: &'static str,
        read: fn(&R) -> Option<Vec<u64>>,
    ) -> Self {
        Self::new(name, description, Read::Wholes(read))
    }

    fn new(name: &'static str, description: &'static str, read: Read<R>) -> Self {
        Self {
            name,
            description,
            read,
        }
    }

    fn field(&self) -> Field {
        let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
        let data_type = match self.read {
            Read::Text(_) => DataType::Utf8,
            Read::Whole(_) => DataType::Int64,
            Read::Real(_) => DataType::Float64,
            Read::Flag(_) => DataType::Boolean,
            Read::Texts(_) => list(DataType::Utf8),
            Read::Wholes(_) => list(DataType::Int64),
        };
        Field::new(self.name, data_type, true)
            .with_metadata([(LONG_NAME.to_string(), self.description.to_string())].into())
    }

    fn array(&self, rows: &[R]) -> ArrayRef {
        match self.read {
            Read::Text(read) => Arc::new(rows.iter().map(read).collect::<StringArray>()),
            Read::Whole(read) => Arc::new(
                rows.iter()
                    .map(|row| read(row).map(signed))
                    .collect::<Int64Array>(),
            ),
            Read::Real(read) => Arc::new(rows.iter().map(read).collect::<Float64Array>()),
            Read::Flag(read) => Arc::new(rows.iter().map(read).collect::<BooleanArray>()),
            Read::Texts(read) => {
                let mut lists = ListBuilder::new(StringBuilder::new());
                for row in rows {
                    lists.append_option(read(row).map(|texts| texts.into_iter().map(Some)));
                }
                Arc::new(lists.finish())
            }
            Read::Wholes(read) => {
                let mut lists = ListBuilder::new(Int64Builder::new());
                for row in rows {
                    let list = read(row);
                    lists.append_option(
                        list.map(|wholes| wholes.into_iter().map(|whole| Some(signed(whole)))),
                    );
                }
                Arc::new(lists.finish())
            }
        }
    }
}

/// The schema of `columns`; descriptions travel as `long_name`.
pub(crate) fn schema<R>(columns: &[Column<R>]) -> SchemaRef {
    let fields: Vec<Field> = columns.iter().map(Column::field).collect();
    Arc::new(Schema::new(fields))
}

/// The rows as a record batch.
///
/// # Errors
/// None that a caller could cause: the arrays match the schema.
pub(crate) fn batch<R>(
    schema: &SchemaRef,
    columns: &[Column<R>],
    rows: &[R],
) -> Result<RecordBatch> {
    let arrays = columns.iter().map(|column| column.array(rows)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        arrays,
        &options,
    )?)
}

/// SQL has no unsigned numbers; no cube comes near the limit.
fn signed(whole: u64) -> i64 {
    i64::try_from(whole).unwrap_or(i64::MAX)
}
