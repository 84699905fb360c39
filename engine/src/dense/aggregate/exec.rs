//! The operator that DataFusion sees: it holds its scan and emits final groups. It is a leaf, or its
//! child is the table of regions that the cube is joined with.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, Distribution, ExecutionPlan,
    InputDistributionRequirements, PlanProperties, ReplaceChildrenOptions,
};
use datafusion_datasource::source::DataSource;
use futures::{TryStreamExt, stream};

use crate::dense::aggregate::groups::Gathered;
use crate::dense::aggregate::plan::{GridAggregatePlan, Input, Mode, Output, Source};
use crate::dense::aggregate::worker::Worker;
use crate::dense::once::Once;
use crate::dense::regions::{RegionJoin, Regions};
use crate::scan::CubeScan;
use crate::scan::queue::{Claims, Executions};
use crate::scan::units::{UnitOrder, UnitReader};

/// GROUP BY over a cube without rows; see [`crate::dense::aggregate`].
#[derive(Debug)]
pub(crate) struct GridAggregateExec {
    plan: Arc<GridAggregatePlan>,
    regions: Option<Arc<RegionJoin>>,
    properties: Arc<PlanProperties>,
    executions: Executions<Execution>,
    metrics: ExecutionPlanMetricsSet,
}

/// What the workers of one execution share.
#[derive(Debug)]
struct Execution {
    claims: Arc<Claims>,
    next_tile: AtomicU64,
    gathered: Arc<Gathered>,
    /// The plan once its regions are known.
    with_regions: Once<Arc<GridAggregatePlan>>,
}

impl GridAggregateExec {
    /// The operator of a plan over a scan, or over its join with `regions`.
    pub(crate) fn new(plan: GridAggregatePlan, regions: Option<Arc<RegionJoin>>) -> Self {
        let emits_at_end = plan.mode == Mode::Shared && regions.is_none();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&plan.schema)),
            Partitioning::UnknownPartitioning(plan.partitions),
            match emits_at_end {
                true => EmissionType::Final,
                false => EmissionType::Incremental,
            },
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            plan: Arc::new(plan),
            regions,
            properties: Arc::new(properties),
            executions: Executions::default(),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// What it reads.
    pub(crate) fn scan(&self) -> &CubeScan {
        &self.plan.scan
    }

    /// The same aggregate over a scan that differs only in the values of its variables.
    pub(crate) fn over(&self, scan: CubeScan) -> Self {
        let mut plan = self.plan.as_ref().clone();
        plan.scan = Arc::new(scan);
        Self {
            plan: Arc::new(plan),
            regions: self.regions.clone(),
            properties: Arc::clone(&self.properties),
            executions: Executions::default(),
            metrics: self.metrics.clone(),
        }
    }
}

/// The order in which a worker reads units: unit by unit, or tile by tile.
fn order(plan: &Arc<GridAggregatePlan>, execution: &Arc<Execution>) -> UnitOrder {
    let execution = Arc::clone(execution);
    if plan.mode == Mode::Shared {
        return Box::new(move || execution.claims.next_unit());
    }
    let plan = Arc::clone(plan);
    let mut current = VecDeque::new();
    Box::new(move || {
        let tiles = &plan.tiling.grid;
        tiles.next_unit(&mut current, || execution.next_tile.fetch_add(1, Relaxed))
    })
}

/// Opens one partition.
async fn open(
    plan: Arc<GridAggregatePlan>,
    regions: Option<Arc<RegionJoin>>,
    execution: Arc<Execution>,
    partition: usize,
    context: Arc<TaskContext>,
    metrics: ExecutionPlanMetricsSet,
) -> Result<Worker> {
    let plan = match regions {
        None => plan,
        Some(join) => {
            let placed = execution.with_regions.get(async {
                let regions = Regions::gather(&join, &context).await?;
                plan.with_regions(regions).map(Arc::new)
            });
            Arc::clone(placed.await?)
        }
    };
    let scan = &plan.scan;
    let (mut early, mut late) = scan.variables();
    if scan.predicate.rows.is_none() {
        std::mem::swap(&mut early, &mut late);
    }
    let mut units = UnitReader::open(
        Arc::clone(scan),
        early.clone(),
        partition,
        &context,
        Arc::clone(&execution.claims),
        order(&plan, &execution),
        &metrics,
    )?;
    if let Some(joint) = &plan.keys.joint {
        let joint = Arc::clone(joint);
        units.only(Box::new(move |unit| joint.touches(unit).then_some(None)));
    }
    let consumer = MemoryConsumer::new(format!("aggregate of {}", scan.cube.name));
    Worker::new(
        Arc::clone(&plan),
        units,
        Arc::clone(&execution.gathered),
        early,
        late,
        context.session_config().batch_size(),
        consumer.register(context.memory_pool()),
    )
}

fn describe(plan: &GridAggregatePlan, input: &Input) -> String {
    let cube = &plan.scan.cube;
    let source = match &input.source {
        Source::Rows => "*".to_string(),
        Source::Variable(variable) => cube.variables[*variable].field.name().clone(),
        Source::Computed(expression) => expression.to_string(),
    };
    match &input.filter {
        Some(filter) => format!("{source} FILTER {filter}"),
        None => source,
    }
}

impl DisplayAs for GridAggregateExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = &self.plan;
        let separator = match format {
            DisplayFormatType::TreeRender => "\n",
            _ => ", ",
        };
        if !matches!(format, DisplayFormatType::TreeRender) {
            write!(f, "GridAggregateExec: ")?;
        }
        let mode = match plan.mode {
            _ if self.regions.is_some() => "regions",
            Mode::Tiles => "tiles",
            Mode::Shared => "shared",
        };
        let keys: Vec<String> = plan
            .keys
            .columns
            .iter()
            .enumerate()
            .map(|(position, key)| match plan.keys.is_of_regions(position) {
                true => format!("{} (of regions)", key.name),
                false => format!("{} ({} codes)", key.name, plan.keys.axes[key.axis].count),
            })
            .collect();
        let aggregates: Vec<String> = plan
            .outputs
            .iter()
            .map(|output| match output {
                Output::Kernel { kind, input } => {
                    format!("{}({})", kind.name(), describe(plan, &plan.inputs[*input]))
                }
                Output::Quantile { quantile, position } => {
                    let series = &plan.series[*position];
                    let filter = series.filter.as_ref();
                    let filter = filter.map(|filter| format!(" FILTER {filter}"));
                    quantile.describe(&format!("{}{}", series.values, filter.unwrap_or_default()))
                }
                Output::Edge { position } => plan.edges[*position].name.clone(),
                Output::Pair { kind, position } => {
                    let pair = &plan.pairs[*position];
                    format!("{kind:?}({}, {})", pair.x, pair.y)
                }
                Output::General { position } => {
                    format!("general {}", plan.general[*position].function.name())
                }
            })
            .collect();
        write!(
            f,
            "mode={mode}{separator}keys=[{}]{separator}aggregates=[{}]{separator}",
            keys.join(", "),
            aggregates.join(", ")
        )?;
        if plan.passes > 1 {
            write!(f, "passes={}{separator}", plan.passes)?;
        }
        if let Some(join) = &self.regions {
            write!(f, "on=[{}]{separator}", join.condition_texts())?;
        }
        plan.scan.fmt_as(format, f)
    }
}

impl ExecutionPlan for GridAggregateExec {
    fn name(&self) -> &str {
        "GridAggregateExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.regions.iter().map(|join| &join.regions).collect()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let children = self.children().len();
        InputDistributionRequirements::new(vec![Distribution::SinglePartition; children])
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.children().len()]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (&self.regions, children.as_slice()) {
            (None, []) => Ok(self),
            (Some(join), [regions]) => {
                let join = RegionJoin {
                    regions: Arc::clone(regions),
                    ..RegionJoin::clone(join)
                };
                let plan = GridAggregatePlan::clone(&self.plan);
                Ok(Arc::new(Self::new(plan, Some(Arc::new(join)))))
            }
            _ => internal_err!("GridAggregateExec has no child, or one of regions"),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for input in &self.plan.inputs {
            if let Source::Computed(expression) = &input.source
                && visit(expression)? == TreeNodeRecursion::Stop
            {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let execution = self.executions.join(partition, &context, || Execution {
            claims: Arc::new(Claims::new(0, 1)),
            next_tile: AtomicU64::default(),
            gathered: Arc::default(),
            with_regions: Once::default(),
        });
        let opened = open(
            Arc::clone(&self.plan),
            self.regions.clone(),
            execution,
            partition,
            context,
            self.metrics.clone(),
        );
        let batches = stream::once(opened).map_ok(|worker| {
            stream::try_unfold(worker, |mut worker| async move {
                let batch = worker.next_batch().await?;
                Ok(batch.map(|batch| (batch, worker)))
            })
        });
        let schema = Arc::clone(&self.plan.schema);
        let batches = batches.try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
