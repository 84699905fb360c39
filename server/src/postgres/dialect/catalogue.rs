//! What `pg_class` and its relatives list: the tables that the session sees, without those that cannot be opened.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{CatalogProviderList, SchemaProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::TableType;
use datafusion_pg_catalog::pg_catalog::catalog_info::CatalogInfo;

use crate::output::Textual;

/// The catalogue of a session. It holds no more than a way to it, because the catalogue holds this.
#[derive(Debug, Clone)]
pub(super) struct Tables(Weak<dyn CatalogProviderList>);

impl Tables {
    pub(super) fn of(catalogs: &Arc<dyn CatalogProviderList>) -> Self {
        Self(Arc::downgrade(catalogs))
    }

    fn schema(&self, catalog: &str, schema: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.0.upgrade()?.catalog(catalog)?.schema(schema)
    }
}

#[async_trait]
impl CatalogInfo for Tables {
    async fn catalog_names(&self) -> Result<Vec<String>, DataFusionError> {
        Ok(self.0.upgrade().map_or_else(Vec::new, |catalogs| {
            CatalogProviderList::catalog_names(catalogs.as_ref())
        }))
    }

    async fn schema_names(&self, catalog: &str) -> Result<Option<Vec<String>>, DataFusionError> {
        let catalog = self.0.upgrade().and_then(|list| list.catalog(catalog));
        Ok(catalog.map(|catalog| catalog.schema_names()))
    }

    async fn table_names(
        &self,
        catalog: &str,
        schema: &str,
    ) -> Result<Option<Vec<String>>, DataFusionError> {
        Ok(self
            .schema(catalog, schema)
            .map(|schema| schema.table_names()))
    }

    async fn table_schema(
        &self,
        catalog: &str,
        schema: &str,
        table: &str,
    ) -> Result<Option<SchemaRef>, DataFusionError> {
        let Some(schema) = self.schema(catalog, schema) else {
            return Ok(None);
        };
        // One broken table must not hide the others; whoever reads it is told what is wrong.
        let table = schema.table(table).await.ok().flatten();
        Ok(table.map(|table| Arc::clone(Textual::dates(&table.schema()).schema())))
    }

    async fn table_type(
        &self,
        catalog: &str,
        schema: &str,
        table: &str,
    ) -> Result<Option<TableType>, DataFusionError> {
        match self.schema(catalog, schema) {
            Some(schema) => Ok(schema.table_type(table).await.ok().flatten()),
            None => Ok(None),
        }
    }
}
