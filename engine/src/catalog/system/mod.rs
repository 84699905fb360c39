//! The schema `cube`: what is in the catalogue, as read-only tables that are made while they are read.
//!
//! A [`SystemTable`] is a list of [`Column`]s (name, description, how to read it off a row) and a
//! stream of rows. Equality filters on `table_schema`, `table_name` and `variable` reach the stream,
//! so that a look at one table opens one store.

mod chunks;
pub(crate) mod column;
mod dimensions;
mod grants;
mod grid_functions;
mod jobs;
mod overviews;
mod queries;
mod stores;
mod tables;
mod variables;
mod versions;

use std::fmt;
use std::sync::{Arc, Weak};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, Session, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::StreamExt;
use futures::stream::BoxStream;

use super::visible::VisibleCatalog;
use crate::error::CubeError;
use column::Column;

/// Name of the schema.
pub(crate) const SYSTEM_SCHEMA: &str = "cube";

/// The names that a query wants rows for; `None` wants all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) schema: Option<String>,
    pub(crate) table: Option<String>,
    pub(crate) variable: Option<String>,
}

/// One table of the schema `cube`.
pub(crate) trait SystemRows: fmt::Debug + Send + Sync + 'static {
    /// What a row is made of.
    type Row: Send + Sync + 'static;

    /// The columns, in order.
    fn columns() -> Vec<Column<Self::Row>>;

    /// The rows, in pieces that become record batches. Lazy: nothing happens before it is polled.
    fn rows(catalog: &Arc<VisibleCatalog>, wanted: Wanted) -> BoxStream<'static, Vec<Self::Row>>;
}

/// The schema `cube`.
#[derive(Debug)]
pub(crate) struct SystemSchema {
    tables: Vec<(&'static str, Arc<dyn TableProvider>)>,
}

impl SystemSchema {
    /// The schema that describes `catalog`.
    pub(crate) fn new(catalog: Weak<VisibleCatalog>) -> Self {
        Self {
            tables: vec![
                ("tables", SystemTable::<tables::Tables>::provider(&catalog)),
                (
                    "dimensions",
                    SystemTable::<dimensions::Dimensions>::provider(&catalog),
                ),
                (
                    "variables",
                    SystemTable::<variables::Variables>::provider(&catalog),
                ),
                ("chunks", SystemTable::<chunks::Chunks>::provider(&catalog)),
                ("stores", SystemTable::<stores::Stores>::provider(&catalog)),
                ("jobs", SystemTable::<jobs::JobList>::provider(&catalog)),
                (
                    "queries",
                    SystemTable::<queries::QueryList>::provider(&catalog),
                ),
                (
                    "versions",
                    SystemTable::<versions::Versions>::provider(&catalog),
                ),
                (
                    "overviews",
                    SystemTable::<overviews::OverviewList>::provider(&catalog),
                ),
                ("grants", SystemTable::<grants::Grants>::provider(&catalog)),
                (
                    "grid_functions",
                    SystemTable::<grid_functions::GridFunctions>::provider(&catalog),
                ),
            ],
        }
    }
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        self.tables
            .iter()
            .map(|(name, _)| (*name).to_string())
            .collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let found = self.tables.iter().find(|(table, _)| *table == name);
        Ok(found.map(|(_, table)| Arc::clone(table)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.iter().any(|(table, _)| *table == name)
    }
}

/// A table of the schema `cube` as DataFusion sees it.
struct SystemTable<R: SystemRows> {
    catalog: Weak<VisibleCatalog>,
    columns: Arc<Vec<Column<R::Row>>>,
    schema: SchemaRef,
}

impl<R: SystemRows> SystemTable<R> {
    fn provider(catalog: &Weak<VisibleCatalog>) -> Arc<dyn TableProvider> {
        let columns = R::columns();
        Arc::new(Self {
            catalog: catalog.clone(),
            schema: column::schema(&columns),
            columns: Arc::new(columns),
        })
    }
}

impl<R: SystemRows> fmt::Debug for SystemTable<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemTable").finish_non_exhaustive()
    }
}

#[async_trait]
impl<R: SystemRows> TableProvider for SystemTable<R> {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // The rows may be read when the session is gone.
        let catalog = self.catalog.upgrade();
        let catalog = catalog
            .ok_or_else(|| CubeError::invalid("", "the session that planned this is gone"))?;
        let rows = SystemStream::<R> {
            catalog,
            columns: Arc::clone(&self.columns),
            schema: Arc::clone(&self.schema),
            wanted: wanted(filters),
        };
        Ok(Arc::new(StreamingTableExec::try_new(
            Arc::clone(&self.schema),
            vec![Arc::new(rows)],
            projection,
            None,
            false,
            limit,
        )?))
    }
}

/// The rows that one query reads.
struct SystemStream<R: SystemRows> {
    catalog: Arc<VisibleCatalog>,
    columns: Arc<Vec<Column<R::Row>>>,
    schema: SchemaRef,
    wanted: Wanted,
}

impl<R: SystemRows> fmt::Debug for SystemStream<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemStream")
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

impl<R: SystemRows> PartitionStream for SystemStream<R> {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = R::rows(&self.catalog, self.wanted.clone());
        let (columns, schema) = (Arc::clone(&self.columns), Arc::clone(&self.schema));
        let batches = rows.map(move |rows| column::batch(&schema, &columns, &rows));
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            batches,
        ))
    }
}

/// Reads `table_schema = '…'` and the like out of the filters.
fn wanted(filters: &[Expr]) -> Wanted {
    let mut wanted = Wanted::default();
    for filter in filters {
        let Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Eq,
            right,
        }) = filter
        else {
            continue;
        };
        let ((Expr::Column(column), Expr::Literal(value, _))
        | (Expr::Literal(value, _), Expr::Column(column))) = (left.as_ref(), right.as_ref())
        else {
            continue;
        };
        let (ScalarValue::Utf8(Some(text))
        | ScalarValue::Utf8View(Some(text))
        | ScalarValue::LargeUtf8(Some(text))) = value
        else {
            continue;
        };
        match column.name.as_str() {
            "table_schema" => wanted.schema = Some(text.clone()),
            "table_name" => wanted.table = Some(text.clone()),
            "variable" => wanted.variable = Some(text.clone()),
            _ => {}
        }
    }
    wanted
}
