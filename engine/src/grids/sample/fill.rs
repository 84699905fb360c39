//! What a sample of a cube is made of, once its points are known: [`Filling`], [`Filled`].

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::StreamExt;

use super::Settings;
use super::table::point_axis;
use crate::cube::Cube;
use crate::cube::chunks::AxisChunks;
use crate::error::{CubeError, ErrorKind};
use crate::grids::sampling::{Coordinates, Method, Naming, SampledCube, Sites, chunks_of};
use crate::options::CubeOptions;
use crate::scan::grid::touched_count;
use crate::scan::predicate::ScanPredicate;
use crate::scan::queue::UnitQueue;
use crate::scan::{CubeScan, CubeTable, over_budget};

/// Bytes that the work on a point takes besides its columns: positions along each axis, its place among the others.
const BYTES_PER_POINT: usize = 64;

/// What is known before the points are.
#[derive(Debug)]
pub(super) struct Filling {
    pub(super) name: String,
    pub(super) table: CubeTable,
    /// By columns of the points that are held.
    pub(super) naming: Naming,
    pub(super) settings: Settings,
    /// Columns of the cube of values that are read.
    pub(super) values: Vec<usize>,
    /// Names that the points have.
    pub(super) taken: Vec<String>,
    /// Over the schema of the cube of values.
    pub(super) predicates: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) options: CubeOptions,
    /// Columns of the nearest cells that are wanted.
    pub(super) cell_fields: Vec<FieldRef>,
    pub(super) partitions: usize,
}

/// The scan of the values at the points, and the points.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) scan: CubeScan,
    /// Shared by the partitions.
    pub(super) queue: UnitQueue,
    /// A row per point: its columns and its nearest cell.
    pub(super) points: RecordBatch,
    _memory: MemoryReservation,
}

impl Filling {
    /// The fields of the points that are held, behind those of `points`.
    pub(super) fn held(&self, points: &Schema) -> Vec<FieldRef> {
        let points = points.fields().iter().cloned();
        points.chain(self.cell_fields.iter().cloned()).collect()
    }

    /// Collects the points, and finds out where they lie.
    ///
    /// # Errors
    /// The query of the points fails, they do not fit into memory, or too much would be read.
    pub(super) async fn fill(
        &self,
        rows: SendableRecordBatchStream,
        context: &TaskContext,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Filled> {
        let consumer = MemoryConsumer::new(format!("points of {}", self.table.cube().name));
        let mut memory = consumer.register(context.memory_pool());
        let points = collect(rows, &mut memory).await?;
        let source = self.table.cube();
        let coordinates = Coordinates::of(&self.naming, &points, source)?;
        let Settings { method, limits, .. } = self.settings;
        let describes = !self.cell_fields.is_empty();
        let (sites, cells) = Sites::of(&coordinates, source, method, limits, describes)?;
        let chunks = chunks_of(source, Some(&self.variables()));
        let order = sites.by_chunk(&chunks);
        let sites = sites.ordered(&order);
        let order: ArrayRef = Arc::new(UInt32Array::from(order));
        let make = |keeps: bool| {
            let made = SampledCube {
                name: &self.name,
                table: &self.table,
                sites: &sites,
                axis: point_axis(source, Arc::clone(&order)),
                known: Vec::new(),
                method,
                keeps,
                taken: self.taken.clone(),
            };
            made.cut(&chunks)
        };
        let cube = make(false)?;
        let predicate = ScanPredicate::new(&cube, self.predicates.clone(), self.options.pruning)?;
        let bytes = self.decoded_bytes(&cube, &predicate);
        let most = self.options.max_scan_bytes;
        if most > 0 && bytes > most {
            return Err(over_budget(&source.name, most, Some(bytes)).into());
        }
        // Corners of neighbouring points lie in the same chunks.
        let keeps = method == Method::Linear || self.table.blocks().admits(bytes);
        let cube = match self.options.cache && keeps {
            true => make(true)?,
            false => cube,
        };
        let projection = ProjectionExprs::from_indices(&self.values, &cube.schema);
        let blocks = Arc::clone(self.table.blocks());
        let scan = CubeScan::new(
            Arc::new(cube),
            predicate,
            projection,
            self.partitions,
            blocks,
        )?;
        let schema: SchemaRef = Arc::new(Schema::new(self.held(&points.schema())));
        let mut columns = points.columns().to_vec();
        if let Some(cells) = cells {
            columns.extend(cells.coordinates.into_iter().map(|(_, centres)| centres));
            columns.push(cells.distance);
        }
        Ok(Filled {
            scan: scan.counted_by(metrics),
            queue: UnitQueue::default(),
            points: RecordBatch::try_new(schema, columns)?,
            _memory: memory,
        })
    }

    /// The variables of the cube that are read.
    pub(super) fn variables(&self) -> Vec<usize> {
        let axes = 1 + self.table.cube().axes.len() - self.naming.axes().len();
        let predicates = self.predicates.iter();
        let read = predicates.flat_map(datafusion::physical_expr::utils::collect_columns);
        let read = read
            .map(|column| column.index())
            .chain(self.values.iter().copied());
        let mut variables: Vec<usize> =
            read.filter_map(|column| column.checked_sub(axes)).collect();
        variables.sort_unstable();
        variables.dedup();
        variables
    }

    /// Bytes of the chunks of the source that are read, as far as none is read twice.
    fn decoded_bytes(&self, cube: &Cube, predicate: &ScanPredicate) -> u64 {
        let of_variable = |variable: usize| {
            let (stored, sampled) = (
                &self.table.cube().variables[variable],
                &cube.variables[variable],
            );
            let width = stored.field.data_type().primitive_width().unwrap_or(16) as u64;
            let cells = stored.chunks().iter().map(AxisChunks::size);
            let along = std::iter::zip(&sampled.axes, sampled.chunks());
            let touched =
                along.map(|(axis, chunks)| touched_count(chunks, &predicate.selections[*axis]));
            cells.chain(touched).fold(width, u64::saturating_mul)
        };
        let bytes = self.variables().into_iter().map(of_variable);
        bytes.fold(0, u64::saturating_add)
    }
}

/// All rows of a query as one batch.
async fn collect(
    mut rows: SendableRecordBatchStream,
    memory: &mut MemoryReservation,
) -> Result<RecordBatch> {
    let schema = rows.schema();
    let (mut batches, mut count) = (Vec::new(), 0_usize);
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        count += batch.num_rows();
        let bytes = batch.get_array_memory_size() + BYTES_PER_POINT * batch.num_rows();
        memory.try_grow(bytes)?;
        batches.push(batch);
    }
    if u32::try_from(count).is_err() {
        let cause = format!("a cube can be sampled at 4294967295 points at once, not at {count}");
        return Err(CubeError::new(ErrorKind::Limit, "", cause)
            .remedy("sample it at some of them at a time")
            .into());
    }
    Ok(concat_batches(&schema, &batches)?)
}
