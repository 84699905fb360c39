//! Rules that Graticule adds to the optimizer, and where they stand among DataFusion's.

pub mod calendar;
pub mod distinct_axes;
pub mod grid_aggregate;
pub mod grid_zip;

use std::sync::Arc;

use datafusion::common::{Result, internal_datafusion_err};
use datafusion::optimizer::{Analyzer, AnalyzerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

use self::calendar::CalendarDates;
use self::distinct_axes::DistinctAxes;
use self::grid_aggregate::GridAggregate;
use self::grid_zip::GridZip;

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
        // pattern that these rules look for is taken apart. Joined cubes first: one scan of both is what
        // the others look for. Distinct coordinates next: they leave less to aggregate.
        let at = position(&physical, |rule| rule.name(), "EnsureRequirements")?;
        physical.insert(at, Arc::new(GridZip));
        physical.insert(at + 1, Arc::new(DistinctAxes));
        physical.insert(at + 2, Arc::new(GridAggregate));
        Ok(Self { analyzer, physical })
    }
}

fn position<R>(rules: &[R], name: impl Fn(&R) -> &str, wanted: &str) -> Result<usize> {
    rules
        .iter()
        .position(|rule| name(rule) == wanted)
        .ok_or_else(|| internal_datafusion_err!("DataFusion has no rule {wanted} any more"))
}
