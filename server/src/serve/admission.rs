//! Admission: how many queries run at a time, of all users and of one, and how many wait.
//!
//! ```text
//!  enter ─▶ place in the queue? ─ no ─▶ "too many queries wait" (SQLSTATE 53300, HTTP 503)
//!              │ yes
//!              ▼ waits: one of the user's places, then one of all   ─ queue_timeout ─▶ the same
//!            Place ── dropped with the query ──▶ the next one
//! ```
//! A [`Seat`] is a place that is given back while the client of a query wants no rows, and asked for again when it does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::settings::Limits;
use super::share::Share;
use crate::failure::{Failure, SqlState};

/// Who may run a query now.
pub(super) struct Admission {
    running: Arc<Semaphore>,
    waiting: Semaphore,
    timeout: Duration,
}

/// The right to run a query, as long as it is kept.
pub(super) struct Place {
    _of_user: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
    // As long as something runs its user is not forgotten.
    _share: Arc<Share>,
}

/// The place of a query whose client may let it rest.
pub(super) struct Seat {
    admission: Arc<Admission>,
    share: Arc<Share>,
    state: Mutex<State>,
}

enum State {
    Taken {
        _place: Place,
    },
    Left,
    /// The query has ended, and needs none any more.
    Ended,
}

impl Seat {
    pub(super) fn new(admission: Arc<Admission>, share: Arc<Share>, place: Place) -> Self {
        Self {
            admission,
            share,
            state: Mutex::new(State::Taken { _place: place }),
        }
    }

    /// Lets others have the place.
    pub(super) fn leave(&self) {
        let mut state = self.lock();
        if let State::Taken { .. } = *state {
            *state = State::Left;
        }
    }

    /// Waits for a place again, if it was left.
    ///
    /// # Errors
    /// See [`Admission::enter`].
    pub(super) async fn take(&self, stop: &CancellationToken) -> Result<(), Failure> {
        if !matches!(*self.lock(), State::Left) {
            return Ok(());
        }
        let place = self.admission.enter(&self.share, stop).await?;
        let mut state = self.lock();
        if let State::Left = *state {
            *state = State::Taken { _place: place };
        }
        Ok(())
    }

    /// Gives the place on for good.
    pub(super) fn end(&self) {
        *self.lock() = State::Ended;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            running: Arc::new(Semaphore::new(limits.queries)),
            waiting: Semaphore::new(limits.queue),
            timeout: limits.queue_timeout,
        }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// Too many wait already, it took too long, or `stop` was cancelled meanwhile.
    pub(super) async fn enter(
        &self,
        share: &Arc<Share>,
        stop: &CancellationToken,
    ) -> Result<Place, Failure> {
        let place = |of_user, of_all| Place {
            _of_user: of_user,
            _of_all: of_all,
            _share: Arc::clone(share),
        };
        let at_once = || {
            let of_user = Arc::clone(&share.places).try_acquire_owned().ok()?;
            let of_all = Arc::clone(&self.running).try_acquire_owned().ok()?;
            Some(place(of_user, of_all))
        };
        if let Some(place) = at_once() {
            return Ok(place);
        }
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return Err(busy("too many queries run and wait"));
        };
        let both = async {
            let of_user = Arc::clone(&share.places).acquire_owned().await;
            let of_all = Arc::clone(&self.running).acquire_owned().await;
            of_user.ok().zip(of_all.ok())
        };
        tokio::select! {
            () = stop.cancelled() => Err(Failure::with_state(
                SqlState::QUERY_CANCELED,
                "the statement was cancelled while it waited for its turn",
            )),
            () = tokio::time::sleep(self.timeout) => {
                Err(busy("the query waited longer than queue_timeout for its turn"))
            }
            places = both => match places {
                Some((of_user, of_all)) => Ok(place(of_user, of_all)),
                None => Err(busy("the server stops")),
            },
        }
    }
}

fn busy(cause: &str) -> Failure {
    Failure::with_state(
        SqlState::TOO_MANY_CONNECTIONS,
        format!("{cause}; try again in some seconds"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use graticule_engine::UserLimits;

    use super::*;
    use crate::access::Quota;

    fn admission(queries: usize, queue: usize) -> Admission {
        Admission::new(&Limits {
            connections: 1,
            queries,
            queries_per_user: 1,
            queue,
            queue_timeout: Duration::from_millis(50),
            statement_timeout: None,
        })
    }

    /// A user who may run one query at a time.
    fn user() -> Arc<Share> {
        Arc::new(Share::new(Quota::default(), 1, UserLimits::default()))
    }

    async fn state(admission: &Admission, user: &Arc<Share>) -> Option<SqlState> {
        let entered = admission.enter(user, &CancellationToken::new()).await;
        entered.err().map(|failure| failure.state)
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_free_place_is_given_on() {
        let admission = admission(2, 1);
        let token = CancellationToken::new();
        let [a, b, c, d] = [(); 4].map(|()| user());
        let first = admission.enter(&a, &token).await.unwrap();
        // The user's own limit, then that of all.
        assert_eq!(
            state(&admission, &a).await,
            Some(SqlState::TOO_MANY_CONNECTIONS)
        );
        let _second = admission.enter(&b, &token).await.unwrap();
        let waits = admission.enter(&c, &token);
        tokio::pin!(waits);
        assert!(futures::poll!(&mut waits).is_pending());
        assert_eq!(
            state(&admission, &d).await,
            Some(SqlState::TOO_MANY_CONNECTIONS)
        );
        drop(first);
        assert!(waits.await.is_ok());
    }

    #[tokio::test]
    async fn a_place_that_is_left_is_given_on_and_asked_for_again() {
        let admission = Arc::new(admission(1, 1));
        let token = CancellationToken::new();
        let [a, b] = [(); 2].map(|()| user());
        let place = admission.enter(&a, &token).await.unwrap();
        let seat = Seat::new(Arc::clone(&admission), a, place);
        seat.take(&token).await.unwrap();
        seat.leave();
        let other = admission.enter(&b, &token).await.unwrap();
        let full = seat.take(&token).await.unwrap_err();
        assert_eq!(full.state, SqlState::TOO_MANY_CONNECTIONS);
        drop(other);
        seat.take(&token).await.unwrap();
        assert!(state(&admission, &b).await.is_some());
        // What has ended takes no place any more.
        seat.leave();
        seat.end();
        seat.take(&token).await.unwrap();
        assert_eq!(state(&admission, &b).await, None);
    }

    #[tokio::test]
    async fn a_query_that_waits_can_be_cancelled() {
        let admission = admission(1, 1);
        let token = CancellationToken::new();
        let _first = admission.enter(&user(), &token).await.unwrap();
        token.cancel();
        let outcome = admission.enter(&user(), &token).await;
        assert_eq!(
            outcome.err().map(|failure| failure.state),
            Some(SqlState::QUERY_CANCELED)
        );
    }
}
