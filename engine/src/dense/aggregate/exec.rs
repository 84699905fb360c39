//! The operator that DataFusion sees: a leaf that holds its scan and emits final groups.

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
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use datafusion_datasource::source::DataSource;
use futures::stream;

use crate::dense::aggregate::gathered::Gathered;
use crate::dense::aggregate::plan::{GridAggregatePlan, Input, Mode, Output, Source};
use crate::dense::aggregate::worker::Worker;
use crate::scan::queue::{Claims, Executions};
use crate::scan::units::{UnitOrder, UnitReader};

/// GROUP BY over a cube without rows; see [`crate::dense::aggregate`].
#[derive(Debug)]
pub(crate) struct GridAggregateExec {
    plan: Arc<GridAggregatePlan>,
    properties: Arc<PlanProperties>,
    executions: Executions<Execution>,
    metrics: ExecutionPlanMetricsSet,
}

/// What the workers of one execution share.
#[derive(Debug)]
struct Execution {
    claims: Arc<Claims>,
    next_tile: Arc<AtomicU64>,
    gathered: Arc<Gathered>,
}

impl GridAggregateExec {
    /// The operator of a plan, with `partitions` workers.
    pub(crate) fn new(plan: GridAggregatePlan, partitions: usize) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&plan.schema)),
            Partitioning::UnknownPartitioning(partitions),
            match plan.mode {
                Mode::Tiles => EmissionType::Incremental,
                Mode::Shared => EmissionType::Final,
            },
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            plan: Arc::new(plan),
            properties: Arc::new(properties),
            executions: Executions::default(),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The order in which a worker reads units: unit by unit, or tile by tile.
    fn order(&self, execution: &Execution) -> UnitOrder {
        let claims = Arc::clone(&execution.claims);
        if self.plan.mode == Mode::Shared {
            return Box::new(move || claims.next_unit());
        }
        let plan = Arc::clone(&self.plan);
        let next_tile = Arc::clone(&execution.next_tile);
        let mut current = VecDeque::new();
        Box::new(move || {
            if current.is_empty() {
                let tile = next_tile.fetch_add(1, Relaxed);
                if tile >= plan.tiling.tiles() {
                    return u64::MAX;
                }
                let units = 0..plan.tiling.units_per_tile();
                current.extend(units.map(|unit| plan.tiling.unit(tile, unit)));
            }
            current.pop_front().unwrap_or(u64::MAX)
        })
    }
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
            Mode::Tiles => "tiles",
            Mode::Shared => "shared",
        };
        let keys: Vec<String> = plan
            .keys
            .columns
            .iter()
            .map(|key| format!("{} ({} codes)", key.name, plan.keys.axes[key.axis].count))
            .collect();
        let aggregates: Vec<String> = plan
            .outputs
            .iter()
            .map(|output| match output {
                Output::Kernel { kind, input } => {
                    format!("{}({})", kind.name(), describe(plan, &plan.inputs[*input]))
                }
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
        Vec::new()
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !children.is_empty() {
            return internal_err!("GridAggregateExec has no children");
        }
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !children.is_empty() {
            return internal_err!("GridAggregateExec has no children");
        }
        Ok(self)
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
            next_tile: Arc::default(),
            gathered: Arc::default(),
        });
        let scan = &self.plan.scan;
        let (mut early, mut late) = scan.variables();
        if scan.predicate.rows.is_none() {
            std::mem::swap(&mut early, &mut late);
        }
        let units = UnitReader::open(
            Arc::clone(scan),
            early.clone(),
            partition,
            &context,
            Arc::clone(&execution.claims),
            self.order(&execution),
            &self.metrics,
        )?;
        let consumer = MemoryConsumer::new(format!("aggregate of {}", scan.cube.name));
        let worker = Worker::new(
            Arc::clone(&self.plan),
            units,
            Arc::clone(&execution.gathered),
            early,
            late,
            context.session_config().batch_size(),
            consumer.register(context.memory_pool()),
        )?;
        let batches = stream::try_unfold(worker, |mut worker| async move {
            let batch = worker.next_batch().await?;
            Ok(batch.map(|batch| (batch, worker)))
        });
        let schema = Arc::clone(&self.plan.schema);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
