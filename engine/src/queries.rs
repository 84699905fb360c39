//! The statements that run now, and those that ended lately: [`Queries`], which `cube.queries` lists and
//! `CANCEL QUERY` stops.
//!
//! ```text
//!  Session.run ─ begin ─▶ Listed ─ watch ─▶ Query { stream } ─ its end, an error, a drop ─▶ recent
//!                            ▲ cancel(number)
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream};
use futures::{FutureExt, Stream, StreamExt};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::error::{CubeError, CubeResult};
use crate::interruption::{cancelled, of_task, stoppable};
use crate::progress::QueryProgress;
use crate::sql::secrets::{as_listed, without_secrets};
use crate::write::new_cube::now;

/// Statements of one user that ended and are still listed: nobody crowds out those of others.
const KEPT_OF_USER: usize = 200;

/// Statements of all users that ended and are still listed.
const KEPT: usize = 2_000;

/// Bytes of a statement, or of an error, that are listed.
const LISTED_BYTES: usize = 4_096;

/// How far a statement is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is planned, or its rows are made and taken.
    Running,
    /// All rows were taken.
    Done,
    /// It was cancelled, or its rows were not wanted any more.
    Cancelled,
    /// It failed with this message.
    Failed(String),
}

/// Whose a statement is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The name of the user.
    pub(crate) user: String,
    /// The session, where several people come in as this user, who are to know nothing of each other.
    pub(crate) session: Option<u64>,
}

/// One statement.
#[derive(Debug, Clone)]
pub(crate) struct QueryEntry {
    pub(crate) number: u64,
    pub(crate) owner: Owner,
    /// The door that it came in through, such as `http`.
    pub(crate) door: &'static str,
    /// The SQL text, without secrets.
    pub(crate) statement: String,
    /// Microseconds since 1970.
    pub(crate) since: i64,
    begun: Instant,
    took: Option<Duration>,
    pub(crate) stage: Stage,
    pub(crate) rows: u64,
    pub(crate) progress: Arc<QueryProgress>,
    cancelled: CancellationToken,
}

impl QueryEntry {
    /// How long it took, or has taken so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.took.unwrap_or_else(|| self.begun.elapsed())
    }
}

#[derive(Debug, Default)]
struct Lists {
    last: u64,
    last_session: u64,
    running: BTreeMap<u64, QueryEntry>,
    recent: VecDeque<QueryEntry>,
}

/// The statements of an engine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queries(Arc<Mutex<Lists>>);

impl Queries {
    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists a statement as running until what is returned is told of its end, or dropped.
    pub(crate) fn begin(&self, statement: &str, owner: Owner, door: &'static str) -> Listed {
        let mut lists = self.lock();
        lists.last += 1;
        let number = lists.last;
        let cancelled = of_task();
        let entry = QueryEntry {
            number,
            owner,
            door,
            statement: shortened(as_listed(statement)),
            since: now(),
            begun: Instant::now(),
            took: None,
            stage: Stage::Running,
            rows: 0,
            progress: Arc::default(),
            cancelled: cancelled.clone(),
        };
        lists.running.insert(number, entry);
        Listed {
            queries: self.clone(),
            number,
            cancelled,
            parts: AtomicUsize::new(1),
        }
    }

    /// A number that no other session has.
    pub(crate) fn new_session(&self) -> u64 {
        let mut lists = self.lock();
        lists.last_session += 1;
        lists.last_session
    }

    /// Those that run, then those that ended, the last one first.
    pub(crate) fn list(&self) -> Vec<QueryEntry> {
        let lists = self.lock();
        let running = lists.running.values().rev();
        running.chain(lists.recent.iter()).cloned().collect()
    }

    /// Stops a statement that `may_stop` says may be stopped.
    ///
    /// # Errors
    /// No statement of this number runs.
    pub(crate) fn cancel(
        &self,
        number: u64,
        may_stop: impl Fn(&QueryEntry) -> bool,
    ) -> CubeResult<()> {
        let lists = self.lock();
        let entry = lists.running.get(&number);
        let entry = entry.filter(|entry| may_stop(entry));
        let entry = entry.ok_or_else(|| {
            CubeError::not_found("", format!("no query {number} runs"))
                .remedy("SELECT * FROM cube.queries WHERE state = 'running' lists those that do")
        })?;
        entry.cancelled.cancel();
        Ok(())
    }

    fn update(&self, number: u64, change: impl FnOnce(&mut QueryEntry)) {
        if let Some(entry) = self.lock().running.get_mut(&number) {
            change(entry);
        }
    }

    fn end(&self, number: u64, stage: Stage) {
        let mut lists = self.lock();
        let Some(mut entry) = lists.running.remove(&number) else {
            return;
        };
        entry.took = Some(entry.begun.elapsed());
        entry.stage = stage;
        let of_user = lists.recent.iter().enumerate();
        let mut of_user = of_user.filter(|(_, ended)| ended.owner.user == entry.owner.user);
        if let Some((oldest, _)) = of_user.nth(KEPT_OF_USER - 1) {
            lists.recent.remove(oldest);
        }
        lists.recent.push_front(entry);
        lists.recent.truncate(KEPT);
    }
}

/// The entry of a statement that runs.
#[derive(Debug)]
pub(crate) struct Listed {
    queries: Queries,
    number: u64,
    cancelled: CancellationToken,
    /// Streams whose rows are not all taken yet.
    parts: AtomicUsize,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.queries.end(self.number, Stage::Cancelled);
    }
}

impl Listed {
    /// Its number in the list.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Does `work`, unless it is cancelled before it ends.
    pub(crate) async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let outcome = tokio::select! {
            biased;
            () = self.cancelled.cancelled() => Err(cancelled()),
            outcome = stoppable(self.cancelled.clone(), work) => outcome,
        };
        if let Err(error) = &outcome {
            self.failed(error);
        }
        outcome
    }

    /// The same, which has ended when the rows of so many streams are taken.
    pub(crate) fn in_parts(mut self, count: usize) -> Self {
        self.parts.store(count, Ordering::Relaxed);
        // The task that takes the first part may end before the others are taken.
        self.cancelled = CancellationToken::new();
        let cancelled = self.cancelled.clone();
        self.queries
            .update(self.number, |entry| entry.cancelled = cancelled);
        self
    }

    /// The rows of one stream are taken.
    fn finished(&self) {
        if self.parts.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.queries.end(self.number, Stage::Done);
        }
    }

    /// The statement ends with an error.
    pub(crate) fn failed(&self, error: &DataFusionError) {
        let stage = match self.cancelled.is_cancelled() {
            true => Stage::Cancelled,
            false => Stage::Failed(shortened(without_secrets(&error.find_root().message()))),
        };
        self.queries.end(self.number, stage);
    }

    /// The same stream, which ends when the statement is cancelled.
    pub(crate) fn watch(
        self: Arc<Self>,
        stream: SendableRecordBatchStream,
        progress: &Arc<QueryProgress>,
    ) -> SendableRecordBatchStream {
        self.queries.update(self.number, |entry| {
            entry.progress = Arc::clone(progress);
        });
        Box::pin(Watched {
            schema: stream.schema(),
            stream: Some(stream),
            is_cancelled: Box::pin(self.cancelled.clone().cancelled_owned()),
            listed: self,
        })
    }
}

/// The rows of a statement that is listed.
struct Watched {
    schema: SchemaRef,
    /// Gone when the statement has ended.
    stream: Option<SendableRecordBatchStream>,
    is_cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    listed: Arc<Listed>,
}

impl Watched {
    fn poll_stream(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<RecordBatch>>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        match self.is_cancelled.poll_unpin(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(cancelled()))),
            Poll::Pending => stream.poll_next_unpin(context),
        }
    }
}

impl Stream for Watched {
    type Item = Result<RecordBatch>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<RecordBatch>>> {
        let polled = self.poll_stream(context);
        match &polled {
            Poll::Ready(Some(Ok(batch))) => {
                let rows = batch.num_rows() as u64;
                let number = self.listed.number;
                self.listed
                    .queries
                    .update(number, |entry| entry.rows += rows);
            }
            Poll::Ready(Some(Err(error))) => {
                self.stream = None;
                self.listed.failed(error);
            }
            Poll::Ready(None) => {
                self.stream = None;
                self.listed.finished();
            }
            Poll::Pending => {}
        }
        polled
    }
}

impl RecordBatchStream for Watched {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The text of a statement, or the beginning of a long one.
pub fn shortened(mut text: String) -> String {
    if text.len() > LISTED_BYTES {
        let mut ends = (0..=LISTED_BYTES).rev();
        let end = ends.find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_crowds_out_others() {
        let queries = Queries::default();
        let owner = |user: &str| Owner {
            user: user.to_string(),
            session: None,
        };
        drop(queries.begin("SELECT 'quiet'", owner("ada"), "local"));
        for number in 0..KEPT_OF_USER + 5 {
            drop(queries.begin(&format!("SELECT {number}"), owner("bob"), "local"));
        }
        let listed = queries.list();
        let of = |user: &str| {
            let of_user = listed.iter().filter(|entry| entry.owner.user == user);
            of_user.count()
        };
        assert_eq!((of("ada"), of("bob")), (1, KEPT_OF_USER));
        // The oldest ones went.
        assert!(listed.iter().all(|entry| entry.statement != "SELECT 4"));
        assert!(listed.iter().any(|entry| entry.statement == "SELECT 5"));
        for number in 0..KEPT {
            drop(queries.begin("SELECT 1", owner(&format!("user {number}")), "local"));
        }
        assert_eq!(queries.list().len(), KEPT);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened("é".to_string()), "é");
        let long = format!("a{}", "é".repeat(LISTED_BYTES));
        let cut = shortened(long);
        assert_eq!(cut.len(), LISTED_BYTES - 1 + '…'.len_utf8());
        assert!(cut.starts_with("aé") && cut.ends_with("é…"));
    }
}
