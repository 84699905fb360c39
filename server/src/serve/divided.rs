//! A query whose rows several calls take, each a part of them: [`Divided`].
//!
//! ```text
//!  run_part(0) ─┐                ┌─ first: counted, waits for a place ─▶ Turn ─▶ Execution
//!  run_part(1) ─┼─▶ Divided ─────┤
//!  run_part(2) ─┘                └─ others: the same Turn, while anything runs ─▶ Execution
//! ```
//! All parts are one query for the user's limits, the admission, the timeout and the books. While no part runs there is no
//! place that others might wait for: parts that nobody takes cost nothing but the plan.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use graticule_engine::Parts;
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

use super::admission::Seat;
use super::execution::{Execution, Source, Work};
use super::parent::Parent;
use super::service::Client;
use super::tally::Tally;
use super::turn::{Turn, lock};
use crate::failure::{Failure, SqlState};

/// A query in parts. Dropping it ends it in the books.
pub(crate) struct Divided {
    parts: Arc<Parts>,
    statement: String,
    /// Held by who waits for a place; the others wait for the same one.
    course: AsyncMutex<Course>,
    /// Parts that nobody has asked for.
    left: AtomicUsize,
    /// Cancels all parts.
    pub(crate) stop: CancellationToken,
}

/// How far it is.
struct Course {
    is_started: Vec<bool>,
    begun: Option<Instant>,
    /// Its entry in the books, as long as there are parts to be started.
    tally: Option<Arc<Mutex<Tally>>>,
    turn: Weak<Turn>,
}

impl Divided {
    pub(super) fn new(parts: Parts, statement: &str) -> Self {
        let count = parts.count();
        Self {
            parts: Arc::new(parts),
            statement: statement.to_string(),
            course: AsyncMutex::new(Course {
                is_started: vec![false; count],
                begun: None,
                tally: None,
                turn: Weak::new(),
            }),
            left: AtomicUsize::new(count),
            stop: CancellationToken::new(),
        }
    }

    /// How many parts there are.
    pub(crate) fn count(&self) -> usize {
        self.parts.count()
    }

    /// How many of them nobody has asked for.
    pub(crate) fn left(&self) -> usize {
        self.left.load(Ordering::Acquire)
    }
}

impl Course {
    /// May this part be started?
    fn check(&self, number: usize) -> Result<(), Failure> {
        let cause = match self.is_started.get(number) {
            Some(false) => return Ok(()),
            Some(true) => "this part of the result was fetched before; run the statement again",
            None => "the result has no such part; fetch those that it was announced with",
        };
        Err(Failure::with_state(
            SqlState::INVALID_PARAMETER_VALUE,
            cause,
        ))
    }
}

impl Client {
    /// Runs a part of a query, once there is room for the query, and waits until its columns are known. Each part runs
    /// once; dropping what is returned gives up its rows, and leaves the other parts alone. `parent` is the span of the
    /// client that the query belongs to; that of the first part counts.
    ///
    /// # Errors
    /// As for [`Client::run`]; or the part was asked for before.
    pub(crate) async fn run_part(
        &self,
        query: &Divided,
        number: usize,
        parent: Option<Parent>,
    ) -> Result<Execution, Failure> {
        let mut course = query.course.lock().await;
        course.check(number)?;
        let tally = match &course.tally {
            Some(tally) => Arc::clone(tally),
            None => {
                let user = &self.identity.name;
                let statement = &query.statement;
                let tally = Tally::new(&self.service, self.door, user, statement, parent);
                let mut tally = tally.in_parts(query.count());
                let counted = self.share.count();
                counted.inspect_err(|failure| tally.failed(failure))?;
                let tally = Arc::new(Mutex::new(tally));
                course.tally = Some(Arc::clone(&tally));
                tally
            }
        };
        let turn = match course.turn.upgrade() {
            Some(turn) => turn,
            None => {
                let seat = Seat::enter(&self.service.admission, &self.share, &query.stop).await;
                let seat = seat.inspect_err(|failure| lock(&tally).failed(failure))?;
                Turn::begin(seat, tally)
            }
        };
        course.turn = Arc::downgrade(&turn);
        if let Some(is_started) = course.is_started.get_mut(number) {
            *is_started = true;
        }
        if query.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            // What runs keeps it; there is nothing else to come.
            course.tally = None;
        }
        let begun = *course.begun.get_or_insert_with(Instant::now);
        drop(course);
        let left = |timeout: Duration| timeout.saturating_sub(begun.elapsed());
        let work = Work {
            source: Source::Part {
                parts: Arc::clone(&query.parts),
                number,
            },
            statement: query.statement.clone(),
            timeout: self.timeout.map(left),
            stop: query.stop.clone(),
            stopping: self.service.stopping.clone(),
        };
        Execution::start(work, turn, &self.service.compute).await
    }
}
