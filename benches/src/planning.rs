//! Planning time: it does not depend on the number of chunks, as nothing is listed, and warm it is
//! hardly noticed.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use datafusion::error::Result;

use crate::questions::QUESTIONS;
use crate::{Setup, cubes, product, runtime};

/// Chunks per axis: about ten chunks, and ten million.
const SIDES: [u64; 2] = [2, 216];

const QUERIES: [(&str, &str); 3] = [
    (
        "a point",
        "SELECT v FROM cube WHERE z = 1 AND y = 2 AND x = 3",
    ),
    (
        "a box",
        "SELECT avg(v) FROM cube WHERE z BETWEEN 1 AND 5 AND y < 6 AND x >= 2 AND x < 7",
    ),
    ("everything", "SELECT y, x, max(v) FROM cube GROUP BY y, x"),
];

/// Milliseconds from text to a plan that has been started, warm.
const TARGET: f64 = 1.0;

/// Prints how planning time grows with the chunks, and what it is for the questions of the rooflines.
pub(crate) fn run(setup: &Setup) -> Result<()> {
    let runtime = runtime(setup.threads)?;
    runtime.block_on(growth())?;
    runtime.block_on(warm(setup))
}

/// Prints the median planning time of the product's own session on the large cube.
async fn warm(setup: &Setup) -> Result<()> {
    let Some(path) = &setup.cube else {
        return Ok(());
    };
    let session = product::session(path, setup.threads, None).await?;
    println!("planning: SQL text to a started plan, warm, median of 300, target {TARGET} ms");
    for question in QUESTIONS
        .iter()
        .filter(|question| setup.asks(question.name))
    {
        let mut times = Vec::new();
        for _ in 0..300 {
            let start = Instant::now();
            let query = session.run(question.sql).await?;
            times.push(start.elapsed());
            drop(query);
        }
        times.sort_unstable();
        let median = times[times.len() / 2].as_secs_f64() * 1e3;
        let verdict = if median > TARGET { "  missed" } else { "" };
        println!("  {:<22} {median:>6.2} ms{verdict}", question.name);
    }
    Ok(())
}

/// Prints the median planning time on a small and on a large cube, and their ratio.
async fn growth() -> Result<()> {
    println!("planning: SQL text to physical plan, median of 200");
    for (name, query) in QUERIES {
        let mut medians = Vec::new();
        for side in SIDES {
            let (cube, fetches) = cubes::synthetic(side).await?;
            let context = cubes::session(&cube, 2)?;
            let mut times = Vec::new();
            for _ in 0..200 {
                let start = Instant::now();
                context.sql(query).await?.create_physical_plan().await?;
                times.push(start.elapsed());
            }
            times.sort_unstable();
            medians.push((side.pow(3), times[times.len() / 2]));
            assert_eq!(fetches.load(Relaxed), 0, "planning fetched a chunk");
        }
        let text = |(chunks, time): &(u64, Duration)| {
            format!("{chunks} chunks {:.2} ms", time.as_secs_f64() * 1e3)
        };
        let ratio = medians[1].1.as_secs_f64() / medians[0].1.as_secs_f64();
        println!(
            "  {name:<12} {}   {}   ratio {ratio:.2}",
            text(&medians[0]),
            text(&medians[1])
        );
    }
    Ok(())
}
