//! A client of the engine with all stores and formats: what SQL files and answers are run through.
//!
//! [`Variables`] stand for folders in statements, and for the same folders in results, so that what
//! is expected reads the same on every machine.
//!
//! | variable | folder |
//! |---|---|
//! | `$DATA` | large real data, where this machine has them |
//! | `$SAMPLES` | the files of iris-sample-data |
//! | `$SCRATCH` | empty, writable, removed with its [`Variables`] |
//! | `$ORACLE_name` | what the script `tests/oracle/name.py` has written |

use std::cmp::Reverse;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use futures::TryStreamExt;
use graticule_engine::{Engine, EngineBuilder, Session};
use libtest_mimic::Failed;
use tempfile::TempDir;

use crate::oracle::oracle;
use crate::places;

/// An engine with every store and format, and nothing attached.
pub(crate) fn engine() -> Result<Engine> {
    engine_of(|builder| builder)
}

/// The same, with more said about it.
pub(crate) fn engine_of(more: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Result<Engine> {
    let builder = Engine::builder()
        .store_connectors(graticule_connectors::store_connectors())
        .formats(graticule_connectors::formats())
        .sinks(graticule_connectors::sinks())
        .table_formats(graticule_connectors::table_formats());
    more(builder).build()
}

/// One session, with variables in its statements.
pub(crate) struct Client {
    session: Session,
    pub(crate) variables: Arc<Variables>,
}

impl Client {
    pub(crate) fn new(engine: &Engine, variables: Arc<Variables>) -> Self {
        let session = engine.session();
        Self { session, variables }
    }

    /// The whole result of one statement.
    pub(crate) async fn run(&self, statement: &str) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let query = self
            .session
            .run(&self.variables.to_folders(statement))
            .await?;
        Ok((query.schema, query.stream.try_collect().await?))
    }
}

/// Names with their folders, longer names first.
pub(crate) struct Variables {
    folders: Vec<(String, String)>,
    _scratch: TempDir,
}

impl Variables {
    /// The variables that occur in `script`; runs the oracles it names.
    pub(crate) fn of(script: &str) -> Result<Arc<Self>, Failed> {
        let scratch = tempfile::tempdir()?;
        let mut folders = vec![
            ("$SAMPLES".to_string(), places::samples()),
            ("$SCRATCH".to_string(), scratch.path().to_path_buf()),
        ];
        folders.extend(places::data().map(|folder| ("$DATA".to_string(), folder)));
        for rest in script.split("$ORACLE_").skip(1) {
            let ends = |character: char| !character.is_ascii_alphanumeric() && character != '_';
            let name = rest.split(ends).next().unwrap_or_default();
            folders.push((format!("$ORACLE_{name}"), oracle(&format!("{name}.py"))?));
        }
        folders.sort_by_key(|(name, _)| Reverse(name.len()));
        let as_text = |(name, folder): (String, PathBuf)| (name, folder.display().to_string());
        Ok(Arc::new(Self {
            folders: folders.into_iter().map(as_text).collect(),
            _scratch: scratch,
        }))
    }

    pub(crate) fn to_folders(&self, text: &str) -> String {
        let replace = |text: String, (name, folder): &(String, String)| text.replace(name, folder);
        self.folders.iter().fold(text.to_string(), replace)
    }

    pub(crate) fn to_names(&self, text: &str) -> String {
        let replace = |text: String, (name, folder): &(String, String)| text.replace(folder, name);
        self.folders.iter().fold(text.to_string(), replace)
    }
}
