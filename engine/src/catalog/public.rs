//! The schema `public`: views, external tables, functions, and files and URLs that stand in `FROM`.

mod places;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::ViewTable;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::{DdlStatement, LogicalPlan, ScalarUDF, TableType};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{CreateExternalTable, Statement as SqlStatement};
use datafusion::sql::sqlparser::ast::Statement as AstStatement;
use futures::StreamExt;
use tokio::sync::OnceCell;

use super::definition::{Definition, FUNCTION, Key, Made};
use super::definitions_file::DefinitionsFile;
use super::files;
use super::opener::{OpenedCube, Opener};
use super::store::lock;
use super::visible::VisibleCatalog;
use super::{OPENED_AT_ONCE, TableEntry, TableKind};
use crate::access::{Action, User};
use crate::engine::Shared;
use crate::error::{CubeError, ErrorKind};
use crate::grids::planning_session;
use crate::options::CubeOptions;
use crate::session::{new_state, new_state_in};
use crate::source::Options;
use crate::sql::addresses::without_query;
use crate::sql::functions::{is_in_sql, sql_function};
use crate::sql::names::{PUBLIC_SCHEMA, quoted};
use crate::sql::parser::option_text;
use crate::sql::planning::plan;

tokio::task_local! {
    /// The views that are being resolved: a view among them refers to itself.
    static RESOLVING: Vec<String>;
}

/// The schema of everything that is not in a store.
#[derive(Debug)]
pub(crate) struct PublicSchema {
    opener: Arc<Opener>,
    objects: Mutex<BTreeMap<Key, Arc<Object>>>,
    file: Option<DefinitionsFile>,
    /// The engine, for planning views. Set once the engine is built.
    engine: OnceLock<Weak<Shared>>,
    /// How often functions have changed.
    functions_changed: AtomicU64,
}

/// A definition and, for external tables, what it opened.
#[derive(Debug)]
struct Object {
    definition: Definition,
    opened: OnceCell<External>,
}

impl Object {
    fn new(definition: Definition) -> Self {
        Self {
            definition,
            opened: OnceCell::new(),
        }
    }
}

/// An external table that is open.
#[derive(Debug)]
enum External {
    /// The cube, and one more table per further set of dimensions or group.
    Cubes(Vec<OpenedCube>),
    Files(Arc<dyn TableProvider>),
}

impl PublicSchema {
    /// Reads the definitions in `file`. Resolves nothing.
    ///
    /// # Errors
    /// The file cannot be read or parsed.
    pub(crate) fn new(opener: Arc<Opener>, file: Option<DefinitionsFile>) -> Result<Self> {
        let definitions = match &file {
            Some(file) => file.read()?,
            None => vec![],
        };
        Ok(Self {
            opener,
            objects: Mutex::new(by_name(definitions)),
            file,
            engine: OnceLock::new(),
            functions_changed: AtomicU64::new(1),
        })
    }

    /// Tells the schema which engine plans its views. Only the first call counts.
    pub(crate) fn belongs_to(&self, engine: Weak<Shared>) {
        self.engine.get_or_init(|| engine);
    }

    /// Adds a view or an external table, and writes the catalogue. Resolves it first, so that what
    /// cannot work is refused.
    ///
    /// # Errors
    /// The name is taken, the definition cannot be resolved, or the catalogue cannot be written.
    pub(crate) async fn create(
        &self,
        definition: Definition,
        seen: &Arc<VisibleCatalog>,
    ) -> Result<()> {
        let (key, name) = (definition.key(), definition.name.clone());
        if let Some(existing) = self.object(&key) {
            if definition.only_if_new() {
                return Ok(());
            }
            if !definition.replaces() {
                let noun = existing.definition.noun();
                return Err(CubeError::invalid(
                    "",
                    format!("the {noun} {} is there", quoted(&name)),
                )
                .remedy("say CREATE OR REPLACE, or DROP it first")
                .into());
            }
        }
        let object = Arc::new(Object::new(definition));
        match object.definition.made {
            Made::Function(_) => {
                let mut state = self.state(seen)?;
                self.add_functions(&mut state).await;
                function(&object.definition, &state).await?;
            }
            _ => {
                self.resolve(&object, seen).await?;
            }
        }
        self.change(|objects| {
            objects.insert(key, object);
        })
    }

    /// Removes what `noun` says, a `view`, an external `table` or a `function`, and writes the catalogue. To who does not
    /// know it, it is not there.
    ///
    /// # Errors
    /// There is none of that name and kind, or the catalogue cannot be written.
    pub(crate) fn remove(
        &self,
        name: &str,
        noun: &str,
        if_exists: bool,
        is_known: bool,
    ) -> Result<()> {
        let key = Key::of(name, noun);
        match self.object(&key).filter(|_| is_known) {
            None if if_exists => Ok(()),
            None => Err(
                CubeError::not_found("", format!("there is no {noun} {}", quoted(name)))
                    .remedy(self.where_else(name, noun))
                    .into(),
            ),
            Some(object) if object.definition.noun() != noun => {
                let other = object.definition.noun();
                Err(
                    CubeError::invalid("", format!("{} is a {other}", quoted(name)))
                        .remedy(format!("DROP {} {}", other.to_uppercase(), quoted(name)))
                        .into(),
                )
            }
            Some(_) => self.change(|objects| {
                objects.remove(&key);
            }),
        }
    }

    /// Where something may be that is not here.
    fn where_else(&self, name: &str, noun: &str) -> &'static str {
        match noun {
            FUNCTION => "SHOW FUNCTIONS lists what there is",
            "table" if name.contains('/') => {
                "a cube is dropped by its name in a store: ATTACH the folder it lies in, then DROP TABLE store.name"
            }
            _ if self.file.is_none() => {
                "SHOW TABLES FROM public lists what there is; what earlier sessions declared is kept where --config \
                 names a file, and a cube in a store is dropped as store.name"
            }
            _ => "SHOW TABLES FROM public lists what there is",
        }
    }

    /// Opens an external table again when it is used next. To who does not know it, it is not there.
    ///
    /// # Errors
    /// There is no such table.
    pub(crate) fn refresh(&self, name: &str, is_known: bool) -> Result<()> {
        let Some(object) = self.table(name).filter(|_| is_known) else {
            return Err(
                CubeError::not_found("", format!("there is no table {}", quoted(name)))
                    .remedy("the tables of a store are refreshed together: REFRESH STORE name")
                    .into(),
            );
        };
        let fresh = Object {
            definition: object.definition.clone(),
            opened: OnceCell::new(),
        };
        let key = fresh.definition.key();
        lock(&self.objects).insert(key, Arc::new(fresh));
        Ok(())
    }

    /// Everything declared here, for the system tables. Opens external tables, but no view.
    pub(crate) async fn entries(&self) -> Vec<TableEntry> {
        let objects: Vec<Arc<Object>> = lock(&self.objects).values().cloned().collect();
        futures::stream::iter(objects)
            .map(|object| self.entries_of(object))
            .buffered(OPENED_AT_ONCE)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .flatten()
            .collect()
    }

    async fn entries_of(&self, object: Arc<Object>) -> Vec<TableEntry> {
        let definition = &object.definition;
        let entry = |name: &str, url: String, kind| TableEntry {
            schema: PUBLIC_SCHEMA.to_string(),
            name: name.to_string(),
            url,
            kind,
        };
        let table = match &definition.made {
            Made::ExternalTable(table) => table,
            Made::View(_) => return vec![entry(&definition.name, String::new(), TableKind::View)],
            Made::Function(_) => return vec![],
        };
        let urls: Vec<&str> = table
            .locations
            .iter()
            .map(|url| without_query(url))
            .collect();
        let url = urls.join(", ");
        match self.external(&object, table).await {
            Ok(External::Cubes(opened)) => opened
                .iter()
                .map(|opened| {
                    let cube = Arc::clone(&opened.cube);
                    entry(&opened.cube.name, url.clone(), TableKind::Cube(cube))
                })
                .collect(),
            Ok(External::Files(_)) => vec![entry(&definition.name, url, TableKind::Files)],
            Err(error) => {
                let broken = TableKind::Broken(CubeError::unsupported("", error));
                vec![entry(&definition.name, url, broken)]
            }
        }
    }

    /// The names of all views and external tables.
    pub(crate) fn table_names(&self) -> Vec<String> {
        let objects = lock(&self.objects);
        let tables = objects
            .values()
            .filter(|object| !object.definition.is_function());
        tables
            .map(|object| object.definition.name.clone())
            .collect()
    }

    /// What kind of table it is.
    pub(crate) fn table_type(&self, name: &str) -> Option<TableType> {
        match self.table(name)?.definition.made {
            Made::View(_) => Some(TableType::View),
            Made::ExternalTable(_) => Some(TableType::Base),
            Made::Function(_) => None,
        }
    }

    fn object(&self, key: &Key) -> Option<Arc<Object>> {
        lock(&self.objects).get(key).cloned()
    }

    /// A view or an external table.
    fn table(&self, name: &str) -> Option<Arc<Object>> {
        self.object(&Key::of_table(name))
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<Key, Arc<Object>>)) -> Result<()> {
        let mut objects = lock(&self.objects);
        self.functions_changed.fetch_add(1, Relaxed);
        let Some(file) = &self.file else {
            change(&mut objects);
            return Ok(());
        };
        let mut fresh = by_name(file.read()?);
        for (name, object) in &mut fresh {
            if let Some(known) = objects.get(name)
                && known.definition == object.definition
            {
                *object = Arc::clone(known);
            }
        }
        change(&mut fresh);
        file.write(fresh.values().map(|object| &object.definition))?;
        *objects = fresh;
        Ok(())
    }

    async fn resolve(
        &self,
        object: &Object,
        seen: &Arc<VisibleCatalog>,
    ) -> Result<Arc<dyn TableProvider>> {
        let definition = &object.definition;
        match &definition.made {
            Made::View(view) => {
                // Whether the view may be there already has been decided; the planner cannot.
                let mut view = (**view).clone();
                view.if_not_exists = false;
                let statement = AstStatement::CreateView(view);
                let plan = self.plan(&definition.name, statement, seen).await?;
                // The text names tables that not everybody knows.
                let is_owner = seen
                    .check(Action::Change, PUBLIC_SCHEMA, &definition.name)
                    .is_ok();
                let text = is_owner.then(|| definition.text.clone());
                Ok(Arc::new(ViewTable::new(plan, text)))
            }
            Made::ExternalTable(table) => match self.external(object, table).await? {
                External::Cubes(opened) => the_main_table(opened, &definition.name),
                External::Files(table) => Ok(Arc::clone(table)),
            },
            Made::Function(_) => {
                let name = quoted(&definition.name);
                Err(CubeError::invalid("", format!("{name} is a function, not a table")).into())
            }
        }
    }

    /// Makes the functions of the session those of the catalogue, if they are not. `seen` is what the session
    /// knows of their changes.
    pub(crate) async fn update_functions(&self, context: &SessionContext, seen: &AtomicU64) {
        let changed = self.functions_changed.load(Relaxed);
        if seen.swap(changed, Relaxed) == changed {
            return;
        }
        let mut state = context.state();
        let known = state.scalar_functions().iter();
        let gone = known.filter(|(_, function)| is_in_sql(function));
        let gone: Vec<String> = gone.map(|(name, _)| name.clone()).collect();
        for name in gone {
            context.deregister_udf(&name);
            // It is known to be there.
            let _ = state.deregister_udf(&name);
        }
        for function in self.add_functions(&mut state).await {
            context.register_udf(function.as_ref().clone());
        }
    }

    /// Adds the functions of the catalogue to a state, and tells which they are. One that cannot be made any
    /// more, because another one that it uses is gone, is missed where it is called.
    async fn add_functions(&self, state: &mut SessionState) -> Vec<Arc<ScalarUDF>> {
        let mut waiting: Vec<Arc<Object>> = lock(&self.objects).values().cloned().collect();
        waiting.retain(|object| object.definition.is_function());
        let mut made = Vec::new();
        // Functions may use each other, in any order.
        loop {
            let before = waiting.len();
            let mut left = Vec::new();
            for object in waiting {
                match function(&object.definition, state).await {
                    Ok(function) => {
                        if state.register_udf(Arc::clone(&function)).is_ok() {
                            made.push(function);
                        }
                    }
                    Err(_) => left.push(object),
                }
            }
            if left.is_empty() || left.len() == before {
                return made;
            }
            waiting = left;
        }
    }

    /// Plans a view for who reads it. The plan of a view that refers to itself would never end.
    async fn plan(
        &self,
        name: &str,
        statement: AstStatement,
        seen: &Arc<VisibleCatalog>,
    ) -> Result<LogicalPlan> {
        let mut resolving = RESOLVING.try_with(Clone::clone).unwrap_or_default();
        if resolving.iter().any(|view| view == name) {
            return Err(
                CubeError::invalid("", format!("view {} refers to itself", quoted(name)))
                    .remedy(format!("by way of {}", resolving.join(", ")))
                    .into(),
            );
        }
        resolving.push(name.to_string());
        let mut state = match planning_session() {
            Some(session) => self.state_within(&session, seen)?,
            None => self.state(seen)?,
        };
        let statement = SqlStatement::Statement(Box::new(statement));
        let is_admin = seen.user().privileges.is_admin();
        let seen = Arc::clone(seen);
        let planning: std::pin::Pin<Box<dyn Future<Output = Result<LogicalPlan>> + Send>> =
            Box::pin(async move {
                seen.public().add_functions(&mut state).await;
                plan(&state, &seen, statement).await
            });
        let place = format!("view {}", quoted(name));
        let plan = RESOLVING
            .scope(resolving, planning)
            .await
            .map_err(|error| match is_admin {
                true => within(error, &place),
                // What is wrong names tables and columns that not everybody knows.
                false => CubeError::new(ErrorKind::Denied, &place, "the view cannot be read")
                    .remedy("it may read what you are not granted: ask whoever made it")
                    .into(),
            })?;
        match plan {
            LogicalPlan::Ddl(DdlStatement::CreateView(view)) => Ok((*view.input).clone()),
            _ => Err(CubeError::invalid(place, "the definition is no view").into()),
        }
    }

    async fn external<'a>(
        &self,
        object: &'a Object,
        table: &CreateExternalTable,
    ) -> Result<&'a External> {
        object
            .opened
            .get_or_try_init(|| async {
                let name = &object.definition.name;
                let within = |error: CubeError| error.within(&format!("table {}", quoted(name)));
                let options = options_of(table);
                if let Some(format) = self.opener.table_format_named(&table.file_type) {
                    let opened = self.opener.open_table(format, &table.locations, &options);
                    return Ok(External::Files(opened.await.map_err(within)?));
                }
                let Some(format) = self.opener.format_named(&table.file_type) else {
                    let files =
                        files::external(&self.opener, &self.nobodys_state()?, table).await?;
                    return Ok(External::Files(files));
                };
                self.opener
                    .open_locations(&format, &table.locations, &options, name, None)
                    .await
                    .map(External::Cubes)
                    .map_err(|error| within(error).into())
            })
            .await
    }

    /// A state with the settings that a session begins with, in which names mean what `seen` says.
    ///
    /// # Errors
    /// The engine is shutting down.
    pub(crate) fn state(&self, seen: &Arc<VisibleCatalog>) -> Result<SessionState> {
        Ok(new_state(&*self.engine()?, seen))
    }

    /// The same with what the user of `session` may use: who reads a view pays for it, for its grid functions, too.
    fn state_within(
        &self,
        session: &SessionState,
        seen: &Arc<VisibleCatalog>,
    ) -> Result<SessionState> {
        let runtime = Arc::clone(session.runtime_env());
        let mut state = new_state_in(runtime, &*self.engine()?, seen);
        let options = CubeOptions::of(session.config_options());
        let extensions = &mut state.config_mut().options_mut().extensions;
        extensions.insert(options);
        Ok(state)
    }

    /// A state for reading places, in which no name is looked up.
    fn nobodys_state(&self) -> Result<SessionState> {
        let engine = self.engine()?;
        let nobody = Arc::new(User::default());
        let seen = VisibleCatalog::new(Arc::clone(&engine.catalog), nobody);
        Ok(new_state(&engine, &seen))
    }

    fn engine(&self) -> Result<Arc<Shared>> {
        let engine = self.engine.get().and_then(Weak::upgrade);
        engine.ok_or_else(|| CubeError::invalid("", "the engine is shutting down").into())
    }
}

/// The function that a definition makes, which may use those of `state`.
async fn function(definition: &Definition, state: &SessionState) -> Result<Arc<ScalarUDF>> {
    let Made::Function(create) = &definition.made else {
        return Err(CubeError::invalid(&definition.name, "this is no function").into());
    };
    let made = sql_function(state, &definition.name, create).await;
    let place = format!("function {}", quoted(&definition.name));
    made.map(Arc::new).map_err(|error| within(error, &place))
}

/// Adds the place to an error of a definition.
fn within(error: DataFusionError, place: &str) -> DataFusionError {
    match &error {
        DataFusionError::External(inner) => match inner.downcast_ref::<CubeError>() {
            Some(error) => error.clone().within(place).into(),
            None => error.context(place),
        },
        _ => CubeError::invalid(place, error.strip_backtrace()).into(),
    }
}

fn options_of(table: &CreateExternalTable) -> Options {
    let options = table.options.iter();
    options
        .map(|(key, value)| (key.to_lowercase(), option_text(value)))
        .collect()
}

/// Of several sets of dimensions the one that carries the table's own name.
fn the_main_table(opened: &[OpenedCube], name: &str) -> Result<Arc<dyn TableProvider>> {
    opened
        .iter()
        .find(|opened| opened.cube.name == name)
        .or(opened.first())
        .map(|opened| Arc::clone(&opened.table))
        .ok_or_else(|| CubeError::unsupported(name, "there is no table in it").into())
}

fn by_name(definitions: Vec<Definition>) -> BTreeMap<Key, Arc<Object>> {
    definitions
        .into_iter()
        .map(|definition| (definition.key(), Arc::new(Object::new(definition))))
        .collect()
}
