//! Aggregates over a cube give what they give over a plain copy of its rows, whatever the operator that
//! computes them: any aggregate, type, mask, chunking, group key, predicate and number of partitions.
//!
//! ```text
//!  Layout ─▶ cubes::group ─▶ CubeTable ─▶ session with grid operators ──┐
//!                              │   └────▶ the same, operators off ──────┼─▶ differences()
//!                              └─ all rows ─▶ MemTable, one partition ──┘
//! ```
//! The same seed gives the same cubes and statements. `GRATICULE_SEED` names another one,
//! `GRATICULE_CASES` how many cubes to try.

mod answers;
mod cubes;
mod joins;
mod statements;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use datafusion::datasource::MemTable;
use graticule_engine::cache::BlockCache;
use graticule_engine::options::CubeOptions;
use graticule_engine::scan::CubeTable;
use libtest_mimic::Trial;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use self::answers::{answer, difference};
use self::cubes::{group, layouts, repeats};
use self::statements::{Statement, statements};
use crate::pruning::{Calendar, Layout};
use crate::synthetic::{cube, session};

/// How a session cuts its work.
#[derive(Debug, Clone, Copy)]
struct Execution {
    partitions: usize,
    batch: usize,
}

fn executions() -> impl Strategy<Value = Execution> {
    let batch = prop_oneof![Just(5usize), Just(64), Just(8192)];
    (1usize..=4, batch).prop_map(|(partitions, batch)| Execution { partitions, batch })
}

async fn compare(
    layout: &Layout,
    seed: u64,
    statements: &[Statement],
    execution: Execution,
) -> Result<(), String> {
    let cube = cube(&group(layout, seed)).await;
    let table = Arc::new(CubeTable::new(
        cube,
        Arc::new(BlockCache::new(1 << 20, None)),
    ));
    let Execution { partitions, batch } = execution;
    let grid = session(CubeOptions::default(), partitions, batch);
    let rows = session(CubeOptions::default(), partitions, batch);
    let copied = session(CubeOptions::default(), 1, 8192);
    grid.register_table("cube", table.clone()).unwrap();
    rows.register_table("cube", table).unwrap();
    let all = rows.table("cube").await.unwrap().collect().await;
    let all = all.map_err(|error| format!("all rows: {error}"))?;
    let copy = MemTable::try_new(all[0].schema(), vec![all]).unwrap();
    copied.register_table("cube", Arc::new(copy)).unwrap();
    let mut paths = vec![("grid", &grid)];
    if rows.sql("SET cube.grid_aggregate = false").await.is_ok() {
        paths.push(("rows", &rows));
    }
    for statement in statements {
        let sql = &statement.sql;
        let expected = answer(&copied, statement).await;
        let expected = expected.map_err(|error| format!("{sql}: on the copy: {error}"))?;
        for (name, context) in &paths {
            let found = answer(context, statement).await;
            let found = found.map_err(|error| format!("{sql}: {name}: {error}"))?;
            if let Some(difference) = difference(&expected, &found, statement) {
                return Err(format!("{sql}: {name}: {difference}"));
            }
        }
    }
    Ok(())
}

/// A number from the environment, for people who look for more.
fn number(variable: &str, otherwise: u64) -> u64 {
    let text = std::env::var(variable).unwrap_or_default();
    text.parse().unwrap_or(otherwise)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}

/// A runner of so many cases, which the seed and the calendar determine.
fn runner(calendar: Calendar, seed: u64, cases: u64) -> TestRunner {
    let mut bytes = [calendar as u8; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: number("GRATICULE_CASES", cases) as u32,
        failure_persistence: None,
        max_shrink_iters: 300,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(config, rng)
}

fn aggregates_agree(calendar: Calendar, cases: u64) -> Result<(), libtest_mimic::Failed> {
    let runtime = runtime()?;
    let seed = number("GRATICULE_SEED", 1);
    let mut runner = runner(calendar, seed, cases);
    let cases = layouts(calendar).prop_flat_map(move |layout| {
        let statements = statements(calendar, repeats(&layout));
        let statements = prop::collection::vec(statements, 8);
        (Just(layout), any::<u32>(), statements, executions())
    });
    runner
        .run(&cases, |(layout, seed, statements, execution)| {
            runtime
                .block_on(compare(&layout, seed.into(), &statements, execution))
                .map_err(TestCaseError::fail)
        })
        .map_err(|failure| format!("GRATICULE_SEED={seed}: {failure}").into())
}

fn joins_agree(cases: u64) -> Result<(), libtest_mimic::Failed> {
    let runtime = runtime()?;
    let seed = number("GRATICULE_SEED", 1);
    let mut runner = runner(Calendar::Standard, seed, cases);
    let both = prop::array::uniform2(layouts(Calendar::Standard));
    let statements = prop::collection::vec(joins::statements(), 8);
    let cases = (both, any::<u32>(), statements, executions());
    let (asked, zipped) = (AtomicUsize::new(0), AtomicUsize::new(0));
    runner
        .run(&cases, |(layouts, seed, statements, execution)| {
            let seed = u64::from(seed);
            let compared = joins::compare(&layouts, seed, &statements, execution);
            let found = runtime.block_on(compared).map_err(TestCaseError::fail)?;
            asked.fetch_add(statements.len(), Relaxed);
            zipped.fetch_add(found, Relaxed);
            Ok(())
        })
        .map_err(|failure| format!("GRATICULE_SEED={seed}: {failure}"))?;
    // Most others have coordinates that occur twice, or join on values.
    let (asked, zipped) = (asked.into_inner(), zipped.into_inner());
    match zipped * 3 > asked {
        true => Ok(()),
        false => Err(format!("only {zipped} of {asked} joins were read as one scan").into()),
    }
}

fn lookups_run_twice() -> Result<(), libtest_mimic::Failed> {
    let mut runner = runner(Calendar::Standard, 1, 5);
    let runtime = runtime()?;
    let run = |layout: Layout| runtime.block_on(joins::lookups_run_twice(&layout));
    let outcome = runner.run(&crate::pruning::layouts(Calendar::Standard), |layout| {
        run(layout).map_err(TestCaseError::fail)
    });
    outcome.map_err(|failure| failure.to_string().into())
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("dense::differences_are_found", || {
            answers::differences_are_found();
            Ok(())
        }),
        Trial::test("dense::aggregates_agree_with_a_copy_of_the_rows", || {
            aggregates_agree(Calendar::Standard, 45)
        }),
        Trial::test("dense::aggregates_agree_in_a_model_calendar", || {
            aggregates_agree(Calendar::Days360, 15)
        }),
        Trial::test("dense::joins_agree_with_a_copy_of_the_rows", || {
            joins_agree(16)
        }),
        Trial::test("dense::lookups_run_twice", lookups_run_twice),
    ]
}
