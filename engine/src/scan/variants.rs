//! The same scan of other columns, of fewer cells, of other values: what rules and operators make of it.

use std::sync::{Arc, OnceLock};

use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{PhysicalExpr, conjunction_opt, split_conjunction};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;

use crate::cube::Cube;
use crate::cube::chunks::AxisChunks;
use crate::scan::CubeScan;
use crate::scan::grid::ScanGrid;
use crate::scan::queue::UnitQueue;
use crate::scan::selection::AxisSelection;
use crate::scan::stream::open_stream;
use crate::statistics::StatisticsStore;
use crate::statistics::store::KnownVariables;

impl CubeScan {
    /// The same scan for an operator that has `metrics` of its own.
    pub(crate) fn counted_by(self, metrics: &ExecutionPlanMetricsSet) -> Self {
        Self {
            metrics: metrics.clone(),
            ..self
        }
    }

    /// Opens a partition of an operator whose partitions share `queue`.
    ///
    /// # Errors
    /// The scan would exceed `cube.max_scan_bytes`.
    pub(crate) fn open_from(
        &self,
        queue: &UnitQueue,
        partition: usize,
        context: &Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let claims = queue.claims(partition, context);
        let scan = Arc::new(self.clone());
        open_stream(scan, partition, context, claims, &self.metrics)
    }

    /// The same scan, of which `EXPLAIN` says how far coordinates of zipped cubes are apart.
    pub(crate) fn with_alignment(mut self, differences: String) -> Self {
        self.alignment = Some(differences);
        self
    }

    /// The same scan of a cube whose variables have other values, and without the predicate that the
    /// boolean column `without` is true.
    pub(crate) fn with_cube(&self, cube: Arc<Cube>, without: Option<usize>) -> Self {
        let mut scan = Self {
            cube,
            reason: Arc::default(),
            ..self.clone()
        };
        if let (Some(rows), Some(without)) = (&scan.predicate.rows, without) {
            let is_other = |conjunct: &&Arc<dyn PhysicalExpr>| {
                let column = conjunct.downcast_ref::<Column>();
                column.is_none_or(|column| column.index() != without)
            };
            let others = split_conjunction(rows).into_iter().filter(is_other);
            scan.predicate.rows = conjunction_opt(others.map(Arc::clone));
        }
        scan
    }

    /// The same scan with what statistics say of its variables.
    pub(crate) fn with_known(mut self, known: KnownVariables) -> Self {
        self.skipping.known = Arc::new(known);
        self
    }

    /// The same scan, which keeps statistics of the whole chunks that it reads.
    pub(crate) fn collecting(mut self, store: Option<Arc<StatisticsStore>>) -> Self {
        self.skipping.collects = store;
        self
    }

    /// The same cells with other columns, for an operator that reads units by itself.
    pub(crate) fn for_operator(&self, columns: &[usize]) -> Result<Self> {
        Ok(Self {
            reason: Arc::default(),
            metrics: ExecutionPlanMetricsSet::new(),
            ..self.with_columns(columns)?
        })
    }

    /// The same cells with other columns of the table.
    pub(crate) fn with_columns(&self, columns: &[usize]) -> Result<Self> {
        let mut columns = columns.to_vec();
        columns.sort_unstable();
        columns.dedup();
        let projection = ProjectionExprs::from_indices(&columns, &self.cube.schema);
        Ok(Self {
            schema: Arc::new(projection.project_schema(&self.cube.schema)?),
            projection,
            grid: OnceLock::new(),
            ..self.clone()
        })
    }

    /// The same scan of fewer cells: those that each of `selections` leaves of its axis.
    pub(crate) fn narrowed(&self, selections: Vec<AxisSelection>) -> Self {
        let mut scan = self.clone();
        // Masks of planes are kept by unit, for one selection and one way to cut it.
        let planes = scan.predicate.planes.iter();
        scan.predicate.planes = planes.map(|plane| Arc::new(plane.afresh())).collect();
        scan.predicate.selections = selections;
        scan.grid = OnceLock::new();
        scan
    }

    /// The same cells in units that are cut as `chunks` say, one entry per axis.
    pub(crate) fn with_units(&self, chunks: Vec<AxisChunks>) -> Self {
        let selections = &self.predicate.selections;
        let grid = ScanGrid::new(chunks, selections, &vec![false; selections.len()]);
        let mut scan = self.narrowed(selections.clone());
        scan.grid = OnceLock::from(Arc::new(grid));
        scan
    }
}
