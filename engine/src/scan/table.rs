//! A cube as a table of DataFusion.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_datasource::source::DataSourceExec;

use crate::cache::BlockCache;
use crate::cube::Cube;
use crate::options::CubeOptions;
use crate::scan::envelope::implied_box;
use crate::scan::predicate::ScanPredicate;
use crate::scan::{CubeScan, Sample};
use crate::statistics::StatisticsStore;
use crate::statistics::analyze::Analysis;
use crate::statistics::store::KnownVariables;

/// A cube, or a sample of one, that SQL can name.
#[derive(Debug, Clone)]
pub struct CubeTable {
    cube: Arc<Cube>,
    blocks: Arc<BlockCache>,
    statistics: Arc<StatisticsStore>,
    sample: Option<Sample>,
}

impl CubeTable {
    /// The table of `cube`; decoded chunks are kept in `blocks`.
    pub fn new(cube: Arc<Cube>, blocks: Arc<BlockCache>) -> Self {
        Self {
            cube,
            blocks,
            statistics: Arc::default(),
            sample: None,
        }
    }

    /// The same table, with what `statistics` knows of its chunks.
    #[must_use]
    pub fn with_statistics(self, statistics: Arc<StatisticsStore>) -> Self {
        Self { statistics, ..self }
    }

    /// Where decoded chunks are kept.
    pub(crate) fn blocks(&self) -> &Arc<BlockCache> {
        &self.blocks
    }

    /// Brings the statistics of all variables up to date, as `ANALYZE` does.
    ///
    /// # Errors
    /// A chunk cannot be read, or a limit would be broken.
    pub async fn analyze(&self, context: Arc<TaskContext>) -> Result<()> {
        let cube = Arc::clone(&self.cube);
        let variables: Vec<usize> = (0..cube.variables.len()).collect();
        let store = Arc::clone(&self.statistics);
        let analysis = Analysis::new(cube, store, context, Arc::default());
        analysis.check(&variables)?;
        for variable in variables {
            analysis.run(variable).await?;
        }
        Ok(())
    }

    pub(crate) fn statistics(&self) -> &Arc<StatisticsStore> {
        &self.statistics
    }

    /// The same table, of which every scan sees only a sample.
    #[must_use]
    pub fn with_sample(&self, sample: Sample) -> Self {
        Self {
            sample: Some(sample),
            ..self.clone()
        }
    }

    /// The cube.
    pub fn cube(&self) -> &Arc<Cube> {
        &self.cube
    }
}

#[async_trait]
impl TableProvider for CubeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.cube.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        filters
            .iter()
            .map(|filter| {
                let is_ours = !filter.is_volatile() && !has_subquery(filter)?;
                Ok(if is_ours {
                    TableProviderFilterPushDown::Exact
                } else {
                    TableProviderFilterPushDown::Unsupported
                })
            })
            .collect()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = CubeOptions::of(state.config_options());
        let schema = DFSchema::try_from(self.schema())?;
        let boxes: Vec<Expr> = match options.pruning {
            true => filters
                .iter()
                .filter_map(|filter| implied_box(state, filter))
                .collect(),
            false => Vec::new(),
        };
        let conjuncts = boxes
            .iter()
            .chain(filters)
            .flat_map(datafusion::logical_expr::utils::split_conjunction)
            .map(|conjunct| state.create_physical_expr(conjunct.clone(), &schema))
            .collect::<Result<Vec<_>>>()?;
        let predicate = ScanPredicate::new(&self.cube, conjuncts, options.pruning)?;
        let all: Vec<usize>;
        let columns = match projection {
            Some(columns) => columns,
            None => {
                all = (0..self.cube.schema.fields().len()).collect();
                &all
            }
        };
        let projection = ProjectionExprs::from_indices(columns, &self.cube.schema);
        let partitions = state.config().target_partitions();
        let known = match options.chunk_statistics {
            true => {
                let read = predicate.rows.iter().flat_map(collect_columns);
                let read = read.map(|column| column.index());
                let read: BTreeSet<usize> = read.chain(columns.iter().copied()).collect();
                let axes = self.cube.axes.len();
                let variables = read
                    .into_iter()
                    .filter_map(|column| column.checked_sub(axes));
                self.statistics.of(&self.cube, variables.collect()).await
            }
            false => KnownVariables::default(),
        };
        let scan = CubeScan::new(
            Arc::clone(&self.cube),
            predicate,
            projection,
            partitions,
            Arc::clone(&self.blocks),
        )?
        .with_known(known)
        .collecting(
            options
                .collect_statistics
                .then(|| Arc::clone(&self.statistics)),
        )
        .with_sample(self.sample)
        .with_limit(limit);
        Ok(DataSourceExec::from_data_source(scan))
    }
}

fn has_subquery(filter: &Expr) -> Result<bool> {
    let mut found = false;
    filter.apply(|expression| {
        found |= matches!(
            expression,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
        );
        Ok(if found {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    })?;
    Ok(found)
}
