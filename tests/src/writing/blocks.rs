//! A cube made of a scan is the same whether its cells are placed as blocks or as rows.

use libtest_mimic::{Failed, Trial};

use super::workshop::Workshop;

/// A cube in chunks that end everywhere, with gaps, cells that no row has, and types of several widths.
const SOURCE: &str = "CREATE TABLE s.source WITH (dims = 'time,y,x', chunks = 'time=4,y=5,x=3', \"flag.chunks\" = 'time=2') AS \
    SELECT to_timestamp(1577836800 + t.value * 86400) AS time, 10.5 - y.value AS y, x.value AS x, \
    CASE WHEN (t.value * 7 + y.value * 3 + x.value) % 5 > 0 THEN CAST(t.value * 100 + y.value * 10 + x.value AS FLOAT) END AS v, \
    CAST(t.value - y.value AS SMALLINT) AS n, (t.value + x.value) % 3 = 0 AS flag, 'at ' || CAST(x.value AS TEXT) AS label \
    FROM generate_series(0, 9) AS t CROSS JOIN generate_series(0, 10) AS y CROSS JOIN generate_series(0, 6) AS x \
    WHERE (t.value + y.value * x.value) % 11 <> 3";

/// Options of the cube and its query; do its cells come as blocks?
const CUBES: &[(&str, &str, bool)] = &[
    ("", "SELECT * FROM s.source", true),
    (
        "chunks = 'time=10,y=2,x=7'",
        "SELECT time, y, x, v, n FROM s.source",
        true,
    ),
    (
        "dims = 'x,time,y'",
        "SELECT x, time, y, flag, v FROM s.source",
        true,
    ),
    (
        "dims = 'y,x'",
        "SELECT y, x, v, label FROM s.source WHERE time = '2020-01-03'",
        true,
    ),
    (
        "",
        "SELECT time, y, x, v FROM s.source WHERE x IN (0, 2, 3, 6) AND date_part('day', time) IN (1, 4, 5)",
        true,
    ),
    (
        "",
        "SELECT time, y, x, v, flag FROM s.source WHERE v > 300 OR n < 0",
        true,
    ),
    (
        "",
        "SELECT time, y, x, n FROM s.source WHERE y + x < 9",
        true,
    ),
    (
        "",
        "SELECT time, y, x, v * 2 - n AS w, label || '!' AS label, n FROM s.source",
        true,
    ),
    (
        "\"n.dtype\" = 'int8', memory = '60kB'",
        "SELECT time, y, x, n, v FROM s.source",
        true,
    ),
    (
        "",
        "SELECT time AS day, y AS north, x, v FROM s.source WHERE false OR v IS NULL",
        true,
    ),
    (
        "",
        "SELECT time, y, x, 7 / n AS v FROM s.source WHERE n <> 0",
        false,
    ),
    ("", "SELECT time, -y AS y, x, v FROM s.source", false),
    ("", "SELECT time, y, x, v FROM s.source LIMIT 1000", false),
    (
        "",
        "SELECT time, y, x, avg(v) AS v FROM s.source GROUP BY 1, 2, 3",
        false,
    ),
    ("dims = 'y,x'", "SELECT y, x, v FROM s.source", true),
    ("", "SELECT time, y, x, 7 / n AS v FROM s.source", true),
    (
        "\"v.dtype\" = 'int8'",
        "SELECT time, y, x, v FROM s.source",
        true,
    ),
];

fn check(options: &str, query: &str, as_blocks: bool) -> Result<(), Failed> {
    let workshop = Workshop::new()?;
    workshop.ask(SOURCE)?;
    let statement = |name: &str| {
        let separator = if options.is_empty() { "" } else { ", " };
        format!("CREATE TABLE s.{name} WITH (codec = 'none'{separator}{options}) AS {query}")
    };
    let mut outcomes = Vec::new();
    for (name, grid_write) in [("a", true), ("b", false)] {
        workshop.try_regular(&format!("SET cube.grid_write = {grid_write}"))??;
        let plan = workshop.try_regular(&format!("EXPLAIN {}", statement(name)))??;
        let placed = plan
            .iter()
            .flatten()
            .any(|text| text.contains("place as blocks"));
        if placed != (as_blocks && grid_write) {
            return Err(format!("placed as blocks: {placed}, {plan:?}").into());
        }
        let made = workshop.try_regular(&statement(name))?;
        let made = made.map(|rows| rows[0][1..].to_vec());
        outcomes.push(made.map_err(|complaint| {
            // Which of several cells is met twice first depends on who is faster.
            let end = complaint.find(" for the cell").unwrap_or(complaint.len());
            complaint[..end].replace(&format!("s.{name}"), "s.t")
        }));
    }
    let [blocks, rows] = outcomes.as_slice() else {
        return Err("there are two ways".into());
    };
    if blocks != rows {
        return Err(format!("as blocks {blocks:?}, as rows {rows:?}").into());
    }
    if blocks.is_ok() {
        let (blocks, rows) = (workshop.contents("a")?, workshop.contents("b")?);
        let different = blocks
            .iter()
            .filter(|(name, bytes)| rows.get(*name) != Some(bytes));
        let different: Vec<_> = different.map(|(name, _)| name).collect();
        if blocks.len() != rows.len() || !different.is_empty() {
            return Err(format!(
                "{} files and {}, different: {different:?}",
                blocks.len(),
                rows.len()
            )
            .into());
        }
    }
    Ok(())
}

pub(super) fn trials() -> Vec<Trial> {
    let cubes = CUBES.iter().enumerate();
    let trial =
        |(number, (options, query, as_blocks)): (usize, &(&'static str, &'static str, bool))| {
            let (options, query, as_blocks) = (*options, *query, *as_blocks);
            Trial::test(format!("writing::blocks::{number:02}"), move || {
                check(options, query, as_blocks).map_err(|error| {
                    format!("{options} {query}: {}", error.message().unwrap_or_default()).into()
                })
            })
        };
    cubes.map(trial).collect()
}
