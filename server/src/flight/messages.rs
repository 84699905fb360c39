//! Record batches as messages of Flight, cut to a size that every client accepts.
//!
//! ```text
//!  batches ─ split ─▶ parts of at most 2 MiB ─ encode ─▶ [dictionaries], rows ─▶ the client
//! ```
//! One batch and one message are held at a time: the next is asked for when the client has room for it.

use std::pin::Pin;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_flight::{FlightData, IpcMessage, SchemaAsIpc};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::failure::Failure;

/// What a message holds of a batch, in bytes; gRPC's clients refuse more than 4 MiB unless they are told otherwise.
const SIZE: usize = 2 << 20;
/// The header by which a client asks for compressed messages: `lz4` or `zstd`.
const COMPRESSION: &str = "graticule-compression";

/// Messages for a client.
pub(super) type Messages = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// How the client wants its messages.
///
/// # Errors
/// A compression that is not known.
pub(super) fn options(metadata: &MetadataMap) -> Result<IpcWriteOptions, Status> {
    let options = IpcWriteOptions::default();
    let Some(asked) = metadata.get(COMPRESSION) else {
        return Ok(options);
    };
    let compression = match asked.as_bytes() {
        b"lz4" => CompressionType::LZ4_FRAME,
        b"zstd" => CompressionType::ZSTD,
        _ => {
            let text = format!("{COMPRESSION} is lz4 or zstd");
            return Err(Status::invalid_argument(text));
        }
    };
    options
        .try_with_compression(Some(compression))
        .map_err(failed)
}

/// A schema as it stands in answers that hold no rows.
///
/// # Errors
/// A type that Arrow's messages do not know.
pub(super) fn schema_message(schema: &Schema) -> Result<Bytes, Status> {
    let message = IpcMessage::try_from(SchemaAsIpc::new(schema, &IpcWriteOptions::default()));
    message.map(|IpcMessage(bytes)| bytes).map_err(failed)
}

/// The schema and the batches as messages.
pub(super) fn encode(
    schema: &SchemaRef,
    batches: impl Stream<Item = Result<RecordBatch, Status>> + Send + 'static,
    options: IpcWriteOptions,
) -> Messages {
    let mut encoder = Encoder::new(options);
    let first = encoder.schema(schema);
    let messages = batches
        .map_ok(|batch| stream::iter(split(batch).map(Ok)))
        .try_flatten()
        .map(move |part: Result<_, Status>| encoder.batch(&part?))
        .map_ok(|messages| stream::iter(messages.into_iter().map(Ok)))
        .try_flatten();
    Box::pin(stream::iter([Ok(first)]).chain(messages))
}

/// Writes messages, and knows the dictionaries that the client has.
struct Encoder {
    generator: IpcDataGenerator,
    dictionaries: DictionaryTracker,
    context: IpcWriteContext,
    options: IpcWriteOptions,
}

impl Encoder {
    fn new(options: IpcWriteOptions) -> Self {
        Self {
            generator: IpcDataGenerator::default(),
            // A dictionary that differs from the one before replaces it.
            dictionaries: DictionaryTracker::new(false),
            context: IpcWriteContext::default(),
            options,
        }
    }

    fn schema(&mut self, schema: &Schema) -> FlightData {
        self.generator
            .schema_to_bytes_with_dictionary_tracker(schema, &mut self.dictionaries, &self.options)
            .into()
    }

    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<FlightData>, Status> {
        let (dictionaries, rows) = self
            .generator
            .encode(
                batch,
                &mut self.dictionaries,
                &self.options,
                &mut self.context,
            )
            .map_err(failed)?;
        let messages = dictionaries.into_iter().chain([rows]);
        Ok(messages.map(FlightData::from).collect())
    }
}

/// Cuts a batch into parts that fit into a message each, as far as rows are smaller than that. Nothing is copied.
fn split(batch: RecordBatch) -> impl Iterator<Item = RecordBatch> + Send {
    // What a slice of a large array would take, not what it keeps in memory.
    let bytes = batch.columns().iter().map(|column| {
        let data = column.to_data();
        data.get_slice_memory_size()
            .unwrap_or_else(|_| column.get_buffer_memory_size())
    });
    let parts = bytes.sum::<usize>().div_ceil(SIZE).max(1);
    let rows = batch.num_rows();
    let step = rows.div_ceil(parts).max(1);
    (0..rows)
        .step_by(step)
        .map(move |start| batch.slice(start, step.min(rows - start)))
}

fn failed(error: ArrowError) -> Status {
    Failure::of_statement(&error.into(), "").into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Float64Array, StringArray};
    use arrow::datatypes::Int32Type;
    use arrow_flight::decode::FlightRecordBatchStream;

    use super::*;

    async fn round_trip(batches: Vec<RecordBatch>, options: IpcWriteOptions) -> Vec<RecordBatch> {
        let schema = batches[0].schema();
        let messages = encode(&schema, stream::iter(batches.into_iter().map(Ok)), options);
        let decoded = FlightRecordBatchStream::new_from_flight_data(messages.map_err(Into::into));
        decoded.try_collect().await.unwrap()
    }

    #[tokio::test]
    async fn large_batches_are_cut_and_slices_of_large_arrays_are_not() {
        let values: ArrayRef = Arc::new(Float64Array::from_iter_values(
            (0..1_000_000).map(f64::from),
        ));
        let large = RecordBatch::try_from_iter([("v", values)]).unwrap();
        let slice = large.slice(999_000, 1000);
        let parts: Vec<_> = split(large.clone()).collect();
        assert_eq!(parts.len(), 4);
        assert!(parts.iter().all(|part| part.num_rows() == 250_000));
        assert_eq!(split(slice.clone()).count(), 1);
        let back = round_trip(vec![large, slice.clone()], IpcWriteOptions::default()).await;
        assert_eq!(back.len(), 5);
        assert_eq!(back[4], slice);
    }

    #[tokio::test]
    async fn dictionaries_that_change_are_sent_again_whatever_the_compression() {
        let batch = |words: &[&str]| {
            let words: DictionaryArray<Int32Type> = words.iter().copied().collect();
            RecordBatch::try_from_iter([("word", Arc::new(words) as ArrayRef)]).unwrap()
        };
        let batches = vec![batch(&["a", "b", "a"]), batch(&["c", "d", "c"])];
        for compression in [None, Some("lz4"), Some("zstd")] {
            let mut metadata = MetadataMap::new();
            if let Some(compression) = compression {
                metadata.insert(COMPRESSION, compression.parse().unwrap());
            }
            let back = round_trip(batches.clone(), options(&metadata).unwrap()).await;
            assert_eq!(back, batches);
        }
        let words = arrow::compute::cast(batches[1].column(0), &arrow::datatypes::DataType::Utf8);
        let words = words.unwrap();
        let words = words.as_any().downcast_ref::<StringArray>().unwrap();
        assert_eq!(words.value(1), "d");
    }

    #[test]
    fn an_unknown_compression_is_refused() {
        let mut metadata = MetadataMap::new();
        metadata.insert(COMPRESSION, "rar".parse().unwrap());
        assert!(options(&metadata).is_err());
    }
}
