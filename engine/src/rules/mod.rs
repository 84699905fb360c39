//! Rules that Graticule adds to the optimizer, and where they stand among DataFusion's.

pub mod calendar;
pub mod distinct_axes;
pub mod geometry_systems;
pub mod grid_aggregate;
pub mod grid_window;
pub mod grid_zip;
pub mod region_join;
mod stops;
pub mod yielding_joins;

use std::sync::Arc;

use datafusion::common::{Result, internal_datafusion_err};
use datafusion::optimizer::{Analyzer, AnalyzerRule, Optimizer, OptimizerRule};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion_datasource::source::DataSourceExec;

use self::calendar::CalendarDates;
use self::distinct_axes::DistinctAxes;
use self::geometry_systems::GeometrySystems;
use self::grid_aggregate::GridAggregate;
use self::grid_window::GridWindow;
use self::grid_zip::GridZip;
use self::region_join::RegionJoins;
use self::stops::Stop;
use self::yielding_joins::YieldingJoins;
use crate::scan::CubeScan;

/// The rules of every session, in their order.
#[derive(Debug)]
pub struct Rules {
    /// Rules that give a plan its meaning.
    pub analyzer: Vec<Arc<dyn AnalyzerRule + Send + Sync>>,
    /// Rules that make a plan cheaper.
    pub logical: Vec<Arc<dyn OptimizerRule + Send + Sync>>,
    /// Rules that choose operators.
    pub physical: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>,
}

impl Rules {
    /// DataFusion's rules and ours between them.
    ///
    /// # Errors
    /// A rule that ours has to stand before is gone: DataFusion has changed.
    pub fn new() -> Result<Self> {
        let mut analyzer = Analyzer::new().rules;
        // Before type coercion, which would compare a model's times with dates as text.
        let at = position(&analyzer, |rule| rule.name(), "type_coercion")?;
        analyzer.insert(at, Arc::new(CalendarDates));
        analyzer.insert(at, Arc::new(GeometrySystems));
        let mut physical = PhysicalOptimizer::new().rules;
        // Before the rule that puts repartitions between an aggregate and its scan: after it, the
        // pattern that these rules look for is taken apart. Joined cubes first: one scan of both is what
        // the others look for. Distinct coordinates next: they leave less to aggregate.
        let at = position(&physical, |rule| rule.name(), "EnsureRequirements")?;
        physical.insert(at, Arc::new(GridZip));
        physical.insert(at + 1, Arc::new(DistinctAxes));
        // After the rule that chooses the sides of joins, and before aggregates look at what they read.
        physical.insert(at + 2, Arc::new(RegionJoins));
        physical.insert(at + 3, Arc::new(GridAggregate));
        // The same for windows, below which sorts are put too.
        physical.insert(at + 4, Arc::new(GridWindow));
        // Beside the rule that does the same for scans; no other looks at joins after it.
        let at = position(&physical, |rule| rule.name(), "EnsureCooperative")?;
        physical.insert(at + 1, Arc::new(YieldingJoins));
        Ok(Self {
            analyzer: Stop::before_each(analyzer, || Arc::new(Stop)),
            logical: Stop::before_each(Optimizer::new().rules, || Arc::new(Stop)),
            physical: Stop::before_each(physical, || Arc::new(Stop)),
        })
    }
}

fn position<R>(rules: &[R], name: impl Fn(&R) -> &str, wanted: &str) -> Result<usize> {
    rules
        .iter()
        .position(|rule| name(rule) == wanted)
        .ok_or_else(|| internal_datafusion_err!("DataFusion has no rule {wanted} any more"))
}

/// The scan that a plan is, and what projections compute on it.
fn scan_below(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<(ProjectionExprs, &CubeScan)>> {
    let (below, source) = projections_below(plan)?;
    let scan = source
        .downcast_ref::<DataSourceExec>()
        .and_then(|source| source.data_source().downcast_ref::<CubeScan>());
    Ok(scan.map(|scan| (below, scan)))
}

/// The plan below all projections that a plan begins with, and what they compute on it together.
fn projections_below(
    plan: &Arc<dyn ExecutionPlan>,
) -> Result<(ProjectionExprs, &Arc<dyn ExecutionPlan>)> {
    let Some(projection) = plan.downcast_ref::<ProjectionExec>() else {
        let schema = plan.schema();
        let columns: Vec<usize> = (0..schema.fields().len()).collect();
        return Ok((ProjectionExprs::from_indices(&columns, &schema), plan));
    };
    let (below, source) = projections_below(projection.input())?;
    Ok((below.try_merge(projection.projection_expr())?, source))
}
