//! Random sequences of statements, some of them killed, against a table in memory: after each of them
//! readers see what the table holds.
//!
//! ```text
//!  statement ─┬─▶ run ─────────────────────────────▶ the table after it, or a refusal
//!             └─▶ killed ─▶ the table before or after ─▶ run again, or left to what comes next
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use libtest_mimic::{Failed, Trial};

use super::workshop::{Rows, Workshop, Written};
use super::{Random, number};

/// Statements of a sequence.
const STATEMENTS: u64 = 40;

/// Sequences.
const SEQUENCES: u64 = 3;

/// Coordinates are below these.
const MOST: (u64, u64) = (12, 7);

/// A cube: its cells are all pairs of coordinates, and those without a value are missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Table {
    ys: BTreeSet<i64>,
    xs: BTreeSet<i64>,
    values: BTreeMap<(i64, i64), i64>,
}

/// Rows of a statement: coordinates and values.
type Cells = BTreeMap<(i64, i64), Option<i64>>;

impl Table {
    fn of(cells: &Cells) -> Self {
        let mut table = Self::default();
        table.add(cells, true);
        table
    }

    fn has(&self, (y, x): (i64, i64)) -> bool {
        self.ys.contains(&y) && self.xs.contains(&x)
    }

    /// Lays rows over the cells that are there, or under them.
    fn add(&mut self, cells: &Cells, replaces: bool) {
        let before = self.clone();
        self.ys.extend(cells.keys().map(|(y, _)| y));
        self.xs.extend(cells.keys().map(|(_, x)| x));
        for (cell, value) in cells {
            match value {
                _ if before.has(*cell) && !replaces => {}
                Some(value) => drop(self.values.insert(*cell, *value)),
                None => drop(self.values.remove(cell)),
            }
        }
    }

    /// The table of the rows that stay, of which there must be one.
    fn without(&self, goes: impl Fn(i64, i64) -> bool) -> Option<Self> {
        let cells = self
            .ys
            .iter()
            .flat_map(|y| self.xs.iter().map(move |x| (*y, *x)));
        let stay: Vec<(i64, i64)> = cells.filter(|(y, x)| !goes(*y, *x)).collect();
        let values = stay
            .iter()
            .filter_map(|cell| Some((*cell, *self.values.get(cell)?)));
        (!stay.is_empty()).then(|| Self {
            ys: stay.iter().map(|(y, _)| *y).collect(),
            xs: stay.iter().map(|(_, x)| *x).collect(),
            values: values.collect(),
        })
    }

    /// What `SELECT y, x, v … ORDER BY y, x` gives.
    fn rows(&self) -> Rows {
        let cells = self
            .ys
            .iter()
            .flat_map(|y| self.xs.iter().map(move |x| (*y, *x)));
        let row = |(y, x): (i64, i64)| {
            let value = self.values.get(&(y, x)).map(i64::to_string);
            vec![
                y.to_string(),
                x.to_string(),
                value.unwrap_or_else(|| "NULL".to_string()),
            ]
        };
        cells.map(row).collect()
    }
}

/// A statement, and what comes of it.
struct Step {
    sql: String,
    /// The table after it, or what is said of it.
    outcome: Result<Option<Table>, &'static str>,
}

fn one_of<T: Copy>(random: &mut Random, all: &[T]) -> T {
    all[random.below(all.len() as u64) as usize]
}

/// Some of the numbers below `end`, at least one.
fn some(random: &mut Random, end: u64) -> BTreeSet<i64> {
    let from = random.below(end);
    let count = 1 + random.below(end - from);
    let mut numbers: BTreeSet<i64> = (from..from + count).map(|number| number as i64).collect();
    if random.below(3) == 0 {
        let gone = from as i64 + random.below(count) as i64;
        numbers.retain(|number| *number != gone || count == 1);
    }
    numbers
}

/// Cells with values, some of which are missing: all pairs of some coordinates, or only some pairs.
fn cells(random: &mut Random, is_block: bool) -> Cells {
    let (ys, xs) = (some(random, MOST.0), some(random, MOST.1));
    let mut cells = Cells::new();
    for cell in ys.iter().flat_map(|y| xs.iter().map(move |x| (*y, *x))) {
        if is_block || cells.is_empty() || random.below(2) == 0 {
            let value = (random.below(7) > 0).then(|| random.below(2000) as i64 - 1000);
            cells.insert(cell, value);
        }
    }
    cells
}

/// A query of the cells, in any order.
fn query(random: &mut Random, cells: &Cells) -> String {
    let mut rows: Vec<String> = Vec::new();
    for ((y, x), value) in cells {
        let value = value.map_or("NULL".to_string(), |value| value.to_string());
        rows.insert(
            random.below(rows.len() as u64 + 1) as usize,
            format!("({y}, {x}, {value})"),
        );
    }
    let rows = rows.join(", ");
    format!("SELECT column1 AS y, column2 AS x, CAST(column3 AS BIGINT) AS v FROM (VALUES {rows})")
}

/// Options of layout, and memory that is enough for one object in each of two boxes.
fn layout(random: &mut Random) -> (String, u64) {
    let (y, x) = (1 + random.below(4), 1 + random.below(3));
    let codec = one_of(random, &["none", "zstd:3", "gzip:1"]);
    let (shards, cells) = match random.below(3) {
        0 => (format!("y={},x={}", 2 * y, 3 * x), 6 * y * x),
        _ => ("none".to_string(), y * x),
    };
    let layout = format!("chunks = 'y={y},x={x}', codec = '{codec}', shards = '{shards}'");
    // A cell takes 24 bytes.
    (layout, 48 * cells.max(8))
}

fn create(random: &mut Random, table: &Option<Table>) -> Step {
    let is_block = random.below(2) == 0;
    let cells = cells(random, is_block);
    let replaces = random.below(2) == 0;
    let verb = if replaces {
        "CREATE OR REPLACE"
    } else {
        "CREATE"
    };
    let ((layout, memory), query) = (layout(random), query(random, &cells));
    Step {
        sql: format!(
            "{verb} TABLE s.t WITH (dims = 'y,x', {layout}, memory = '{memory}B') AS {query}"
        ),
        outcome: match table.is_some() && !replaces {
            true => Err("is there already"),
            false => Ok(Some(Table::of(&cells))),
        },
    }
}

fn insert(random: &mut Random, table: &Table) -> Step {
    let (verb, conflict) = one_of(
        random,
        &[
            ("INSERT", ""),
            ("INSERT", ""),
            ("INSERT OR REPLACE", ""),
            ("INSERT", " ON CONFLICT DO NOTHING"),
        ],
    );
    let is_plain = verb == "INSERT" && conflict.is_empty();
    let is_block = is_plain || random.below(2) == 0;
    let mut cells = cells(random, is_block);
    if is_plain && random.below(4) > 0 {
        // Most of them fit.
        cells.retain(|(y, _), _| !table.ys.contains(y));
    }
    if cells.is_empty() {
        cells.insert((20 + random.below(3) as i64, 0), Some(1));
    }
    let refused = is_plain && cells.keys().any(|cell| table.has(*cell));
    let mut after = table.clone();
    after.add(&cells, verb == "INSERT OR REPLACE");
    let query = query(random, &cells);
    Step {
        sql: format!("{verb} INTO s.t {query}{conflict}"),
        outcome: match refused {
            true => Err("the cube has the cell"),
            false => Ok(Some(after)),
        },
    }
}

fn delete(random: &mut Random, table: &Table) -> Step {
    let (y, x) = (random.below(MOST.0) as i64, random.below(MOST.1) as i64);
    let (condition, after) = match random.below(6) {
        0 => (format!("y = {y}"), table.without(|of, _| of == y)),
        1 => (format!("y < {y}"), table.without(|of, _| of < y)),
        2 => (format!("x >= {x}"), table.without(|_, of| of >= x)),
        3 => (
            format!("y > {y} AND x = {x}"),
            table.without(|of, other| of > y && other == x),
        ),
        4 => (
            format!("y = {y} OR x = {x}"),
            table.without(|of, other| of == y || other == x),
        ),
        _ => {
            let mut after = table.clone();
            after.values.retain(|_, value| *value % 3 != 0);
            ("v % 3 = 0".to_string(), Some(after))
        }
    };
    Step {
        sql: format!("DELETE FROM s.t WHERE {condition}"),
        outcome: match after {
            Some(after) => Ok(Some(after)),
            None => Err("the query has no rows"),
        },
    }
}

fn step(random: &mut Random, table: &Option<Table>) -> Step {
    let same = |sql: &str| Step {
        sql: sql.to_string(),
        outcome: Ok(table.clone()),
    };
    let Some(cube) = table else {
        return match random.below(8) {
            0 => same("VACUUM s"),
            1 => Step {
                outcome: Err("there is no table s.t"),
                ..insert(random, &Table::default())
            },
            _ => create(random, table),
        };
    };
    match random.below(20) {
        0..3 => create(random, table),
        3..10 => insert(random, cube),
        10..14 => delete(random, cube),
        14 => {
            let sql = format!("ALTER TABLE s.t SET ({})", layout(random).0);
            same(&sql)
        }
        15 => {
            let title = random.below(1000);
            same(&format!(
                "ALTER TABLE s.t SET (\"attribute.title\" = 'Number {title}', \"v.attribute.units\" = 'K')"
            ))
        }
        16 => Step {
            sql: "DROP TABLE s.t".to_string(),
            outcome: Ok(None),
        },
        17 => same("VACUUM s.t"),
        _ => same("VACUUM s"),
    }
}

const ALL: &str = "SELECT y, x, v FROM s.t ORDER BY y, x";

const NOT_THERE: [&str; 3] = [
    "there is no table s.t",
    "there is no Zarr cube",
    "the cube is being written, or its writer died",
];

/// What readers see: those who come now, and those who have been here for long.
fn seen(workshop: &Workshop) -> Result<Option<Rows>, Failed> {
    let rows = |outcome: Result<Rows, String>| match outcome {
        Ok(rows) => Ok(Some(rows)),
        Err(complaint) if NOT_THERE.iter().any(|cause| complaint.contains(cause)) => Ok(None),
        Err(complaint) => Err(Failed::from(complaint)),
    };
    let now = workshop.try_ask(ALL)?;
    // Otherwise they see what they have seen first.
    workshop.try_regular("REFRESH STORE s")??;
    let regular = workshop.try_regular(ALL)?;
    let (now, regular) = (rows(now)?, rows(regular)?);
    match now == regular {
        true => Ok(now),
        false => Err(format!("new readers see {now:?}, but regular ones {regular:?}").into()),
    }
}

/// Where statements were killed.
#[derive(Debug, Default)]
struct Tally {
    killed: u64,
    midway: u64,
    kept: u64,
    refused: u64,
}

fn sequence(seed: u64) -> Result<(), Failed> {
    let workshop = Workshop::new()?;
    let mut random = Random(seed);
    let mut table: Option<Table> = None;
    let mut history = Vec::new();
    let mut tally = Tally::default();
    for _ in 0..number("GRATICULE_CASES", STATEMENTS) {
        let step = step(&mut random, &table);
        history.push(step.sql.clone());
        let taken = take(&workshop, &mut random, &mut table, step, &mut tally);
        let told = |failed: Failed| {
            let cause = failed.message().unwrap_or_default();
            Failed::from(format!("seed {seed}: {cause}\n{}", history.join(";\n")))
        };
        taken.map_err(told)?;
    }
    eprintln!("sequence {seed}: {tally:?}");
    match tally.midway {
        0 => Err("no statement was killed midway".into()),
        _ => Ok(()),
    }
}

fn take(
    workshop: &Workshop,
    random: &mut Random,
    table: &mut Option<Table>,
    step: Step,
    tally: &mut Tally,
) -> Result<(), Failed> {
    let rows = |table: &Option<Table>| table.as_ref().map(Table::rows);
    let mut resumes = None;
    if let Ok(after) = &step.outcome
        && random.below(5) < 2
    {
        let pause = Duration::from_micros(random.below(120_000));
        let ended = workshop.kill(&step.sql, "t", pause)?;
        tally.killed += 1;
        let now = seen(workshop)?;
        if now == rows(after) && (ended.is_some() || now != rows(table)) {
            table.clone_from(after);
            return Ok(());
        }
        if now != rows(table) {
            return Err(format!("killed: neither state is seen, but {now:?}").into());
        }
        let noted = workshop.noted("t", &step.sql)?;
        tally.midway += u64::from(noted.is_some());
        if random.below(2) == 0 {
            // What comes next finds the remains.
            return Ok(());
        }
        // Where both states have the same rows it may have been killed behind its commit, and begins anew.
        resumes = noted.filter(|_| rows(after) != rows(table));
    }
    let outcome = match random.below(2) {
        0 => workshop.try_regular(&step.sql)?,
        _ => workshop.try_ask(&step.sql)?,
    };
    match (outcome, step.outcome) {
        (Ok(answer), Ok(after)) => {
            *table = after;
            if let Some(noted) = resumes
                && !step.sql.starts_with("VACUUM")
                && !step.sql.starts_with("DROP")
            {
                let written = Written::of(&answer)?;
                tally.kept += written.kept;
                if written.kept != noted {
                    return Err(format!("{noted} boxes were noted, but {written:?}").into());
                }
            }
        }
        (Err(complaint), Err(part)) if complaint.contains(part) => tally.refused += 1,
        (Err(complaint), _) => return Err(complaint.into()),
        (Ok(answer), Err(part)) => return Err(format!("no {part:?}, but {answer:?}").into()),
    }
    let now = seen(workshop)?;
    match now == rows(table) {
        true => Ok(()),
        false => Err(format!("readers see {now:?} instead of {:?}", rows(table)).into()),
    }
}

pub(super) fn trials() -> Vec<Trial> {
    let first = number("GRATICULE_SEED", 1);
    let sequences = (first..first + SEQUENCES).map(|seed| {
        Trial::test(format!("writing::statements_in_a_row::{seed}"), move || {
            sequence(seed)
        })
    });
    sequences.collect()
}
