//! Statements: what their tickets hold, how they run, and how their rows follow one another.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use datafusion::common::ScalarValue;
use futures::{Stream, TryStreamExt, stream};
use graticule_engine::Described;
use tonic::Status;

use super::divisions::Taking;
use super::sessions::{Handle, Running, Session, lock};
use crate::failure::Failure;
use crate::serve::{Execution, Parent};

/// The column of a result that says how many rows a statement has changed.
const COUNT: &str = "count";

/// Values of `$1`, `$2`, …: one row for each execution.
pub(super) type Rows = Vec<Vec<ScalarValue>>;

/// A statement that is prepared.
pub(super) struct Prepared {
    pub(super) text: String,
    pub(super) described: Described,
    /// What it is executed with next.
    bound: Mutex<Rows>,
}

impl Prepared {
    pub(super) fn new(text: String, described: Described) -> Self {
        Self {
            text,
            described,
            bound: Mutex::default(),
        }
    }

    /// Keeps the values of the next execution.
    pub(super) fn bind(&self, rows: Rows) {
        *lock(&self.bound) = rows;
    }

    /// The values of the next execution.
    pub(super) fn bound(&self) -> Rows {
        lock(&self.bound).clone()
    }

    /// The columns `$1`, `$2`, … that values are bound to. What may be anything is text.
    pub(super) fn parameters(&self) -> Schema {
        let types = self.described.parameters.iter().enumerate();
        let fields = types.map(|(index, data_type)| {
            let data_type = data_type.clone().unwrap_or(DataType::Utf8);
            Field::new(format!("${}", index + 1), data_type, true)
        });
        Schema::new(fields.collect::<Vec<_>>())
    }
}

/// Stands in a ticket before the number of a part: no text has such a byte.
const PART: u8 = 0xff;

/// What a ticket is for: the name that the statement can be cancelled by, and what is fetched.
pub(super) struct Ticketed {
    pub(super) handle: Handle,
    pub(super) fetched: Fetched,
}

/// What is fetched with a ticket.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    /// All rows of this statement.
    Statement(String),
    /// A part of the rows of a query that is kept.
    Part(usize),
}

impl Ticketed {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.handle.to_vec();
        match &self.fetched {
            Fetched::Statement(text) => bytes.extend_from_slice(text.as_bytes()),
            Fetched::Part(number) => {
                bytes.push(PART);
                bytes.extend_from_slice(&(*number as u64).to_be_bytes());
            }
        }
        bytes
    }

    /// Reads a ticket.
    ///
    /// # Errors
    /// It is none of ours.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Status> {
        let read = || {
            let (handle, fetched) = bytes.split_first_chunk()?;
            let fetched = match fetched.split_first() {
                Some((&PART, number)) => {
                    let number = u64::from_be_bytes(number.try_into().ok()?);
                    Fetched::Part(usize::try_from(number).ok()?)
                }
                _ => Fetched::Statement(String::from_utf8(fetched.to_vec()).ok()?),
            };
            Some(Self {
                handle: *handle,
                fetched,
            })
        };
        read().ok_or_else(|| Status::invalid_argument("the ticket is none of this server"))
    }
}

/// Starts a statement, and gives its columns and rows. With several rows of values it runs once for each, and the rows
/// of all of them follow one another.
///
/// # Errors
/// What [`crate::serve::Client::run`] says.
pub(super) async fn run(
    running: Running,
    text: String,
    values: Rows,
) -> Result<
    (
        SchemaRef,
        impl Stream<Item = Result<RecordBatch, Status>> + Send,
    ),
    Failure,
> {
    let mut values = VecDeque::from(values);
    let first = values.pop_front().unwrap_or_default();
    let series = Series {
        execution: execute(&running, &text, first).await?,
        values,
        running,
        text,
    };
    let schema = Arc::clone(&series.execution.schema);
    let batches = stream::try_unfold(series, |mut series| async move {
        let batch = series.next().await?;
        Ok::<_, Failure>(batch.map(|batch| (batch, series)))
    });
    Ok((schema, batches.map_err(Status::from)))
}

/// Starts a part of a query, and gives its columns and rows.
///
/// # Errors
/// What [`crate::serve::Client::run_part`] says.
pub(super) async fn part(
    session: Arc<Session>,
    taking: Taking,
    number: usize,
    parent: Option<Parent>,
) -> Result<
    (
        SchemaRef,
        impl Stream<Item = Result<RecordBatch, Status>> + Send,
    ),
    Failure,
> {
    let running = session.client.run_part(&taking.query, number, parent);
    let execution = running.await?;
    let schema = Arc::clone(&execution.schema);
    // The session is in use, and the query is kept, as long as the rows are taken.
    let part = (execution, taking, session);
    let batches = stream::try_unfold(part, |mut part| async move {
        let batch = part.0.next().await?;
        Ok::<_, Failure>(batch.map(|batch| (batch, part)))
    });
    Ok((schema, batches.map_err(Status::from)))
}

/// Runs a statement for what it changes: the number of rows that it says it has changed, -1 where it says nothing.
///
/// # Errors
/// What [`crate::serve::Client::run`] says.
pub(super) async fn update(running: Running, text: String, values: Rows) -> Result<i64, Status> {
    let (schema, batches) = run(running, text, values).await?;
    let counts = match schema.fields().as_ref() {
        [field] => field.name() == COUNT && field.data_type() == &DataType::UInt64,
        _ => false,
    };
    let count = batches.try_fold(0, |sum, batch| async move {
        let changed = counts.then(|| batch.column(0).as_primitive::<UInt64Type>());
        let changed = changed.and_then(arrow::compute::sum).unwrap_or(0);
        Ok(sum + i64::try_from(changed).unwrap_or(i64::MAX))
    });
    let count = count.await?;
    Ok(if counts { count } else { -1 })
}

/// Executions of one statement, one after the other.
struct Series {
    execution: Execution,
    /// Values of the executions that are still to come.
    values: VecDeque<Vec<ScalarValue>>,
    running: Running,
    text: String,
}

impl Series {
    async fn next(&mut self) -> Result<Option<RecordBatch>, Failure> {
        loop {
            if let Some(batch) = self.execution.next().await? {
                return Ok(Some(batch));
            }
            let Some(values) = self.values.pop_front() else {
                return Ok(None);
            };
            self.execution = execute(&self.running, &self.text, values).await?;
        }
    }
}

async fn execute(
    running: &Running,
    text: &str,
    values: Vec<ScalarValue>,
) -> Result<Execution, Failure> {
    let client = &running.session.client;
    let (stop, parent) = (running.stop.clone(), running.parent.clone());
    client.run(text, values, stop, parent).await
}
