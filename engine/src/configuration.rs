//! What a store is called, where it is and how it is read: the plain form of a section of the
//! configuration file or of an `ATTACH` statement.

use crate::error::{CubeError, CubeResult};
use crate::source::Options;

/// How deep a store's folders are searched for cubes unless its option `max_depth` says otherwise.
pub const DEFAULT_DEPTH: usize = 4;

/// The options that every store understands beside those of its connector.
pub const STORE_OPTIONS: &[(&str, &str)] = &[
    (
        "max_depth",
        "How many folders deep the store is searched for cubes, 4 unless said otherwise",
    ),
    (
        "tables",
        "Paths of cubes below the store, separated by commas, for stores that cannot be listed",
    ),
];

/// A store to attach: it becomes the schema `name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreDefinition {
    /// Name of the schema.
    pub name: String,
    /// The store's type, for example `s3`. Without it the scheme of the URL decides.
    pub kind: Option<String>,
    /// A URL, or a path on this machine.
    pub url: String,
    /// Options of the connector, secrets included, and those of the cubes in the store.
    pub options: Options,
    /// Paths of cubes below the store that need no listing to be known.
    pub tables: Vec<String>,
    /// How many folders deep the store is searched for cubes.
    pub max_depth: usize,
}

impl StoreDefinition {
    /// Takes the options of [`STORE_OPTIONS`] out of `options`.
    ///
    /// # Errors
    /// A `max_depth` that is no number.
    pub fn new(
        name: impl Into<String>,
        kind: Option<String>,
        url: impl Into<String>,
        mut options: Options,
    ) -> CubeResult<Self> {
        let name = name.into();
        let max_depth = match options.remove("max_depth") {
            Some(text) => text.parse().map_err(|_| {
                CubeError::invalid(format!("store {name}"), format!("max_depth is '{text}'"))
                    .remedy("write a whole number")
            })?,
            None => DEFAULT_DEPTH,
        };
        let tables = options.remove("tables").unwrap_or_default();
        Ok(Self {
            name,
            kind,
            url: url.into(),
            options,
            tables: tables
                .split(',')
                .map(|path| path.trim().trim_matches('/').to_string())
                .filter(|path| !path.is_empty())
                .collect(),
            max_depth,
        })
    }
}
