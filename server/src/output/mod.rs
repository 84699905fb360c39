//! Results on their way out: one writer per format, all streaming.
//!
//! ```text
//!  batches ─▶ ResultWriter (table | csv | json | ndjson | arrow | parquet) ─▶ Destination
//!                                                        standard output, or FILE.partial ─rename▶ FILE
//! ```

mod arrow;
mod cells;
mod csv;
mod destination;
mod expanded;
mod json;
mod layout;
mod parquet;
mod table;
mod textual;

use std::io::Write;

use ::arrow::array::RecordBatch;
use ::arrow::datatypes::SchemaRef;
use ::arrow::error::ArrowError;

pub(crate) use cells::{cell_texts, printable};
pub(crate) use destination::Destination;
pub(crate) use table::TableStyle;
pub(crate) use textual::Textual;

use crate::arguments::Format;

/// Where writers write to.
pub(crate) type Sink<'a> = Box<dyn Write + Send + 'a>;

/// Writes one result. All of it must fit no memory: a writer keeps a few rows at most.
pub(crate) trait ResultWriter: Send {
    /// Writes some rows.
    ///
    /// # Errors
    /// The destination cannot be written to, or the format cannot hold a value.
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError>;

    /// Writes what is left.
    ///
    /// # Errors
    /// As [`ResultWriter::write`].
    fn finish(self: Box<Self>) -> Result<(), ArrowError>;
}

/// A writer of `format` for a result with `schema`. `to_file` is false for standard output.
///
/// # Errors
/// The format cannot hold the schema.
pub(crate) fn writer<'a>(
    format: Format,
    schema: &SchemaRef,
    style: &TableStyle,
    to_file: bool,
    sink: Sink<'a>,
) -> Result<Box<dyn ResultWriter + 'a>, ArrowError> {
    Ok(match format {
        Format::Table if style.expanded => {
            Box::new(expanded::ExpandedWriter::new(schema, style, sink))
        }
        Format::Table => Box::new(table::TableWriter::new(schema, style, sink)),
        Format::Csv => Box::new(csv::CsvWriter::new(schema, &style.null, sink)),
        Format::Json => Box::new(json::JsonWriter::array(schema, sink)),
        Format::Ndjson => Box::new(json::JsonWriter::lines(schema, sink)),
        Format::Arrow if to_file => Box::new(arrow::FileWriter::new(schema, sink)?),
        Format::Arrow => Box::new(arrow::StreamWriter::new(schema, sink)?),
        Format::Parquet => Box::new(parquet::ParquetWriter::new(schema, sink)?),
    })
}

impl Format {
    /// The format that a file's suffix stands for.
    pub(crate) fn of_suffix(suffix: &str) -> Option<Self> {
        Some(match suffix.to_lowercase().as_str() {
            "csv" => Self::Csv,
            "json" => Self::Json,
            "ndjson" | "jsonl" => Self::Ndjson,
            "arrow" | "feather" | "ipc" => Self::Arrow,
            "parquet" => Self::Parquet,
            "txt" => Self::Table,
            _ => return None,
        })
    }

    /// Is the format unfit for a terminal?
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Arrow | Self::Parquet)
    }

    /// Can several results follow each other? Streams of Arrow can, a file of Arrow has its end.
    pub(crate) fn holds_many_results(self, in_file: bool) -> bool {
        match self {
            Self::Table | Self::Csv | Self::Ndjson => true,
            Self::Arrow => !in_file,
            Self::Json | Self::Parquet => false,
        }
    }
}
