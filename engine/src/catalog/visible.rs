//! The catalogue as one user sees it, and the only way from a name to a table: [`VisibleCatalog`].
//!
//! ```text
//!  every name ─▶ VisibleCatalog.schema ─▶ VisibleSchema.table ─┬─ nothing is granted: there is no such table
//!  (FROM, calls, views, commands, cube.*,                      ├─ a part is granted:  access::partial
//!   information_schema, completions, "did you mean")           └─ all is granted:     Store or PublicSchema
//! ```
//! The operator of the command line goes this way, too, and sees everything.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::TableType;
use futures::StreamExt;
use futures::stream::BoxStream;

use super::public::PublicSchema;
use super::store::Store;
use super::system::{SYSTEM_SCHEMA, SystemSchema};
use super::{Catalog, TableEntry, TableKind};
use crate::access::partial::{Partial, partial};
use crate::access::{Action, CurrentUser, GrantEntry, Holder, Part, Reading, User};
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::grids::{GRID_SCHEMA, GridSchema, planning_session};
use crate::queries::{Owner, Queries, QueryEntry};
use crate::scan::CubeTable;
use crate::sql::names::{PUBLIC_SCHEMA, qualified, quoted};
use crate::sql::suggestions::nearest;
use crate::sql::versions::parts;
use crate::statistics::StatisticsStore;
use crate::write::jobs::Job;

/// What a user sees of the catalogue.
#[derive(Debug)]
pub(crate) struct VisibleCatalog {
    catalog: Arc<Catalog>,
    user: CurrentUser,
    system: Arc<SystemSchema>,
    /// Calls of grid functions.
    grids: Arc<GridSchema>,
    /// Below this folder it may write files, whatever the user may.
    outlet: OnceLock<PathBuf>,
    /// The number of its session, where its user is several people.
    alone: OnceLock<u64>,
    this: Weak<Self>,
}

impl VisibleCatalog {
    /// What `user` sees of `catalog`.
    pub(crate) fn new(catalog: Arc<Catalog>, user: Arc<User>) -> Arc<Self> {
        let user = CurrentUser::new(Arc::clone(&catalog.directory), &user);
        Arc::new_cyclic(|this: &Weak<Self>| Self {
            catalog,
            user,
            system: Arc::new(SystemSchema::new(this.clone())),
            grids: Arc::new(GridSchema::new(this.clone())),
            outlet: OnceLock::new(),
            alone: OnceLock::new(),
            this: this.clone(),
        })
    }

    /// Whose view it is, with what they may do now.
    pub(crate) fn user(&self) -> Arc<User> {
        self.user.now()
    }

    /// What has been given to whom, as far as the user may know.
    pub(crate) fn grants(&self) -> Vec<GrantEntry> {
        self.catalog.directory.list(&self.user())
    }

    /// A role or user of whom the user may know.
    ///
    /// # Errors
    /// There is none of this name.
    pub(crate) fn holder(&self, name: &str) -> CubeResult<Holder> {
        self.catalog.directory.find(name, &self.user())
    }

    /// Views, external tables and functions, for who has checked what may be done with them.
    pub(crate) fn public(&self) -> &PublicSchema {
        &self.catalog.public
    }

    /// What is known of the values of cubes without reading them.
    pub(crate) fn statistics(&self) -> &Arc<StatisticsStore> {
        self.catalog.statistics()
    }

    /// The whole catalogue, for what only an administrator may do.
    ///
    /// # Errors
    /// The user is none.
    pub(crate) fn administered(&self, what: &str) -> CubeResult<&Catalog> {
        match self.user().privileges.is_admin() {
            true => Ok(&self.catalog),
            false => Err(denied(what, "ADMIN")),
        }
    }

    /// A store in which there is something for the user.
    ///
    /// # Errors
    /// There is no such store.
    pub(crate) fn store(&self, name: &str) -> CubeResult<Arc<Store>> {
        let store = self.user().privileges.sees_schema(name);
        let store = store.then(|| self.catalog.store(name)).flatten();
        store.ok_or_else(|| self.unknown_store(name))
    }

    /// The stores in which there is something for the user, in the order of their names.
    pub(crate) fn stores(&self) -> Vec<Arc<Store>> {
        let mut stores = self.catalog.stores();
        stores.retain(|store| self.user().privileges.sees_schema(&store.definition.name));
        stores
    }

    /// What the user may read of a table, whatever its version.
    pub(crate) fn reading(&self, schema: &str, table: &str) -> Reading {
        self.user().privileges.reading(schema, base(table))
    }

    /// May the user do something with a table that has this name, or would have it?
    ///
    /// # Errors
    /// It is not granted. What the error says is the same whether there is such a table or not.
    pub(crate) fn check(&self, action: Action, schema: &str, table: &str) -> CubeResult<()> {
        match self.user().privileges.may(action, schema, base(table)) {
            true => Ok(()),
            false => {
                let name = qualified(schema, base(table));
                let what = format!("to change {name}");
                let privilege = format!("{} ON {name}", action.privilege());
                Err(denied(&what, &privilege))
            }
        }
    }

    /// May the user do something with all tables of a store?
    ///
    /// # Errors
    /// It is not granted.
    pub(crate) fn check_store(&self, action: Action, schema: &str) -> CubeResult<()> {
        match self.user().privileges.may_with_all(action, schema) {
            true => Ok(()),
            false => {
                let name = quoted(schema);
                let privilege = format!("{} ON STORE {name}", action.privilege());
                Err(denied(&format!("to change the store {name}"), &privilege))
            }
        }
    }

    /// May the user read files by their names?
    ///
    /// # Errors
    /// It is not granted. What the error says is the same whether there is such a file or not.
    pub(crate) fn check_reading_files(&self) -> CubeResult<()> {
        match self.user().privileges.reads_files() {
            true => Ok(()),
            false => Err(denied("to read files and addresses by name", "FILES")),
        }
    }

    /// May the user write files?
    ///
    /// # Errors
    /// It is not granted.
    pub(crate) fn check_writing_files(&self) -> CubeResult<()> {
        match self.user().privileges.writes_files() {
            true => Ok(()),
            false => Err(denied("to write files and addresses", "WRITE FILES")),
        }
    }

    /// Lets files be written below a folder, the first one that is named.
    pub(crate) fn open_outlet(&self, folder: &Path) {
        self.outlet.get_or_init(|| folder.to_path_buf());
    }

    /// May a file be written to `target`?
    ///
    /// # Errors
    /// It is not below the folder of the session, and the user may not write files.
    pub(crate) fn check_writing_to(&self, target: &str) -> CubeResult<()> {
        match self.outlet.get() {
            Some(folder) if is_below(folder, target) => Ok(()),
            _ => self.check_writing_files(),
        }
    }

    /// A statement as the cube that it makes tells it: whoever gets the cube is told nothing of the session's folder.
    pub(crate) fn without_outlet(&self, statement: &str) -> String {
        match self.outlet.get() {
            Some(folder) => statement.replace(&format!("{}/", folder.display()), ""),
            None => statement.to_string(),
        }
    }

    /// The cubes that are being made, as far as they are the user's.
    pub(crate) fn jobs(&self) -> Vec<Job> {
        let mut jobs = self.catalog.jobs.list();
        jobs.retain(|job| self.is_of(&job.owner));
        jobs
    }

    /// Stops a job of the user.
    ///
    /// # Errors
    /// No such job of this number runs.
    pub(crate) fn cancel_job(&self, number: u64) -> CubeResult<()> {
        self.catalog
            .jobs
            .cancel(number, |job| self.is_of(&job.owner))
    }

    /// The statements that run, or ended lately, as far as they are the user's.
    pub(crate) fn queries(&self) -> Vec<QueryEntry> {
        let mut queries = self.catalog.queries.list();
        queries.retain(|query| self.is_of(&query.owner));
        queries
    }

    /// Where statements are listed.
    pub(crate) fn all_queries(&self) -> &Queries {
        &self.catalog.queries
    }

    /// Stops a statement of the user.
    ///
    /// # Errors
    /// No such statement of this number runs.
    pub(crate) fn cancel_query(&self, number: u64) -> CubeResult<()> {
        let queries = &self.catalog.queries;
        queries.cancel(number, |query| self.is_of(&query.owner))
    }

    /// Whose the statements of its session are.
    pub(crate) fn owner(&self) -> Owner {
        Owner {
            user: self.user().name.clone(),
            session: self.alone.get().copied(),
        }
    }

    /// Tells its session from others of the same user.
    pub(crate) fn keep_alone(&self) {
        self.alone
            .get_or_init(|| self.catalog.queries.new_session());
    }

    /// Is what somebody runs the business of this one?
    fn is_of(&self, owner: &Owner) -> bool {
        self.user().privileges.is_admin() || *owner == self.owner()
    }

    /// Everything there is, in one schema or in all. Opens what is not yet open, store by store,
    /// many cubes of a store at once.
    pub(crate) fn entries(
        self: &Arc<Self>,
        schema: Option<String>,
    ) -> BoxStream<'static, Vec<TableEntry>> {
        let is_wanted = |name: &str| schema.as_deref().is_none_or(|wanted| wanted == name);
        let public = is_wanted(PUBLIC_SCHEMA).then(|| Arc::clone(&self.catalog.public));
        let mut stores = self.stores();
        stores.retain(|store| is_wanted(&store.definition.name));
        let of_stores =
            futures::stream::iter(stores).then(|store| async move { store.open_all().await });
        let of_public =
            futures::stream::iter(public).then(|public| async move { public.entries().await });
        let this = Arc::clone(self);
        let entries = of_stores.chain(of_public);
        let visible = entries.map(move |entries| {
            let seen = entries.into_iter().filter_map(|entry| this.seen(entry));
            seen.collect()
        });
        visible.boxed()
    }

    /// An entry as the user sees it.
    fn seen(&self, entry: TableEntry) -> Option<TableEntry> {
        // A store that cannot be listed is an entry without a name.
        if matches!(&entry.kind, TableKind::Broken(_)) && entry.name == "*" {
            return Some(entry);
        }
        let part = match self.reading(&entry.schema, &entry.name) {
            Reading::Nothing => return None,
            Reading::Everything => return Some(entry),
            Reading::Some(part) => part,
        };
        let kind = match &entry.kind {
            TableKind::Cube(cube) => {
                let blocks = Arc::clone(self.catalog.blocks());
                let whole: Arc<dyn TableProvider> =
                    Arc::new(CubeTable::new(Arc::clone(cube), blocks));
                match self.part_of(&whole, &part) {
                    Ok(Partial::Cube(table)) => TableKind::Cube(Arc::clone(table.cube())),
                    Ok(Partial::Columns(_)) => TableKind::View,
                    Err(error) => TableKind::Broken(CubeError::unsupported("", error)),
                }
            }
            other => other.clone(),
        };
        Some(TableEntry { kind, ..entry })
    }

    /// Opens every cube, so that `information_schema` knows their names and columns.
    pub(crate) async fn open_everything(self: &Arc<Self>) {
        self.entries(None).for_each(|_| async {}).await;
    }

    /// The names of tables in a schema; lists a store that was not listed. `None`: no such schema.
    pub(crate) async fn names_in(&self, schema: &str) -> Option<CubeResult<Vec<String>>> {
        if let Ok(store) = self.store(schema) {
            let names = store.names().await;
            return Some(names.map(|names| self.readable(schema, names)));
        }
        self.schema(schema).map(|schema| Ok(schema.table_names()))
    }

    /// How many tables of a store the user knows without I/O.
    pub(crate) fn known_names(&self, store: &Store) -> usize {
        let schema = &store.definition.name;
        self.readable(schema, store.known_names()).len()
    }

    fn readable(&self, schema: &str, mut names: Vec<String>) -> Vec<String> {
        names.retain(|name| self.reading(schema, name) != Reading::Nothing);
        names
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
        let mut known = BTreeSet::new();
        for store in self.stores() {
            for opened in store.opened() {
                let granted = match self.reading(&store.definition.name, &opened.cube.name) {
                    Reading::Nothing => continue,
                    Reading::Everything => None,
                    Reading::Some(part) => part.columns,
                };
                let names = opened.cube.schema.fields().iter().map(|field| field.name());
                let names = names.filter(|name| {
                    let granted = granted.as_ref();
                    granted.is_none_or(|granted| granted.contains(*name))
                });
                known.extend(names.cloned());
            }
        }
        known
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

    /// A session state with the settings that a session begins with, and this view of the catalogue.
    ///
    /// # Errors
    /// The engine is shutting down.
    pub(crate) fn new_state(&self) -> Result<SessionState> {
        let this = self.this.upgrade();
        let this =
            this.ok_or_else(|| CubeError::invalid("", "the session has ended before its end"))?;
        self.catalog.public.state(&this)
    }

    fn part_of(&self, table: &Arc<dyn TableProvider>, part: &Part) -> Result<Partial> {
        partial(table, part, &self.new_state()?)
    }

    async fn table(&self, schema: &str, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let reading = self.reading(schema, name);
        let found = match (schema, self.this.upgrade(), &reading) {
            (PUBLIC_SCHEMA, Some(this), _) => {
                let is_known = reading != Reading::Nothing;
                return match self.catalog.public.find(name, is_known, &this).await? {
                    Some(Place::Named(table)) => self.as_granted(table, &reading).map(Some),
                    Some(Place::Address(table)) => Ok(Some(table)),
                    None => Ok(None),
                };
            }
            (_, _, Reading::Nothing) | (PUBLIC_SCHEMA, None, _) => return Ok(None),
            (store, ..) => match self.catalog.store(store) {
                Some(store) => {
                    let place = format!("{}.{}", quoted(schema), quoted(name));
                    let found = store.find(name).await;
                    found.map_err(|error| error.within(&place))?
                }
                None => None,
            },
        };
        found
            .map(|table| self.as_granted(table, &reading))
            .transpose()
    }

    fn as_granted(
        &self,
        table: Arc<dyn TableProvider>,
        reading: &Reading,
    ) -> Result<Arc<dyn TableProvider>> {
        match reading {
            Reading::Some(part) => Ok(self.part_of(&table, part)?.table()),
            _ => Ok(table),
        }
    }
}

/// What a name in the schema `public` leads to.
pub(crate) enum Place {
    /// Something that was declared.
    Named(Arc<dyn TableProvider>),
    /// A file or URL.
    Address(Arc<dyn TableProvider>),
}

/// The name of a table without a version of it.
fn base(table: &str) -> &str {
    parts(table).map_or(table, |(table, _)| table)
}

/// Does a path lead to something in the folder, without a way out of it?
fn is_below(folder: &Path, target: &str) -> bool {
    let Ok(rest) = Path::new(target).strip_prefix(folder) else {
        return false;
    };
    let is_name = |part| matches!(part, Component::Normal(_));
    folder.is_absolute() && rest.components().count() > 0 && rest.components().all(is_name)
}

fn denied(what: &str, privilege: &str) -> CubeError {
    CubeError::new(ErrorKind::Denied, "", format!("you are not allowed {what}"))
        .remedy(format!("it takes the privilege {privilege}"))
}

fn is_denied(error: &DataFusionError) -> bool {
    let cause = match error.find_root() {
        DataFusionError::External(cause) => cause.downcast_ref::<CubeError>(),
        _ => None,
    };
    cause.is_some_and(|cause| cause.kind() == ErrorKind::Denied)
}

impl CatalogProvider for VisibleCatalog {
    fn schema_names(&self) -> Vec<String> {
        let stores = self.stores();
        let names = stores.iter().map(|store| store.definition.name.clone());
        let ours = [PUBLIC_SCHEMA, SYSTEM_SCHEMA].map(String::from);
        names.chain(ours).collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match name {
            SYSTEM_SCHEMA => Some(Arc::clone(&self.system) as _),
            GRID_SCHEMA => Some(Arc::clone(&self.grids) as _),
            name if name == PUBLIC_SCHEMA || self.store(name).is_ok() => {
                Some(Arc::new(VisibleSchema {
                    catalog: self.this.clone(),
                    name: name.to_string(),
                }))
            }
            _ => None,
        }
    }
}

/// A store, or the schema `public`, as the user sees it.
#[derive(Debug)]
struct VisibleSchema {
    catalog: Weak<VisibleCatalog>,
    name: String,
}

#[async_trait]
impl SchemaProvider for VisibleSchema {
    fn table_names(&self) -> Vec<String> {
        let Some(seen) = self.catalog.upgrade() else {
            return Vec::new();
        };
        let names = match self.name.as_str() {
            PUBLIC_SCHEMA => seen.public().table_names(),
            store => seen
                .store(store)
                .map_or(Vec::new(), |store| store.known_names()),
        };
        seen.readable(&self.name, names)
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.catalog.upgrade() {
            Some(seen) => match seen.table(&self.name, name).await {
                // No statement names it: a list of columns goes on without what its reader may not read.
                Err(error) if planning_session().is_none() && is_denied(&error) => Ok(None),
                found => found,
            },
            None => Ok(None),
        }
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        let Some(seen) = self.catalog.upgrade() else {
            return Ok(None);
        };
        let is_known = seen.reading(&self.name, name) != Reading::Nothing;
        Ok(match self.name.as_str() {
            _ if !is_known => None,
            PUBLIC_SCHEMA => seen.public().table_type(name),
            _ => Some(TableType::Base),
        })
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_names().iter().any(|known| known == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_way_in() {
        for (folder, target, expected) in [
            ("/tmp/a", "/tmp/a/b.nc", true),
            ("/tmp/a", "/tmp/a/b/c.zarr", true),
            ("/tmp/a", "/tmp/a", false),
            ("/tmp/a", "/tmp/a/", false),
            ("/tmp/a", "/tmp/ab.nc", false),
            ("/tmp/a", "/tmp/a/../b.nc", false),
            ("/tmp/a", "/tmp/b/../a/b.nc", false),
            ("/tmp/a", "file:///tmp/a/b.nc", false),
            ("/tmp/a", "s3://tmp/a/b.nc", false),
            ("a", "a/b.nc", false),
        ] {
            assert_eq!(is_below(Path::new(folder), target), expected, "{target}");
        }
    }
}
