//! Puts [`RegionJoinExec`] in the place of a join of a cube with regions, or says on the scan why not.
//!
//! ```text
//!  NestedLoopJoinExec, HashJoinExec           RegionJoinExec (holds the scan)
//!    regions                           ─▶       regions
//!    [ProjectionExec]
//!      DataSourceExec(CubeScan)
//! ```

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

use crate::dense::regions::{RegionJoin, RegionJoinExec};
use crate::options::CubeOptions;
use crate::rules::scan_below;

/// See the module.
#[derive(Debug, Default)]
pub struct RegionJoins;

impl PhysicalOptimizerRule for RegionJoins {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let is_on = CubeOptions::of(config).region_join;
        let plan = plan.transform_up(|node| {
            let Some((scan, recognised)) = RegionJoin::recognise(&node, scan_below)? else {
                return Ok(Transformed::no(node));
            };
            let reason = match recognised {
                Ok(join) if is_on => {
                    return Ok(Transformed::yes(Arc::new(RegionJoinExec::new(join))));
                }
                Ok(_) => "cube.region_join is off".to_string(),
                Err(reason) => reason,
            };
            scan.explain_rows(reason);
            Ok(Transformed::no(node))
        })?;
        Ok(plan.data)
    }

    fn name(&self) -> &str {
        "RegionJoins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
