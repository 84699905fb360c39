//! An attached store: a schema whose tables are the cubes below one place.
//!
//! Nothing is touched when a store is attached. The first statement that needs its names lists it;
//! the first query of a cube opens the cube; both are then kept until `REFRESH STORE`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::catalog::TableProvider;
use futures::StreamExt;
use tokio::sync::OnceCell;

use super::listing::{Found, declared, list};
use super::opener::{Connection, FormatAt, Opened, OpenedCube, Opener};
use super::{OPENED_AT_ONCE, TableEntry, TableKind};
use crate::configuration::StoreDefinition;
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::history::AsOf;
use crate::source::{CubeFormat, Location, Options};
use crate::sql::versions::split;

/// A store under its schema's name.
#[derive(Debug)]
pub(crate) struct Store {
    /// What was attached.
    pub(crate) definition: StoreDefinition,
    opener: Arc<Opener>,
    contents: Mutex<Arc<Contents>>,
}

/// What is known of a store so far. `REFRESH STORE` starts with a new one.
#[derive(Debug, Default)]
struct Contents {
    listing: OnceCell<Vec<Arc<StoredCube>>>,
    /// Cubes of a store that cannot be listed, found by their names.
    by_name: Mutex<BTreeMap<String, Arc<StoredCube>>>,
    /// Versions of cubes that were asked for, by the names of the cubes.
    versions: Mutex<BTreeMap<(String, AsOf), Arc<StoredCube>>>,
}

impl Contents {
    fn known(&self) -> Vec<Arc<StoredCube>> {
        let listed = self.listing.get().into_iter().flatten().cloned();
        let by_name = lock(&self.by_name);
        listed.chain(by_name.values().cloned()).collect()
    }
}

/// One cube in a store: opened once, whoever asks first.
#[derive(Debug)]
struct StoredCube {
    name: String,
    location: Location,
    format: CubeResult<FormatAt>,
    options: Options,
    opened: OnceCell<Opened>,
    failure: Mutex<Option<CubeError>>,
}

impl Store {
    /// Does no I/O.
    pub(crate) fn new(definition: StoreDefinition, opener: Arc<Opener>) -> Self {
        Self {
            definition,
            opener,
            contents: Mutex::default(),
        }
    }

    /// Connects without I/O.
    ///
    /// # Errors
    /// Options or a URL that make no sense.
    pub(crate) fn connect(&self) -> CubeResult<Connection> {
        let StoreDefinition {
            name,
            kind,
            url,
            options,
            ..
        } = &self.definition;
        self.opener
            .connect(kind.as_deref(), url, options)
            .map_err(|error| error.within(&format!("store {name}")))
    }

    /// Forgets what was listed and opened.
    pub(crate) fn refresh(&self) {
        *lock(&self.contents) = Arc::default();
    }

    /// Names of tables as far as they are known without I/O: of opened cubes, of listed ones that
    /// were not yet opened, none of cubes that could not be opened.
    pub(crate) fn known_names(&self) -> Vec<String> {
        let known = self.contents().known();
        known.iter().flat_map(|stored| stored.names()).collect()
    }

    /// The cubes opened so far.
    pub(crate) fn opened(&self) -> Vec<OpenedCube> {
        let known = self.contents().known();
        known
            .iter()
            .filter_map(|stored| stored.opened.get())
            .flat_map(Opened::cubes)
            .cloned()
            .collect()
    }

    /// Lists the store unless that has been done, and gives the names as far as they are known.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub(crate) async fn names(&self) -> CubeResult<Vec<String>> {
        self.listing(&self.contents()).await?;
        Ok(self.known_names())
    }

    /// Opens all cubes, many at once. Cubes that cannot be opened are entries with an error.
    pub(crate) async fn open_all(&self) -> Vec<TableEntry> {
        let contents = self.contents();
        if let Err(error) = self.listing(&contents).await {
            return vec![TableEntry {
                schema: self.definition.name.clone(),
                name: "*".to_string(),
                url: String::new(),
                kind: TableKind::Broken(error),
            }];
        }
        let opened: Vec<Vec<TableEntry>> = futures::stream::iter(contents.known())
            .map(|stored| async move {
                let opened = stored.open(&self.opener).await;
                stored.entries(&self.definition.name, opened)
            })
            .buffered(OPENED_AT_ONCE)
            .collect()
            .await;
        opened.into_iter().flatten().collect()
    }

    /// What is behind a table name: the cube or file `a`, one of its groups `a/group`, or one of its
    /// sets of dimensions `a_y_x`; each may be followed by a version.
    pub(crate) async fn find(&self, name: &str) -> CubeResult<Option<Arc<dyn TableProvider>>> {
        let (name, as_of) = split(name)?;
        let contents = self.contents();
        match as_of {
            None => self.find_newest(&contents, name).await,
            Some(as_of) => self.find_version(&contents, name, as_of).await,
        }
    }

    /// The cubes that may have a table called `name`, those with the longest names first.
    async fn candidates(
        &self,
        contents: &Contents,
        name: &str,
    ) -> CubeResult<Vec<Arc<StoredCube>>> {
        let listed = self.listing(contents).await?;
        let by_name = lock(&contents.by_name).get(name).cloned();
        let mut candidates: Vec<Arc<StoredCube>> = listed
            .iter()
            .chain(&by_name)
            .filter(|stored| stored.may_hold(name))
            .cloned()
            .collect();
        candidates.sort_by_key(|stored| std::cmp::Reverse(stored.name.len()));
        Ok(candidates)
    }

    async fn find_version(
        &self,
        contents: &Contents,
        name: &str,
        as_of: AsOf,
    ) -> CubeResult<Option<Arc<dyn TableProvider>>> {
        let mut candidates = self.candidates(contents, name).await?;
        if candidates.is_empty() && !self.connect()?.root.listable {
            self.probe(contents, name).await?;
            candidates = self.candidates(contents, name).await?;
        }
        for newest in candidates {
            let key = (newest.name.clone(), as_of.clone());
            let stored = Arc::clone(
                lock(&contents.versions)
                    .entry(key)
                    .or_insert_with(|| Arc::new(newest.at(&as_of))),
            );
            match stored.open(&self.opener).await {
                Ok(opened) => match stored.table(opened, name) {
                    Some(table) => return Ok(Some(table)),
                    None => continue,
                },
                Err(error) if stored.name == name => return Err(error),
                Err(_) => continue,
            }
        }
        Ok(None)
    }

    async fn find_newest(
        &self,
        contents: &Contents,
        name: &str,
    ) -> CubeResult<Option<Arc<dyn TableProvider>>> {
        for stored in self.candidates(contents, name).await? {
            let opened = match stored.open(&self.opener).await {
                Ok(opened) => opened,
                Err(error) if stored.name == name => return Err(error),
                Err(_) => continue,
            };
            if let Some(table) = stored.table(opened, name) {
                return Ok(Some(table));
            }
        }
        match self.connect()?.root.listable {
            true => Ok(None),
            false => self.probe(contents, name).await,
        }
    }

    /// The cubes that keep their versions: name, place, format. Opens none of them.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub(crate) async fn with_history(
        &self,
    ) -> CubeResult<Vec<(String, Location, Arc<dyn CubeFormat>)>> {
        let contents = self.contents();
        self.listing(&contents).await?;
        let known = contents.known().into_iter();
        let kept = known.filter_map(|stored| {
            let format = self.opener.cube_format(*stored.format.as_ref().ok()?)?;
            format.history()?;
            let (name, location) = (stored.name.clone(), stored.location.clone());
            Some((name, location, Arc::clone(format)))
        });
        Ok(kept.collect())
    }

    fn contents(&self) -> Arc<Contents> {
        Arc::clone(&lock(&self.contents))
    }

    async fn listing<'a>(&self, contents: &'a Contents) -> CubeResult<&'a [Arc<StoredCube>]> {
        let place = format!("store {}", self.definition.name);
        let listed = contents
            .listing
            .get_or_try_init(|| async {
                let connection = self.connect()?;
                let mut found = Vec::new();
                for path in &self.definition.tables {
                    found.push(declared(&self.opener, path).ok_or_else(|| {
                        CubeError::invalid("", format!("'{path}' has no suffix of a known format"))
                            .remedy(format!("known are {}", self.opener.suffixes().join(", ")))
                    })?);
                }
                if connection.root.listable && found.is_empty() {
                    found = list(&self.opener, &connection.root, self.definition.max_depth).await?;
                }
                Ok(found
                    .into_iter()
                    .map(|found| Arc::new(StoredCube::new(found, &connection)))
                    .collect())
            })
            .await
            .map_err(|error: CubeError| error.within(&place))?;
        Ok(listed)
    }

    /// Looks for `name` with every suffix, in a store that cannot be listed.
    async fn probe(
        &self,
        contents: &Contents,
        name: &str,
    ) -> CubeResult<Option<Arc<dyn TableProvider>>> {
        let connection = self.connect()?;
        let with_suffixes = self
            .opener
            .suffixes()
            .into_iter()
            .map(|suffix| format!("{name}{suffix}"));
        for path in std::iter::once(name.to_string()).chain(with_suffixes) {
            let Some(found) = declared(&self.opener, &path) else {
                continue;
            };
            let name = match path == name {
                true => path.clone(),
                false => found.name.clone(),
            };
            let stored = StoredCube::new(
                Found {
                    name: name.clone(),
                    ..found
                },
                &connection,
            );
            match stored.open(&self.opener).await {
                Ok(opened) => {
                    let table = stored.table(opened, &name);
                    lock(&contents.by_name).insert(name, Arc::new(stored));
                    return Ok(table);
                }
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl StoredCube {
    fn new(found: Found, connection: &Connection) -> Self {
        Self {
            location: connection.root.child(&found.path),
            name: found.name,
            format: found.format,
            options: connection.cube_options.clone(),
            opened: OnceCell::new(),
            failure: Mutex::default(),
        }
    }

    /// The same cube as it was.
    fn at(&self, as_of: &AsOf) -> Self {
        Self {
            name: self.name.clone(),
            location: Location {
                as_of: Some(as_of.clone()),
                ..self.location.clone()
            },
            format: self.format.clone(),
            options: self.options.clone(),
            opened: OnceCell::new(),
            failure: Mutex::default(),
        }
    }

    async fn open(&self, opener: &Opener) -> CubeResult<&Opened> {
        let opened = self
            .opened
            .get_or_try_init(|| async {
                let format = self.format.clone()?;
                opener
                    .open_found(format, &self.location, &self.options, &self.name)
                    .await
            })
            .await;
        *lock(&self.failure) = opened.as_ref().err().cloned();
        opened
    }

    /// The table `name` among what was opened here.
    fn table(&self, opened: &Opened, name: &str) -> Option<Arc<dyn TableProvider>> {
        match opened {
            Opened::Cubes(cubes) => {
                let cube = cubes.iter().find(|opened| opened.cube.name == name)?;
                Some(Arc::clone(&cube.table))
            }
            Opened::Tables(tables) => {
                let table = tables.iter().find(|table| table.name(&self.name) == name)?;
                Some(Arc::clone(table) as _)
            }
        }
    }

    fn names(&self) -> Vec<String> {
        match self.opened.get() {
            Some(Opened::Cubes(cubes)) => cubes
                .iter()
                .map(|opened| opened.cube.name.clone())
                .collect(),
            Some(Opened::Tables(tables)) => {
                tables.iter().map(|table| table.name(&self.name)).collect()
            }
            None if lock(&self.failure).is_some() => vec![],
            None => vec![self.name.clone()],
        }
    }

    fn may_hold(&self, table: &str) -> bool {
        table
            .strip_prefix(&self.name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '_']))
    }

    fn entries(&self, schema: &str, opened: CubeResult<&Opened>) -> Vec<TableEntry> {
        let entry = |name: &str, kind| TableEntry {
            schema: schema.to_string(),
            name: name.to_string(),
            url: self.location.url.clone(),
            kind,
        };
        match opened {
            Ok(Opened::Cubes(cubes)) => cubes
                .iter()
                .map(|opened| {
                    let cube = Arc::clone(&opened.cube);
                    entry(&opened.cube.name, TableKind::Cube(cube))
                })
                .collect(),
            Ok(Opened::Tables(tables)) => tables
                .iter()
                .map(|table| entry(&table.name(&self.name), TableKind::Files))
                .collect(),
            // What is still being written is not there yet.
            Err(error) if error.kind() == ErrorKind::Conflict => vec![],
            Err(error) => vec![entry(&self.name, TableKind::Broken(error))],
        }
    }
}

/// A mutex whose holder panicked still holds plain data.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
