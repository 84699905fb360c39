//! Results as Arrow IPC: the stream where bytes flow, the file where they stay.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer;

use super::{ResultWriter, Sink};

/// Writes the Arrow IPC streaming format.
pub(crate) struct StreamWriter<'a>(writer::StreamWriter<Sink<'a>>);

/// Writes the Arrow IPC file format, also known as Feather version 2.
pub(crate) struct FileWriter<'a>(writer::FileWriter<Sink<'a>>);

impl<'a> StreamWriter<'a> {
    pub(crate) fn new(schema: &SchemaRef, sink: Sink<'a>) -> Result<Self, ArrowError> {
        writer::StreamWriter::try_new(sink, schema).map(Self)
    }
}

impl<'a> FileWriter<'a> {
    pub(crate) fn new(schema: &SchemaRef, sink: Sink<'a>) -> Result<Self, ArrowError> {
        writer::FileWriter::try_new(sink, schema).map(Self)
    }
}

impl ResultWriter for StreamWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.0.write(batch)
    }

    fn finish(mut self: Box<Self>) -> Result<(), ArrowError> {
        self.0.finish()
    }
}

impl ResultWriter for FileWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.0.write(batch)
    }

    fn finish(mut self: Box<Self>) -> Result<(), ArrowError> {
        self.0.finish()
    }
}
