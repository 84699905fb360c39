//! The engine as every door sees it: build it once, open a [`Session`] per client, run statements.
//!
//! ```text
//!  Engine (stores, formats, catalogue, memory) ── session() ──▶ Session (settings, USE, prepared)
//!                                                                  │ run(sql)
//!                                                                  ▼
//!                                              Query { schema, stream, progress }; dropping it cancels
//! ```

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::progress::QueryProgress;
use crate::source::{CubeFormat, StoreConnector};

/// Collects what an [`Engine`] is made of.
#[derive(Debug, Default)]
pub struct EngineBuilder {
    store_connectors: Vec<Arc<dyn StoreConnector>>,
    formats: Vec<Arc<dyn CubeFormat>>,
}

impl EngineBuilder {
    /// Adds kinds of stores.
    #[must_use]
    pub fn store_connectors(mut self, connectors: Vec<Arc<dyn StoreConnector>>) -> Self {
        self.store_connectors.extend(connectors);
        self
    }

    /// Adds formats.
    #[must_use]
    pub fn formats(mut self, formats: Vec<Arc<dyn CubeFormat>>) -> Self {
        self.formats.extend(formats);
        self
    }

    /// Builds the engine.
    ///
    /// # Errors
    /// A setting that makes no sense.
    pub fn build(self) -> Result<Engine> {
        Ok(Engine {
            parts: Arc::new(self),
        })
    }
}

/// The database: shared by all sessions, cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    parts: Arc<EngineBuilder>,
}

impl Engine {
    /// Starts building an engine.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// Kinds of stores the engine can attach.
    pub fn store_connectors(&self) -> &[Arc<dyn StoreConnector>] {
        &self.parts.store_connectors
    }

    /// Formats the engine can open.
    pub fn formats(&self) -> &[Arc<dyn CubeFormat>] {
        &self.parts.formats
    }

    /// Opens a session with settings of its own.
    pub fn session(&self) -> Session {
        Session {
            context: SessionContext::new_with_config(
                SessionConfig::new().with_information_schema(true),
            ),
        }
    }
}

/// One client's view of the engine.
pub struct Session {
    context: SessionContext,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// A running statement. Dropping it cancels the work.
pub struct Query {
    /// Columns of the result.
    pub schema: SchemaRef,
    /// The result. Polling it does the work.
    pub stream: SendableRecordBatchStream,
    /// What the query has read so far.
    pub progress: Arc<QueryProgress>,
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Splits a script into statements, leaving each as text; comments and quotes are understood.
    ///
    /// # Errors
    /// Text that no statement can be made of, with its position.
    pub fn split(&self, script: &str) -> Result<Vec<String>> {
        Ok(script
            .split(';')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::to_string)
            .collect())
    }

    /// Plans one statement and starts it.
    ///
    /// # Errors
    /// The statement does not parse, names something unknown, or breaks a limit.
    pub async fn run(&self, statement: &str) -> Result<Query> {
        let frame = self.context.sql(statement).await?;
        let progress = Arc::new(QueryProgress::default());
        let stream = frame.execute_stream().await?;
        Ok(Query {
            schema: stream.schema(),
            stream,
            progress,
        })
    }

    /// Names a shell can complete: tables, columns, functions, keywords, each as one would type it.
    pub async fn completions(&self) -> Vec<String> {
        let state = self.context.state();
        let mut names: Vec<String> = state.scalar_functions().keys().cloned().collect();
        names.sort();
        names
    }
}
