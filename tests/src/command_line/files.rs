//! Results in files and pipes, read again by PyArrow.

use libtest_mimic::{Failed, Trial};

use super::{Desk, text};
use crate::places;

/// One row of every type that cubes have, and one of NULLs.
const STATEMENT: &str = "SELECT * FROM (VALUES \
    (1, 0.1::float, 'a,\"b\"', TIMESTAMP '2017-01-16T10:09:21.5', true), \
    (NULL, NULL, NULL, NULL, NULL)) AS t(i, f, s, t, b) ORDER BY i NULLS LAST";

/// What PyArrow must read: the same rows in every format.
const ROWS: &str = "[{'i': 1, 'f': 0.1, 's': 'a,\"b\"', 't': '2017-01-16 10:09:21.500000', 'b': True}, \
    {'i': None, 'f': None, 's': None, 't': None, 'b': None}]\n";

/// Prints the rows of a PyArrow table `t`, floats rounded, times as text.
const PRINT: &str = "
def plain(v):
    if isinstance(v, float): return round(v, 6)
    if isinstance(v, datetime.datetime): return v.isoformat(' ', 'microseconds')
    return v
print([{k: plain(v) for k, v in row.items()} for row in t.to_pylist()])
";

/// Name of the trial, suffix of the file, what reads it into `t`.
const READERS: &[(&str, &str, &str)] = &[
    (
        "csv",
        "csv",
        "import pyarrow.csv as c\n\
         t = c.read_csv(f, convert_options=c.ConvertOptions(strings_can_be_null=True, column_types={'t': pa.timestamp('us')}))",
    ),
    (
        "json",
        "json",
        "import json\n\
         t = pa.Table.from_pylist([dict(r, t=r['t'] and datetime.datetime.fromisoformat(r['t'])) for r in json.load(open(f))])",
    ),
    (
        "ndjson",
        "ndjson",
        "import pyarrow.json as j\nt = j.read_json(f)\n\
         t = t.set_column(3, 't', t['t'].cast(pa.timestamp('us')))",
    ),
    ("arrow_file", "arrow", "t = pa.ipc.open_file(f).read_all()"),
    (
        "parquet",
        "parquet",
        "import pyarrow.parquet as p\nt = p.read_table(f)",
    ),
];

pub(super) fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = READERS
        .iter()
        .map(|(name, suffix, reader)| {
            Trial::test(format!("command_line::file::{name}"), || {
                written(suffix, reader)
            })
        })
        .collect();
    trials.push(Trial::test(
        "command_line::file::arrow_stream",
        arrow_stream,
    ));
    trials.push(Trial::test(
        "command_line::file::appears_when_complete",
        appears_when_complete,
    ));
    trials
}

fn written(suffix: &str, reader: &str) -> Result<(), Failed> {
    let desk = Desk::with(&[])?;
    let file = format!("result.{suffix}");
    let output = desk.graticule(&["sql", "-c", STATEMENT, "--output", &file], "")?;
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        Default::default()
    );
    let script = format!("import sys, datetime, pyarrow as pa\nf = sys.argv[1]\n{reader}\n{PRINT}");
    assert_eq!(desk.python(&script, &[&file])?, ROWS);
    Ok(())
}

fn arrow_stream() -> Result<(), Failed> {
    let script = format!(
        "import sys, datetime, subprocess, pyarrow as pa\n\
         p = subprocess.run([*sys.argv[1:], '--format', 'arrow'], stdout=subprocess.PIPE, check=True)\n\
         t = pa.ipc.open_stream(p.stdout).read_all()\n{PRINT}"
    );
    let binary = places::binary();
    let arguments = [&binary.to_string_lossy(), "sql", "-c", STATEMENT];
    assert_eq!(Desk::with(&[])?.python(&script, &arguments)?, ROWS);
    Ok(())
}

/// A run that fails leaves the old file as it was, and nothing beside it.
fn appears_when_complete() -> Result<(), Failed> {
    let desk = Desk::with(&[("old.csv", "precious\n")])?;
    let fails_late = "SELECT 1 / (value - 100000) FROM generate_series(1, 100000)";
    let output = desk.graticule(&["sql", "-c", fails_late, "--output", "old.csv"], "")?;
    assert_eq!(output.status.code(), Some(1));
    let files = desk.python(
        "import os; print(os.listdir('.'), open('old.csv').read())",
        &[],
    )?;
    assert_eq!(files, "['old.csv'] precious\n\n");
    Ok(())
}
