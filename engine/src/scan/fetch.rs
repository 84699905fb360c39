//! Gets decoded blocks: from a cache, or fetched on the I/O runtime and decoded here.
//!
//! | block                                    | is kept in                         | fetched ahead |
//! |------------------------------------------|------------------------------------|---------------|
//! | of a query small enough for the cache    | the cache of the process           | yes           |
//! | of a large scan, needed by one unit      | nowhere                            | yes           |
//! | of a large scan, shared by several units | a small cache of this execution    | no            |
//!
//! A chunk whose cells all have one value, or none, by statistics that are still true, is not fetched at all. Of one
//! that is kept nowhere only the cells are decoded that the unit needs, where its codecs can do that.
//!
//! The chunks of a unit are decoded by tasks of their own, so that a lone partition keeps all threads busy.

use std::ops::Range;
use std::sync::Arc;

use datafusion::common::runtime::{JoinSet, SpawnedTask};
use datafusion::common::{Result, ScalarValue};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;
use tokio::task::JoinError;

use crate::cache::{BlockCache, BlockKey, Lookup, block_bytes};
use crate::cube::Cube;
use crate::cube::block::{Block, BlockValues};
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::runtime::yield_now;
use crate::scan::assemble::{UnitValues, assemble, needed_chunks};
use crate::scan::grid::Unit;
use crate::scan::metrics::ScanMetrics;
use crate::scan::queue::Claims;
use crate::source::EncodedChunk;
use crate::statistics::collect::{Collected, Collector};
use crate::statistics::store::KnownVariables;

/// Chunks of one unit that are fetched at the same time.
const CONCURRENT_FETCHES: usize = 16;

/// One chunk of a variable on its way.
struct Arrival {
    variable: usize,
    index: Vec<u64>,
    found: Found,
}

/// What is there of a chunk.
enum Found {
    /// Nothing: it is fetched only if no cache holds the block by the time it is needed.
    Nothing,
    /// What the store gave; `None` when it is not stored. Perhaps its statistics are to be collected.
    Stored(Option<EncodedChunk>, Option<Collected>),
    /// All its cells have this value.
    Constant(ScalarValue),
}

/// The chunks of a unit, being fetched. Dropping it aborts the fetch.
pub(crate) struct Fetch {
    task: JoinSet<CubeResult<Vec<Arrival>>>,
    /// Is there a chunk that no cache held when it began?
    pub(super) decodes: bool,
}

/// Everything needed to get blocks.
#[derive(Clone)]
pub(crate) struct BlockSource {
    pub(crate) cube: Arc<Cube>,
    /// Set when this query may use the cache of the process.
    pub(crate) cache: Option<Arc<BlockCache>>,
    /// Per variable of the cube: may several units need the same chunk of it?
    pub(crate) shared: Vec<bool>,
    pub(crate) io: Handle,
    pub(crate) metrics: ScanMetrics,
    pub(crate) claims: Arc<Claims>,
    pub(crate) known: Arc<KnownVariables>,
    pub(crate) collector: Option<Arc<Collector>>,
    /// Decoded bytes at which the query is stopped; 0 for none.
    pub(crate) max_bytes: u64,
}

impl BlockSource {
    fn key(&self, variable: usize, index: &[u64]) -> BlockKey {
        let origin = self.cube.variables[variable].origin.clone();
        BlockKey {
            // Without an origin the blocks are kept for this execution only, in which the position says enough.
            array: origin.unwrap_or_else(|| variable.to_string().into()),
            chunk: index.into(),
        }
    }

    /// The cache of the process, when blocks of `variable` may be kept there.
    fn cache_of(&self, variable: usize) -> Option<&BlockCache> {
        let has_origin = self.cube.variables[variable].origin.is_some();
        self.cache.as_deref().filter(|_| has_origin)
    }

    /// Where blocks of `variable` are kept, if anywhere.
    fn keeper(&self, variable: usize) -> Option<&BlockCache> {
        let of_execution = || self.shared[variable].then(|| self.claims.blocks());
        self.cache_of(variable).or_else(of_execution)
    }

    /// Starts to fetch the chunks of `variables` that `unit` needs.
    pub(crate) fn start(&self, unit: &Unit, variables: &[usize]) -> Fetch {
        let mut wanted = Vec::new();
        let mut decodes = false;
        for variable in variables {
            for index in needed_chunks(&self.cube.variables[*variable], unit) {
                let waits = self.cache_of(*variable).is_none() && self.shared[*variable];
                let kept = |keeper: &BlockCache| keeper.contains(&self.key(*variable, &index));
                let is_kept = self.keeper(*variable).is_some_and(kept);
                decodes |= !is_kept;
                let later = waits || is_kept;
                let constant = self.known.constant(&self.cube, *variable, &index);
                wanted.push((*variable, index, later, constant));
            }
        }
        let cube = Arc::clone(&self.cube);
        let (collector, known) = (self.collector.clone(), Arc::clone(&self.known));
        let mut task = JoinSet::new();
        task.spawn_on(
            async move {
                let (cube, collector, known) = (&cube, collector.as_deref(), &known);
                stream::iter(wanted)
                    .map(|(variable, index, later, constant)| async move {
                        let constant = match constant {
                            Some(constant) => constant.confirmed(cube, variable, &index).await,
                            None => None,
                        };
                        let found = match (constant, later) {
                            (Some(value), _) => Found::Constant(value),
                            (None, true) => Found::Nothing,
                            (None, false) => match collector {
                                Some(collector) => {
                                    let before = collector.version(variable, &index).await;
                                    let encoded = fetch(cube, variable, &index).await?;
                                    let after = collector.version(variable, &index).await;
                                    let known = known.statistics.get(&variable);
                                    let wanted = collector.wants(known, &index, &before, &after);
                                    Found::Stored(encoded, wanted)
                                }
                                None => Found::Stored(fetch(cube, variable, &index).await?, None),
                            },
                        };
                        Ok(Arrival {
                            variable,
                            index,
                            found,
                        })
                    })
                    .buffered(CONCURRENT_FETCHES)
                    .try_collect()
                    .await
            },
            &self.io,
        );
        Fetch { task, decodes }
    }

    /// Waits for a fetch and decodes what came: the blocks of each of `variables`, in the order of
    /// [`needed_chunks`].
    async fn finish(
        &self,
        mut fetch: Fetch,
        unit: &Unit,
        variables: &[usize],
    ) -> Result<Vec<Vec<Arc<Block>>>> {
        let arrivals = {
            let _waiting = self.metrics.time_fetch.timer();
            let arrivals = fetch.task.join_next().await;
            ended(&self.cube, arrivals)??
        };
        let mut blocks: Vec<Vec<Arc<Block>>> = vec![Vec::new(); variables.len()];
        let mut add = |variable: usize, block: Arc<Block>| {
            let position = variables.iter().position(|other| *other == variable);
            if let Some(position) = position {
                blocks[position].push(block);
            }
        };
        let by_itself = arrivals.len() == 1 || !fetch.decodes;
        let decoding = arrivals.into_iter().map(|arrival| {
            let (variable, rows) = (arrival.variable, self.needed_rows(unit, &arrival));
            let source = self.clone();
            let block = async move { source.block(arrival, rows).await };
            (variable, block)
        });
        if by_itself {
            for (variable, block) in decoding {
                add(variable, block.await?);
                // Decoding kept this task busy: let others have their turn, and a cancellation its way.
                yield_now().await;
            }
            return Ok(blocks);
        }
        // No more than there are threads: what else there is to do need not wait for all of them.
        let threads = Handle::current().metrics().num_workers();
        let mut decoding = stream::iter(decoding)
            .map(|(variable, block)| {
                let task = SpawnedTask::spawn(block);
                async move { (variable, task.join().await) }
            })
            .buffered(threads);
        while let Some((variable, block)) = decoding.next().await {
            add(variable, ended(&self.cube, Some(block))??);
        }
        drop(decoding);
        Ok(blocks)
    }

    /// The cells of a chunk that `unit` needs, as a range along the slowest axis of the chunk; `None` for all, or
    /// where the block will be kept for others.
    fn needed_rows(&self, unit: &Unit, arrival: &Arrival) -> Option<Range<u64>> {
        if self.keeper(arrival.variable).is_some() {
            return None;
        }
        let variable = &self.cube.variables[arrival.variable];
        let cells = variable.chunks().first()?.range(*arrival.index.first()?);
        let runs = &unit.axes[*variable.axes.first()?].runs;
        let inside = |run: &Range<u64>| run.start.max(cells.start)..run.end.min(cells.end);
        let mut parts = runs.iter().map(inside).filter(|part| !part.is_empty());
        let first = parts.next()?;
        let end = parts.next_back().map_or(first.end, |last| last.end);
        let rows = first.start - cells.start..end - cells.start;
        (rows.end - rows.start < cells.end - cells.start).then_some(rows)
    }

    /// Waits for a fetch: the values of each of `variables` at the cells of `unit`.
    pub(crate) async fn values(
        &self,
        fetch: Fetch,
        unit: &Unit,
        variables: &[usize],
    ) -> Result<Vec<UnitValues>> {
        let blocks = self.finish(fetch, unit, variables).await?;
        let _timer = self.metrics.time_rows.timer();
        std::iter::zip(variables, &blocks)
            .map(|(variable, blocks)| assemble(&self.cube.variables[*variable], unit, blocks))
            .collect()
    }

    /// The block of a chunk, or only those of its cells that are at `rows` along its slowest axis.
    async fn block(&self, arrival: Arrival, rows: Option<Range<u64>>) -> Result<Arc<Block>> {
        let Arrival {
            variable,
            index,
            found,
        } = arrival;
        let mut collected = None;
        let encoded = match found {
            Found::Nothing => None,
            Found::Stored(encoded, wanted) => {
                let bytes = encoded.as_ref().map_or(0, |chunk| chunk.bytes_fetched);
                self.metrics.fetched(bytes);
                collected = wanted;
                Some(encoded)
            }
            Found::Constant(value) => {
                if !self.shared[variable] || self.claims.is_first(variable, &index) {
                    self.metrics.chunks_pruned.add(1);
                }
                return Ok(Arc::new(
                    self.cube.variables[variable].constant(&index, value),
                ));
            }
        };
        let Some(keeper) = self.keeper(variable) else {
            return self.decode(variable, &index, encoded.flatten(), collected, rows);
        };
        match keeper.look_up(&self.key(variable, &index)).await {
            Lookup::Hit(block) => {
                if !self.shared[variable] || self.claims.is_first(variable, &index) {
                    self.metrics.cache_hits.add(1);
                    self.metrics.chunks_read.add(1);
                }
                Ok(block)
            }
            Lookup::Miss(vacancy) => {
                let encoded = match encoded {
                    Some(encoded) => encoded,
                    None => {
                        let encoded = {
                            let _waiting = self.metrics.time_fetch.timer();
                            fetch(&self.cube, variable, &index).await?
                        };
                        let bytes = encoded.as_ref().map_or(0, |chunk| chunk.bytes_fetched);
                        self.metrics.fetched(bytes);
                        encoded
                    }
                };
                let block = self.decode(variable, &index, encoded, collected, None)?;
                if self.shared[variable] {
                    self.claims.is_first(variable, &index);
                }
                if matches!(block.values, BlockValues::Array(_)) {
                    vacancy.fill(&block);
                }
                Ok(block)
            }
        }
    }

    fn decode(
        &self,
        variable: usize,
        index: &[u64],
        encoded: Option<EncodedChunk>,
        collected: Option<Collected>,
        rows: Option<Range<u64>>,
    ) -> Result<Arc<Block>> {
        let _decoding = self.metrics.time_decode.timer();
        match encoded {
            Some(_) => self.metrics.chunks_read.add(1),
            None => self.metrics.chunks_missing.add(1),
        }
        let stored = &self.cube.variables[variable];
        // Statistics are of whole chunks.
        let rows = rows.filter(|_| collected.is_none());
        let part = match (&encoded, rows) {
            (Some(chunk), Some(rows)) => stored.decode_rows(index, chunk, rows).transpose(),
            _ => None,
        };
        let block = part.unwrap_or_else(|| stored.decode(index, encoded));
        let block = block.map_err(|error| error.within(&self.cube.name))?;
        if let (Some(collector), Some(collected)) = (&self.collector, collected) {
            collector.add(variable, index, &block, collected)?;
        }
        let bytes = block_bytes(&block);
        self.metrics.decoded(bytes);
        if self.max_bytes > 0 && self.claims.add_bytes(bytes as u64) > self.max_bytes {
            return Err(over_budget(&self.cube.name, self.max_bytes, None).into());
        }
        Ok(Arc::new(block))
    }
}

async fn fetch(cube: &Cube, variable: usize, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
    cube.variables[variable]
        .fetch(index)
        .await
        .map_err(|error| error.within(&cube.name))
}

/// What a task has come to.
///
/// # Errors
/// It panicked, or it was stopped.
pub(super) fn ended<T>(
    cube: &Cube,
    outcome: Option<std::result::Result<T, JoinError>>,
) -> CubeResult<T> {
    match outcome {
        Some(Ok(outcome)) => Ok(outcome),
        Some(Err(error)) if error.is_panic() => Err(broken(cube)),
        _ => Err(interrupted(cube)),
    }
}

fn broken(cube: &Cube) -> CubeError {
    CubeError::corrupt(
        &cube.name,
        "a library failed on a chunk in a way it should not",
    )
    .remedy(
        "check the cube with the program that wrote it, and report this to Graticule's maintainers",
    )
}

fn interrupted(cube: &Cube) -> CubeError {
    CubeError::new(
        ErrorKind::Unavailable,
        &cube.name,
        "fetching a chunk ended before it was done",
    )
    .remedy("run the query again; if this repeats, the server is shutting down")
}

/// The error of a scan that reads more than `cube.max_scan_bytes`.
pub(crate) fn over_budget(cube: &str, limit: u64, estimate: Option<u64>) -> CubeError {
    let cause = match estimate {
        Some(estimate) => format!(
            "the query would decode {} of data, more than cube.max_scan_bytes allows ({})",
            bytes_text(estimate),
            bytes_text(limit)
        ),
        None => format!(
            "the query has decoded more data than cube.max_scan_bytes allows ({})",
            bytes_text(limit)
        ),
    };
    CubeError::new(ErrorKind::Limit, cube, cause).remedy(
        "select fewer cells or variables, or raise the limit with SET cube.max_scan_bytes = …",
    )
}

/// Bytes for people: `1.5 GB`.
pub(crate) fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}
