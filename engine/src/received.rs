//! Rows that a client sends, kept on disk until all are there, and read as often as a statement asks for them:
//! [`Receiving`], then [`Received`].
//!
//! ```text
//!  batches ─▶ Receiving::push ─▶ a temporary file ─▶ Received: a table ─▶ Session::insert
//! ```
//! A cube is changed box by box, and each box reads the rows anew; so a stream of them would not do. The file counts
//! among those that queries spill to, and is gone when the last one lets go of it.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::{Result, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::spill_file::{SpillFile, SpillWriter};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::SpillManager;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SpillMetrics};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;

use crate::engine::Query;
use crate::session::Session;
use crate::sql::receiving;

/// Rows that come in.
pub struct Receiving {
    received: Received,
    writer: StreamWriter<Box<dyn SpillWriter>>,
}

impl fmt::Debug for Receiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiving").field(&self.received).finish()
    }
}

impl Receiving {
    /// Takes rows in. It waits for the disk.
    ///
    /// # Errors
    /// The disk is full, or queries may not use more of it.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch)?;
        self.received.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// All rows are there.
    ///
    /// # Errors
    /// As for [`Receiving::push`].
    pub fn finish(mut self) -> Result<Received> {
        self.writer.finish()?;
        self.writer.into_inner()?.finish()?;
        Ok(self.received)
    }
}

/// Rows that a client has sent.
#[derive(Clone)]
pub struct Received {
    manager: SpillManager,
    file: Arc<dyn SpillFile>,
    /// How many there are.
    pub rows: u64,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl Received {
    /// The rows as a query.
    ///
    /// # Errors
    /// What DataFusion says of the columns.
    pub(crate) fn query(self) -> Result<LogicalPlan> {
        let (name, columns) = (self.name(), Arc::clone(self.manager.schema()));
        let table = StreamingTable::try_new(columns, vec![Arc::new(self)])?;
        LogicalPlanBuilder::scan(
            TableReference::bare(name),
            provider_as_source(Arc::new(table)),
            None,
        )?
        .build()
    }

    /// What no other rows are called: a build that was broken off must not go on with these.
    fn name(&self) -> String {
        let file = self.file.path().and_then(|path| path.file_name());
        let file = file.map(|name| name.to_string_lossy().replace('.', ""));
        format!("received_{}", file.unwrap_or_default())
    }
}

impl PartitionStream for Received {
    fn schema(&self) -> &SchemaRef {
        self.manager.schema()
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let read = self
            .manager
            .read_spill_as_stream(Arc::clone(&self.file), None);
        read.unwrap_or_else(|error| {
            let failed = futures::stream::once(std::future::ready(Err(error)));
            Box::pin(RecordBatchStreamAdapter::new(
                Arc::clone(self.manager.schema()),
                failed,
            ))
        })
    }
}

impl Session {
    /// The columns of a cube that the user may insert rows into: those named, or all where none is.
    ///
    /// # Errors
    /// There is no such cube or column, the user may not insert rows, or a column of its axes is left out.
    pub async fn insertable(&self, table: &str, columns: &[String]) -> Result<SchemaRef> {
        Box::pin(receiving::insertable(self, table, columns)).await
    }

    /// Begins to take rows in.
    ///
    /// # Errors
    /// There is no room on the disk.
    pub fn receive(&self, columns: SchemaRef) -> Result<Receiving> {
        let env = self.context.runtime_env();
        let file = env.disk_manager.create_tmp_file("rows of a client")?;
        let metrics = SpillMetrics::new(&ExecutionPlanMetricsSet::new(), 0);
        Ok(Receiving {
            writer: StreamWriter::try_new(file.open_writer()?, &columns)?,
            received: Received {
                manager: SpillManager::new(env, metrics, columns),
                file,
                rows: 0,
            },
        })
    }

    /// Puts rows into a cube, as `INSERT INTO` does. `statement` is what lists and histories call it.
    ///
    /// # Errors
    /// See [`Session::insertable`]; a cell is there already, or the rows do not fit the cube.
    pub async fn insert(&self, statement: &str, table: &str, rows: Received) -> Result<Query> {
        let running = Box::pin(receiving::insert(self, statement, table, rows));
        self.listed(statement, running).await
    }
}
