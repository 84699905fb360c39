//! Cubes of any size that record what is asked of them: chunks fetched, chunks decoded.
//!
//! ```text
//!  Shape ── group() ──▶ axes in memory + v(z, y, x) made up chunk by chunk ──▶ Work
//!                                   │ attached()
//!                                   ▼
//!                         a session with the table cube
//! ```

use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float32Array, Float64Array};
use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::prelude::SessionContext;
use graticule_engine::cache::BlockCache;
use graticule_engine::cube::chunks::AxisChunks;
use graticule_engine::cube::memory::MemoryArray;
use graticule_engine::error::CubeResult;
use graticule_engine::options::CubeOptions;
use graticule_engine::scan::CubeTable;
use graticule_engine::source::{
    ArrayDescription, ArrayReader, Attributes, EncodedChunk, Group, Payload, RawChunk,
};
use libtest_mimic::{Failed, Trial};

use crate::synthetic::{cube, session};

/// Rows of a batch, and cells of a chunk unless a case says otherwise.
pub(crate) const BATCH: usize = 1000;

/// What was asked of the arrays of a cube, in order.
#[derive(Debug, Default)]
pub(crate) struct Work {
    fetched: Mutex<Vec<Vec<u64>>>,
    decoded: Mutex<Vec<Vec<u64>>>,
}

impl Work {
    /// Fetches begun.
    pub(crate) fn fetches(&self) -> usize {
        self.fetched.lock().unwrap().len()
    }

    /// Decodes begun.
    pub(crate) fn decodes(&self) -> usize {
        self.decoded.lock().unwrap().len()
    }

    /// The different chunks fetched since this was asked last.
    pub(crate) fn newly_fetched(&self) -> BTreeSet<Vec<u64>> {
        std::mem::take(&mut *self.fetched.lock().unwrap())
            .into_iter()
            .collect()
    }

    /// Different chunks decoded.
    pub(crate) fn decoded_chunks(&self) -> usize {
        let decoded = self.decoded.lock().unwrap();
        decoded.iter().collect::<HashSet<_>>().len()
    }
}

/// A cube of three axes with chunks of equal size, and how long its array takes for a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Cells along each axis.
    pub(crate) cells: [u64; 3],
    /// Cells of a chunk along each axis.
    pub(crate) chunk: [u64; 3],
    /// Time that fetching a chunk waits.
    pub(crate) fetch: Duration,
    /// Time that decoding a chunk keeps its thread busy.
    pub(crate) decode: Duration,
}

impl Shape {
    /// `count` chunks of `cells` cells one after another, without delays.
    pub(crate) fn row(count: u64, cells: u64) -> Self {
        Self {
            cells: [count, 1, cells],
            chunk: [1, 1, cells],
            fetch: Duration::ZERO,
            decode: Duration::ZERO,
        }
    }

    /// The cube, with the record of what is asked of its variable `v`. A cell of `v` is the number of
    /// its chunk along `z`.
    pub(crate) fn group(self) -> (Group, Arc<Work>) {
        let names = ["z", "y", "x"];
        let (variable, work) = self.variable(names);
        let mut arrays: Vec<Arc<dyn ArrayReader>> = Vec::new();
        for (name, length) in names.into_iter().zip(self.cells) {
            let values: ArrayRef = Arc::new(Float64Array::from_iter_values(
                (0..length).map(|cell| cell as f64),
            ));
            arrays.push(MemoryArray::new(name, &[name], &[length], values).shared());
        }
        arrays.push(variable);
        let group = Group {
            path: String::new(),
            attributes: Attributes::new(),
            arrays,
            url: "watched".to_string(),
            format: "watched".to_string(),
            version: format!("{self:?}"),
        };
        (group, work)
    }

    /// Its variable `v` along axes of these names, and the record of what is asked of it.
    pub(crate) fn variable(self, names: [&str; 3]) -> (Arc<dyn ArrayReader>, Arc<Work>) {
        let work = Arc::new(Work::default());
        let chunks = std::iter::zip(self.cells, self.chunk);
        let array = Watched {
            description: ArrayDescription {
                name: "v".to_string(),
                dimensions: names.iter().map(ToString::to_string).collect(),
                shape: self.cells.to_vec(),
                chunks: chunks
                    .map(|(cells, chunk)| AxisChunks::regular(cells, chunk))
                    .collect(),
                data_type: DataType::Float32,
                fill_value: serde_json::Value::Null,
                attributes: Attributes::new(),
                codecs: String::new(),
                shard_shape: None,
                stored_bytes: None,
            },
            shape: self,
            work: Arc::clone(&work),
        };
        (Arc::new(array), work)
    }
}

#[derive(Debug)]
struct Watched {
    description: ArrayDescription,
    shape: Shape,
    work: Arc<Work>,
}

impl Watched {
    /// Cells of the chunk at `index` along each axis.
    fn cells(&self, index: &[u64]) -> Vec<usize> {
        let chunks = self.description.chunks.iter().zip(index);
        let ranges = chunks.map(|(chunks, chunk)| chunks.range(*chunk));
        ranges
            .map(|range| (range.end - range.start) as usize)
            .collect()
    }
}

#[async_trait]
impl ArrayReader for Watched {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        self.work.fetched.lock().unwrap().push(index.to_vec());
        if !self.shape.fetch.is_zero() {
            tokio::time::sleep(self.shape.fetch).await;
        }
        let cells = self.cells(index).iter().product();
        let bytes = (index[0] as f32).to_le_bytes().repeat(cells);
        Ok(Some(EncodedChunk {
            bytes_fetched: bytes.len() as u64,
            payload: Payload::Encoded(bytes.into()),
        }))
    }

    fn decode(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        self.work.decoded.lock().unwrap().push(index.to_vec());
        if !self.shape.decode.is_zero() {
            std::thread::sleep(self.shape.decode);
        }
        let Payload::Encoded(bytes) = chunk.payload else {
            panic!("watched arrays encode their chunks");
        };
        let numbers = bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes);
        let values: ArrayRef = Arc::new(Float32Array::from_iter_values(numbers));
        let shape = self.cells(index);
        Ok(RawChunk { values, shape })
    }
}

/// A trial on a runtime of its own.
pub(crate) fn trial<F>(name: &str, run: fn() -> F) -> Trial
where
    F: Future<Output = Result<(), Failed>> + Send + 'static,
{
    Trial::test(name, move || runtime().block_on(run()))
}

/// Threads for what decodes and for what fetches.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap()
}

/// A session in which the table `cube` is the group, with `cache` for its decoded chunks.
pub(crate) async fn attached(
    group: &Group,
    cache: Option<&Arc<BlockCache>>,
    partitions: usize,
) -> SessionContext {
    let mut options = CubeOptions::default();
    options.cache = cache.is_some();
    let none = || Arc::new(BlockCache::new(0, None));
    let blocks = cache.map_or_else(none, Arc::clone);
    let context = session(options, partitions, BATCH);
    let table = CubeTable::new(cube(group).await, blocks);
    context.register_table("cube", Arc::new(table)).unwrap();
    context
}

/// Fails with `complaint` unless it holds.
pub(crate) fn require(holds: bool, complaint: impl FnOnce() -> String) -> Result<(), Failed> {
    match holds {
        true => Ok(()),
        false => Err(complaint().into()),
    }
}

/// Waits until `count` reaches `least`, at most ten seconds.
pub(crate) async fn until(least: usize, count: impl Fn() -> usize) -> Result<(), Failed> {
    let started = Instant::now();
    while count() < least {
        require(started.elapsed() < Duration::from_secs(10), || {
            format!("only {} after ten seconds, not {least}", count())
        })?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
