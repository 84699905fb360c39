//! Queries whose rows are taken in parts, found by their names: [`Divisions`].
//!
//! ```text
//!  GetFlightInfo ─▶ keep ─▶ name, in the tickets of all parts
//!  DoGet, on whatever connection ─▶ take ─▶ Taking, while the rows of a part are taken
//!                                     └─ none is left to be taken, and none is: forgotten
//! ```
//! A name is known to who has the tickets, and of use to the user who asked for them. What is kept is a plan; parts that
//! nobody takes are forgotten after a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use datafusion::common::runtime::SpawnedTask;
use tokio::time::sleep;

use super::sessions::{Handle, lock, names};
use crate::failure::{Failure, SqlState};
use crate::serve::Divided;

/// How long parts are kept that nobody takes.
const PATIENCE: Duration = Duration::from_secs(600);
/// Queries of one user that are kept.
const OF_USER: usize = 100;
/// Queries of all users that are kept.
const LIMIT: usize = 1000;

/// The queries that are kept.
pub(super) struct Divisions {
    kept: Mutex<HashMap<Handle, Kept>>,
    this: Weak<Self>,
}

struct Kept {
    user: String,
    query: Arc<Divided>,
    since: Instant,
    /// Parts whose rows are being taken.
    taken: usize,
    _forgetting: SpawnedTask<()>,
}

impl Divisions {
    pub(super) fn new() -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            kept: Mutex::default(),
            this: this.clone(),
        })
    }

    /// Keeps a query, and gives the number of its parts. Where the user has too many, the oldest one gives way of which
    /// nothing is taken now; `None` where there is no room.
    pub(super) fn keep(&self, handle: Handle, user: &str, query: Divided) -> Option<usize> {
        let count = query.count();
        let mut kept = lock(&self.kept);
        let of_user = kept.values().filter(|other| other.user == user).count();
        if of_user >= OF_USER || kept.len() >= LIMIT {
            let at_rest = kept
                .iter()
                .filter(|(_, other)| other.user == user && other.taken == 0);
            let oldest = at_rest.min_by_key(|(_, other)| other.since);
            let oldest = oldest.map(|(handle, _)| *handle)?;
            kept.remove(&oldest);
        }
        let this = Weak::clone(&self.this);
        let forgetting = SpawnedTask::spawn(async move {
            let mut before = None;
            loop {
                sleep(PATIENCE).await;
                let Some(this) = this.upgrade() else {
                    return;
                };
                let left = this.left_at_rest(&handle);
                if left.is_some() && left == before {
                    lock(&this.kept).remove(&handle);
                    return;
                }
                before = left;
            }
        });
        let entry = Kept {
            user: user.to_string(),
            query: Arc::new(query),
            since: Instant::now(),
            taken: 0,
            _forgetting: forgetting,
        };
        kept.insert(handle, entry);
        Some(count)
    }

    /// Notes that a part is taken, until what is returned is dropped.
    ///
    /// # Errors
    /// The user has no such query, any more.
    pub(super) fn take(&self, handle: &Handle, user: &str) -> Result<Taking, Failure> {
        let mut kept = lock(&self.kept);
        let found = kept.get_mut(handle).filter(|kept| kept.user == user);
        let Some(found) = found else {
            let cause = "the ticket has expired, or was used before; run the statement again";
            return Err(Failure::with_state(
                SqlState::INVALID_PARAMETER_VALUE,
                cause,
            ));
        };
        found.taken += 1;
        Ok(Taking {
            query: Arc::clone(&found.query),
            handle: *handle,
            divisions: Weak::clone(&self.this),
        })
    }

    /// Cancels the queries of `user` that a request names, and forgets them.
    pub(super) fn cancel(&self, request: &[u8], user: &str) -> bool {
        let mut kept = lock(&self.kept);
        let named = |handle: &Handle, kept: &Kept| kept.user == user && names(request, handle);
        let found = kept.extract_if(|handle, kept| named(handle, kept));
        let stopped = found.inspect(|(_, found)| found.query.stop.cancel());
        stopped.count() > 0
    }

    /// How many parts of a query are still to be taken, if none is taken now.
    fn left_at_rest(&self, handle: &Handle) -> Option<usize> {
        let kept = lock(&self.kept);
        let found = kept.get(handle).filter(|found| found.taken == 0);
        found.map(|found| found.query.left())
    }

    fn put_back(&self, handle: &Handle) {
        let mut kept = lock(&self.kept);
        let Some(found) = kept.get_mut(handle) else {
            return;
        };
        found.taken -= 1;
        if found.taken == 0 && found.query.left() == 0 {
            kept.remove(handle);
        }
    }
}

/// A part whose rows are taken.
pub(super) struct Taking {
    pub(super) query: Arc<Divided>,
    handle: Handle,
    divisions: Weak<Divisions>,
}

impl Drop for Taking {
    fn drop(&mut self) {
        if let Some(divisions) = self.divisions.upgrade() {
            divisions.put_back(&self.handle);
        }
    }
}
