//! A cube that is there as one that could be written: what a new state of it has to look like.

use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::sink::{StoredCube, TargetArray, TargetCube};
use graticule_engine::source::Options;
use serde_json::{Map, Value};

use super::super::hierarchy::Node;
use super::super::metadata::ArrayMetadata;
use super::compression::Compression;
use super::encoder::ArrayEncoder;
use super::keys::ChunkKeys;
use super::metadata::array_v3;
use super::state::VisibleState;
use crate::writing::folder::CubeFolder;

/// Reads the cube in `folder`, if there is one.
///
/// # Errors
/// Something of it would be stored in another way now.
pub(super) async fn stored(folder: &CubeFolder) -> CubeResult<Option<StoredCube>> {
    let Some(state) = VisibleState::read(folder).await? else {
        return Ok(None);
    };
    if state.root_of_v3().is_none() {
        let cause = "a cube of Zarr version 2 is not changed once it is written";
        return Err(CubeError::unsupported(folder.url(), cause)
            .remedy("make one of version 3 of it: CREATE TABLE … AS SELECT * FROM …"));
    }
    let nodes = state.nodes().clone();
    Ok(Some(StoredCube {
        cube: cube_of(nodes, folder.url())?,
        options: Options::new(),
        version: state.version(),
    }))
}

/// The cube of Zarr 3 whose groups and arrays these are.
///
/// # Errors
/// Something of it would be stored in another way now.
pub(super) fn cube_of(
    nodes: impl IntoIterator<Item = (String, Node)>,
    url: &str,
) -> CubeResult<TargetCube> {
    let mut arrays = Vec::new();
    let mut attributes = serde_json::Map::new();
    for (path, node) in nodes {
        let place = format!("{url}/{path}");
        match node {
            Node::Group(found) if path.is_empty() => attributes = found,
            Node::ArrayV3(document) if !path.is_empty() && !path.contains('/') => {
                arrays.push(array(&path, &document, &place)?);
            }
            _ => {
                return Err(CubeError::unsupported(
                    place,
                    "a cube with groups is not changed once it is written",
                )
                .remedy("make a new one of it: CREATE TABLE … AS SELECT * FROM …"));
            }
        }
    }
    arrays.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(TargetCube {
        arrays,
        attributes,
        images: None,
    })
}

fn array(name: &str, document: &Map<String, Value>, place: &str) -> CubeResult<TargetArray> {
    let metadata = ArrayMetadata::of_v3(document.clone(), place)?;
    let otherwise = || {
        CubeError::unsupported(
            place,
            "the array is stored in a way in which it cannot be written",
        )
        .remedy("make a new cube of it: CREATE TABLE … AS SELECT * FROM …")
    };
    let cell = metadata.cell.as_ref().ok_or_else(otherwise)?;
    let codecs = document
        .get("codecs")
        .and_then(Value::as_array)
        .ok_or_else(otherwise)?;
    let outer: Vec<u64> = metadata.grid.uniform_shape().ok_or_else(otherwise)?;
    let sharding = codecs
        .first()
        .filter(|codec| codec["name"] == "sharding_indexed");
    let (chunks, shards, inner) = match sharding {
        Some(sharding) => {
            let configuration = &sharding["configuration"];
            let chunks = serde_json::from_value(configuration["chunk_shape"].clone());
            let inner = configuration["codecs"].as_array().ok_or_else(otherwise)?;
            (chunks.map_err(|_| otherwise())?, Some(outer), inner)
        }
        None => (outer, None, codecs),
    };
    let target = TargetArray {
        name: name.to_string(),
        dimensions: metadata.dimensions.clone(),
        shape: metadata.shape.clone(),
        chunks,
        shards,
        data_type: cell.arrow(),
        fill_value: cell.fill_value(&metadata.fill_value),
        codec: Some(
            Compression::of_codecs(inner)
                .ok_or_else(otherwise)?
                .to_string(),
        ),
        attributes: metadata.attributes.clone(),
    };
    // What would be written now must be what is there: else objects of both would stand side by side.
    let encoder = ArrayEncoder::new(&target).map_err(|_| otherwise())?;
    let keys = ChunkKeys::of(&Node::ArrayV3(document.clone())).ok_or_else(otherwise)?;
    let again = array_v3(&target, &encoder, keys);
    let is_alike = ["codecs", "chunk_grid", "data_type", "shape"]
        .iter()
        .all(|part| again.get(part) == document.get(*part));
    match is_alike {
        true => Ok(target),
        false => Err(otherwise()),
    }
}
