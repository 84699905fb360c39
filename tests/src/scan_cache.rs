//! What scans leave in the cache of decoded chunks and find there: a chunk is decoded once however
//! many queries want it, and the memory pool knows of every byte that is kept.

use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use graticule_engine::cache::BlockCache;
use libtest_mimic::{Failed, Trial};

use crate::synthetic::rows;
use crate::watched::{BATCH, Shape, attached, require, trial, until};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "scan_cache::queries_at_once_decode_a_chunk_once",
            decodes_once,
        ),
        trial(
            "scan_cache::a_dropped_query_leaves_its_chunks_to_others",
            dropped_while_others_wait,
        ),
        trial(
            "scan_cache::the_second_query_finds_what_the_first_left",
            second_query,
        ),
        trial("scan_cache::evicted_memory_goes_back_to_the_pool", eviction),
        trial("scan_cache::a_full_pool_keeps_blocks_out", full_pool),
    ]
}

async fn decodes_once() -> Result<(), Failed> {
    let shape = Shape {
        fetch: Duration::from_millis(2),
        decode: Duration::from_millis(2),
        ..Shape::row(25, BATCH as u64)
    };
    let (group, work) = shape.group();
    let cache = Arc::new(BlockCache::new(10 << 20, None));
    let context = attached(&group, Some(&cache), 2).await;
    let query = "SELECT count(*), sum(v), min(z) FROM cube WHERE v >= 0";
    let queries: Vec<_> = (0..16)
        .map(|_| {
            let context = context.clone();
            tokio::spawn(async move { rows(&context, query).await })
        })
        .collect();
    for handle in queries {
        let found = handle.await??;
        require(found == ["25000|300000.0|0.0"], || format!("{found:?}"))?;
    }
    require(work.decodes() == 25 && work.decoded_chunks() == 25, || {
        format!("{} decodes of 25 chunks", work.decodes())
    })
}

async fn dropped_while_others_wait() -> Result<(), Failed> {
    let shape = Shape {
        decode: Duration::from_millis(3),
        ..Shape::row(25, BATCH as u64)
    };
    let (group, work) = shape.group();
    let cache = Arc::new(BlockCache::new(10 << 20, None));
    let context = attached(&group, Some(&cache), 1).await;
    let query = "SELECT count(*), sum(v) FROM cube WHERE v >= 0";
    let start = || {
        let context = context.clone();
        tokio::spawn(async move { rows(&context, query).await })
    };
    let dropped: Vec<_> = (0..4).map(|_| start()).collect();
    let kept: Vec<_> = (0..4).map(|_| start()).collect();
    until(3, || work.decodes()).await?;
    for handle in &dropped {
        handle.abort();
    }
    for handle in kept {
        let found = handle.await??;
        require(found == ["25000|300000.0"], || format!("{found:?}"))?;
    }
    require(work.decodes() <= 25 + dropped.len(), || {
        format!("{} decodes of 25 chunks", work.decodes())
    })
}

/// Runs `query` twice on 20 chunks of 4 kB; returns the chunks that each run fetched.
async fn run_twice(cache: &Arc<BlockCache>, query: &str) -> Result<[usize; 2], Failed> {
    let (group, work) = Shape::row(20, BATCH as u64).group();
    let context = attached(&group, Some(cache), 2).await;
    let first = rows(&context, query).await?;
    let after_first = work.fetches();
    let second = rows(&context, query).await?;
    require(first == second, || format!("{first:?} and then {second:?}"))?;
    Ok([after_first, work.fetches() - after_first])
}

async fn second_query() -> Result<(), Failed> {
    let everything = "SELECT count(*), sum(v) FROM cube WHERE v > 3";
    let cases = [
        ("all fits", 1 << 20, everything, [20, 0]),
        (
            "more than a quarter of the cache",
            200_000,
            everything,
            [20, 20],
        ),
        (
            "a part that is small enough",
            200_000,
            "SELECT sum(v) FROM cube WHERE z < 5",
            [5, 0],
        ),
        (
            "another cut of the same chunks",
            1 << 20,
            "SELECT v FROM cube WHERE x = 7",
            [20, 0],
        ),
    ];
    for (case, capacity, query, expected) in cases {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1 << 30));
        let cache = Arc::new(BlockCache::new(capacity, Some(&pool)));
        let fetched = run_twice(&cache, query).await?;
        require(fetched == expected, || {
            format!("{case}: {fetched:?} chunks fetched, not {expected:?}")
        })?;
        let is_kept = expected[1] == 0;
        require((pool.reserved() > 0) == is_kept, || {
            format!("{case}: {} bytes reserved", pool.reserved())
        })?;
    }
    Ok(())
}

async fn eviction() -> Result<(), Failed> {
    let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1 << 30));
    let capacity = 60_000;
    let cache = Arc::new(BlockCache::new(capacity, Some(&pool)));
    let (group, work) = Shape::row(200, BATCH as u64).group();
    let context = attached(&group, Some(&cache), 1).await;
    for start in (0..200).step_by(2) {
        let query = format!(
            "SELECT v FROM cube WHERE z >= {start} AND z < {}",
            start + 2
        );
        rows(&context, &query).await?;
        require(pool.reserved() as u64 <= capacity, || {
            format!("{} bytes reserved for {capacity}", pool.reserved())
        })?;
    }
    require(work.decodes() == 200, || {
        format!("{} decodes of 200 chunks", work.decodes())
    })?;
    require(pool.reserved() as u64 > capacity / 2, || {
        format!("only {} bytes of {capacity} are used", pool.reserved())
    })?;
    drop(context);
    drop(cache);
    require(pool.reserved() == 0, || {
        format!("{} bytes are still reserved", pool.reserved())
    })
}

async fn full_pool() -> Result<(), Failed> {
    let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(10_000));
    let cache = Arc::new(BlockCache::new(1 << 20, Some(&pool)));
    let fetched = run_twice(&cache, "SELECT sum(v) FROM cube").await?;
    require(fetched[0] == 20 && (17..20).contains(&fetched[1]), || {
        format!("{fetched:?} chunks fetched")
    })
}
