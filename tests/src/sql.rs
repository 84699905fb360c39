//! SQL behaviour as text: every `tests/slt/**/*.slt` is one trial with an engine of its own.
//!
//! ```text
//!  file.slt ──▶ sqllogictest ── statement, $DATA → folder ──▶ Engine ──▶ rows
//!                    ▲                                                    │
//!                    └────── text, folder → $DATA, floats rounded ◀───────┘
//! ```
//!
//! Variables stand for folders, in statements and in results:
//!
//! | variable | folder |
//! |---|---|
//! | `$DATA` | large real data; the file is ignored where there are none |
//! | `$SAMPLES` | the files of iris-sample-data |
//! | `$SCRATCH` | empty, writable, removed afterwards |
//! | `$ORACLE_name` | what the script `tests/oracle/name.py` has written |
//!
//! Result columns are typed as in DataFusion's own files: `B`oolean, `D`ate, `I`nteger, time
//! stam`P`, `R`eal, `T`ext, `?` for the rest. `make bless` rewrites the expectations of all files.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use futures::TryStreamExt;
use graticule_engine::{Engine, Session};
use libtest_mimic::{Failed, Trial};
use sqllogictest::{
    AsyncDB, DBOutput, Runner, default_normalizer, default_validator, strict_column_validator,
};
use tempfile::TempDir;

use crate::oracle::oracle;
use crate::places;
use crate::values::{Column, rows};

/// Set to rewrite the expectations instead of checking them.
const BLESS: &str = "GRATICULE_BLESS";

pub(crate) fn trials() -> Vec<Trial> {
    let root = places::repository().join("tests/slt");
    let mut files = Vec::new();
    collect(&root, &mut files).expect("tests/slt can be listed");
    files.sort();
    files.into_iter().map(|file| trial(&root, file)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            files.push(path);
        }
    }
    Ok(())
}

fn trial(root: &Path, file: PathBuf) -> Trial {
    let relative = file.strip_prefix(root).unwrap_or(&file);
    let name = format!("sql::{}", relative.with_extension("").display());
    let script = fs::read_to_string(&file).unwrap_or_default();
    let lacks_data = script.contains("$DATA") && places::data().is_none();
    Trial::test(name, move || check(&file, &script)).with_ignored_flag(lacks_data)
}

fn check(file: &Path, script: &str) -> Result<(), Failed> {
    let scratch = tempfile::tempdir()?;
    let folders = folders(script, &scratch)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let engine = engine()?;
        let mut runner = Runner::new(|| async {
            Ok(Connection {
                session: engine.session(),
                folders: folders.clone(),
            })
        });
        runner.with_column_validator(strict_column_validator);
        if std::env::var_os(BLESS).is_some() {
            runner
                .update_test_file(
                    file,
                    " ",
                    default_validator,
                    default_normalizer,
                    strict_column_validator,
                )
                .await
                .map_err(|error| Failed::from(error.to_string()))
        } else {
            runner
                .run_file_async(file)
                .await
                .map_err(|error| Failed::from(error.display(false).to_string()))
        }
    })
}

fn engine() -> datafusion::error::Result<Engine> {
    Engine::builder()
        .store_connectors(graticule_connectors::store_connectors())
        .formats(graticule_connectors::formats())
        .build()
}

/// The variables that `script` may use, with their folders; longer names first.
fn folders(script: &str, scratch: &TempDir) -> Result<Vec<(String, String)>, Failed> {
    let mut folders = vec![
        ("$SAMPLES".to_string(), places::samples()),
        ("$SCRATCH".to_string(), scratch.path().to_path_buf()),
        ("$DATA".to_string(), places::data().unwrap_or_default()),
    ];
    for rest in script.split("$ORACLE_").skip(1) {
        let name: String = rest
            .chars()
            .take_while(|character| character.is_ascii_alphanumeric() || *character == '_')
            .collect();
        folders.push((format!("$ORACLE_{name}"), oracle(&format!("{name}.py"))?));
    }
    folders.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    folders.dedup();
    let as_text = |(name, folder): (String, PathBuf)| (name, folder.display().to_string());
    Ok(folders.into_iter().map(as_text).collect())
}

/// One connection of a file, `connection NAME` opens more: a session on the file's engine.
struct Connection {
    session: Session,
    folders: Vec<(String, String)>,
}

impl Connection {
    fn with_folders(&self, text: &str) -> String {
        self.folders
            .iter()
            .fold(text.to_string(), |text, (name, folder)| {
                text.replace(name, folder)
            })
    }

    fn with_variables(&self, text: &str) -> String {
        self.folders
            .iter()
            .filter(|(_, folder)| !folder.is_empty())
            .fold(text.to_string(), |text, (name, folder)| {
                text.replace(folder, name)
            })
    }

    async fn execute(&self, statement: &str) -> datafusion::error::Result<DBOutput<Column>> {
        let query = self.session.run(statement).await?;
        let types: Vec<Column> = query
            .schema
            .fields()
            .iter()
            .map(|field| field.into())
            .collect();
        let batches: Vec<_> = query.stream.try_collect().await?;
        if types.is_empty() {
            return Ok(DBOutput::StatementComplete(0));
        }
        let rows = rows(&batches)?
            .into_iter()
            .map(|row| row.iter().map(|value| self.with_variables(value)).collect())
            .collect();
        Ok(DBOutput::Rows { types, rows })
    }
}

#[async_trait]
impl AsyncDB for Connection {
    type Error = Refusal;
    type ColumnType = Column;

    async fn run(&mut self, statement: &str) -> Result<DBOutput<Column>, Refusal> {
        self.execute(&self.with_folders(statement))
            .await
            .map_err(|error| Refusal(self.with_variables(&error.to_string())))
    }

    async fn shutdown(&mut self) {}
}

/// The text of an error, with variables in the place of folders.
#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}
