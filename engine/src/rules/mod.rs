//! Rules that Graticule adds to the optimizer, and where they stand among DataFusion's.

pub mod calendar;
pub mod distinct_axes;
pub mod grid_aggregate;
pub mod grid_window;

use std::sync::Arc;

use datafusion::common::{Result, internal_datafusion_err};
use datafusion::optimizer::{Analyzer, AnalyzerRule};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion_datasource::source::DataSourceExec;

use self::calendar::CalendarDates;
use self::distinct_axes::DistinctAxes;
use self::grid_aggregate::GridAggregate;
use self::grid_window::GridWindow;
use crate::scan::CubeScan;

/// The rules of every session, in their order.
#[derive(Debug)]
pub struct Rules {
    /// Rules that give a plan its meaning.
    pub analyzer: Vec<Arc<dyn AnalyzerRule + Send + Sync>>,
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
        let mut physical = PhysicalOptimizer::new().rules;
        // Before the rule that puts repartitions between an aggregate and its scan: after it, the
        // pattern that these rules look for is taken apart. Distinct coordinates first: they leave
        // less to aggregate.
        let at = position(&physical, |rule| rule.name(), "EnsureRequirements")?;
        physical.insert(at, Arc::new(DistinctAxes));
        physical.insert(at + 1, Arc::new(GridAggregate));
        // The same for windows, below which sorts are put too.
        physical.insert(at + 2, Arc::new(GridWindow));
        Ok(Self { analyzer, physical })
    }
}

fn position<R>(rules: &[R], name: impl Fn(&R) -> &str, wanted: &str) -> Result<usize> {
    rules
        .iter()
        .position(|rule| name(rule) == wanted)
        .ok_or_else(|| internal_datafusion_err!("DataFusion has no rule {wanted} any more"))
}

type Plan = Arc<dyn ExecutionPlan>;

/// The scan below an operator, and the projection between them.
fn scan_below(input: &Plan) -> Result<Option<(ProjectionExprs, &CubeScan)>> {
    let (projection, source) = match input.downcast_ref::<ProjectionExec>() {
        Some(projection) => (Some(projection), projection.input()),
        None => (None, input),
    };
    let scan = source
        .downcast_ref::<DataSourceExec>()
        .and_then(|source| source.data_source().downcast_ref::<CubeScan>());
    let Some(scan) = scan else {
        return Ok(None);
    };
    let below = match projection {
        Some(projection) => projection.projection_expr().clone(),
        None => {
            let columns: Vec<usize> = (0..scan.schema.fields().len()).collect();
            ProjectionExprs::from_indices(&columns, &scan.schema)
        }
    };
    Ok(Some((below, scan)))
}
