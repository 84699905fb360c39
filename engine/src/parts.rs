//! A query whose rows can be taken in parts, at the same time and by several clients: [`Parts`].
//!
//! ```text
//!  Session.divide ─▶ plan: projections and filters over one scan of a cube, many rows
//!                      │ planned once                      │ anything else: no parts
//!                      ▼
//!                    Parts ── start(0) ──▶ Query, with every third unit of the scan
//!                          ── start(1) ──▶ Query, with others
//!                          ── start(2) ──▶ …
//! ```
//! Only such plans are cut, because their parts share nothing down to the scan: a part that nobody reads keeps none of the
//! others waiting. `cube.queries` lists all parts as one statement.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion_datasource::source::DataSourceExec;
use tokio::runtime::Handle;

use crate::access::User;
use crate::catalog::visible::VisibleCatalog;
use crate::engine::Query;
use crate::error::CubeError;
use crate::large;
use crate::options::CubeOptions;
use crate::progress::QueryProgress;
use crate::queries::Listed;
use crate::scan::CubeScan;
use crate::session::Session;

/// What a value without a fixed width takes, as a rule.
const TEXT_BYTES: usize = 16;

/// The rows of one query: each is in one part.
pub struct Parts {
    plans: Vec<Arc<dyn ExecutionPlan>>,
    context: Arc<TaskContext>,
    progress: Arc<QueryProgress>,
    /// Who may take them, and what they might do when the query was planned.
    catalog: Arc<VisibleCatalog>,
    user: Arc<User>,
    statement: String,
    door: &'static str,
    /// Those of large queries, where there are such.
    threads: Option<Handle>,
    /// The entry of the statement, once a part has been started.
    listed: OnceLock<Arc<Listed>>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

impl Parts {
    /// Cuts a query that is planned; `None` where it has to stay whole, or is not worth it.
    ///
    /// # Errors
    /// The query cannot be planned to its end.
    pub(crate) async fn of(
        mut state: SessionState,
        plan: &LogicalPlan,
        statement: &str,
        session: &Session,
        user: Arc<User>,
    ) -> Result<Option<Self>> {
        if !may_have_parts(plan) {
            return Ok(None);
        }
        let progress = Arc::new(QueryProgress::default());
        state.config_mut().set_extension(Arc::clone(&progress));
        let plan = state.create_physical_plan(plan).await?;
        let part_bytes = CubeOptions::of(state.config_options()).part_bytes;
        let Some(scan) = scan_below(&plan) else {
            return Ok(None);
        };
        let count = part_count(&scan, &plan.schema(), part_bytes);
        if count < 2 {
            return Ok(None);
        }
        let plans = (0..count).map(|number| over(&plan, &scan.part(number, count)));
        Ok(Some(Self {
            plans: plans.collect::<Result<_>>()?,
            context: Arc::new(TaskContext::from(&state)),
            progress,
            user,
            catalog: Arc::clone(&session.catalog),
            statement: statement.to_string(),
            door: session.door,
            threads: session.engine.threads_of_large.clone(),
            listed: OnceLock::new(),
        }))
    }

    /// How many there are, at least two.
    pub fn count(&self) -> usize {
        self.plans.len()
    }

    /// Starts a part. Each is started once: only together are they all rows.
    ///
    /// # Errors
    /// There is no such part; what the user may do has changed; or a limit would be broken.
    pub fn start(&self, number: usize) -> Result<Query> {
        if self.catalog.user() != self.user {
            let cause = "what you may do has changed since the query was planned";
            return Err(CubeError::invalid("", cause).remedy("run it again").into());
        }
        let plan = self.plans.get(number).ok_or_else(|| {
            CubeError::invalid("", format!("the query has no part {number}"))
                .remedy(format!("there are {}, from 0 on", self.count()))
        })?;
        let listed = self.listed.get_or_init(|| {
            let queries = self.catalog.all_queries();
            let listed = queries.begin(&self.statement, self.catalog.owner(), self.door);
            Arc::new(listed.in_parts(self.count()))
        });
        let threads = self.threads.as_ref();
        let stream = large::start(Arc::clone(plan), Arc::clone(&self.context), threads);
        let stream = stream.inspect_err(|error| listed.failed(error))?;
        Ok(Query {
            schema: stream.schema(),
            stream: Arc::clone(listed).watch(stream, &self.progress),
            progress: Arc::clone(&self.progress),
            number: listed.number(),
        })
    }
}

/// Is it worth the while to plan the query to its end, to see whether it can be cut? A join of cubes may become one scan.
fn may_have_parts(plan: &LogicalPlan) -> bool {
    let is_row_by_row = match plan {
        LogicalPlan::TableScan(scan) => scan.fetch.is_none(),
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Join(_) => true,
        _ => false,
    };
    is_row_by_row && plan.inputs().into_iter().all(may_have_parts)
}

/// The scan below operators that take each row for itself.
fn scan_below(plan: &Arc<dyn ExecutionPlan>) -> Option<CubeScan> {
    if let Some(source) = plan.downcast_ref::<DataSourceExec>() {
        let scan = source.data_source().downcast_ref::<CubeScan>()?;
        return scan.has_parts().then(|| scan.clone());
    }
    let is_row_by_row = plan.is::<ProjectionExec>()
        || plan.is::<CooperativeExec>()
        || plan.is::<FilterExec>() && plan.fetch().is_none();
    match plan.children().as_slice() {
        [input] if is_row_by_row => scan_below(input),
        _ => None,
    }
}

/// The same operators over another scan.
fn over(plan: &Arc<dyn ExecutionPlan>, scan: &CubeScan) -> Result<Arc<dyn ExecutionPlan>> {
    match plan.children().as_slice() {
        [input] => {
            // The scan has fewer workers.
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            Arc::clone(plan).replace_children(vec![over(input, scan)?], options)
        }
        _ => Ok(DataSourceExec::from_data_source(scan.clone())),
    }
}

/// As many parts as there are workers, but for those that would be small, or have nothing to read.
fn part_count(scan: &CubeScan, schema: &SchemaRef, part_bytes: u64) -> usize {
    let width = |data_type: &DataType| data_type.primitive_width().unwrap_or(TEXT_BYTES);
    let fields = schema.fields().iter();
    let row: usize = fields.map(|field| width(field.data_type())).sum();
    let bytes = scan.selected_rows().saturating_mul(row as u64);
    let large = bytes.checked_div(part_bytes).unwrap_or(0);
    let count = large.min(scan.grid().unit_count());
    usize::try_from(count).map_or(scan.partitions(), |count| count.min(scan.partitions()))
}
