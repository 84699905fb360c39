//! The catalogue: every schema and table that a name in SQL can mean. Shared by all sessions.
//!
//! ```text
//!  graticule ─┬─ public   views, external tables, files and URLs named in FROM
//!             ├─ cube     what is there: tables, dimensions, variables, chunks, stores, versions
//!             ├─ olci     an attached store: one table per cube
//!             └─ lake     …
//! ```

pub(crate) mod definition;
pub(crate) mod definitions_file;
pub(crate) mod files;
pub(crate) mod listing;
pub(crate) mod of_session;
pub(crate) mod opener;
mod overview_places;
pub(crate) mod public;
pub(crate) mod store;
pub(crate) mod system;
pub(crate) mod table_file;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};

use datafusion::catalog::{CatalogProvider, SchemaProvider};
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::configuration::StoreDefinition;
use crate::cube::Cube;
use crate::error::{CubeError, CubeResult};
use crate::grids::{GRID_SCHEMA, GridSchema};
use crate::sql::names::{PUBLIC_SCHEMA, quoted};
use crate::sql::suggestions::nearest;
use crate::statistics::StatisticsStore;
use crate::write::jobs::Jobs;
use opener::Opener;
use public::PublicSchema;
use store::{Store, lock};
use system::{SYSTEM_SCHEMA, SystemSchema};

/// Cubes that are opened at once.
pub(crate) const OPENED_AT_ONCE: usize = 32;

/// The one catalogue of an engine.
#[derive(Debug)]
pub(crate) struct Catalog {
    opener: Arc<Opener>,
    stores: Mutex<BTreeMap<String, Arc<Store>>>,
    /// Views, external tables, files.
    pub(crate) public: Arc<PublicSchema>,
    system: Arc<SystemSchema>,
    /// Calls of grid functions.
    grids: Arc<GridSchema>,
    /// The cubes that are being made.
    pub(crate) jobs: Jobs,
}

/// A table as the system tables show it.
#[derive(Debug, Clone)]
pub(crate) struct TableEntry {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) kind: TableKind,
}

/// What a table is.
#[derive(Debug, Clone)]
pub(crate) enum TableKind {
    /// A cube.
    Cube(Arc<Cube>),
    /// A view.
    View,
    /// A table over files that are no cubes.
    Files,
    /// Something that could not be opened.
    Broken(CubeError),
}

impl Catalog {
    /// A catalogue without stores.
    pub(crate) fn new(opener: Arc<Opener>, public: PublicSchema) -> Arc<Self> {
        Arc::new_cyclic(|this: &Weak<Self>| Self {
            opener,
            stores: Mutex::default(),
            public: Arc::new(public),
            system: Arc::new(SystemSchema::new(this.clone())),
            grids: Arc::new(GridSchema::new(this.clone())),
            jobs: Jobs::default(),
        })
    }

    /// Adds a store under its name. Does no I/O.
    ///
    /// # Errors
    /// The name is taken.
    pub(crate) fn attach(&self, definition: StoreDefinition) -> CubeResult<Arc<Store>> {
        let name = definition.name.clone();
        let mut stores = lock(&self.stores);
        if is_reserved(&name) || stores.contains_key(&name) {
            let error = CubeError::invalid("", format!("the schema {} is there", quoted(&name)));
            return Err(error.remedy(match is_reserved(&name) {
                true => "choose another name: ATTACH 'url' AS name".to_string(),
                false => format!(
                    "DETACH {} first, or choose another name: ATTACH 'url' AS name",
                    quoted(&name)
                ),
            }));
        }
        let store = Arc::new(Store::new(definition, Arc::clone(&self.opener)));
        stores.insert(name, Arc::clone(&store));
        Ok(store)
    }

    /// Forgets a store. Queries that run keep what they opened.
    ///
    /// # Errors
    /// There is no such store.
    pub(crate) fn detach(&self, name: &str) -> CubeResult<()> {
        let removed = lock(&self.stores).remove(name);
        removed.map(|_| ()).ok_or_else(|| self.unknown_store(name))
    }

    /// What is known of the values of cubes without reading them.
    pub(crate) fn statistics(&self) -> &Arc<StatisticsStore> {
        &self.opener.statistics
    }

    /// An attached store.
    ///
    /// # Errors
    /// There is no such store.
    pub(crate) fn store(&self, name: &str) -> CubeResult<Arc<Store>> {
        let store = lock(&self.stores).get(name).cloned();
        store.ok_or_else(|| self.unknown_store(name))
    }

    /// All attached stores in the order of their names.
    pub(crate) fn stores(&self) -> Vec<Arc<Store>> {
        lock(&self.stores).values().cloned().collect()
    }

    /// Everything there is, in one schema or in all. Opens what is not yet open, store by store,
    /// many cubes of a store at once.
    pub(crate) fn entries(
        self: &Arc<Self>,
        schema: Option<String>,
    ) -> BoxStream<'static, Vec<TableEntry>> {
        let is_wanted = |name: &str| schema.as_deref().is_none_or(|wanted| wanted == name);
        let public = is_wanted(PUBLIC_SCHEMA).then(|| Arc::clone(&self.public));
        let stores: Vec<Arc<Store>> = self
            .stores()
            .into_iter()
            .filter(|store| is_wanted(&store.definition.name))
            .collect();
        let of_stores =
            futures::stream::iter(stores).then(|store| async move { store.open_all().await });
        let of_public =
            futures::stream::iter(public).then(|public| async move { public.entries().await });
        of_stores.chain(of_public).boxed()
    }

    /// Opens every cube, so that `information_schema` knows their names and columns.
    pub(crate) async fn open_everything(self: &Arc<Self>) {
        self.entries(None).for_each(|_| async {}).await;
    }

    /// The names of tables in a schema; lists a store that was not listed. `None`: no such schema.
    pub(crate) async fn names_in(&self, schema: &str) -> Option<CubeResult<Vec<String>>> {
        if let Ok(store) = self.store(schema) {
            return Some(store.names().await);
        }
        self.schema(schema).map(|schema| Ok(schema.table_names()))
    }

    /// A schema that is known to hold `table`, without I/O.
    pub(crate) fn listed_schema_with(&self, table: &str) -> Option<String> {
        self.schema_names().into_iter().find(|name| {
            self.schema(name)
                .is_some_and(|schema| schema.table_exist(table))
        })
    }

    /// Names of the columns of all cubes opened so far, without I/O.
    pub(crate) fn known_columns(&self) -> BTreeSet<String> {
        self.stores()
            .iter()
            .flat_map(|store| store.opened())
            .flat_map(|opened| {
                let fields = opened.cube.schema.fields().iter();
                fields.map(|field| field.name().clone()).collect::<Vec<_>>()
            })
            .collect()
    }

    /// All schemas that can stand in SQL.
    pub(crate) fn schema_names_with_system(&self) -> Vec<String> {
        let mut names = self.schema_names();
        names.push("information_schema".to_string());
        names
    }

    fn unknown_store(&self, name: &str) -> CubeError {
        let stores = self.stores();
        let names: Vec<&str> = stores
            .iter()
            .map(|store| store.definition.name.as_str())
            .collect();
        let error = CubeError::not_found("", format!("there is no store {}", quoted(name)));
        match nearest(name, names).first() {
            Some(near) => error.remedy(format!("did you mean {}?", quoted(near))),
            None => error.remedy("SHOW STORES lists what is attached"),
        }
    }
}

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        let mut names: Vec<String> = lock(&self.stores).keys().cloned().collect();
        names.push(PUBLIC_SCHEMA.to_string());
        names.push(SYSTEM_SCHEMA.to_string());
        names
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match name {
            PUBLIC_SCHEMA => Some(Arc::clone(&self.public) as _),
            SYSTEM_SCHEMA => Some(Arc::clone(&self.system) as _),
            GRID_SCHEMA => Some(Arc::clone(&self.grids) as _),
            _ => Some(lock(&self.stores).get(name).cloned()? as _),
        }
    }
}

fn is_reserved(name: &str) -> bool {
    [
        PUBLIC_SCHEMA,
        SYSTEM_SCHEMA,
        GRID_SCHEMA,
        "information_schema",
        "pg_catalog",
    ]
    .contains(&name)
}
