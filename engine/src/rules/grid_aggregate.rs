//! Puts [`GridAggregateExec`] in the place of an aggregate over a cube, or says on the scan why not.
//!
//! ```text
//!  AggregateExec(Final)                       GridAggregateExec
//!    AggregateExec(Partial)          ─▶
//!      [ProjectionExec]
//!        DataSourceExec(CubeScan)            (or a RegionJoinExec, whose child the operator keeps)
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
use crate::dense::aggregate::cells::Cells;
use crate::dense::aggregate::plan::GridAggregatePlan;
use crate::dense::input::GridInput;
use crate::dense::lookup::GridLookupExec;
use crate::dense::regions::RegionJoinExec;
use crate::options::CubeOptions;
use crate::rules::projections_below;

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
            let Some((cells, lookups)) = cells_below(first.input())? else {
                return Ok(Transformed::no(node));
            };
            let decision = match options.grid_aggregate {
                true => GridAggregatePlan::new(first, &cells, last.schema(), partitions)?,
                false => Err("cube.grid_aggregate is off".to_string()),
            };
            match decision {
                Ok(plan) => {
                    let mut operator: Arc<dyn ExecutionPlan> =
                        Arc::new(GridAggregateExec::new(plan, cells.regions.cloned()));
                    for lookup in lookups.iter().rev() {
                        operator = Arc::new(lookup.over(operator));
                    }
                    // Its build may hold aggregates over cubes, too.
                    Ok(Transformed::yes(operator))
                }
                Err(reason) => {
                    cells.scan.explain_rows(reason);
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

/// The cells that an aggregate reads: those of a scan, with the lookups that fill its variables, or of
/// the join of a scan with regions.
fn cells_below(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<(Cells<'_>, Vec<&GridLookupExec>)>> {
    if let Some(input) = GridInput::below(plan)? {
        let cells = Cells {
            scan: input.scan,
            below: input.below,
            outputs: &input.scan.projection,
            regions: None,
        };
        return Ok(Some((cells, input.lookups)));
    }
    let (below, source) = projections_below(plan)?;
    let join = source.downcast_ref::<RegionJoinExec>();
    Ok(join.map(|exec| {
        let join = &exec.join;
        let cells = Cells {
            scan: &join.scan,
            below,
            outputs: &join.outputs,
            regions: Some(join),
        };
        (cells, Vec::new())
    }))
}
