//! Aggregates, window functions and joins of cubes give what they give over a plain copy of the rows,
//! whatever the operator that computes them: any function, type, mask, chunking, key, frame, predicate
//! and number of partitions. So do joins with regions, with and without an aggregate above them.
//!
//! ```text
//!  Layout ─▶ cubes::group ─▶ CubeTable ─▶ session with grid operators ──┐
//!                              │   └────▶ the same, operators off ──────┼─▶ differences()
//!                              └─ all rows ─▶ MemTable, one partition ──┘
//! ```
//! The same seed gives the same cubes and statements. `GRATICULE_SEED` names another one,
//! `GRATICULE_CASES` how many cubes to try.

mod answers;
pub(crate) mod cubes;
mod joins;
mod memory;
mod regions;
mod statements;
mod windows;

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
use self::regions::Region;
use self::statements::{Source, Statement, statements};
use crate::pruning::{self, Calendar, Layout};
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

/// Answers that were asked for, and those among them that a fault of geoarrow took away.
#[derive(Debug, Default)]
struct Tally {
    asked: AtomicUsize,
    refused: AtomicUsize,
}

/// One in so many answers may be refused, of statements with regions.
const ANSWERS_PER_REFUSAL: usize = 20;

impl Tally {
    /// Fails when so many answers were passed over that little was tested.
    fn check(self, may_refuse: bool) -> Result<(), String> {
        let (asked, refused) = (self.asked.into_inner(), self.refused.into_inner());
        let is_little = match may_refuse {
            true => refused * ANSWERS_PER_REFUSAL <= asked,
            false => refused == 0,
        };
        match asked > 0 && is_little {
            true => Ok(()),
            false => Err(format!("{refused} of {asked} answers were refused")),
        }
    }
}

/// Compares what a copy of the rows, the grid operators and the row path answer, as many as do.
async fn compare(
    layout: &Layout,
    seed: u64,
    regions: &[Region],
    statements: &[Statement],
    execution: Execution,
    tally: &Tally,
) -> Result<(), String> {
    let cube = cube(&group(layout, seed)).await;
    let table = Arc::new(CubeTable::new(
        cube,
        Arc::new(BlockCache::new(1 << 20, None)),
    ));
    let Execution { partitions, batch } = execution;
    let grid = session(CubeOptions::default(), partitions, batch);
    let rows = session(CubeOptions::default(), partitions, batch);
    let joined = session(CubeOptions::default(), partitions, batch);
    let copied = session(CubeOptions::default(), 1, 8192);
    for context in [&grid, &joined, &rows] {
        context.register_table("cube", table.clone()).unwrap();
    }
    for context in [&grid, &joined, &rows, &copied] {
        let table = Arc::new(regions::table(regions));
        context.register_table("regions", table).unwrap();
    }
    let all = rows.table("cube").await.unwrap().collect().await;
    let all = all.map_err(|error| format!("all rows: {error}"))?;
    let copy = MemTable::try_new(all[0].schema(), vec![all]).unwrap();
    copied.register_table("cube", Arc::new(copy)).unwrap();
    for (context, options) in [
        (&joined, &["grid_aggregate"][..]),
        (&rows, &["grid_aggregate", "region_join", "grid_window"]),
    ] {
        for option in options {
            let off = context.sql(&format!("SET cube.{option} = false")).await;
            off.map_err(|error| error.to_string())?;
        }
    }
    let mut paths = vec![("copy", &copied), ("grid", &grid), ("rows", &rows)];
    if statements
        .iter()
        .any(|statement| statement.sql.contains("regions"))
    {
        paths.push(("joined rows", &joined));
    }
    for statement in statements {
        let sql = &statement.sql;
        let mut expected = None;
        for (name, context) in &paths {
            tally.asked.fetch_add(1, Relaxed);
            let found = match answer(context, statement).await {
                Err(error) if *name != "grid" && is_geoarrow_slice(&error) => {
                    tally.refused.fetch_add(1, Relaxed);
                    continue;
                }
                found => found.map_err(|error| format!("{sql}: {name}: {error}"))?,
            };
            let Some(expected) = &expected else {
                expected = Some(found);
                continue;
            };
            if let Some(difference) = difference(expected, &found, statement) {
                return Err(format!("{sql}: {name}: {difference}"));
            }
        }
    }
    Ok(())
}

/// Is it what becomes of a fault of geoarrow 0.9.0, which takes slices of polygon arrays for invalid
/// ("largest ring offset must match coords length")? Rows meet it where batches are cut; grids have none.
fn is_geoarrow_slice(error: &impl std::fmt::Display) -> bool {
    error.to_string().contains("cannot take these arguments")
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

/// A runner of so many cases, which the seed and what is tested determine.
fn runner(subject: Subject, calendar: Calendar, seed: u64, cases: u64) -> TestRunner {
    let mut bytes = [calendar as u8 + 16 * subject as u8; 32];
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

/// What the statements of a test are about.
#[derive(Debug, Clone, Copy)]
enum Subject {
    Aggregates,
    AggregatesOfRegions,
    RowsOfRegions,
    Joins,
    Windows,
}

impl Subject {
    /// Do polygons occur in the statements?
    fn has_regions(self) -> bool {
        matches!(self, Self::AggregatesOfRegions | Self::RowsOfRegions)
    }

    fn layouts(self, calendar: Calendar) -> BoxedStrategy<Layout> {
        match self {
            Self::Windows => pruning::layouts(calendar).boxed(),
            _ => layouts(calendar).boxed(),
        }
    }

    /// Statements about one cube; those about several have tests of their own.
    fn statements(self, calendar: Calendar, repeats: bool) -> BoxedStrategy<Statement> {
        match self {
            Self::Aggregates | Self::Joins => statements(Source::cube(), calendar, repeats).boxed(),
            Self::AggregatesOfRegions => regions::source()
                .prop_flat_map(move |source| statements(source, calendar, true))
                .boxed(),
            Self::RowsOfRegions => regions::rows(calendar).boxed(),
            Self::Windows => windows::statements(calendar).boxed(),
        }
    }
}

fn answers_agree(
    subject: Subject,
    calendar: Calendar,
    cases: u64,
) -> Result<(), libtest_mimic::Failed> {
    let runtime = runtime()?;
    let seed = number("GRATICULE_SEED", 1);
    let mut runner = runner(subject, calendar, seed, cases);
    let cases = subject.layouts(calendar).prop_flat_map(move |layout| {
        let statements = subject.statements(calendar, repeats(&layout));
        let statements = prop::collection::vec(statements, 8);
        let regions = regions::regions();
        (
            Just(layout),
            any::<u32>(),
            regions,
            statements,
            executions(),
        )
    });
    let tally = Tally::default();
    runner
        .run(&cases, |(layout, seed, regions, statements, execution)| {
            let compared = compare(
                &layout,
                seed.into(),
                &regions,
                &statements,
                execution,
                &tally,
            );
            runtime.block_on(compared).map_err(TestCaseError::fail)
        })
        .map_err(|failure| failure.to_string())
        .and_then(|()| tally.check(subject.has_regions()))
        .map_err(|failure| format!("GRATICULE_SEED={seed}: {failure}").into())
}

fn joins_agree(cases: u64) -> Result<(), libtest_mimic::Failed> {
    let runtime = runtime()?;
    let seed = number("GRATICULE_SEED", 1);
    let mut runner = runner(Subject::Joins, Calendar::Standard, seed, cases);
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
    let mut runner = runner(Subject::Joins, Calendar::Standard, 1, 5);
    let runtime = runtime()?;
    let run = |layout: Layout| runtime.block_on(joins::lookups_run_twice(&layout));
    let outcome = runner.run(&crate::pruning::layouts(Calendar::Standard), |layout| {
        run(layout).map_err(TestCaseError::fail)
    });
    outcome.map_err(|failure| failure.to_string().into())
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("dense::differences_are_found", || {
            answers::differences_are_found();
            Ok(())
        }),
        Trial::test("dense::aggregates_agree_with_a_copy_of_the_rows", || {
            answers_agree(Subject::Aggregates, Calendar::Standard, 45)
        }),
        Trial::test("dense::aggregates_agree_in_a_model_calendar", || {
            answers_agree(Subject::Aggregates, Calendar::Days360, 15)
        }),
        Trial::test("dense::aggregates_of_regions_agree", || {
            answers_agree(Subject::AggregatesOfRegions, Calendar::Standard, 20)
        }),
        Trial::test("dense::joins_with_regions_agree", || {
            answers_agree(Subject::RowsOfRegions, Calendar::Standard, 20)
        }),
        Trial::test("dense::joins_agree_with_a_copy_of_the_rows", || {
            joins_agree(16)
        }),
        Trial::test("dense::windows_agree_with_a_copy_of_the_rows", || {
            answers_agree(Subject::Windows, Calendar::Standard, 16)
        }),
        Trial::test("dense::windows_agree_in_a_model_calendar", || {
            answers_agree(Subject::Windows, Calendar::Days360, 6)
        }),
        Trial::test("dense::lookups_run_twice", lookups_run_twice),
    ];
    trials.extend(memory::trials());
    trials
}
