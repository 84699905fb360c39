//! One query in the books: counted when it waits, runs and ends, written down in the log, and traced.
//!
//! Whoever drops it says by that that the query has ended; as cancelled, unless something else was said before.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, RecordBatch};
use graticule_engine::as_listed;
use graticule_engine::progress::QueryProgress;

use super::Service;
use super::metrics::{Done, Metrics, OfDoor, Outcome};
use super::parent::Parent;
use super::traces::Trace;
use crate::failure::{Failure, SqlState};

/// One query.
pub(super) struct Tally {
    metrics: Arc<Metrics>,
    door: &'static str,
    user: String,
    statement: String,
    begun: Instant,
    is_running: bool,
    outcome: Outcome,
    /// Parts whose rows are not all handed over yet.
    parts: usize,
    rows: u64,
    bytes: u64,
    progress: Option<Arc<QueryProgress>>,
    /// Why it ended, unless all went well.
    trouble: Option<SqlState>,
    trace: Option<Trace>,
}

impl Tally {
    /// A query that has come in through `door` and waits. `parent` is the span of its client.
    pub(super) fn new(
        service: &Service,
        door: &'static str,
        user: &str,
        statement: &str,
        parent: Option<Parent>,
    ) -> Self {
        let metrics = &service.metrics;
        let traces = service.traces.as_ref();
        metrics.waiting.get_or_create(&OfDoor { door }).inc();
        Self {
            metrics: Arc::clone(metrics),
            door,
            user: user.to_string(),
            statement: statement.to_string(),
            begun: Instant::now(),
            is_running: false,
            outcome: Outcome::Cancelled,
            parts: 1,
            rows: 0,
            bytes: 0,
            progress: None,
            trouble: Some(SqlState::QUERY_CANCELED),
            trace: traces.map(|traces| traces.begin(parent, door, user, statement)),
        }
    }

    /// The same, which has ended when the rows of so many parts were handed over.
    pub(super) fn in_parts(mut self, parts: usize) -> Self {
        self.parts = parts;
        self
    }

    /// It waits no longer.
    pub(super) fn runs(&mut self) {
        let of_door = OfDoor { door: self.door };
        self.metrics.waiting.get_or_create(&of_door).dec();
        self.metrics.running.get_or_create(&of_door).inc();
        self.is_running = true;
        self.enters("plan");
    }

    /// Nothing of it runs; it ends, or waits for who takes its other parts.
    pub(super) fn pauses(&mut self) {
        let of_door = OfDoor { door: self.door };
        self.metrics.running.get_or_create(&of_door).dec();
        self.metrics.waiting.get_or_create(&of_door).inc();
        self.is_running = false;
    }

    /// Its plan is made, and this is what it will have read.
    pub(super) fn reads(&mut self, progress: &Arc<QueryProgress>) {
        self.progress = Some(Arc::clone(progress));
        self.enters("execute");
    }

    /// These rows were handed to the door.
    pub(super) fn gave(&mut self, batch: &RecordBatch) {
        let bytes = batch.columns().iter().map(|column| {
            // What a slice holds, not what it is cut from.
            let bytes = column.to_data().get_slice_memory_size();
            bytes.unwrap_or_else(|_| column.get_array_memory_size()) as u64
        });
        self.bytes += bytes.sum::<u64>();
        self.rows += batch.num_rows() as u64;
    }

    /// All rows, or all of one part, were handed to the door.
    pub(super) fn completed(&mut self) {
        self.parts = self.parts.saturating_sub(1);
        if self.parts == 0 {
            self.outcome = Outcome::Completed;
            self.trouble = None;
        }
    }

    /// It ends because of this.
    pub(super) fn failed(&mut self, failure: &Failure) {
        self.outcome = match failure.state {
            SqlState::QUERY_CANCELED | SqlState::ADMIN_SHUTDOWN => Outcome::Cancelled,
            SqlState::TOO_MANY_CONNECTIONS => Outcome::Refused,
            _ => Outcome::Failed,
        };
        self.trouble = Some(failure.state);
    }

    fn enters(&mut self, stage: &'static str) {
        if let Some(trace) = &mut self.trace {
            trace.stage(stage);
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let of_door = OfDoor { door: self.door };
        let family = match self.is_running {
            true => &self.metrics.running,
            false => &self.metrics.waiting,
        };
        family.get_or_create(&of_door).dec();
        let read = self.progress.as_ref().map(|progress| progress.snapshot());
        let done = Done {
            seconds: self.begun.elapsed().as_secs_f64(),
            rows: self.rows,
            bytes: self.bytes,
            read: read.unwrap_or_default(),
        };
        self.metrics.ended(self.door, self.outcome, &done);
        if let Some(trace) = self.trace.take() {
            trace.end(self.trouble, &done);
        }
        tracing::info!(
            user = self.user,
            door = self.door,
            seconds = done.seconds,
            rows = done.rows,
            bytes = done.bytes,
            fetched = done.read.bytes_fetched,
            outcome = self.outcome.name(),
            statement = as_listed(&self.statement),
            "query",
        );
    }
}
