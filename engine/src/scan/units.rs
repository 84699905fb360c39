//! The units of a scan, one after the other, with the values of its variables: what the row path and
//! every dense operator read.
//!
//! ```text
//!  order ─▶ number ─▶ Unit ─▶ statistics ─▶ plane mask, sample ─▶ fetch (a few units ahead) ─▶ decode, assemble ─▶ UnitCells
//!                                 │ no match: next │ none: next         (nothing to fetch where a summary is enough)
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::BooleanBuffer;
use datafusion::common::Result;
use datafusion::common::runtime::JoinSet;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;

use crate::bytes::format_bytes;
use crate::error::{CubeError, ErrorKind};
use crate::options::CubeOptions;
use crate::runtime::io_handle;
use crate::scan::CubeScan;
use crate::scan::assemble::{UnitValues, needed_chunks};
use crate::scan::fetch::{BlockSource, Fetch, ended, over_budget};
use crate::scan::grid::{ScanGrid, Unit};
use crate::scan::knowledge::{Knowledge, Verdict, Window};
use crate::scan::metrics::ScanMetrics;
use crate::scan::queue::Claims;
use crate::scan::tightening::Tightening;
use crate::statistics::summary::ChunkSummary;

/// Says which unit a partition reads next; a number past the last unit ends it.
pub(crate) type UnitOrder = Box<dyn FnMut() -> u64 + Send + Sync>;

/// The cells of a unit that an operator has use for: `None` when there is none, `Some(None)` when it
/// may be all of them.
pub(crate) type UnitFilter = Box<dyn Fn(&Unit) -> Option<Option<BooleanBuffer>> + Send + Sync>;

/// A unit with the values that were asked for.
pub(crate) struct UnitCells {
    /// Its number in the scan's grid.
    pub(crate) number: u64,
    /// Which cells it holds.
    pub(crate) unit: Unit,
    /// The cells that planes and sample leave; `None` when all stay.
    pub(crate) mask: Option<BooleanBuffer>,
    /// One entry per variable of [`UnitReader::open`], in that order; none where `summaries` are enough.
    pub(crate) values: Vec<UnitValues>,
    /// What is known of the unit without reading it, one entry per [summarised](super::skipping::Summarised) variable.
    pub(crate) summaries: Option<Vec<ChunkSummary>>,
}

/// A unit whose chunks are on their way.
struct Ahead {
    number: u64,
    unit: Unit,
    mask: Option<BooleanBuffer>,
    source: Origin,
    /// What its chunks take while they are made.
    working: MemoryReservation,
}

/// Where what is wanted of a unit comes from.
enum Origin {
    Chunks(Fetch),
    /// The same, decoded by a task of its own, and the memory that its values will take.
    Decoding(JoinSet<Result<Vec<UnitValues>>>, MemoryReservation),
    Statistics(Vec<ChunkSummary>),
}

/// Units with more bytes than this are decoded by the partition that reads them: several would be held.
const MOST_BYTES_AHEAD: usize = 32 << 20;

/// The part of limited memory that computing chunks leaves free: one of so many.
const FREE: usize = 4;

/// What statistics say of a unit that may have a matching row.
#[derive(Default)]
struct Known {
    window: Option<Arc<Window>>,
    /// Does the predicate on rows leave all of them?
    all_rows: bool,
}

/// Reads units of one scan for one partition.
pub(crate) struct UnitReader {
    pub(crate) scan: Arc<CubeScan>,
    pub(crate) source: BlockSource,
    grid: Arc<ScanGrid>,
    units: u64,
    /// Chunks announced to who watches the query.
    announced: u64,
    /// Variables that every unit is read with.
    variables: Vec<usize>,
    /// Variables of the scan that are read later, for units that turn out to need them.
    later: Vec<usize>,
    order: UnitOrder,
    filter: Option<UnitFilter>,
    /// Rows after which no more units are started, when no predicate on values can take rows away.
    enough: Option<u64>,
    prefetch: usize,
    ahead: VecDeque<Ahead>,
    /// Will every unit be needed, so that tasks of their own may decode some ahead?
    decodes_ahead: bool,
    exhausted: bool,
    knowledge: Option<Arc<Knowledge>>,
    tightening: Option<Tightening>,
    /// The decoded values of the current unit, as the memory pool knows them.
    memory: MemoryReservation,
}

impl UnitReader {
    /// Opens one partition of `scan`, reading `variables` (indices into the cube's) of each unit in
    /// `order`.
    ///
    /// # Errors
    /// The scan would exceed `cube.max_scan_bytes`.
    pub(crate) fn open(
        scan: Arc<CubeScan>,
        variables: Vec<usize>,
        partition: usize,
        context: &TaskContext,
        claims: Arc<Claims>,
        order: UnitOrder,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Self> {
        let options = CubeOptions::of(context.session_config().options());
        let estimate = scan.decoded_bytes();
        if options.max_scan_bytes > 0 && scan.limit.is_none() && estimate > options.max_scan_bytes {
            let error = over_budget(&scan.cube.name, options.max_scan_bytes, Some(estimate));
            return Err(error.into());
        }
        let scan_metrics = ScanMetrics::new(metrics, partition, context);
        let (total, selected) = scan.chunk_counts();
        if partition == 0 {
            scan_metrics.chunks_total.add(total as usize);
            scan_metrics.chunks_pruned.add((total - selected) as usize);
            if scan.part.is_first() {
                scan_metrics.progress.expect_chunks(selected);
            }
        }
        let grid = scan.grid();
        claims.weigh(context.memory_pool());
        let knowledge = claims.knowledge(&scan);
        let collector = claims.collector(&scan);
        let source = BlockSource {
            cube: Arc::clone(&scan.cube),
            cache: (options.cache && scan.blocks.admits(estimate))
                .then(|| Arc::clone(&scan.blocks)),
            shared: (scan.cube.variables.iter())
                .map(|variable| grid.shares_chunks(variable))
                .collect(),
            io: io_handle(context.session_config()),
            metrics: scan_metrics,
            claims,
            known: Arc::clone(&scan.skipping.known),
            collector,
            max_bytes: options.max_scan_bytes,
        };
        let consumer = MemoryConsumer::new(format!("scan of {}", scan.cube.name));
        let (early, late) = scan.variables();
        let later = early.into_iter().chain(late);
        Ok(Self {
            units: grid.unit_count(),
            announced: selected,
            later: later
                .filter(|variable| !variables.contains(variable))
                .collect(),
            variables,
            order,
            filter: None,
            enough: None,
            prefetch: options.prefetch,
            ahead: VecDeque::new(),
            decodes_ahead: scan.limit.is_none()
                && scan.skipping.tightening.is_none()
                && context.session_config().target_partitions() > 1,
            exhausted: false,
            memory: consumer.register(context.memory_pool()),
            tightening: Tightening::of(&scan.skipping),
            knowledge,
            grid,
            source,
            scan,
        })
    }

    /// Reads only units, and leaves only cells, that `filter` leaves.
    pub(crate) fn only(&mut self, filter: UnitFilter) {
        self.filter = Some(filter);
    }

    /// The units of the scan.
    pub(crate) fn grid(&self) -> &ScanGrid {
        &self.grid
    }

    /// Starts no more units once all partitions together have found `rows` rows.
    pub(crate) fn stop_after(&mut self, rows: u64) {
        self.enough = Some(rows);
    }

    /// Nothing more needs to be read.
    pub(crate) fn stop(&mut self) {
        self.exhausted = true;
        self.ahead.clear();
    }

    /// The next unit with a cell that planes and sample leave. `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<UnitCells>> {
        loop {
            self.look_ahead().await?;
            let Some(Ahead {
                number,
                unit,
                mask,
                source,
                working,
            }) = self.ahead.pop_front()
            else {
                return Ok(None);
            };
            // The filter may have tightened while the unit was on its way.
            if self.tightening.is_some() && self.known(number).await?.is_none() {
                self.skip(number, &unit);
                continue;
            }
            let (values, summaries) = match source {
                Origin::Statistics(summaries) => (Vec::new(), Some(summaries)),
                Origin::Chunks(fetch) => {
                    self.reserve_values(&unit, &working)?;
                    (
                        self.source.values(fetch, &unit, &self.variables).await?,
                        None,
                    )
                }
                Origin::Decoding(mut task, ahead) => {
                    let values = task.join_next().await;
                    let values = ended(&self.scan.cube, values)??;
                    ahead.shrink(ahead.size() / 2);
                    self.memory = ahead;
                    (values, None)
                }
            };
            self.finish_share(number);
            return Ok(Some(UnitCells {
                number,
                unit,
                mask,
                values,
                summaries,
            }));
        }
    }

    /// What statistics say of unit `number`; `None` when no row of it can match.
    async fn known(&mut self, number: u64) -> Result<Option<Known>> {
        let Some(knowledge) = &self.knowledge else {
            return Ok(Some(Known::default()));
        };
        let window = knowledge.window(number, &self.source.io).await?;
        let verdict = window.verdict(number);
        if verdict == Verdict::Nothing {
            return Ok(None);
        }
        if let Some(tightening) = &mut self.tightening
            && !tightening.may_match(knowledge, &window, number)
        {
            return Ok(None);
        }
        let all_rows = self.scan.predicate.rows.is_none() || verdict == Verdict::Everything;
        Ok(Some(Known {
            window: Some(window),
            all_rows,
        }))
    }

    /// Unit `number` need not be read.
    fn skip(&self, number: u64, unit: &Unit) {
        let skipped = self.chunks_of(&self.variables, unit) + self.chunks_of(&self.later, unit);
        self.source.metrics.chunks_pruned.add(skipped);
        self.finish_share(number);
    }

    /// The values of further `variables` at the cells of `unit`.
    pub(crate) async fn read(&self, unit: &Unit, variables: &[usize]) -> Result<Vec<UnitValues>> {
        let fetch = self.source.start(unit, variables);
        self.source.values(fetch, unit, variables).await
    }

    /// The variables that are read later are not needed for `unit`.
    pub(crate) fn skip_later(&self, unit: &Unit) {
        let skipped = self.chunks_of(&self.later, unit);
        self.source.metrics.chunks_pruned.add(skipped);
    }

    /// Starts to fetch what is read with every unit, and to decode it where nobody else would.
    fn start(&self, unit: &Unit) -> Origin {
        let fetch = self.source.start(unit, &self.variables);
        let bytes = self.unit_bytes(unit);
        let ahead = self.memory.new_empty();
        let by_itself = !self.decodes_ahead || !fetch.decodes || bytes > MOST_BYTES_AHEAD;
        // Chunks, and the values that are put together of them.
        if by_itself || ahead.try_grow(2 * bytes).is_err() {
            return Origin::Chunks(fetch);
        }
        let source = self.source.clone();
        let (unit, variables) = (unit.clone(), self.variables.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { source.values(fetch, &unit, &variables).await });
        Origin::Decoding(task, ahead)
    }

    /// Memory for the chunks of one more unit while they are made; `None` where units that are on their way leave no
    /// room for it. The next unit is made in any case, as long as it fits at all.
    fn working(&self) -> Result<Option<MemoryReservation>> {
        let bytes = self.variables.iter().map(|variable| {
            let array = &self.scan.cube.variables[*variable].array;
            array.working_bytes()
        });
        let bytes: usize = bytes.sum();
        let working = self.memory.new_empty();
        let Some((limit, free)) = self.scan.blocks.memory().filter(|_| bytes > 0) else {
            return Ok(Some(working));
        };
        if bytes > limit {
            let cause = format!(
                "computing a chunk takes about {}, more than the memory limit of {}",
                format_bytes(bytes as u64),
                format_bytes(limit as u64)
            );
            return Err(CubeError::new(ErrorKind::Limit, &self.scan.cube.name, cause)
                .remedy("raise the limit (--memory), select fewer variables, or make a copy of the cube with smaller chunks first")
                .into());
        }
        // What is made for a moment leaves room for what stays, but for decoded chunks that are kept: they may go.
        let kept = usize::try_from(self.scan.blocks.bytes()).unwrap_or(usize::MAX);
        let free = free.saturating_add(kept).min(limit);
        let has_room = bytes.saturating_add(limit / FREE) <= free;
        if has_room && working.try_grow(bytes).is_ok() {
            return Ok(Some(working));
        }
        if !self.ahead.is_empty() {
            return Ok(None);
        }
        // The next unit is made whatever others hold, and they must see what it takes.
        working.grow(bytes);
        Ok(Some(working))
    }

    /// Memory for the values of `unit`, whose chunks take what is `working`. These may have been counted beyond what is free;
    /// then the values are, too, as long as both fit at all.
    fn reserve_values(&self, unit: &Unit, working: &MemoryReservation) -> Result<()> {
        let bytes = self.unit_bytes(unit);
        let Err(error) = self.memory.try_resize(bytes) else {
            return Ok(());
        };
        let fits = |(limit, _): (usize, usize)| working.size().saturating_add(bytes) <= limit;
        match working.size() > 0 && self.scan.blocks.memory().is_some_and(fits) {
            true => {
                self.memory.resize(bytes);
                Ok(())
            }
            false => Err(error),
        }
    }

    /// Keeps `prefetch` units on their way besides the next one, as far as memory goes.
    async fn look_ahead(&mut self) -> Result<()> {
        let knowledge = self.knowledge.clone();
        while !self.exhausted && self.ahead.len() <= self.prefetch {
            let Some(working) = self.working()? else {
                break;
            };
            let claimed = &self.source.claims;
            let enough = self.enough.is_some_and(|enough| claimed.rows() >= enough);
            let number = if enough { u64::MAX } else { (self.order)() };
            if number >= self.units {
                self.exhausted = true;
                break;
            }
            let best_first = knowledge.as_ref().and_then(|knowledge| knowledge.order());
            let number = best_first.map_or(number, |order| order[number as usize]);
            let unit = self.grid.unit(number);
            let Some(known) = self.known(number).await? else {
                self.skip(number, &unit);
                continue;
            };
            let Some(mask) = self.cell_mask(&unit)? else {
                self.skip(number, &unit);
                continue;
            };
            let unit = match (self.enough, &mask) {
                (Some(enough), None) => unit.leading(enough),
                _ => unit,
            };
            if self.enough.is_some() {
                let rows = mask
                    .as_ref()
                    .map_or_else(|| unit.rows(), BooleanBuffer::count_set_bits);
                self.source.claims.add_rows(rows as u64);
            }
            let summaries = match (&knowledge, &known.window) {
                (Some(knowledge), Some(window)) if known.all_rows && mask.is_none() => {
                    knowledge.summaries(window, number, &unit)
                }
                _ => None,
            };
            let source = match summaries {
                Some(summaries) => {
                    let chunks = self.chunks_of(&self.variables, &unit);
                    let later = self.chunks_of(&self.later, &unit);
                    self.source.metrics.chunks_pruned.add(chunks + later);
                    Origin::Statistics(summaries)
                }
                None => self.start(&unit),
            };
            self.ahead.push_back(Ahead {
                number,
                unit,
                mask,
                source,
                working,
            });
        }
        Ok(())
    }

    /// Bytes of the variables' values at the selected cells of a unit.
    fn unit_bytes(&self, unit: &Unit) -> usize {
        let variables = self.variables.iter().chain(&self.later);
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

    /// The rows of a unit that filter, planes and sample leave: `None` when there is none, `Some(None)` when
    /// all stay.
    fn cell_mask(&self, unit: &Unit) -> Result<Option<Option<BooleanBuffer>>> {
        let mut rows: Option<BooleanBuffer> = None;
        if let Some(filter) = &self.filter {
            match filter(unit) {
                None => return Ok(None),
                Some(mask) => rows = mask,
            }
        }
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
