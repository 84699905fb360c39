//! `RegionJoinExec`: the rows of a join of a cube with regions, without a nested loop and without a hash
//! table.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, Distribution, ExecutionPlan,
    InputDistributionRequirements, PlanProperties, ReplaceChildrenOptions,
};
use datafusion_datasource::source::DataSource;
use futures::{TryStreamExt, stream};

use crate::dense::once::Once;
use crate::dense::regions::gather::Regions;
use crate::dense::regions::join::{JoinKind, RegionJoin};
use crate::dense::regions::map::RegionMap;
use crate::dense::regions::stream::{Found, RegionStream, columns_read, filter};
use crate::scan::CubeScan;
use crate::scan::matching::MatchingUnits;
use crate::scan::queue::{Claims, Executions};

/// A join of a cube with regions, see [`crate::dense::regions`]. Its child is the regions' table.
#[derive(Debug)]
pub(crate) struct RegionJoinExec {
    pub(crate) join: Arc<RegionJoin>,
    properties: Arc<PlanProperties>,
    executions: Executions<Execution>,
    metrics: ExecutionPlanMetricsSet,
}

/// What the partitions of one execution share.
#[derive(Debug)]
struct Execution {
    claims: Arc<Claims>,
    placed: Once<Placed>,
    found: Arc<Found>,
}

/// Regions on the grid of a scan that is narrowed to them.
#[derive(Debug, Clone)]
struct Placed {
    scan: Arc<CubeScan>,
    regions: Arc<Regions>,
    map: Arc<RegionMap>,
}

impl RegionJoinExec {
    pub(crate) fn new(join: RegionJoin) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&join.schema)),
            Partitioning::UnknownPartitioning(join.scan.output_partitioning().partition_count()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            join: Arc::new(join),
            properties: Arc::new(properties),
            executions: Executions::default(),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl Placed {
    async fn new(join: &RegionJoin, context: &Arc<TaskContext>) -> Result<Self> {
        let regions = Regions::gather(join, context).await?;
        let scan = Arc::new(join.scan.narrowed(regions.selections.clone()));
        let map = RegionMap::new(&regions.boxes, &scan.grid(), &regions.memory)?;
        Ok(Self {
            scan,
            regions: Arc::new(regions),
            map: Arc::new(map),
        })
    }
}

/// Opens one partition.
async fn open(
    join: Arc<RegionJoin>,
    execution: Arc<Execution>,
    partition: usize,
    context: Arc<TaskContext>,
    metrics: ExecutionPlanMetricsSet,
) -> Result<RegionStream> {
    // Not when the stream is made: a partition that nobody polls must not keep the others waiting. One
    // that begins after the others have finished finds no unit left.
    execution.found.begin();
    let placed = execution.placed.get(Placed::new(&join, &context));
    let Placed { scan, regions, map } = placed.await?.clone();
    let mut columns = columns_read(&join);
    columns.retain(|column| *column < join.first_of_regions());
    let claims = Arc::clone(&execution.claims);
    let mut units = MatchingUnits::open(&scan, columns, partition, &context, claims, &metrics)?;
    units.reader.only(filter(Arc::clone(&map), join.kind));
    let found = Arc::clone(&execution.found);
    let batch_rows = context.session_config().batch_size();
    RegionStream::new(join, regions, map, found, units, batch_rows)
}

impl DisplayAs for RegionJoinExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = &self.join;
        let separator = match format {
            DisplayFormatType::TreeRender => "\n",
            _ => ", ",
        };
        if !matches!(format, DisplayFormatType::TreeRender) {
            write!(f, "RegionJoinExec: ")?;
        }
        write!(
            f,
            "{}{separator}on=[{}]",
            join.kind.name(),
            join.condition_texts()
        )?;
        if let Some(rest) = &join.rest {
            write!(f, "{separator}rest={rest}")?;
        }
        let outputs: Vec<String> = join.outputs.iter().map(ToString::to_string).collect();
        write!(f, "{separator}output=[{}]{separator}", outputs.join(", "))?;
        join.scan.fmt_as(format, f)
    }
}

impl ExecutionPlan for RegionJoinExec {
    fn name(&self) -> &str {
        "RegionJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.join.regions]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition])
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (Some(regions), true) = (children.pop(), children.is_empty()) else {
            return internal_err!("RegionJoinExec has one child");
        };
        let join = RegionJoin::clone(&self.join);
        Ok(Arc::new(Self::new(RegionJoin { regions, ..join })))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    /// What is projected away need not be made.
    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        // Outputs of the other joins may be NULL where what they are computed of is not.
        if self.join.kind != JoinKind::Inner {
            return Ok(None);
        }
        let outputs = self.join.outputs.try_merge(projection.projection_expr())?;
        let join = RegionJoin {
            schema: projection.schema(),
            ..RegionJoin::clone(&self.join)
        };
        Ok(Some(Arc::new(Self::new(join.with_outputs(outputs)?))))
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for expression in self.join.outputs.expr_iter().chain(self.join.rest.clone()) {
            if visit(&expression)? == TreeNodeRecursion::Stop {
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
            placed: Once::default(),
            found: Arc::default(),
        });
        let opened = open(
            Arc::clone(&self.join),
            execution,
            partition,
            context,
            self.metrics.clone(),
        );
        let batches = stream::once(opened).map_ok(|state| {
            stream::try_unfold(state, |mut state| async move {
                let batch = state.next_batch().await?;
                Ok(batch.map(|batch| (batch, state)))
            })
        });
        let schema = Arc::clone(&self.join.schema);
        let batches = batches.try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
