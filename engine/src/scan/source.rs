//! The leaf of every plan over a cube: `CubeScan`, a `DataSource` inside the stock `DataSourceExec`.
//!
//! It answers the optimizer: which columns (as expressions), which order, how many rows, which
//! minimum and maximum of a coordinate, all from the axes alone.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::array::Array;
use arrow::compute::SortOptions;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{ColumnStatistics, Result, ScalarValue, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{
    AcrossPartitions, ConstExpr, EquivalenceProperties, Partitioning, PhysicalExpr,
    PhysicalSortExpr,
};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::execution_plan::SchedulingType;
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::source::{DataSource, OpenArgs};

use crate::cache::BlockCache;
use crate::cube::chunks::AxisChunks;
use crate::cube::{AxisOrder, Cube};
use crate::options::CubeOptions;
use crate::scan::grid::{ScanGrid, scan_chunks, touched_count};
use crate::scan::order::SLAB_BYTES;
use crate::scan::part::ScanPart;
use crate::scan::predicate::ScanPredicate;
use crate::scan::queue::UnitQueue;
use crate::scan::sample::Sample;
use crate::scan::skipping::Skipping;
use crate::scan::stream::open_stream;

/// A scan of one cube: what to read, what to compute on it, in which order.
#[derive(Debug, Clone)]
pub struct CubeScan {
    pub(crate) cube: Arc<Cube>,
    pub(crate) predicate: ScanPredicate,
    /// Output columns over the table's schema.
    pub(crate) projection: ProjectionExprs,
    pub(crate) schema: SchemaRef,
    pub(crate) sample: Option<Sample>,
    pub(crate) limit: Option<usize>,
    pub(super) partitions: usize,
    /// Which units it reads.
    pub(super) part: ScanPart,
    /// Set when the rows come in the order of the grid: per axis, from its last cell to its first?
    pub(super) grid_order: Option<Vec<bool>>,
    pub(crate) blocks: Arc<BlockCache>,
    /// How far coordinates of zipped cubes are apart that look as if they should be equal, for `EXPLAIN`.
    pub(super) alignment: Option<String>,
    /// What lets it leave chunks out.
    pub(crate) skipping: Skipping,
    /// Why no dense operator took this scan, for `EXPLAIN`. Set by a rule on the plan as it stands, so
    /// that saying why changes nothing else.
    pub(super) reason: Arc<OnceLock<String>>,
    pub(super) grid: OnceLock<Arc<ScanGrid>>,
    pub(super) metrics: ExecutionPlanMetricsSet,
}

impl CubeScan {
    /// A scan of all columns in `projection` by `partitions` workers.
    pub(crate) fn new(
        cube: Arc<Cube>,
        predicate: ScanPredicate,
        projection: ProjectionExprs,
        partitions: usize,
        blocks: Arc<BlockCache>,
    ) -> Result<Self> {
        let schema = Arc::new(projection.project_schema(&cube.schema)?);
        Ok(Self {
            cube,
            predicate,
            projection,
            schema,
            sample: None,
            limit: None,
            partitions,
            part: ScanPart::default(),
            grid_order: None,
            blocks,
            alignment: None,
            skipping: Skipping::default(),
            reason: Arc::default(),
            grid: OnceLock::new(),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    pub(crate) fn with_sample(mut self, sample: Option<Sample>) -> Self {
        self.sample = sample;
        self
    }

    pub(crate) fn with_limit(mut self, limit: Option<usize>) -> Self {
        self.limit = limit;
        self
    }

    /// The same scan by one worker.
    pub(crate) fn by_one(&self) -> Self {
        Self {
            partitions: 1,
            ..self.clone()
        }
    }

    /// Number of workers.
    pub(crate) fn partitions(&self) -> usize {
        self.partitions
    }

    /// For a change that may cut the work in another way.
    pub(super) fn forget_grid(&mut self) {
        self.grid = OnceLock::new();
    }

    /// Notes why this scan makes rows, for `EXPLAIN`.
    pub(crate) fn explain_rows(&self, reason: String) {
        // The first reason stays.
        let _ = self.reason.set(reason);
    }

    /// The cube.
    pub fn cube(&self) -> &Arc<Cube> {
        &self.cube
    }

    /// Does every row of its cells count, whatever its values are?
    pub(crate) fn counts_all_rows(&self) -> bool {
        self.predicate.rows.is_none() && self.skipping.tightening.is_none()
    }

    /// Variables whose values the predicate on rows needs, then those that only the output needs.
    pub(crate) fn variables(&self) -> (Vec<usize>, Vec<usize>) {
        let axes = self.cube.axes.len();
        let variables_of = |columns: Vec<usize>| -> Vec<usize> {
            columns
                .into_iter()
                .filter(|column| *column >= axes)
                .map(|column| column - axes)
                .collect()
        };
        let early = variables_of(self.predicate_columns());
        let late = variables_of(self.projection.column_indices())
            .into_iter()
            .filter(|variable| !early.contains(variable));
        let late = late.collect();
        (early, late)
    }

    /// Columns that decide which rows are made: of the predicate on rows and of a filter that tightens.
    pub(crate) fn predicate_columns(&self) -> Vec<usize> {
        let predicate = self.predicate.rows.iter().flat_map(collect_columns);
        let predicate = predicate.map(|column: Column| column.index());
        let mut columns: Vec<usize> = predicate.chain(self.skipping.columns()).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// Is every row that the axes select part of the output?
    pub(crate) fn is_exact(&self) -> bool {
        self.predicate.rows.is_none()
            && self.predicate.planes.is_empty()
            && self.sample.is_none()
            && self.skipping.tightening.is_none()
    }

    /// Rows that the axes select.
    pub(crate) fn selected_rows(&self) -> u64 {
        self.predicate
            .selections
            .iter()
            .fold(1u64, |rows, selection| rows.saturating_mul(selection.len()))
    }

    /// The units of the scan.
    pub(crate) fn grid(&self) -> Arc<ScanGrid> {
        Arc::clone(self.grid.get_or_init(|| Arc::new(self.make_grid())))
    }

    fn make_grid(&self) -> ScanGrid {
        let (early, late) = self.variables();
        let variables: Vec<usize> = early.into_iter().chain(late).collect();
        let mut chunks = scan_chunks(&self.cube, &variables);
        let selections = &self.predicate.selections;
        let Some(reversed) = &self.grid_order else {
            return ScanGrid::new(chunks, selections, &vec![false; selections.len()]);
        };
        // Rows of one unit are in order; rows of successive units are when only the first axis with
        // more than one cell in a unit is cut.
        let mut outer_is_single = true;
        for (axis, chunks) in chunks.iter_mut().enumerate() {
            if !outer_is_single {
                *chunks = AxisChunks::regular(chunks.length(), chunks.length());
            }
            outer_is_single &= chunks.size() == 1 || selections[axis].len() <= 1;
        }
        ScanGrid::new(chunks, selections, reversed)
    }

    /// Chunks of the scanned variables: in the whole cube, and those that hold a selected cell.
    pub(crate) fn chunk_counts(&self) -> (u64, u64) {
        let (early, late) = self.variables();
        early
            .into_iter()
            .chain(late)
            .fold((0, 0), |(total, selected), variable| {
                let variable = &self.cube.variables[variable];
                let along = || variable.axes.iter().zip(variable.chunks());
                let all = along()
                    .map(|(_, chunks)| chunks.count())
                    .fold(1, u64::saturating_mul);
                let touched = |(axis, chunks): (&usize, &AxisChunks)| {
                    touched_count(chunks, &self.predicate.selections[*axis])
                };
                let touched = along().map(touched).fold(1, u64::saturating_mul);
                (total.saturating_add(all), selected.saturating_add(touched))
            })
    }

    /// Bytes that decoding all selected chunks would give, limits and predicates on values aside.
    pub(crate) fn decoded_bytes(&self) -> u64 {
        let (early, late) = self.variables();
        let bytes = early.into_iter().chain(late).map(|index| {
            let variable = &self.cube.variables[index];
            let width = variable.field.data_type().primitive_width().unwrap_or(16) as u64;
            let along = variable.axes.iter().zip(variable.chunks());
            along.fold(width, |bytes, (axis, chunks)| {
                let touched = touched_count(chunks, &self.predicate.selections[*axis]);
                let cells = touched
                    .saturating_mul(chunks.size())
                    .min(chunks.length().max(chunks.size()));
                bytes.saturating_mul(cells)
            })
        });
        bytes.fold(0, u64::saturating_add)
    }

    /// The same rows when the output reads no variable and each distinct row is wanted once:
    /// axes that the output does not read shrink to one cell. `None` when that does not apply.
    pub(crate) fn for_distinct(&self) -> Option<Self> {
        if !self.is_exact() || self.limit.is_some() {
            return None;
        }
        if self
            .projection
            .expr_iter()
            .any(|output| is_volatile(&output))
        {
            return None;
        }
        let read = self.projection.column_indices();
        if read.iter().any(|column| *column >= self.cube.axes.len()) {
            return None;
        }
        let mut scan = self.clone();
        scan.grid = OnceLock::new();
        let mut shrunk = false;
        for (axis, selection) in scan.predicate.selections.iter_mut().enumerate() {
            if !read.contains(&axis) && selection.len() > 1 {
                *selection = selection.first_only();
                shrunk = true;
            }
        }
        shrunk.then_some(scan)
    }

    /// Exact statistics of the coordinates that the axes select.
    fn axis_statistics(&self, axis: usize) -> Result<ColumnStatistics> {
        let unknown = ColumnStatistics::new_unknown();
        let axis_of_cube = &self.cube.axes[axis];
        let selection = &self.predicate.selections[axis];
        let (Some(first), Some(last)) = (selection.runs().first(), selection.runs().last()) else {
            return Ok(unknown);
        };
        let coordinates = &axis_of_cube.coordinates;
        let at = |cell: u64| ScalarValue::try_from_array(coordinates, cell as usize);
        let (minimum, maximum) = match axis_of_cube.order {
            AxisOrder::Ascending => (at(first.start)?, at(last.end - 1)?),
            AxisOrder::Descending => (at(last.end - 1)?, at(first.start)?),
            AxisOrder::Unordered => {
                let selected = selection.take(coordinates)?;
                if selected.null_count() > 0 {
                    return Ok(unknown);
                }
                let order =
                    arrow::compute::sort_to_indices(&selected, Some(SortOptions::default()), None)?;
                let at = |position: usize| {
                    ScalarValue::try_from_array(&selected, order.value(position) as usize)
                };
                return Ok(unknown
                    .with_null_count(Precision::Exact(0))
                    .with_min_value(Precision::Exact(at(0)?))
                    .with_max_value(Precision::Exact(at(selected.len() - 1)?)));
            }
        };
        Ok(unknown
            .with_null_count(Precision::Exact(0))
            .with_min_value(Precision::Exact(minimum))
            .with_max_value(Precision::Exact(maximum))
            .with_distinct_count(Precision::Exact(selection.len() as usize)))
    }
}

impl DataSource for CubeScan {
    fn open(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.open_with_args(OpenArgs::new(partition, context))
    }

    fn create_sibling_state(&self, config: &ConfigOptions) -> Option<Arc<dyn Any + Send + Sync>> {
        let shares = config.execution.enable_file_stream_work_stealing;
        shares.then(|| Arc::new(UnitQueue::default()) as Arc<dyn Any + Send + Sync>)
    }

    fn open_with_args(&self, args: OpenArgs) -> Result<SendableRecordBatchStream> {
        let shared = args
            .sibling_state
            .and_then(|state| state.downcast::<UnitQueue>().ok());
        let claims = match shared {
            Some(queue) => queue.join(args.partition, &args.context, || self.part.claims()),
            None => Arc::new(self.part.claims_of(args.partition, self.partitions)),
        };
        open_stream(
            Arc::new(self.clone()),
            args.partition,
            &args.context,
            claims,
            &self.metrics,
        )
    }

    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (total, selected) = self.chunk_counts();
        let axes: Vec<String> = std::iter::zip(&self.cube.axes, &self.predicate.selections)
            .map(|(axis, selection)| {
                let length = axis.coordinates.len();
                match selection.is_all() {
                    true => format!("{}={length}", axis.field.name()),
                    false => format!("{}={}/{length}", axis.field.name(), selection.len()),
                }
            })
            .collect();
        let columns: Vec<String> = self
            .projection
            .iter()
            .map(|output| output.to_string())
            .collect();
        if matches!(format, DisplayFormatType::TreeRender) {
            return write!(f, "cube={}\nchunks={selected}/{total}", self.cube.name);
        }
        match self.cube.zipped.as_slice() {
            [] => write!(f, "CubeScan: cube={}", self.cube.name)?,
            zipped => write!(f, "CubeScan: zip=[{}]", zipped.join(", "))?,
        }
        write!(
            f,
            ", cells=[{}], chunks={selected}/{total}",
            axes.join(", ")
        )?;
        write!(f, ", columns=[{}]", columns.join(", "))?;
        for plane in &self.predicate.planes {
            write!(f, ", plane={}", plane.text())?;
        }
        if let Some(predicate) = &self.predicate.rows {
            write!(f, ", predicate={predicate}")?;
        }
        if let Some(sample) = &self.sample {
            write!(f, ", sample={:?}({})", sample.method, sample.fraction)?;
        }
        if let Some(limit) = self.limit {
            write!(f, ", limit={limit}")?;
        }
        if self.grid_order.is_some() {
            write!(f, ", order=grid")?;
        }
        if let Some(differences) = &self.alignment {
            write!(f, ", alignment: {differences}")?;
        }
        self.skipping_text(f)?;
        if let Some(reason) = self.reason.get() {
            write!(f, ", rows because: {reason}")?;
        }
        Ok(())
    }

    fn output_partitioning(&self) -> Partitioning {
        Partitioning::UnknownPartitioning(self.partitions)
    }

    fn eq_properties(&self) -> EquivalenceProperties {
        let ordering = self.output_ordering();
        let mut properties =
            EquivalenceProperties::new_with_orderings(Arc::clone(&self.schema), ordering);
        // Only an order needs them. DataFusion believes constants above an outer join that puts NULL in
        // their place, too, and would then group as if equal rows came together.
        let is_ordered = self.grid_order.is_some();
        let single = (0..self.cube.axes.len()).filter(|axis| is_ordered && self.is_single(*axis));
        let constants = single
            .filter_map(|axis| self.output_of_axis(axis))
            .map(|column| ConstExpr::new(column, AcrossPartitions::Uniform(None)));
        // A failure leaves a sort in the plan, nothing worse.
        let _ = properties.add_constants(constants);
        properties
    }

    fn scheduling_type(&self) -> SchedulingType {
        SchedulingType::Cooperative
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        let schema: &Schema = &self.cube.schema;
        let mut statistics = Statistics::new_unknown(schema);
        if partition.is_none() {
            let rows = usize::try_from(self.selected_rows()).unwrap_or(usize::MAX);
            statistics.num_rows = match (self.is_exact(), self.limit) {
                (true, limit) => Precision::Exact(limit.map_or(rows, |limit| rows.min(limit))),
                (false, _) => Precision::Inexact(rows),
            };
            if self.is_exact() && self.limit.is_none() {
                for axis in 0..self.cube.axes.len() {
                    statistics.column_statistics[axis] = self.axis_statistics(axis)?;
                }
            }
        }
        Ok(Arc::new(
            self.projection
                .project_statistics(statistics, &self.schema)?,
        ))
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn DataSource>> {
        Some(Arc::new(self.clone().with_limit(limit)))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn metrics(&self) -> ExecutionPlanMetricsSet {
        self.metrics.clone()
    }

    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn DataSource>>> {
        if evaluates_again(&self.projection, projection)? {
            return Ok(None);
        }
        let merged = self.projection.try_merge(projection)?;
        let schema = Arc::new(merged.project_schema(&self.cube.schema)?);
        let swapped = Self {
            projection: merged,
            schema,
            grid: OnceLock::new(),
            ..self.clone()
        };
        Ok(Some(Arc::new(swapped)))
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn DataSource>>> {
        // Whoever made a filter goes on checking what this scan leaves.
        let answer = vec![PushedDown::No; filters.len()];
        let answer = FilterPushdownPropagation::with_parent_pushdown_result(answer);
        let tightened = match CubeOptions::of(config).chunk_statistics {
            true => self.tightened(&filters)?,
            false => None,
        };
        Ok(match tightened {
            Some(tightened) => answer.with_updated_node(Arc::new(tightened)),
            None => answer,
        })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
    ) -> Result<SortOrderPushdownResult<Arc<dyn DataSource>>> {
        let Some(reversed) = self.order_of_grid(order) else {
            return Ok(match self.in_order_of_bounds(order) {
                Some(ordered) => SortOrderPushdownResult::Inexact {
                    inner: Arc::new(ordered),
                },
                None => SortOrderPushdownResult::Unsupported,
            });
        };
        let ordered = Self {
            grid_order: Some(reversed),
            partitions: 1,
            grid: OnceLock::new(),
            ..self.clone()
        };
        if ordered.slab_bytes() > SLAB_BYTES {
            return Ok(SortOrderPushdownResult::Unsupported);
        }
        Ok(SortOrderPushdownResult::Exact {
            inner: Arc::new(ordered),
        })
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for expression in self
            .projection
            .expr_iter()
            .chain(self.predicate.rows.clone())
            .chain(self.skipping.tightening.clone())
        {
            if visit(&expression)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }
}

/// Would putting `inner` expressions in the place of the columns that `outer` reads evaluate one of
/// them more than once? Wasteful for a computed one, wrong for a volatile one such as `random()`.
fn evaluates_again(inner: &ProjectionExprs, outer: &ProjectionExprs) -> Result<bool> {
    let mut readers = vec![0usize; inner.iter().count()];
    for expression in outer.expr_iter() {
        expression.apply(|node| {
            if let Some(column) = node.downcast_ref::<Column>()
                && let Some(count) = readers.get_mut(column.index())
            {
                *count += 1;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    let is_computed = |expression: &Arc<dyn PhysicalExpr>| {
        !expression.children().is_empty() || is_volatile(expression)
    };
    Ok(std::iter::zip(inner.expr_iter(), readers)
        .any(|(expression, count)| count > 1 && is_computed(&expression)))
}
