//! `ANALYZE`: reads the chunks of a variable whose statistics are not current, and records them.
//!
//! ```text
//!  numbers of chunks ─▶ 2¹⁶ at a time: versions ─▶ those not known yet ─▶ fetch (I/O), decode, summarise
//!                                                                              │ a few at a time
//!                                       versions again: what changed meanwhile is not recorded ◀┘
//! ```
//! Decoded blocks are neither taken from nor put into the cache of the process: a cached block may be older
//! than the object in the store.

use std::sync::Arc;
use std::time::Duration;

use datafusion::common::Result;
use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;

use super::summary::ChunkSummary;
use super::{
    ChunkGrid, MOST_CHUNKS, Records, SharedStatistics, StatisticsStore, VariableStatistics,
};
use crate::cache::block_bytes;
use crate::cube::Cube;
use crate::cube::block::BlockValues;
use crate::error::{CubeError, ErrorKind};
use crate::options::CubeOptions;
use crate::progress::QueryProgress;
use crate::runtime::{io_handle, run_on};
use crate::scan::whole_chunk;
use crate::source::ChunkVersion;

/// Chunks whose versions are asked for, and recorded, at once.
const CHUNKS_AT_ONCE: u64 = 1 << 16;

/// How long to wait until another change of an object would be noticed.
const SETTLING: Duration = Duration::from_millis(2500);
const SETTLING_STEP: Duration = Duration::from_millis(20);

/// What has been found out of one variable.
#[derive(Debug, Clone)]
pub(crate) struct Analyzed {
    /// Name of the variable's column.
    pub(crate) name: String,
    /// Chunks of the variable.
    pub(crate) chunks: u64,
    /// Chunks that were read for this; the others were known already.
    pub(crate) read: u64,
    /// Chunks whose statistics could not be recorded: their versions are not known, or changed.
    pub(crate) unknown: u64,
    /// Bytes that came from the store.
    pub(crate) bytes: u64,
    /// Over all chunks.
    pub(crate) total: ChunkSummary,
}

/// Reads chunks for statistics.
pub(crate) struct Analysis {
    cube: Arc<Cube>,
    store: Arc<StatisticsStore>,
    context: Arc<TaskContext>,
    progress: Arc<QueryProgress>,
    io: Handle,
    /// Chunks on their way at a time.
    concurrent: usize,
}

/// One chunk that was read.
struct Found {
    number: u64,
    summary: ChunkSummary,
    bytes: u64,
}

impl Analysis {
    /// The analysis of a cube for one statement.
    pub(crate) fn new(
        cube: Arc<Cube>,
        store: Arc<StatisticsStore>,
        context: Arc<TaskContext>,
        progress: Arc<QueryProgress>,
    ) -> Self {
        let config = context.session_config();
        Self {
            io: io_handle(config),
            concurrent: 2 * config.target_partitions().max(1),
            cube,
            store,
            context,
            progress,
        }
    }

    /// Refuses an analysis of `variables` that could not be finished.
    ///
    /// # Errors
    /// It would decode more than `cube.max_scan_bytes`, or a variable has too many chunks.
    pub(crate) fn check(&self, variables: &[usize]) -> Result<()> {
        let mut bytes: u64 = 0;
        for variable in variables
            .iter()
            .filter_map(|at| self.cube.variables.get(*at))
        {
            let chunks = ChunkGrid::of(variable).count();
            if chunks > MOST_CHUNKS {
                let place = format!("{}, {}", self.cube.name, variable.field.name());
                let cause =
                    format!("{chunks} chunks are more than statistics are kept of ({MOST_CHUNKS})");
                return Err(CubeError::new(ErrorKind::Limit, place, cause)
                    .remedy("name the other variables: ANALYZE t (a, b)")
                    .into());
            }
            let width = variable.field.data_type().primitive_width().unwrap_or(16) as u64;
            let cells = variable.array.description().shape.iter();
            bytes = bytes
                .saturating_add(cells.fold(width, |bytes, cells| bytes.saturating_mul(*cells)));
            self.progress.expect_chunks(chunks);
        }
        let limit = CubeOptions::of(self.context.session_config().options()).max_scan_bytes;
        match limit > 0 && bytes > limit {
            true => Err(crate::scan::over_budget(&self.cube.name, limit, Some(bytes)).into()),
            false => Ok(()),
        }
    }

    /// Brings the statistics of one variable up to date. Recorded as it goes, so that what a cancelled
    /// analysis has read is not read again.
    pub(crate) async fn run(&self, variable: usize) -> Result<Analyzed> {
        let described = &self.cube.variables[variable];
        let grid = ChunkGrid::of(described);
        let data_type = described.field.data_type();
        let chunks = grid.count();
        let known = self.store.look_up(&self.cube, variable);
        let mut statistics: SharedStatistics = match known {
            Ok(known) => known,
            Err(_) => Arc::new(VariableStatistics::unknown(grid.clone(), data_type)?),
        };
        let consumer = MemoryConsumer::new(format!("ANALYZE of {}", self.cube.name));
        // Old and new statistics are there at the same time.
        let memory = consumer.register(self.context.memory_pool());
        memory.try_resize(statistics.bytes().saturating_mul(3))?;
        let mut analyzed = Analyzed {
            name: described.field.name().clone(),
            chunks,
            read: 0,
            unknown: 0,
            bytes: 0,
            total: ChunkSummary::none(data_type)?,
        };
        let mut first = 0;
        while first < chunks {
            let numbers: Vec<u64> = (first..chunks.min(first + CHUNKS_AT_ONCE)).collect();
            first += numbers.len() as u64;
            let before = self.versions(variable, &grid, &numbers, true).await;
            let is_current =
                |(number, version): &(u64, &ChunkVersion)| statistics.is_of(*number, version);
            let versions = || numbers.iter().copied().zip(&before);
            let wanted: Vec<(u64, &ChunkVersion)> =
                versions().filter(|pair| !is_current(pair)).collect();
            self.progress
                .finish_chunks((numbers.len() - wanted.len()) as u64);
            let found = self.read(variable, &grid, &wanted).await?;
            analyzed.read += found.len() as u64;
            analyzed.bytes += found.iter().map(|found| found.bytes).sum::<u64>();
            let again: Vec<u64> = wanted.iter().map(|(number, _)| *number).collect();
            let after = self.versions(variable, &grid, &again, false).await;
            let mut records = Vec::with_capacity(found.len());
            // `found` is in the order of `wanted`.
            for ((found, (_, before)), after) in found.into_iter().zip(&wanted).zip(&after) {
                analyzed.total.add(&found.summary)?;
                match recordable(before, after) {
                    Some(token) => records.push((found.number, found.summary, token)),
                    None => analyzed.unknown += 1,
                }
            }
            for (number, _) in versions().filter(is_current) {
                if let Some(chunk) = statistics.chunk(number) {
                    analyzed.total.add(&chunk)?;
                }
            }
            if records.is_empty() {
                continue;
            }
            let newer = Records::new(data_type, records)?;
            statistics = Arc::new(statistics.updated(&newer)?);
            memory.try_resize(statistics.bytes().saturating_mul(3))?;
            self.store
                .record(&self.cube, variable, Arc::clone(&statistics))?;
        }
        Ok(analyzed)
    }

    async fn versions(
        &self,
        variable: usize,
        grid: &ChunkGrid,
        numbers: &[u64],
        settle: bool,
    ) -> Vec<ChunkVersion> {
        let indices = numbers.iter().map(|number| grid.index(*number)).collect();
        current_versions(&self.cube, variable, indices, settle, &self.io).await
    }

    /// Reads chunks, a few at a time, in order.
    async fn read(
        &self,
        variable: usize,
        grid: &ChunkGrid,
        wanted: &[(u64, &ChunkVersion)],
    ) -> Result<Vec<Found>> {
        let numbers: Vec<u64> = wanted.iter().map(|(number, _)| *number).collect();
        stream::iter(numbers)
            .map(|number| {
                let (cube, context) = (Arc::clone(&self.cube), Arc::clone(&self.context));
                let (io, progress) = (self.io.clone(), Arc::clone(&self.progress));
                let index = grid.index(number);
                let cells = grid.cells(&index);
                // A task of its own, so that chunks are decoded on all threads. Dropped with the query.
                let task = SpawnedTask::spawn(async move {
                    let reading =
                        read_chunk(&cube, variable, index, cells, &context, &io, &progress);
                    let (summary, bytes) = reading.await?;
                    progress.finish_chunks(1);
                    Ok(Found {
                        number,
                        summary,
                        bytes,
                    })
                });
                async move {
                    match task.join().await {
                        Ok(found) => found,
                        Err(error) => Err(interrupted(error).into()),
                    }
                }
            })
            .buffered(self.concurrent)
            .try_collect()
            .await
    }
}

/// The versions of chunks; unknown where the store fails. With `settle`, waits a moment for objects
/// that were just written: a second change within the tick of a clock would not be noticed.
pub(crate) async fn current_versions(
    cube: &Arc<Cube>,
    variable: usize,
    indices: Vec<Vec<u64>>,
    settle: bool,
    io: &Handle,
) -> Vec<ChunkVersion> {
    let indices = Arc::new(indices);
    let started = tokio::time::Instant::now();
    loop {
        let (asked, wanted) = (Arc::clone(cube), Arc::clone(&indices));
        let ask = async move { asked.variables[variable].versions(&wanted).await };
        let versions = run_on(io, ask).await.unwrap_or_else(|_| {
            // Whatever is wrong shows when the chunks are read.
            vec![ChunkVersion::Unknown; indices.len()]
        });
        let is_fresh =
            |version: &ChunkVersion| matches!(version, ChunkVersion::Stored { settled: false, .. });
        if !settle || started.elapsed() > SETTLING || !versions.iter().any(is_fresh) {
            return versions;
        }
        tokio::time::sleep(SETTLING_STEP).await;
    }
}

async fn read_chunk(
    cube: &Arc<Cube>,
    variable: usize,
    index: Vec<u64>,
    cells: u64,
    context: &TaskContext,
    io: &Handle,
    progress: &QueryProgress,
) -> Result<(ChunkSummary, u64)> {
    let width = cube.variables[variable].field.data_type().primitive_width();
    let memory = MemoryConsumer::new(format!("ANALYZE of {}", cube.name));
    let memory = memory.register(context.memory_pool());
    // As stored and as decoded.
    memory.try_grow((cells as usize).saturating_mul(2 * width.unwrap_or(16)))?;
    let (fetching, place) = (Arc::clone(cube), index.clone());
    let encoded = run_on(io, async move {
        let fetched = fetching.variables[variable].fetch(&place).await;
        fetched.map_err(|error| error.within(&fetching.name))
    })
    .await?;
    let bytes = encoded.as_ref().map_or(0, |chunk| chunk.bytes_fetched);
    progress.add_fetched(bytes);
    let block = cube.variables[variable]
        .decode(&index, encoded)
        .map_err(|error| error.within(&cube.name))?;
    progress.add_decoded(block_bytes(&block) as u64);
    let summary = match &block.values {
        BlockValues::Constant(value) => ChunkSummary::constant(value, cells)?,
        BlockValues::Array(_) => {
            ChunkSummary::of(&whole_chunk(&cube.variables[variable], &index, block)?)?
        }
    };
    Ok((summary, bytes))
}

/// The token to record, `Some(None)` for a chunk that is not stored; `None` when the chunk changed while it
/// was read, or nobody can tell.
pub(crate) fn recordable(before: &ChunkVersion, after: &ChunkVersion) -> Option<Option<String>> {
    match (before, after) {
        (ChunkVersion::Missing, ChunkVersion::Missing) => Some(None),
        (
            ChunkVersion::Stored {
                token,
                settled: true,
            },
            ChunkVersion::Stored { token: same, .. },
        ) => (token == same).then(|| Some(token.clone())),
        _ => None,
    }
}

fn interrupted(cause: impl std::fmt::Display) -> CubeError {
    let cause = format!("reading a chunk ended before it was done: {cause}");
    CubeError::new(ErrorKind::Unavailable, "", cause).remedy("run ANALYZE again")
}
