//! What a dense operator finds below it: a scan, with the projections between.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion_datasource::source::DataSourceExec;

use crate::dense::lookup::GridLookupExec;
use crate::scan::CubeScan;

/// A scan under projections and lookups, which change none of its rows.
#[derive(Debug)]
pub(crate) struct GridInput<'a> {
    /// The scan.
    pub(crate) scan: &'a CubeScan,
    /// The columns of the input over the output of the scan.
    pub(crate) below: ProjectionExprs,
    /// Lookups that fill variables of the scan, outermost first.
    pub(crate) lookups: Vec<&'a GridLookupExec>,
}

impl<'a> GridInput<'a> {
    /// The scan below `plan`; `None` when there is something else.
    ///
    /// # Errors
    /// A projection that reads a column which is not there.
    pub(crate) fn below(plan: &'a Arc<dyn ExecutionPlan>) -> Result<Option<Self>> {
        let mut below: Option<ProjectionExprs> = None;
        let mut lookups = Vec::new();
        let mut plan = plan;
        loop {
            if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
                let own = projection.projection_expr();
                below = Some(match &below {
                    Some(above) => own.try_merge(above)?,
                    None => own.clone(),
                });
                plan = projection.input();
            } else if let Some(lookup) = plan.downcast_ref::<GridLookupExec>() {
                lookups.push(lookup);
                plan = lookup.grid();
            } else {
                break;
            }
        }
        let scan = plan
            .downcast_ref::<DataSourceExec>()
            .and_then(|source| source.data_source().downcast_ref::<CubeScan>());
        let Some(scan) = scan else {
            return Ok(None);
        };
        let below = below.unwrap_or_else(|| {
            let columns: Vec<usize> = (0..scan.schema.fields().len()).collect();
            ProjectionExprs::from_indices(&columns, &scan.schema)
        });
        Ok(Some(Self {
            scan,
            below,
            lookups,
        }))
    }

    /// The columns of the input over the columns of the cube.
    ///
    /// # Errors
    /// A projection that reads a column which is not there.
    pub(crate) fn columns(&self) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
        let merged = self.scan.projection.try_merge(&self.below)?;
        Ok(merged.expr_iter().collect())
    }

    /// An expression over the columns of the input as one over the columns of the cube.
    ///
    /// # Errors
    /// It reads a column which is not there.
    pub(crate) fn over_cube(
        &self,
        expression: &Arc<dyn PhysicalExpr>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let merged = self.scan.projection.try_merge(&self.below)?;
        merged.unproject_expr(expression)
    }

    /// Why the rows cannot be put together with those of another input before they are made.
    ///
    /// # Errors
    /// A projection that reads a column which is not there.
    pub(crate) fn why_not_joined(&self) -> Result<Option<String>> {
        let scan = self.scan;
        Ok(if scan.limit.is_some() {
            Some("there is a LIMIT below the join".to_string())
        } else if scan.sample.is_some() {
            Some("there is a sample below the join".to_string())
        } else if self.columns()?.iter().any(is_volatile) {
            Some("a column below the join is volatile".to_string())
        } else {
            None
        })
    }
}
