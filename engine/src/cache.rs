//! The process-wide cache of decoded chunks, so that the second look at a place costs no decoding.
//!
//! It is weighed in bytes, reserved from the memory pool like any operator's memory, and
//! single-flight: of many queries that want a chunk at once, one decodes and the others wait.
//! Scans much larger than the cache pass it by (see [`BlockCache::admits`]).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};
use quick_cache::sync::{Cache, GuardResult};
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use crate::cube::block::{Block, BlockValues};
use crate::error::CubeResult;

/// How long a thread waits for a block that another one decodes, before it does so itself.
const PATIENCE: Duration = Duration::from_millis(20);

/// The part of limited memory that one execution may keep blocks in: one of so many. What it reserves itself must find room.
const PART_OF_EXECUTION: u64 = 8;

/// What identifies a decoded chunk for good.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlockKey {
    /// Cube, version of its data, and variable.
    pub array: Arc<str>,
    /// Index of the chunk.
    pub chunk: Box<[u64]>,
}

/// A cache of decoded chunks.
#[derive(Debug)]
pub struct BlockCache {
    blocks: Cache<BlockKey, Arc<Block>, Bytes, std::hash::RandomState, Reserve>,
    reserve: Reserve,
    capacity: u64,
    pool: Option<Arc<dyn MemoryPool>>,
}

/// Weighs a block by the bytes it holds.
#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<BlockKey, Arc<Block>> for Bytes {
    fn weight(&self, key: &BlockKey, block: &Arc<Block>) -> u64 {
        block_bytes(block) as u64 + 8 * key.chunk.len() as u64 + 64
    }
}

/// Bytes of memory that a block holds.
pub fn block_bytes(block: &Block) -> usize {
    match &block.values {
        BlockValues::Array(values) => values.get_array_memory_size(),
        BlockValues::Constant(value) => value.size(),
    }
}

/// Gives the memory of evicted blocks back to the pool.
#[derive(Debug, Clone)]
struct Reserve {
    reservation: Arc<Mutex<Option<MemoryReservation>>>,
}

impl Reserve {
    fn with<T>(&self, use_it: impl FnOnce(&mut MemoryReservation) -> T) -> Option<T> {
        let mut reservation = self
            .reservation
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        reservation.as_mut().map(use_it)
    }
}

impl Lifecycle<BlockKey, Arc<Block>> for Reserve {
    type RequestState = ();

    fn begin_request(&self) {}

    fn on_evict(&self, _state: &mut (), _key: BlockKey, block: Arc<Block>) {
        let bytes = block_bytes(&block);
        self.with(|reservation| reservation.shrink(bytes.min(reservation.size())));
    }
}

/// What a look into the cache found.
pub enum Lookup<'a> {
    /// The block.
    Hit(Arc<Block>),
    /// Nothing: the caller decodes the chunk and hands it to [`Vacancy::fill`].
    Miss(Vacancy<'a>),
}

/// The right to fill one place in the cache; others wait for it. Dropping it lets the next one try.
pub struct Vacancy<'a> {
    guard: quick_cache::sync::PlaceholderGuard<
        'a,
        BlockKey,
        Arc<Block>,
        Bytes,
        std::hash::RandomState,
        Reserve,
    >,
    reserve: Reserve,
}

impl Vacancy<'_> {
    /// Puts the block into the cache, unless the memory pool has no room for it.
    pub fn fill(self, block: &Arc<Block>) {
        let bytes = block_bytes(block);
        let granted = self
            .reserve
            .with(|reservation| reservation.try_grow(bytes).is_ok());
        if granted != Some(false) && self.guard.insert(Arc::clone(block)).is_err() {
            self.reserve
                .with(|reservation| reservation.shrink(bytes.min(reservation.size())));
        }
    }
}

impl BlockCache {
    /// A cache of at most `capacity` bytes, reserved from `pool` where one is given.
    pub fn new(capacity: u64, pool: Option<&Arc<dyn MemoryPool>>) -> Self {
        let consumer = || MemoryConsumer::new("decoded-block cache");
        let reservation = pool.map(|pool| consumer().register(pool));
        let mut cache = Self::with(
            OptionsBuilder::new().weight_capacity(capacity),
            capacity,
            reservation,
        );
        cache.pool = pool.cloned();
        cache
    }

    /// Bytes of the blocks that are kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.blocks.weight()
    }

    /// Bytes of the pool that the cache is weighed against, if it is limited. Plans know it from here.
    pub(crate) fn memory_limit(&self) -> Option<usize> {
        match self.pool.as_ref()?.memory_limit() {
            MemoryLimit::Finite(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Bytes of the pool, if it is limited, and how many of them nobody has reserved.
    pub(crate) fn memory(&self) -> Option<(usize, usize)> {
        let limit = self.memory_limit()?;
        let reserved = self.pool.as_ref().map_or(0, |pool| pool.reserved());
        Some((limit, limit.saturating_sub(reserved)))
    }

    /// A share of the memory pool, of nothing yet, for `what` is kept or computed beside the cache.
    pub(crate) fn reservation(&self, what: &'static str) -> Option<MemoryReservation> {
        let pool = self.pool.as_ref()?;
        Some(MemoryConsumer::new(what).register(pool))
    }

    /// A small cache for one execution of a scan, of at most `capacity` bytes and a small part of `pool`, where it is
    /// limited. It is one shard, so that a block may be as large as the whole cache.
    pub(crate) fn of_execution(capacity: u64, pool: Option<&Arc<dyn MemoryPool>>) -> Self {
        let part = pool.and_then(|pool| match pool.memory_limit() {
            MemoryLimit::Finite(bytes) => Some(bytes as u64 / PART_OF_EXECUTION),
            _ => None,
        });
        let capacity = part.map_or(capacity, |part| part.min(capacity));
        Self::with(
            OptionsBuilder::new().weight_capacity(capacity).shards(1),
            capacity,
            pool.map(|pool| MemoryConsumer::new("chunks kept by a scan").register(pool)),
        )
    }

    fn with(
        options: &mut OptionsBuilder,
        capacity: u64,
        reservation: Option<MemoryReservation>,
    ) -> Self {
        let reserve = Reserve {
            reservation: Arc::new(Mutex::new(reservation)),
        };
        let options = options.estimated_items_capacity(1024).build();
        let hash = std::hash::RandomState::new;
        let blocks = match options {
            Ok(options) => Cache::with_options(options, Bytes, hash(), reserve.clone()),
            Err(_) => Cache::with(1024, capacity, Bytes, hash(), reserve.clone()),
        };
        Self {
            blocks,
            reserve,
            capacity,
            pool: None,
        }
    }

    /// Should a query that decodes about `bytes` use the cache? A large scan would only drive out
    /// what small queries come back for.
    pub fn admits(&self, bytes: u64) -> bool {
        bytes <= self.capacity / 4
    }

    /// Is the block there, without waiting?
    pub fn contains(&self, key: &BlockKey) -> bool {
        self.blocks.peek(key).is_some()
    }

    /// The block if it is there, without waiting.
    pub(crate) fn get(&self, key: &BlockKey) -> Option<Arc<Block>> {
        self.blocks.get(key)
    }

    /// The block, decoded by the caller's thread unless it is there. While another one is decoding it, this waits a
    /// moment, no longer: who decodes may be a task that waits for this thread.
    ///
    /// # Errors
    /// Those of `decode`.
    pub(crate) fn get_or_decode(
        &self,
        key: &BlockKey,
        decode: impl FnOnce() -> CubeResult<Arc<Block>>,
    ) -> CubeResult<Arc<Block>> {
        let guard = match self.blocks.get_value_or_guard(key, Some(PATIENCE)) {
            GuardResult::Value(block) => return Ok(block),
            GuardResult::Guard(guard) => guard,
            GuardResult::Timeout => return decode(),
        };
        let block = decode()?;
        let vacancy = Vacancy {
            guard,
            reserve: self.reserve.clone(),
        };
        vacancy.fill(&block);
        Ok(block)
    }

    /// Looks for a block; waits while another query is decoding it.
    pub async fn look_up(&self, key: &BlockKey) -> Lookup<'_> {
        match self.blocks.get_value_or_guard_async(key).await {
            Ok(block) => Lookup::Hit(block),
            Err(guard) => Lookup::Miss(Vacancy {
                guard,
                reserve: self.reserve.clone(),
            }),
        }
    }
}
