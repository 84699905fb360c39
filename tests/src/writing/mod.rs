//! Cubes written with SQL, by processes that are killed, that meet, and that find no space.
//!
//! ```text
//!  kills      a process is killed at any moment ─▶ the old state or nothing ─▶ run again ─▶ the cube
//!  rivals     two processes write one cube: one after the other, or one is told of the other
//!  full       no space, no permission: an error, nothing visible, then on from where it stopped
//! ```
//! What each statement says is in `tests/slt/writing`.

mod full;
mod kills;
mod rivals;

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use tempfile::TempDir;

use crate::places;

pub(crate) fn trials() -> Vec<Trial> {
    [full::trials(), kills::trials(), rivals::trials()]
        .into_iter()
        .flatten()
        .collect()
}

/// A number from the environment, for people who look for more.
fn number(variable: &str, otherwise: u64) -> u64 {
    let text = std::env::var(variable).unwrap_or_default();
    text.parse().unwrap_or(otherwise)
}

/// Numbers that look random: SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// A folder that statements know as the store `s`, and the program that runs them.
struct Workshop {
    /// What is removed in the end, and where the program keeps what it remembers.
    desk: TempDir,
    store: PathBuf,
}

impl Workshop {
    fn new() -> Result<Self, Failed> {
        let desk = tempfile::tempdir()?;
        let store = desk.path().join("store");
        std::fs::create_dir(&store)?;
        Ok(Self { desk, store })
    }

    /// The program, about to run the statements.
    fn command(&self, statements: &str) -> Command {
        let attached = format!("ATTACH '{}' AS s; {statements}", self.store.display());
        let mut command = Command::new(places::binary());
        command
            .args(["sql", "--format", "ndjson", "-c", &attached])
            .current_dir(self.desk.path())
            .env_remove("GRATICULE_CONFIG")
            .env("XDG_STATE_HOME", self.desk.path().join("state"))
            .env("XDG_CACHE_HOME", self.desk.path().join("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn start(&self, statements: &str) -> Result<Child, Failed> {
        Ok(self.command(statements).spawn()?)
    }

    /// The rows that the statements give, or what the program complains of.
    fn run(&self, statements: &str) -> Result<Result<Vec<Value>, String>, Failed> {
        rows(&self.command(statements).output()?)
    }

    /// The rows of statements that must succeed.
    fn rows(&self, statements: &str) -> Result<Vec<Value>, Failed> {
        let outcome = self.run(statements)?;
        outcome.map_err(|complaint| format!("{statements}: {complaint}").into())
    }

    /// All files of a cube, below its folder.
    fn files(&self, cube: &str) -> Result<Vec<PathBuf>, Failed> {
        let mut folders = vec![self.store.join(format!("{cube}.zarr"))];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            if !folder.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => files.push(path),
                }
            }
        }
        files.sort();
        Ok(files)
    }
}

/// The rows that a program has printed, or what it complained of.
fn rows(output: &Output) -> Result<Result<Vec<Value>, String>, Failed> {
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        return Ok(Err(complaint));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = text.lines().map(serde_json::from_str);
    Ok(Ok(rows.collect::<Result<_, _>>()?))
}

fn whole(row: &Value, name: &str) -> u64 {
    row[name].as_u64().unwrap_or(u64::MAX)
}
