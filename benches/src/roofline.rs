//! Questions to the large cube as multiples of their floors.

use datafusion::error::Result;

use crate::floor::Floor;
use crate::questions::QUESTIONS;
use crate::{Setup, cubes, product, runtime};

const RUNS: usize = 5;

/// Prints the floor of every question, what the engine takes, and their ratio beside its target.
pub(crate) fn run(setup: &Setup) -> Result<()> {
    let Some(path) = &setup.cube else {
        println!("roofline: set GRATICULE_BENCH_CUBE to a Zarr cube (see benches/README.md)");
        return Ok(());
    };
    let threads = setup.threads;
    runtime(threads)?.block_on(async {
        let cube = cubes::open(&path.to_string_lossy()).await?;
        let session = product::session(path, threads, None).await?;
        println!("roofline: {threads} threads, decoding in every run, minimum of {RUNS}");
        println!(
            "  {:<22} {:>8} {:>9} {:>7} {:>7}",
            "question", "floor s", "engine s", "ratio", "target"
        );
        for question in QUESTIONS
            .iter()
            .filter(|question| setup.asks(question.name))
        {
            let floor = Floor::of(question, &cube)?;
            let (mut least, mut best) = (f64::INFINITY, f64::INFINITY);
            for _ in 0..RUNS {
                // In turn, so that a slow moment of the machine meets both.
                least = least.min(floor.measure(threads).await?);
                best = best.min(product::drain(&session, question.sql).await?);
            }
            let ratio = best / least;
            let verdict = match question.target {
                Some(target) if ratio > target => format!("{target:>7.2}  missed"),
                Some(target) => format!("{target:>7.2}"),
                None => String::new(),
            };
            println!(
                "  {:<22} {least:>8.4} {best:>9.4} {ratio:>7.2} {verdict}",
                question.name
            );
        }
        Ok(())
    })
}
