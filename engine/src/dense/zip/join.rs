//! A join as the planner made it, whatever algorithm it chose.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinSide, JoinType, NullEquality, Result, internal_err};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};

type Expression = Arc<dyn PhysicalExpr>;

/// An equality join.
#[derive(Debug)]
pub(crate) struct EqualityJoin<'a> {
    /// The inputs, left and right.
    pub(crate) inputs: [&'a Arc<dyn ExecutionPlan>; 2],
    /// Pairs of expressions over the inputs' columns that must be equal.
    pub(crate) on: Vec<[Expression; 2]>,
    /// What else must hold.
    pub(crate) filter: Option<&'a JoinFilter>,
    /// Which rows without a partner stay.
    pub(crate) kind: JoinType,
    /// Does NULL equal NULL?
    pub(crate) nulls_match: bool,
    /// The output: which input, and which of its columns.
    pub(crate) output: Vec<(usize, usize)>,
    /// Schema of the output.
    pub(crate) schema: SchemaRef,
}

impl<'a> EqualityJoin<'a> {
    /// The join that `plan` is, if it is one.
    pub(crate) fn of(plan: &'a Arc<dyn ExecutionPlan>) -> Option<Self> {
        if plan.fetch().is_some() {
            return None;
        }
        let (inputs, on, filter, kind, nulls, projection) =
            if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
                let inputs = [join.left(), join.right()];
                let projection = join.projection.as_deref();
                let (filter, kind) = (join.filter(), *join.join_type());
                (
                    inputs,
                    join.on(),
                    filter,
                    kind,
                    join.null_equality(),
                    projection,
                )
            } else if let Some(join) = plan.downcast_ref::<SortMergeJoinExec>() {
                let inputs = [join.left(), join.right()];
                let (filter, kind) = (join.filter().as_ref(), join.join_type());
                (inputs, join.on(), filter, kind, join.null_equality(), None)
            } else {
                return None;
            };
        let side =
            |side: usize| (0..inputs[side].schema().fields().len()).map(move |at| (side, at));
        let all: Vec<(usize, usize)> = match kind {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                side(0).chain(side(1)).collect()
            }
            JoinType::LeftSemi => side(0).collect(),
            JoinType::RightSemi => side(1).collect(),
            _ => return None,
        };
        let output = match projection {
            Some(columns) => columns.iter().map(|column| all[*column]).collect(),
            None => all,
        };
        let pairs = on.iter();
        Some(Self {
            inputs,
            on: pairs
                .map(|(left, right)| [Arc::clone(left), Arc::clone(right)])
                .collect(),
            filter,
            kind,
            nulls_match: nulls == NullEquality::NullEqualsNull,
            output,
            schema: plan.schema(),
        })
    }

    /// The filter with `column(side, index)` in the place of the column `index` of an input.
    ///
    /// # Errors
    /// `column` fails, or the filter reads a column that it does not name.
    pub(crate) fn filter_over(
        &self,
        mut column: impl FnMut(usize, usize) -> Result<Expression>,
    ) -> Result<Option<Expression>> {
        let Some(filter) = self.filter else {
            return Ok(None);
        };
        let expression = Arc::clone(filter.expression()).transform(|node| {
            let Some(read) = node.downcast_ref::<Column>() else {
                return Ok(Transformed::no(node));
            };
            let source = filter.column_indices().get(read.index());
            let side = match source.map(|source| source.side) {
                Some(JoinSide::Left) => 0,
                Some(JoinSide::Right) => 1,
                _ => return internal_err!("a join filter reads {read}, which no input has"),
            };
            let index = source.map_or(0, |source| source.index);
            Ok(Transformed::yes(column(side, index)?))
        })?;
        Ok(Some(expression.data))
    }
}
