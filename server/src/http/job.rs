//! One statement that nobody waits for, and what is told of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use graticule_engine::as_listed;
use graticule_engine::progress::QueryProgress;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::body::Encoder;
use super::problem::Problem;
use super::statements::Prepared;
use crate::arguments::Format;
use crate::failure::{Failure, SqlState};
use crate::serve::Execution;

/// Rows of a result that are kept. Larger ones are for those who wait for them.
const ROWS: usize = 100;

/// Bytes of the rows that are kept, as JSON.
const RESULT_BYTES: usize = 1 << 20;

/// Bytes of a statement that are told.
const STATEMENT_BYTES: usize = 4096;

/// One statement.
pub(super) struct Job {
    /// Its number.
    pub(super) number: u64,
    /// Stands behind the number in its address, where several people come in as its user.
    key: Option<String>,
    /// Whose it is.
    pub(super) user: String,
    /// Cancels it.
    pub(super) stop: CancellationToken,
    statement: String,
    begun: Instant,
    course: Mutex<Course>,
}

/// How far it is.
#[derive(Default)]
struct Course {
    progress: Option<Arc<QueryProgress>>,
    rows: u64,
    ended: Option<Ended>,
}

struct Ended {
    at: Instant,
    outcome: Result<Arc<Vec<Value>>, Problem>,
    is_cancelled: bool,
}

/// A job as its user sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Report {
    /// Its number, with which its address begins: `/jobs/{number}`.
    job: u64,
    state: State,
    /// The statement, without secrets; a long one is cut.
    statement: String,
    /// How long it has taken.
    seconds: f64,
    progress: Progress,
    /// Rows of the result so far.
    rows: u64,
    /// The first hundred rows, or fewer where these have more than 1 MiB, when all are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Vec<Value>>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    /// It waits for its turn, or is planned.
    Waiting,
    /// It runs.
    Running,
    /// All is done.
    Completed,
    /// It failed.
    Failed,
    /// Its user, or the end of the server, stopped it.
    Cancelled,
}

/// What a job has read and written.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
struct Progress {
    /// Chunks that will be read, as far as it is known.
    chunks_total: u64,
    chunks_done: u64,
    /// Parts of the cube that is made; 0 when none is.
    parts_total: u64,
    parts_done: u64,
    bytes_fetched: u64,
    bytes_decoded: u64,
    bytes_written: u64,
}

impl Job {
    pub(super) fn new(number: u64, key: Option<String>, prepared: &Prepared) -> Self {
        Self {
            number,
            key,
            user: prepared.client.identity.name.clone(),
            stop: CancellationToken::new(),
            statement: shortened(as_listed(&prepared.statement)),
            begun: Instant::now(),
            course: Mutex::default(),
        }
    }

    /// What it is called in its address.
    pub(super) fn name(&self) -> String {
        match &self.key {
            Some(key) => format!("{}-{key}", self.number),
            None => self.number.to_string(),
        }
    }

    /// Is it shown only to who knows its name?
    pub(super) fn is_hidden(&self) -> bool {
        self.key.is_some()
    }

    /// Runs it to its end.
    pub(super) async fn run(&self, prepared: Prepared) {
        let outcome = self.result(&prepared).await;
        let state = outcome.as_ref().err().map(|failure| failure.state);
        let ended = Ended {
            at: Instant::now(),
            outcome: outcome
                .map(Arc::new)
                .map_err(|failure| prepared.problem(failure)),
            is_cancelled: self.stop.is_cancelled() || state == Some(SqlState::ADMIN_SHUTDOWN),
        };
        self.course().ended = Some(ended);
    }

    async fn result(&self, prepared: &Prepared) -> Result<Vec<Value>, Failure> {
        let parameters = prepared.parameters.clone();
        let (stop, parent) = (self.stop.clone(), prepared.parent.clone());
        let running = prepared
            .client
            .run(&prepared.statement, parameters, stop, parent);
        let mut execution = running.await?;
        self.course().progress = Some(Arc::clone(&execution.progress));
        let batches = self.first_rows(&mut execution).await?;
        let mut kept = Vec::new();
        let mut bytes = 0;
        for batch in &batches {
            for row in 0..batch.num_rows() {
                let encoder = Encoder::new(Format::Json, &execution.schema);
                let encoded = encoder.and_then(|encoder| encoder.all(&[batch.slice(row, 1)]));
                let encoded = encoded
                    .map_err(|error| Failure::of_statement(&error.into(), &prepared.statement))?;
                bytes += encoded.len();
                if bytes > RESULT_BYTES {
                    return Ok(kept);
                }
                let values: Vec<Value> =
                    serde_json::from_slice(&encoded).map_err(|_| Failure::vanished())?;
                kept.extend(values);
            }
        }
        Ok(kept)
    }

    /// Takes all rows, and keeps the first ones.
    async fn first_rows(&self, execution: &mut Execution) -> Result<Vec<RecordBatch>, Failure> {
        let mut kept = 0;
        let mut batches = vec![];
        while let Some(batch) = execution.next().await? {
            self.course().rows += batch.num_rows() as u64;
            let more = batch.num_rows().min(ROWS - kept);
            if more > 0 {
                batches.push(batch.slice(0, more));
            }
            kept += more;
        }
        Ok(batches)
    }

    /// How long ago it ended; `None`: it runs.
    pub(super) fn since_end(&self) -> Option<Duration> {
        let course = self.course();
        course.ended.as_ref().map(|ended| ended.at.elapsed())
    }

    /// What its user is told; the result only if it is asked for.
    pub(super) fn report(&self, has_result: bool) -> Report {
        let statement = self.statement.clone();
        let course = self.course();
        let (state, end) = match &course.ended {
            None if course.progress.is_none() => (State::Waiting, None),
            None => (State::Running, None),
            Some(ended) => {
                let state = match &ended.outcome {
                    Ok(_) => State::Completed,
                    Err(_) if ended.is_cancelled => State::Cancelled,
                    Err(_) => State::Failed,
                };
                (state, Some(ended.at))
            }
        };
        let outcome = course.ended.as_ref().map(|ended| &ended.outcome);
        let result = outcome.and_then(|outcome| outcome.as_ref().ok()).cloned();
        let problem = outcome.and_then(|outcome| outcome.as_ref().err()).cloned();
        let read = course.progress.as_ref().map(|progress| progress.snapshot());
        let read = read.unwrap_or_default();
        let rows = course.rows;
        // What may be large is copied while the job goes on.
        drop(course);
        Report {
            job: self.number,
            state,
            statement,
            seconds: (end.unwrap_or_else(Instant::now) - self.begun).as_secs_f64(),
            progress: Progress {
                chunks_total: read.chunks_total,
                chunks_done: read.chunks_done,
                parts_total: read.boxes_total,
                parts_done: read.boxes_done,
                bytes_fetched: read.bytes_fetched,
                bytes_decoded: read.bytes_decoded,
                bytes_written: read.bytes_written,
            },
            rows,
            result: result.filter(|_| has_result).map(|rows| rows.to_vec()),
            problem,
        }
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shortened(mut statement: String) -> String {
    if statement.len() > STATEMENT_BYTES {
        statement.truncate(statement.floor_char_boundary(STATEMENT_BYTES));
        statement.push('…');
    }
    statement
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_statements_are_cut_between_characters() {
        assert_eq!(shortened("SELECT 1".to_string()), "SELECT 1");
        let cut = shortened(format!("a{}", "ä".repeat(STATEMENT_BYTES)));
        assert_eq!(cut, format!("a{}…", "ä".repeat(STATEMENT_BYTES / 2 - 1)));
    }
}
