//! The operator: points first, then a scan of the values there, row by row beside their points: [`SampleExec`].
//!
//! ```text
//!  points ─▶ Filling ─▶ CubeScan of the values, points in the order of the chunks     once per execution
//!                          │ partitions share its units
//!                          ▼
//!  point 7 │ depth │ temp   +   columns of point 7                                     columns of a row
//! ```

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::take;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
    displayable, execute_stream,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::fill::{Filled, Filling};
use crate::cube::Cube;
use crate::dense::once::Once;
use crate::scan::queue::Executions;

/// See the module.
#[derive(Debug)]
pub(super) struct SampleExec {
    filling: Arc<Filling>,
    /// Columns of the values, then of the points, then of the nearest cells.
    schema: SchemaRef,
    points: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
    executions: Executions<Once<Arc<Filled>>>,
    metrics: ExecutionPlanMetricsSet,
    /// For people.
    text: String,
}

impl SampleExec {
    /// The operator over the query of the points; `empty` is the cube of the values at no points.
    ///
    /// # Errors
    /// A column that is not there.
    pub(super) fn new(
        filling: Filling,
        empty: &Cube,
        points: Arc<dyn ExecutionPlan>,
    ) -> Result<Self> {
        let values = empty.schema.project(&filling.values)?;
        let fields = values.fields().iter().cloned();
        let fields = fields.chain(filling.held(&points.schema()));
        let text = described(&filling, empty, points.as_ref());
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(filling.partitions),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Self {
            filling: Arc::new(filling),
            schema,
            points,
            properties: Arc::new(properties),
            executions: Executions::default(),
            metrics: ExecutionPlanMetricsSet::new(),
            text,
        })
    }

    fn over(
        self: Arc<Self>,
        children: &[Arc<dyn ExecutionPlan>],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children {
            [] => Ok(self),
            _ => internal_err!("SampleExec has no child"),
        }
    }
}

fn described(filling: &Filling, empty: &Cube, points: &dyn ExecutionPlan) -> String {
    let cube = filling.table.cube();
    let names = |axes: &mut dyn Iterator<Item = &str>| axes.collect::<Vec<_>>().join(", ");
    let named = filling.naming.axes();
    let axes = names(
        &mut named
            .iter()
            .map(|axis| cube.axes[*axis].field.name().as_str()),
    );
    let others = names(
        &mut empty
            .axes
            .iter()
            .skip(1)
            .map(|axis| axis.field.name().as_str()),
    );
    let variables = filling.variables();
    let columns = names(
        &mut variables
            .iter()
            .map(|at| empty.variables[*at].field.name().as_str()),
    );
    let mut text = format!(
        "cube={}, method={}, at=[{axes}], along=[{others}], variables=[{columns}]",
        cube.name,
        filling.settings.method.name()
    );
    let chunks = variables.iter().map(|at| {
        let chunks = cube.variables[*at].chunks().iter();
        chunks.fold(1, |count: u64, chunks| count.saturating_mul(chunks.count()))
    });
    let chunks = chunks.fold(0, u64::saturating_add);
    text.push_str(&format!(", chunks=those under the points of {chunks}"));
    text.push_str(&format!(", points=({})", chain(points)));
    if !filling.predicates.is_empty() {
        let predicates: Vec<String> = filling.predicates.iter().map(ToString::to_string).collect();
        text.push_str(&format!(", predicate={}", predicates.join(" AND ")));
    }
    text
}

/// The operators of a plan from the last to the first.
fn chain(plan: &dyn ExecutionPlan) -> String {
    let own = format!("{}", displayable(plan).one_line());
    let below = plan
        .children()
        .into_iter()
        .map(|child| chain(child.as_ref()));
    let below: Vec<String> = below.collect();
    match below.as_slice() {
        [] => own.trim().to_string(),
        [only] => format!("{} ← {only}", own.trim()),
        several => format!("{} ← [{}]", own.trim(), several.join(" | ")),
    }
}

impl DisplayAs for SampleExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::TreeRender => write!(f, "{}", self.text.replace(", ", "\n")),
            _ => write!(f, "SampleExec: {}", self.text),
        }
    }
}

impl ExecutionPlan for SampleExec {
    fn name(&self) -> &str {
        "SampleExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    /// None: the query of the points is planned already, and the order that it states would seem needless here.
    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(&children)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(&children)
    }

    fn apply_expressions(
        &self,
        visit: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        for predicate in &self.filling.predicates {
            if visit(predicate)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let execution = self.executions.join(partition, &context, Once::default);
        let (filling, points) = (Arc::clone(&self.filling), Arc::clone(&self.points));
        let (schema, metrics) = (Arc::clone(&self.schema), self.metrics.clone());
        let rows = async move {
            let fill = async {
                let rows = execute_stream(points, Arc::clone(&context))?;
                let filled = filling.fill(rows, &context, &metrics).await?;
                Ok(Arc::new(filled))
            };
            let filled = Arc::clone(execution.get(fill).await?);
            let values = filled.scan.open_from(&filled.queue, partition, &context)?;
            Ok::<_, DataFusionError>(
                values.map(move |values| beside(&values?, &filled.points, &schema)),
            )
        };
        let rows = stream::once(rows).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// Values with the columns of their points, whose numbers come first.
fn beside(values: &RecordBatch, points: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let numbers = values.column(0);
    let mut columns = values.columns().to_vec();
    for column in points.columns() {
        columns.push(take(column, numbers, None)?);
    }
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
