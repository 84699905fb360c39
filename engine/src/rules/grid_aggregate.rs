//! Puts [`GridAggregateExec`] in the place of an aggregate over a cube, or says on the scan why not.
//!
//! ```text
//!  AggregateExec(Final)                       GridAggregateExec
//!    AggregateExec(Partial)          ─▶
//!      [ProjectionExec]
//!        DataSourceExec(CubeScan)
//! ```
//! A lookup between the aggregate and the scan comes to stand above the operator:
//!
//! ```text
//!  AggregateExec ← GridLookupExec(build, CubeScan)  ─▶  GridLookupExec(build, GridAggregateExec)
//! ```

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};

use crate::dense::aggregate::GridAggregateExec;
use crate::dense::aggregate::plan::GridAggregatePlan;
use crate::dense::input::GridInput;
use crate::options::CubeOptions;

/// See the module.
#[derive(Debug, Default)]
pub struct GridAggregate;

impl PhysicalOptimizerRule for GridAggregate {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = CubeOptions::of(config);
        let partitions = config.execution.target_partitions.max(1);
        let plan = plan.transform_down(|node| {
            let Some(last) = node.downcast_ref::<AggregateExec>() else {
                return Ok(Transformed::no(node));
            };
            let first = match last.mode() {
                AggregateMode::Final | AggregateMode::FinalPartitioned => {
                    match last.input().downcast_ref::<AggregateExec>() {
                        Some(partial) if *partial.mode() == AggregateMode::Partial => partial,
                        _ => return Ok(Transformed::no(node)),
                    }
                }
                AggregateMode::Single | AggregateMode::SinglePartitioned => last,
                _ => return Ok(Transformed::no(node)),
            };
            let Some(input) = GridInput::below(first.input())? else {
                return Ok(Transformed::no(node));
            };
            let GridInput { scan, below, .. } = &input;
            let decision = match options.grid_aggregate {
                true => GridAggregatePlan::new(first, below, scan, last.schema(), partitions)?,
                false => Err("cube.grid_aggregate is off".to_string()),
            };
            match decision {
                Ok(plan) => {
                    let mut operator: Arc<dyn ExecutionPlan> =
                        Arc::new(GridAggregateExec::new(plan, partitions));
                    for lookup in input.lookups.iter().rev() {
                        operator = Arc::new(lookup.over(operator));
                    }
                    // Its build may hold aggregates over cubes, too.
                    Ok(Transformed::yes(operator))
                }
                Err(reason) => {
                    scan.explain_rows(reason);
                    Ok(Transformed::no(node))
                }
            }
        })?;
        Ok(plan.data)
    }

    fn name(&self) -> &str {
        "GridAggregate"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
