//! What a second thread brings to questions that read much.

use datafusion::error::Result;

use crate::questions::{QUESTIONS, Question};
use crate::{Setup, product, runtime};

const RUNS: usize = 5;
const TARGET: f64 = 1.8;

/// Prints the time on one thread, on all, and how many times faster all are.
pub(crate) fn run(setup: &Setup) -> Result<()> {
    let Some(path) = &setup.cube else {
        println!("scaling: set GRATICULE_BENCH_CUBE to a Zarr cube (see benches/README.md)");
        return Ok(());
    };
    let mut machines = Vec::new();
    for threads in [1, setup.threads] {
        let runtime = runtime(threads)?;
        let session = runtime.block_on(product::session(path, threads, None))?;
        machines.push((runtime, session));
    }
    println!(
        "scaling: 1 thread against {}, minimum of {RUNS}, target {TARGET} on two",
        setup.threads
    );
    let scans = |question: &&Question| question.region.is_none() && question.target.is_some();
    for question in QUESTIONS.iter().filter(scans) {
        if !setup.asks(question.name) {
            continue;
        }
        let mut best = [f64::INFINITY; 2];
        for _ in 0..RUNS {
            for ((runtime, session), best) in machines.iter().zip(&mut best) {
                let seconds = runtime.block_on(product::drain(session, question.sql))?;
                *best = best.min(seconds);
            }
        }
        let [one, all] = best;
        let verdict = if one / all < TARGET { "  missed" } else { "" };
        println!(
            "  {:<22} {one:>8.4} s {all:>8.4} s {:>6.2} ×{verdict}",
            question.name,
            one / all
        );
    }
    Ok(())
}
