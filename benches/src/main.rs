//! Rooflines and comparisons; `benches/README.md` says how to run and read them.
//!
//! Every benchmark prints ratios of things measured in the same run: absolute times mean nothing on
//! a shared machine.

// A floor is measured with bare tasks, which no query cancels.
#![allow(clippy::disallowed_methods)]

use std::sync::Arc;

use datafusion::error::Result;

mod cubes;
mod planning;
mod remote;
mod roofline;
mod slow_server;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    runtime.block_on(async {
        if runs("planning") {
            planning::run().await?;
        }
        if runs("remote") {
            remote::run(threads).await?;
        }
        if runs("scan") {
            match std::env::var_os("GRATICULE_BENCH_CUBE") {
                Some(path) => roofline::run(Arc::from(path.to_string_lossy()), threads).await?,
                None => println!(
                    "scan: set GRATICULE_BENCH_CUBE to a Zarr cube (see benches/README.md)"
                ),
            }
        }
        Ok(())
    })
}
