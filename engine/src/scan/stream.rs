//! One partition of a scan at work on rows.
//!
//! ```text
//!  MatchingUnits ─▶ unit, its matching pieces ─▶ batches, one after the other ─▶ projection
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::projection::Projector;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;

use crate::scan::CubeScan;
use crate::scan::matching::MatchingUnits;
use crate::scan::predicate::remap_columns;
use crate::scan::queue::Claims;
use crate::scan::rows::{Piece, UnitRows};

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
    let mut columns = scan.projection.column_indices();
    columns.sort_unstable();
    let mut units = MatchingUnits::open(&scan, columns, partition, context, claims, metrics)?;
    if let (Some(limit), true) = (scan.limit, scan.counts_all_rows()) {
        units.reader.stop_after(limit as u64);
    }
    let schema = Arc::clone(&scan.schema);
    let batch_rows = context.session_config().batch_size();
    let state = ScanStream::new(&scan, units, batch_rows)?;
    let batches = stream::try_unfold(state, |mut state| async move {
        let batch = state.next_batch().await?;
        Ok(batch.map(|batch| (batch, state)))
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
}

struct ScanStream {
    units: MatchingUnits,
    schema: SchemaRef,
    projector: Projector,
    current: Option<UnitRows>,
    pieces: VecDeque<(Piece, Option<BooleanBuffer>)>,
    coalescer: BatchCoalescer,
    rows_left: usize,
}

impl ScanStream {
    fn new(scan: &CubeScan, units: MatchingUnits, batch_rows: usize) -> Result<Self> {
        let schema = Arc::new(scan.cube.schema.project(&units.columns)?);
        let projection = scan
            .projection
            .clone()
            .try_map_exprs(|output| remap_columns(output, &units.columns))?;
        let projector = projection.make_projector(&schema)?;
        let coalescer = BatchCoalescer::new(Arc::clone(&schema), batch_rows)
            .with_biggest_coalesce_batch_size(Some(batch_rows / 2));
        Ok(Self {
            units,
            schema,
            projector,
            current: None,
            pieces: VecDeque::new(),
            coalescer,
            rows_left: scan.limit.unwrap_or(usize::MAX),
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
                self.units.reader.stop();
                self.pieces.clear();
            }
            if let Some((piece, mask)) = self.pieces.pop_front() {
                self.push(&piece, mask)?;
                continue;
            }
            // A filter tightens by the rows that its maker sees: before the next unit is chosen.
            if buffered > 0 && self.units.reader.scan.skipping.tightening.is_some() {
                self.coalescer.finish_buffered_batch()?;
                continue;
            }
            self.current = None;
            match self.units.next().await? {
                Some((unit, pieces)) => {
                    self.pieces = pieces;
                    self.current = Some(unit);
                }
                None if self.coalescer.get_buffered_rows() == 0 || self.rows_left == 0 => {
                    return Ok(None);
                }
                None => self.coalescer.finish_buffered_batch()?,
            }
        }
    }

    fn emit(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let metrics = &self.units.reader.source.metrics;
        let _timer = metrics.time_rows.timer();
        let rows = batch.num_rows().min(self.rows_left);
        self.rows_left -= rows;
        let batch = self.projector.project_batch(&batch.slice(0, rows))?;
        metrics.output_rows.add(rows);
        Ok(batch)
    }

    fn push(&mut self, piece: &Piece, mask: Option<BooleanBuffer>) -> Result<()> {
        let metrics = self.units.reader.source.metrics.clone();
        let _timer = metrics.time_rows.timer();
        let Some(unit) = &self.current else {
            return Ok(());
        };
        let Some(mask) = self.units.tightened(unit, piece, mask)? else {
            return Ok(());
        };
        let batch = self.units.batch(unit, piece, &self.schema)?;
        match mask {
            None => self.coalescer.push_batch(batch)?,
            Some(mask) => self
                .coalescer
                .push_batch_with_filter(batch, &BooleanArray::new(mask, None))?,
        }
        Ok(())
    }
}
