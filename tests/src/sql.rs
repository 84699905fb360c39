//! SQL behaviour as text: every `tests/slt/**/*.slt` is one trial with an engine of its own.
//!
//! ```text
//!  file.slt ──▶ sqllogictest ── statement ──▶ Client ──▶ rows
//!                    ▲                                    │
//!                    └──── text, rounded, names ◀─────────┘
//! ```
//!
//! The variables of [`crate::client`] stand for folders, in statements and in results. Result
//! columns are typed as in DataFusion's own files: `B`oolean, `D`ate, `I`nteger, time stam`P`,
//! `R`eal, `T`ext, `?` for the rest. `make bless` rewrites the expectations of all files.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use libtest_mimic::{Failed, Trial};
use sqllogictest::{
    AsyncDB, DBOutput, Runner, default_normalizer, default_validator, strict_column_validator,
};

use crate::client::{Client, Variables, engine};
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
    let variables = Variables::of(script)?;
    let engine = engine()?;
    let connect = || async { Ok(Client::new(&engine, variables.clone())) };
    let mut runner = Runner::new(connect);
    runner.with_column_validator(strict_column_validator);
    tokio::runtime::Runtime::new()?.block_on(async {
        if std::env::var_os(BLESS).is_none() {
            let outcome = runner.run_file_async(file).await;
            return outcome.map_err(|error| error.display(false).to_string());
        }
        let validator = default_validator;
        let normalizer = default_normalizer;
        runner
            .update_test_file(file, " ", validator, normalizer, strict_column_validator)
            .await
            .map_err(|error| error.to_string())
    })?;
    Ok(())
}

#[async_trait]
impl AsyncDB for Client {
    type Error = Refusal;
    type ColumnType = Column;

    async fn run(&mut self, statement: &str) -> Result<DBOutput<Column>, Refusal> {
        let refuse =
            |error: &dyn fmt::Display| Refusal(self.variables.to_names(&error.to_string()));
        let outcome = Client::run(self, statement).await;
        let (schema, batches) = outcome.map_err(|error| refuse(&error))?;
        if schema.fields().is_empty() {
            return Ok(DBOutput::StatementComplete(0));
        }
        let mut rows = rows(&batches).map_err(|error| refuse(&error))?;
        for cell in rows.iter_mut().flatten() {
            *cell = self.variables.to_names(cell);
        }
        let types = schema.fields().iter().map(Column::from).collect();
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}
}

/// The text of an error, with variables in the place of folders.
#[derive(Debug)]
pub(crate) struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}
