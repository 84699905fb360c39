//! The order in which a scan's rows come, and can be made to come without a sort.

use std::sync::Arc;

use arrow::compute::SortOptions;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};

use crate::cube::AxisOrder;
use crate::scan::CubeScan;

/// Rows in the order of the grid need a whole slab in memory; beyond this a sort that can spill is better.
pub(super) const SLAB_BYTES: u64 = 1 << 28;

impl CubeScan {
    /// Per axis, whether the rows must run backwards so that they come out in `order`.
    pub(super) fn order_of_grid(&self, order: &[PhysicalSortExpr]) -> Option<Vec<bool>> {
        let mut reversed = vec![false; self.cube.axes.len()];
        let mut wanted = order.iter().peekable();
        for (axis, axis_of_cube) in self.cube.axes.iter().enumerate() {
            let Some(sort) = wanted.peek() else { break };
            let expression = self.projection.unproject_expr(&sort.expr).ok()?;
            let is_this_axis = expression
                .downcast_ref::<Column>()
                .is_some_and(|column| column.index() == axis);
            if !is_this_axis {
                if self.is_single(axis) {
                    continue;
                }
                return None;
            }
            reversed[axis] = match axis_of_cube.order {
                AxisOrder::Ascending => sort.options.descending,
                AxisOrder::Descending => !sort.options.descending,
                AxisOrder::Unordered => return None,
            };
            wanted.next();
        }
        wanted.peek().is_none().then_some(reversed)
    }

    /// The order in which the rows come, as expressions over the output. Axes of one cell are
    /// constants and do not count.
    pub(super) fn output_ordering(&self) -> Option<LexOrdering> {
        let reversed = self.grid_order.as_ref()?;
        let mut ordering = Vec::new();
        for (axis, axis_of_cube) in self.cube.axes.iter().enumerate() {
            if self.is_single(axis) {
                continue;
            }
            let descending = match axis_of_cube.order {
                AxisOrder::Ascending => reversed[axis],
                AxisOrder::Descending => !reversed[axis],
                AxisOrder::Unordered => break,
            };
            let Some(column) = self.output_of_axis(axis) else {
                break;
            };
            let options = SortOptions {
                descending,
                nulls_first: descending,
            };
            ordering.push(PhysicalSortExpr::new(column, options));
        }
        LexOrdering::new(ordering)
    }

    pub(super) fn is_single(&self, axis: usize) -> bool {
        self.predicate.selections[axis].len() <= 1
    }

    /// The output column that holds the coordinates of `axis`.
    pub(super) fn output_of_axis(&self, axis: usize) -> Option<Arc<dyn PhysicalExpr>> {
        let is_this_axis = |output: &Arc<dyn PhysicalExpr>| {
            output
                .downcast_ref::<Column>()
                .is_some_and(|column| column.index() == axis)
        };
        let position = self
            .projection
            .iter()
            .position(|output| is_this_axis(&output.expr))?;
        Some(Arc::new(Column::new(
            self.schema.field(position).name(),
            position,
        )))
    }

    /// Bytes of the largest unit's columns.
    pub(super) fn slab_bytes(&self) -> u64 {
        let width: u64 = self
            .projection
            .column_indices()
            .iter()
            .map(|column| {
                self.cube
                    .schema
                    .field(*column)
                    .data_type()
                    .primitive_width()
                    .unwrap_or(16) as u64
            })
            .sum();
        let cells = self.grid().largest_unit();
        cells.saturating_mul(width.max(1))
    }
}
