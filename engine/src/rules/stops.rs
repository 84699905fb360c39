//! Rules that change nothing: planning ends at one of them when somebody has stopped it, see [`crate::interruption`].

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{AnalyzerRule, OptimizerConfig, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

use crate::interruption::check;

const NAME: &str = "stop";

/// The rule, of each kind.
#[derive(Debug)]
pub(super) struct Stop;

impl Stop {
    /// These rules, with one before each.
    pub(super) fn before_each<R: ?Sized>(
        rules: Vec<Arc<R>>,
        stop: impl Fn() -> Arc<R>,
    ) -> Vec<Arc<R>> {
        let rules = rules.into_iter();
        rules.flat_map(|rule| [stop(), rule]).collect()
    }
}

impl AnalyzerRule for Stop {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        check()?;
        Ok(plan)
    }

    fn name(&self) -> &str {
        NAME
    }
}

impl OptimizerRule for Stop {
    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        check()?;
        Ok(Transformed::no(plan))
    }

    fn name(&self) -> &str {
        NAME
    }
}

impl PhysicalOptimizerRule for Stop {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        check()?;
        Ok(plan)
    }

    fn name(&self) -> &str {
        NAME
    }

    fn schema_check(&self) -> bool {
        false
    }
}
