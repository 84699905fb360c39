//! One partition of a scan at work.
//!
//! ```text
//!  claim unit ─▶ plane mask, sample ─▶ fetch early variables (a few units ahead)
//!                    │ none: next          │
//!                    ▼                     ▼
//!                             decode, assemble, predicate on rows
//!                                          │ none: next
//!                                          ▼
//!                             fetch and decode the other variables ─▶ pieces ─▶ batches
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{BooleanArray, BooleanBufferBuilder, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::BatchCoalescer;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::Projector;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;

use crate::options::CubeOptions;
use crate::runtime::io_handle;
use crate::scan::CubeScan;
use crate::scan::assemble::{assemble, needed_chunks};
use crate::scan::fetch::{BlockSource, Fetch, over_budget};
use crate::scan::grid::{ScanGrid, Unit};
use crate::scan::metrics::ScanMetrics;
use crate::scan::predicate::{evaluate_predicate, remap_columns, true_bits};
use crate::scan::queue::Claims;
use crate::scan::rows::{Piece, RowMaker, UnitRows, pieces};

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
    let options = context
        .session_config()
        .options()
        .extensions
        .get::<CubeOptions>()
        .cloned()
        .unwrap_or_default();
    let estimate = scan.decoded_bytes();
    if options.max_scan_bytes > 0 && scan.limit.is_none() && estimate > options.max_scan_bytes {
        return Err(over_budget(&scan.cube.name, options.max_scan_bytes, Some(estimate)).into());
    }
    let scan_metrics = ScanMetrics::new(metrics, partition, context);
    let (total, selected) = scan.chunk_counts();
    if partition == 0 {
        scan_metrics.chunks_total.add(total as usize);
        scan_metrics.chunks_pruned.add((total - selected) as usize);
        scan_metrics.progress.expect_chunks(selected);
    }
    let source = BlockSource {
        cube: Arc::clone(&scan.cube),
        cache: (options.cache && scan.blocks.admits(estimate)).then(|| Arc::clone(&scan.blocks)),
        shared: (scan.cube.variables.iter())
            .map(|variable| scan.grid().shares_chunks(variable))
            .collect(),
        io: io_handle(context.session_config()),
        metrics: scan_metrics,
        claims,
        max_bytes: options.max_scan_bytes,
    };
    let schema = Arc::clone(&scan.schema);
    let consumer = MemoryConsumer::new(format!("scan of {}", scan.cube.name));
    let memory = consumer.register(context.memory_pool());
    let state = ScanStream::new(
        scan,
        source,
        options.prefetch.max(1),
        context.session_config().batch_size(),
        memory,
    )?;
    let batches = stream::try_unfold(state, |mut state| async move {
        let batch = state.next_batch().await?;
        Ok(batch.map(|batch| (batch, state)))
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
}

/// A unit whose first chunks are on their way.
struct Ahead {
    number: u64,
    unit: Unit,
    mask: Option<BooleanBuffer>,
    fetch: Fetch,
}

/// The predicate on rows, over the columns it reads.
struct RowPredicate {
    expression: Arc<dyn PhysicalExpr>,
    columns: Vec<usize>,
    schema: SchemaRef,
}

struct ScanStream {
    scan: Arc<CubeScan>,
    source: BlockSource,
    grid: Arc<ScanGrid>,
    units: u64,
    /// Chunks announced to who watches the query.
    announced: u64,
    /// Variables fetched ahead, and those fetched only for units with a matching row.
    early: Vec<usize>,
    late: Vec<usize>,
    predicate: Option<RowPredicate>,
    output_columns: Vec<usize>,
    output_schema: SchemaRef,
    projector: Projector,
    rows: RowMaker,
    prefetch: usize,
    batch_rows: usize,
    ahead: VecDeque<Ahead>,
    current: Option<UnitRows>,
    pieces: VecDeque<(Piece, Option<BooleanBuffer>)>,
    coalescer: BatchCoalescer,
    exhausted: bool,
    rows_left: usize,
    /// The decoded values of the current unit, as the memory pool knows them.
    memory: MemoryReservation,
}

impl ScanStream {
    fn new(
        scan: Arc<CubeScan>,
        source: BlockSource,
        prefetch: usize,
        batch_rows: usize,
        memory: MemoryReservation,
    ) -> Result<Self> {
        let (mut early, mut late) = scan.variables();
        if scan.predicate.rows.is_none() {
            std::mem::swap(&mut early, &mut late);
        }
        let predicate = match &scan.predicate.rows {
            None => None,
            Some(expression) => {
                let columns = scan.predicate_columns();
                let expression = remap_columns(Arc::clone(expression), &columns)?;
                let schema = Arc::new(scan.cube.schema.project(&columns)?);
                Some(RowPredicate {
                    expression,
                    columns,
                    schema,
                })
            }
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
        let grid = scan.grid();
        Ok(Self {
            units: grid.unit_count(),
            announced: scan.chunk_counts().1,
            grid,
            source,
            early,
            late,
            predicate,
            output_columns,
            output_schema,
            projector,
            rows: RowMaker::new(Arc::clone(&scan.cube)),
            prefetch,
            batch_rows,
            ahead: VecDeque::new(),
            current: None,
            pieces: VecDeque::new(),
            coalescer,
            exhausted: false,
            memory,
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
                self.stop();
            }
            if let Some((piece, mask)) = self.pieces.pop_front() {
                self.push(&piece, mask)?;
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

    /// Nothing more needs to be read.
    fn stop(&mut self) {
        self.exhausted = true;
        self.ahead.clear();
        self.pieces.clear();
    }

    fn emit(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let _timer = self.source.metrics.time_rows.timer();
        let rows = batch.num_rows().min(self.rows_left);
        self.rows_left -= rows;
        let batch = self.projector.project_batch(&batch.slice(0, rows))?;
        self.source.metrics.output_rows.add(rows);
        Ok(batch)
    }

    fn push(&mut self, piece: &Piece, mask: Option<BooleanBuffer>) -> Result<()> {
        let _timer = self.source.metrics.time_rows.timer();
        let Some(unit) = &self.current else {
            return Ok(());
        };
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
        self.look_ahead()?;
        let Some(Ahead {
            number,
            unit,
            mask,
            fetch,
        }) = self.ahead.pop_front()
        else {
            return Ok(false);
        };
        self.memory.try_resize(self.unit_bytes(&unit))?;
        let early = self.early.clone();
        let blocks = self.source.finish(fetch, &early).await?;
        let cube = Arc::clone(&self.scan.cube);
        let read_columns = self.output_columns.iter().chain(
            self.predicate
                .iter()
                .flat_map(|predicate| &predicate.columns),
        );
        let axes: std::collections::BTreeSet<usize> = read_columns
            .copied()
            .filter(|column| *column < cube.axes.len())
            .collect();
        let mut unit = UnitRows::new(&cube, unit, axes.into_iter())?;
        self.add(&mut unit, &early, &blocks)?;
        let mut matching = self.matching_pieces(&unit, mask.as_ref())?;
        if self.predicate.is_some() && !self.late.is_empty() && !matching.is_empty() {
            let late = self.late.clone();
            let fetch = self.source.start(unit.unit(), &late);
            let blocks = self.source.finish(fetch, &late).await?;
            self.add(&mut unit, &late, &blocks)?;
        } else if matching.is_empty() {
            let skipped = self.chunks_of(&self.late, unit.unit());
            self.source.metrics.chunks_pruned.add(skipped);
        }
        self.finish_share(number);
        self.pieces.append(&mut matching);
        self.current = Some(unit);
        // Decoding kept this task busy for up to a chunk: let others of the runtime have their turn.
        tokio::task::yield_now().await;
        Ok(true)
    }

    fn add(
        &self,
        unit: &mut UnitRows,
        variables: &[usize],
        blocks: &[Vec<Arc<crate::cube::block::Block>>],
    ) -> Result<()> {
        let _timer = self.source.metrics.time_rows.timer();
        for (variable, blocks) in variables.iter().zip(blocks) {
            let values = assemble(&self.scan.cube.variables[*variable], unit.unit(), blocks)?;
            unit.add(&self.scan.cube, *variable, values);
        }
        Ok(())
    }

    /// Keeps `prefetch` units on their way besides the next one.
    fn look_ahead(&mut self) -> Result<()> {
        while !self.exhausted && self.ahead.len() <= self.prefetch {
            let enough = self
                .scan
                .limit
                .is_some_and(|limit| self.source.claims.rows() >= limit as u64);
            let number = if enough {
                u64::MAX
            } else {
                self.source.claims.next_unit()
            };
            if number >= self.units {
                self.exhausted = true;
                break;
            }
            let unit = self.grid.unit(number);
            let Some(mask) = self.cell_mask(&unit)? else {
                let skipped =
                    self.chunks_of(&self.early, &unit) + self.chunks_of(&self.late, &unit);
                self.source.metrics.chunks_pruned.add(skipped);
                self.finish_share(number);
                continue;
            };
            if self.predicate.is_none() {
                let rows = mask
                    .as_ref()
                    .map_or_else(|| unit.rows(), BooleanBuffer::count_set_bits);
                self.source.claims.add_rows(rows as u64);
            }
            let fetch = self.source.start(&unit, &self.early);
            self.ahead.push_back(Ahead {
                number,
                unit,
                mask,
                fetch,
            });
        }
        Ok(())
    }

    /// Bytes of the variables' values at the selected cells of a unit.
    fn unit_bytes(&self, unit: &Unit) -> usize {
        let variables = self.early.iter().chain(&self.late);
        let bytes = |index: &usize| {
            let variable = &self.scan.cube.variables[*index];
            let width = variable.field.data_type().primitive_width().unwrap_or(16);
            let counts = variable.axes.iter().map(|axis| unit.axes[*axis].count);
            counts.fold(width, usize::saturating_mul)
        };
        variables.map(bytes).fold(0, usize::saturating_add)
    }

    /// Chunks of `variables` that only this unit reads.
    fn chunks_of(&self, variables: &[usize], unit: &Unit) -> usize {
        let own = variables
            .iter()
            .filter(|variable| !self.source.shared[**variable]);
        own.map(|variable| needed_chunks(&self.scan.cube.variables[*variable], unit).len())
            .sum()
    }

    /// Unit `number` is dealt with: its share of the announced chunks is done. The shares of all units
    /// add up to what was announced, however many units read the same chunk.
    fn finish_share(&self, number: u64) {
        let done = |units: u64| {
            let chunks =
                u128::from(self.announced) * u128::from(units) / u128::from(self.units.max(1));
            u64::try_from(chunks).unwrap_or(u64::MAX)
        };
        let share = done(number + 1) - done(number);
        self.source.metrics.progress.finish_chunks(share);
    }

    /// The rows of a unit that planes and sample leave: `None` when there is none, `Some(None)` when
    /// all stay.
    fn cell_mask(&self, unit: &Unit) -> Result<Option<Option<BooleanBuffer>>> {
        let mut rows: Option<BooleanBuffer> = None;
        for plane in &self.scan.predicate.planes {
            let mask = plane.mask(&self.scan.cube, unit)?;
            let set = mask.count_set_bits();
            if set == 0 {
                return Ok(None);
            }
            if set < mask.len() {
                let mask = plane_to_rows(&mask, plane.axes, unit);
                rows = Some(rows.map_or(mask.clone(), |rows| &rows & &mask));
            }
        }
        if let Some(sample) = &self.scan.sample {
            let Some(mask) = sample.mask(&self.scan.cube, unit) else {
                return Ok(None);
            };
            rows = Some(rows.map_or(mask.clone(), |rows| &rows & &mask));
        }
        match rows {
            Some(rows) if rows.count_set_bits() == 0 => Ok(None),
            rows => Ok(Some(rows)),
        }
    }

    /// The pieces of a unit with a matching row, each with its mask unless all its rows match.
    fn matching_pieces(
        &mut self,
        unit: &UnitRows,
        mask: Option<&BooleanBuffer>,
    ) -> Result<VecDeque<(Piece, Option<BooleanBuffer>)>> {
        let _timer = self.source.metrics.time_rows.timer();
        let mut matching = VecDeque::new();
        for piece in pieces(unit.counts(), self.batch_rows) {
            let mut rows = mask.map(|mask| mask.slice(piece.rows.start, piece.rows.len()));
            if rows.as_ref().is_some_and(|rows| rows.count_set_bits() == 0) {
                continue;
            }
            if let Some(predicate) = &self.predicate {
                let batch = self
                    .rows
                    .batch(unit, &piece, &predicate.columns, &predicate.schema)?;
                let matches = true_bits(&evaluate_predicate(&predicate.expression, &batch)?);
                rows = Some(rows.map_or(matches.clone(), |rows| &rows & &matches));
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

/// Repeats a mask over two axes for every row of a unit.
fn plane_to_rows(mask: &BooleanBuffer, axes: [usize; 2], unit: &Unit) -> BooleanBuffer {
    let counts = unit.counts();
    let [slow, fast] = axes;
    let rows = unit.rows();
    if fast + 1 == counts.len() && slow + 1 == fast {
        let mut builder = BooleanBufferBuilder::new(rows);
        for _ in 0..rows / mask.len().max(1) {
            builder.append_buffer(mask);
        }
        return builder.finish();
    }
    let stride = |axis: usize| counts[axis + 1..].iter().product::<usize>();
    let (slow_stride, fast_stride) = (stride(slow), stride(fast));
    BooleanBuffer::collect_bool(rows, |row| {
        let slow_cell = row / slow_stride % counts[slow];
        let fast_cell = row / fast_stride % counts[fast];
        mask.value(slow_cell * counts[fast] + fast_cell)
    })
}
