//! Results as comma-separated values with a header (RFC 4180).

use arrow::array::RecordBatch;
use arrow::csv::{Writer, WriterBuilder};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::textual::Textual;
use super::{ResultWriter, Sink};

/// Writes CSV. Lists and structures are written as text.
pub(crate) struct CsvWriter<'a> {
    textual: Textual,
    writer: Writer<Sink<'a>>,
    header_written: bool,
}

impl<'a> CsvWriter<'a> {
    pub(crate) fn new(schema: &SchemaRef, null: &str, sink: Sink<'a>) -> Self {
        Self {
            textual: Textual::dates_and(schema, |data_type| data_type.is_nested()),
            writer: WriterBuilder::new()
                .with_header(true)
                .with_null(null.to_string())
                .build(sink),
            header_written: false,
        }
    }
}

impl ResultWriter for CsvWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.header_written = true;
        self.writer.write(&self.textual.convert(batch)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), ArrowError> {
        if !self.header_written {
            let empty = RecordBatch::new_empty(self.textual.schema().clone());
            self.writer.write(&empty)?;
        }
        Ok(())
    }
}
