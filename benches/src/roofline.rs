//! A full scan against its floor: fetching and decoding the same chunks and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use graticule_engine::cube::Variable;
use graticule_engine::error::CubeResult;

use crate::cubes;

const RUNS: usize = 7;

const QUERIES: [(&str, &str); 4] = [
    ("rows counted", "SELECT count({v}) FROM cube"),
    ("values as rows", "SELECT {v} FROM cube"),
    ("with coordinates", "SELECT {axes}, {v} FROM cube"),
    (
        "filtered on values",
        "SELECT count(*) FROM cube WHERE {v} > 300",
    ),
];

/// Prints the floor of the first variable's full scan, and every query's time as a multiple of it.
pub(crate) async fn run(path: Arc<str>, threads: usize) -> Result<()> {
    let cube = cubes::open(&path).await?;
    let Some(variable) = cube.variables.first() else {
        return Err(DataFusionError::Plan(format!("{path} has no variable")));
    };
    let cells: u64 = variable
        .chunks()
        .iter()
        .map(|chunks| chunks.length())
        .product();
    let axes: Vec<&str> = cube
        .axes
        .iter()
        .map(|axis| axis.field.name().as_str())
        .collect();
    let context = cubes::session(&cube, threads)?;
    println!(
        "scan: {path}, variable {}, {cells} cells, {threads} threads, minimum of {RUNS}",
        variable.field.name()
    );
    let mut floor = f64::INFINITY;
    let mut best = [f64::INFINITY; QUERIES.len()];
    for _ in 0..RUNS {
        // Interleaved, so that a slow moment of the machine meets all of them.
        floor = floor.min(timed(decode_all(variable.clone(), threads)).await?);
        for ((_, query), best) in QUERIES.iter().zip(&mut best) {
            let query = query
                .replace("{v}", variable.field.name())
                .replace("{axes}", &axes.join(", "));
            *best = best.min(timed(drain(&context, &query)).await?);
        }
    }
    println!(
        "  {:<20} {floor:.3} s  ({:.2} ns per cell and thread)",
        "floor",
        floor * 1e9 * threads as f64 / cells as f64
    );
    for ((name, _), best) in QUERIES.iter().zip(best) {
        println!("  {name:<20} {best:.3} s  {:.2} × floor", best / floor);
    }
    Ok(())
}

async fn timed(work: impl Future<Output = Result<()>>) -> Result<f64> {
    let start = Instant::now();
    work.await?;
    Ok(start.elapsed().as_secs_f64())
}

/// Fetches and decodes every chunk, as stored, on `threads` tasks.
async fn decode_all(variable: Variable, threads: usize) -> Result<()> {
    let counts: Vec<u64> = variable
        .chunks()
        .iter()
        .map(|chunks| chunks.count())
        .collect();
    let total: u64 = counts.iter().product();
    let next = Arc::new(AtomicU64::new(0));
    let workers = (0..threads).map(|_| {
        let (variable, next, counts) = (variable.clone(), Arc::clone(&next), counts.clone());
        tokio::task::spawn(async move {
            loop {
                let mut number = next.fetch_add(1, Relaxed);
                if number >= total {
                    return CubeResult::Ok(());
                }
                let mut index = vec![0; counts.len()];
                for (position, count) in index.iter_mut().zip(&counts).rev() {
                    *position = number % count;
                    number /= count;
                }
                if let Some(chunk) = variable.array.fetch(&index).await? {
                    std::hint::black_box(variable.array.decode(&index, chunk)?);
                }
            }
        })
    });
    for worker in futures::future::join_all(workers).await {
        worker.map_err(|error| DataFusionError::External(Box::new(error)))??;
    }
    Ok(())
}

/// Runs a query and drops its rows, every partition on a task of its own.
async fn drain(context: &SessionContext, query: &str) -> Result<()> {
    let partitions = context
        .sql(query)
        .await?
        .execute_stream_partitioned()
        .await?;
    let tasks = partitions.into_iter().map(|mut partition| {
        tokio::task::spawn(async move {
            while let Some(batch) = partition.next().await {
                std::hint::black_box(batch?);
            }
            Result::<()>::Ok(())
        })
    });
    for task in futures::future::join_all(tasks).await {
        task.map_err(|error| DataFusionError::External(Box::new(error)))??;
    }
    Ok(())
}
