//! The engine as every door sees it: build it once, open a [`Session`] per client, run statements.
//!
//! ```text
//!  Engine (stores, formats, catalogue, memory) ── session() ──▶ Session (settings, USE, prepared)
//!                                                                  │ run(sql)
//!                                                                  ▼
//!                                              Query { schema, stream, progress }; dropping it cancels
//! ```

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use graticule_functions::space::datum_grids::search_in;
use tokio::runtime::Handle;

use crate::access::{Directory, Roster, User};
use crate::cache::BlockCache;
use crate::catalog::Catalog;
use crate::catalog::definitions_file::DefinitionsFile;
use crate::catalog::opener::Opener;
use crate::catalog::public::PublicSchema;
use crate::configuration::StoreDefinition;
use crate::cube::Cube;
use crate::error::CubeResult;
use crate::limits::{Limits, Share, UserLimits};
use crate::progress::QueryProgress;
use crate::rules::Rules;
use crate::runtime::IoThreads;
pub use crate::session::Session;
use crate::sink::CubeSink;
use crate::source::{CubeFormat, Options, StoreConnector, TableFormat};
use crate::statistics::StatisticsStore;

/// Memory for decoded chunks unless the builder says otherwise, in bytes.
const DEFAULT_CACHE: u64 = 1 << 30;

/// Operators that an out-of-memory error names.
const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4);

/// Collects what an [`Engine`] is made of.
#[derive(Debug, Default)]
pub struct EngineBuilder {
    store_connectors: Vec<Arc<dyn StoreConnector>>,
    formats: Vec<Arc<dyn CubeFormat>>,
    sinks: Vec<Arc<dyn CubeSink>>,
    table_formats: Vec<Arc<dyn TableFormat>>,
    stores: Vec<StoreDefinition>,
    catalogue_file: Option<PathBuf>,
    roster: Roster,
    access_file: Option<PathBuf>,
    statistics_folder: Option<PathBuf>,
    memory: Option<usize>,
    cache: Option<u64>,
    threads: Option<usize>,
    threads_of_large: Option<Handle>,
}

impl EngineBuilder {
    /// Adds kinds of stores.
    #[must_use]
    pub fn store_connectors(mut self, connectors: Vec<Arc<dyn StoreConnector>>) -> Self {
        self.store_connectors.extend(connectors);
        self
    }

    /// Adds formats. A listing asks them in this order.
    #[must_use]
    pub fn formats(mut self, formats: Vec<Arc<dyn CubeFormat>>) -> Self {
        self.formats.extend(formats);
        self
    }

    /// Adds formats that cubes can be written in. The first one is the default.
    #[must_use]
    pub fn sinks(mut self, sinks: Vec<Arc<dyn CubeSink>>) -> Self {
        self.sinks.extend(sinks);
        self
    }

    /// Adds formats of tables that are read whole. A listing asks them after those of cubes.
    #[must_use]
    pub fn table_formats(mut self, formats: Vec<Arc<dyn TableFormat>>) -> Self {
        self.table_formats.extend(formats);
        self
    }

    /// Attaches stores. Nothing is connected before it is used.
    #[must_use]
    pub fn stores(mut self, stores: Vec<StoreDefinition>) -> Self {
        self.stores.extend(stores);
        self
    }

    /// Keeps views and external tables in this file, an SQL script that need not exist yet. Without
    /// it they live as long as the engine.
    #[must_use]
    pub fn catalogue_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.catalogue_file = Some(file.into());
        self
    }

    /// Roles and users that statements cannot change.
    #[must_use]
    pub fn roster(mut self, roster: Roster) -> Self {
        self.roster = roster;
        self
    }

    /// Keeps the roles and users that statements make in this file, an SQL script that need not exist yet. Without it they
    /// live as long as the engine.
    #[must_use]
    pub fn access_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.access_file = Some(file.into());
        self
    }

    /// Keeps the statistics that `ANALYZE` makes in this folder, which need not exist yet. Several
    /// processes may share it. Without it they live as long as the engine.
    #[must_use]
    pub fn statistics_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.statistics_folder = Some(folder.into());
        self
    }

    /// Folders in which PROJ looks for grids of datums, beside those that it knows. They hold for the process.
    #[must_use]
    pub fn datum_grids(self, folders: Vec<PathBuf>) -> Self {
        search_in(folders);
        self
    }

    /// Limits the memory of all queries together, in bytes; what can spill to disk does so.
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Memory for decoded chunks, in bytes, 1 GiB unless said otherwise, and never more than a quarter
    /// of the memory of all queries, of which it is a part.
    #[must_use]
    pub fn cache(mut self, bytes: u64) -> Self {
        self.cache = Some(bytes);
        self
    }

    /// Threads that compute one query, as many as there are cores unless said otherwise.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Computes queries that read much on these threads, so that those on which statements are run are free for
    /// small ones.
    #[must_use]
    pub fn threads_of_large(mut self, threads: Handle) -> Self {
        self.threads_of_large = Some(threads);
        self
    }

    /// Builds the engine. Reads the files of the catalogue and of roles and users, and touches nothing else.
    ///
    /// # Errors
    /// Two stores of one name, or a file that cannot be read.
    pub fn build(self) -> Result<Engine> {
        let pool = self.memory.map(|bytes| {
            let pool = TrackConsumersPool::new(FairSpillPool::new(bytes), NAMED_CONSUMERS);
            Arc::new(pool) as Arc<dyn MemoryPool>
        });
        let mut runtime = RuntimeEnvBuilder::new();
        if let Some(pool) = &pool {
            runtime = runtime.with_memory_pool(Arc::clone(pool));
        }
        // At most a quarter of the memory, so that the cache never starves the queries it serves.
        let share = self.memory.map_or(u64::MAX, |bytes| bytes as u64 / 4);
        let cache = self.cache.unwrap_or(DEFAULT_CACHE).min(share);
        let blocks = BlockCache::new(cache, pool.as_ref());
        let opener = Arc::new(Opener {
            store_connectors: self.store_connectors,
            formats: self.formats,
            sinks: self.sinks,
            table_formats: self.table_formats,
            blocks: Arc::new(blocks),
            statistics: Arc::new(match self.statistics_folder {
                Some(folder) => StatisticsStore::in_folder(folder),
                None => StatisticsStore::default(),
            }),
            openings: AtomicU64::default(),
        });
        let file = self.catalogue_file.map(DefinitionsFile::new);
        let public = PublicSchema::new(Arc::clone(&opener), file)?;
        let directory = Directory::new(self.roster, self.access_file)?;
        let catalog = Arc::new(Catalog::new(Arc::clone(&opener), public, directory));
        catalog.configure(self.stores, || Ok(()))?;
        let shared = Arc::new(Shared {
            opener,
            catalog,
            runtime: runtime.build_arc()?,
            threads: self.threads,
            threads_of_large: self.threads_of_large,
            io: IoThreads::start()?,
            rules: Rules::new()?,
        });
        shared.catalog.public.belongs_to(Arc::downgrade(&shared));
        Ok(Engine { shared })
    }
}

/// What all sessions of an engine share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) opener: Arc<Opener>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) runtime: Arc<RuntimeEnv>,
    pub(crate) threads: Option<usize>,
    /// Threads of queries that read much.
    pub(crate) threads_of_large: Option<Handle>,
    pub(crate) io: IoThreads,
    pub(crate) rules: Rules,
}

/// The database: shared by all sessions, cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

impl Engine {
    /// Starts building an engine.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// Kinds of stores the engine can attach.
    pub fn store_connectors(&self) -> &[Arc<dyn StoreConnector>] {
        &self.shared.opener.store_connectors
    }

    /// Formats the engine can open.
    pub fn formats(&self) -> &[Arc<dyn CubeFormat>] {
        &self.shared.opener.formats
    }

    /// What the engine holds in memory now.
    pub fn memory_use(&self) -> MemoryUse {
        MemoryUse {
            reserved: self.shared.runtime.memory_pool.reserved() as u64,
            cached: self.shared.opener.blocks.bytes(),
        }
    }

    /// What is known of the values of cubes without reading them, for example the range of colours.
    pub fn statistics(&self) -> &Arc<StatisticsStore> {
        &self.shared.opener.statistics
    }

    /// Roles and users.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.shared.catalog.directory
    }

    /// Takes over other stores, roles and users from the configuration file, all or none. Queries that run keep what they
    /// have opened; sessions see the change when they look up the next name.
    ///
    /// # Errors
    /// They do not go together with what statements have attached or made.
    pub fn configure(&self, stores: Vec<StoreDefinition>, roster: Roster) -> Result<()> {
        let catalog = &self.shared.catalog;
        catalog.configure(stores, || catalog.directory.configure(roster))
    }

    /// Opens a session with settings of its own for the operator, who may do everything.
    pub fn session(&self) -> Session {
        self.session_as(Arc::new(User::operator()))
    }

    /// Opens a session for a user. What the user may not see does not exist in it.
    pub fn session_as(&self, user: Arc<User>) -> Session {
        Session::new(Arc::clone(&self.shared), user)
    }

    /// What one user may use, for all sessions of theirs: see [`Session::within`].
    pub fn limits(&self, limits: Limits) -> UserLimits {
        let whole = &self.shared.runtime.memory_pool;
        let share = limits
            .memory
            .map(|memory| Arc::new(Share::new(Arc::clone(whole), memory)));
        UserLimits { limits, share }
    }

    /// Opens the cubes at a URL or path, or those that a pattern of paths makes together: metadata only.
    ///
    /// # Errors
    /// An unknown suffix or option, nothing there, or metadata that make no sense.
    pub async fn open(&self, url: &str, options: &Options) -> CubeResult<Vec<Arc<Cube>>> {
        let opened = self.shared.opener.open_url(url, options, None).await?;
        Ok(opened.into_iter().map(|opened| opened.cube).collect())
    }
}

/// Memory that an engine holds, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// What queries have reserved, and the cache where memory is limited.
    pub reserved: u64,
    /// Decoded chunks that are kept.
    pub cached: u64,
}

/// A running statement. Dropping it cancels the work.
pub struct Query {
    /// Columns of the result.
    pub schema: SchemaRef,
    /// The result. Polling it does the work.
    pub stream: SendableRecordBatchStream,
    /// What the query has read so far.
    pub progress: Arc<QueryProgress>,
    /// Its number in `cube.queries`.
    pub number: u64,
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Query")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}
