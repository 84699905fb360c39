//! The catalogue: every schema and table that a name in SQL can mean. Shared by all sessions, each of which sees what its
//! user may see of it, see [`visible`].
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
pub(crate) mod visible;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use datafusion::common::Result;

use crate::access::Directory;
use crate::cache::BlockCache;
use crate::configuration::StoreDefinition;
use crate::cube::Cube;
use crate::error::{CubeError, CubeResult};
use crate::grids::GRID_SCHEMA;
use crate::queries::Queries;
use crate::sql::names::{PUBLIC_SCHEMA, quoted};
use crate::statistics::StatisticsStore;
use crate::write::jobs::Jobs;
use opener::Opener;
use public::PublicSchema;
use store::{Store, lock};
use system::SYSTEM_SCHEMA;

/// Cubes that are opened at once.
pub(crate) const OPENED_AT_ONCE: usize = 32;

/// The one catalogue of an engine.
#[derive(Debug)]
pub(crate) struct Catalog {
    opener: Arc<Opener>,
    stores: Mutex<BTreeMap<String, Arc<Store>>>,
    /// The stores of the configuration file.
    configured: Mutex<Vec<StoreDefinition>>,
    /// Views, external tables, files.
    pub(crate) public: Arc<PublicSchema>,
    /// The cubes that are being made.
    pub(crate) jobs: Jobs,
    /// The statements that run, or ended lately.
    pub(crate) queries: Queries,
    /// Roles and users.
    pub(crate) directory: Arc<Directory>,
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
    pub(crate) fn new(opener: Arc<Opener>, public: PublicSchema, directory: Directory) -> Self {
        Self {
            opener,
            stores: Mutex::default(),
            configured: Mutex::default(),
            public: Arc::new(public),
            jobs: Jobs::default(),
            queries: Queries::default(),
            directory: Arc::new(directory),
        }
    }

    /// Adds a store under its name. Does no I/O.
    ///
    /// # Errors
    /// The name is taken.
    pub(crate) fn attach(&self, definition: StoreDefinition) -> CubeResult<Arc<Store>> {
        self.attach_among(&mut lock(&self.stores), definition)
    }

    fn attach_among(
        &self,
        stores: &mut BTreeMap<String, Arc<Store>>,
        definition: StoreDefinition,
    ) -> CubeResult<Arc<Store>> {
        let name = definition.name.clone();
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

    /// Takes over what the configuration file says now: stores that it no longer describes are forgotten, those that it
    /// describes in another way are opened anew, and the others, with those that statements have attached, stay as they
    /// are. Does `then` before anything changes.
    ///
    /// # Errors
    /// The name of a store is taken, or what `then` says. Nothing changes then.
    pub(crate) fn configure(
        &self,
        definitions: Vec<StoreDefinition>,
        then: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let mut configured = lock(&self.configured);
        let mut stores = lock(&self.stores);
        let mut next = stores.clone();
        let (kept, gone): (Vec<_>, Vec<_>) = configured
            .iter()
            .partition(|before| definitions.contains(before));
        for before in gone {
            // Whoever has attached another one under its name keeps that.
            if next
                .get(&before.name)
                .is_some_and(|store| store.definition == *before)
            {
                next.remove(&before.name);
            }
        }
        for definition in &definitions {
            // One that was detached meanwhile stays so, as long as the file says the same of it.
            if !kept.contains(&definition) {
                self.attach_among(&mut next, definition.clone())?;
            }
        }
        then()?;
        *stores = next;
        *configured = definitions;
        Ok(())
    }

    /// Forgets a store, if it is there. Queries that run keep what they opened.
    pub(crate) fn detach(&self, name: &str) {
        lock(&self.stores).remove(name);
    }

    /// What is known of the values of cubes without reading them.
    pub(crate) fn statistics(&self) -> &Arc<StatisticsStore> {
        &self.opener.statistics
    }

    /// Where decoded chunks are kept.
    pub(crate) fn blocks(&self) -> &Arc<BlockCache> {
        &self.opener.blocks
    }

    /// An attached store.
    pub(crate) fn store(&self, name: &str) -> Option<Arc<Store>> {
        lock(&self.stores).get(name).cloned()
    }

    /// All attached stores in the order of their names.
    pub(crate) fn stores(&self) -> Vec<Arc<Store>> {
        lock(&self.stores).values().cloned().collect()
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
