//! What one user may use at a time, whatever the number of their sessions: [`Limits`], kept as a [`Share`] of the
//! engine.
//!
//! ```text
//!  session ─┐
//!  session ─┼─▶ Share: at most its limit ─▶ the pool of all queries
//!  session ─┘
//! ```

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

use crate::bytes::format_bytes;

/// What one user may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all their queries together, in bytes.
    pub memory: Option<usize>,
    /// What one scan of their queries may decode, in bytes: they may set `cube.max_scan_bytes` to less, not to more.
    pub scan_bytes: Option<u64>,
}

/// The limits of one user, and what their sessions use of them. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct UserLimits {
    pub(crate) limits: Limits,
    pub(crate) share: Option<Arc<Share>>,
}

/// The part of the memory of all queries that the sessions of one user share.
#[derive(Debug)]
pub(crate) struct Share {
    whole: Arc<dyn MemoryPool>,
    limit: usize,
    used: AtomicUsize,
}

impl Share {
    /// At most `limit` bytes of `whole`.
    pub(crate) fn new(whole: Arc<dyn MemoryPool>, limit: usize) -> Self {
        Self {
            whole,
            limit,
            used: AtomicUsize::new(0),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.used.load(Relaxed);
        write!(f, "a user's share: {used} of {} bytes", self.limit)
    }
}

impl MemoryPool for Share {
    fn name(&self) -> &str {
        "a user's share"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.whole.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.whole.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.used.fetch_add(additional, Relaxed);
        self.whole.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.whole.shrink(reservation, shrink);
        self.used.fetch_sub(shrink, Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let grown = |used: usize| {
            used.checked_add(additional)
                .filter(|sum| *sum <= self.limit)
        };
        let taken = self.used.fetch_update(Relaxed, Relaxed, grown);
        taken.map_err(|used| {
            DataFusionError::ResourcesExhausted(format!(
                "your queries may use {} of memory at a time, have {} and need {} more",
                format_bytes(self.limit as u64),
                format_bytes(used as u64),
                format_bytes(additional as u64),
            ))
        })?;
        self.whole
            .try_grow(reservation, additional)
            .inspect_err(|_| {
                self.used.fetch_sub(additional, Relaxed);
            })
    }

    fn reserved(&self) -> usize {
        self.used.load(Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        match self.whole.memory_limit() {
            MemoryLimit::Finite(whole) => MemoryLimit::Finite(whole.min(self.limit)),
            _ => MemoryLimit::Finite(self.limit),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    #[test]
    fn a_share_is_limited_and_counts_in_the_whole() {
        let whole: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1000));
        let share = |limit| Arc::new(Share::new(Arc::clone(&whole), limit)) as Arc<dyn MemoryPool>;
        let (ada, bob) = (share(600), share(600));
        let first = MemoryConsumer::new("first").register(&ada);
        let second = MemoryConsumer::new("second").register(&bob);
        first.try_grow(500).unwrap();
        let error = first.try_grow(101).unwrap_err().to_string();
        assert!(error.contains("your queries may use"), "{error}");
        assert_eq!((ada.reserved(), whole.reserved()), (500, 500));
        // What the whole refuses is not counted in the share.
        assert!(second.try_grow(501).is_err());
        assert_eq!(bob.reserved(), 0);
        second.try_grow(500).unwrap();
        drop(first);
        assert_eq!((ada.reserved(), whole.reserved()), (0, 500));
    }
}
