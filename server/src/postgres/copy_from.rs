//! `COPY … FROM STDIN`: rows of the client become rows of a table, all of them or none.
//!
//! ```text
//!  CopyInResponse ─▶ CopyData, CopyData, … ─▶ Intake ─▶ batches ─▶ Receiving, on disk     as fast as the disk
//!                                                                     │ CopyDone
//!                                                                     ▼
//!                                                             Client::insert ─▶ COPY 1234
//! ```
//! As long as rows come in nothing runs, and no place is taken: a client that stalls, fails or vanishes has changed
//! nothing.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use graticule_engine::{Received, Receiving};
use pgwire::messages::PgWireBackendMessage as Outgoing;
use pgwire::messages::copy::CopyInResponse;
use tokio_util::sync::CancellationToken;

use super::conversation::{Conversation, cancelled, only_reads, stopped};
use super::copy::{CopyFrom, Layout};
use super::intake::Intake;
use super::messages::{Incoming, violation};
use super::rows::Rows;
use super::trouble::Trouble;
use super::wire::Wire;
use crate::failure::{Failure, SqlState};

impl Conversation {
    /// Takes rows in and inserts them; `text` is what the client calls it.
    pub(super) async fn copy_from(
        &mut self,
        wire: &mut Wire,
        copy: &CopyFrom,
        text: &str,
    ) -> Result<(), Trouble> {
        if self.settings.is_read_only() {
            return Err(only_reads().into());
        }
        let stop = self.cancellable.begin();
        let planning = self
            .client
            .insertable(copy.table.clone(), copy.columns.clone());
        let columns = tokio::select! {
            biased;
            columns = planning => columns?,
            () = stop.cancelled() => return Err(cancelled().into()),
            () = wire.vanished() => return Err(Trouble::Gone),
        };
        let intake = Intake::new(copy, &columns)?;
        let format = i16::from(copy.layout == Layout::Binary);
        let width = columns.fields().len();
        wire.send(Outgoing::CopyInResponse(CopyInResponse::new(
            i8::from(format == 1),
            i16::try_from(width).unwrap_or(i16::MAX),
            vec![format; width],
        )))?;
        wire.flush().await?;
        let received = self.receive(wire, intake, &stop).await?;
        let count = received.rows;
        if count > 0 {
            let inserting = self
                .client
                .insert(text, copy.table.clone(), received, stop.clone());
            let execution = tokio::select! {
                biased;
                execution = inserting => execution?,
                () = wire.vanished() => return Err(Trouble::Gone),
            };
            Rows::new(execution, stop).skip(wire, None).await?;
        }
        self.complete(wire, format!("COPY {count}"))
    }

    /// Takes rows in until the client says that these are all.
    async fn receive(
        &self,
        wire: &mut Wire,
        mut intake: Intake,
        stop: &CancellationToken,
    ) -> Result<Received, Trouble> {
        let mut receiving = self.client.receive(Arc::clone(intake.schema()))?;
        loop {
            let message = tokio::select! {
                biased;
                () = self.cancellable.end.cancelled() => return Err(Trouble::Fatal(stopped())),
                () = stop.cancelled() => return Err(cancelled().into()),
                message = wire.receive() => message?,
            };
            let (kind, body) = message.ok_or(Trouble::Gone)?;
            let is_last = match Incoming::read(kind, body)? {
                Incoming::CopyData(bytes) => {
                    intake.extend(&bytes);
                    false
                }
                Incoming::CopyDone => true,
                Incoming::CopyFail(reason) => {
                    let text = format!("the client gave up copying: {reason}");
                    return Err(Failure::with_state(SqlState::QUERY_CANCELED, text).into());
                }
                // Clients say that all is said before they know that rows are asked for.
                Incoming::Flush | Incoming::Sync => false,
                Incoming::Terminate => return Err(Trouble::Gone),
                _ => return Err(violation("rows of COPY were expected").into()),
            };
            while let Some(batch) = intake.next(is_last)? {
                receiving = kept(receiving, batch).await?;
            }
            if is_last {
                return Ok(finished(receiving).await?);
            }
        }
    }
}

/// Writes a batch to the disk, beside the threads of the doors.
async fn kept(mut receiving: Receiving, batch: RecordBatch) -> Result<Receiving, Failure> {
    let writing = SpawnedTask::spawn_blocking(move || {
        let pushed = receiving.push(&batch);
        pushed.map(|()| receiving)
    });
    on_disk(writing).await
}

async fn finished(receiving: Receiving) -> Result<Received, Failure> {
    on_disk(SpawnedTask::spawn_blocking(move || receiving.finish())).await
}

async fn on_disk<T: Send + 'static>(
    task: SpawnedTask<datafusion::error::Result<T>>,
) -> Result<T, Failure> {
    match task.await {
        Ok(done) => done.map_err(|error| Failure::of_statement(&error, "")),
        Err(_) => Err(Failure::vanished()),
    }
}
