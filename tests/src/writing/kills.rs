//! Processes that are killed while they write: readers see the state before or nothing, the statement
//! run again goes on with the boxes that are missing, and what comes of it is what an undisturbed run makes.
//!
//! ```text
//!  start ─▶ claimed ─▶ wait, at random ─▶ SIGKILL ─▶ read: old or nothing ─▶ … again ─▶ run to the end ─▶ the cube
//! ```
//! Kills that find the work not begun, or at its end, are counted: they must not be many.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};

use super::workshop::{Format, NOTES, Rows, Workshop, Written};
use super::{Random, number};

/// Kills per statement.
const KILLS: u64 = 18;

/// The source of all statements: 18 × 8 cells.
const SOURCE: &str = "CREATE TABLE s.source WITH (dims = 'y,x', chunks = 'y=6,x=4') AS \
    SELECT y.value AS y, x.value AS x, y.value * 100 + x.value AS v \
    FROM generate_series(0, 17) AS y CROSS JOIN generate_series(0, 7) AS x";

/// The cube before a statement that changes it: the source without the rows from 6 to 11, negative.
const BEFORE: &str = "CREATE TABLE s.t WITH (dims = 'y,x', chunks = 'y=3,x=4', memory = '1kB') AS \
    SELECT y, x, -v AS v FROM s.source WHERE y < 6 OR y >= 12";

/// A statement that is killed.
struct Case {
    name: &'static str,
    statement: &'static str,
    /// Is there a cube before it?
    has_before: bool,
    /// The value at `y`, `x` after it: `None` when there is no such row, `Some(None)` when it is missing.
    after: fn(i64, i64) -> Option<Option<i64>>,
}

fn before(y: i64, x: i64) -> Option<Option<i64>> {
    matches!(y, 0..6 | 12..18).then_some(Some(-(y * 100 + x)))
}

const CASES: [Case; 6] = [
    Case {
        name: "create",
        statement: "CREATE TABLE s.t WITH (dims = 'y,x', chunks = 'y=3,x=4', memory = '1kB') AS \
            SELECT y, x, v * 2 AS v FROM s.source",
        has_before: false,
        after: |y, x| (y < 18).then_some(Some((y * 100 + x) * 2)),
    },
    Case {
        name: "create_or_replace",
        statement: "CREATE OR REPLACE TABLE s.t WITH (dims = 'y,x', chunks = 'y=4,x=3', memory = '1kB') AS \
            SELECT y, x, v * 3 AS v FROM s.source",
        has_before: true,
        after: |y, x| (y < 18).then_some(Some((y * 100 + x) * 3)),
    },
    Case {
        name: "insert_behind",
        statement: "INSERT INTO s.t SELECT y + 18 AS y, x, v FROM s.source WHERE y < 16",
        has_before: true,
        after: |y, x| match y {
            ..18 => before(y, x),
            18..34 => Some(Some((y - 18) * 100 + x)),
            _ => None,
        },
    },
    Case {
        name: "insert_in_between",
        statement: "INSERT INTO s.t SELECT y, x, v FROM s.source WHERE y BETWEEN 6 AND 10",
        has_before: true,
        after: |y, x| match y {
            6..11 => Some(Some(y * 100 + x)),
            _ => before(y, x),
        },
    },
    Case {
        name: "delete_slices",
        statement: "DELETE FROM s.t WHERE y BETWEEN 4 AND 12",
        has_before: true,
        after: |y, x| before(y, x).filter(|_| !(4..=12).contains(&y)),
    },
    Case {
        name: "delete_values",
        statement: "DELETE FROM s.t WHERE v % 3 = 0",
        has_before: true,
        after: |y, x| before(y, x).map(|value| value.filter(|value| value % 3 != 0)),
    },
];

const ALL: &str = "SELECT y, x, v FROM s.t ORDER BY y, x";

/// What [`ALL`] gives, of a table in plain Rust.
fn all(value: impl Fn(i64, i64) -> Option<Option<i64>>) -> Rows {
    let cells = (0..48).flat_map(|y| (0..8).map(move |x| (y, x)));
    let row = |(y, x): (i64, i64)| {
        let value = value(y, x)?.map_or("NULL".to_string(), |value| value.to_string());
        Some(vec![y.to_string(), x.to_string(), value])
    };
    cells.filter_map(row).collect()
}

/// What readers are told of a cube that is not there, or not yet.
const NOT_THERE: [&str; 4] = [
    "there is no table s.t",
    "there is no Icechunk repository",
    "there is no Zarr cube",
    "the cube is being written, or its writer died",
];

/// The rows that readers see; `None` when there is no such table.
fn seen(workshop: &Workshop) -> Result<Option<Rows>, Failed> {
    match workshop.try_ask(ALL)? {
        Ok(rows) => Ok(Some(rows)),
        Err(complaint) if NOT_THERE.iter().any(|cause| complaint.contains(cause)) => Ok(None),
        Err(complaint) => Err(complaint.into()),
    }
}

fn check_rows(seen: &Option<Rows>, expected: &Option<Rows>, when: &str) -> Result<(), Failed> {
    if seen == expected {
        return Ok(());
    }
    let (Some(seen), Some(expected)) = (seen, expected) else {
        let (seen, expected) = (seen.is_some(), expected.is_some());
        return Err(format!("{when}: is there a cube? {seen} instead of {expected}").into());
    };
    let mut differ = seen
        .iter()
        .zip(expected)
        .filter(|(one, other)| one != other);
    let (count, all) = (seen.len(), expected.len());
    Err(format!(
        "{when}: {count} rows instead of {all}; the first that differs, and what it should be: {:?}",
        differ.next()
    )
    .into())
}

/// Makes the folder as it is before the statement.
fn reset(workshop: &Workshop, prepared: &Path) -> Result<(), Failed> {
    let table = workshop.cube("t");
    if table.exists() {
        fs::remove_dir_all(&table)?;
    }
    if prepared.exists() {
        copy(prepared, &table)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), Failed> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => fs::copy(entry.path(), target).map(|_| ())?,
        }
    }
    Ok(())
}

/// What is expected around the kills of one case.
struct Expected {
    old: Option<Rows>,
    new: Option<Rows>,
    /// The files that the undisturbed run makes.
    contents: BTreeMap<PathBuf, Vec<u8>>,
}

/// Where kills fell.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    /// Nothing was begun.
    early: u64,
    /// The new state was there.
    late: u64,
    /// Boxes that resumed statements did not have to compute again.
    kept: u64,
}

fn kill(case: &Case, format: Format) -> Result<(), Failed> {
    let workshop = Workshop::writing(format)?;
    let statement = format.of(case.statement);
    workshop.ask(&format.of(SOURCE))?;
    let prepared = workshop.desk.path().join("prepared");
    if case.has_before {
        workshop.ask(&format.of(BEFORE))?;
        fs::rename(workshop.cube("t"), &prepared)?;
    }
    reset(&workshop, &prepared)?;
    let old = seen(&workshop)?;
    check_rows(&old, &case.has_before.then(|| all(before)), "before")?;
    let longest = Duration::from_secs(60);
    let takes = workshop.kill(&statement, "t", longest)?;
    let mut takes = takes.ok_or("the undisturbed statement did not end")?;
    let mut begins = Duration::ZERO;
    let new = seen(&workshop)?;
    check_rows(&new, &Some(all(case.after)), "undisturbed")?;
    workshop.ask("VACUUM s.t")?;
    let contents = workshop.contents("t")?;
    let expected = Expected { old, new, contents };

    let mut random = Random(number("GRATICULE_SEED", 1));
    let mut tally = Tally::default();
    while tally.kills < number("GRATICULE_CASES", KILLS) {
        reset(&workshop, &prepared)?;
        let mut is_done = false;
        // Some builds are killed several times before they may end.
        for _ in 0..1 + random.below(3) {
            let span = takes.saturating_sub(begins).as_micros() as u64;
            let pause = begins + Duration::from_micros(random.below(span + 1));
            workshop.kill(&statement, "t", pause)?;
            tally.kills += 1;
            let now = seen(&workshop)?;
            if now == expected.new {
                tally.late += 1;
                // The machine is faster than it was.
                takes -= takes / 8;
                is_done = true;
                break;
            }
            if now != expected.old {
                let when = format!("after kill {}, of neither state", tally.kills);
                return check_rows(&now, &expected.old, &when);
            }
            if workshop.noted("t", &statement)?.is_none() {
                tally.early += 1;
                // Not all of the time is spent writing.
                begins = (begins + takes / 16).min(takes / 2);
            }
        }
        if !is_done {
            resume(&workshop, &statement, &expected, &mut tally)?;
        }
        check_contents(&workshop, &expected, &tally)?;
    }
    eprintln!("{}: {tally:?}", case.name);
    // A test that kills nothing midway tests nothing.
    match tally.kept > 0 && 2 * (tally.early + tally.late) < tally.kills {
        true => Ok(()),
        false => Err(format!("too few kills were midway: {tally:?}").into()),
    }
}

/// Runs what was killed to its end.
fn resume(
    workshop: &Workshop,
    statement: &str,
    expected: &Expected,
    tally: &mut Tally,
) -> Result<(), Failed> {
    let noted = workshop.noted("t", statement)?.unwrap_or_default();
    let written = Written::of(&workshop.ask(statement)?)?;
    if written.kept != noted || written.kept > written.boxes {
        return Err(format!("{noted} boxes were noted as done, but {written:?}").into());
    }
    tally.kept += written.kept;
    let when = format!("after kill {}", tally.kills);
    check_rows(&seen(workshop)?, &expected.new, &when)
}

/// Compares all files with those that the undisturbed statement made. Those of Icechunk have names at random,
/// and what nobody refers to any more stays for a day: there it is enough that the cube is read after `VACUUM`.
fn check_contents(workshop: &Workshop, expected: &Expected, tally: &Tally) -> Result<(), Failed> {
    workshop.ask("VACUUM s.t")?;
    if workshop.format == Format::Icechunk {
        check_rows(&seen(workshop)?, &expected.new, "after VACUUM")?;
        return check_notes(workshop);
    }
    let contents = workshop.contents("t")?;
    if contents != expected.contents {
        let differ =
            |(name, bytes): &(&PathBuf, &Vec<u8>)| expected.contents.get(*name) != Some(bytes);
        let differ: Vec<_> = contents
            .iter()
            .filter(differ)
            .map(|(name, _)| name)
            .collect();
        let (there, undisturbed) = (contents.len(), expected.contents.len());
        return Err(format!(
            "kill {}: {there} files instead of {undisturbed}, others are {differ:?}",
            tally.kills
        )
        .into());
    }
    check_notes(workshop)
}

/// After `VACUUM` there are no notes, but for claims in the making that nobody made.
fn check_notes(workshop: &Workshop) -> Result<(), Failed> {
    let notes = workshop.cube("t").join(NOTES);
    let left = workshop.files("t")?.into_iter().filter(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        file.starts_with(&notes) && !(name.starts_with("claim.") && name.contains('#'))
    });
    let left: Vec<_> = left.collect();
    assert_eq!(left, Vec::<PathBuf>::new(), "after VACUUM");
    Ok(())
}

/// A build that was killed and never run again is removed by `VACUUM`.
fn dead_builds_are_removed() -> Result<(), Failed> {
    let workshop = Workshop::new()?;
    workshop.ask(SOURCE)?;
    let create = CASES.first().ok_or("no case")?;
    let begin = Instant::now();
    let mut child = workshop.start(create.statement)?;
    while workshop.files("t")?.len() < 5 && begin.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(2));
    }
    let found = || -> Result<Option<String>, Failed> {
        let swept = workshop.ask("VACUUM s")?;
        let row = swept.into_iter().find(|row| row[0] == "t");
        Ok(row.and_then(|row| row.into_iter().nth(1)))
    };
    assert_eq!(found()?.as_deref(), Some("being written"));
    let dropped = workshop.try_ask("DROP TABLE s.t")?;
    assert!(dropped.is_err(), "{dropped:?}");
    child.kill()?;
    child.wait()?;
    assert_eq!(seen(&workshop)?, None);
    assert_eq!(found()?.as_deref(), Some("dead build"));
    assert_eq!(workshop.files("t")?, Vec::<PathBuf>::new());
    Ok(())
}

/// What is left of a cube whose removal was killed is still known to be one.
fn killed_drops_can_be_made_up_for() -> Result<(), Failed> {
    let workshop = Workshop::new()?;
    workshop.ask(SOURCE)?;
    let prepared = workshop.desk.path().join("prepared");
    workshop.ask(BEFORE)?;
    fs::rename(workshop.cube("t"), &prepared)?;
    let create = CASES.first().ok_or("no case")?;
    let mut midway = 0;
    for round in 0..12 {
        reset(&workshop, &prepared)?;
        let mut child = workshop.start("DROP TABLE s.t")?;
        let root = workshop.cube("t").join("zarr.json");
        let begin = Instant::now();
        while root.exists() && begin.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_micros(20));
        }
        child.kill()?;
        child.wait()?;
        assert_eq!(seen(&workshop)?, None);
        midway += u64::from(!workshop.files("t")?.is_empty());
        if round % 2 == 0 {
            workshop.ask("VACUUM s")?;
            assert!(!workshop.cube("t").exists());
        }
        workshop.ask(create.statement)?;
        check_rows(&seen(&workshop)?, &Some(all(create.after)), "made again")?;
    }
    match midway {
        0 => Err("no removal was killed midway".into()),
        _ => Ok(()),
    }
}

pub(super) fn trials() -> Vec<Trial> {
    let formats = [(Format::Zarr, ""), (Format::Icechunk, "icechunk_")];
    let kills = formats.into_iter().flat_map(|(format, prefix)| {
        CASES.iter().map(move |case| {
            let name = format!("writing::killed_{prefix}{}_goes_on", case.name);
            Trial::test(name, move || kill(case, format))
        })
    });
    let mut trials: Vec<Trial> = kills.collect();
    trials.push(Trial::test(
        "writing::dead_builds_are_removed",
        dead_builds_are_removed,
    ));
    trials.push(Trial::test(
        "writing::killed_drops_can_be_made_up_for",
        killed_drops_can_be_made_up_for,
    ));
    trials
}
