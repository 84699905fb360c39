//! The values of a box, by the queries whose rows lie in it: [`BoxQuery`].

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;

use super::boxes::{TargetDimension, query_of_box};
use super::place::BoxCells;
use super::scanned::BlockScan;
use crate::options::CubeOptions;
use crate::runtime::yield_now;

/// What the queries of boxes have in common.
pub(super) struct BoxQuery<'a> {
    pub(super) state: &'a SessionState,
    /// The first columns of the queries.
    pub(super) dimensions: &'a [TargetDimension],
    /// Their other columns: names and types.
    pub(super) variables: &'a [(&'a str, DataType)],
}

impl BoxQuery<'_> {
    /// The variables in the cells of `ranges`: the rows of each query are laid over those of the ones before.
    ///
    /// # Errors
    /// A query fails, or has two rows for a cell.
    pub(super) async fn values<'q>(
        &self,
        queries: impl Iterator<Item = &'q LogicalPlan>,
        ranges: &[Range<u64>],
        context: Arc<TaskContext>,
    ) -> Result<Vec<ArrayRef>> {
        let coordinates: Vec<(&str, ArrayRef)> = self
            .dimensions
            .iter()
            .zip(ranges)
            .map(|(dimension, range)| {
                let length = (range.end - range.start) as usize;
                let along = dimension.coordinates.slice(range.start as usize, length);
                (dimension.name.as_str(), along)
            })
            .collect();
        let types: Vec<DataType> = self
            .variables
            .iter()
            .map(|(_, kind)| kind.clone())
            .collect();
        let names: Vec<&str> = self.variables.iter().map(|(name, _)| *name).collect();
        let mut cells = BoxCells::new(&coordinates, &types)?;
        for query in queries {
            let query = query_of_box(query, self.dimensions, ranges)?;
            let physical = self.state.create_physical_plan(&query).await?;
            cells.next_layer();
            let options = CubeOptions::of(self.state.config_options());
            if let Ok(scan) = BlockScan::of(&physical, coordinates.len(), &options)? {
                let mut blocks = scan.open(&context)?;
                while blocks.add_next(&names, &mut cells).await? {
                    yield_now().await;
                }
                continue;
            }
            let mut rows = execute_stream(physical, Arc::clone(&context))?;
            while let Some(batch) = rows.next().await {
                cells.add(&batch?)?;
                yield_now().await;
            }
        }
        cells.finish()
    }
}
