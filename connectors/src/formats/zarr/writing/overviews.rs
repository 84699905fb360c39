//! Overviews of a cube as a hierarchy of Zarr 3, in a folder of the cube's own or anywhere else.
//!
//! ```text
//!  cube.zarr/overviews/zarr.json     group: which levels there are, and all their metadata
//!                      1/            a cube with cells twice as large
//!                      2/            and four times
//! ```
//! The attributes say what the levels are by the Zarr convention *multiscales*, version 1 (zarr-conventions/multiscales):
//! a cell of a level is `scale` cells of the level it was derived from, and its centre lies `translation` cells from
//! where the first cell of that level has its centre.

use async_trait::async_trait;
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::sink::{MADE_OF, OverviewKeeper};
use graticule_engine::source::{Attributes, Location};
use serde_json::{Map, Value, json};

use super::super::OVERVIEWS;
use super::super::hierarchy::{Node, discover};
use super::super::json::parse_object;
use super::ZarrSink;
use super::compression::Compression;
use super::removal::is_note;
use super::state::bytes_of;
use super::writer::new_state;
use crate::writing::folder::CubeFolder;

/// The object that makes levels visible.
const ROOT: &str = "zarr.json";

#[async_trait]
impl OverviewKeeper for ZarrSink {
    fn folder(&self, location: &Location) -> Location {
        location.child(OVERVIEWS)
    }

    fn codec(&self, repeat: bool) -> String {
        Compression::of_levels(repeat).to_string()
    }

    async fn published(&self, folder: &Location) -> CubeResult<Option<Attributes>> {
        let objects = CubeFolder::new(folder);
        let Some((bytes, _)) = objects.get(ROOT).await? else {
            return Ok(None);
        };
        let document = parse_object(&bytes, objects.url())?;
        let attributes = document.get("attributes").and_then(Value::as_object);
        Ok(attributes.cloned())
    }

    async fn publish(
        &self,
        folder: &Location,
        count: u32,
        method: Option<&str>,
        attributes: Attributes,
    ) -> CubeResult<()> {
        let mut metadata = Map::new();
        for level in 1..=count {
            let hierarchy = discover(&folder.child(&level.to_string()), None).await?;
            for (path, node) in hierarchy.nodes {
                let path = match path.is_empty() {
                    true => level.to_string(),
                    false => format!("{level}/{path}"),
                };
                metadata.insert(path, document_of(node));
            }
        }
        let mut all = multiscales(count, method);
        all.extend(attributes);
        let document = json!({
            "zarr_format": 3,
            "node_type": "group",
            "attributes": all,
            "consolidated_metadata": {
                "kind": "inline",
                "must_understand": false,
                // Who still reads the levels before these finds that they are others now.
                "state": new_state(),
                "metadata": metadata,
            },
        });
        let objects = CubeFolder::new(folder);
        let bytes = bytes_of(&document, objects.url())?;
        objects.put(ROOT, bytes).await
    }

    async fn withdraw(&self, folder: &Location) -> CubeResult<()> {
        let objects = CubeFolder::new(folder);
        let said = self.published(folder).await?;
        let mut found = objects.list().await?;
        found.retain(|object| !is_note(objects.name(&object.location)));
        let is_ours = match &said {
            Some(said) => said.contains_key(MADE_OF),
            // Nothing, or levels that were begun.
            None => found
                .iter()
                .all(|object| is_of_level(objects.name(&object.location))),
        };
        if !is_ours {
            let cause = "the folder holds something else than overviews";
            return Err(CubeError::new(ErrorKind::Conflict, &folder.url, cause)
                .remedy("name another folder with the option overviews"));
        }
        if said.is_some() {
            objects.delete(vec![folder.child(ROOT).path]).await?;
        }
        found.retain(|object| is_of_level(objects.name(&object.location)));
        let paths = found.into_iter().map(|object| object.location);
        objects.delete(paths.collect()).await?;
        objects.remove_empty_folders().await
    }

    async fn tidy(&self, folder: &Location) -> CubeResult<()> {
        CubeFolder::new(folder).remove_empty_folders().await
    }
}

/// Is an object of this name in the folder of a level?
fn is_of_level(name: &str) -> bool {
    name.split_once('/')
        .is_some_and(|(level, _)| level.parse::<u32>().is_ok())
}

/// The document of a group or array.
fn document_of(node: Node) -> Value {
    match node {
        Node::Group(attributes) => json!({
            "zarr_format": 3,
            "node_type": "group",
            "attributes": attributes,
        }),
        Node::ArrayV3(document) => Value::Object(document),
        Node::ArrayV2(document, _) => Value::Object(document),
    }
}

/// What the convention says of `count` levels.
fn multiscales(count: u32, method: Option<&str>) -> Attributes {
    let level = |level: u32| match level {
        1 => json!({"asset": "1", "transform": {"scale": [1.0, 1.0], "translation": [0.0, 0.0]}}),
        _ => json!({
            "asset": level.to_string(),
            "derived_from": (level - 1).to_string(),
            "transform": {"scale": [2.0, 2.0], "translation": [0.5, 0.5]},
        }),
    };
    let layout: Vec<Value> = (1..=count).map(level).collect();
    let mut attributes = Attributes::new();
    attributes.insert(
        "zarr_conventions".to_string(),
        json!([{
            "uuid": "d35379db-88df-4056-af3a-620245f8e347",
            "name": "multiscales",
            "schema_url": "https://raw.githubusercontent.com/zarr-conventions/multiscales/refs/tags/v1/schema.json",
            "spec_url": "https://github.com/zarr-conventions/multiscales/blob/v1/README.md",
            "description": "Multiscale layout of zarr datasets",
        }]),
    );
    let mut multiscales = Attributes::new();
    multiscales.insert("layout".to_string(), json!(layout));
    multiscales.extend(method.map(|method| ("resampling_method".to_string(), json!(method))));
    attributes.insert("multiscales".to_string(), Value::Object(multiscales));
    attributes
}
