//! A scan of a cube behind a slow web server, against the time that its pauses take at least; and what
//! the shell does beside a query: watching its progress, completing names.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use datafusion::error::Result;
use futures::StreamExt;
use graticule_engine::{Engine, Session};
use serde_json::{Value, json};

use crate::slow_server::SlowServer;
use crate::{Setup, runtime};

const RUNS: usize = 5;
const CHUNKS: usize = 128;
const SIDE: usize = 256;
const PAUSE: Duration = Duration::from_millis(20);

/// Fetched ahead by each thread; the second is the default.
const PREFETCHES: [usize; 4] = [1, 2, 4, 7];

/// Cubes of the store whose names are completed.
const CUBES: usize = 1000;

/// How often the command line looks at a query's progress, and a hundred times as often.
const TICKS: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(1)];

/// Prints the times of scans and of what the shell does.
pub(crate) fn run(setup: &Setup) -> Result<()> {
    runtime(setup.threads)?.block_on(measure(setup.threads))
}

async fn measure(threads: usize) -> Result<()> {
    let engine = Engine::builder()
        .store_connectors(graticule_connectors::store_connectors())
        .formats(graticule_connectors::formats())
        .threads(threads)
        .build()?;
    let session = engine.session();
    execute(&session, "SET cube.cache = false", None).await?;
    scans(&session, threads).await?;
    completions(&session).await
}

async fn scans(session: &Session, threads: usize) -> Result<()> {
    let server = SlowServer::start(cube()).await?;
    let query = format!("SELECT count(v), sum(v) FROM '{}/cube.zarr'", server.url);
    println!(
        "remote: {CHUNKS} chunks of {} kB, {} ms before each answer, {threads} threads, minimum of {RUNS}",
        SIDE * SIDE * 4 / 1000,
        PAUSE.as_millis()
    );
    let near = fastest(session, &query, None).await?;
    println!("  no pause      {near:.3} s");
    for tick in TICKS {
        let watched = fastest(session, &query, Some(tick)).await?;
        println!(
            "    watched every {:>3} ms  {watched:.3} s  {:.2} × unwatched",
            tick.as_millis(),
            watched / near
        );
    }
    server.pause(PAUSE.as_millis() as u64);
    for prefetch in PREFETCHES {
        execute(session, &format!("SET cube.prefetch = {prefetch}"), None).await?;
        server.pause(PAUSE.as_millis() as u64);
        let far = fastest(session, &query, None).await?;
        let (_, at_once) = server.requests();
        // Each thread waits for the next chunk and has so many more on their way.
        let rounds = CHUNKS.div_ceil(threads * (prefetch + 1));
        let floor = (PAUSE * rounds as u32).as_secs_f64();
        println!(
            "  prefetch {prefetch}    {far:.3} s  {:.2} × floor of {floor:.3} s, {at_once} requests at once",
            far / floor
        );
    }
    Ok(())
}

/// What Tab waits for: all names of a store with many cubes that has been listed.
async fn completions(session: &Session) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for number in 0..CUBES {
        let cube = folder.path().join(format!("cube_{number}.zarr"));
        std::fs::create_dir(&cube)?;
        std::fs::write(cube.join(".zmetadata"), metadata(1, 1).to_string())?;
    }
    let attach = format!("ATTACH '{}' AS many", folder.path().display());
    execute(session, &attach, None).await?;
    let listing = timed(execute(session, "SHOW TABLES FROM many", None)).await?;
    let mut times = Vec::new();
    let mut count = 0;
    for _ in 0..RUNS * 10 {
        let start = Instant::now();
        count = session.completions().await.len();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!(
        "  names to complete, {CUBES} cubes  {:.2} ms for {count} names  (listing the cubes before: {listing:.2} s)",
        times[times.len() / 2].as_secs_f64() * 1e3
    );
    Ok(())
}

async fn fastest(session: &Session, query: &str, tick: Option<Duration>) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        best = best.min(timed(execute(session, query, tick)).await?);
    }
    Ok(best)
}

async fn timed(work: impl Future<Output = Result<()>>) -> Result<f64> {
    let start = Instant::now();
    work.await?;
    Ok(start.elapsed().as_secs_f64())
}

/// Runs a statement to its end and drops its rows. With a tick, its progress is looked at as the
/// command line does.
async fn execute(session: &Session, statement: &str, tick: Option<Duration>) -> Result<()> {
    let mut query = session.run(statement).await?;
    let Some(tick) = tick else {
        while let Some(batch) = query.stream.next().await {
            std::hint::black_box(batch?);
        }
        return Ok(());
    };
    let mut ticks = tokio::time::interval(tick);
    loop {
        tokio::select! {
            batch = query.stream.next() => match batch {
                Some(batch) => drop(std::hint::black_box(batch?)),
                None => return Ok(()),
            },
            _ = ticks.tick() => drop(std::hint::black_box(query.progress.snapshot())),
        }
    }
}

/// The files of a Zarr cube of one variable, chunked along time, without compression: what is measured
/// is waiting, not decoding.
fn cube() -> HashMap<String, Vec<u8>> {
    let mut files = HashMap::new();
    let mut add = |path: String, content| files.insert(format!("/cube.zarr/{path}"), content);
    add(
        ".zmetadata".into(),
        metadata(CHUNKS, SIDE).to_string().into_bytes(),
    );
    for (name, length) in [("t", CHUNKS), ("y", SIDE), ("x", SIDE)] {
        let values = (0..length).flat_map(|cell| (cell as f64).to_le_bytes());
        add(format!("{name}/0"), values.collect());
    }
    for chunk in 0..CHUNKS {
        let values = (0..SIDE * SIDE).flat_map(|cell| ((chunk + cell) as f32).to_le_bytes());
        add(format!("v/{chunk}.0.0"), values.collect());
    }
    files
}

fn metadata(chunks: usize, side: usize) -> Value {
    let array = |shape: &[usize], chunks: &[usize], data_type: &str| {
        json!({
            "zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": data_type, "order": "C",
            "compressor": null, "filters": null, "fill_value": null,
        })
    };
    json!({"zarr_consolidated_format": 1, "metadata": {
        ".zgroup": {"zarr_format": 2},
        ".zattrs": {},
        "t/.zarray": array(&[chunks], &[chunks], "<f8"),
        "t/.zattrs": {"_ARRAY_DIMENSIONS": ["t"]},
        "y/.zarray": array(&[side], &[side], "<f8"),
        "y/.zattrs": {"_ARRAY_DIMENSIONS": ["y"]},
        "x/.zarray": array(&[side], &[side], "<f8"),
        "x/.zattrs": {"_ARRAY_DIMENSIONS": ["x"]},
        "v/.zarray": array(&[chunks, side, side], &[1, side, side], "<f4"),
        "v/.zattrs": {"_ARRAY_DIMENSIONS": ["t", "y", "x"]},
    }})
}
