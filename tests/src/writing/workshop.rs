//! A folder that statements know as the store `s`: [`Workshop`] runs them in processes of their own, which
//! may be killed, and here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::client::{Client, Variables, engine};
use crate::places;
use crate::values;

/// Where a cube has the notes about writing it.
pub(super) const NOTES: &str = ".graticule";

/// No statement of these tests takes longer to begin.
const LONGEST_BEGIN: Duration = Duration::from_secs(60);

/// What a cube is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Zarr,
    Icechunk,
}

impl Format {
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Zarr => ".zarr",
            Self::Icechunk => ".icechunk",
        }
    }

    /// The statement, of which the options of a new cube name the format.
    pub(super) fn of(self, statement: &str) -> String {
        match self {
            Self::Zarr => statement.to_string(),
            Self::Icechunk => statement.replace("WITH (", "WITH (format = 'icechunk', "),
        }
    }
}

pub(super) struct Workshop {
    /// What is removed in the end, and where the program keeps what it remembers.
    pub(super) desk: TempDir,
    pub(super) store: PathBuf,
    /// The statement that attaches the store, which may be elsewhere.
    attach: String,
    /// What the cubes of these tests are.
    pub(super) format: Format,
    /// Somebody who has been here from the beginning.
    regular: Client,
    runtime: Runtime,
}

/// The rows of a statement as text.
pub(super) type Rows = Vec<Vec<String>>;

impl Workshop {
    pub(super) fn new() -> Result<Self, Failed> {
        Self::writing(Format::Zarr)
    }

    pub(super) fn writing(format: Format) -> Result<Self, Failed> {
        let desk = tempfile::tempdir()?;
        let store = desk.path().join("store");
        fs::create_dir(&store)?;
        let attach = format!("ATTACH '{}' AS s", store.display());
        Self::with(desk, store, attach, format)
    }

    /// One whose store is attached by a statement.
    pub(super) fn attached(attach: &str, format: Format) -> Result<Self, Failed> {
        let desk = tempfile::tempdir()?;
        let store = desk.path().join("store");
        Self::with(desk, store, attach.to_string(), format)
    }

    fn with(desk: TempDir, store: PathBuf, attach: String, format: Format) -> Result<Self, Failed> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let regular = runtime.block_on(client(&attach))?;
        Ok(Self {
            desk,
            store,
            attach,
            format,
            regular,
            runtime,
        })
    }

    /// The program, about to run the statements.
    fn command(&self, statements: &str) -> Command {
        let attached = format!("{}; {statements}", self.attach);
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

    pub(super) fn start(&self, statements: &str) -> Result<Child, Failed> {
        Ok(self.command(statements).spawn()?)
    }

    /// The rows that the statements give in a process, or what it complains of.
    pub(super) fn run(&self, statements: &str) -> Result<Result<Vec<Value>, String>, Failed> {
        printed(&self.command(statements).output()?)
    }

    /// The rows of statements that must succeed, in a process.
    pub(super) fn rows(&self, statements: &str) -> Result<Vec<Value>, Failed> {
        let outcome = self.run(statements)?;
        outcome.map_err(|complaint| format!("{statements}: {complaint}").into())
    }

    /// The rows that a statement gives here, to somebody who remembers nothing; or what is said of it.
    pub(super) fn try_ask(&self, statement: &str) -> Result<Result<Rows, String>, Failed> {
        let client = client(&self.attach);
        self.runtime
            .block_on(async { answer(&client.await?, statement).await })
    }

    /// The rows that a statement gives to the regular client.
    pub(super) fn try_regular(&self, statement: &str) -> Result<Result<Rows, String>, Failed> {
        self.runtime.block_on(answer(&self.regular, statement))
    }

    /// The rows of a statement that must succeed here.
    pub(super) fn ask(&self, statement: &str) -> Result<Rows, Failed> {
        let outcome = self.try_ask(statement)?;
        outcome.map_err(|complaint| format!("{statement}: {complaint}").into())
    }

    /// The folder of a cube.
    pub(super) fn cube(&self, cube: &str) -> PathBuf {
        self.store.join(format!("{cube}{}", self.format.suffix()))
    }

    /// All files of a cube, as paths below the store.
    pub(super) fn files(&self, cube: &str) -> Result<Vec<PathBuf>, Failed> {
        let mut folders = vec![self.cube(cube)];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            if !folder.is_dir() {
                continue;
            }
            for entry in fs::read_dir(folder)? {
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

    /// The bytes of all files of a cube but for notes. Of its own metadata, which tell when it was made, only
    /// that they are there.
    pub(super) fn contents(&self, cube: &str) -> Result<BTreeMap<PathBuf, Vec<u8>>, Failed> {
        let folder = self.cube(cube);
        let mut contents = BTreeMap::new();
        for file in self.files(cube)? {
            let name = file.strip_prefix(&folder)?.to_path_buf();
            let bytes = match name == Path::new("zarr.json") {
                true => vec![],
                false => fs::read(file)?,
            };
            if !name.starts_with(NOTES) {
                contents.insert(name, bytes);
            }
        }
        Ok(contents)
    }

    /// Boxes that the statement has noted as done before it was broken off. `None` when it had not begun.
    pub(super) fn noted(&self, cube: &str, statement: &str) -> Result<Option<u64>, Failed> {
        let notes = self.cube(cube).join(NOTES);
        let Ok(begun) = fs::read(notes.join("build.json")) else {
            return Ok(None);
        };
        let begun: Value = serde_json::from_slice(&begun)?;
        if begun["statement"] != statement {
            return Ok(None);
        }
        let done = match fs::read_dir(notes.join("done")) {
            Ok(entries) => entries.collect::<Result<Vec<_>, _>>()?,
            Err(_) => vec![],
        };
        // What was in the making has a suffix.
        let is_note = |name: &std::ffi::OsStr| name.to_string_lossy().parse::<u64>().is_ok();
        let notes = done.iter().filter(|entry| is_note(&entry.file_name()));
        Ok(Some(notes.count() as u64))
    }

    /// Starts a statement that writes the cube, waits until it has claimed it (or ended), and then for
    /// `pause`. Then kills it, and says how long it took from the claim to its end, if it had ended.
    pub(super) fn kill(
        &self,
        statement: &str,
        cube: &str,
        pause: Duration,
    ) -> Result<Option<Duration>, Failed> {
        let notes = self.cube(cube).join(NOTES);
        let mut child = self.start(statement)?;
        let begin = Instant::now();
        while begin.elapsed() < LONGEST_BEGIN && !has_claim(&notes) && child.try_wait()?.is_none() {
            std::thread::sleep(Duration::from_micros(100));
        }
        let claimed = Instant::now();
        while claimed.elapsed() < pause {
            let rest = pause.saturating_sub(claimed.elapsed());
            std::thread::sleep(rest.min(Duration::from_millis(1)));
            if child.try_wait()?.is_some() {
                return Ok(Some(claimed.elapsed()));
            }
        }
        child.kill()?;
        child.wait()?;
        Ok(None)
    }
}

async fn client(attach: &str) -> Result<Client, Failed> {
    let client = Client::new(&engine()?, Variables::of("")?);
    client.run(attach).await?;
    Ok(client)
}

async fn answer(client: &Client, statement: &str) -> Result<Result<Rows, String>, Failed> {
    Ok(match client.run(statement).await {
        Ok((_, batches)) => Ok(values::rows(&batches)?),
        Err(error) => Err(error.to_string()),
    })
}

fn has_claim(notes: &Path) -> bool {
    let Ok(mut entries) = fs::read_dir(notes) else {
        return false;
    };
    entries.any(|entry| {
        entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("claim."))
    })
}

/// The rows that a program has printed, or what it complained of.
pub(super) fn printed(output: &Output) -> Result<Result<Vec<Value>, String>, Failed> {
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        return Ok(Err(complaint));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = text.lines().map(serde_json::from_str);
    Ok(Ok(rows.collect::<Result<_, _>>()?))
}

pub(super) fn whole(row: &Value, name: &str) -> u64 {
    row[name].as_u64().unwrap_or(u64::MAX)
}

/// What a statement that writes says of itself.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) boxes: u64,
    pub(super) kept: u64,
}

impl Written {
    pub(super) fn of(rows: &Rows) -> Result<Self, Failed> {
        let row = rows.first().ok_or("a statement without a result")?;
        let number = |at: usize| row.get(at).and_then(|text| text.parse().ok());
        match (number(6), number(7)) {
            (Some(boxes), Some(kept)) => Ok(Self { boxes, kept }),
            _ => Err(format!("no numbers of boxes: {row:?}").into()),
        }
    }
}
