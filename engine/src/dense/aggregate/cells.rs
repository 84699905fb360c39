//! What an aggregate reads: cells of a scan, perhaps joined with regions.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;

use crate::dense::keys::RegionColumns;
use crate::dense::regions::{JoinKind, RegionJoin};
use crate::scan::CubeScan;

/// See the module.
pub(crate) struct Cells<'a> {
    pub(crate) scan: &'a CubeScan,
    /// Columns of what is below the aggregate, over those of `outputs`.
    pub(crate) below: ProjectionExprs,
    /// Columns of the scan or the join, over the table's schema or that of the joined table.
    pub(crate) outputs: &'a ProjectionExprs,
    pub(crate) regions: Option<&'a Arc<RegionJoin>>,
}

impl Cells<'_> {
    /// Why the cells cannot be reduced as they lie in blocks.
    pub(super) fn needs_rows(&self) -> Option<&'static str> {
        let join = self.regions?;
        if join.kind != JoinKind::Inner {
            return Some("not an inner join with regions");
        }
        join.rest
            .is_some()
            .then_some("the join's condition reads more than axes")
    }

    /// An expression of the aggregate, over the table's schema or that of the joined table.
    pub(super) fn over_cube(
        &self,
        expression: &Arc<dyn PhysicalExpr>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        self.outputs
            .unproject_expr(&self.below.unproject_expr(expression)?)
    }

    /// What group keys need to know of the regions.
    pub(super) fn region_columns(&self) -> Option<RegionColumns> {
        self.regions.map(|join| RegionColumns {
            axes: join.axes(),
            joined: Arc::clone(&join.joined),
        })
    }
}
