//! One partition of a scan at work on rows.
//!
//! ```text
//!  UnitReader ─▶ unit with its early variables ─▶ predicate on rows
//!                                                     │ none: next
//!                                                     ▼
//!                            fetch and decode the other variables ─▶ pieces ─▶ batches
//! ```

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::Projector;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;

use crate::scan::CubeScan;
use crate::scan::assemble::UnitValues;
use crate::scan::predicate::{evaluate_predicate, remap_columns, true_bits};
use crate::scan::queue::Claims;
use crate::scan::rows::{Piece, RowMaker, UnitRows, pieces};
use crate::scan::units::{UnitCells, UnitReader};

/// Opens one partition of `scan`.
///
/// # Errors
/// The scan would exceed `cube.max_scan_bytes`.
pub(crate) fn open_stream(
    scan: Arc<CubeScan>,
    partition: usize,
    context: &TaskContext,
    claims: Arc<Claims>,
    metrics: &ExecutionPlanMetricsSet,
) -> Result<SendableRecordBatchStream> {
    let (mut early, mut late) = scan.variables();
    let all_rows_count = scan.predicate.rows.is_none() && scan.skipping.tightening.is_none();
    if all_rows_count {
        std::mem::swap(&mut early, &mut late);
    }
    let order = Arc::clone(&claims);
    let mut units = UnitReader::open(
        Arc::clone(&scan),
        early.clone(),
        partition,
        context,
        claims,
        Box::new(move || order.next_unit()),
        metrics,
    )?;
    if let (Some(limit), true) = (scan.limit, all_rows_count) {
        units.stop_after(limit as u64);
    }
    let schema = Arc::clone(&scan.schema);
    let batch_rows = context.session_config().batch_size();
    let state = ScanStream::new(scan, units, early, late, batch_rows)?;
    let batches = stream::try_unfold(state, |mut state| async move {
        let batch = state.next_batch().await?;
        Ok(batch.map(|batch| (batch, state)))
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
}

/// The predicate on rows, and a filter that tightens, over the columns they read.
struct RowPredicate {
    expression: Option<Arc<dyn PhysicalExpr>>,
    /// Asked as late as can be, because it takes away more and more.
    tightening: Option<Arc<dyn PhysicalExpr>>,
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl RowPredicate {
    /// The rows of a piece for which `expression` is true.
    fn matches(
        &self,
        expression: &Arc<dyn PhysicalExpr>,
        rows: &mut RowMaker,
        unit: &UnitRows,
        piece: &Piece,
    ) -> Result<BooleanBuffer> {
        let batch = rows.batch(unit, piece, &self.columns, &self.schema)?;
        Ok(true_bits(&evaluate_predicate(expression, &batch)?))
    }
}

struct ScanStream {
    scan: Arc<CubeScan>,
    units: UnitReader,
    /// Variables read with every unit, and those read only for units with a matching row.
    early: Vec<usize>,
    late: Vec<usize>,
    predicate: Option<RowPredicate>,
    output_columns: Vec<usize>,
    output_schema: SchemaRef,
    projector: Projector,
    rows: RowMaker,
    batch_rows: usize,
    current: Option<UnitRows>,
    pieces: VecDeque<(Piece, Option<BooleanBuffer>)>,
    coalescer: BatchCoalescer,
    rows_left: usize,
}

impl ScanStream {
    fn new(
        scan: Arc<CubeScan>,
        units: UnitReader,
        early: Vec<usize>,
        late: Vec<usize>,
        batch_rows: usize,
    ) -> Result<Self> {
        let columns = scan.predicate_columns();
        let remapped = |expression: &Option<Arc<dyn PhysicalExpr>>| {
            let expression = expression.clone();
            let remapped = expression.map(|expression| remap_columns(expression, &columns));
            remapped.transpose()
        };
        let (expression, tightening) = (
            remapped(&scan.predicate.rows)?,
            remapped(&scan.skipping.tightening)?,
        );
        let predicate = match (&expression, &tightening) {
            (None, None) => None,
            _ => Some(RowPredicate {
                expression,
                tightening,
                schema: Arc::new(scan.cube.schema.project(&columns)?),
                columns,
            }),
        };
        let mut output_columns = scan.projection.column_indices();
        output_columns.sort_unstable();
        let output_schema = Arc::new(scan.cube.schema.project(&output_columns)?);
        let projection = scan
            .projection
            .clone()
            .try_map_exprs(|output| remap_columns(output, &output_columns))?;
        let projector = projection.make_projector(&output_schema)?;
        let coalescer = BatchCoalescer::new(Arc::clone(&output_schema), batch_rows)
            .with_biggest_coalesce_batch_size(Some(batch_rows / 2));
        Ok(Self {
            units,
            early,
            late,
            predicate,
            output_columns,
            output_schema,
            projector,
            rows: RowMaker::new(Arc::clone(&scan.cube)),
            batch_rows,
            current: None,
            pieces: VecDeque::new(),
            coalescer,
            rows_left: scan.limit.unwrap_or(usize::MAX),
            scan,
        })
    }

    /// The next batch of the output, or `None` at the end.
    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.coalescer.next_completed_batch() {
                return self.emit(&batch).map(Some);
            }
            let buffered = self.coalescer.get_buffered_rows();
            if self.rows_left == 0 || buffered >= self.rows_left {
                self.units.stop();
                self.pieces.clear();
            }
            if let Some((piece, mask)) = self.pieces.pop_front() {
                self.push(&piece, mask)?;
                continue;
            }
            // A filter tightens by the rows that its maker sees: before the next unit is chosen.
            if buffered > 0 && self.scan.skipping.tightening.is_some() {
                self.coalescer.finish_buffered_batch()?;
                continue;
            }
            self.current = None;
            if !self.next_unit().await? {
                if self.coalescer.get_buffered_rows() == 0 || self.rows_left == 0 {
                    return Ok(None);
                }
                self.coalescer.finish_buffered_batch()?;
            }
        }
    }

    fn emit(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let metrics = &self.units.source.metrics;
        let _timer = metrics.time_rows.timer();
        let rows = batch.num_rows().min(self.rows_left);
        self.rows_left -= rows;
        let batch = self.projector.project_batch(&batch.slice(0, rows))?;
        metrics.output_rows.add(rows);
        Ok(batch)
    }

    fn push(&mut self, piece: &Piece, mut mask: Option<BooleanBuffer>) -> Result<()> {
        let _timer = self.units.source.metrics.time_rows.timer();
        let Some(unit) = &self.current else {
            return Ok(());
        };
        if let Some(predicate) = &self.predicate
            && let Some(tightening) = &predicate.tightening
        {
            let matches = predicate.matches(tightening, &mut self.rows, unit, piece)?;
            let left = mask.map_or(matches.clone(), |mask| &mask & &matches);
            if left.count_set_bits() == 0 {
                return Ok(());
            }
            mask = Some(left);
        }
        let batch = self
            .rows
            .batch(unit, piece, &self.output_columns, &self.output_schema)?;
        match mask {
            None => self.coalescer.push_batch(batch)?,
            Some(mask) => self
                .coalescer
                .push_batch_with_filter(batch, &BooleanArray::new(mask, None))?,
        }
        Ok(())
    }

    /// Reads the next unit with a row to emit. False at the end.
    async fn next_unit(&mut self) -> Result<bool> {
        let Some(UnitCells {
            unit, mask, values, ..
        }) = self.units.next().await?
        else {
            return Ok(false);
        };
        let cube = Arc::clone(&self.scan.cube);
        let read_columns = self.output_columns.iter().chain(
            self.predicate
                .iter()
                .flat_map(|predicate| &predicate.columns),
        );
        let axes: BTreeSet<usize> = read_columns
            .copied()
            .filter(|column| *column < cube.axes.len())
            .collect();
        let mut unit = UnitRows::new(&cube, unit, axes.into_iter())?;
        self.add(&mut unit, &self.early, values);
        let mut matching = self.matching_pieces(&unit, mask.as_ref())?;
        if matching.is_empty() {
            self.units.skip_later(unit.unit());
        } else if !self.late.is_empty() {
            let values = self.units.read(unit.unit(), &self.late).await?;
            self.add(&mut unit, &self.late, values);
        }
        self.pieces.append(&mut matching);
        self.current = Some(unit);
        // Decoding kept this task busy for up to a chunk: let others of the runtime have their turn.
        tokio::task::yield_now().await;
        Ok(true)
    }

    fn add(&self, unit: &mut UnitRows, variables: &[usize], values: Vec<UnitValues>) {
        for (variable, values) in std::iter::zip(variables, values) {
            unit.add(&self.scan.cube, *variable, values);
        }
    }

    /// The pieces of a unit with a matching row, each with its mask unless all its rows match.
    fn matching_pieces(
        &mut self,
        unit: &UnitRows,
        mask: Option<&BooleanBuffer>,
    ) -> Result<VecDeque<(Piece, Option<BooleanBuffer>)>> {
        let _timer = self.units.source.metrics.time_rows.timer();
        let mut matching = VecDeque::new();
        for piece in pieces(unit.counts(), self.batch_rows) {
            let mut rows = mask.map(|mask| mask.slice(piece.rows.start, piece.rows.len()));
            if rows.as_ref().is_some_and(|rows| rows.count_set_bits() == 0) {
                continue;
            }
            if let Some(predicate) = &self.predicate {
                // Where other variables wait to be read, all that is known decides whether they are.
                let tightening = predicate.tightening.iter();
                let tightening = tightening.filter(|_| !self.late.is_empty());
                for expression in predicate.expression.iter().chain(tightening) {
                    let matches = predicate.matches(expression, &mut self.rows, unit, &piece)?;
                    rows = Some(rows.map_or(matches.clone(), |rows| &rows & &matches));
                }
            }
            match rows.as_ref().map(BooleanBuffer::count_set_bits) {
                Some(0) => {}
                Some(set) if set < piece.rows.len() => matching.push_back((piece, rows)),
                _ => matching.push_back((piece, None)),
            }
        }
        Ok(matching)
    }
}
