//! Rows of a statement that runs, on their way to the client: encoded batch by batch, and never more than one. Between
//! two portions the statement rests, and its place is that of others.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use tokio_util::sync::CancellationToken;

use super::encoding::{Cells, Framing};
use super::trouble::Trouble;
use super::wire::Wire;
use crate::failure::{Failure, SqlState};
use crate::output::Textual;
use crate::serve::Execution;

/// A statement that runs, and the batch that is being sent.
pub(super) struct Rows {
    execution: Execution,
    textual: Textual,
    /// What the client has been told, where it is not what comes.
    promised: Option<SchemaRef>,
    pub(super) stop: CancellationToken,
    columns: Vec<Cells>,
    /// Rows of the batch, and how many of them are gone.
    length: usize,
    next: usize,
}

impl Rows {
    pub(super) fn new(execution: Execution, stop: CancellationToken) -> Self {
        Self {
            textual: Textual::dates(&execution.schema),
            execution,
            promised: None,
            stop,
            columns: vec![],
            length: 0,
            next: 0,
        }
    }

    /// The columns as they are sent.
    pub(super) fn schema(&self) -> &SchemaRef {
        self.textual.schema()
    }

    /// The client has been told of these columns, so they are what it gets: it reads bytes by what it was told.
    ///
    /// # Errors
    /// There are more columns now, or fewer.
    pub(super) fn promise(&mut self, columns: &SchemaRef) -> Result<(), Failure> {
        if columns.fields().len() != self.schema().fields().len() {
            return Err(Failure::with_state(
                SqlState::FEATURE_NOT_SUPPORTED,
                "the columns of the statement have changed; prepare it again",
            ));
        }
        let types = |schema: &SchemaRef| -> Vec<DataType> {
            let fields = schema.fields().iter();
            fields.map(|field| field.data_type().clone()).collect()
        };
        if types(columns) != types(self.schema()) {
            self.promised = Some(Arc::clone(columns));
        }
        Ok(())
    }

    /// Sends rows, at most `limit` of them. How many there were, and whether more may follow.
    ///
    /// # Errors
    /// The statement failed or was stopped, or the client has gone.
    pub(super) async fn send(
        &mut self,
        wire: &mut Wire,
        framing: &mut Framing,
        limit: Option<u64>,
    ) -> Result<(u64, bool), Trouble> {
        self.resume(wire).await?;
        let (sent, is_open) = self.send_some(wire, framing, limit).await?;
        if is_open {
            self.execution.suspend();
        }
        Ok((sent, is_open))
    }

    async fn send_some(
        &mut self,
        wire: &mut Wire,
        framing: &mut Framing,
        limit: Option<u64>,
    ) -> Result<(u64, bool), Trouble> {
        let mut sent = 0;
        loop {
            while self.next < self.length && limit.is_none_or(|limit| sent < limit) {
                let left = limit.map_or(u64::MAX, |limit| limit - sent);
                sent += self.write(wire, framing, left);
                // A client that does not read does not keep a statement that was stopped.
                tokio::select! {
                    biased;
                    sent = wire.send_if_full() => sent?,
                    () = self.stop.cancelled() => {}
                }
                if self.stop.is_cancelled() {
                    return Err(self.stopped().await);
                }
            }
            if limit.is_some_and(|limit| sent >= limit) {
                return Ok((sent, true));
            }
            if !self.advance(wire).await? {
                return Ok((sent, false));
            }
        }
    }

    /// Writes rows of the batch until there is something to send, at most `limit` of them; how many there were.
    fn write(&mut self, wire: &mut Wire, framing: &mut Framing, limit: u64) -> u64 {
        let mut written = 0;
        while self.next < self.length && written < limit && !wire.is_full() {
            framing.row(&self.columns, self.next, &mut wire.output);
            self.next += 1;
            written += 1;
        }
        written
    }

    /// Leaves rows out, at most `limit` of them; how many there were.
    ///
    /// # Errors
    /// As for [`Rows::send`].
    pub(super) async fn skip(
        &mut self,
        wire: &mut Wire,
        limit: Option<u64>,
    ) -> Result<u64, Trouble> {
        self.resume(wire).await?;
        let mut skipped = 0;
        loop {
            let left = limit.map_or(u64::MAX, |limit| limit - skipped);
            let here = usize::try_from(left).unwrap_or(usize::MAX);
            let here = here.min(self.length - self.next);
            self.next += here;
            skipped += here as u64;
            if limit == Some(skipped) {
                self.execution.suspend();
                return Ok(skipped);
            }
            if !self.advance(wire).await? {
                return Ok(skipped);
            }
        }
    }

    /// The statement goes on, once there is a place for it. Notices that the client has gone.
    async fn resume(&self, wire: &mut Wire) -> Result<(), Trouble> {
        tokio::select! {
            biased;
            resumed = self.execution.resume() => Ok(resumed?),
            () = wire.vanished() => Err(Trouble::Gone),
        }
    }

    /// Waits for the next batch; `false` where there is none. Notices that the client has gone.
    async fn advance(&mut self, wire: &mut Wire) -> Result<bool, Trouble> {
        // What is there already should not wait for what may take long.
        let next = tokio::select! {
            biased;
            next = self.execution.next() => next?,
            () = wire.vanished() => return Err(Trouble::Gone),
        };
        let Some(batch) = next else {
            return Ok(false);
        };
        self.columns = self.encode(&batch).map_err(|error| {
            let error = DataFusionError::from(error);
            Trouble::Statement(Failure::of_statement(&error, ""))
        })?;
        self.length = batch.num_rows();
        self.next = 0;
        Ok(true)
    }

    fn encode(&self, batch: &RecordBatch) -> Result<Vec<Cells>, ArrowError> {
        let batch = self.textual.convert(batch)?;
        let schema = self.promised.as_ref().unwrap_or(self.textual.schema());
        let columns = schema.fields().iter().zip(batch.columns());
        columns
            .map(
                |(field, column)| match column.data_type() == field.data_type() {
                    true => Cells::new(column, field),
                    false => Cells::new(&cast(column, field.data_type())?, field),
                },
            )
            .collect()
    }

    /// What the execution says once it has noticed that it was stopped.
    async fn stopped(&mut self) -> Trouble {
        loop {
            match self.execution.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return Trouble::Statement(Failure::interrupted()),
                Err(failure) => return Trouble::Statement(failure),
            }
        }
    }
}
