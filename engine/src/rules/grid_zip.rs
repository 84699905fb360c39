//! Puts one scan in the place of a join of two cubes, and a lookup in the place of a join of a cube with
//! an aggregate, or says on the scans why not.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_datasource::source::DataSourceExec;

use crate::dense::input::GridInput;
use crate::dense::lookup::look_up;
use crate::dense::zip::{EqualityJoin, Rewritten, zip};
use crate::options::CubeOptions;

/// See the module.
#[derive(Debug, Default)]
pub struct GridZip;

impl PhysicalOptimizerRule for GridZip {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = CubeOptions::of(config);
        // From the leaves up: what a join has become may be joined again.
        let plan = plan.transform_up(|node| {
            let rewritten = match EqualityJoin::of(&node) {
                Some(join) => rewrite(&join, &options)?,
                None => None,
            };
            Ok(match rewritten {
                Some(rewritten) => Transformed::yes(rewritten),
                None => Transformed::no(node),
            })
        })?;
        Ok(plan.data)
    }

    fn name(&self) -> &str {
        "GridZip"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn rewrite(
    join: &EqualityJoin<'_>,
    options: &CubeOptions,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let left = GridInput::below(join.inputs[0])?;
    let right = GridInput::below(join.inputs[1])?;
    let is_off = || Err("cube.grid_zip is off".to_string());
    let rewritten: Rewritten<Arc<dyn ExecutionPlan>> = match (&left, &right) {
        (None, None) => return Ok(None),
        _ if !options.grid_zip => is_off(),
        (Some(left), Some(right)) => zip(join, [left, right], options)?
            .map(|scan| DataSourceExec::from_data_source(scan) as Arc<dyn ExecutionPlan>),
        (Some(host), None) => look_up(join, host, 0, options)?,
        (None, Some(host)) => look_up(join, host, 1, options)?,
    };
    Ok(match rewritten {
        Ok(plan) => Some(plan),
        Err(reason) => {
            for input in [left, right].into_iter().flatten() {
                input.scan.explain_rows(reason.clone());
            }
            None
        }
    })
}
