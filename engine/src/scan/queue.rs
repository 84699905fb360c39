//! Who reads which unit: a counter shared by the partitions of one execution.
//!
//! A physical plan may be executed again. DataFusion keeps the state it shares between partitions for
//! the life of the plan, so the queue keeps one counter per execution. The partitions of an execution
//! share a task context; a partition that is opened a second time in one context begins another.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryPool;

use crate::cache::BlockCache;
use crate::scan::CubeScan;
use crate::scan::knowledge::Knowledge;
use crate::statistics::collect::Collector;

/// What the partitions of each execution of one plan share.
#[derive(Debug)]
pub(crate) struct Executions<T> {
    running: Mutex<Vec<Execution<T>>>,
}

#[derive(Debug)]
struct Execution<T> {
    context: Weak<TaskContext>,
    opened: HashSet<usize>,
    shared: Arc<T>,
}

impl<T> Default for Executions<T> {
    fn default() -> Self {
        Self {
            running: Mutex::default(),
        }
    }
}

/// The executions of one scan.
pub(crate) type UnitQueue = Executions<Claims>;

/// What the partitions of one execution have claimed so far.
#[derive(Debug)]
pub(crate) struct Claims {
    next: AtomicU64,
    first: u64,
    step: u64,
    rows: AtomicU64,
    bytes: AtomicU64,
    /// Blocks that several units of a large scan need: kept for this execution only.
    blocks: OnceLock<BlockCache>,
    /// Shared chunks that were counted as read.
    counted: Mutex<HashSet<(usize, Box<[u64]>)>>,
    knowledge: OnceLock<Option<Arc<Knowledge>>>,
    collector: OnceLock<Option<Arc<Collector>>>,
}

/// Bytes of blocks that an execution keeps for its later units.
const SHARED_BLOCK_BYTES: u64 = 64 << 20;

impl Claims {
    /// Claims of every `step`-th unit from `first` on.
    pub(crate) fn new(first: u64, step: u64) -> Self {
        Self {
            next: AtomicU64::new(0),
            first,
            step,
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            blocks: OnceLock::new(),
            counted: Mutex::default(),
            knowledge: OnceLock::new(),
            collector: OnceLock::new(),
        }
    }

    /// The number of the next unit; the caller checks it against the number of units.
    pub(crate) fn next_unit(&self) -> u64 {
        self.first
            .saturating_add(self.next.fetch_add(1, Relaxed).saturating_mul(self.step))
    }

    /// Adds rows that were surely found; returns how many there were before.
    pub(crate) fn add_rows(&self, rows: u64) -> u64 {
        self.rows.fetch_add(rows, Relaxed)
    }

    /// Rows surely found so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Relaxed)
    }

    /// Blocks that are kept for later units are weighed against `pool`.
    pub(crate) fn weigh(&self, pool: &Arc<dyn MemoryPool>) {
        let cache = || BlockCache::of_execution(SHARED_BLOCK_BYTES, Some(pool));
        self.blocks.get_or_init(cache);
    }

    /// The blocks kept for later units of this execution.
    pub(crate) fn blocks(&self) -> &BlockCache {
        let cache = || BlockCache::of_execution(SHARED_BLOCK_BYTES, None);
        self.blocks.get_or_init(cache)
    }

    /// Is this the first time that the execution meets the chunk? Remembers that it did.
    pub(crate) fn is_first(&self, variable: usize, index: &[u64]) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.insert((variable, index.into()))
    }

    /// What statistics say of the units of `scan`, which is the one that the execution is of.
    pub(crate) fn knowledge(&self, scan: &CubeScan) -> Option<Arc<Knowledge>> {
        let found = || Knowledge::of(scan).map(Arc::new);
        self.knowledge.get_or_init(found).clone()
    }

    /// What collects the statistics of the chunks that `scan` reads, where it shall.
    pub(crate) fn collector(&self, scan: &CubeScan) -> Option<Arc<Collector>> {
        let begin = || {
            let store = Arc::clone(scan.skipping.collects.as_ref()?);
            Some(Arc::new(Collector::new(Arc::clone(&scan.cube), store)))
        };
        self.collector.get_or_init(begin).clone()
    }

    /// Adds decoded bytes; returns how many there are now.
    pub(crate) fn add_bytes(&self, bytes: u64) -> u64 {
        self.bytes.fetch_add(bytes, Relaxed) + bytes
    }
}

impl UnitQueue {
    /// The claims of the execution in `context` that `partition` has not been opened in yet.
    pub(crate) fn claims(&self, partition: usize, context: &Arc<TaskContext>) -> Arc<Claims> {
        self.join(partition, context, || Claims::new(0, 1))
    }
}

impl<T> Executions<T> {
    /// What is shared by the execution in `context` that `partition` has not been opened in yet.
    pub(crate) fn join(
        &self,
        partition: usize,
        context: &Arc<TaskContext>,
        begin: impl FnOnce() -> T,
    ) -> Arc<T> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|execution| execution.context.strong_count() > 0);
        let is_this = |execution: &&mut Execution<T>| {
            Weak::as_ptr(&execution.context) == Arc::as_ptr(context)
                && !execution.opened.contains(&partition)
        };
        if let Some(execution) = running.iter_mut().find(is_this) {
            execution.opened.insert(partition);
            return Arc::clone(&execution.shared);
        }
        let shared = Arc::new(begin());
        running.push(Execution {
            context: Arc::downgrade(context),
            opened: HashSet::from([partition]),
            shared: Arc::clone(&shared),
        });
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_do_not_share_units() {
        let queue = UnitQueue::default();
        let (first, second) = (
            Arc::new(TaskContext::default()),
            Arc::new(TaskContext::default()),
        );
        let claims = queue.claims(0, &first);
        assert!(Arc::ptr_eq(&claims, &queue.claims(1, &first)));
        // The first execution was dropped before its third partition was opened.
        let again = queue.claims(2, &second);
        assert!(!Arc::ptr_eq(&claims, &again));
        assert!(Arc::ptr_eq(&again, &queue.claims(0, &second)));
        assert!(!Arc::ptr_eq(&again, &queue.claims(0, &second)));
        drop(first);
        queue.claims(0, &second);
        assert!(queue.running.lock().is_ok_and(|running| running.len() == 3));
    }
}
