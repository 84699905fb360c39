//! Results as JSON: an array of objects, or one object a line. NULL and NaN are `null`.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::{JsonArray, JsonFormat, LineDelimited, Writer};

use super::textual::Textual;
use super::{ResultWriter, Sink};

/// Writes JSON in either framing.
pub(crate) struct JsonWriter<'a, F: JsonFormat> {
    textual: Textual,
    writer: Writer<Sink<'a>, F>,
    /// What the framing leaves out at the end.
    end: &'static [u8],
}

impl<'a> JsonWriter<'a, JsonArray> {
    /// Writes an array of objects.
    pub(crate) fn array(schema: &SchemaRef, sink: Sink<'a>) -> Self {
        Self::new(schema, sink, b"\n")
    }
}

impl<'a> JsonWriter<'a, LineDelimited> {
    /// Writes one object a line.
    pub(crate) fn lines(schema: &SchemaRef, sink: Sink<'a>) -> Self {
        Self::new(schema, sink, b"")
    }
}

impl<'a, F: JsonFormat> JsonWriter<'a, F> {
    fn new(schema: &SchemaRef, sink: Sink<'a>, end: &'static [u8]) -> Self {
        Self {
            textual: Textual::dates_and(schema, |t| matches!(t, DataType::Union(..))),
            writer: WriterBuilder::new().with_explicit_nulls(true).build(sink),
            end,
        }
    }
}

impl<F: JsonFormat + Send> ResultWriter for JsonWriter<'_, F> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.writer.write(&self.textual.convert(batch)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), ArrowError> {
        self.writer.finish()?;
        Ok(self.writer.get_mut().write_all(self.end)?)
    }
}
