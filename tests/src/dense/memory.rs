//! Window functions and aggregates in little memory: tiles are cut until they fit, and what never does is
//! an error that says so.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionContext;
use graticule_engine::cache::BlockCache;
use graticule_engine::cube::memory::MemoryArray;
use graticule_engine::options::CubeOptions;
use graticule_engine::scan::CubeTable;
use graticule_engine::source::{Attributes, Group};
use libtest_mimic::{Failed, Trial};

use crate::synthetic::{cube, rows, session};

pub(super) fn trials() -> Vec<Trial> {
    CASES
        .iter()
        .map(|case| Trial::test(format!("dense::memory::{}", case.name), || run(case)))
        .collect()
}

struct Case {
    name: &'static str,
    query: &'static str,
    shape: [u64; 3],
    chunks: [u64; 3],
    /// What the plan for little memory says.
    explained: &'static str,
    /// Bytes of the pool.
    memory: usize,
    /// What the error says; `None` where there is an answer.
    refused: Option<&'static str>,
}

const CASES: &[Case] = &[
    Case {
        name: "a_tile_of_four_times_the_memory",
        query: WINDOW,
        shape: [100, 20, 40],
        chunks: [50, 20, 40],
        explained: "GridWindowExec",
        memory: 160_000,
        refused: None,
    },
    Case {
        name: "chunks_of_one_step",
        query: WINDOW,
        shape: [60, 20, 30],
        chunks: [1, 20, 30],
        explained: "GridWindowExec",
        memory: 100_000,
        refused: None,
    },
    Case {
        name: "a_series_that_does_not_fit",
        query: WINDOW,
        shape: [4000, 1, 2],
        chunks: [500, 1, 2],
        explained: "GridWindowExec",
        memory: 20_000,
        refused: Some("a series of 4000 cells takes"),
    },
    Case {
        name: "groups_of_twice_the_share",
        query: CLIMATOLOGY,
        shape: [40, 60, 100],
        chunks: [10, 60, 100],
        explained: "passes=",
        memory: 1_200_000,
        refused: None,
    },
    Case {
        name: "groups_of_regions_of_twice_the_memory",
        query: REGIONS,
        shape: [4000, 6, 1],
        chunks: [4000, 6, 1],
        // How many parts is known when the regions are.
        explained: "mode=regions",
        memory: 200_000,
        refused: None,
    },
    Case {
        name: "values_of_three_times_the_share",
        query: MEDIANS,
        shape: [40, 60, 100],
        chunks: [10, 60, 100],
        explained: "passes=",
        memory: 2_400_000,
        refused: None,
    },
    Case {
        name: "a_group_that_does_not_fit",
        query: "SELECT median(v), percentile_cont(v, 0.9) FROM cube",
        shape: [40, 60, 100],
        chunks: [10, 60, 100],
        explained: "mode=shared",
        memory: 1_000_000,
        refused: Some("medians and percentiles keep all values of a group"),
    },
];

const CLIMATOLOGY: &str = "SELECT count(*), sum(CAST(mean * 1000 AS BIGINT)), sum(n) FROM (SELECT time % 4 AS season, lat, lon, avg(v) AS mean, count(v) AS n FROM cube GROUP BY 1, 2, 3)";

const REGIONS: &str = "SELECT count(*), sum(CAST(mean * 1000 AS BIGINT)), sum(n) FROM (SELECT r.name, c.time, avg(c.v) AS mean, count(c.v) AS n FROM cube c JOIN (VALUES ('south', 0, 3), ('north', 2, 9)) AS r(name, low, high) ON c.lat BETWEEN r.low AND r.high GROUP BY 1, 2)";

const MEDIANS: &str = "SELECT count(*), sum(m), sum(CAST(p * 1000 AS BIGINT)) FROM (SELECT lat, lon, median(v) AS m, percentile_cont(v, 0.9) AS p FROM cube GROUP BY lat, lon)";

const WINDOW: &str = "SELECT count(total), sum(total), sum(number), count(*) FROM (SELECT sum(v) OVER (PARTITION BY lat, lon ORDER BY time ROWS 2 PRECEDING) AS total, row_number() OVER (PARTITION BY lat, lon ORDER BY time) AS number FROM cube)";

fn group(case: &Case) -> Group {
    let cells = case.shape.iter().product::<u64>();
    // Eighths, so that sums are exact in any order.
    let values = (0..cells).map(|cell| (cell * 37 % 1001) as f64 / 8.0);
    let values: ArrayRef = Arc::new(Float64Array::from_iter_values(values));
    let names = ["time", "lat", "lon"];
    let axes = std::iter::zip(names, case.shape).map(|(name, length)| {
        let coordinates = Int64Array::from_iter_values(0..length as i64);
        MemoryArray::new(name, &[name], &[length], Arc::new(coordinates)).shared()
    });
    let mut arrays: Vec<_> = axes.collect();
    let v = MemoryArray::new("v", &names, &case.shape, values).with_chunks(&case.chunks);
    arrays.push(v.shared());
    Group {
        arrays,
        path: String::new(),
        attributes: Attributes::new(),
        url: format!("memory:{}", case.name),
        format: "memory".to_string(),
        version: String::new(),
    }
}

fn limited(context: &SessionContext, bytes: usize) -> SessionContext {
    let three = std::num::NonZeroUsize::MIN.saturating_add(2);
    let pool = TrackConsumersPool::new(FairSpillPool::new(bytes), three);
    let pool: Arc<dyn MemoryPool> = Arc::new(pool);
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc();
    let state = SessionStateBuilder::new_from_existing(context.state());
    SessionContext::new_with_state(state.with_runtime_env(runtime.unwrap()).build())
}

fn run(case: &Case) -> Result<(), Failed> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let cube = cube(&group(case)).await;
        let plenty = session(CubeOptions::default(), 1, 1024);
        let little = limited(&plenty, case.memory);
        let pool = Arc::clone(&little.runtime_env().memory_pool);
        let blocks = Arc::new(BlockCache::new(0, Some(&pool)));
        let table = Arc::new(CubeTable::new(cube, blocks));
        let sorted = session(CubeOptions::default(), 1, 1024);
        // The session with little memory has the same catalogue as the one with plenty.
        for context in [&plenty, &sorted] {
            context.register_table("cube", table.clone())?;
        }
        let query = case.query;
        let plan = rows(&little, &format!("EXPLAIN {query}")).await?;
        let says_so = plan.iter().any(|line| line.contains(case.explained));
        assert!(says_so, "{plan:?}");
        let answer = rows(&little, query).await;
        if let Some(refused) = case.refused {
            let error = answer.err().unwrap_or_default();
            return match error.contains(refused) {
                true => Ok(()),
                false => Err(format!("not refused because of memory: {error}").into()),
            };
        }
        for option in ["grid_window", "grid_aggregate"] {
            let off = format!("SET cube.{option} = false");
            sorted.sql(&off).await?;
        }
        assert_eq!(answer?, rows(&sorted, query).await?);
        assert_eq!(rows(&plenty, query).await?, rows(&sorted, query).await?);
        Ok(())
    })
}
