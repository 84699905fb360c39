//! Processes that are killed while they write: readers see the state before or nothing, the statement
//! run again goes on with the boxes that are missing, and nothing is left over.
//!
//! ```text
//!  start ─▶ wait, at random ─▶ SIGKILL ─▶ read: old or nothing ─▶ … again ─▶ run to the end ─▶ the cube
//! ```
//! How long a statement takes is measured first, so that kills fall all over it, on any machine.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::{Random, Workshop, number, whole};

/// Kills per statement.
const KILLS: u64 = 35;

/// The source of all statements: 24 × 20 cells.
const SOURCE: &str = "CREATE TABLE s.source WITH (dims = 'y,x', chunks = 'y=4,x=4') AS \
    SELECT y.value AS y, x.value AS x, y.value * 100 + x.value AS v \
    FROM generate_series(0, 23) AS y CROSS JOIN generate_series(0, 19) AS x";

/// The cube before a statement that changes it: the rows of the source up to `y = 11`, negative.
const BEFORE: &str = "CREATE TABLE s.t WITH (dims = 'y,x', chunks = 'y=3,x=4', memory = '1kB') AS \
    SELECT y, x, -v AS v FROM s.source WHERE y < 12";

/// A statement that is killed.
struct Case {
    name: &'static str,
    statement: &'static str,
    /// Is there a cube before it?
    has_before: bool,
    /// Cells, the sum of their values, and of values times coordinates, after it.
    after: [i64; 3],
}

/// What tells the cube from every other one that may be there.
const PRINT: &str =
    "SELECT count(v) AS cells, sum(v) AS total, sum(v * (y * 37 + x)) AS mixed FROM s.t";

/// The same, of a table in plain Rust: the value at `y`, `x`, if there is one.
fn print_of(value: impl Fn(i64, i64) -> Option<i64>) -> [i64; 3] {
    let mut print = [0; 3];
    for (y, x) in (0..48).flat_map(|y| (0..20).map(move |x| (y, x))) {
        if let Some(value) = value(y, x) {
            print[0] += 1;
            print[1] += value;
            print[2] += value * (y * 37 + x);
        }
    }
    print
}

fn before(y: i64, x: i64) -> Option<i64> {
    (y < 12).then_some(-(y * 100 + x))
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "create",
            statement: "CREATE TABLE s.t WITH (dims = 'y,x', chunks = 'y=3,x=4', memory = '1kB') AS \
                SELECT y, x, v * 2 AS v FROM s.source",
            has_before: false,
            after: print_of(|y, x| (y < 24).then_some((y * 100 + x) * 2)),
        },
        Case {
            name: "create_or_replace",
            statement: "CREATE OR REPLACE TABLE s.t WITH (dims = 'y,x', chunks = 'y=4,x=3', memory = '1kB') AS \
                SELECT y, x, v * 3 AS v FROM s.source",
            has_before: true,
            after: print_of(|y, x| (y < 24).then_some((y * 100 + x) * 3)),
        },
        Case {
            name: "insert",
            statement: "INSERT INTO s.t SELECT y + 12 AS y, x, v FROM s.source",
            has_before: true,
            after: print_of(|y, x| match y {
                ..12 => before(y, x),
                12..36 => Some((y - 12) * 100 + x),
                _ => None,
            }),
        },
    ]
}

/// What readers are told of a cube that is not there, or not yet.
const NOT_THERE: [&str; 2] = [
    "there is no table s.t",
    "the cube is being written, or its writer died",
];

/// The state that readers see; `None` when there is no such table.
fn seen(workshop: &Workshop) -> Result<Option<[i64; 3]>, Failed> {
    match workshop.run(PRINT)? {
        Ok(rows) => {
            let row = rows.first().ok_or("a print without a row")?;
            Ok(Some(
                ["cells", "total", "mixed"].map(|name| as_i64(&row[name])),
            ))
        }
        Err(complaint) if NOT_THERE.iter().any(|cause| complaint.contains(cause)) => Ok(None),
        Err(complaint) => Err(complaint.into()),
    }
}

fn as_i64(value: &Value) -> i64 {
    value.as_i64().unwrap_or(i64::MIN)
}

/// Boxes that are noted as done. Notes that the kill left in the making have a suffix.
fn noted(workshop: &Workshop) -> Result<u64, Failed> {
    let files = workshop.files("t")?;
    let notes = files
        .iter()
        .filter(|file| file.parent().is_some_and(|folder| folder.ends_with("done")))
        .filter_map(|file| file.file_name()?.to_str()?.parse::<u64>().ok());
    Ok(notes.count() as u64)
}

/// Makes the folder as it is before the statement.
fn reset(workshop: &Workshop, prepared: &Path) -> Result<(), Failed> {
    let table = workshop.store.join("t.zarr");
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

fn kill(case: &Case) -> Result<(), Failed> {
    let workshop = Workshop::new()?;
    workshop.rows(SOURCE)?;
    let prepared = workshop.desk.path().join("prepared");
    if case.has_before {
        workshop.rows(BEFORE)?;
        fs::rename(workshop.store.join("t.zarr"), &prepared)?;
    }
    let old = case.has_before.then(|| print_of(before));
    reset(&workshop, &prepared)?;
    assert_eq!(seen(&workshop)?, old);
    let begin = Instant::now();
    workshop.rows(case.statement)?;
    let takes = begin.elapsed();
    assert_eq!(seen(&workshop)?, Some(case.after));

    let mut random = Random(number("GRATICULE_SEED", 1));
    let (mut kills, mut kept, mut early) = (0, 0, 0);
    while kills < number("GRATICULE_CASES", KILLS) {
        reset(&workshop, &prepared)?;
        // Some builds are killed several times before they may end.
        let times = 1 + random.below(4);
        let mut is_done = false;
        for _ in 0..times {
            let mut child = workshop.start(case.statement)?;
            let share = takes.as_micros() as u64 * 11 / 10 + 1;
            std::thread::sleep(Duration::from_micros(random.below(share)));
            let ended = child.try_wait()?;
            child.kill()?;
            child.wait()?;
            kills += 1;
            let now = seen(&workshop)?;
            is_done = now == Some(case.after);
            if !is_done && now != old {
                return Err(format!(
                    "kill {kills}: readers see {now:?}, neither {old:?} nor the new state"
                )
                .into());
            }
            if ended.is_some() && !is_done {
                return Err(format!("kill {kills}: a statement that had ended is not seen").into());
            }
            if is_done {
                early += 1;
                break;
            }
        }
        if !is_done {
            let noted = noted(&workshop)?;
            let rows = workshop.rows(case.statement)?;
            let row = rows.first().ok_or("a statement without a result")?;
            let resumed = whole(row, "kept");
            if resumed != noted {
                return Err(
                    format!("{noted} boxes were noted as done, {resumed} were kept").into(),
                );
            }
            assert!(resumed <= whole(row, "boxes"), "{row}");
            kept += resumed;
            assert_eq!(seen(&workshop)?, Some(case.after), "after kill {kills}");
        }
        workshop.rows("VACUUM s.t")?;
        assert_eq!(seen(&workshop)?, Some(case.after), "after VACUUM");
        check_no_orphan(&workshop)?;
    }
    // A test that kills nothing midway tests nothing.
    match kept > 0 && early < kills {
        true => Ok(()),
        false => Err(format!(
            "{kills} kills, {early} after the end, {kept} boxes kept: none was midway"
        )
        .into()),
    }
}

/// After `VACUUM` there are as many files as a cube has that was written at once, and no notes.
fn check_no_orphan(workshop: &Workshop) -> Result<(), Failed> {
    let files = workshop.files("t")?;
    let notes: Vec<_> = files
        .iter()
        .filter(|file| file.components().any(|part| part.as_os_str() == "done"))
        .collect();
    assert!(notes.is_empty(), "{notes:?}");
    let swept = workshop.rows("VACUUM s.t")?;
    let row = swept.first().ok_or("VACUUM without a row")?;
    match (row["found"].as_str(), whole(row, "objects")) {
        (Some("cube"), 0) => Ok(()),
        _ => Err(format!("a second VACUUM still found something: {row}").into()),
    }
}

/// A build that was killed and never run again is removed by `VACUUM`.
fn dead_builds_are_removed() -> Result<(), Failed> {
    let workshop = Workshop::new()?;
    workshop.rows(SOURCE)?;
    let cases = cases();
    let create = cases.first().ok_or("no case")?;
    let begin = Instant::now();
    let mut child = workshop.start(create.statement)?;
    while workshop.files("t")?.len() < 5 && begin.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(2));
    }
    let swept = workshop.rows("VACUUM s")?;
    let found = |swept: &[Value]| {
        let row = swept.iter().find(|row| row["cube"] == "t");
        row.map(|row| row["found"].clone())
    };
    assert_eq!(found(&swept), Some("being written".into()), "{swept:?}");
    child.kill()?;
    child.wait()?;
    assert_eq!(seen(&workshop)?, None);
    let swept = workshop.rows("VACUUM s")?;
    assert_eq!(found(&swept), Some("dead build".into()), "{swept:?}");
    assert_eq!(workshop.files("t")?, Vec::<std::path::PathBuf>::new());
    Ok(())
}

pub(super) fn trials() -> Vec<Trial> {
    let kills = cases().into_iter().map(|case| {
        Trial::test(
            format!("writing::killed_{}_goes_on", case.name),
            move || kill(&case),
        )
    });
    let mut trials: Vec<Trial> = kills.collect();
    trials.push(Trial::test(
        "writing::dead_builds_are_removed",
        dead_builds_are_removed,
    ));
    trials
}
