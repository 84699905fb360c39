//! What the sessions of one user share, whatever door they came in through: [`Share`], found by [`Shares`].
//!
//! ```text
//!  session ─┐            ┌─ places: queries at a time
//!  session ─┼─▶ Share ───┼─ bucket: statements per minute
//!  session ─┘            └─ limits: memory, bytes of a scan (the engine's)
//! ```
//! A user who runs nothing, and whose bucket is full again, is forgotten: a new share would be the same.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use graticule_engine::{Engine, UserLimits};
use tokio::sync::Semaphore;

use crate::access::{Identity, Quota};
use crate::failure::{Failure, SqlState};

/// What one user has.
pub(super) struct Share {
    /// What it was made of.
    quota: Quota,
    per_user: usize,
    /// Places of queries.
    pub(super) places: Arc<Semaphore>,
    /// What the engine watches over.
    pub(super) limits: UserLimits,
    bucket: Option<Mutex<Bucket>>,
}

impl Share {
    pub(super) fn new(quota: Quota, per_user: usize, limits: UserLimits) -> Self {
        let bucket = quota.rate.map(|rate| Bucket::full(rate, Instant::now()));
        Self {
            quota,
            per_user,
            places: Arc::new(Semaphore::new(quota.queries.unwrap_or(per_user))),
            limits,
            bucket: bucket.map(Mutex::new),
        }
    }

    /// Would one that is made of this be the same?
    fn is_of(&self, quota: Quota, per_user: usize) -> bool {
        self.quota == quota && (quota.queries.is_some() || self.per_user == per_user)
    }

    /// Counts a statement.
    ///
    /// # Errors
    /// There were too many in the last minute.
    pub(super) fn count(&self) -> Result<(), Failure> {
        let Some(bucket) = &self.bucket else {
            return Ok(());
        };
        let mut bucket = lock(bucket);
        bucket.take(Instant::now()).map_err(|wait| {
            let seconds = wait.as_secs() + 1;
            let text = format!(
                "you may run {} statements a minute; try again in {seconds} s",
                bucket.rate
            );
            let mut failure = Failure::with_state(SqlState::CONFIGURATION_LIMIT_EXCEEDED, text);
            failure.retry_after = Some(seconds);
            failure
        })
    }

    fn is_as_new(&self) -> bool {
        let bucket = self.bucket.as_ref();
        bucket.is_none_or(|bucket| lock(bucket).is_full(Instant::now()))
    }
}

/// The shares of all users.
pub(super) struct Shares {
    /// Queries of a user that run at a time, where the user's quota does not say.
    per_user: AtomicUsize,
    /// By user and quota: who has tokens of different roles gains nothing by turns.
    known: Mutex<HashMap<(String, Quota), Arc<Share>>>,
}

impl Shares {
    pub(super) fn new(per_user: usize) -> Self {
        Self {
            per_user: AtomicUsize::new(per_user),
            known: Mutex::default(),
        }
    }

    /// Users whose quota does not say may run so many queries at a time, in sessions that begin from now on.
    pub(super) fn configure(&self, per_user: usize) {
        self.per_user.store(per_user, Ordering::Relaxed);
    }

    /// The share of a user.
    pub(super) fn of(&self, identity: &Identity, engine: &Engine) -> Arc<Share> {
        let per_user = self.per_user.load(Ordering::Relaxed);
        let mut known = lock(&self.known);
        let key = (identity.name.clone(), identity.quota);
        let found = known.get(&key);
        if let Some(share) = found.filter(|share| share.is_of(identity.quota, per_user)) {
            return Arc::clone(share);
        }
        known.retain(|_, share| Arc::strong_count(share) > 1 || !share.is_as_new());
        let limits = engine.limits(identity.quota.limits());
        let share = Arc::new(Share::new(identity.quota, per_user, limits));
        known.insert(key, Arc::clone(&share));
        share
    }
}

/// A statement takes a token out of it; tokens come back with time, up to those of a minute.
struct Bucket {
    /// Tokens of a minute.
    rate: u32,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn full(rate: u32, now: Instant) -> Self {
        Self {
            rate,
            tokens: f64::from(rate),
            filled: now,
        }
    }

    /// Takes a token, or says how long the next one takes.
    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.tokens = self.at(now);
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64(
            (1.0 - self.tokens) * 60.0 / f64::from(self.rate),
        ))
    }

    fn is_full(&self, now: Instant) -> bool {
        self.at(now) >= f64::from(self.rate)
    }

    fn at(&self, now: Instant) -> f64 {
        let most = f64::from(self.rate);
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        most.min(self.tokens + passed * most / 60.0)
    }
}

/// A mutex whose holder panicked still holds plain data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use graticule_engine::access::User;

    use super::*;

    #[test]
    fn tokens_come_back_with_time() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut bucket = Bucket::full(3, begun);
        for _ in 0..3 {
            bucket.take(begun).unwrap();
        }
        assert_eq!(bucket.take(at(10)), Err(Duration::from_secs(10)));
        assert_eq!(bucket.take(at(20)), Ok(()));
        assert!(!bucket.is_full(at(60)) && bucket.is_full(at(80)));
        // Who was away for a day has a minute's tokens, and no more.
        let later = at(86_400);
        assert_eq!(
            [(); 4].map(|()| bucket.take(later).is_ok()),
            [true, true, true, false]
        );
    }

    #[test]
    fn who_runs_nothing_is_forgotten() {
        let engine = Engine::builder().build().unwrap();
        let shares = Shares::new(2);
        let somebody = |name: &str, rate| Identity {
            name: name.to_string(),
            user: Arc::new(User::default()),
            quota: Quota {
                rate,
                ..Quota::default()
            },
            until: None,
        };
        let ada = shares.of(&somebody("ada", None), &engine);
        assert!(Arc::ptr_eq(
            &ada,
            &shares.of(&somebody("ada", None), &engine)
        ));
        shares
            .of(&somebody("bob", Some(1)), &engine)
            .count()
            .unwrap();
        shares.of(&somebody("eve", None), &engine);
        shares.of(&somebody("joe", None), &engine);
        let mut names: Vec<String> = lock(&shares.known)
            .keys()
            .map(|(name, _)| name.clone())
            .collect();
        names.sort();
        // Who still runs something, whose bucket is not full, and who came last.
        assert_eq!(names, ["ada", "bob", "joe"]);
        assert!(
            shares
                .of(&somebody("bob", Some(1)), &engine)
                .count()
                .is_err()
        );
    }
}
