//! Puts one scan in the place of a join of two cubes, and a lookup in the place of a join of a cube with
//! an aggregate, or says on the scans why not.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRewriter};
use datafusion::common::{JoinType, Result};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::output_requirements::OutputRequirementExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
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
        let mut joins = Joins {
            options: CubeOptions::of(config),
            path: vec![Above::Plain],
        };
        Ok(plan.rewrite(&mut joins)?.data)
    }

    fn name(&self) -> &str {
        "GridZip"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Rewrites the joins of a plan.
struct Joins {
    options: CubeOptions,
    /// Per node from the root of the plan down, what it and those above it make of no rows; at first that of none.
    path: Vec<Above>,
}

/// What the operators above one make of it where it has no rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Above {
    /// An empty answer, or aggregates of nothing.
    Plain,
    /// The same, by an inner join among others.
    Joined,
    /// There may be other rows.
    Other,
}

impl Above {
    /// That of what stands below `plan`.
    fn below(self, plan: &Arc<dyn ExecutionPlan>) -> Self {
        if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
            // An aggregate without groups is a row, which a join above may have a partner for.
            let is_row = aggregate.group_expr().is_empty();
            return match self {
                Self::Joined if is_row => Self::Other,
                own => own,
            };
        }
        let is_inner = || EqualityJoin::of(plan).is_some_and(|join| join.kind == JoinType::Inner);
        match self {
            Self::Other => Self::Other,
            own if passes_rows(plan) => own,
            _ if is_inner() => Self::Joined,
            _ => Self::Other,
        }
    }
}

impl Joins {
    fn above(&self) -> Above {
        self.path.last().copied().unwrap_or(Above::Other)
    }
}

impl TreeNodeRewriter for Joins {
    type Node = Arc<dyn ExecutionPlan>;

    fn f_down(&mut self, node: Self::Node) -> Result<Transformed<Self::Node>> {
        self.path.push(self.above().below(&node));
        Ok(Transformed::no(node))
    }

    /// From the leaves up: what a join has become may be joined again.
    fn f_up(&mut self, node: Self::Node) -> Result<Transformed<Self::Node>> {
        self.path.pop();
        let decides = self.above() != Above::Other;
        let rewritten = match EqualityJoin::of(&node) {
            Some(join) => rewrite(&join, &self.options, decides)?,
            None => None,
        };
        Ok(match rewritten {
            Some(rewritten) => Transformed::yes(rewritten),
            None => Transformed::no(node),
        })
    }
}

/// Are the rows of a plan some of those of its input?
fn passes_rows(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<ProjectionExec>()
        || plan.is::<FilterExec>()
        || plan.is::<SortExec>()
        || plan.is::<SortPreservingMergeExec>()
        || plan.is::<GlobalLimitExec>()
        || plan.is::<LocalLimitExec>()
        || plan.is::<RepartitionExec>()
        || plan.is::<CoalescePartitionsExec>()
        || plan.is::<OutputRequirementExec>()
}

fn rewrite(
    join: &EqualityJoin<'_>,
    options: &CubeOptions,
    decides: bool,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let left = GridInput::below(join.inputs[0])?;
    let right = GridInput::below(join.inputs[1])?;
    let is_off = || Err("cube.grid_zip is off".to_string());
    let rewritten: Rewritten<Arc<dyn ExecutionPlan>> = match (&left, &right) {
        (None, None) => return Ok(None),
        _ if !options.grid_zip => is_off(),
        (Some(left), Some(right)) => zip(join, [left, right], options, decides)?
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
