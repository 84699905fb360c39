//! Cubes of Zarr 3 whose objects a format of its own keeps: [`PlainZarr`] encodes chunks and describes arrays,
//! [`stored_cube`] is the way back. Where objects lie and when they are seen is that format's.

use arrow::array::ArrayRef;
use bytes::Bytes;
use graticule_engine::error::CubeResult;
use graticule_engine::sink::TargetCube;
use graticule_engine::source::{Location, Options};
use serde_json::{Value, json};

use super::super::hierarchy::discover;
use super::encoder::ArrayEncoder;
use super::encoders;
use super::keys::ChunkKeys;
use super::metadata::array_v3;
use super::stored::cube_of;

/// One cube as Zarr 3.
#[derive(Debug)]
pub(crate) struct PlainZarr {
    encoders: Vec<ArrayEncoder>,
}

/// The `zarr.json` of the cube and of its arrays, in their order. Nothing is consolidated.
#[derive(Debug)]
pub(crate) struct Documents {
    pub(crate) group: Value,
    pub(crate) arrays: Vec<Value>,
}

impl PlainZarr {
    /// # Errors
    /// A name, type, codec or shape that Zarr 3 does not have.
    pub(crate) fn new(cube: &TargetCube) -> CubeResult<Self> {
        let (_, encoders) = encoders(cube, &Options::new())?;
        Ok(Self { encoders })
    }

    /// See [`CubeWriter::encode`](graticule_engine::sink::CubeWriter::encode). The error is its cause in words.
    pub(crate) fn encode(
        &self,
        array: usize,
        index: &[u64],
        values: &ArrayRef,
        extent: &[usize],
    ) -> Result<Option<Bytes>, String> {
        let encoder = self.encoders.get(array).ok_or("there is no such array")?;
        encoder.encode(index, values, extent, false)
    }

    pub(crate) fn documents(&self, cube: &TargetCube) -> Documents {
        let arrays = cube.arrays.iter().zip(&self.encoders);
        let arrays =
            arrays.map(|(array, encoder)| array_v3(array, encoder, ChunkKeys::Default('/')));
        Documents {
            group: json!({
                "zarr_format": 3,
                "node_type": "group",
                "attributes": cube.attributes,
            }),
            arrays: arrays.collect(),
        }
    }
}

/// The cube of Zarr 3 at a place, as it would be written again.
///
/// # Errors
/// Something of it would be stored in another way now, or the store failed.
pub(crate) async fn stored_cube(location: &Location) -> CubeResult<TargetCube> {
    let hierarchy = discover(location, None).await?;
    cube_of(hierarchy.nodes, &location.url)
}
