//! Finding the groups and arrays of a Zarr store with as few requests as the store allows.
//!
//! ```text
//!  zarr.json + .zmetadata, at once
//!    ├ zarr.json with consolidated_metadata, or an array ─▶ done
//!    ├ .zmetadata ────────────────────────────────────────▶ done
//!    └ else .zgroup, .zarray, .zattrs at once: not consolidated
//!        ├ option variables ─▶ these arrays and the coordinates of their dimensions
//!        ├ listable store ───▶ list folder by folder (never the chunks), read all in parallel
//!        └ neither ──────────▶ an error that names the option
//! ```

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use futures::stream::{self, StreamExt, TryStreamExt};
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::sink::MADE_OF;
use graticule_engine::source::{Attributes, Location};
use serde_json::{Map, Value};

use super::json::parse_object;
use super::objects::{Objects, version_of};
use super::{NOTES, OVERVIEWS};
use crate::writing::conflict::{being_written, has_notes};

/// Metadata files read at the same time.
const CONCURRENT_READS: usize = 32;

/// Groups within groups, at most.
const DEEPEST_GROUP: usize = 32;

/// The metadata of everything in a store.
#[derive(Debug)]
pub(super) struct Hierarchy {
    /// 2 or 3.
    pub(super) zarr_format: u8,
    /// Paths below the store and what is there, the root (an empty path) first.
    pub(super) nodes: Vec<(String, Node)>,
    /// Changes when any of the metadata changes.
    pub(super) version: String,
    /// When the last of the metadata were written, by the clock of the store, in microseconds.
    pub(super) written: i64,
    /// Does the cube go from state to state, as those that are written here?
    pub(super) has_states: bool,
}

/// The metadata of one group or array.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// The attributes of a group.
    Group(Attributes),
    /// `.zarray` and `.zattrs`.
    ArrayV2(Map<String, Value>, Attributes),
    /// The `zarr.json` of an array.
    ArrayV3(Map<String, Value>),
}

impl Node {
    pub(super) fn is_array(&self) -> bool {
        !matches!(self, Self::Group(_))
    }

    fn dimension_names(&self) -> Vec<String> {
        let names = match self {
            Self::Group(_) => None,
            Self::ArrayV2(_, attributes) => attributes.get("_ARRAY_DIMENSIONS"),
            Self::ArrayV3(array) => array.get("dimension_names"),
        };
        let names = names.and_then(Value::as_array).into_iter().flatten();
        names
            .filter_map(Value::as_str)
            .map(str::to_string)
            .collect()
    }
}

/// Reads the metadata of the store at `location`: of all arrays, or of those that `variables` names
/// and the coordinates of their dimensions.
pub(super) async fn discover(
    location: &Location,
    variables: Option<&[String]>,
) -> CubeResult<Hierarchy> {
    let reader = Reader {
        objects: Objects::of(location),
        location,
        versions: Mutex::default(),
        written: AtomicI64::default(),
        has_states: AtomicBool::default(),
    };
    let (zarr_format, root) = reader.root().await?;
    let nodes = match (root, variables) {
        (Root::Array(node), _) => vec![(String::new(), node)],
        (Root::Consolidated(nodes), None) => nodes,
        (Root::Consolidated(nodes), Some(names)) => {
            let known = |path: String| {
                let node = nodes.iter().find(|(known, _)| *known == path);
                let node = node.map(|(_, node)| node.clone());
                async move { Ok(node) }
            };
            reader.select(names, known).await?
        }
        (Root::Separate, Some(names)) => {
            let read = |path: String| {
                let reader = &reader;
                async move { reader.node(zarr_format, &path).await }
            };
            reader.select(names, read).await?
        }
        (Root::Separate, None) if location.listable => reader.walk(zarr_format).await?,
        (Root::Separate, None) => {
            return Err(CubeError::unsupported(
                &location.url,
                "the metadata are not consolidated and the store cannot be listed, so the arrays are not known",
            )
            .remedy(
                "name the arrays with the option variables, for example variables = 'time,lat,lon,sst', \
                 or consolidate the metadata of the cube",
            ));
        }
    };
    let has_states = reader.has_states.into_inner();
    let written = reader.written.into_inner();
    let mut versions = reader
        .versions
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    versions.sort();
    let version = match versions.as_slice() {
        [only] => only.clone(),
        several => {
            let mut hasher = DefaultHasher::new();
            several.hash(&mut hasher);
            format!("{:016x}", hasher.finish())
        }
    };
    Ok(Hierarchy {
        zarr_format,
        nodes,
        version,
        written,
        has_states,
    })
}

/// What the first requests tell.
enum Root {
    Array(Node),
    Consolidated(Vec<(String, Node)>),
    Separate,
}

struct Reader<'a> {
    objects: Objects,
    location: &'a Location,
    versions: Mutex<Vec<String>>,
    written: AtomicI64,
    has_states: AtomicBool,
}

impl Reader<'_> {
    async fn root(&self) -> CubeResult<(u8, Root)> {
        let (v3, consolidated_v2) = futures::join!(
            self.document("", "zarr.json"),
            self.document("", ".zmetadata")
        );
        let (v3, consolidated_v2) = match (v3, consolidated_v2) {
            // Some stores deny what does not exist; one of the two files is enough.
            (Ok(Some(v3)), _) => (Some(v3), None),
            (Err(error), Ok(Some(v2))) if error.kind() == ErrorKind::Denied => (None, Some(v2)),
            (v3, v2) => (v3?, v2?),
        };
        if let Some(document) = v3 {
            return Ok((3, self.root_of_v3(document)?));
        }
        if let Some(document) = consolidated_v2 {
            return Ok((2, Root::Consolidated(self.consolidated_v2(document)?)));
        }
        match self.node(2, "").await? {
            Some(node) if node.is_array() => Ok((2, Root::Array(node))),
            Some(_) => Ok((2, Root::Separate)),
            None if has_notes(self.location, NOTES).await => Err(being_written(&self.location.url)),
            None => Err(CubeError::not_found(
                &self.location.url,
                "there is no Zarr cube: none of zarr.json, .zmetadata, .zgroup, .zarray exists",
            )
            .remedy("check the path")),
        }
    }

    fn root_of_v3(&self, mut document: Map<String, Value>) -> CubeResult<Root> {
        let consolidated = document.shift_remove("consolidated_metadata");
        let root = self.node_of_v3("", document)?;
        if root.is_array() {
            return Ok(Root::Array(root));
        }
        let has_states = consolidated
            .as_ref()
            .is_some_and(|consolidated| consolidated.get("state").is_some());
        self.has_states.store(has_states, Ordering::Relaxed);
        let Some(Value::Object(mut metadata)) = consolidated
            .and_then(|mut consolidated| Some(consolidated.get_mut("metadata")?.take()))
        else {
            return Ok(Root::Separate);
        };
        let mut nodes = vec![(String::new(), root)];
        for (path, document) in std::mem::take(&mut metadata) {
            let Value::Object(document) = document else {
                return Err(self.wrong(&path, "the consolidated metadata are not an object"));
            };
            let path = path.trim_matches('/').to_string();
            nodes.push((path.clone(), self.node_of_v3(&path, document)?));
        }
        Ok(Root::Consolidated(nodes))
    }

    fn node_of_v3(&self, path: &str, document: Map<String, Value>) -> CubeResult<Node> {
        if document.get("zarr_format").and_then(Value::as_u64) != Some(3) {
            return Err(self.wrong(path, "zarr.json does not say \"zarr_format\": 3"));
        }
        match document.get("node_type").and_then(Value::as_str) {
            Some("array") => Ok(Node::ArrayV3(document)),
            Some("group") => Ok(Node::Group(attributes_of(document.get("attributes")))),
            _ => Err(self.wrong(path, "zarr.json is neither of a group nor of an array")),
        }
    }

    fn consolidated_v2(&self, mut document: Map<String, Value>) -> CubeResult<Vec<(String, Node)>> {
        let Some(Value::Object(metadata)) = document.get_mut("metadata").map(Value::take) else {
            return Err(self.wrong("", ".zmetadata has no object \"metadata\""));
        };
        let attributes = |path: &str| {
            let key = [path, ".zattrs"].join(if path.is_empty() { "" } else { "/" });
            attributes_of(metadata.get(&key))
        };
        let mut nodes = vec![(String::new(), Node::Group(attributes("")))];
        for (key, value) in &metadata {
            let (path, file) = key.rsplit_once('/').unwrap_or(("", key));
            match (file, value) {
                (".zarray", Value::Object(array)) => {
                    let node = Node::ArrayV2(array.clone(), attributes(path));
                    nodes.push((path.to_string(), node));
                }
                (".zarray", _) => return Err(self.wrong(path, ".zarray is not an object")),
                (".zgroup", _) if !path.is_empty() => {
                    nodes.push((path.to_string(), Node::Group(attributes(path))));
                }
                _ => {}
            }
        }
        Ok(nodes)
    }

    /// Reads the metadata of the group or array at `path` from files of its own.
    async fn node(&self, zarr_format: u8, path: &str) -> CubeResult<Option<Node>> {
        if zarr_format == 3 {
            return match self.document(path, "zarr.json").await? {
                Some(document) => Ok(Some(self.node_of_v3(path, document)?)),
                None => Ok(None),
            };
        }
        let (array, attributes, group) = futures::try_join!(
            self.document(path, ".zarray"),
            self.document(path, ".zattrs"),
            self.document(path, ".zgroup"),
        )?;
        Ok(match (array, attributes, group) {
            (Some(array), attributes, _) => {
                Some(Node::ArrayV2(array, attributes.unwrap_or_default()))
            }
            (None, attributes, Some(_)) => Some(Node::Group(attributes.unwrap_or_default())),
            (None, _, None) => None,
        })
    }

    /// All nodes of a listable store, level by level.
    async fn walk(&self, zarr_format: u8) -> CubeResult<Vec<(String, Node)>> {
        let mut nodes = Vec::new();
        let root = self.node(zarr_format, "").await?;
        nodes.extend(root.map(|node| (String::new(), node)));
        let mut groups = vec![String::new()];
        for _ in 0..DEEPEST_GROUP {
            let below: Vec<Vec<String>> = stream::iter(groups)
                .map(|group| self.folders(group))
                .buffered(CONCURRENT_READS)
                .try_collect()
                .await?;
            let found: Vec<Option<(String, Node)>> = stream::iter(below.into_iter().flatten())
                .map(|path| async move {
                    let node = self.node(zarr_format, &path).await?;
                    CubeResult::Ok(node.map(|node| (path, node)))
                })
                .buffered(CONCURRENT_READS)
                .try_collect()
                .await?;
            let found = found.into_iter().flatten();
            let found: Vec<(String, Node)> =
                found.filter(|found| !is_own_overviews(found)).collect();
            let is_group = |(_, node): &&(String, Node)| !node.is_array();
            groups = found
                .iter()
                .filter(is_group)
                .map(|(path, _)| path.clone())
                .collect();
            nodes.extend(found);
            if groups.is_empty() {
                return Ok(nodes);
            }
        }
        Err(self.wrong("", "the groups are nested too deeply"))
    }

    async fn folders(&self, group: String) -> CubeResult<Vec<String>> {
        let place = self.location.child(&group);
        let names = self.objects.folders(&place.path, &place.url).await?;
        let path = |name: String| match group.is_empty() {
            true => name,
            false => format!("{group}/{name}"),
        };
        Ok(names.into_iter().map(path).collect())
    }

    /// The arrays called `names`, their groups, and the coordinates of their dimensions.
    async fn select<Found>(
        &self,
        names: &[String],
        node: impl Fn(String) -> Found,
    ) -> CubeResult<Vec<(String, Node)>>
    where
        Found: Future<Output = CubeResult<Option<Node>>>,
    {
        let mut nodes: Vec<(String, Node)> = Vec::new();
        for name in names {
            match node(name.clone()).await? {
                Some(found) if found.is_array() => nodes.push((name.clone(), found)),
                _ => {
                    return Err(CubeError::not_found(
                        &self.location.url,
                        format!("there is no array {name:?}, which the option variables names"),
                    )
                    .remedy("correct the option variables"));
                }
            }
        }
        let mut others: Vec<String> = vec![String::new()];
        for (path, array) in &nodes {
            let group = parent(path);
            others.push(group.to_string());
            let coordinate = |name: String| match group.is_empty() {
                true => name,
                false => format!("{group}/{name}"),
            };
            others.extend(array.dimension_names().into_iter().map(coordinate));
        }
        others.sort();
        others.dedup();
        for path in others {
            if nodes.iter().all(|(known, _)| *known != path)
                && let Some(found) = node(path.clone()).await?
            {
                nodes.push((path, found));
            }
        }
        Ok(nodes)
    }

    /// Reads the metadata file called `name` of the group or array at `path`.
    async fn document(&self, path: &str, name: &str) -> CubeResult<Option<Map<String, Value>>> {
        let place = self.location.child(path).child(name);
        let Some(fetched) = self.objects.get(&place.path, None, &place.url).await? else {
            return Ok(None);
        };
        let version = version_of(&fetched.meta);
        let written = fetched.meta.last_modified.timestamp_micros();
        self.written.fetch_max(written, Ordering::Relaxed);
        self.versions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(version);
        parse_object(&fetched.bytes, &place.url).map(Some)
    }

    fn wrong(&self, path: &str, cause: &str) -> CubeError {
        CubeError::corrupt(self.location.child(path).url, cause)
    }
}

/// Is it the folder of overviews that are made here? They are no part of the cube.
fn is_own_overviews((path, node): &(String, Node)) -> bool {
    match node {
        Node::Group(attributes) => path == OVERVIEWS && attributes.contains_key(MADE_OF),
        _ => false,
    }
}

/// The path of the group that holds `path`; empty for the root.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(group, _)| group)
}

fn attributes_of(value: Option<&Value>) -> Attributes {
    match value {
        Some(Value::Object(attributes)) => attributes.clone(),
        _ => Map::new(),
    }
}
