//! Values of parameters, as clients send them: a stream of record batches, each of whose rows is one execution.

use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use datafusion::common::ScalarValue;
use futures::{Stream, StreamExt, TryStreamExt, future};
use tonic::Status;

use super::statements::Rows;
use crate::failure::{Failure, SqlState};

/// Executions of one statement at a time, and values of all of them together.
const ROWS: usize = 100_000;

/// Reads all rows.
///
/// # Errors
/// No record batches, or too many rows.
pub(super) async fn read(
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> Result<Rows, Status> {
    // What names the command only, and brings no values.
    let messages = messages.try_filter(|message| future::ready(!message.data_header.is_empty()));
    let messages = messages.map_err(|status| FlightError::Tonic(Box::new(status)));
    let mut batches = FlightRecordBatchStream::new_from_flight_data(messages);
    let mut rows = Rows::new();
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(unreadable)?;
        if rows.len() + batch.num_rows() > ROWS {
            let text = format!("a statement is executed with at most {ROWS} rows of parameters");
            let failure = Failure::with_state(SqlState::CONFIGURATION_LIMIT_EXCEEDED, text);
            return Err(failure.into());
        }
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter();
            let values = values.map(|column| ScalarValue::try_from_array(column, row));
            let values = values.collect::<Result<_, _>>();
            rows.push(values.map_err(|error| Failure::of_statement(&error, ""))?);
        }
    }
    Ok(rows)
}

fn unreadable(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        error => Status::invalid_argument(format!("the parameters cannot be read: {error}")),
    }
}
