//! How much a scan does: what it fetches ahead, what it still does after it was dropped, what
//! planning costs, and how much memory a scan of small variables takes.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float32Array, Float64Array};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use graticule_engine::cache::BlockCache;
use graticule_engine::cube::memory::MemoryArray;
use libtest_mimic::{Failed, Trial};

use crate::synthetic::{rows, text};
use crate::watched::{BATCH, Shape, Work, attached, require, runtime, trial, until};

/// The trial that runs in a process of its own.
const LITTLE_MEMORY: &str = "scan_work::a_limit_over_small_variables_needs_little_memory";

/// Set in the process that measures its own memory.
const MEASURED: &str = "GRATICULE_MEASURED";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("scan_work::a_dropped_stream_stops_fetching", stops_fetching),
        trial("scan_work::a_dropped_query_stops_decoding", stops_decoding),
        trial("scan_work::a_dropped_lookup_stops_its_work", stops_lookups),
        trial("scan_work::the_next_units_are_fetched_ahead", fetches_ahead),
        trial("scan_work::planning_reads_nothing", planning),
        trial("scan_work::one_plan_gives_its_rows_twice", same_plan_twice),
        Trial::test(LITTLE_MEMORY, little_memory).with_ignored_flag(!cfg!(target_os = "linux")),
    ]
}

async fn plan(context: &SessionContext, query: &str) -> Result<Arc<dyn ExecutionPlan>, Failed> {
    Ok(context.sql(query).await?.create_physical_plan().await?)
}

async fn stops_fetching() -> Result<(), Failed> {
    let shape = Shape {
        fetch: Duration::from_millis(5),
        ..Shape::row(2000, BATCH as u64)
    };
    let (group, work) = shape.group();
    let context = attached(&group, None, 2).await;
    let mut stream = context
        .sql("SELECT v FROM cube")
        .await?
        .execute_stream()
        .await?;
    let first = stream.next().await.transpose()?;
    require(first.is_some(), || "no first batch".to_string())?;
    drop(stream);
    let dropped = work.fetches();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let later = work.fetches();
    require(dropped < 50 && later <= dropped + 6, || {
        format!("{dropped} of 2000 chunks fetched at the drop, {later} later")
    })
}

async fn stops_decoding() -> Result<(), Failed> {
    let one_by_one = Shape {
        decode: Duration::from_millis(40),
        ..Shape::row(300, BATCH as u64)
    };
    // Rows in the order of the grid come in slabs, here two of 200 chunks.
    let in_slabs = Shape {
        cells: [4, 200, BATCH as u64],
        chunk: [2, 1, BATCH as u64],
        ..one_by_one
    };
    let partitions = 2;
    for (case, shape, query) in [
        ("one by one", one_by_one, "SELECT sum(v) FROM cube"),
        ("in slabs", in_slabs, "SELECT v FROM cube ORDER BY z, y, x"),
    ] {
        for cached in [false, true] {
            let cache = cached.then(|| Arc::new(BlockCache::new(1 << 30, None)));
            let (group, work) = shape.group();
            let context = attached(&group, cache.as_ref(), partitions).await;
            let frame = context.sql(query).await?;
            let running = tokio::spawn(frame.collect());
            until(4, || work.decodes()).await?;
            running.abort();
            let dropped = work.decodes();
            let later = loop {
                let before = work.decodes();
                tokio::time::sleep(Duration::from_millis(300)).await;
                if work.decodes() == before {
                    break before;
                }
            };
            // A thread that has tasks of its own looks at what comes from outside after every other one, and a busy machine
            // lets it do so late. All that is left of a slab is far more.
            require(later <= dropped + 60, || {
                format!(
                    "{case}, cache {cached}: {dropped} chunks decoded at the drop, {later} later"
                )
            })?;
        }
    }
    Ok(())
}

/// A lookup runs an aggregate first, and then reads the cube: whichever it is at, it stops, also where
/// somebody keeps the plan.
async fn stops_lookups() -> Result<(), Failed> {
    let chunks = 100;
    let shape = Shape {
        decode: Duration::from_millis(20),
        ..Shape::row(chunks, BATCH as u64)
    };
    let sql = "SELECT v - mean FROM cube JOIN (SELECT x, avg(v) AS mean FROM cube GROUP BY x) m USING (x)";
    let partitions = 2;
    for (case, begun) in [
        ("at the aggregate", 4),
        ("at the rows", chunks as usize + 4),
    ] {
        let (group, work) = shape.group();
        let context = attached(&group, None, partitions).await;
        let plan = plan(&context, sql).await?;
        let shown = rows(&context, &format!("EXPLAIN {sql}")).await?.join("\n");
        require(shown.contains("GridLookupExec"), || shown)?;
        let running = tokio::spawn(collect(Arc::clone(&plan), context.task_ctx()));
        until(begun, || work.decodes()).await?;
        running.abort();
        let dropped = work.decodes();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let later = work.decodes();
        // As above: a thread ends what it is at, and one more, before it hears of the end.
        require(later <= dropped + 4 * partitions, || {
            format!("{case}: {dropped} chunks decoded at the drop, {later} later")
        })?;
        // The plan can be executed again.
        let batches = collect(plan, context.task_ctx()).await?;
        let found: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        require(found == chunks as usize * BATCH, || {
            format!("{case}: {found} rows")
        })?;
    }
    Ok(())
}

async fn fetches_ahead() -> Result<(), Failed> {
    for prefetch in [1, 2, 7] {
        let (group, work) = Shape::row(500, BATCH as u64).group();
        let context = attached(&group, None, 1).await;
        let prefetch_setting = format!("SET cube.prefetch = {prefetch}");
        context.sql(&prefetch_setting).await?.collect().await?;
        let plan = plan(&context, "SELECT v FROM cube").await?;
        let mut stream = plan.execute(0, context.task_ctx())?;
        for consumed in 1..=5 {
            let batch = stream.next().await.transpose()?;
            require(batch.is_some(), || "too few batches".to_string())?;
            until(consumed + 1, || work.fetches()).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
            let fetched = work.fetches();
            require(fetched <= consumed + prefetch + 1, || {
                format!("prefetch {prefetch}: {fetched} fetched when {consumed} were consumed")
            })?;
        }
    }
    Ok(())
}

/// The median time of planning on `side`³ chunks, and what planning asked of the array.
async fn planning_time(side: u64) -> Result<(Duration, Arc<Work>), Failed> {
    let shape = Shape {
        cells: [side * 4; 3],
        chunk: [4; 3],
        fetch: Duration::ZERO,
        decode: Duration::ZERO,
    };
    let (group, work) = shape.group();
    let context = attached(&group, None, 4).await;
    let query = "SELECT z, avg(v) FROM cube WHERE z BETWEEN 2 AND 6 AND y > 1 AND v < 5 GROUP BY z";
    let mut times = Vec::new();
    for _ in 0..20 {
        let started = Instant::now();
        plan(&context, query).await?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok((times[10], work))
}

async fn planning() -> Result<(), Failed> {
    let (small, _) = planning_time(2).await?;
    let (large, work) = planning_time(216).await?;
    require(work.fetches() == 0, || {
        format!("planning fetched {} chunks", work.fetches())
    })?;
    require(large < 20 * small, || {
        format!("planning takes {large:?} on 10⁷ chunks and {small:?} on 8")
    })
}

async fn same_plan_twice() -> Result<(), Failed> {
    let (group, _) = Shape::row(40, BATCH as u64).group();
    let context = attached(&group, None, 3).await;
    for query in [
        "SELECT z, x, v FROM cube",
        "SELECT sum(v), min(x), count(*) FROM cube WHERE x < 500 AND v <> 3",
        "SELECT v FROM cube WHERE v > 7 AND x + z > 30",
        "SELECT z, x, v FROM cube ORDER BY z DESC, x LIMIT 1500",
        "SELECT x, v, name FROM cube JOIN (VALUES ('a', 3), ('b', 70)) r(name, low) ON x BETWEEN low AND low + 50",
        "SELECT name, sum(v) FROM (VALUES ('a', 3), ('b', 70)) r(name, low) JOIN cube ON x >= low GROUP BY name",
        "SELECT name, x FROM (VALUES ('a', 3), ('b', -7)) r(name, at) LEFT JOIN cube ON x = at",
    ] {
        let plan = plan(&context, query).await?;
        let mut runs = Vec::new();
        for _ in 0..2 {
            let batches = collect(Arc::clone(&plan), context.task_ctx()).await?;
            let mut rows: Vec<String> = batches.iter().flat_map(text).collect();
            rows.sort_unstable();
            runs.push(rows);
        }
        require(!runs[0].is_empty() && runs[0] == runs[1], || {
            format!("{query}: {} rows, then {}", runs[0].len(), runs[1].len())
        })?;
    }
    Ok(())
}

/// Runs itself in a process of its own, whose memory is measured and limited.
fn little_memory() -> Result<(), Failed> {
    if std::env::var_os(MEASURED).is_some() {
        return runtime().block_on(lower_rank_limit());
    }
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 8000000 && exec \"$@\"", "sh"])
        .arg(std::env::current_exe()?)
        .args(["--exact", LITTLE_MEMORY])
        .env(MEASURED, "1")
        .output()?;
    require(output.status.success(), || {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    })
}

async fn lower_rank_limit() -> Result<(), Failed> {
    let shape = Shape {
        cells: [100_000, 1000, 1000],
        chunk: [1, 1000, 1000],
        fetch: Duration::ZERO,
        decode: Duration::ZERO,
    };
    let (mut group, work) = shape.group();
    let series: ArrayRef = Arc::new(Float64Array::from_iter_values((0..100_000).map(f64::from)));
    let mask: ArrayRef = Arc::new(Float32Array::from(vec![1.0; 1_000_000]));
    group
        .arrays
        .push(MemoryArray::new("s", &["z"], &[100_000], series).shared());
    group
        .arrays
        .push(MemoryArray::new("m", &["y", "x"], &[1000, 1000], mask).shared());
    let context = attached(&group, None, 2).await;
    let before = memory("VmRSS:")?;
    let found = rows(&context, "SELECT s, m FROM cube WHERE y + x < 3 LIMIT 1").await?;
    let grown = memory("VmHWM:")?.saturating_sub(before);
    require(found.len() == 1 && work.fetches() == 0, || {
        format!("{found:?} after {} fetches of v", work.fetches())
    })?;
    require(grown < 100_000, || {
        format!("the scan took {grown} kB of memory")
    })
}

/// A figure of this process's memory, in kB.
fn memory(name: &str) -> Result<u64, Failed> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name));
    let figure = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(figure.unwrap_or_default().parse()?)
}
