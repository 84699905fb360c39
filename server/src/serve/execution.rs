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
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::DataFusionError;
use futures::StreamExt;
use graticule_engine::progress::QueryProgress;
use graticule_engine::{Query, Received, Session};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::admission::Seat;
use super::tally::Tally;
use crate::failure::{Failure, SqlState};

/// A statement and what may stop it.
pub(super) struct Work {
    pub(super) session: Arc<Session>,
    pub(super) statement: String,
    pub(super) given: Given,
    pub(super) timeout: Option<Duration>,
    /// The client wants no more of it.
    pub(super) stop: CancellationToken,
    /// The service ends.
    pub(super) stopping: CancellationToken,
}

/// What comes with a statement.
pub(super) enum Given {
    /// The values of `$1`, `$2`, ….
    Parameters(Vec<ScalarValue>),
    /// Rows to insert into a table.
    Rows { table: String, rows: Received },
}

impl Work {
    async fn begin(&self) -> Result<Query, DataFusionError> {
        match &self.given {
            Given::Parameters(values) => self.session.run_with(&self.statement, values).await,
            Given::Rows { table, rows } => {
                let rows = rows.clone();
                self.session.insert(&self.statement, table, rows).await
            }
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
    seat: Arc<Seat>,
    stop: CancellationToken,
    _supervisor: SpawnedTask<()>,
}

/// A task of the threads that compute. It ends when nobody wants its result any more.
pub(super) struct Task<T>(pub(super) JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Execution {
    /// Starts the work, and waits until its columns are known.
    pub(super) async fn start(
        work: Work,
        seat: Seat,
        tally: Tally,
        compute: &Handle,
    ) -> Result<Self, Failure> {
        let (seat, stop) = (Arc::new(seat), work.stop.clone());
        let (sender, mut messages) = mpsc::channel(2);
        // Whoever stops waiting for the columns stops the work, too.
        let supervising = supervise(work, Arc::clone(&seat), tally, compute.clone(), sender);
        let supervisor = SpawnedTask::spawn(supervising);
        match messages.recv().await {
            Some(Ok(Message::Started { schema, progress })) => Ok(Self {
                schema,
                progress,
                messages,
                seat,
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
        self.seat.leave();
    }

    /// The client wants more rows. Waits for a place, if it was given back.
    ///
    /// # Errors
    /// Too many queries, or the statement was cancelled.
    pub(crate) async fn resume(&self) -> Result<(), Failure> {
        self.seat.take(&self.stop).await
    }
}

/// Lets the work run until it ends or something stops it, and tells the client what did.
async fn supervise(
    work: Work,
    seat: Arc<Seat>,
    tally: Tally,
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
    let mut task = Task(compute.spawn(produce(work, seat, tally, sender.clone())));
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
        _ = &mut task.0 => return,
    };
    drop(task);
    let _ = sender.send(Err(failure)).await;
}

/// A seat that ends when the work does, however it does.
struct Occupied(Arc<Seat>);

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Runs the statement, and gives its place on when it has ended.
async fn produce(
    work: Work,
    seat: Arc<Seat>,
    mut tally: Tally,
    sender: mpsc::Sender<Result<Message, Failure>>,
) {
    let occupied = Occupied(seat);
    match send_rows(&work, &mut tally, &sender).await {
        Ok(()) => {
            let Ok(end) = sender.reserve().await else {
                return;
            };
            tally.completed();
            // Who learns of the end finds it counted.
            drop((tally, occupied));
            end.send(Ok(Message::Finished));
        }
        Err(error) => {
            let failure = Failure::of_statement(&error, &work.statement);
            tally.failed(&failure);
            // Others may come in while the client, who may never read, is told.
            drop((tally, occupied));
            let _ = sender.send(Err(failure)).await;
        }
    }
}

/// Sends the columns, then all rows; none any more when nobody takes them.
async fn send_rows(
    work: &Work,
    tally: &mut Tally,
    sender: &mpsc::Sender<Result<Message, Failure>>,
) -> Result<(), DataFusionError> {
    let mut query = work.begin().await?;
    tally.reads(&query.progress);
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
        tally.gave(&batch);
        place.send(Ok(Message::Batch(batch)));
    }
    Ok(())
}
