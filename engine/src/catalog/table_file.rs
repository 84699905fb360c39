//! A file that is a small table, or several, and is read whole: places, zones.
//!
//! ```text
//!  scan ── is the file the same? ──yes──▶ the rows in memory, weighed against the memory pool
//!                │ no
//!                └──▶ TableFormat.read ──▶ the same columns? ──▶ keep
//! ```
//! Asking a store for the version of a file costs one small request, so that an answer is never older
//! than the file.

use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::object_store::{ObjectMeta, ObjectStoreExt};
use datafusion::physical_plan::ExecutionPlan;

use super::store::lock;
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::source::{Layer, Location, TableFormat};

/// No file larger than this is read whole.
const LARGEST_FILE: u64 = 1 << 30;

/// A table in one file.
#[derive(Debug)]
pub(crate) struct TableFile {
    format: Arc<dyn TableFormat>,
    location: Location,
    /// Which one it is, see [`Layer::name`].
    pub(crate) layer: String,
    schema: SchemaRef,
    kept: Mutex<Option<Kept>>,
}

/// The rows of a file as it was at one time.
#[derive(Debug)]
struct Kept {
    /// `None` where the store does not tell.
    version: Option<String>,
    batch: RecordBatch,
    /// Weighs the rows since the first scan.
    weight: Option<MemoryReservation>,
}

impl TableFile {
    /// Reads the tables in the file at `location`.
    ///
    /// # Errors
    /// Not found, denied, too large, or what the format finds wrong.
    pub(crate) async fn open(
        format: &Arc<dyn TableFormat>,
        location: &Location,
    ) -> CubeResult<Vec<Arc<TableFile>>> {
        let version = version(format.as_ref(), location).await?;
        let table = |Layer { name, rows }: Layer| {
            Arc::new(TableFile {
                format: Arc::clone(format),
                location: location.clone(),
                layer: name,
                schema: rows.schema(),
                kept: Mutex::new(Some(Kept {
                    version: version.clone(),
                    batch: rows,
                    weight: None,
                })),
            })
        };
        let layers = format.read(location).await?;
        Ok(layers.into_iter().map(table).collect())
    }

    /// The name of the table, where the file is called `file`.
    pub(crate) fn name(&self, file: &str) -> String {
        match self.layer.as_str() {
            "" => file.to_string(),
            layer => format!("{file}/{layer}"),
        }
    }

    /// The rows as they are now.
    async fn rows(&self, memory: &Arc<dyn MemoryPool>) -> Result<RecordBatch> {
        let version = version(self.format.as_ref(), &self.location).await?;
        if let Some(kept) = &mut *lock(&self.kept)
            && version.is_some()
            && kept.version == version
        {
            if kept.weight.is_none() {
                kept.weight = Some(self.weigh(&kept.batch, memory)?);
            }
            return Ok(kept.batch.clone());
        }
        // What is kept is out of date; its memory is free for what comes.
        lock(&self.kept).take();
        let layers = self.format.read(&self.location).await?;
        let is_same = |layer: &Layer| layer.name == self.layer;
        let batch = layers.into_iter().find(is_same).ok_or_else(|| {
            let cause = format!("the file has no layer {:?} any more", self.layer);
            CubeError::corrupt(&self.location.url, cause)
                .remedy("REFRESH STORE, or create the table again")
        })?;
        let batch = batch.rows;
        if batch.schema() != self.schema {
            let cause = "the columns of the file have changed since it was opened";
            return Err(CubeError::corrupt(&self.location.url, cause)
                .remedy("REFRESH STORE, or create the table again")
                .into());
        }
        let weight = Some(self.weigh(&batch, memory)?);
        *lock(&self.kept) = Some(Kept {
            version,
            batch: batch.clone(),
            weight,
        });
        Ok(batch)
    }

    fn weigh(
        &self,
        batch: &RecordBatch,
        memory: &Arc<dyn MemoryPool>,
    ) -> Result<MemoryReservation> {
        let name = format!("table {}", self.location.url);
        let reservation = MemoryConsumer::new(name).register(memory);
        reservation.try_grow(batch.get_array_memory_size())?;
        Ok(reservation)
    }
}

/// What changes when the file or a companion does, or `None` where the store does not tell.
async fn version(format: &dyn TableFormat, location: &Location) -> CubeResult<Option<String>> {
    let Some(mut version) = version_of_one(location).await? else {
        return Ok(None);
    };
    for companion in format.companions(location) {
        let of_companion = version_of_one(&companion).await?;
        version.push_str(&of_companion.unwrap_or_default());
    }
    Ok(Some(version))
}

async fn version_of_one(location: &Location) -> CubeResult<Option<String>> {
    let Ok(meta) = location.store.head(&location.path).await else {
        // Reading says what is wrong, if anything is: some web servers refuse only this question.
        return Ok(None);
    };
    let ObjectMeta {
        size,
        e_tag,
        last_modified,
        ..
    } = meta;
    if size > LARGEST_FILE {
        let cause =
            format!("the file has {size} bytes, the most that is read whole is {LARGEST_FILE}");
        return Err(CubeError::new(ErrorKind::Limit, &location.url, cause)
            .remedy("simplify its geometries, or split it"));
    }
    Ok(Some(format!(
        "{} {} {size};",
        e_tag.unwrap_or_default(),
        last_modified.timestamp_micros()
    )))
}

#[async_trait]
impl TableProvider for TableFile {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let batch = self.rows(&state.runtime_env().memory_pool).await?;
        let rows = state.config_options().execution.batch_size.get();
        let batches: Vec<RecordBatch> = (0..batch.num_rows())
            .step_by(rows)
            .map(|start| batch.slice(start, rows.min(batch.num_rows() - start)))
            .collect();
        let plan = MemorySourceConfig::try_new_exec(
            &[batches],
            Arc::clone(&self.schema),
            projection.cloned(),
        )?;
        Ok(plan)
    }
}
