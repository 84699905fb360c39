//! The rows of a result as the body of a response: encoded batch by batch, as fast as the client takes them.
//!
//! ```text
//!  Execution ─▶ batch ─▶ Encoder, on a thread that may be kept busy ─▶ bytes ─▶ client
//!      ▲ waits until the bytes before are taken          an error breaks the transfer, so that no
//!      └ dropped with the body: the query stops          part of a result is taken for all of it
//! ```
//! In HTTP/1.0 the end of a transfer that breaks looks like the end of the body: its clients get no results.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use axum::body::Body;
use axum::http::{StatusCode, Version};
use bytes::Bytes;
use datafusion::common::runtime::SpawnedTask;
use futures::stream::try_unfold;

use super::problem::Problem;
use super::running::Listed;
use crate::arguments::Format;
use crate::failure::Failure;
use crate::output::{self, ResultWriter, TableStyle};
use crate::serve::Execution;

/// Writes one result in one format, into memory.
pub(super) struct Encoder {
    writer: Option<Box<dyn ResultWriter>>,
    written: Written,
}

/// What a writer has written and nobody has taken.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Encoder {
    /// An encoder of results with these columns.
    ///
    /// # Errors
    /// The format cannot hold the columns.
    pub(super) fn new(format: Format, schema: &SchemaRef) -> Result<Self, ArrowError> {
        let written = Written::default();
        let sink = Box::new(written.clone());
        let writer = output::writer(format, schema, &TableStyle::default(), false, sink)?;
        Ok(Self {
            writer: Some(writer),
            written,
        })
    }

    /// The bytes of the next rows; without rows those of the end.
    fn encode(&mut self, batch: Option<&RecordBatch>) -> Result<Bytes, ArrowError> {
        match (batch, &mut self.writer) {
            (Some(batch), Some(writer)) => writer.write(batch)?,
            _ => self
                .writer
                .take()
                .map_or(Ok(()), |writer| writer.finish())?,
        }
        Ok(Bytes::from(self.written.take()))
    }

    /// All bytes of a small result.
    ///
    /// # Errors
    /// A value that the format cannot hold.
    pub(super) fn all(mut self, batches: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
        let mut bytes = vec![];
        for batch in batches.iter().map(Some).chain([None]) {
            bytes.extend_from_slice(&self.encode(batch)?);
        }
        Ok(bytes)
    }
}

impl Written {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A result on its way to the client.
struct Transfer {
    execution: Execution,
    encoder: Encoder,
    /// What was waited for before anything was answered: rows, or the end.
    first: Option<Option<RecordBatch>>,
    _listed: Listed,
}

/// Makes sure that the client can tell a result from a part of it.
///
/// # Errors
/// It cannot.
pub(super) fn streams(version: Version) -> Result<(), Problem> {
    if version >= Version::HTTP_11 {
        return Ok(());
    }
    let detail = "results are sent in pieces, whose end cannot be told in this version of HTTP; use HTTP/1.1, which a \
                  proxy between may have to be told (nginx: proxy_http_version 1.1)";
    Err(Problem::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, detail))
}

/// The body of a response with the rows of `execution`, of which `first` is already there, or the end.
pub(super) fn rows(
    execution: Execution,
    encoder: Encoder,
    first: Option<RecordBatch>,
    listed: Listed,
) -> Body {
    let transfer = Transfer {
        execution,
        encoder,
        first: Some(first),
        _listed: listed,
    };
    let pieces = try_unfold(Some(transfer), |transfer| async move {
        match transfer {
            Some(transfer) => transfer.piece().await.map(Some).map_err(broken),
            None => Ok(None),
        }
    });
    Body::from_stream(pieces)
}

impl Transfer {
    /// The next bytes, and the transfer unless these were the last ones.
    async fn piece(mut self) -> Result<(Bytes, Option<Self>), Failure> {
        let batch = match self.first.take() {
            Some(first) => first,
            None => self.execution.next().await?,
        };
        let is_last = batch.is_none();
        let mut encoder = self.encoder;
        let encoding = SpawnedTask::spawn_blocking(move || {
            let bytes = encoder.encode(batch.as_ref());
            (encoder, bytes)
        });
        let (encoder, bytes) = encoding.join().await.map_err(|_| Failure::vanished())?;
        let bytes = bytes.map_err(|error| Failure::of_statement(&error.into(), ""))?;
        self.encoder = encoder;
        if is_last {
            return Ok((bytes, None));
        }
        Ok((bytes, Some(self)))
    }
}

/// What makes the server break the transfer. The client is not told why: there is no place for it in a body.
pub(super) fn broken(failure: Failure) -> io::Error {
    io::Error::other(failure.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_not_sent_where_their_end_cannot_be_told() {
        for (version, expected) in [
            (Version::HTTP_09, false),
            (Version::HTTP_10, false),
            (Version::HTTP_11, true),
            (Version::HTTP_2, true),
        ] {
            assert_eq!(streams(version).is_ok(), expected, "{version:?}");
        }
    }
}
