//! The turn of a query: its place, and its entry in the books, for as long as anything of it runs: [`Turn`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::admission::Seat;
use super::tally::Tally;

/// A query that runs. What runs of it, one stream or several, keeps it.
pub(super) struct Turn {
    tally: Arc<Mutex<Tally>>,
    /// Its place among the queries that run.
    pub(super) seat: Seat,
}

impl Turn {
    /// Its time has come.
    pub(super) fn begin(seat: Seat, tally: Arc<Mutex<Tally>>) -> Arc<Self> {
        let turn = Self { tally, seat };
        turn.tally().runs();
        Arc::new(turn)
    }

    /// Its entry in the books.
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.tally().pauses();
    }
}

/// A mutex whose holder panicked still holds plain data.
pub(super) fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
