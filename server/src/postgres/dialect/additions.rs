//! The schema `pg_catalog` of a session: the tables of `datafusion-pg-catalog`, and what clients look for beyond them.
//!
//! [`Catalogue`] adds tables, and gives lists of numbers the type of a list where the stock tables have texts; all of
//! those are empty, because cubes have neither keys nor indexes.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{MemTable, SchemaProvider, TableProvider};
use datafusion::common::Result;

use super::About;
use super::backends::{ACTIVITY, activity};

/// The view of indexes, of which there are none, and its columns, which are texts.
const INDEXES: &str = "pg_indexes";
const INDEX_COLUMNS: [&str; 5] = [
    "schemaname",
    "tablename",
    "indexname",
    "tablespace",
    "indexdef",
];

/// Tables without rows that have lists of numbers of columns, or of objects.
const WITH_LISTS: [&str; 2] = ["pg_constraint", "pg_index"];
const LISTS_OF_COLUMNS: [&str; 5] = ["conkey", "confkey", "confdelsetcols", "indkey", "indoption"];
const LISTS_OF_OBJECTS: [&str; 6] = [
    "conpfeqop",
    "conppeqop",
    "conffeqop",
    "conexclop",
    "indcollation",
    "indclass",
];

/// The stock schema and what is added to it.
#[derive(Debug)]
pub(super) struct Catalogue {
    stock: Arc<dyn SchemaProvider>,
    about: About,
}

impl Catalogue {
    pub(super) fn new(stock: Arc<dyn SchemaProvider>, about: &About) -> Self {
        Self {
            stock,
            about: about.clone(),
        }
    }
}

#[async_trait]
impl SchemaProvider for Catalogue {
    fn table_names(&self) -> Vec<String> {
        let mut names = self.stock.table_names();
        names.extend([ACTIVITY, INDEXES].map(str::to_string));
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let stock = self.stock.table(name).await?;
        match name {
            ACTIVITY => Ok(Some(table(activity(&self.about)?)?)),
            INDEXES => Ok(Some(empty(indexes())?)),
            _ if WITH_LISTS.contains(&name) => match stock {
                Some(stock) => Ok(Some(empty(with_lists(&stock.schema()))?)),
                None => Ok(None),
            },
            _ => Ok(stock),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        [ACTIVITY, INDEXES].contains(&name) || self.stock.table_exist(name)
    }
}

fn indexes() -> SchemaRef {
    let column = |name| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(INDEX_COLUMNS.map(column).to_vec()))
}

fn with_lists(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let name = field.name().as_str();
        let kind = if LISTS_OF_COLUMNS.contains(&name) {
            DataType::new_list(DataType::Int16, true)
        } else if LISTS_OF_OBJECTS.contains(&name) {
            DataType::new_list(DataType::Int32, true)
        } else {
            return Arc::clone(field);
        };
        Arc::new(field.as_ref().clone().with_data_type(kind))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn empty(schema: SchemaRef) -> Result<Arc<dyn TableProvider>> {
    table(RecordBatch::new_empty(schema))
}

fn table(batch: RecordBatch) -> Result<Arc<dyn TableProvider>> {
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
    Ok(Arc::new(table))
}
