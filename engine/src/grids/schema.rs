//! The schema in which a call of a grid function is the name of a table: [`GridSchema`].

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::Result;
use datafusion::execution::SessionState;

use super::call::Call;
use crate::catalog::visible::VisibleCatalog;

/// Its name. It is not listed: its tables are calls.
pub(crate) const GRID_SCHEMA: &str = "grid_functions";

tokio::task_local! {
    /// The session whose statement is being planned: its settings hold for the queries in calls, too.
    static PLANNING: SessionState;
}

/// Runs what plans a statement so that calls of grid functions in it can be planned.
pub(crate) async fn while_planning<F: Future>(state: SessionState, planning: F) -> F::Output {
    PLANNING.scope(state, planning).await
}

/// The session whose statement is being planned, if one is.
pub(crate) fn planning_session() -> Option<SessionState> {
    PLANNING.try_with(Clone::clone).ok()
}

/// The schema of calls.
#[derive(Debug)]
pub(crate) struct GridSchema {
    catalog: Weak<VisibleCatalog>,
}

impl GridSchema {
    /// The calls that read tables of `catalog`.
    pub(crate) fn new(catalog: Weak<VisibleCatalog>) -> Self {
        Self { catalog }
    }
}

#[async_trait]
impl SchemaProvider for GridSchema {
    fn table_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn table_exist(&self, _name: &str) -> bool {
        false
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let (Some(state), Some(catalog)) = (planning_session(), self.catalog.upgrade()) else {
            return Ok(None);
        };
        let call = Call::parse(name, state, catalog)?;
        Box::pin(call.function.table(&call)).await.map(Some)
    }
}
