//! The state of a cube that readers see: [`VisibleState`].

use std::collections::HashMap;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use graticule_engine::error::{CubeError, CubeResult};
use object_store::ObjectMeta;
use serde_json::Value;

use super::super::hierarchy::{Node, discover};
use super::super::json::parse_object;
use super::super::metadata::ArrayMetadata;
use super::keys::ChunkKeys;
use crate::writing::folder::{CubeFolder, version_of};

/// The objects that make a cube visible, in the order in which readers look for them.
pub(super) const ROOTS: [&str; 4] = ["zarr.json", ".zmetadata", ".zgroup", ".zarray"];

/// Requests at a time.
pub(super) const CONCURRENT_REQUESTS: usize = 16;

/// What readers see.
#[derive(Debug)]
pub(super) struct VisibleState {
    /// Which of [`ROOTS`] they look at.
    root: &'static str,
    meta: ObjectMeta,
    nodes: HashMap<String, Node>,
}

/// An array of the visible state.
#[derive(Debug)]
pub(super) struct VisibleArray {
    /// `None` where nobody but their inventor knows them.
    pub(super) keys: Option<ChunkKeys>,
    /// Objects along each dimension.
    pub(super) counts: Vec<u64>,
}

impl VisibleState {
    /// The object that readers look at first, if there is a cube.
    pub(super) async fn root(
        folder: &CubeFolder,
    ) -> CubeResult<Option<(&'static str, ObjectMeta)>> {
        for name in ROOTS {
            if let Some(meta) = folder.meta(name).await? {
                return Ok(Some((name, meta)));
            }
        }
        Ok(None)
    }

    /// Reads the metadata, if there is a cube.
    pub(super) async fn read(folder: &CubeFolder) -> CubeResult<Option<Self>> {
        let Some((root, meta)) = Self::root(folder).await? else {
            return Ok(None);
        };
        let hierarchy = discover(folder.location(), None).await?;
        Ok(Some(Self {
            root,
            meta,
            nodes: hierarchy.nodes.into_iter().collect(),
        }))
    }

    pub(super) fn version(&self) -> String {
        version_of(&self.meta)
    }

    /// The `zarr.json` of the cube, if it has one.
    pub(super) fn root_of_v3(&self) -> Option<&ObjectMeta> {
        (self.root == "zarr.json").then_some(&self.meta)
    }

    /// The paths and metadata of all groups and arrays.
    pub(super) fn nodes(&self) -> &HashMap<String, Node> {
        &self.nodes
    }

    /// The array at `path`, if it is one.
    pub(super) fn array(&self, path: &str, place: &str) -> CubeResult<Option<VisibleArray>> {
        let Some(node) = self.nodes.get(path).filter(|node| node.is_array()) else {
            return Ok(None);
        };
        let metadata = match node.clone() {
            Node::ArrayV2(array, attributes) => ArrayMetadata::of_v2(&array, attributes, place)?,
            Node::ArrayV3(array) => ArrayMetadata::of_v3(array, place)?,
            Node::Group(_) => return Ok(None),
        };
        let chunks = metadata.grid.chunks();
        Ok(Some(VisibleArray {
            keys: ChunkKeys::of(node),
            counts: chunks.iter().map(|axis| axis.count()).collect(),
        }))
    }

    /// All arrays by their paths.
    pub(super) fn arrays(&self, place: &str) -> CubeResult<HashMap<&str, VisibleArray>> {
        let mut arrays = HashMap::new();
        for path in self.nodes.keys() {
            if let Some(array) = self.array(path, place)? {
                arrays.insert(path.as_str(), array);
            }
        }
        Ok(arrays)
    }

    /// Is `path` a group or an array of the cube?
    pub(super) fn has(&self, path: &str) -> bool {
        self.nodes.contains_key(path)
    }

    /// Is the metadata object called `file` one that readers of this state look at?
    pub(super) fn is_metadata(&self, file: &str) -> bool {
        match self.root {
            "zarr.json" => file == "zarr.json",
            _ => [".zmetadata", ".zgroup", ".zarray", ".zattrs"].contains(&file),
        }
    }

    /// Completes a commit that was broken off after the cube's own metadata were written: the metadata
    /// of its arrays follow. Metadata that somebody else changed without consolidating them are not
    /// touched: nobody but a commit changes how the objects of an array are called.
    pub(super) async fn finish(&self, folder: &CubeFolder) -> CubeResult<()> {
        if self.root == ".zmetadata" {
            return self.finish_v2(folder).await;
        }
        let nodes = self.nodes.iter();
        let complete: Vec<_> = nodes
            .map(|(path, node)| complete(folder, path, node))
            .collect();
        stream::iter(complete)
            .buffer_unordered(CONCURRENT_REQUESTS)
            .try_collect()
            .await
    }

    /// In Zarr v2 the metadata of the group stand beside the consolidated ones.
    async fn finish_v2(&self, folder: &CubeFolder) -> CubeResult<()> {
        if folder.meta(".zgroup").await?.is_some() {
            return Ok(());
        }
        let Some((consolidated, _)) = folder.get(".zmetadata").await? else {
            return Ok(());
        };
        let consolidated = parse_object(&consolidated, folder.url())?;
        for name in [".zattrs", ".zgroup"] {
            let document = consolidated.get("metadata").and_then(|all| all.get(name));
            if let Some(document) = document {
                folder.put(name, bytes_of(document, folder.url())?).await?;
            }
        }
        Ok(())
    }
}

/// Writes the metadata of the array at `path` that the commit did not write any more.
async fn complete(folder: &CubeFolder, path: &str, node: &Node) -> CubeResult<()> {
    let Node::ArrayV3(document) = node else {
        return Ok(());
    };
    if path.is_empty() {
        return Ok(());
    }
    let name = format!("{path}/zarr.json");
    if let Some((found, _)) = folder.get(&name).await? {
        let found = parse_object(&found, folder.url())?;
        if ChunkKeys::of(&Node::ArrayV3(found)) == ChunkKeys::of(node) {
            return Ok(());
        }
    }
    let bytes = bytes_of(&Value::Object(document.clone()), folder.url())?;
    folder.put(&name, bytes).await
}

/// A document as it is stored.
pub(super) fn bytes_of(document: &Value, place: &str) -> CubeResult<Bytes> {
    serde_json::to_vec_pretty(document)
        .map(Bytes::from)
        .map_err(|error| CubeError::invalid(place, error))
}
