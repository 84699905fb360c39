//! The configuration file, `graticule.toml`.
//!
//! ```toml
//! [engine]
//! memory = "8GB"                       # memory that queries may use
//! threads = 4                          # threads that compute
//! cache = "2GB"                        # decoded chunks kept in memory
//! statistics = "statistics"            # folder for what ANALYZE finds, relative to this file
//! proj_data = "grids"                  # folders with PROJ's grids of datums, relative to this file, as in PATH
//!
//! [stores.olci]                        # the schema `olci`
//! type = "file"
//! path = "data/olci"                   # relative to this file
//!
//! [stores.lake]
//! type = "s3"
//! url = "s3://bucket/prefix"
//! region = "eu-central-1"              # an option of the store
//! access_key_id_env = "LAKE_KEY"       # its value is in an environment variable
//! secret_access_key_file = "secret"    # its value is in a file
//! ```
//!
//! The section `[server]` is described in `serve/settings.rs`, `[telemetry]` in `serve/traces.rs`; `[users]`, `[roles]` and
//! `[oidc]` are in `access/section.rs`.
//!
//! Every mistake is an error that names the file, the line and, for a wrong name, the nearest
//! right one.

use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::{env, fs};

use graticule_engine::configuration::{STORE_OPTIONS, StoreDefinition};
use graticule_engine::cube::conventions::INTERPRET_OPTIONS;
use graticule_engine::source::{CubeFormat, Options, StoreConnector};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::access::section::AccessSection;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::nearest::nearest;
use crate::serve::settings::ServerSection;
use crate::serve::traces::TelemetrySection;
use graticule_engine::bytes::parse_bytes;

/// What `graticule.toml` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// Memory that queries may use, in bytes.
    pub(crate) memory: Option<u64>,
    /// Threads that compute.
    pub(crate) threads: Option<u16>,
    /// Memory for decoded chunks, in bytes.
    pub(crate) cache: Option<u64>,
    /// Where the statistics of chunks are kept, if not in the user's cache folder.
    pub(crate) statistics: Option<PathBuf>,
    /// Folders with grids of datums.
    pub(crate) proj_data: Vec<PathBuf>,
    /// Stores in the order of the file.
    pub(crate) stores: Vec<StoreDefinition>,
    /// Where views and external tables are kept: beside the configuration file.
    pub(crate) catalogue_file: Option<PathBuf>,
    /// Where roles and users that statements make are kept: beside it, too.
    pub(crate) access_file: Option<PathBuf>,
    /// What `graticule serve` does.
    pub(crate) server: ServerSection,
    /// Who may come in through the network.
    pub(crate) access: AccessSection,
    /// Who is told what the server does.
    pub(crate) telemetry: TelemetrySection,
}

const DEFAULT_FILE: &str = "graticule.toml";
const CATALOGUE_SUFFIX: &str = "catalogue.sql";
const ACCESS_SUFFIX: &str = "access.sql";
const TOP_LEVEL: [&str; 7] = [
    "engine",
    "stores",
    "server",
    "users",
    "roles",
    "oidc",
    "telemetry",
];
const ENGINE: [&str; 5] = ["memory", "threads", "cache", "statistics", "proj_data"];
const STORE: [&str; 3] = ["type", "path", "url"];
const INDIRECTIONS: [&str; 2] = ["_env", "_file"];

impl Configuration {
    /// Reads `file`, or `graticule.toml` in the working directory if there is one.
    ///
    /// # Errors
    /// A file that was asked for and is absent, that is no TOML, or that makes no sense.
    pub(crate) fn load(
        file: Option<&Path>,
        connectors: &[Arc<dyn StoreConnector>],
        formats: &[Arc<dyn CubeFormat>],
    ) -> Result<Self, Failure> {
        let path = match file {
            Some(path) => path,
            None if Path::new(DEFAULT_FILE).is_file() => Path::new(DEFAULT_FILE),
            None => return Ok(Self::default()),
        };
        let fail = |text: String| Failure::new(ExitCode::Configuration, text);
        let text = fs::read_to_string(path)
            .map_err(|error| fail(format!("cannot read {}: {error}", path.display())))?;
        let folder = std::path::absolute(path.parent().unwrap_or(Path::new("")))
            .or_else(|_| env::current_dir())
            .map_err(|error| fail(format!("cannot find the working directory: {error}")))?;
        let mut configuration = Reader {
            text: &text,
            folder: &folder,
            connectors,
            formats,
        }
        .read()
        .map_err(|mistake| fail(format!("{}{mistake}", path.display())))?;
        configuration.catalogue_file = Some(path.with_extension(CATALOGUE_SUFFIX));
        configuration.access_file = Some(path.with_extension(ACCESS_SUFFIX));
        Ok(configuration)
    }

    /// The settings that `next` says something else about, and that hold for the life of a process.
    pub(crate) fn only_at_start(&self, next: &Self) -> Vec<&'static str> {
        let (now, then) = (&self.server, &next.server);
        let differing = [
            ("memory", self.memory != next.memory),
            ("threads", self.threads != next.threads),
            ("cache", self.cache != next.cache),
            ("statistics", self.statistics != next.statistics),
            ("proj_data", self.proj_data != next.proj_data),
            ("otlp_endpoint", self.telemetry != next.telemetry),
            ("the addresses of doors", now.addresses != then.addresses),
            (
                "whether there is TLS",
                now.tls.is_some() != then.tls.is_some(),
            ),
            (
                "connections",
                now.limits.connections != then.limits.connections,
            ),
            ("queries", now.limits.queries != then.limits.queries),
            ("queue", now.limits.queue != then.limits.queue),
            (
                "queue_timeout",
                now.limits.queue_timeout != then.limits.queue_timeout,
            ),
            (
                "shutdown_timeout",
                now.shutdown_timeout != then.shutdown_timeout,
            ),
            ("open", now.is_meant_open != then.is_meant_open),
            ("origins", now.origins != then.origins),
            ("grid_files", now.grid_files != then.grid_files),
        ];
        let differing = differing.into_iter().filter(|(_, differs)| *differs);
        differing.map(|(name, _)| name).collect()
    }
}

/// A mistake in the file: `:LINE: what is wrong`.
type Mistake = String;

type Key<'a> = &'a Spanned<std::borrow::Cow<'a, str>>;

struct Reader<'a> {
    text: &'a str,
    folder: &'a Path,
    connectors: &'a [Arc<dyn StoreConnector>],
    formats: &'a [Arc<dyn CubeFormat>],
}

impl Reader<'_> {
    fn read(&self) -> Result<Configuration, Mistake> {
        let document = DeTable::parse(self.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            self.mistake(span, error.message())
        })?;
        let mut configuration = Configuration::default();
        let mut stores = Vec::new();
        for (key, value) in document.get_ref() {
            match key.get_ref().as_ref() {
                "engine" => self.read_engine(self.table(key, value)?, &mut configuration)?,
                "server" => configuration.server = self.read_server(self.table(key, value)?)?,
                "telemetry" => {
                    configuration.telemetry = self.read_telemetry(self.table(key, value)?)?;
                }
                "stores" => {
                    for (name, store) in self.table(key, value)? {
                        let read = self.read_store(name, self.table(name, store)?)?;
                        stores.push((name.span().start, read));
                    }
                }
                // Read together below: users name roles.
                "users" | "roles" | "oidc" => {}
                _ => return Err(self.unknown(key, "section", TOP_LEVEL.into_iter())),
            }
        }
        configuration.access = self.read_access(document.get_ref())?;
        stores.sort_by_key(|(start, _)| *start);
        configuration.stores = stores.into_iter().map(|(_, store)| store).collect();
        Ok(configuration)
    }

    fn read_engine(&self, table: &DeTable<'_>, into: &mut Configuration) -> Result<(), Mistake> {
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "memory" => into.memory = Some(self.amount(value)?),
                "cache" => into.cache = Some(self.amount(value)?),
                "statistics" => {
                    let folder = self.folder.join(self.text_of(key, value)?);
                    into.statistics = Some(folder);
                }
                "proj_data" => {
                    let folders = self.text_of(key, value)?;
                    let folders = env::split_paths(&folders);
                    into.proj_data = folders.map(|folder| self.folder.join(folder)).collect();
                }
                "threads" => into.threads = Some(self.count(key, value, u16::MAX)?),
                _ => return Err(self.unknown(key, "setting", ENGINE.into_iter())),
            }
        }
        Ok(())
    }

    fn read_store(&self, name: Key<'_>, table: &DeTable<'_>) -> Result<StoreDefinition, Mistake> {
        let (kind, connector) = self.connector(name, table)?;
        let option_names = || {
            let known = [connector.options(), STORE_OPTIONS, INTERPRET_OPTIONS];
            let of_formats = self.formats.iter().flat_map(|format| format.options());
            let known = known.into_iter().flatten().chain(of_formats);
            known.map(|(option, _)| *option)
        };
        let mut url = None;
        let mut options = Options::new();
        for (key, value) in table {
            let text = |value| self.text_of(key, value);
            match key.get_ref().as_ref() {
                "type" => {}
                "path" | "url" if url.is_some() => {
                    return Err(self.mistake(key.span(), "a store has a path or a url, not both"));
                }
                "path" => {
                    let path = self.folder.join(text(value)?);
                    url = Some(path.to_string_lossy().into_owned());
                }
                "url" => url = Some(text(value)?),
                option if option_names().any(|known| known == option) => {
                    options.insert(option.to_string(), text(value)?);
                }
                option => match self.secret(option, key, value, option_names)? {
                    Some((option, secret)) => {
                        options.insert(option, secret);
                    }
                    None => {
                        let known = STORE.into_iter().chain(option_names());
                        let what = format!("option of a store of type {kind}");
                        return Err(self.unknown(key, &what, known));
                    }
                },
            }
        }
        let url = match url {
            Some(url) => url,
            None if kind == "memory" => format!("memory://{}", name.get_ref()),
            None => {
                return Err(self.mistake(
                    name.span(),
                    &format!("store {} needs a path or a url", name.get_ref()),
                ));
            }
        };
        StoreDefinition::new(name.get_ref().as_ref(), Some(kind), url, options)
            .map_err(|error| self.mistake(name.span(), &error.to_string()))
    }

    fn connector(
        &self,
        name: Key<'_>,
        table: &DeTable<'_>,
    ) -> Result<(String, &dyn StoreConnector), Mistake> {
        let Some(value) = table.get("type") else {
            let text = format!(
                "store {} needs a type, such as \"file\" or \"s3\"",
                name.get_ref()
            );
            return Err(self.mistake(name.span(), &text));
        };
        let kind = value.get_ref().as_str().unwrap_or_default().to_lowercase();
        self.connectors
            .iter()
            .find(|connector| connector.kinds().contains(&kind.as_str()))
            .map(|connector| (kind.clone(), connector.as_ref()))
            .ok_or_else(|| {
                let kinds: Vec<&str> = self
                    .connectors
                    .iter()
                    .filter_map(|connector| connector.kinds().first().copied())
                    .collect();
                let text = format!(
                    "there is no store type `{kind}`; the types are {}",
                    kinds.join(", ")
                );
                self.mistake(value.span(), &text)
            })
    }

    /// `NAME_env` and `NAME_file`: the option's name, and its value from where the key points.
    fn secret<'k, I: Iterator<Item = &'k str>>(
        &self,
        written: &str,
        key: Key<'_>,
        value: &Spanned<DeValue<'_>>,
        option_names: impl Fn() -> I,
    ) -> Result<Option<(String, String)>, Mistake> {
        for suffix in INDIRECTIONS {
            let Some(option) = written.strip_suffix(suffix) else {
                continue;
            };
            if !option_names().any(|known| known == option) {
                continue;
            }
            let place = self.text_of(key, value)?;
            let secret = if suffix == "_env" {
                env::var(&place).map_err(|_| {
                    let text = format!("the environment variable {place} is not set");
                    self.mistake(value.span(), &text)
                })?
            } else {
                let path = self.folder.join(&place);
                fs::read_to_string(&path).map_err(|error| {
                    let text = format!("cannot read {}: {error}", path.display());
                    self.mistake(value.span(), &text)
                })?
            };
            return Ok(Some((option.to_string(), secret.trim().to_string())));
        }
        Ok(None)
    }

    fn table<'v, 'i>(
        &self,
        key: &Spanned<std::borrow::Cow<'i, str>>,
        value: &'v Spanned<DeValue<'i>>,
    ) -> Result<&'v DeTable<'i>, Mistake> {
        value.get_ref().as_table().ok_or_else(|| {
            let text = format!("`{0}` is a section: write [{0}]", key.get_ref());
            self.mistake(key.span(), &text)
        })
    }

    fn text_of(&self, key: Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<String, Mistake> {
        scalar(value.get_ref()).ok_or_else(|| {
            let text = format!("`{}` is a text, a number or a boolean", key.get_ref());
            self.mistake(value.span(), &text)
        })
    }

    /// A whole number from 1 to `most`.
    fn count<T: FromStr + Display + PartialOrd + From<bool>>(
        &self,
        key: Key<'_>,
        value: &Spanned<DeValue<'_>>,
        most: T,
    ) -> Result<T, Mistake> {
        let count = scalar(value.get_ref()).and_then(|text| text.parse().ok());
        let one = T::from(true);
        count
            .filter(|count| (&one..=&most).contains(&count))
            .ok_or_else(|| {
                let text = format!("{} is a whole number from 1 to {most}", key.get_ref());
                self.mistake(value.span(), &text)
            })
    }

    fn amount(&self, value: &Spanned<DeValue<'_>>) -> Result<u64, Mistake> {
        let text = scalar(value.get_ref()).unwrap_or_default();
        parse_bytes(&text).map_err(|mistake| self.mistake(value.span(), &mistake))
    }

    fn unknown<'k>(
        &self,
        key: Key<'_>,
        what: &str,
        known: impl Iterator<Item = &'k str>,
    ) -> Mistake {
        let known: Vec<&str> = known.collect();
        let hint = match nearest(key.get_ref(), known.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        let text = format!("there is no {what} `{}`; {hint}", key.get_ref());
        self.mistake(key.span(), &text)
    }

    fn mistake(&self, span: Range<usize>, text: &str) -> Mistake {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        format!(":{line}: {text}")
    }
}

/// A text, number or boolean as it is written.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.as_str().to_string()),
        DeValue::Float(number) => Some(number.as_str().to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

mod access;
mod server;
mod telemetry;

pub(crate) use server::parse_duration;

#[cfg(test)]
mod tests;
