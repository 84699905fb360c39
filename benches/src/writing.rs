//! Making cubes, as multiples of reading what they are made of and writing what they are.
//!
//! ```text
//!  read floor    fetch and decode the chunks of the source, nothing else
//!  write floor   encode and put the objects of the result, nothing else: same format, codec, disk
//! ```

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use arrow::array::ArrayRef;
use datafusion::error::{DataFusionError, Result};
use graticule_engine::Engine;
use graticule_engine::cube::Cube;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::sink::{CubeSink, CubeWriter, TargetCube};
use graticule_engine::source::{Location, Options};

use crate::floor::Floor;
use crate::product::{drain, session};
use crate::questions::{Question, T2M};
use crate::{Setup, runtime};

/// Statements: what they do, how the result is cut, and the query.
const STATEMENTS: &[(&str, &str, &str)] = &[
    (
        "copy",
        "time=73,lat=181,lon=90",
        "SELECT time, lat, lon, t2m FROM cube",
    ),
    (
        "rechunk into series",
        "time=1460,lat=1,lon=180",
        "SELECT time, lat, lon, t2m FROM cube",
    ),
    (
        "8-day means",
        "time=46,lat=181,lon=90",
        "SELECT date_bin(INTERVAL '8 days', time, TIMESTAMP '2019-01-01') AS time, lat, lon, avg(t2m) AS t2m FROM cube GROUP BY 1, 2, 3",
    ),
];

/// Times both floors together that a statement should take at most.
const TARGET: f64 = 1.5;

const RUNS: usize = 3;

/// Prints every statement beside its floors.
pub(crate) fn run(setup: &Setup) -> Result<()> {
    let Some(path) = &setup.cube else {
        println!("writing: set GRATICULE_BENCH_CUBE to a Zarr cube (see benches/README.md)");
        return Ok(());
    };
    println!(
        "writing: {} threads, minimum of {RUNS}, codec zstd:1, target {TARGET}",
        setup.threads
    );
    println!(
        "  {:<22} {:>8} {:>8} {:>8}  ratio",
        "statement", "read s", "write s", "engine s"
    );
    let runtime = runtime(setup.threads)?;
    for (name, chunks, query) in STATEMENTS {
        if setup.asks(name) {
            runtime.block_on(measure(setup, path, name, chunks, query))?;
        }
    }
    Ok(())
}

async fn measure(setup: &Setup, path: &Path, name: &str, chunks: &str, query: &str) -> Result<()> {
    let lake = tempfile::tempdir_in(path.parent().unwrap_or(path))?;
    let session = session(path, setup.threads, None).await?;
    drain(
        &session,
        &format!("ATTACH '{}' AS lake", lake.path().display()),
    )
    .await?;
    let question = Question {
        name: "",
        sql: "",
        variables: T2M,
        region: None,
        target: None,
    };
    let source = open(path).await?;
    let read = Floor::of(&question, &source)?;
    let statement = format!(
        "CREATE OR REPLACE TABLE lake.made WITH (chunks = '{chunks}', shards = 'none', codec = 'zstd:1') AS {query}"
    );
    let (mut read_floor, mut write_floor, mut engine) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..RUNS {
        read_floor = read_floor.min(read.measure(setup.threads).await?);
        engine = engine.min(drain(&session, &statement).await?);
        let made = WriteFloor::of(&lake.path().join("made.zarr")).await?;
        write_floor = write_floor.min(made.measure(lake.path(), setup.threads).await?);
    }
    let ratio = engine / (read_floor + write_floor);
    let verdict = if ratio > TARGET { "missed" } else { "" };
    println!(
        "  {name:<22} {read_floor:>8.3} {write_floor:>8.3} {engine:>8.3}  {ratio:>5.2}  {verdict}"
    );
    Ok(())
}

async fn open(path: &Path) -> Result<Arc<Cube>> {
    let engine = Engine::builder()
        .store_connectors(graticule_connectors::store_connectors())
        .formats(graticule_connectors::formats())
        .build()?;
    let cubes = engine
        .open(&path.to_string_lossy(), &Options::new())
        .await?;
    let first = cubes.into_iter().next();
    Ok(first.ok_or_else(|| CubeError::not_found(path.to_string_lossy(), "there is no cube"))?)
}

/// The variable `t2m` of a cube that was made, decoded.
struct WriteFloor {
    target: TargetCube,
    options: Options,
    array: usize,
    objects: Arc<[(Vec<u64>, ArrayRef, Vec<usize>)]>,
}

impl WriteFloor {
    async fn of(path: &Path) -> Result<Self> {
        let cube = open(path).await?;
        let stored = zarr()?.stored(&location(path)?).await?;
        let stored = stored.ok_or_else(|| CubeError::not_found("", "the cube is gone"))?;
        let is_wanted = |name: &String| name == "t2m";
        let array = stored
            .cube
            .arrays
            .iter()
            .position(|array| is_wanted(&array.name));
        let variable = cube
            .variables
            .iter()
            .find(|variable| is_wanted(variable.field.name()));
        let (Some(array), Some(variable)) = (array, variable) else {
            return Err(DataFusionError::Plan("the cube has no t2m".to_string()));
        };
        let target = &stored.cube.arrays[array];
        let mut objects = Vec::new();
        for index in indices(&target.object_counts()) {
            let Some(chunk) = variable.array.fetch(&index).await? else {
                continue;
            };
            let raw = variable.array.decode(&index, chunk)?;
            let along = index.iter().zip(&target.chunks).zip(&target.shape);
            let extent: Vec<usize> = along
                .map(|((at, size), length)| (*size).min(length - at * size) as usize)
                .collect();
            // A padded chunk at the edge is left out: it would have to be cropped first.
            if raw.shape == extent {
                objects.push((index, raw.values, extent));
            }
        }
        Ok(Self {
            options: stored.options,
            array,
            objects: objects.into(),
            target: stored.cube,
        })
    }

    /// Encodes and puts every object on `threads` tasks; returns the seconds.
    async fn measure(&self, folder: &Path, threads: usize) -> Result<f64> {
        let location = location(&folder.join("floor.zarr"))?;
        let sink = zarr()?;
        let writer = sink
            .open(&location, &self.target, &self.options, None)
            .await?;
        let start = Instant::now();
        let next = Arc::new(AtomicUsize::new(0));
        let workers = (0..threads).map(|_| {
            let (writer, next): (Arc<dyn CubeWriter>, _) = (Arc::clone(&writer), Arc::clone(&next));
            let (objects, array) = (Arc::clone(&self.objects), self.array);
            tokio::task::spawn(async move {
                while let Some((index, values, extent)) = objects.get(next.fetch_add(1, Relaxed)) {
                    if let Some(bytes) = writer.encode(array, index, values, extent)? {
                        writer.put(array, index, bytes).await?;
                    }
                }
                CubeResult::Ok(())
            })
        });
        for worker in futures::future::join_all(workers).await {
            worker.map_err(|error| DataFusionError::External(Box::new(error)))??;
        }
        let seconds = start.elapsed().as_secs_f64();
        std::fs::remove_dir_all(folder.join("floor.zarr"))?;
        Ok(seconds)
    }
}

fn zarr() -> Result<Arc<dyn CubeSink>> {
    let first = graticule_connectors::sinks().into_iter().next();
    first.ok_or_else(|| DataFusionError::Plan("no format can be written".to_string()))
}

fn location(path: &Path) -> CubeResult<Location> {
    let connectors = graticule_connectors::store_connectors();
    let file = connectors
        .iter()
        .find(|connector| connector.schemes().contains(&"file"));
    let file = file.ok_or_else(|| CubeError::not_found("", "there is no file store"))?;
    file.connect_new(&path.to_string_lossy(), &Options::new())
}

/// All indices of a grid of objects.
fn indices(counts: &[u64]) -> Vec<Vec<u64>> {
    counts.iter().fold(vec![vec![]], |indices, count| {
        indices
            .into_iter()
            .flat_map(|index: Vec<u64>| {
                (0..*count).map(move |at| index.iter().copied().chain([at]).collect())
            })
            .collect()
    })
}
