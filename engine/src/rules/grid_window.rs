//! Puts [`GridWindowExec`] in the place of window functions over a cube, or says on the scan why not.
//!
//! ```text
//!  WindowAggExec or BoundedWindowAggExec      GridWindowExec
//!    [more of them]                  ─▶
//!      [ProjectionExec]
//!        DataSourceExec(CubeScan)
//! ```
//! Windows of different PARTITION BY or ORDER BY are planned one above the other; they become one operator
//! when none reads the result of another.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::window::WindowExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};

use crate::dense::window::GridWindowExec;
use crate::dense::window::plan::GridWindowPlan;
use crate::options::CubeOptions;
use crate::rules::scan_below;

/// See the module.
#[derive(Debug, Default)]
pub struct GridWindow;

impl PhysicalOptimizerRule for GridWindow {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = CubeOptions::of(config);
        let partitions = config.execution.target_partitions.max(1);
        let plan = plan.transform_down(|node| {
            let Some((windows, input)) = windows_above(&node) else {
                return Ok(Transformed::no(node));
            };
            let Some((below, scan)) = scan_below(input)? else {
                return Ok(Transformed::no(node));
            };
            let inputs = input.schema().fields().len();
            if windows.iter().any(|window| reads_beyond(window, inputs)) {
                // The inner windows are met next, and may be taken by themselves.
                return Ok(Transformed::no(node));
            }
            let decision = match options.grid_window {
                true => GridWindowPlan::new(&windows, &below, scan, node.schema())?,
                false => Err("cube.grid_window is off".to_string()),
            };
            match decision {
                Ok(plan) => {
                    let operator = GridWindowExec::new(plan, partitions);
                    Ok(Transformed::yes(Arc::new(operator)))
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
        "GridWindow"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The window functions of a node and of those directly below it, in the order of their columns, and
/// what they all read.
fn windows_above(
    node: &Arc<dyn ExecutionPlan>,
) -> Option<(Vec<Arc<dyn WindowExpr>>, &Arc<dyn ExecutionPlan>)> {
    let (own, input) = if let Some(window) = node.downcast_ref::<WindowAggExec>() {
        (window.window_expr(), window.input())
    } else {
        let window = node.downcast_ref::<BoundedWindowAggExec>()?;
        (window.window_expr(), window.input())
    };
    let (mut windows, input) = windows_above(input).unwrap_or_else(|| (Vec::new(), input));
    windows.extend(own.iter().cloned());
    Some((windows, input))
}

/// Does a window read a column beyond the first `inputs`, which is the result of another window?
fn reads_beyond(window: &Arc<dyn WindowExpr>, inputs: usize) -> bool {
    let expressions = window.all_expressions();
    let all = expressions.args.iter();
    let all = all.chain(&expressions.partition_by_exprs);
    let mut columns = all
        .chain(&expressions.order_by_exprs)
        .flat_map(collect_columns);
    columns.any(|column: Column| column.index() >= inputs)
}
