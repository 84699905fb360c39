//! Gets decoded blocks: from the cache, or fetched on the I/O runtime and decoded here.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::runtime::JoinSet;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;

use crate::cache::{BlockCache, BlockKey, Lookup, block_bytes};
use crate::cube::Cube;
use crate::cube::block::{Block, BlockValues};
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::scan::assemble::needed_chunks;
use crate::scan::grid::Unit;
use crate::scan::metrics::ScanMetrics;
use crate::scan::queue::Claims;
use crate::source::EncodedChunk;

/// Chunks of one unit that are fetched at the same time.
const CONCURRENT_FETCHES: usize = 16;

/// One chunk of a variable on its way.
struct Arrival {
    variable: usize,
    index: Vec<u64>,
    /// `None` when the cache held the block as the fetch began.
    encoded: Option<Option<EncodedChunk>>,
}

/// The chunks of a unit, being fetched. Dropping it aborts the fetch.
pub(crate) struct Fetch {
    task: JoinSet<CubeResult<Vec<Arrival>>>,
}

/// Everything needed to get blocks.
#[derive(Clone)]
pub(crate) struct BlockSource {
    pub(crate) cube: Arc<Cube>,
    /// Set when this query may use the cache.
    pub(crate) cache: Option<Arc<BlockCache>>,
    pub(crate) io: Handle,
    pub(crate) metrics: ScanMetrics,
    pub(crate) claims: Arc<Claims>,
    /// Decoded bytes at which the query is stopped; 0 for none.
    pub(crate) max_bytes: u64,
}

impl BlockSource {
    fn key(&self, variable: usize, index: &[u64]) -> BlockKey {
        let cube = &self.cube;
        let name = &cube.variables[variable].array.description().name;
        BlockKey {
            array: format!("{}\n{}\n{name}", cube.url, cube.version).into(),
            chunk: index.into(),
        }
    }

    /// Starts to fetch the chunks of `variables` that `unit` needs.
    pub(crate) fn start(&self, unit: &Unit, variables: &[usize]) -> Fetch {
        let mut wanted = Vec::new();
        for variable in variables {
            for index in needed_chunks(&self.cube.variables[*variable], unit) {
                let cached = self
                    .cache
                    .as_ref()
                    .is_some_and(|cache| cache.contains(&self.key(*variable, &index)));
                wanted.push((*variable, index, cached));
            }
        }
        let cube = Arc::clone(&self.cube);
        let mut task = JoinSet::new();
        task.spawn_on(
            async move {
                let cube = &cube;
                stream::iter(wanted)
                    .map(|(variable, index, cached)| async move {
                        let encoded = match cached {
                            true => None,
                            false => Some(fetch(cube, variable, &index).await?),
                        };
                        Ok(Arrival {
                            variable,
                            index,
                            encoded,
                        })
                    })
                    .buffered(CONCURRENT_FETCHES)
                    .try_collect()
                    .await
            },
            &self.io,
        );
        Fetch { task }
    }

    /// Waits for a fetch and decodes what came: the blocks of each of `variables`, in the order of
    /// [`needed_chunks`].
    pub(crate) async fn finish(
        &self,
        mut fetch: Fetch,
        variables: &[usize],
    ) -> Result<Vec<Vec<Arc<Block>>>> {
        let arrivals = {
            let _waiting = self.metrics.time_fetch.timer();
            match fetch.task.join_next().await {
                Some(Ok(arrivals)) => arrivals?,
                _ => return Err(interrupted(&self.cube).into()),
            }
        };
        let mut blocks: Vec<Vec<Arc<Block>>> = vec![Vec::new(); variables.len()];
        for arrival in arrivals {
            let position = variables
                .iter()
                .position(|variable| *variable == arrival.variable);
            let block = self.block(arrival).await?;
            if let Some(position) = position {
                blocks[position].push(block);
            }
        }
        Ok(blocks)
    }

    async fn block(&self, arrival: Arrival) -> Result<Arc<Block>> {
        let Arrival {
            variable,
            index,
            encoded,
        } = arrival;
        if let Some(Some(chunk)) = &encoded {
            self.metrics.fetched(chunk.bytes_fetched);
        }
        let Some(cache) = &self.cache else {
            return self.decode(variable, &index, encoded.flatten());
        };
        match cache.look_up(&self.key(variable, &index)).await {
            Lookup::Hit(block) => {
                self.metrics.cache_hits.add(1);
                self.metrics.chunks_read.add(1);
                Ok(block)
            }
            Lookup::Miss(vacancy) => {
                let encoded = match encoded {
                    Some(encoded) => encoded,
                    // It was in the cache when the fetch began and has been evicted since.
                    None => fetch(&self.cube, variable, &index).await?,
                };
                let block = self.decode(variable, &index, encoded)?;
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
    ) -> Result<Arc<Block>> {
        let _decoding = self.metrics.time_decode.timer();
        match encoded {
            Some(_) => self.metrics.chunks_read.add(1),
            None => self.metrics.chunks_missing.add(1),
        }
        let block = self.cube.variables[variable]
            .decode(index, encoded)
            .map_err(|error| error.within(&self.cube.name))?;
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
