//! What a grid aggregate does, decided while planning.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::{Result, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_plan::aggregates::AggregateExec;
use graticule_functions::kernels::Needs;
use graticule_functions::kernels::bitwise::Bitwise;

use crate::dense::aggregate::bits::BitState;
use crate::dense::aggregate::cells::Cells;
use crate::dense::aggregate::edges::{Edge, EdgeState};
use crate::dense::aggregate::inputs::{Builder, summarised};
use crate::dense::aggregate::pairs::{PairKind, PairState};
use crate::dense::aggregate::quantiles::Quantile;
use crate::dense::aggregate::state::State;
use crate::dense::aggregate::tiles::Tiling;
use crate::dense::keys::GroupKeys;
use crate::dense::regions::Regions;
use crate::scan::CubeScan;

/// Where groups are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A worker owns all cells of its groups and emits them when it has seen the last one.
    Tiles,
    /// Every worker reduces into arrays over all groups; the last one to finish adds them up.
    Shared,
}

/// From this many groups on, workers may own tiles.
const MANY_GROUPS: usize = 4096;

/// Tiles per worker from which on the work is even enough, however the last ones fall.
const EVEN_TILES: u64 = 16;

/// As long as the states of all workers are not larger than this, each keeps all groups rather than a few
/// tiles: units are smaller pieces of work than tiles, and adding up so few groups takes milliseconds.
const FEW_BYTES: usize = 32 << 20;

/// What is held of one group.
#[derive(Debug, Clone, Copy)]
enum Holding {
    Bytes(usize),
    /// Accumulators of DataFusion, of unknown size.
    Accumulators,
    /// All values.
    Values,
}

impl Holding {
    fn of(
        inputs: &[Input],
        pairs: &[Pair],
        edges: &[Edge],
        series: &[Series],
        general: &[General],
    ) -> Self {
        match (series.is_empty(), general.is_empty()) {
            (false, _) => Self::Values,
            (true, false) => Self::Accumulators,
            (true, true) => Self::Bytes(bytes_per_group(inputs, pairs, edges)),
        }
    }
}

/// The type in which kernels read an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ElementType {
    /// 32-bit floats.
    Float32,
    /// 64-bit floats, and integers read as such.
    Float64,
    /// Integers, times and truths.
    Int64,
    /// Integers as words of bits.
    Bits,
}

impl ElementType {
    /// Bytes of a value.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Float32 => 4,
            Self::Float64 | Self::Int64 | Self::Bits => 8,
        }
    }
}

/// Where an input comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Every row that is left counts.
    Rows,
    /// The values of a variable of the cube.
    Variable(usize),
    /// An expression over the table's schema.
    Computed(Arc<dyn PhysicalExpr>),
}

/// A series of values that aggregates read.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) source: Source,
    pub(crate) element: ElementType,
    /// `FILTER (WHERE …)` over the table's schema.
    pub(crate) filter: Option<Arc<dyn PhysicalExpr>>,
    pub(crate) needs: Needs,
}

impl Input {
    pub(super) fn reads_the_same(&self, other: &Input) -> bool {
        let same_source = match (&self.source, &other.source) {
            (Source::Rows, Source::Rows) => true,
            (Source::Variable(a), Source::Variable(b)) => a == b,
            (Source::Computed(a), Source::Computed(b)) => a == b,
            _ => false,
        };
        same_source && self.element == other.element && self.filter == other.filter
    }

    /// Bytes of state of one group.
    fn bytes_per_group(&self) -> usize {
        match self.element {
            ElementType::Float32 => State::<f32>::bytes_per_group(self.needs),
            ElementType::Float64 => State::<f64>::bytes_per_group(self.needs),
            ElementType::Int64 => State::<i64>::bytes_per_group(self.needs),
            ElementType::Bits => BitState::BYTES_PER_GROUP,
        }
    }
}

/// An aggregate of one input that has a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Count,
    Sum,
    Average,
    Minimum,
    Maximum,
    /// Variance, of a sample or of the whole population, or its root.
    Variance {
        population: bool,
        root: bool,
    },
    Bits(BitOperation),
}

/// What is done with the bits of integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BitOperation {
    And,
    Or,
    Xor,
}

impl BitOperation {
    /// What is left of a group.
    pub(crate) fn of(self, group: &Bitwise) -> i64 {
        match self {
            Self::And => group.and,
            Self::Or => group.or,
            Self::Xor => group.xor,
        }
    }
}

impl Kind {
    /// The SQL function, as `EXPLAIN` shows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Average => "avg",
            Self::Minimum => "min",
            Self::Maximum => "max",
            Self::Variance { population, root } => match (root, population) {
                (false, false) => "var_samp",
                (false, true) => "var_pop",
                (true, false) => "stddev_samp",
                (true, true) => "stddev_pop",
            },
            Self::Bits(BitOperation::And) => "bit_and",
            Self::Bits(BitOperation::Or) => "bit_or",
            Self::Bits(BitOperation::Xor) => "bit_xor",
        }
    }
}

/// One aggregate of the output.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Output {
    /// From the state of an input.
    Kernel { kind: Kind, input: usize },
    /// From the values that are kept of a series.
    Quantile { quantile: Quantile, position: usize },
    /// From the first cell of each group in an order.
    Edge { position: usize },
    /// From the sums of a pair of series.
    Pair { kind: PairKind, position: usize },
    /// From an accumulator of DataFusion.
    General { position: usize },
}

/// Values that are kept until their groups are complete.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    /// Over the table's schema.
    pub(crate) values: Arc<dyn PhysicalExpr>,
    /// Floats of either width.
    pub(crate) element: ElementType,
    /// `FILTER (WHERE …)`.
    pub(crate) filter: Option<Arc<dyn PhysicalExpr>>,
}

impl Series {
    pub(super) fn reads_the_same(&self, other: &Self) -> bool {
        let Self {
            values,
            element,
            filter,
        } = self;
        values == &other.values && *element == other.element && filter == &other.filter
    }
}

/// Two series of values that aggregates read together, over the table's schema.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) x: Arc<dyn PhysicalExpr>,
    pub(crate) y: Arc<dyn PhysicalExpr>,
    /// `FILTER (WHERE …)`.
    pub(crate) filter: Option<Arc<dyn PhysicalExpr>>,
}

impl Pair {
    pub(super) fn reads_the_same(&self, other: &Self) -> bool {
        let Self { x, y, filter } = self;
        x == &other.x && y == &other.y && filter == &other.filter
    }
}

/// An aggregate without a kernel.
#[derive(Debug, Clone)]
pub(crate) struct General {
    pub(crate) function: Arc<AggregateFunctionExpr>,
    pub(crate) arguments: Vec<Arc<dyn PhysicalExpr>>,
    pub(crate) filter: Option<Arc<dyn PhysicalExpr>>,
}

/// A grid aggregate.
#[derive(Debug, Clone)]
pub(crate) struct GridAggregatePlan {
    pub(crate) scan: Arc<CubeScan>,
    pub(crate) keys: GroupKeys,
    pub(crate) inputs: Vec<Input>,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) series: Vec<Series>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) general: Vec<General>,
    pub(crate) outputs: Vec<Output>,
    /// The input that counts rows, where a predicate may leave groups without any.
    pub(crate) rows: Option<usize>,
    pub(crate) mode: Mode,
    pub(crate) tiling: Tiling,
    pub(crate) schema: SchemaRef,
    pub(crate) partitions: usize,
    /// How often each chunk is decoded.
    pub(crate) passes: u64,
}

/// A plan, or the reason why the rows are aggregated instead.
pub(crate) type Decision = std::result::Result<GridAggregatePlan, String>;

impl GridAggregatePlan {
    /// Plans `aggregate`, the one that reads rows, over what `cells` are. `schema` is that of the final
    /// result.
    ///
    /// # Errors
    /// A key that fails on a selected coordinate.
    pub(crate) fn new(
        aggregate: &AggregateExec,
        cells: &Cells<'_>,
        schema: SchemaRef,
        partitions: usize,
    ) -> Result<Decision> {
        let Cells { scan, .. } = cells;
        if let Some(reason) = cells.needs_rows() {
            return Ok(Err(reason.to_string()));
        }
        if scan.limit.is_some() {
            return Ok(Err("there is a LIMIT below the aggregate".to_string()));
        }
        if scan.cube.axes.is_empty() {
            return Ok(Err("the cube has no axis".to_string()));
        }
        let group_by = aggregate.group_expr();
        if group_by.has_grouping_set() {
            return Ok(Err("grouping sets".to_string()));
        }
        let over_cube = |expression: &Arc<dyn PhysicalExpr>| cells.over_cube(expression);
        let mut expressions = Vec::new();
        for (key, name) in group_by.expr() {
            expressions.push((over_cube(key)?, name.clone()));
        }
        let selections = &scan.predicate.selections;
        let regions = cells.region_columns();
        let keys = GroupKeys::new(&scan.cube, selections, &expressions, regions.as_ref())?;
        let keys = match keys {
            Ok(keys) => keys,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut builder = Builder {
            scan,
            keys: &keys,
            inputs: Vec::new(),
            pairs: Vec::new(),
            series: Vec::new(),
            edges: Vec::new(),
            general: Vec::new(),
            variables: Vec::new(),
        };
        let may_leave_groups_empty = cells.regions.is_some()
            || scan.predicate.rows.is_some()
            || !scan.predicate.planes.is_empty()
            || scan.sample.is_some();
        let rows = (may_leave_groups_empty && !keys.columns.is_empty())
            .then(|| builder.input(Source::Rows, ElementType::Int64, None, Needs::default()));
        let mut outputs = Vec::new();
        for (function, filter) in std::iter::zip(aggregate.aggr_expr(), aggregate.filter_expr()) {
            let arguments = function.expressions();
            let arguments = arguments
                .iter()
                .map(over_cube)
                .collect::<Result<Vec<_>>>()?;
            let filter = filter.as_ref().map(over_cube).transpose()?;
            let order = function.order_bys().iter();
            let order = order.map(|sort| Ok((over_cube(&sort.expr)?, sort.clone())));
            let order = order.collect::<Result<Vec<_>>>()?;
            match builder.output(function, arguments, filter, &order)? {
                Ok(output) => outputs.push(output),
                Err(reason) => return Ok(Err(reason)),
            }
        }
        let Builder {
            inputs,
            pairs,
            series,
            edges,
            general,
            variables,
            ..
        } = builder;
        let mut scan = scan.for_operator(&variables)?;
        let is_summary = pairs.is_empty() && series.is_empty() && edges.is_empty();
        let is_summary = is_summary && general.is_empty();
        if is_summary && cells.regions.is_none() {
            scan.skipping.summarised = summarised(&inputs, &keys);
        }
        let scan = Arc::new(scan);
        let holding = Holding::of(&inputs, &pairs, &edges, &series, &general);
        let (mode, tiling) = Self::divide(&keys, &scan, partitions, holding);
        // One accumulator object per group, all of which are visited for every unit.
        let slow = general
            .iter()
            .find(|general| !general.function.groups_accumulator_supported());
        let slow = slow.map(|general| general.function.fun().name().to_string());
        let plan = Self {
            mode,
            scan,
            keys,
            inputs,
            pairs,
            series,
            edges,
            general,
            outputs,
            rows,
            tiling,
            schema,
            partitions,
            passes: 1,
        };
        if let Some(name) = slow
            && plan.held_groups() as u64 > plan.scan.grid().largest_unit()
        {
            return Ok(Err(format!(
                "{name} over more groups than a chunk has cells"
            )));
        }
        // The groups of regions are not known yet.
        match plan.keys.is_complete() {
            true => Ok(plan.within_memory()),
            false => Ok(Ok(plan)),
        }
    }

    /// Who puts which groups together.
    fn divide(
        keys: &GroupKeys,
        scan: &CubeScan,
        partitions: usize,
        holding: Holding,
    ) -> (Mode, Tiling) {
        let tiling = Tiling::new(keys, &scan.grid());
        let (tiles, workers) = (tiling.grid.tiles(), partitions.max(2) as u64);
        let has_many_groups = keys.groups() >= MANY_GROUPS;
        // Among the values that several workers have kept one of them selects alone. Tiles are quicker even
        // where most workers get none.
        let least = match holding {
            Holding::Values => (workers / 4).max(2),
            Holding::Accumulators | Holding::Bytes(_) => workers,
        };
        let is_cheaper = match holding {
            // Values are kept of one tile instead of all.
            Holding::Values => true,
            Holding::Accumulators => has_many_groups,
            Holding::Bytes(bytes) => {
                let of_worker = keys.groups().saturating_mul(bytes);
                let is_even = tiles >= workers.saturating_mul(EVEN_TILES);
                has_many_groups && (is_even || of_worker.saturating_mul(partitions) > FEW_BYTES)
            }
        };
        let mode = match tiles >= least && is_cheaper {
            true => Mode::Tiles,
            false => Mode::Shared,
        };
        (mode, tiling)
    }

    /// The same plan once the regions are known that its keys read: it reads their cells only.
    ///
    /// # Errors
    /// A key that fails on a region, or the memory pool has no room.
    pub(crate) fn with_regions(&self, regions: Regions) -> Result<Self> {
        let scan = Arc::new(self.scan.narrowed(regions.selections.clone()));
        let keys = self.keys.with_regions(regions, &scan.grid())?;
        let holding = Holding::of(
            &self.inputs,
            &self.pairs,
            &self.edges,
            &self.series,
            &self.general,
        );
        let (mode, tiling) = Self::divide(&keys, &scan, self.partitions, holding);
        let plan = Self {
            scan,
            keys,
            mode,
            tiling,
            ..self.clone()
        };
        // It is too late for rows: where parts are too large, too, the memory pool decides.
        Ok(plan.clone().within_memory().unwrap_or(plan))
    }

    /// Groups that a worker holds at a time, at most.
    fn held_groups(&self) -> usize {
        match self.mode {
            Mode::Tiles => self.tiling.largest_tile(&self.keys),
            Mode::Shared => self.keys.groups(),
        }
    }

    /// Bytes of state for the groups that a worker holds at a time, at most.
    pub(crate) fn state_bytes(&self) -> usize {
        let per_group = bytes_per_group(&self.inputs, &self.pairs, &self.edges);
        self.held_groups().saturating_mul(per_group)
    }
}

/// Bytes of state of one group.
fn bytes_per_group(inputs: &[Input], pairs: &[Pair], edges: &[Edge]) -> usize {
    let inputs: usize = inputs.iter().map(Input::bytes_per_group).sum();
    inputs + pairs.len() * PairState::BYTES_PER_GROUP + edges.len() * EdgeState::BYTES_PER_GROUP
}

/// NULL of the type of `expression`, or its value where it is a literal: one row that a general
/// accumulator can be primed with.
pub(crate) fn sample_value(
    expression: &Arc<dyn PhysicalExpr>,
    schema: &arrow::datatypes::Schema,
) -> Result<ScalarValue> {
    match expression.downcast_ref::<Literal>() {
        Some(literal) => Ok(literal.value().clone()),
        None => ScalarValue::try_from(&expression.data_type(schema)?),
    }
}
