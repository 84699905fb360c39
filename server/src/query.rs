//! One statement at work: it runs on the engine's threads, while this side waits for its rows, for
//! Ctrl-C and for the next tick of the progress bar.
//!
//! ```text
//!  task: session.run ─▶ schema, batch, batch … ─▶ channel of 2 ─▶ RunningQuery::next ─▶ writer
//!                                                    Ctrl-C ─┘ └─ tick: progress bar
//! ```
//! Dropping a [`RunningQuery`] cancels the work.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::DataFusionError;
use futures::StreamExt;
use graticule_engine::Session;
use graticule_engine::progress::{ProgressSnapshot, QueryProgress};
use tokio::sync::mpsc;
use tokio::time::{Interval, interval};

use crate::failure::Failure;
use crate::progress_bar::{ProgressBar, TICK};

enum Message {
    Started(SchemaRef, Arc<QueryProgress>),
    Batch(RecordBatch),
}

/// A statement that is being planned or executed.
pub(crate) struct RunningQuery<'a> {
    statement: &'a str,
    /// When it was started.
    pub(crate) started: Instant,
    /// Shown while it runs.
    pub(crate) bar: ProgressBar,
    messages: mpsc::Receiver<Result<Message, DataFusionError>>,
    task: SpawnedTask<()>,
    ticks: Interval,
    /// One for the whole query, lest a Ctrl-C while rows are being written goes unnoticed.
    interrupt: Pin<Box<dyn Future<Output = io::Result<()>>>>,
    progress: Option<Arc<QueryProgress>>,
}

impl<'a> RunningQuery<'a> {
    /// Starts `statement`, and waits until its columns are known.
    ///
    /// # Errors
    /// The statement cannot be planned, or Ctrl-C.
    pub(crate) async fn start(
        session: &Arc<Session>,
        statement: &'a str,
    ) -> Result<(Self, SchemaRef), Failure> {
        let (sender, messages) = mpsc::channel(2);
        let task = SpawnedTask::spawn(work(Arc::clone(session), statement.to_string(), sender));
        let mut query = Self {
            statement,
            started: Instant::now(),
            bar: ProgressBar::new(),
            messages,
            task,
            ticks: interval(TICK),
            interrupt: Box::pin(tokio::signal::ctrl_c()),
            progress: None,
        };
        match query.receive().await? {
            Some(Message::Started(schema, progress)) => {
                query.progress = Some(progress);
                Ok((query, schema))
            }
            Some(Message::Batch(_)) | None => Err(Failure::vanished()),
        }
    }

    /// The next rows, `None` at the end.
    ///
    /// # Errors
    /// The query failed, or Ctrl-C.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>, Failure> {
        match self.receive().await? {
            Some(Message::Batch(batch)) => Ok(Some(batch)),
            Some(Message::Started(..)) => Err(Failure::vanished()),
            None => match (&mut self.task).await {
                Ok(()) => Ok(None),
                Err(_) => Err(Failure::vanished()),
            },
        }
    }

    /// What was read so far.
    pub(crate) fn read(&self) -> ProgressSnapshot {
        self.progress
            .as_ref()
            .map(|progress| progress.snapshot())
            .unwrap_or_default()
    }

    async fn receive(&mut self) -> Result<Option<Message>, Failure> {
        loop {
            tokio::select! {
                biased;
                _ = &mut self.interrupt => return Err(Failure::interrupted()),
                message = self.messages.recv() => {
                    return message
                        .transpose()
                        .map_err(|error| Failure::of_statement(&error, self.statement));
                }
                _ = self.ticks.tick() => {
                    let read = self.read();
                    self.bar.update(read);
                }
            }
        }
    }
}

async fn work(
    session: Arc<Session>,
    statement: String,
    sender: mpsc::Sender<Result<Message, DataFusionError>>,
) {
    let outcome = async {
        let mut query = session.run(&statement).await?;
        let started = Message::Started(Arc::clone(&query.schema), Arc::clone(&query.progress));
        if sender.send(Ok(started)).await.is_err() {
            return Ok(());
        }
        while let Some(batch) = query.stream.next().await {
            if sender.send(Ok(Message::Batch(batch?))).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    if let Err(error) = outcome.await {
        // The receiver is gone only when nobody wants to know any more.
        let _ = sender.send(Err(error)).await;
    }
}
