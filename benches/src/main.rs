//! Rooflines and comparisons; `benches/README.md` says how to run and read them.
//!
//! Every benchmark prints ratios of things measured in the same run: absolute times mean nothing on
//! a shared machine.

// A floor is measured with bare tasks, which no query cancels.
#![allow(clippy::disallowed_methods)]

use std::path::PathBuf;

use datafusion::error::Result;
use tokio::runtime::Runtime;

mod cached;
mod cubes;
mod floor;
mod memory;
mod planning;
mod product;
mod questions;
mod remote;
mod roofline;
mod scaling;
mod slow_server;
mod writing;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What to measure, and with what.
#[derive(Debug)]
struct Setup {
    threads: usize,
    /// The cube of the rooflines.
    cube: Option<PathBuf>,
    /// A cube several times larger than the memory of the memory benchmark.
    large_cube: Option<PathBuf>,
    /// Measure only the questions whose name has one of these in it; all if there is none.
    words: Vec<String>,
}

impl Setup {
    fn asks(&self, question: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| question.contains(word))
    }
}

/// Every benchmark by name.
const BENCHMARKS: &[(&str, fn(&Setup) -> Result<()>)] = &[
    ("planning", planning::run),
    ("roofline", roofline::run),
    ("cached", cached::run),
    ("scaling", scaling::run),
    ("memory", memory::run),
    ("remote", remote::run),
    ("writing", writing::run),
];

fn main() -> Result<()> {
    let is_benchmark = |word: &String| BENCHMARKS.iter().any(|(name, _)| name == word);
    let (names, words): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(is_benchmark);
    let setup = Setup {
        threads: std::thread::available_parallelism().map_or(2, usize::from),
        cube: std::env::var_os("GRATICULE_BENCH_CUBE").map(PathBuf::from),
        large_cube: std::env::var_os("GRATICULE_BENCH_LARGE_CUBE").map(PathBuf::from),
        words,
    };
    for (name, run) in BENCHMARKS {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            run(&setup)?;
        }
    }
    Ok(())
}

/// Threads that compute.
fn runtime(threads: usize) -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?)
}
