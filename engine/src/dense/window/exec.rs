//! The operator that DataFusion sees: a leaf that holds its scan and emits rows with window columns.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arrow::datatypes::Schema;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use datafusion_datasource::source::DataSource;
use futures::stream;

use crate::dense::tile_grid::TileGrid;
use crate::dense::window::cuts::{cut_scan, tile_budget};
use crate::dense::window::function::Function;
use crate::dense::window::plan::{GridWindowPlan, Output, picked};
use crate::dense::window::tile::SeriesLayout;
use crate::dense::window::worker::{Tiling, Worker, block_lanes};
use crate::scan::CubeScan;
use crate::scan::queue::{Claims, Executions};
use crate::scan::units::UnitReader;

/// Window functions along the axes of a cube; see [`crate::dense::window`].
#[derive(Debug)]
pub(crate) struct GridWindowExec {
    plan: Arc<GridWindowPlan>,
    partitions: usize,
    properties: Arc<PlanProperties>,
    executions: Executions<Execution>,
    metrics: ExecutionPlanMetricsSet,
}

/// What the workers of one execution share.
#[derive(Debug)]
struct Execution {
    claims: Arc<Claims>,
    next_tile: Arc<AtomicU64>,
    /// The scan, its lanes cut so that a tile fits into memory.
    scan: Arc<CubeScan>,
    tiling: Tiling,
}

impl GridWindowExec {
    /// What it reads.
    pub(crate) fn scan(&self) -> &CubeScan {
        &self.plan.scan
    }

    /// The operator of a plan, with `partitions` workers.
    pub(crate) fn new(plan: GridWindowPlan, partitions: usize) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&plan.schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            plan: Arc::new(plan),
            partitions,
            properties: Arc::new(properties),
            executions: Executions::default(),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn begin(&self, context: &TaskContext) -> Execution {
        let budget = tile_budget(context.memory_pool(), self.partitions);
        let scan = cut_scan(&self.plan, budget);
        let grid = scan.grid();
        let series = &self.plan.windows.series;
        let layout = SeriesLayout::new(&grid, series);
        let counts = grid.counts();
        let is_tile_axis = (0..counts.len()).map(|axis| !series.contains(&axis));
        Execution {
            claims: Arc::new(Claims::new(0, 1)),
            next_tile: Arc::default(),
            scan,
            tiling: Tiling {
                grid: TileGrid {
                    is_tile_axis: is_tile_axis.collect(),
                    counts,
                },
                layout: Arc::new(layout),
                lanes: block_lanes(&self.plan, budget),
            },
        }
    }
}

impl DisplayAs for GridWindowExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = &self.plan;
        let separator = match format {
            DisplayFormatType::TreeRender => "\n",
            _ => ", ",
        };
        if !matches!(format, DisplayFormatType::TreeRender) {
            write!(f, "GridWindowExec: ")?;
        }
        let axes = &plan.scan.cube.axes;
        let series = plan.windows.series.iter();
        let series: Vec<&str> = series
            .map(|axis| axes[*axis].field.name().as_str())
            .collect();
        let functions: Vec<String> = plan
            .computed()
            .map(|(_, column)| {
                let function = &column.function;
                if let Function::General = function {
                    return format!("general {}", column.expression.name());
                }
                let arguments: Vec<String> =
                    column.arguments.iter().map(ToString::to_string).collect();
                let nulls = match function {
                    Function::End {
                        ignore_nulls: true, ..
                    } => " IGNORE NULLS",
                    _ => "",
                };
                let call = format!("{}({}){nulls}", function.name(), arguments.join(", "));
                match function.reads_frame() {
                    true => format!("{call} {}", column.expression.get_window_frame()),
                    false => call,
                }
            })
            .collect();
        write!(
            f,
            "series=[{}]{separator}functions=[{}]{separator}",
            series.join(", "),
            functions.join(", ")
        )?;
        plan.scan.fmt_as(format, f)
    }
}

impl ExecutionPlan for GridWindowExec {
    fn name(&self) -> &str {
        "GridWindowExec"
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
            return internal_err!("GridWindowExec has no children");
        }
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !children.is_empty() {
            return internal_err!("GridWindowExec has no children");
        }
        Ok(self)
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let windows = &self.plan.windows;
        let inputs = self.plan.outputs.iter().filter_map(|output| match output {
            Output::Input(position) => Some(&windows.inputs[*position]),
            Output::Window(_) => None,
        });
        let arguments = self
            .plan
            .computed()
            .flat_map(|(_, column)| &column.arguments);
        for expression in inputs.chain(arguments) {
            if visit(expression)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    /// Takes in a projection that only picks columns: what nobody asks for is neither read nor computed.
    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some((outputs, fields)) = picked(&self.plan, projection.expr()) else {
            return Ok(None);
        };
        let metadata = self.plan.schema.metadata().clone();
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        let windows = Arc::clone(&self.plan.windows);
        let plan = GridWindowPlan::with_outputs(&self.plan.scan, windows, outputs, schema)?;
        Ok(Some(Arc::new(Self::new(plan, self.partitions))))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let begin = || self.begin(&context);
        let execution = self.executions.join(partition, &context, begin);
        let scan = &execution.scan;
        let tiling = execution.tiling.clone();
        let order = {
            let (tiles, next_tile) = (tiling.grid.clone(), Arc::clone(&execution.next_tile));
            let mut current = VecDeque::new();
            Box::new(move || tiles.next_unit(&mut current, || next_tile.fetch_add(1, Relaxed)))
        };
        let (early, late) = scan.variables();
        let variables: Vec<usize> = early.into_iter().chain(late).collect();
        let units = UnitReader::open(
            Arc::clone(scan),
            variables.clone(),
            partition,
            &context,
            Arc::clone(&execution.claims),
            order,
            &self.metrics,
        )?;
        let consumer = MemoryConsumer::new(format!("window over {}", scan.cube.name));
        let worker = Worker::new(
            Arc::clone(&self.plan),
            units,
            variables,
            tiling,
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
