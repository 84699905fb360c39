//! From a URL to tables: finds the connector and the format, opens metadata, interprets the conventions.
//!
//! ```text
//!  'dir/2017*.nc' ── connector ──▶ Locations ── format ──▶ Groups ── CF ──▶ Cubes ──▶ tables
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::catalog::TableProvider;
use datafusion::object_store::ObjectStore;
use futures::TryStreamExt;
use globset::GlobBuilder;

use crate::cache::BlockCache;
use crate::configuration::STORE_OPTIONS;
use crate::cube::{Cube, concatenate, conventions};
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::history::AsOf;
use crate::overviews;
use crate::scan::CubeTable;
use crate::sink::CubeSink;
use crate::source::{CubeFormat, Group, Location, Options, StoreConnector, TableFormat};
use crate::sql::addresses::without_query;
use crate::sql::suggestions::with_nearest;
use crate::statistics::StatisticsStore;

use super::listing::store_error;
use super::overview_places::version_as_read;
use super::table_file::TableFile;

/// Characters that make a path a pattern.
const GLOB_CHARACTERS: [char; 4] = ['*', '?', '[', '{'];

/// A cube and the table that scans it.
#[derive(Debug, Clone)]
pub(crate) struct OpenedCube {
    /// The cube; its name is the table's.
    pub(crate) cube: Arc<Cube>,
    /// What queries scan.
    pub(crate) table: Arc<dyn TableProvider>,
}

/// What is behind one place in a store.
#[derive(Debug, Clone)]
pub(crate) enum Opened {
    /// A cube, and one more per further set of dimensions or group.
    Cubes(Vec<OpenedCube>),
    /// The tables in a file that is read whole.
    Tables(Vec<Arc<TableFile>>),
}

impl Opened {
    /// The cubes; a table that is read whole is none.
    pub(crate) fn cubes(&self) -> &[OpenedCube] {
        match self {
            Opened::Cubes(cubes) => cubes,
            Opened::Tables(_) => &[],
        }
    }
}

/// Place of a format in its registry. Cubes come before tables of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FormatAt {
    Cube(usize),
    Table(usize),
}

/// Knows every connector and format. Opens metadata only, but for tables that are read whole.
#[derive(Debug)]
pub(crate) struct Opener {
    pub(crate) store_connectors: Vec<Arc<dyn StoreConnector>>,
    pub(crate) formats: Vec<Arc<dyn CubeFormat>>,
    pub(crate) sinks: Vec<Arc<dyn CubeSink>>,
    pub(crate) table_formats: Vec<Arc<dyn TableFormat>>,
    pub(crate) blocks: Arc<BlockCache>,
    pub(crate) statistics: Arc<StatisticsStore>,
    /// How many cubes have been opened, see [`Opener::open`].
    pub(crate) openings: AtomicU64,
}

/// A store that is connected, and the options that are meant for the cubes in it.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) root: Location,
    pub(crate) cube_options: Options,
}

impl Opener {
    /// Connects to `url`. Does no I/O. `kind` is the value of `type`; without it the scheme decides.
    ///
    /// # Errors
    /// An unknown kind, scheme or option, or what the connector refuses.
    pub(crate) fn connect(
        &self,
        kind: Option<&str>,
        url: &str,
        options: &Options,
    ) -> CubeResult<Connection> {
        let connector = match kind {
            Some(kind) => self.connector_of_kind(kind)?,
            None => self.connector_of_url(url)?,
        };
        let known = connector.options();
        let (store_options, mut cube_options): (Options, Options) = options
            .clone()
            .into_iter()
            .partition(|(name, _)| known.iter().any(|(known, _)| known == name));
        self.check_cube_options(&cube_options, known.iter().map(|(name, _)| *name))?;
        let version = cube_options.remove(conventions::VERSION);
        let mut root = connector.connect(url, &store_options)?;
        root.as_of = version.map(AsOf::Version);
        Ok(Connection { root, cube_options })
    }

    /// The format of a file or folder by its suffix, and the name without it. Formats that come
    /// first in the registry win; longer suffixes win within one.
    pub(crate) fn recognise<'a>(
        &self,
        name: &'a str,
        is_directory: bool,
    ) -> Option<(FormatAt, &'a str)> {
        let cubes = self.formats.iter().enumerate();
        let cubes = cubes
            .filter(|(_, format)| format.is_directory() == is_directory)
            .map(|(at, format)| (FormatAt::Cube(at), format.suffixes()));
        let tables = self.table_formats.iter().enumerate();
        let tables = tables
            .filter(|_| !is_directory)
            .map(|(at, format)| (FormatAt::Table(at), format.suffixes()));
        cubes
            .chain(tables)
            .find_map(|(at, suffixes)| Some((at, stem(name, suffixes)?)))
    }

    /// The format whose name stands in `STORED AS`.
    pub(crate) fn format_named(&self, name: &str) -> Option<Arc<dyn CubeFormat>> {
        self.formats
            .iter()
            .find(|format| format.name().eq_ignore_ascii_case(name))
            .cloned()
    }

    /// The format of cubes at a place in the registry.
    pub(crate) fn cube_format(&self, at: FormatAt) -> Option<&Arc<dyn CubeFormat>> {
        match at {
            FormatAt::Cube(at) => self.formats.get(at),
            FormatAt::Table(_) => None,
        }
    }

    /// The format of a URL or path by its suffix, and the table name that follows from it.
    pub(crate) fn format_of_url(&self, url: &str) -> Option<(Arc<dyn CubeFormat>, String)> {
        let path = without_query(url).trim_end_matches('/');
        let name = path.rsplit('/').next()?;
        self.formats.iter().find_map(|format| {
            Some((
                Arc::clone(format),
                stem(name, format.suffixes())?.replace(GLOB_CHARACTERS, ""),
            ))
        })
    }

    /// The format named `name` that cubes can be written in.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn sink(&self, name: &str) -> CubeResult<Arc<dyn CubeSink>> {
        let mut sinks = self.sinks.iter();
        let found = sinks.find(|sink| sink.name().eq_ignore_ascii_case(name));
        found.cloned().ok_or_else(|| {
            let known: Vec<&str> = self.sinks.iter().map(|sink| sink.name()).collect();
            CubeError::unsupported("", format!("cubes cannot be written as {name}"))
                .remedy(format!("formats are {}", known.join(", ")))
        })
    }

    /// The format of an address that a cube can be written to, by its suffix.
    ///
    /// # Errors
    /// No format has the suffix.
    pub(crate) fn sink_of_url(&self, url: &str) -> CubeResult<Arc<dyn CubeSink>> {
        let path = without_query(url).trim_end_matches('/');
        let mut sinks = self.sinks.iter();
        let found = sinks.find(|sink| path.ends_with(sink.suffix()));
        found.cloned().ok_or_else(|| {
            let known: Vec<&str> = self.sinks.iter().map(|sink| sink.suffix()).collect();
            CubeError::unsupported(
                path,
                "cubes cannot be written under a name with this suffix",
            )
            .remedy(format!(
                "suffixes are {}; or say STORED AS",
                known.join(", ")
            ))
        })
    }

    /// Checks that what `sink` writes to `file` can be a table, because it is read as it was written.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn check_is_read(&self, sink: &dyn CubeSink, file: &str) -> CubeResult<()> {
        let name = sink.name();
        let cause = match self.format_named(name) {
            Some(_) if sink.keeps_dimensions() => return Ok(()),
            Some(_) => format!(
                "{name} keeps bands rather than dimensions, so that its table would be another one"
            ),
            None => format!("{name} is written and not read, so it cannot be a table"),
        };
        Err(CubeError::unsupported(file, cause).remedy(format!(
            "write COPY (SELECT …) TO '{file}' STORED AS {name}"
        )))
    }

    /// The place that `url` names, where there need be nothing yet.
    ///
    /// # Errors
    /// What [`Opener::connect`] refuses, or a store that cannot be written.
    pub(crate) fn connect_new(&self, url: &str) -> CubeResult<Location> {
        self.connector_of_url(url)?
            .connect_new(url, &Options::new())
    }

    /// The format of a URL or path that names a table which is read whole, by its suffix.
    pub(crate) fn table_format_of_url(&self, url: &str) -> Option<Arc<dyn TableFormat>> {
        let name = without_query(url).rsplit('/').next()?;
        let mut formats = self.table_formats.iter();
        formats
            .find(|format| stem(name, format.suffixes()).is_some())
            .cloned()
    }

    /// The format of tables whose name stands in `STORED AS`.
    pub(crate) fn table_format_named(&self, name: &str) -> Option<Arc<dyn TableFormat>> {
        let mut formats = self.table_formats.iter();
        formats
            .find(|format| format.name().eq_ignore_ascii_case(name))
            .cloned()
    }

    /// Opens what a listing found.
    ///
    /// # Errors
    /// What the format or the conventions find wrong.
    pub(crate) async fn open_found(
        &self,
        format: FormatAt,
        location: &Location,
        options: &Options,
        name: &str,
    ) -> CubeResult<Opened> {
        let unknown = || CubeError::unsupported(&location.url, "the format is not known any more");
        match format {
            FormatAt::Cube(at) => {
                let format = self.formats.get(at).ok_or_else(unknown)?;
                let cubes = self.open(format, std::slice::from_ref(location), options, name);
                Ok(Opened::Cubes(cubes.await?))
            }
            FormatAt::Table(at) => {
                let format = self.table_formats.get(at).ok_or_else(unknown)?;
                Ok(Opened::Tables(TableFile::open(format, location).await?))
            }
        }
    }

    /// Opens the one file that `urls` name as a table that is read whole.
    ///
    /// # Errors
    /// Several files, several tables in it, nothing there, or what the format finds wrong.
    pub(crate) async fn open_table(
        &self,
        format: Arc<dyn TableFormat>,
        urls: &[String],
        options: &Options,
    ) -> CubeResult<Arc<TableFile>> {
        let mut locations = Vec::new();
        for url in urls {
            locations.extend(self.locate(url, options).await?.0);
        }
        match locations.as_slice() {
            [location] => the_only(TableFile::open(&format, location).await?, location),
            several => {
                let cause = format!("{} files of zones cannot be one table", several.len());
                let place = several.first().map_or("", |location| location.url.as_str());
                Err(CubeError::unsupported(place, cause)
                    .remedy("name one file each, and join the tables with UNION ALL"))
            }
        }
    }

    /// Opens one cube that may be spread over several files.
    ///
    /// Every opening is a version of its own: options decide what a block holds, and chunks may have
    /// been rewritten under metadata that stayed the same, so blocks are not shared with other openings.
    ///
    /// # Errors
    /// What the format or the conventions find wrong.
    pub(crate) async fn open(
        &self,
        format: &Arc<dyn CubeFormat>,
        locations: &[Location],
        options: &Options,
        name: &str,
    ) -> CubeResult<Vec<OpenedCube>> {
        if let Some(location) = locations.iter().find(|place| place.as_of.is_some())
            && format.history().is_none()
        {
            return Err(keeps_no_versions(&location.url, format.name()));
        }
        let groups = match locations {
            [location] => format.open(location, options).await?,
            several => concatenate::open_many(format, several, options).await?,
        };
        let opening = self.openings.fetch_add(1, Ordering::Relaxed);
        let folder = self.overview_folder(format, locations, options, name)?;
        let mut opened: Vec<OpenedCube> = Vec::new();
        for group in &groups {
            let name = group_name(name, group);
            for mut cube in conventions::interpret(group, &name, options).await? {
                // Overviews are those of the first cube: others are its coarser levels, or other grids.
                let folder = folder.clone().filter(|_| opened.is_empty());
                let version = version_as_read(&cube, options);
                cube.overviews = folder.and_then(|folder| self.overviews(folder, version, opening));
                cube.opened_as(opening);
                let cube = Arc::new(cube);
                let table = CubeTable::new(Arc::clone(&cube), Arc::clone(&self.blocks))
                    .with_statistics(Arc::clone(&self.statistics));
                opened.push(OpenedCube {
                    cube,
                    table: Arc::new(table),
                });
            }
        }
        match opened.is_empty() {
            false => Ok(opened),
            true => Err(CubeError::unsupported(
                locations
                    .first()
                    .map_or(name, |location| location.url.as_str()),
                "there is no array with a dimension in it",
            )),
        }
    }

    /// Opens what `url` (or a path, or a pattern of them) names, in the format that its suffix says.
    ///
    /// # Errors
    /// An unknown suffix, nothing there, or what [`Opener::open`] finds wrong.
    pub(crate) async fn open_url(
        &self,
        url: &str,
        options: &Options,
        as_of: Option<&AsOf>,
    ) -> CubeResult<Vec<OpenedCube>> {
        let (format, name) =
            self.format_of_url(url)
                .ok_or_else(|| match self.table_format_of_url(url) {
                    Some(_) => CubeError::unsupported(
                        without_query(url),
                        "the file is a table, not a cube",
                    )
                    .remedy(format!(
                        "look at it with SELECT * FROM '{}'",
                        without_query(url)
                    )),
                    None => self.unknown_suffix(url),
                })?;
        let (locations, cube_options) = self.locate(url, options).await?;
        self.open(&format, &all_as_of(locations, as_of), &cube_options, &name)
            .await
    }

    /// Opens what stands after `LOCATION`, in the format that stands after `STORED AS`.
    ///
    /// # Errors
    /// Nothing there, or what [`Opener::open`] finds wrong.
    pub(crate) async fn open_locations(
        &self,
        format: &Arc<dyn CubeFormat>,
        urls: &[String],
        options: &Options,
        name: &str,
        as_of: Option<&AsOf>,
    ) -> CubeResult<Vec<OpenedCube>> {
        let mut locations = Vec::new();
        let mut cube_options = Options::new();
        for url in urls {
            let (located, remaining) = self.locate(url, options).await?;
            locations.extend(located);
            cube_options = remaining;
        }
        self.open(format, &all_as_of(locations, as_of), &cube_options, name)
            .await
    }

    /// The error for a file or URL whose suffix no format knows.
    pub(crate) fn unknown_suffix(&self, url: &str) -> CubeError {
        let url = without_query(url);
        CubeError::unsupported(url, "the name has no suffix of a known format").remedy(format!(
            "known are {}; for any other name write CREATE EXTERNAL TABLE t STORED AS format LOCATION '{url}'",
            self.suffixes().join(", ")
        ))
    }

    /// The places that `url` names: one, or as many as match its pattern, in the order of their names.
    async fn locate(&self, url: &str, options: &Options) -> CubeResult<(Vec<Location>, Options)> {
        let mut options = options.clone();
        let kind = options.remove("type");
        let Some((folder, pattern)) = split_pattern(url) else {
            let connection = self.connect(kind.as_deref(), url, &options)?;
            return Ok((vec![connection.root], connection.cube_options));
        };
        let Connection { root, cube_options } = self.connect(kind.as_deref(), folder, &options)?;
        let matcher = GlobBuilder::new(pattern)
            .literal_separator(true)
            .build()
            .map_err(|error| CubeError::invalid(&root.url, error))?
            .compile_matcher();
        let objects: Vec<_> = root
            .store
            .list(Some(&root.path))
            .try_collect()
            .await
            .map_err(|error| store_error(&root.url, &error))?;
        let mut names: Vec<String> = objects
            .iter()
            .filter_map(|object| object.location.prefix_match(&root.path))
            .map(|parts| {
                let parts: Vec<String> = parts.map(|part| part.as_ref().to_string()).collect();
                parts.join("/")
            })
            .filter(|name| matcher.is_match(name))
            .collect();
        names.sort();
        match names.is_empty() {
            false => Ok((
                names.iter().map(|name| root.child(name)).collect(),
                cube_options,
            )),
            true => Err(CubeError::not_found(
                &root.url,
                format!("no file matches {pattern}"),
            )),
        }
    }

    /// All suffixes of all formats.
    pub(crate) fn suffixes(&self) -> Vec<&'static str> {
        let cubes = self.formats.iter().map(|format| format.suffixes());
        let tables = self.table_formats.iter().map(|format| format.suffixes());
        cubes.chain(tables).flatten().copied().collect()
    }

    /// The names in `STORED AS` of all formats.
    pub(crate) fn format_names(&self) -> Vec<&'static str> {
        let cubes = self.formats.iter().map(|format| format.name());
        let tables = self.table_formats.iter().map(|format| format.name());
        cubes.chain(tables).collect()
    }

    fn check_cube_options<'a>(
        &self,
        options: &Options,
        of_store: impl Iterator<Item = &'a str>,
    ) -> CubeResult<()> {
        let of_cubes = conventions::INTERPRET_OPTIONS;
        let of_formats = self.formats.iter().flat_map(|format| format.options());
        let known = of_cubes.iter().chain(concatenate::CONCATENATE_OPTIONS);
        let known = known.chain(of_formats).chain([&overviews::OPTION]);
        let known: BTreeMap<&str, &str> = known.copied().collect();
        let Some(unknown) = options
            .keys()
            .find(|name| !known.contains_key(name.as_str()))
        else {
            return Ok(());
        };
        let of_any_store = STORE_OPTIONS.iter().map(|(name, _)| *name);
        let mut names: Vec<&str> = known.keys().copied().collect();
        names.extend(of_store.chain(of_any_store));
        names.sort_unstable();
        let error = CubeError::new(ErrorKind::Invalid, "", format!("unknown option {unknown}"));
        Err(with_nearest(error, unknown, names, "known are"))
    }

    fn connector_of_kind(&self, kind: &str) -> CubeResult<&Arc<dyn StoreConnector>> {
        self.store_connectors
            .iter()
            .find(|connector| connector.kinds().contains(&kind.to_lowercase().as_str()))
            .ok_or_else(|| {
                let kinds: Vec<&str> = self
                    .store_connectors
                    .iter()
                    .filter_map(|connector| connector.kinds().first().copied())
                    .collect();
                CubeError::invalid("", format!("unknown type of store {kind}"))
                    .remedy(format!("known are {}", kinds.join(", ")))
            })
    }

    fn connector_of_url(&self, url: &str) -> CubeResult<&Arc<dyn StoreConnector>> {
        let scheme = url.split_once("://").map_or("file", |(scheme, _)| scheme);
        self.store_connectors
            .iter()
            .find(|connector| {
                connector
                    .schemes()
                    .contains(&scheme.to_lowercase().as_str())
            })
            .ok_or_else(|| {
                let schemes: Vec<&str> = self
                    .store_connectors
                    .iter()
                    .flat_map(|connector| connector.schemes())
                    .copied()
                    .collect();
                CubeError::invalid("", format!("no store answers to {scheme}://"))
                    .remedy(format!("known are {}", schemes.join(", ")))
            })
    }
}

/// The table that a file is, or the only one in it.
fn the_only(mut tables: Vec<Arc<TableFile>>, location: &Location) -> CubeResult<Arc<TableFile>> {
    let main = tables.iter().position(|table| table.layer.is_empty());
    let at = match (main, tables.len()) {
        (Some(at), _) => at,
        (None, 1) => 0,
        (None, count) => {
            let names: Vec<&str> = tables.iter().map(|table| table.layer.as_str()).collect();
            let cause = format!("the file holds {count} tables: {}", names.join(", "));
            return Err(CubeError::unsupported(&location.url, cause)
                .remedy("ATTACH the file as a store, whose tables are called \"file/table\""));
        }
    };
    Ok(tables.swap_remove(at))
}

/// Why there is no state of a cube to choose.
pub(crate) fn keeps_no_versions(place: &str, format: &str) -> CubeError {
    CubeError::unsupported(place, format!("{format} keeps one version of a cube"))
        .remedy("leave FOR … AS OF out, or keep the cube in a format that keeps all its versions")
}

fn all_as_of(mut locations: Vec<Location>, as_of: Option<&AsOf>) -> Vec<Location> {
    if as_of.is_some() {
        for location in &mut locations {
            location.as_of = as_of.cloned();
        }
    }
    locations
}

/// Does a path name several files?
pub(crate) fn is_pattern(url: &str) -> bool {
    without_query(url).contains(GLOB_CHARACTERS)
}

fn stem<'a>(name: &'a str, suffixes: &[&str]) -> Option<&'a str> {
    suffixes
        .iter()
        .filter_map(|suffix| name.strip_suffix(suffix))
        .filter(|stem| !stem.is_empty())
        .min_by_key(|stem| stem.len())
}

/// `a/b/2017*.nc` is the folder `a/b` and the pattern `2017*.nc`.
fn split_pattern(url: &str) -> Option<(&str, &str)> {
    let pattern = without_query(url).find(GLOB_CHARACTERS)?;
    match url.get(..pattern)?.rfind('/') {
        Some(slash) => Some((url.get(..=slash)?, url.get(slash + 1..)?)),
        None => Some((".", url)),
    }
}

fn group_name(name: &str, group: &Group) -> String {
    match group.path.trim_matches('/') {
        "" => name.to_string(),
        path => format!("{name}/{path}"),
    }
}
