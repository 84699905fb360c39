//! Joins of cubes, and of a cube with an aggregate, give what they give on plain copies of their rows.
//!
//! ```text
//!  Layout a, Layout b ─▶ cubes a, b, m (b's mask on lat, lon) ──▶ session, joins as one scan ──┐
//!                          │                              └─────▶ the same, cube.grid_zip off ─┼─▶ difference()
//!                          └─ all rows ─▶ MemTables, one partition ────────────────────────────┘
//! ```
//! Coordinates of the cubes start at the same place and run on for different lengths, in different
//! orders and chunks, so that axes are equal, parts of each other, reversed, shuffled or repeated.

use std::sync::Arc;

use datafusion::datasource::MemTable;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionContext;
use graticule_engine::cache::BlockCache;
use graticule_engine::options::CubeOptions;
use graticule_engine::scan::CubeTable;
use graticule_engine::source::Group;
use proptest::prelude::*;
use proptest::sample::select;

use super::Execution;
use super::answers::{answer, difference};
use super::cubes::group;
use super::statements::{Statement, Tolerance};
use crate::pruning::{Calendar, Layout, conditions};
use crate::synthetic::{cube, rows, session, text};

/// What is selected of a join of `a` with `b`: keys, then values.
const OUTPUTS: &[(&str, usize, &[Tolerance])] = &[
    (
        "a.time, a.lat, a.lon, b.time AS t, b.lat AS y, b.lon AS x, a.v, b.v AS bv, b.w, b.packed, \
         b.i16, b.flag, b.zonal, b.series, b.mask, b.height, b.turned, b.one, b.total",
        19,
        &[],
    ),
    ("a.time, a.lat, a.lon, a.v - b.w AS d, a.one", 5, &[]),
    ("b.time, b.lat, b.lon, b.counts", 4, &[]),
    (
        "count(*), count(b.v), sum(b.counts), count(a.v), max(b.lat), sum(b.one), sum(b.total)",
        0,
        &[Tolerance::Exact; 7],
    ),
    (
        "a.lat, count(*), count(b.w), sum(a.counts - b.counts), avg(a.v * b.w), max(b.u16) GROUP BY a.lat",
        1,
        &[
            Tolerance::Exact,
            Tolerance::Exact,
            Tolerance::Exact,
            Tolerance::Absolute(1e-6),
            Tolerance::Exact,
        ],
    ),
    (
        "date_part('month', a.time) AS month, a.lon, count(*), sum(b.i16), min(b.mask) \
         GROUP BY 1, 2",
        2,
        &[Tolerance::Exact; 3],
    ),
    (
        "b.lat, b.lon, count(*), sum(a.u8), min(b.flag) GROUP BY b.lat, b.lon",
        2,
        &[Tolerance::Exact; 3],
    ),
];

/// The same of a join of `a` with what an aggregate of `b` gives.
const OUTPUTS_OF_LOOKUPS: &[(&str, usize, &[Tolerance])] = &[
    ("a.time, a.lat, a.lon, a.v, b.n, b.top, b.total", 7, &[]),
    (
        "count(*), count(b.top), sum(b.n), max(a.v - b.top)",
        0,
        &[Tolerance::Exact; 4],
    ),
    (
        "date_part('month', a.time) AS month, count(*), sum(b.n), avg((a.v - b.top) * (a.v - b.top)) \
         GROUP BY 1",
        1,
        &[
            Tolerance::Exact,
            Tolerance::Exact,
            Tolerance::Absolute(1e-6),
        ],
    ),
    (
        "a.lat, a.lon, count(*), sum(b.total), max(a.i64 - b.n) GROUP BY a.lat, a.lon",
        2,
        &[Tolerance::Exact; 3],
    ),
];

/// The same of a join of `a` with a mask.
const OUTPUTS_OF_MASKS: &[(&str, usize, &[Tolerance])] = &[
    (
        "a.time, a.lat, a.lon, m.lat AS y, m.lon AS x, m.mask, a.v",
        7,
        &[],
    ),
    (
        "a.lat, count(*), count(m.mask), sum(m.mask), max(a.v) GROUP BY a.lat",
        1,
        &[Tolerance::Exact; 4],
    ),
    ("count(*), sum(a.counts)", 0, &[Tolerance::Exact; 2]),
];

/// The same of some rows of `a`.
const OUTPUTS_OF_SEMI_JOINS: &[(&str, usize, &[Tolerance])] = &[
    ("a.time, a.lat, a.lon, a.v", 4, &[]),
    (
        "a.lon, count(*), sum(a.counts) GROUP BY a.lon",
        1,
        &[Tolerance::Exact; 2],
    ),
];

const KINDS: &[&str] = &[
    "JOIN",
    "JOIN",
    "JOIN",
    "LEFT JOIN",
    "LEFT JOIN",
    "RIGHT JOIN",
    "FULL JOIN",
];

/// Equalities of all three axes, plain and computed, and more than that.
const ON: &[&str] = &[
    "a.time = b.time AND a.lat = b.lat AND a.lon = b.lon",
    "a.time = b.time AND a.lat = b.lat AND a.lon = b.lon",
    "a.time = b.time AND a.lat = b.lat AND a.lon = b.lon",
    "b.lon = a.lon AND b.time = a.time AND a.lat * 2 = b.lat * 2",
    "a.time = b.time + INTERVAL '17 days' AND a.lat = b.lat AND a.lon = b.lon",
    "a.time = b.time AND CAST(a.lat AS FLOAT) = CAST(b.lat AS FLOAT) AND a.lon = b.lon + 1",
    "a.time = b.time AND a.lat = b.lat AND a.lon = b.lon AND a.v > b.w",
    "a.time = b.time AND a.lat = b.lat AND a.lon = b.lon AND a.mask = b.mask",
    "date_part('month', a.time) = date_part('month', b.time) AND \
     date_part('day', a.time) = date_part('day', b.time) AND \
     date_part('year', a.time) = date_part('year', b.time) AND a.lat = b.lat AND a.lon = b.lon",
];

/// Keys of an aggregate, and the same of `a`.
const KEYS: &[&[(&str, &str)]] = &[
    &[
        ("date_part('month', time)", "date_part('month', a.time)"),
        ("lat", "a.lat"),
        ("lon", "a.lon"),
    ],
    &[("date_part('month', time)", "date_part('month', a.time)")],
    &[("lat", "a.lat"), ("lon", "a.lon")],
    &[("lon", "a.lon")],
    &[("time", "a.time"), ("floor(lat)", "floor(a.lat)")],
    &[
        ("date_part('month', time)", "date_part('month', a.time)"),
        ("date_part('year', time)", "date_part('year', a.time)"),
        ("lat", "a.lat"),
    ],
    // No key of an axis alone.
    &[("mask", "a.mask"), ("lat", "a.lat")],
];

/// A cube as an input of a join: some of its rows, with columns that are computed.
fn source(name: &'static str) -> impl Strategy<Value = String> {
    let some = prop::collection::vec(conditions(Calendar::Standard), 0..3);
    (some, 0..4).prop_map(move |(conditions, kind)| {
        let conditions = match (kind, conditions.is_empty()) {
            (0, _) | (_, true) => String::new(),
            _ => format!(" WHERE {}", conditions.join(" AND ")),
        };
        format!(
            "(SELECT *, 1 AS one, coalesce(counts, 0) + 7 AS total FROM {name}{conditions}) {name}"
        )
    })
}

/// The statement that selects `output` from `from`.
fn statement(from: String, output: (&str, usize, &[Tolerance])) -> Statement {
    let (columns, keys, tolerances) = output;
    let (columns, group) = match columns.split_once(" GROUP BY ") {
        Some((columns, group)) => (columns, format!(" GROUP BY {group}")),
        None => (columns, String::new()),
    };
    Statement {
        sql: format!("SELECT {columns} FROM {from}{group}"),
        keys,
        tolerances: tolerances.to_vec(),
    }
}

fn zips() -> impl Strategy<Value = Statement> {
    let sides = (source("a"), source("b"));
    (sides, select(KINDS), select(ON), select(OUTPUTS))
        .prop_map(|((a, b), kind, on, output)| statement(format!("{a} {kind} {b} ON {on}"), output))
}

/// Joins on some of the axes, and of three cubes.
fn masks() -> impl Strategy<Value = Statement> {
    let from = prop_oneof![
        Just("{a} JOIN m ON a.lat = m.lat AND a.lon = m.lon"),
        Just("m JOIN {a} ON a.lat = m.lat AND a.lon = m.lon"),
        Just("{a} LEFT JOIN m ON a.lat = m.lat AND a.lon = m.lon"),
        Just("m LEFT JOIN {a} ON a.lat = m.lat AND a.lon = m.lon"),
        Just("{a} JOIN m ON a.lat = m.lat AND a.lon = m.lon AND m.mask = 1"),
        Just("{a} JOIN b USING (time, lat, lon) JOIN m ON a.lat = m.lat AND a.lon = m.lon"),
        Just(
            "{a} JOIN a s ON a.time = s.time AND a.lat = s.lat AND a.lon = s.lon JOIN m ON a.lat = m.lat AND s.lon = m.lon"
        ),
        Just(
            "{a} JOIN (SELECT * FROM b WHERE time = TIMESTAMP '2001-01-18') m ON a.lat = m.lat AND a.lon = m.lon"
        ),
    ];
    let output = select(OUTPUTS_OF_MASKS);
    (source("a"), from, output)
        .prop_map(|(a, from, output)| statement(from.replace("{a}", &a), output))
}

/// Rows whose cell the other cube has, and rows whose key an aggregate has.
fn semi_joins() -> impl Strategy<Value = Statement> {
    let condition = prop_oneof![
        Just(
            "EXISTS (SELECT 1 FROM {b} WHERE a.time = b.time AND a.lat = b.lat AND a.lon = b.lon)"
        ),
        Just(
            "NOT EXISTS (SELECT 1 FROM {b} WHERE a.time = b.time AND a.lat = b.lat AND a.lon = b.lon)"
        ),
        Just("a.lat IN (SELECT lat FROM {b} GROUP BY lat HAVING count(*) > 20)"),
        Just("a.lat IN (SELECT lat FROM {b})"),
        Just("a.lat NOT IN (SELECT lat FROM {b} WHERE b.v > 20)"),
        Just("a.v > (SELECT avg(b.v) FROM {b} WHERE b.lat = a.lat)"),
        Just("a.v > (SELECT count(*) FROM {b} WHERE b.lat = a.lat AND b.v < 5)"),
    ];
    let output = select(OUTPUTS_OF_SEMI_JOINS);
    (source("a"), source("b"), condition, output).prop_map(|(a, b, condition, output)| {
        let condition = condition.replace("{b}", &b);
        statement(format!("{a} WHERE {condition}"), output)
    })
}

fn lookups() -> impl Strategy<Value = Statement> {
    let having = prop_oneof![
        2 => Just(""),
        1 => Just(" HAVING count(*) > 3"),
        1 => Just(" HAVING max(v) > 60 ORDER BY n"),
    ];
    let kind = select(&["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN"][..]);
    let sides = (source("a"), source("b"));
    let output = select(OUTPUTS_OF_LOOKUPS);
    (sides, kind, select(KEYS), having, output).prop_map(
        |((a, b), kind, keys, having, output)| {
            let named = keys.iter().enumerate();
            let named: Vec<String> = named.map(|(n, (key, _))| format!("{key} AS k{n}")).collect();
            let numbers: Vec<String> = (1..=keys.len()).map(|n| n.to_string()).collect();
            let on = keys.iter().enumerate();
            let on: Vec<String> = on.map(|(n, (_, key))| format!("{key} = b.k{n}")).collect();
            let build = format!(
                "(SELECT {}, count(*) AS n, max(v) AS top, sum(total) AS total FROM {b} GROUP BY {}{having}) b",
                named.join(", "),
                numbers.join(", ")
            );
            statement(format!("{a} {kind} {build} ON {}", on.join(" AND ")), output)
        },
    )
}

/// Statements over joins of `a`, `b` and `m`.
pub(super) fn statements() -> impl Strategy<Value = Statement> {
    prop_oneof![
        4 => zips().boxed(),
        2 => masks().boxed(),
        2 => semi_joins().boxed(),
        4 => lookups().boxed(),
    ]
}

/// Only the mask of a cube, on its plane.
fn mask(whole: &Group) -> Group {
    let mut mask = whole.clone();
    let names = ["lat", "lon", "mask"];
    mask.arrays
        .retain(|array| names.contains(&array.description().name.as_str()));
    mask.version.push_str(" mask");
    mask
}

/// Is a join in the plan of a statement read as one scan?
async fn is_zipped(context: &SessionContext, sql: &str) -> bool {
    let plan = rows(context, &format!("EXPLAIN {sql}")).await;
    plan.is_ok_and(|plan| plan.iter().any(|line| line.contains("zip=[")))
}

/// A plan with a lookup gives the same rows when it is executed again.
pub(super) async fn lookups_run_twice(layout: &Layout) -> Result<(), String> {
    let context = session(CubeOptions::default(), 3, 64);
    let blocks = Arc::new(BlockCache::new(1 << 20, None));
    let table = CubeTable::new(cube(&group(layout, 5)).await, blocks);
    context.register_table("a", Arc::new(table)).unwrap();
    let sql = "SELECT a.lat, count(*), sum(a.counts - c.top) FROM a JOIN \
               (SELECT lat, lon, max(counts) AS top FROM a GROUP BY 1, 2) c \
               ON a.lat = c.lat AND a.lon = c.lon GROUP BY a.lat ORDER BY a.lat";
    assert!(is_zipped(&context, sql).await, "{sql}");
    let plan = context.sql(sql).await.map_err(|error| error.to_string())?;
    let plan = plan.create_physical_plan().await;
    let plan = plan.map_err(|error| error.to_string())?;
    let mut answers = Vec::new();
    for _ in 0..2 {
        let batches = collect(Arc::clone(&plan), context.task_ctx()).await;
        let batches = batches.map_err(|error| error.to_string())?;
        answers.push(batches.iter().flat_map(text).collect::<Vec<_>>());
    }
    assert_eq!(answers[0], answers[1]);
    assert!(!answers[0].is_empty());
    Ok(())
}

/// Runs statements over cubes of two layouts on all paths. Returns how many joins were read as one scan.
pub(super) async fn compare(
    layouts: &[Layout; 2],
    seed: u64,
    statements: &[Statement],
    execution: Execution,
) -> Result<usize, String> {
    let Execution { partitions, batch } = execution;
    let grid = session(CubeOptions::default(), partitions, batch);
    let mut off = CubeOptions::default();
    off.grid_zip = false;
    let by_rows = session(off, partitions, batch);
    let copied = session(CubeOptions::default(), 1, 8192);
    let [a, b] = [group(&layouts[0], seed), group(&layouts[1], seed + 1)];
    let blocks = Arc::new(BlockCache::new(1 << 20, None));
    for (name, group) in [("m", mask(&b)), ("a", a), ("b", b)] {
        let table = Arc::new(CubeTable::new(cube(&group).await, Arc::clone(&blocks)));
        grid.register_table(name, table.clone()).unwrap();
        by_rows.register_table(name, table).unwrap();
        let all = by_rows.table(name).await.unwrap().collect().await;
        let all = all.map_err(|error| format!("all rows of {name}: {error}"))?;
        let copy = MemTable::try_new(all[0].schema(), vec![all]).unwrap();
        copied.register_table(name, Arc::new(copy)).unwrap();
    }
    let mut zipped = 0;
    for statement in statements {
        let sql = &statement.sql;
        zipped += usize::from(is_zipped(&grid, sql).await);
        let expected = match answer(&copied, statement).await {
            Ok(expected) => expected,
            // What DataFusion does not plan says nothing about cubes.
            Err(error) if error.contains("not implemented") => continue,
            Err(error) => return Err(format!("{sql}: on the copy: {error}")),
        };
        for (name, context) in [("zip", &grid), ("rows", &by_rows)] {
            let found = answer(context, statement).await;
            let found = found.map_err(|error| format!("{sql}: {name}: {error}"))?;
            if let Some(difference) = difference(&expected, &found, statement) {
                return Err(format!("{sql}: {name}: {difference}"));
            }
        }
    }
    Ok(zipped)
}
