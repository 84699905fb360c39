//! `SELECT DISTINCT lat FROM cube`: distinct coordinates come from the axes, not from all cells.
//!
//! A grid holds every combination of its coordinates, so axes that the grouping does not read can
//! shrink to one cell without changing which groups exist. Applies to groupings without aggregates
//! over a scan that reads no variable and filters axis by axis.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use datafusion_datasource::source::DataSourceExec;

use crate::options::CubeOptions;
use crate::scan::CubeScan;

/// See the module.
#[derive(Debug, Default)]
pub struct DistinctAxes;

impl PhysicalOptimizerRule for DistinctAxes {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !config
            .extensions
            .get::<CubeOptions>()
            .is_none_or(|options| options.distinct_axes)
        {
            return Ok(plan);
        }
        let plan = plan.transform_down(|node| {
            let Some(aggregate) = node.downcast_ref::<AggregateExec>() else {
                return Ok(Transformed::no(node));
            };
            let group = aggregate.group_expr();
            let groups_only = aggregate.aggr_expr().is_empty()
                && !group.has_grouping_set()
                && !group.input_exprs().iter().any(is_volatile);
            let scan = if groups_only {
                shrunk_scan(aggregate.input())?
            } else {
                None
            };
            let Some(scan) = scan else {
                return Ok(Transformed::no(node));
            };
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            Ok(Transformed::yes(
                Arc::clone(&node).replace_children(vec![scan], options)?,
            ))
        })?;
        Ok(plan.data)
    }

    fn name(&self) -> &str {
        "DistinctAxes"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The scan below an aggregate with its unread axes shrunk, if that applies.
fn shrunk_scan(input: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let folded = match input.downcast_ref::<ProjectionExec>() {
        Some(projection) => projection
            .input()
            .try_swapping_with_projection(projection)?,
        None => Some(Arc::clone(input)),
    };
    let shrunk = folded
        .as_ref()
        .and_then(|plan| plan.downcast_ref::<DataSourceExec>())
        .and_then(|source| source.data_source().downcast_ref::<CubeScan>())
        .and_then(CubeScan::for_distinct);
    Ok(shrunk.map(|scan| DataSourceExec::from_data_source(scan) as Arc<dyn ExecutionPlan>))
}
