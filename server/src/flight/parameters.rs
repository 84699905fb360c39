//! Values of parameters, as clients send them: a stream of record batches, each of whose rows is one execution.
//!
//! The decoder trusts what messages say of themselves; so what could make it take memory is refused before, and its
//! panics are caught.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use arrow::array::{Array, RecordBatch};
use arrow::ipc::root_as_message;
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use datafusion::common::ScalarValue;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, future};
use tokio::time::timeout;
use tonic::Status;

use super::statements::Rows;
use crate::failure::{Failure, SqlState};

/// Executions of one statement at a time.
const ROWS: usize = 100_000;
/// Bytes that a client may send for them.
const BYTES: usize = 64 << 20;
/// Bytes of the values that are made of them. A text that stands once in a dictionary may be the value of many rows.
const VALUE_BYTES: usize = 128 << 20;
/// How long a client may take to send them.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// Reads all rows.
///
/// # Errors
/// No record batches, too many rows or bytes, or a client that takes too long.
pub(super) async fn read(
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> Result<Rows, Status> {
    let rows = AssertUnwindSafe(rows(messages)).catch_unwind();
    match timeout(PATIENCE, rows).await {
        Ok(Ok(rows)) => rows,
        // Slices that lie outside of their message, for example.
        Ok(Err(_)) => Err(Status::invalid_argument(
            "the parameters cannot be read: a record batch contradicts itself",
        )),
        Err(_) => Err(late()),
    }
}

/// The client has not sent all that it has to.
pub(super) fn late() -> Status {
    Status::deadline_exceeded("the parameters did not arrive in time")
}

async fn rows(
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> Result<Rows, Status> {
    // What names the command only, and brings no values.
    let messages = messages.try_filter(|message| future::ready(!message.data_header.is_empty()));
    let mut received = 0_usize;
    let messages = messages.and_then(move |message| {
        received = received.saturating_add(message.data_body.len());
        future::ready(checked(message, received))
    });
    let messages = messages.map_err(|status| FlightError::Tonic(Box::new(status)));
    let mut batches = FlightRecordBatchStream::new_from_flight_data(messages);
    let mut rows = Rows::new();
    let mut held = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(unreadable)?;
        if batch.num_rows() > ROWS - rows.len() {
            let text = format!("a statement is executed with at most {ROWS} rows of parameters");
            return Err(too_much(text));
        }
        for row in 0..batch.num_rows() {
            rows.push(values(&batch, row, &mut held)?);
        }
    }
    Ok(rows)
}

/// A message that the decoder may see, of `received` bytes together with those before it.
fn checked(message: FlightData, received: usize) -> Result<FlightData, Status> {
    if received > BYTES {
        let text = format!("the parameters of a statement have at most {BYTES} bytes");
        return Err(too_much(text));
    }
    let header = root_as_message(&message.data_header).map_err(|error| {
        Status::invalid_argument(format!("the parameters cannot be read: {error}"))
    })?;
    let dictionary = header.header_as_dictionary_batch();
    let rows = header
        .header_as_record_batch()
        .or_else(|| dictionary.and_then(|dictionary| dictionary.data()));
    // The decoder takes the memory that a compressed buffer says it needs.
    if rows.is_some_and(|rows| rows.compression().is_some()) {
        let text = "the parameters are compressed; send them without compression";
        return Err(Status::invalid_argument(text));
    }
    Ok(message)
}

/// The values of one row. `held` are the bytes of all values so far.
fn values(batch: &RecordBatch, row: usize, held: &mut usize) -> Result<Vec<ScalarValue>, Status> {
    let mut values = Vec::with_capacity(batch.num_columns());
    for column in batch.columns() {
        let value = ScalarValue::try_from_array(column, row);
        let value = value.map_err(|error| Failure::of_statement(&error, ""))?;
        *held += match column.data_type().is_nested() {
            // A piece of what was received, not a copy.
            true => size_of::<ScalarValue>(),
            false => value.size(),
        };
        if *held > VALUE_BYTES {
            let text =
                format!("the values of the parameters take more than {VALUE_BYTES} bytes together");
            return Err(too_much(text));
        }
        values.push(value);
    }
    Ok(values)
}

fn too_much(text: String) -> Status {
    Failure::with_state(SqlState::CONFIGURATION_LIMIT_EXCEEDED, text).into()
}

fn unreadable(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        error => Status::invalid_argument(format!("the parameters cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Int32Array, Int64Array, StringArray};
    use arrow::ipc::CompressionType;
    use arrow::ipc::writer::IpcWriteOptions;
    use bytes::Bytes;
    use futures::stream;
    use tonic::Code;

    use super::super::messages::encode;
    use super::*;

    async fn sent(column: ArrayRef, options: IpcWriteOptions) -> Vec<FlightData> {
        let batch = RecordBatch::try_from_iter([("$1", column)]).unwrap();
        let schema = batch.schema();
        let messages = encode(&schema, stream::iter([Ok(batch)]), options);
        messages.try_collect().await.unwrap()
    }

    async fn outcome(messages: Vec<FlightData>) -> Result<Rows, Code> {
        let read = read(stream::iter(messages.into_iter().map(Ok))).await;
        read.map_err(|status| status.code())
    }

    #[tokio::test]
    async fn each_row_is_one_execution() {
        let column = Arc::new(Int64Array::from(vec![1, 2]));
        let messages = sent(column, IpcWriteOptions::default()).await;
        let expected = [1, 2].map(|value| vec![ScalarValue::Int64(Some(value))]);
        assert_eq!(outcome(messages).await, Ok(expected.to_vec()));
    }

    #[tokio::test]
    async fn what_is_compressed_or_contradicts_itself_is_refused() {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
        let options = IpcWriteOptions::default();
        let compressed = options.try_with_compression(Some(CompressionType::ZSTD));
        let messages = sent(Arc::clone(&column), compressed.unwrap()).await;
        assert_eq!(outcome(messages).await, Err(Code::InvalidArgument));
        let mut messages = sent(column, IpcWriteOptions::default()).await;
        for message in &mut messages {
            message.data_body = Bytes::new();
        }
        assert_eq!(outcome(messages).await, Err(Code::InvalidArgument));
    }

    #[tokio::test]
    async fn a_long_text_of_many_rows_is_too_much() {
        let texts = StringArray::from(vec!["a".repeat(1 << 20)]);
        let keys = Int32Array::from(vec![0; 1000]);
        let column = DictionaryArray::new(keys, Arc::new(texts));
        let messages = sent(Arc::new(column), IpcWriteOptions::default()).await;
        assert_eq!(outcome(messages).await, Err(Code::ResourceExhausted));
    }

    #[test]
    fn bytes_are_counted() {
        let refused = checked(FlightData::default(), BYTES + 1);
        assert_eq!(refused.unwrap_err().code(), Code::ResourceExhausted);
    }
}
