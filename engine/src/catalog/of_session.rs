//! The catalogue as one session sees it: what its user may see, and schemas that a door has added for its client.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use datafusion::catalog::{CatalogProvider, SchemaProvider};
use datafusion::common::Result;

use super::visible::VisibleCatalog;

/// See the file.
#[derive(Debug)]
pub(crate) struct SessionCatalog {
    shared: Arc<VisibleCatalog>,
    own: RwLock<BTreeMap<String, Arc<dyn SchemaProvider>>>,
}

impl SessionCatalog {
    pub(crate) fn new(shared: Arc<VisibleCatalog>) -> Self {
        Self {
            shared,
            own: RwLock::default(),
        }
    }
}

impl CatalogProvider for SessionCatalog {
    fn schema_names(&self) -> Vec<String> {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        let mut names = self.shared.schema_names();
        names.extend(own.keys().cloned());
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        let found = own.get(name).cloned();
        found.or_else(|| self.shared.schema(name))
    }

    fn register_schema(
        &self,
        name: &str,
        schema: Arc<dyn SchemaProvider>,
    ) -> Result<Option<Arc<dyn SchemaProvider>>> {
        let mut own = self.own.write().unwrap_or_else(PoisonError::into_inner);
        Ok(own.insert(name.to_string(), schema))
    }
}
