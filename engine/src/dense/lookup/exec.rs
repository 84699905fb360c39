//! The operator that DataFusion sees: first the build, then the grid with its results.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, PhysicalExpr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use datafusion_datasource::source::DataSourceExec;
use futures::future::{BoxFuture, FutureExt, Shared, WeakShared};
use futures::{StreamExt, TryStreamExt, stream};

use super::build::{Results, collect};
use super::plan::LookupPlan;
use crate::cube::{Cube, Variable};
use crate::dense::aggregate::GridAggregateExec;
use crate::scan::CubeScan;
use crate::scan::queue::Executions;

type Plan = Arc<dyn ExecutionPlan>;

/// Fills variables of a scan with the results of a build; see [`crate::dense::lookup`].
#[derive(Debug)]
pub(crate) struct GridLookupExec {
    plan: Arc<LookupPlan>,
    /// The variables as long as they have no values: the scans that have them are those to fill.
    empty: Arc<[Variable]>,
    build: Plan,
    grid: Plan,
    executions: Executions<Execution>,
}

/// The grid with the results, and the memory that they take.
struct Filled {
    grid: Plan,
    _memory: MemoryReservation,
}

type Fill = BoxFuture<'static, std::result::Result<Arc<Filled>, Arc<DataFusionError>>>;
type Filling = Shared<Fill>;
type WeakFilling = WeakShared<Fill>;

/// What the partitions of one execution share.
#[derive(Default)]
struct Execution {
    /// The build under way: it ends with the last partition that waits for it, also where the plan is kept.
    under_way: Mutex<Option<WeakFilling>>,
    /// The build that is done: what partitions opened later read on from.
    done: OnceLock<Filling>,
}

impl Execution {
    /// The build, begun by the first partition that asks for it.
    fn filling(&self, begin: impl FnOnce() -> Filling) -> Filling {
        if let Some(done) = self.done.get() {
            return done.clone();
        }
        let under_way = self.under_way.lock();
        let mut under_way = under_way.unwrap_or_else(PoisonError::into_inner);
        let begun = under_way.as_ref().and_then(WeakShared::upgrade);
        let filling = begun.unwrap_or_else(begin);
        *under_way = filling.downgrade();
        filling
    }
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution").finish_non_exhaustive()
    }
}

impl GridLookupExec {
    /// The operator of a plan: `grid` is over `scan`.
    pub(crate) fn new(plan: Arc<LookupPlan>, scan: &CubeScan, build: Plan, grid: Plan) -> Self {
        let empty = scan.cube.variables[plan.first..].into();
        Self::with(plan, empty, build, grid)
    }

    fn with(plan: Arc<LookupPlan>, empty: Arc<[Variable]>, build: Plan, grid: Plan) -> Self {
        Self {
            plan,
            empty,
            build,
            grid,
            executions: Executions::default(),
        }
    }

    /// What reads the results.
    pub(crate) fn grid(&self) -> &Plan {
        &self.grid
    }

    /// The same lookup for `grid`.
    pub(crate) fn over(&self, grid: Plan) -> Self {
        Self::with(
            Arc::clone(&self.plan),
            Arc::clone(&self.empty),
            Arc::clone(&self.build),
            grid,
        )
    }

    fn with_children(&self, children: Vec<Plan>) -> Result<Plan> {
        let Ok([build, grid]) = <[Plan; 2]>::try_from(children) else {
            return internal_err!("GridLookupExec has two children");
        };
        let (plan, empty) = (Arc::clone(&self.plan), Arc::clone(&self.empty));
        Ok(Arc::new(Self::with(plan, empty, build, grid)))
    }

    /// Runs the build and gives the grid its results.
    fn fill(&self, context: &Arc<TaskContext>) -> Filling {
        let (plan, empty) = (Arc::clone(&self.plan), Arc::clone(&self.empty));
        let (build, grid) = (Arc::clone(&self.build), Arc::clone(&self.grid));
        let context = Arc::clone(context);
        let fill = async move {
            let consumer = MemoryConsumer::new("lookup");
            let mut memory = consumer.register(context.memory_pool());
            let rows = build.execute(0, context)?;
            let results = collect(&plan, rows, &mut memory).await?;
            let grid = with_results(grid, &plan, &empty, &results)?;
            Ok(Arc::new(Filled {
                grid,
                _memory: memory,
            }))
        };
        fill.map(|filled: Result<Arc<Filled>>| filled.map_err(Arc::new))
            .boxed()
            .shared()
    }
}

/// `grid` with the results in the place of the variables `empty`.
fn with_results(
    grid: Plan,
    plan: &LookupPlan,
    empty: &[Variable],
    results: &Results,
) -> Result<Plan> {
    let filled = plan.variables(&results.values)?;
    let fields = |cube: &Cube| cube.axes.len() + plan.first;
    // Where every place has a row, looking for it is wasted.
    let present = |cube: &Cube| {
        let is_wasted = plan.says_present && results.is_complete;
        is_wasted.then(|| fields(cube) + plan.columns.len())
    };
    let fill = |scan: &CubeScan| -> Option<CubeScan> {
        let variables = scan
            .cube
            .variables
            .get(plan.first..plan.first + empty.len())?;
        let is_empty = std::iter::zip(variables, empty)
            .all(|(variable, empty)| Arc::ptr_eq(&variable.array, &empty.array));
        if !is_empty {
            return None;
        }
        let mut variables = scan.cube.variables.clone();
        variables[plan.first..plan.first + empty.len()].clone_from_slice(&filled);
        let cube = scan.cube.with_variables(variables);
        Some(scan.with_cube(Arc::new(cube), present(&scan.cube)))
    };
    let grid = grid.transform_down(|node| {
        let source = node.downcast_ref::<DataSourceExec>();
        if let Some(scan) =
            source.and_then(|source| source.data_source().downcast_ref::<CubeScan>())
            && let Some(scan) = fill(scan)
        {
            return Ok(Transformed::yes(
                DataSourceExec::from_data_source(scan) as Plan
            ));
        }
        if let Some(aggregate) = node.downcast_ref::<GridAggregateExec>()
            && let Some(scan) = fill(aggregate.scan())
        {
            return Ok(Transformed::yes(Arc::new(aggregate.over(scan)) as Plan));
        }
        Ok(Transformed::no(node))
    })?;
    if !grid.transformed && !empty.is_empty() {
        return internal_err!("a lookup has no scan to fill");
    }
    Ok(grid.data)
}

impl DisplayAs for GridLookupExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.plan.keys.iter();
        let keys: Vec<String> = keys
            .map(|keys| {
                let build: Vec<String> = keys.build.iter().map(ToString::to_string).collect();
                format!("{}: {} ({} codes)", keys.axis, build.join(", "), keys.count)
            })
            .collect();
        let columns = self.plan.columns.iter();
        let columns: Vec<&str> = columns.map(|(_, field)| field.name().as_str()).collect();
        let (keys, columns) = (keys.join(", "), columns.join(", "));
        match format {
            DisplayFormatType::TreeRender => write!(f, "keys=[{keys}]\nvalues=[{columns}]"),
            _ => write!(f, "GridLookupExec: keys=[{keys}], values=[{columns}]"),
        }
    }
}

impl ExecutionPlan for GridLookupExec {
    fn name(&self) -> &str {
        "GridLookupExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.grid.properties()
    }

    fn children(&self) -> Vec<&Plan> {
        vec![&self.build, &self.grid]
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![
            Distribution::SinglePartition,
            Distribution::UnspecifiedDistribution,
        ]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false, false]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false, true]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Plan>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Plan> {
        self.with_children(children)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Plan>) -> Result<Plan> {
        self.with_children(children)
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for key in self.plan.keys.iter().flat_map(|keys| &keys.build) {
            if visit(key)? == TreeNodeRecursion::Stop {
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
        let begin = Execution::default;
        let execution = self.executions.join(partition, &context, begin);
        let filling = execution.filling(|| self.fill(&context));
        let rows = async move {
            let filled = filling.clone().await;
            // Another partition may have kept it before.
            let _ = execution.done.set(filling);
            let filled = filled.map_err(DataFusionError::Shared)?;
            let rows = filled.grid.execute(partition, context)?;
            // The results stay in memory as long as rows may come.
            Ok::<_, DataFusionError>(rows.inspect(move |_| {
                let _ = &filled;
            }))
        };
        let rows = stream::once(rows).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}
