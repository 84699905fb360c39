//! Who reads which unit: a counter shared by the partitions of one execution.
//!
//! A physical plan may be executed again. DataFusion keeps the state it shares between partitions for
//! the life of the plan, so the queue keeps one counter per execution: the n-th time a partition is
//! opened it joins the n-th execution.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cache::BlockCache;

/// The executions of one scan.
#[derive(Debug, Default)]
pub(crate) struct UnitQueue {
    executions: Mutex<Executions>,
}

#[derive(Debug, Default)]
struct Executions {
    opened: HashMap<usize, usize>,
    claims: Vec<Arc<Claims>>,
}

/// What the partitions of one execution have claimed so far.
#[derive(Debug)]
pub(crate) struct Claims {
    next: AtomicU64,
    first: u64,
    step: u64,
    rows: AtomicU64,
    bytes: AtomicU64,
    /// Blocks that several units of a large scan need: kept for this execution only.
    blocks: BlockCache,
    /// Shared chunks that were counted as read.
    counted: Mutex<HashSet<(usize, Box<[u64]>)>>,
}

/// Bytes of blocks that an execution keeps for its later units.
const SHARED_BLOCK_BYTES: u64 = 64 << 20;

impl Claims {
    fn new(first: u64, step: u64) -> Self {
        Self {
            next: AtomicU64::new(0),
            first,
            step,
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            blocks: BlockCache::of_execution(SHARED_BLOCK_BYTES),
            counted: Mutex::default(),
        }
    }

    /// Claims of a partition that shares its units with nobody: every `partitions`-th one.
    pub(crate) fn alone(partition: usize, partitions: usize) -> Self {
        Self::new(partition as u64, partitions as u64)
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

    /// The blocks kept for later units of this execution.
    pub(crate) fn blocks(&self) -> &BlockCache {
        &self.blocks
    }

    /// Is this the first time that the execution meets the chunk? Remembers that it did.
    pub(crate) fn is_first(&self, variable: usize, index: &[u64]) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.insert((variable, index.into()))
    }

    /// Adds decoded bytes; returns how many there are now.
    pub(crate) fn add_bytes(&self, bytes: u64) -> u64 {
        self.bytes.fetch_add(bytes, Relaxed) + bytes
    }
}

impl UnitQueue {
    /// The claims of the execution that `partition` takes part in next.
    pub(crate) fn join(&self, partition: usize) -> Arc<Claims> {
        let mut executions = self
            .executions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let opened = executions.opened.entry(partition).or_default();
        let execution = *opened;
        *opened += 1;
        while executions.claims.len() <= execution {
            executions.claims.push(Arc::new(Claims::new(0, 1)));
        }
        Arc::clone(&executions.claims[execution])
    }
}
