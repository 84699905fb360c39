//! One statement of a client at work: on the threads that compute, while the door sends what is there.
//!
//! ```text
//!  compute: session.run ─▶ columns, batch, batch … ─▶ channel of 2 ─▶ Execution::next ─▶ door
//!                 ▲ aborted by
//!  door:    supervise: the client, the timeout, the end of the service, dropping the Execution
//! ```
//! A client that does not read holds two batches, and its place, until the timeout; one that has said that it wants no
//! more rows for now gives its place back. The supervisor runs on the threads of
//! the doors, so that the client is told in time even while all that compute are busy; the place is given on when the work
//! has really ended.

use std::future::pending;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::DataFusionError;
use futures::StreamExt;
use graticule_engine::progress::QueryProgress;
use graticule_engine::{Parts, Query, Received, Session, stoppable};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::turn::Turn;
use crate::failure::{Failure, SqlState};

/// A statement and what may stop it.
pub(super) struct Work {
    pub(super) source: Source,
    pub(super) statement: String,
    pub(super) timeout: Option<Duration>,
    /// The client wants no more of it.
    pub(super) stop: CancellationToken,
    /// The service ends.
    pub(super) stopping: CancellationToken,
}

/// Where its rows come from.
pub(super) enum Source {
    /// The statement, with the values of `$1`, `$2`, ….
    Statement {
        session: Arc<Session>,
        parameters: Vec<ScalarValue>,
    },
    /// Rows of the client, which go into a table.
    Rows {
        session: Arc<Session>,
        table: String,
        rows: Received,
    },
    /// The query was planned, and this is a part of it.
    Part { parts: Arc<Parts>, number: usize },
}

impl Work {
    async fn begin(&self) -> Result<Query, DataFusionError> {
        match &self.source {
            Source::Statement {
                session,
                parameters,
            } => session.run_with(&self.statement, parameters).await,
            Source::Rows {
                session,
                table,
                rows,
            } => session.insert(&self.statement, table, rows.clone()).await,
            Source::Part { parts, number } => parts.start(*number),
        }
    }
}

enum Message {
    Started {
        schema: SchemaRef,
        progress: Arc<QueryProgress>,
    },
    Batch(RecordBatch),
    /// All rows are sent.
    Finished,
}

/// A statement that runs. Dropping it cancels the work.
pub(crate) struct Execution {
    /// Columns of the result; none where the statement has no result.
    pub(crate) schema: SchemaRef,
    /// What it has read so far.
    pub(crate) progress: Arc<QueryProgress>,
    messages: mpsc::Receiver<Result<Message, Failure>>,
    turn: Weak<Turn>,
    stop: CancellationToken,
    _supervisor: SpawnedTask<()>,
}

/// A task of the threads that compute. It ends when nobody wants its result any more, though it may be planning, which
/// waits for nothing.
pub(super) struct Task<T> {
    pub(super) handle: JoinHandle<T>,
    _planning: DropGuard,
}

impl<T: Send + 'static> Task<T> {
    /// Starts it.
    pub(super) fn spawn(compute: &Handle, work: impl Future<Output = T> + Send + 'static) -> Self {
        let stop = CancellationToken::new();
        Self {
            handle: compute.spawn(stoppable(stop.clone(), work)),
            _planning: stop.drop_guard(),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl Execution {
    /// Starts the work, and waits until its columns are known.
    pub(super) async fn start(
        work: Work,
        turn: Arc<Turn>,
        compute: &Handle,
    ) -> Result<Self, Failure> {
        let (weak, stop) = (Arc::downgrade(&turn), work.stop.clone());
        let (sender, mut messages) = mpsc::channel(2);
        // Whoever stops waiting for the columns stops the work, too.
        let supervising = supervise(work, turn, compute.clone(), sender);
        let supervisor = SpawnedTask::spawn(supervising);
        match messages.recv().await {
            Some(Ok(Message::Started { schema, progress })) => Ok(Self {
                schema,
                progress,
                messages,
                turn: weak,
                stop,
                _supervisor: supervisor,
            }),
            Some(Err(failure)) => Err(failure),
            Some(Ok(Message::Batch(_) | Message::Finished)) | None => Err(Failure::vanished()),
        }
    }

    /// The next rows, `None` at the end.
    ///
    /// # Errors
    /// The query failed, or was stopped.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>, Failure> {
        match self.messages.recv().await.transpose()? {
            Some(Message::Batch(batch)) => Ok(Some(batch)),
            Some(Message::Finished) => Ok(None),
            Some(Message::Started { .. }) | None => Err(Failure::vanished()),
        }
    }

    /// The client wants no rows for now: others may have the place.
    pub(crate) fn suspend(&self) {
        if let Some(turn) = self.turn.upgrade() {
            turn.seat.leave();
        }
    }

    /// The client wants more rows. Waits for a place, if it was given back.
    ///
    /// # Errors
    /// Too many queries, or the statement was cancelled.
    pub(crate) async fn resume(&self) -> Result<(), Failure> {
        match self.turn.upgrade() {
            Some(turn) => turn.seat.take(&self.stop).await,
            // It has ended, and needs no place.
            None => Ok(()),
        }
    }
}

/// Lets the work run until it ends or something stops it, and tells the client what did.
async fn supervise(
    work: Work,
    turn: Arc<Turn>,
    compute: Handle,
    sender: mpsc::Sender<Result<Message, Failure>>,
) {
    let (stop, stopping) = (work.stop.clone(), work.stopping.clone());
    let deadline = work.timeout.map(|timeout| Instant::now() + timeout);
    let too_late = async {
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => pending().await,
        }
    };
    let mut task = Task::spawn(&compute, produce(work, turn, sender.clone()));
    let failure = tokio::select! {
        biased;
        () = stop.cancelled() => Failure::with_state(
            SqlState::QUERY_CANCELED,
            "the statement was cancelled as its client asked",
        ),
        () = stopping.cancelled() => Failure::with_state(
            SqlState::ADMIN_SHUTDOWN,
            "the server stops; run the statement again when it is back",
        ),
        () = too_late => Failure::with_state(
            SqlState::QUERY_CANCELED,
            "the statement took longer than statement_timeout allows; select less, or allow more",
        ),
        _ = &mut task.handle => return,
    };
    drop(task);
    let _ = sender.send(Err(failure)).await;
}

/// Runs the statement, and gives its place on when it has ended.
async fn produce(work: Work, turn: Arc<Turn>, sender: mpsc::Sender<Result<Message, Failure>>) {
    match send_rows(&work, &turn, &sender).await {
        Ok(()) => {
            let Ok(end) = sender.reserve().await else {
                return;
            };
            turn.tally().completed();
            // Who learns of the end finds it counted.
            drop(turn);
            end.send(Ok(Message::Finished));
        }
        Err(error) => {
            let failure = Failure::of_statement(&error, &work.statement);
            turn.tally().failed(&failure);
            // Others may come in while the client, who may never read, is told.
            drop(turn);
            let _ = sender.send(Err(failure)).await;
        }
    }
}

/// Sends the columns, then all rows; none any more when nobody takes them.
async fn send_rows(
    work: &Work,
    turn: &Turn,
    sender: &mpsc::Sender<Result<Message, Failure>>,
) -> Result<(), DataFusionError> {
    let mut query = work.begin().await?;
    turn.tally().reads(&query.progress);
    let started = Message::Started {
        schema: Arc::clone(&query.schema),
        progress: Arc::clone(&query.progress),
    };
    if sender.send(Ok(started)).await.is_err() {
        return Ok(());
    }
    while let Some(batch) = query.stream.next().await {
        let Ok(place) = sender.reserve().await else {
            return Ok(());
        };
        let batch = batch?;
        turn.tally().gave(&batch);
        place.send(Ok(Message::Batch(batch)));
    }
    Ok(())
}
