//! Results as Apache Parquet, compressed with Zstandard.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{ResultWriter, Sink};

/// Writes Parquet, one row group at a time.
pub(crate) struct ParquetWriter<'a>(ArrowWriter<Sink<'a>>);

/// A row group is written out when it has grown to this many bytes, so that wide rows need no more
/// memory than narrow ones.
const ROW_GROUP_BYTES: usize = 64 << 20;

impl<'a> ParquetWriter<'a> {
    pub(crate) fn new(schema: &SchemaRef, sink: Sink<'a>) -> Result<Self, ArrowError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        Ok(Self(ArrowWriter::try_new(
            sink,
            Arc::clone(schema),
            Some(properties),
        )?))
    }
}

impl ResultWriter for ParquetWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.0.write(batch)?;
        if self.0.in_progress_size() > ROW_GROUP_BYTES {
            self.0.flush()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), ArrowError> {
        self.0.finish()?;
        Ok(())
    }
}
