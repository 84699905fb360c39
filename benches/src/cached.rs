//! Decoded blocks from the cache: what is left is memory, so it is compared with a STREAM triad.

use std::time::Instant;

use datafusion::error::Result;
use futures::StreamExt;
use graticule_engine::Session;

use crate::questions::STATISTICS;
use crate::{Setup, product, runtime};

const RUNS: usize = 7;

/// Enough for a full scan to be let into the cache, of which a query may take a quarter.
const CACHE: u64 = 8 << 30;

/// Doubles in each array of the triad, per thread: far larger than any cache.
const DOUBLES: usize = 8 << 20;

/// Prints the rate of the statistics over decoded blocks, and its share of the triad's.
pub(crate) fn run(setup: &Setup) -> Result<()> {
    let Some(path) = &setup.cube else {
        println!("cached: set GRATICULE_BENCH_CUBE to a Zarr cube (see benches/README.md)");
        return Ok(());
    };
    let threads = setup.threads;
    let mut arrays: Vec<_> = (0..threads).map(|_| Arrays::new()).collect();
    runtime(threads)?.block_on(async {
        let session = product::session(path, threads, Some(CACHE)).await?;
        let bytes = decoded_bytes(&session).await?;
        let (mut triad_rate, mut rate) = (0f64, 0f64);
        for _ in 0..RUNS {
            triad_rate = triad_rate.max(triad(&mut arrays));
            rate = rate.max(bytes / product::drain(&session, STATISTICS.sql).await?);
        }
        println!(
            "cached: statistics over decoded blocks, {threads} threads, best of {RUNS}\n  \
             {:.1} GB/s, {:.0} % of the STREAM triad's {:.1} GB/s; target 10 GB/s on two cores",
            rate / 1e9,
            100.0 * rate / triad_rate,
            triad_rate / 1e9
        );
        Ok(())
    })
}

/// Fills the cache; bytes of the values that the statistics go over.
async fn decoded_bytes(session: &Session) -> Result<f64> {
    let mut query = session.run(STATISTICS.sql).await?;
    while let Some(batch) = query.stream.next().await {
        std::hint::black_box(batch?);
    }
    Ok(query.progress.snapshot().bytes_decoded as f64)
}

/// The arrays that one thread goes over.
struct Arrays {
    a: Vec<f64>,
    b: Vec<f64>,
    c: Vec<f64>,
}

impl Arrays {
    fn new() -> Self {
        Self {
            a: vec![0.0; DOUBLES],
            b: vec![1.0; DOUBLES],
            c: vec![2.0; DOUBLES],
        }
    }
}

/// `a = b + 3 × c` on every thread at once; bytes a second.
fn triad(arrays: &mut [Arrays]) -> f64 {
    let bytes = (arrays.len() * DOUBLES * 3 * size_of::<f64>()) as f64;
    let start = Instant::now();
    std::thread::scope(|scope| {
        for Arrays { a, b, c } in arrays {
            scope.spawn(move || {
                for ((a, b), c) in a.iter_mut().zip(&*b).zip(&*c) {
                    *a = b + 3.0 * c;
                }
                std::hint::black_box(a);
            });
        }
    });
    bytes / start.elapsed().as_secs_f64()
}
