//! The stores of a request, as `ATTACH` statements: [`Stores`].
//!
//! ```text
//!  store_id, store_params, data_id ─▶ ATTACH 's3://bucket/cubes' AS input (anonymous 'true', tables 'a.zarr')
//!                                     input.a
//! ```
//! Statements have two texts: one that is run, and one that is printed, in which secrets are names of variables of
//! the environment.

use graticule_engine::source::Options;
use serde_json::Value;

use super::parameters::{self, Kind, Meaning, as_option, flat};
use super::remarks::Remarks;
use super::request::{Definitions, Fields};
use super::text::{identifier, literal};
use crate::nearest::nearest;

/// The schema of a store without a name that is read, and of one that is written.
const INPUT: &str = "input";
const OUTPUT: &str = "output";

/// What a request says about a place where a cube is, or will be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Where it stands in the request.
    pub(super) field: &'a str,
    pub(super) store_id: Option<&'a str>,
    /// Of the opener or writer, `dataset:zarr:file`: its last part says which store it is, if nothing else does.
    pub(super) accessor: Option<&'a str>,
    pub(super) data_id: Option<&'a str>,
    pub(super) store_params: Option<&'a Fields>,
    pub(super) open_params: Option<&'a Fields>,
}

impl Asked<'_> {
    /// The field `name` of it.
    fn of(&self, name: &str) -> String {
        format!("{}.{name}", self.field)
    }
}

/// Where a cube is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of its store; `None` for a file that is written outside of the stores that are read.
    pub(super) store: Option<usize>,
    /// Its path below the store, or else from the current folder.
    pub(super) path: String,
}

/// A store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Store {
    /// The schema that it becomes.
    pub(super) name: String,
    /// `None` for stores that Graticule does not have.
    pub(super) kind: Option<Kind>,
    /// Address, or folder.
    pub(super) url: String,
    options: Vec<StoreOption>,
    /// Paths of the cubes that are read.
    tables: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct StoreOption {
    name: &'static str,
    value: String,
    /// For a secret: the variable that stands for it where it is printed.
    variable: Option<&'static str>,
}

impl Store {
    /// The options as they are.
    pub(super) fn options(&self) -> Options {
        let options = self.options.iter();
        options
            .map(|option| (option.name.to_string(), option.value.clone()))
            .collect()
    }

    /// Variables of the environment that printed statements name in the place of secrets.
    pub(super) fn variables(&self) -> impl Iterator<Item = &'static str> {
        self.options.iter().filter_map(|option| option.variable)
    }

    /// The statement that attaches it, as it is run.
    pub(super) fn attach(&self) -> String {
        self.statement(|option| format!("{} {}", option.name, literal(&option.value)))
    }

    /// The same without secrets.
    pub(super) fn attach_without_secrets(&self) -> String {
        self.statement(|option| match option.variable {
            Some(variable) => format!("{}_env {}", option.name, literal(variable)),
            None => format!("{} {}", option.name, literal(&option.value)),
        })
    }

    fn statement(&self, written: impl Fn(&StoreOption) -> String) -> String {
        let mut options: Vec<String> = self.options.iter().map(written).collect();
        if !self.tables.is_empty() {
            options.push(format!("tables {}", literal(&self.tables.join(","))));
        }
        let options = match options.is_empty() {
            true => String::new(),
            false => format!(" ({})", options.join(", ")),
        };
        format!(
            "ATTACH {} AS {}{options}",
            literal(&self.url),
            identifier(&self.name)
        )
    }
}

/// All stores of a request.
#[derive(Debug, Default)]
pub(super) struct Stores {
    pub(super) stores: Vec<Store>,
    definitions: Definitions,
}

impl Stores {
    /// None yet, with `definitions` of those that requests call by name.
    pub(super) fn new(definitions: Definitions) -> Self {
        Self {
            stores: Vec::new(),
            definitions,
        }
    }

    /// Where the cube is that is read.
    pub(super) fn input(&mut self, asked: Asked<'_>, remarks: &mut Remarks) -> Option<Place> {
        let (store, path) = self.found(asked, INPUT, remarks)?;
        let number = match self.same(&store) {
            Some(number) => number,
            None => self.add(store),
        };
        let tables = &mut self.stores[number].tables;
        if !tables.contains(&path) {
            tables.push(path.clone());
        }
        Some(Place {
            store: Some(number),
            path,
        })
    }

    /// Where the cube is that is written.
    pub(super) fn output(&mut self, asked: Asked<'_>, remarks: &mut Remarks) -> Option<Place> {
        let (store, path) = self.found(asked, OUTPUT, remarks)?;
        if store.kind == Some(Kind::Memory) {
            remarks.refuse(
                asked.of("store_id"),
                "what is in memory is gone when the command ends; write to a store of files",
            );
        }
        let store = match self.same(&store) {
            Some(number) => Some(number),
            // A file needs no store, and its folder need not be there.
            None if store.kind == Some(Kind::File) => {
                return Some(Place {
                    store: None,
                    path: match store.url.as_str() {
                        "." => path,
                        folder => format!("{}/{path}", folder.trim_end_matches('/')),
                    },
                });
            }
            None => Some(self.add(store)),
        };
        Some(Place { store, path })
    }

    fn same(&self, other: &Store) -> Option<usize> {
        let is_same = |store: &Store| match other.kind {
            None => store.kind.is_none() && store.name == other.name,
            Some(_) => {
                (store.kind, &store.url, &store.options) == (other.kind, &other.url, &other.options)
            }
        };
        self.stores.iter().position(is_same)
    }

    fn add(&mut self, mut store: Store) -> usize {
        let is_free = |name: &str| !self.stores.iter().any(|store| store.name == name);
        if !is_free(&store.name) {
            let mut names = (2..).map(|number| format!("{}_{number}", store.name));
            store.name = names.find(|name| is_free(name)).unwrap_or_default();
        }
        self.stores.push(store);
        self.stores.len() - 1
    }

    /// The store, and the path of the cube below it.
    fn found(
        &self,
        asked: Asked<'_>,
        role: &str,
        remarks: &mut Remarks,
    ) -> Option<(Store, String)> {
        let named = self.named(asked, role, remarks)?;
        let Some(data_id) = asked.data_id.filter(|id| !id.is_empty()) else {
            remarks.refuse(
                asked.of("data_id"),
                "the cube has no name; give it one, such as \"cube.zarr\"",
            );
            return None;
        };
        let mut store = Store {
            name: named.name,
            kind: Kind::of(&named.store_id),
            url: String::new(),
            options: Vec::new(),
            tables: Vec::new(),
        };
        let Some(kind) = store.kind else {
            let what = format!("store {} is not available in this version", named.store_id);
            let remedy = match role {
                INPUT => format!(
                    "attach its files, once they are downloaded: ATTACH 'folder' AS {}",
                    identifier(&named.store_id)
                ),
                _ => "write to file or s3".to_string(),
            };
            remarks.refuse(asked.of("store_id"), format!("{what}; {remedy}"));
            store.name = named.store_id;
            return Some((store, data_id.to_string()));
        };
        let mut root = None;
        let is_said =
            |name: &str, value: &Value| name != "read_only" || *value != Value::Bool(false);
        let params = flat(&named.params, &named.place)
            .into_iter()
            .filter(|(_, name, value)| is_said(name, value));
        let params = params.map(|(path, name, value)| {
            let meaning = match (name.as_str(), role) {
                ("read_only", INPUT) => Some(Meaning::Idle("the store is only read")),
                ("read_only", _) => Some(Meaning::Impossible(
                    "nothing can be written to this store; choose another one",
                )),
                (name, _) => parameters::of_store(kind, name),
            };
            (meaning, path, value)
        });
        let openers = flat(
            asked.open_params.unwrap_or(&Fields::new()),
            &asked.of("open_params"),
        );
        let openers = openers
            .into_iter()
            .map(|(path, name, value)| (parameters::of_opener(&name), path, value));
        for (meaning, path, value) in params.chain(openers) {
            read(
                meaning,
                &path,
                &value,
                &mut root,
                &mut store.options,
                remarks,
            );
        }
        let (url, path) = address(kind, root.as_deref(), data_id);
        // A signature follows a `?`, which means nothing in the addresses of object stores either.
        let is_signed = kind != Kind::File && (url.contains('?') || path.contains('?'));
        if is_signed || (kind == Kind::Https && url.contains('@')) {
            let field = match root.is_none() || path.contains('?') {
                true => asked.of("data_id"),
                false => named.place,
            };
            remarks.refuse(
                field,
                "the address holds what is for the server alone; define the store in graticule.toml, with its secrets in the environment",
            );
            return None;
        }
        store.url = url;
        Some((store, path))
    }

    /// Which store is meant, whether it is named, defined or told by the opener.
    fn named(&self, asked: Asked<'_>, role: &str, remarks: &mut Remarks) -> Option<Named> {
        let own = asked.store_params.cloned().unwrap_or_default();
        let own = |id: &str| Named {
            name: role.to_string(),
            store_id: id.to_string(),
            params: own.clone(),
            place: asked.of("store_params"),
        };
        match (asked.store_id, asked.accessor) {
            (Some(id), _) => match id.strip_prefix('@') {
                Some(instance) => self.defined(instance, asked, remarks),
                None => Some(own(id)),
            },
            (None, Some(accessor)) => Some(own(accessor.rsplit(':').next().unwrap_or_default())),
            (None, None) => {
                remarks.refuse(
                    asked.of("store_id"),
                    "nothing says where the cube is; name a store, such as \"file\"",
                );
                None
            }
        }
    }

    fn defined(&self, instance: &str, asked: Asked<'_>, remarks: &mut Remarks) -> Option<Named> {
        let Some(definition) = self.definitions.get(instance) else {
            let known = self.definitions.keys().map(String::as_str);
            let hint = match nearest(instance, known) {
                Some(near) => format!("did you mean @{near}?"),
                None => "define it in a file, and name that with --stores".to_string(),
            };
            let text = format!("there is no store {instance}; {hint}");
            remarks.refuse(asked.of("store_id"), text);
            return None;
        };
        if asked.store_params.is_some_and(|params| !params.is_empty()) {
            let text = format!(
                "store {instance} has parameters of its own; leave them out, or change those"
            );
            remarks.refuse(asked.of("store_params"), text);
        }
        let Some(id) = definition.get("store_id").and_then(Value::as_str) else {
            let text = format!("store {instance} has no store_id; give it one, such as \"file\"");
            remarks.refuse(asked.of("store_id"), text);
            return None;
        };
        let params = definition.get("store_params").and_then(Value::as_object);
        Some(Named {
            name: instance.to_string(),
            store_id: id.to_string(),
            params: params.cloned().unwrap_or_default(),
            place: format!("{instance}.store_params"),
        })
    }
}

/// A store as it is asked for.
struct Named {
    /// The schema that it becomes.
    name: String,
    store_id: String,
    params: Fields,
    /// Where these stand.
    place: String,
}

/// Reads one parameter.
fn read(
    meaning: Option<Meaning>,
    path: &str,
    value: &Value,
    root: &mut Option<String>,
    options: &mut Vec<StoreOption>,
    remarks: &mut Remarks,
) {
    let Some(text) = as_option(value) else {
        remarks.refuse(
            path,
            "this is no text, number or truth value; write it as one",
        );
        return;
    };
    let mut add = |name, value, variable| {
        options.push(StoreOption {
            name,
            value,
            variable,
        })
    };
    match meaning {
        Some(Meaning::Root) => *root = Some(text),
        Some(Meaning::Option(name)) => add(name, text, None),
        Some(Meaning::Opposite(name)) if text == "false" => add(name, "true".to_string(), None),
        Some(Meaning::Opposite(_)) => {}
        Some(Meaning::Secret(name, variable)) => add(name, text, Some(variable)),
        Some(Meaning::Idle(reason)) => remarks.pass_over(path, format!("{reason}; leave it out")),
        Some(Meaning::Impossible(text)) => remarks.refuse(path, text),
        None => remarks.refuse(
            path,
            "nobody here knows what it means; leave it out, or define the store in graticule.toml",
        ),
    }
}

/// The address of a store, and the path of `data_id` below it.
fn address(kind: Kind, root: Option<&str>, data_id: &str) -> (String, String) {
    let scheme = match kind {
        Kind::File => "",
        Kind::Memory => "memory://",
        Kind::S3 => "s3://",
        Kind::Https if root.unwrap_or(data_id).starts_with("http://") => "http://",
        Kind::Https => "https://",
        Kind::Azure => "az://",
    };
    let bare = |text: &str| {
        let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
        bare.trim_end_matches('/').to_string()
    };
    let root = root.map(|root| match kind {
        // The root of a disk is a folder, too.
        Kind::File if root.chars().all(|c| c == '/') && !root.is_empty() => "/".to_string(),
        _ => bare(root),
    });
    let root = root.filter(|root| !root.is_empty());
    match (kind, root) {
        (_, Some(root)) => (format!("{scheme}{root}"), bare(data_id)),
        (Kind::Memory, None) => ("memory://memory".to_string(), bare(data_id)),
        (Kind::S3 | Kind::Azure, None) => {
            let data_id = bare(data_id);
            let (bucket, path) = data_id.split_once('/').unwrap_or((&data_id, ""));
            (format!("{scheme}{bucket}"), path.to_string())
        }
        (Kind::File | Kind::Https, None) => {
            let data_id = bare(data_id);
            match data_id.rsplit_once('/') {
                Some(("", name)) => ("/".to_string(), name.to_string()),
                Some((folder, name)) => (format!("{scheme}{folder}"), name.to_string()),
                None => (".".to_string(), data_id),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    /// The statements for an input, and what is said about it.
    fn attached(store_id: &str, data_id: &str, params: &Value) -> (String, String, String) {
        let mut remarks = Remarks::default();
        let mut stores = Stores::default();
        let params = params.as_object().unwrap();
        let asked = Asked {
            field: "input_config",
            store_id: Some(store_id),
            accessor: None,
            data_id: Some(data_id),
            store_params: Some(params),
            open_params: None,
        };
        stores.input(asked, &mut remarks);
        let statement =
            |written: fn(&Store) -> String| stores.stores.first().map(written).unwrap_or_default();
        (
            statement(Store::attach),
            statement(Store::attach_without_secrets),
            remarks.to_string(),
        )
    }

    #[test]
    fn stores_are_attached() {
        let cases = [
            (
                "file",
                "a/b.zarr",
                json!({}),
                "ATTACH 'a' AS input (tables 'b.zarr')",
            ),
            (
                "file",
                "b.zarr",
                json!({}),
                "ATTACH '.' AS input (tables 'b.zarr')",
            ),
            (
                "file",
                "/b.zarr",
                json!({}),
                "ATTACH '/' AS input (tables 'b.zarr')",
            ),
            (
                "file",
                "a/b.zarr",
                json!({"root": "/data/"}),
                "ATTACH '/data' AS input (tables 'a/b.zarr')",
            ),
            (
                "file",
                "b.zarr",
                json!({"root": "/"}),
                "ATTACH '/' AS input (tables 'b.zarr')",
            ),
            (
                "file",
                "b.zarr",
                json!({"base_dir": "it's"}),
                "ATTACH 'it''s' AS input (tables 'b.zarr')",
            ),
            (
                "s3",
                "bucket/a/b.zarr",
                json!({}),
                "ATTACH 's3://bucket' AS input (tables 'a/b.zarr')",
            ),
            (
                "s3",
                "b.zarr",
                json!({"root": "s3://bucket/a/", "storage_options": {"anon": true, "use_ssl": false, "token": null}}),
                "ATTACH 's3://bucket/a' AS input (anonymous 'true', allow_http 'true', tables 'b.zarr')",
            ),
            (
                "https",
                "b.zarr",
                json!({"root": "host/a"}),
                "ATTACH 'https://host/a' AS input (tables 'b.zarr')",
            ),
            (
                "https",
                "http://host/a/b.zarr",
                json!({}),
                "ATTACH 'http://host/a' AS input (tables 'b.zarr')",
            ),
            (
                "abfs",
                "b.zarr",
                json!({"root": "container", "storage_options": {"account_name": "ada"}}),
                "ATTACH 'az://container' AS input (account 'ada', tables 'b.zarr')",
            ),
        ];
        for (store, data, params, expected) in cases {
            let expected = expected.to_string();
            assert_eq!(
                attached(store, data, &params),
                (expected.clone(), expected, String::new())
            );
        }
    }

    #[test]
    fn secrets_are_used_and_not_printed() {
        let options = json!({"storage_options": {"key": "AK", "secret": "s3cr3t"}});
        let (run, printed, remarks) = attached("s3", "bucket/b.zarr", &options);
        assert_eq!(
            run,
            "ATTACH 's3://bucket' AS input (access_key_id 'AK', secret_access_key 's3cr3t', tables 'b.zarr')"
        );
        assert_eq!(
            printed,
            "ATTACH 's3://bucket' AS input (access_key_id_env 'AWS_ACCESS_KEY_ID', \
             secret_access_key_env 'AWS_SECRET_ACCESS_KEY', tables 'b.zarr')"
        );
        assert_eq!(remarks, "");
        let hidden = [
            ("https", json!({"root": "me:s3cr3t@host/a"})),
            ("https", json!({"root": "host/a?sig=s3cr3t"})),
            ("s3", json!({"profile_name": "s3cr3t"})),
            ("abfs", json!({"root": "c", "connection_string": "s3cr3t"})),
            ("s3", json!({"kee": "s3cr3t"})),
        ];
        for (store, params) in hidden {
            let (_, printed, remarks) = attached(store, "bucket/b.zarr", &params);
            assert!(
                remarks.starts_with("not honoured: input_config.store_params"),
                "{remarks}"
            );
            assert!(
                !format!("{printed}{remarks}").contains("s3cr3t"),
                "{printed}{remarks}"
            );
        }
        for (store, data, params) in [
            ("https", "https://acct/c/b.zarr?sv=1&sig=s3cr3t", json!({})),
            ("https", "b.zarr?sig=s3cr3t", json!({"root": "host/a"})),
            ("https", "https://me:s3cr3t@host/b.zarr", json!({})),
            ("abfs", "c/b.zarr?sig=s3cr3t", json!({})),
        ] {
            let (run, _, remarks) = attached(store, data, &params);
            assert_eq!(run, "");
            assert!(
                remarks.starts_with("not honoured: input_config.data_id"),
                "{remarks}"
            );
            assert!(!remarks.contains("s3cr3t"), "{remarks}");
        }
    }
}
