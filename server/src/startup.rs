//! From the command line and the configuration file to an engine that is ready.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;

use datafusion::error::DataFusionError;
use graticule_engine::{Engine, Session};
use tokio::runtime::Runtime;

use crate::arguments::EngineArguments;
use crate::configuration::Configuration;
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Everything a command needs.
pub(crate) struct Startup {
    /// Threads that compute.
    pub(crate) runtime: Runtime,
    /// Threads that compute large queries of a service.
    pub(crate) large: Option<Runtime>,
    /// The database.
    pub(crate) engine: Engine,
    /// The one client of the command line.
    pub(crate) session: Arc<Session>,
    /// What the configuration file says.
    pub(crate) configuration: Configuration,
}

/// Reads the configuration, then builds the engine; flags win over the file.
///
/// # Errors
/// A configuration that makes no sense, or an engine that cannot be built from it.
pub(crate) fn start(arguments: &EngineArguments) -> Result<Startup, Failure> {
    started(arguments, true, None)
}

/// The same for many clients, with more threads than a query uses.
///
/// # Errors
/// As [`start`].
pub(crate) fn start_serving(arguments: &EngineArguments) -> Result<Startup, Failure> {
    started(arguments, true, Some(THREADS_PER_CORE))
}

/// The same without the views and external tables beside the configuration: none is there, and none that is made
/// outlives the process.
///
/// # Errors
/// As [`start`].
pub(crate) fn start_without_catalogue(arguments: &EngineArguments) -> Result<Startup, Failure> {
    started(arguments, false, None)
}

/// A scan gives its thread away between chunks only. On more threads than cores the system shares the cores among those
/// that want them, so that a small query does not wait for the chunks of others. Large ones have as many threads of their
/// own as there are cores: more would only be more that a small query has to share the cores with.
const THREADS_PER_CORE: usize = 4;

fn started(
    arguments: &EngineArguments,
    has_catalogue: bool,
    threads_of_service: Option<usize>,
) -> Result<Startup, Failure> {
    let configuration = read_configuration(arguments)?;
    let threads = arguments.threads.or(configuration.threads);
    let cores = match threads {
        Some(threads) => usize::from(threads),
        None => available_parallelism().map_or(1, usize::from),
    };
    let (small, large) = match threads_of_service {
        Some(threads_per_core) => (
            runtime(cores * threads_per_core, "small")?,
            Some(runtime(cores, "large")?),
        ),
        None => (runtime(cores, "compute")?, None),
    };
    let mut builder = Engine::builder()
        .store_connectors(graticule_connectors::store_connectors())
        .formats(graticule_connectors::formats())
        .sinks(graticule_connectors::sinks())
        .table_formats(graticule_connectors::table_formats())
        .stores(configuration.stores.clone())
        .roster(configuration.access.roster());
    if let Some(file) = configuration
        .catalogue_file
        .as_ref()
        .filter(|_| has_catalogue)
    {
        builder = builder.catalogue_file(file);
    }
    if let Some(file) = configuration.access_file.as_ref().filter(|_| has_catalogue) {
        builder = builder.access_file(file);
    }
    if let Some(folder) = configuration.statistics.clone().or_else(default_statistics) {
        builder = builder.statistics_folder(folder);
    }
    if !configuration.proj_data.is_empty() {
        builder = builder.datum_grids(configuration.proj_data.clone());
    }
    if let Some(bytes) = arguments.memory.or(configuration.memory) {
        builder = builder.memory(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    if let Some(bytes) = configuration.cache {
        builder = builder.cache(bytes);
    }
    if let Some(threads) = threads {
        builder = builder.threads(usize::from(threads));
    }
    if let Some(large) = &large {
        builder = builder.threads_of_large(large.handle().clone());
    }
    let engine = builder.build().map_err(|error| misconfigured(&error))?;
    let session = Arc::new(engine.session());
    Ok(Startup {
        runtime: small,
        large,
        engine,
        session,
        configuration,
    })
}

/// What the configuration file says now.
///
/// # Errors
/// It makes no sense.
pub(crate) fn read_configuration(arguments: &EngineArguments) -> Result<Configuration, Failure> {
    Configuration::load(
        arguments.config.as_deref(),
        &graticule_connectors::store_connectors(),
        &graticule_connectors::formats(),
    )
}

/// Gives an engine the stores, roles and users of another configuration, all or none.
///
/// # Errors
/// They do not go together with what statements have attached or made.
pub(crate) fn configure(engine: &Engine, configuration: &Configuration) -> Result<(), Failure> {
    let configured = engine.configure(configuration.stores.clone(), configuration.access.roster());
    configured.map_err(|error| misconfigured(&error))
}

fn misconfigured(error: &DataFusionError) -> Failure {
    let mut failure = Failure::of_statement(error, "");
    failure.code = ExitCode::Configuration;
    failure
}

/// The folder for statistics in the user's cache; none where the system has no such place, so that they
/// live as long as the process.
fn default_statistics() -> Option<PathBuf> {
    let folder = |variable| env::var_os(variable).filter(|value| !value.is_empty());
    let cache = folder("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.filter(|cache| cache.is_absolute());
    let cache = cache.or_else(|| Some(PathBuf::from(folder("HOME")?).join(".cache")))?;
    Some(cache.join("graticule").join("statistics"))
}

/// Stack of a thread that plans and computes: as deep as the statements that the parser lets pass.
const STACK_BYTES: usize = 8 << 20;

fn runtime(threads: usize, name: &str) -> Result<Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .enable_all()
        .thread_name(name)
        .thread_stack_size(STACK_BYTES)
        .worker_threads(threads);
    builder.build().map_err(|error| {
        let text = format!("cannot start the threads that compute: {error}");
        Failure::new(ExitCode::Unavailable, text)
    })
}
