//! One client's session, and the one place where DataFusion's session state is put together.
//!
//! Sessions share the catalogue, the memory and the caches of their engine; settings (`SET`, `USE`,
//! `PREPARE`) are their own.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::datatypes::DataType;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemoryCatalogProviderList};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::sqlparser::keywords::ALL_KEYWORDS;
use graticule_functions::registry;

use crate::access::User;
use crate::catalog::of_session::SessionCatalog;
use crate::catalog::visible::VisibleCatalog;
use crate::engine::{Query, Shared};
use crate::limits::{Limits, UserLimits};
use crate::options::CubeOptions;
use crate::parts::Parts;
use crate::sql::described::{self, Described};
use crate::sql::names::{CATALOG, PUBLIC_SCHEMA, qualified, quoted};
use crate::sql::relations::CubeRelations;
use crate::sql::{parser, settings, statements};

/// Rows of a record batch. Larger than DataFusion's 8192, because a batch is cut out of a chunk and
/// chunks are large; small enough for the columns of a batch to stay in a core's cache.
const BATCH_SIZE: usize = 32_768;

/// Puts a session's state together.
pub(crate) fn new_state(engine: &Shared, seen: &Arc<VisibleCatalog>) -> SessionState {
    new_state_in(Arc::clone(&engine.runtime), engine, seen)
}

/// The same, with the memory of `runtime`.
pub(crate) fn new_state_in(
    runtime: Arc<RuntimeEnv>,
    engine: &Shared,
    seen: &Arc<VisibleCatalog>,
) -> SessionState {
    let mut config = SessionConfig::new()
        .with_batch_size(BATCH_SIZE)
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, PUBLIC_SCHEMA)
        .with_option_extension(CubeOptions::default());
    if let Some(threads) = engine.threads {
        config = config.with_target_partitions(threads);
    }
    if let Some(io) = engine.io.runtime() {
        config = config.with_extension(Arc::new(io));
    }
    let catalogs = MemoryCatalogProviderList::new();
    let catalog = SessionCatalog::new(Arc::clone(seen));
    catalogs.register_catalog(CATALOG.to_string(), Arc::new(catalog));
    let mut builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_catalog_list(Arc::new(catalogs))
        // Ours come before the stock planners, which drop TABLESAMPLE without a word.
        .with_relation_planners(vec![Arc::new(CubeRelations)])
        .with_analyzer_rules(engine.rules.analyzer.clone())
        .with_optimizer_rules(engine.rules.logical.clone())
        .with_physical_optimizer_rules(engine.rules.physical.clone())
        // Ours come before the stock planner of EXTRACT, which knows no model's calendar.
        .with_expr_planners(registry::expr_planners())
        .with_default_features();
    // After the stock functions: of functions with the same name the last one counts.
    builder
        .scalar_functions()
        .get_or_insert_default()
        .extend(registry::scalar_functions());
    builder
        .aggregate_functions()
        .get_or_insert_default()
        .extend(registry::aggregate_functions());
    builder
        .window_functions()
        .get_or_insert_default()
        .extend(registry::window_functions());
    builder.build()
}

/// One client's view of the engine.
pub struct Session {
    pub(crate) engine: Arc<Shared>,
    /// What its user sees of the catalogue.
    pub(crate) catalog: Arc<VisibleCatalog>,
    pub(crate) context: SessionContext,
    /// The door that its client came in through.
    pub(crate) door: &'static str,
    /// What it may not exceed, together with others of its user.
    pub(crate) limits: Limits,
    /// Which change of the catalogue's functions the session has seen.
    functions_seen: AtomicU64,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// A session of `user` with default settings.
    pub(crate) fn new(engine: Arc<Shared>, user: Arc<User>) -> Self {
        let catalog = VisibleCatalog::new(Arc::clone(&engine.catalog), user);
        let context = SessionContext::new_with_state(new_state(&engine, &catalog));
        Self {
            engine,
            catalog,
            context,
            door: "local",
            limits: Limits::default(),
            functions_seen: AtomicU64::default(),
        }
    }

    /// The same session, whose statements `cube.queries` lists as come in through a door.
    #[must_use]
    pub fn through(mut self, door: &'static str) -> Self {
        self.door = door;
        self
    }

    /// The same session of a user that several people come in as: it sees and stops what it runs itself, and nothing that
    /// others run.
    #[must_use]
    pub fn alone(self) -> Self {
        self.catalog.keep_alone();
        self
    }

    /// The same session, which may write files below a folder though its user may write none: for results that a door
    /// sends as files. Whoever may name the folder in statements may fill it.
    #[must_use]
    pub fn writing_below(self, folder: &Path) -> Self {
        self.catalog.open_outlet(folder);
        self
    }

    /// The same session, which may use no more than what is left of its user's limits.
    ///
    /// # Errors
    /// The state of the session cannot be put together anew.
    pub fn within(mut self, limits: &UserLimits) -> Result<Self> {
        self.limits = limits.limits.clone();
        if let Some(share) = &limits.share {
            let state = self.context.state();
            let runtime = RuntimeEnvBuilder::from_runtime_env(state.runtime_env())
                .with_memory_pool(Arc::clone(share) as _)
                .build_arc()?;
            let state = SessionStateBuilder::new_from_existing(state).with_runtime_env(runtime);
            self.context = SessionContext::new_with_state(state.build());
        }
        if let Some(most) = self.limits.scan_bytes {
            settings::set(&self, "max_scan_bytes", &most.to_string())?;
        }
        Ok(self)
    }

    /// The schema of unqualified names, see `USE`.
    pub(crate) fn default_schema(&self) -> String {
        let state = self.context.state();
        state.config_options().catalog.default_schema.clone()
    }

    /// Gives the session what the clients of one door expect to find: schemas in its catalogue, functions, names of
    /// types. Nothing of it is seen by other sessions.
    ///
    /// # Errors
    /// What `extend` says.
    pub fn extend(&self, extend: impl FnOnce(&SessionContext) -> Result<()>) -> Result<()> {
        extend(&self.context)
    }

    /// Splits a script into statements, leaving each as text; comments and quotes are understood.
    ///
    /// # Errors
    /// A quote or comment that does not end, with its position.
    pub fn split(&self, script: &str) -> Result<Vec<String>> {
        parser::split(script)
    }

    /// Plans one statement and starts it.
    ///
    /// # Errors
    /// The statement does not parse, names something unknown, or breaks a limit.
    pub async fn run(&self, statement: &str) -> Result<Query> {
        self.run_with(statement, &[]).await
    }

    /// Plans one query with the values of `$1`, `$2`, …, and starts it.
    ///
    /// # Errors
    /// See [`Session::run`]; a value is missing, or the statement is none that takes values.
    pub async fn run_with(&self, statement: &str, parameters: &[ScalarValue]) -> Result<Query> {
        // On the heap: a statement's state is large, and views nest.
        let running = Box::pin(statements::run(self, statement, parameters));
        self.listed(statement, running).await
    }

    /// Starts a statement, which `cube.queries` lists from now until it ends.
    pub(crate) async fn listed(
        &self,
        statement: &str,
        running: impl Future<Output = Result<Query>>,
    ) -> Result<Query> {
        let queries = &self.engine.catalog.queries;
        let listed = queries.begin(statement, self.catalog.owner(), self.door);
        self.update_functions().await;
        let query = listed.unless_cancelled(running).await?;
        let number = listed.number();
        let stream = Arc::new(listed).watch(query.stream, &query.progress);
        Ok(Query {
            stream,
            number,
            ..query
        })
    }

    /// Plans one statement, and says what it takes and gives. Nothing is changed, and no values are read.
    ///
    /// # Errors
    /// The statement does not parse, or names something unknown.
    pub async fn describe(&self, statement: &str) -> Result<Described> {
        self.describe_with(statement, &[]).await
    }

    /// The same where it is known of which types the values of some parameters are.
    ///
    /// # Errors
    /// See [`Session::describe`].
    pub async fn describe_with(
        &self,
        statement: &str,
        given: &[Option<DataType>],
    ) -> Result<Described> {
        self.update_functions().await;
        let (described, _) = Box::pin(described::describe(self, statement, given)).await?;
        Ok(described)
    }

    /// Says what a query takes and gives, and prepares to run it in parts that can be taken at the same time: where it has
    /// many rows, each of them is made by itself, and their order is left open. Nothing is run.
    ///
    /// # Errors
    /// See [`Session::describe`].
    pub async fn divide(&self, statement: &str) -> Result<(Described, Option<Parts>)> {
        self.update_functions().await;
        let state = self.context.state();
        // What is revoked meanwhile is not what the query is planned for.
        let user = self.catalog.user();
        let dividing = async {
            let (described, plan) = described::describe(self, statement, &[]).await?;
            let plan = plan.filter(|_| described.is_read && described.parameters.is_empty());
            let parts = match plan {
                Some(plan) => Parts::of(state, &plan, statement, self, user).await?,
                None => None,
            };
            Ok((described, parts))
        };
        Box::pin(dividing).await
    }

    async fn update_functions(&self) {
        self.catalog
            .public()
            .update_functions(&self.context, &self.functions_seen)
            .await;
    }

    /// Names a shell can complete: tables of the stores listed so far, columns of the cubes opened
    /// so far, functions and keywords, each as one would type it. Does no I/O.
    pub async fn completions(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        for schema in self.catalog.schema_names() {
            names.insert(quoted(&schema));
            let Some(provider) = self.catalog.schema(&schema) else {
                continue;
            };
            for table in provider.table_names() {
                names.insert(qualified(&schema, &table));
            }
        }
        names.extend(self.catalog.known_columns().iter().map(|name| quoted(name)));
        let state = self.context.state();
        names.extend(state.scalar_functions().keys().cloned());
        names.extend(state.aggregate_functions().keys().cloned());
        names.extend(state.window_functions().keys().cloned());
        names.extend(state.table_functions().keys().cloned());
        names.extend(ALL_KEYWORDS.iter().map(|word| (*word).to_string()));
        names.into_iter().collect()
    }
}
