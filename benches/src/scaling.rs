//! What a second thread brings to questions that read much, and to their floors: where the machine gives less to
//! fetching and decoding alone, no question can have more.

use datafusion::error::Result;

use crate::floor::Floor;
use crate::questions::{QUESTIONS, Question};
use crate::{Setup, cubes, product, runtime};

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
        machines.push((threads, runtime, session));
    }
    let runtime = runtime(setup.threads)?;
    let cube = runtime.block_on(cubes::open(&path.to_string_lossy()))?;
    println!(
        "scaling: 1 thread against {}, minimum of {RUNS}, target {TARGET} on two",
        setup.threads
    );
    let scans = |question: &&Question| question.region.is_none() && question.target.is_some();
    for question in QUESTIONS.iter().filter(scans) {
        if !setup.asks(question.name) {
            continue;
        }
        let floor = Floor::of(question, &cube)?;
        let (mut best, mut least) = ([f64::INFINITY; 2], [f64::INFINITY; 2]);
        for _ in 0..RUNS {
            for (at, (threads, runtime, session)) in machines.iter().enumerate() {
                let seconds = runtime.block_on(product::drain(session, question.sql))?;
                best[at] = best[at].min(seconds);
                least[at] = least[at].min(runtime.block_on(floor.measure(*threads))?);
            }
        }
        let ([one, all], [floor_of_one, floor_of_all]) = (best, least);
        let verdict = if one / all < TARGET { "  missed" } else { "" };
        println!(
            "  {:<22} {one:>8.4} s {all:>8.4} s {:>6.2} ×, floor {:>5.2} ×{verdict}",
            question.name,
            one / all,
            floor_of_one / floor_of_all
        );
    }
    Ok(())
}
