//! What parameters of xcube's stores and openers are called here: [`Meaning`].
//!
//! | of xcube | here |
//! |---|---|
//! | `root`, `base_dir`, `bucket_name` | where the store is |
//! | `storage_options.client_kwargs.endpoint_url` | `endpoint` |
//! | `key`, `secret`, `token` | secrets: used, but never printed |
//! | `max_depth`, `cache_size`, … | nothing that a cube depends on |

use serde_json::Value;

use super::request::Fields;

/// A kind of store that there is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Memory,
    S3,
    Https,
    Azure,
}

impl Kind {
    /// The kind of a store of xcube, or of the last part of an opener's name, `dataset:zarr:s3`.
    pub(super) fn of(store_id: &str) -> Option<Self> {
        Some(match store_id {
            "file" | "local" | "directory" => Self::File,
            "memory" => Self::Memory,
            "s3" => Self::S3,
            "https" | "http" => Self::Https,
            "abfs" => Self::Azure,
            _ => return None,
        })
    }
}

/// What a parameter means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The folder, bucket or server.
    Root,
    /// An option of `ATTACH`.
    Option(&'static str),
    /// An option of `ATTACH` that says the opposite.
    Opposite(&'static str),
    /// A secret option, and the variable of the environment that printed statements name in its place.
    Secret(&'static str, &'static str),
    /// Nothing depends on it, for this reason.
    Idle(&'static str),
    /// It cannot be done; this is what to do instead.
    Impossible(&'static str),
}

use Meaning::{Idle, Impossible, Opposite, Option as Renamed, Root, Secret};

/// Parameters of all stores.
const OF_ALL: &[(&str, Meaning)] = &[
    ("root", Root),
    ("base_dir", Root),
    ("max_depth", Idle("data_id says where the cube is")),
    ("includes", Idle("data_id says where the cube is")),
    ("excludes", Idle("data_id says where the cube is")),
    (
        "auto_mkdirs",
        Idle("folders are made where they are missing"),
    ),
    (
        "use_listings_cache",
        Idle("listings are kept until the command ends"),
    ),
    (
        "listings_expiry_time",
        Idle("listings are kept until the command ends"),
    ),
    (
        "max_paths",
        Idle("listings are kept until the command ends"),
    ),
    ("skip_instance_cache", Idle("each run connects anew")),
    ("asynchronous", Idle("each run chooses its own threads")),
];

const OF_S3: &[(&str, Meaning)] = &[
    ("bucket_name", Root),
    ("anon", Renamed("anonymous")),
    ("endpoint_url", Renamed("endpoint")),
    ("region_name", Renamed("region")),
    ("requester_pays", Renamed("request_payer")),
    ("use_ssl", Opposite("allow_http")),
    ("key", Secret("access_key_id", "AWS_ACCESS_KEY_ID")),
    (
        "aws_access_key_id",
        Secret("access_key_id", "AWS_ACCESS_KEY_ID"),
    ),
    (
        "secret",
        Secret("secret_access_key", "AWS_SECRET_ACCESS_KEY"),
    ),
    (
        "aws_secret_access_key",
        Secret("secret_access_key", "AWS_SECRET_ACCESS_KEY"),
    ),
    ("token", Secret("session_token", "AWS_SESSION_TOKEN")),
    (
        "aws_session_token",
        Secret("session_token", "AWS_SESSION_TOKEN"),
    ),
    (
        "profile_name",
        Impossible(
            "profiles are not read; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment",
        ),
    ),
];

const OF_AZURE: &[(&str, Meaning)] = &[
    ("anon", Renamed("anonymous")),
    ("account_name", Renamed("account")),
    ("account_key", Secret("access_key", "AZURE_STORAGE_KEY")),
    ("sas_token", Secret("sas_token", "AZURE_STORAGE_SAS_TOKEN")),
    (
        "connection_string",
        Impossible("connection strings are not read; say account_name and account_key"),
    ),
];

/// Parameters of openers.
const OF_OPENERS: &[(&str, Meaning)] = &[
    ("decode_cf", Renamed("decode_cf")),
    ("decode_times", Renamed("decode_times")),
    ("mask_and_scale", Renamed("mask_and_scale")),
    ("drop_variables", Renamed("drop_variables")),
    (
        "consolidated",
        Idle("consolidated metadata are read where they are"),
    ),
    (
        "chunks",
        Idle("what is read follows the chunks of the store"),
    ),
    (
        "tile_size",
        Idle("what is read follows the chunks of the store"),
    ),
    (
        "cache_size",
        Idle("decoded chunks are kept in the cache of graticule.toml"),
    ),
    ("log_access", Idle("EXPLAIN ANALYZE says what was read")),
    ("engine", Idle("the format decides")),
    (
        "decode_coords",
        Idle("coordinates are always told from variables"),
    ),
    (
        "group",
        Impossible("write the group behind data_id, as in 'cube.zarr/group'"),
    ),
];

/// What the parameter `name` of a store means; `None` if nobody knows.
pub(super) fn of_store(kind: Kind, name: &str) -> Option<Meaning> {
    let own = match kind {
        Kind::S3 => OF_S3,
        Kind::Azure => OF_AZURE,
        Kind::File | Kind::Memory | Kind::Https => &[],
    };
    find(own, name).or_else(|| find(OF_ALL, name))
}

/// What the parameter `name` of an opener means; `None` if nobody knows.
pub(super) fn of_opener(name: &str) -> Option<Meaning> {
    find(OF_OPENERS, name)
}

fn find(known: &[(&str, Meaning)], name: &str) -> Option<Meaning> {
    let mut known = known.iter();
    known
        .find(|(own, _)| *own == name)
        .map(|(_, meaning)| *meaning)
}

/// Groups of parameters that stand within others.
const GROUPS: [&str; 2] = ["storage_options", "client_kwargs"];

/// All parameters with the paths that lead to them; what stands in a group counts like what stands beside it.
pub(super) fn flat(parameters: &Fields, place: &str) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (name, value) in parameters {
        let path = format!("{place}.{name}");
        match value {
            Value::Null => {}
            Value::Object(inner) if GROUPS.contains(&name.as_str()) => {
                found.extend(flat(inner, &path));
            }
            _ => found.push((path, name.clone(), value.clone())),
        }
    }
    found
}

/// A text, number or truth value, or a list of texts, as options are written.
pub(super) fn as_option(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(values) => {
            let texts = values.iter().map(Value::as_str);
            texts
                .collect::<Option<Vec<_>>>()
                .map(|texts| texts.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}
