//! Reads the chunks of one Zarr array: [`ZarrArray`], an [`ArrayReader`].
//!
//! ```text
//!  fetch   key of the chunk ─▶ one GET                      not sharded
//!          key of the shard ─▶ its index ─▶ one range GET   sharded
//!  decode  Decoder, on the caller's thread
//!  versions  of the objects that hold the chunks, see crate::versions
//! ```

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::source::{
    ArrayDescription, ArrayReader, ChunkVersion, EncodedChunk, Location, Payload, RawChunk,
};
use object_store::path::Path;
use zarrs::array::ChunkKeyEncoding;

use super::codecs::{Codec, Sharding, describe};
use super::data_type::CellType;
use super::decoding::Decoder;
use super::grid::Grid;
use super::metadata::ArrayMetadata;
use super::objects::Objects;
use super::opened_state::OpenedState;
use super::shards::Shards;
use crate::versions::Versions;

/// One array of a Zarr store.
#[derive(Debug)]
pub(super) struct ZarrArray {
    description: ArrayDescription,
    /// The array's folder, as people see it.
    url: String,
    path: Path,
    objects: Objects,
    versions: Versions,
    /// The chunks as stored, of a sharded array those inside of the shards.
    grid: Grid,
    keys: ChunkKeyEncoding,
    /// How to decode, or why this version cannot: the other arrays of the cube do not suffer.
    decoding: Result<Decoding, CubeError>,
}

#[derive(Debug)]
struct Decoding {
    decoder: Decoder,
    shards: Option<Shards>,
}

impl ZarrArray {
    /// The array called `name` at `location`, of a cube whose state is `opened`. Nothing is read.
    ///
    /// # Errors
    /// The type of the cells is not known. Codecs that are not known are an error of every fetch
    /// instead, because the array can be described all the same.
    pub(super) fn new(
        name: &str,
        metadata: ArrayMetadata,
        location: &Location,
        opened: Option<Arc<OpenedState>>,
    ) -> CubeResult<Self> {
        let Some(cell) = &metadata.cell else {
            let cause = format!("values of type {} cannot be read", metadata.data_type);
            return Err(CubeError::unsupported(&location.url, cause));
        };
        let sharded = inside_shards(&metadata);
        let (grid, decoding) = match &sharded {
            None => (
                &metadata.grid,
                decoding(&metadata, cell, &metadata.codecs, None),
            ),
            Some((grid, sharding, shard_shape)) => {
                let shards = Shards::new(sharding, shard_shape);
                let decoding = shards
                    .and_then(|shards| decoding(&metadata, cell, &sharding.codecs, Some(shards)));
                (grid, decoding)
            }
        };
        Ok(Self {
            url: location.url.clone(),
            path: location.path.clone(),
            objects: Objects::of(location).of_state(opened),
            versions: Versions::of(location),
            grid: grid.clone(),
            decoding: decoding.map_err(|cause| {
                CubeError::unsupported(&location.url, cause)
                    .remedy("leave this variable out, or rewrite it with codecs that can be read")
            }),
            description: ArrayDescription {
                name: name.to_string(),
                chunks: grid.chunks(),
                data_type: cell.arrow(),
                fill_value: cell.fill_value(&metadata.fill_value),
                codecs: describe(&metadata.codecs),
                shard_shape: sharded.map(|(_, _, shard_shape)| shard_shape),
                stored_bytes: None,
                dimensions: metadata.dimensions,
                shape: metadata.shape,
                attributes: metadata.attributes,
            },
            keys: metadata.keys,
        })
    }

    fn decoding(&self) -> CubeResult<&Decoding> {
        self.decoding.as_ref().map_err(Clone::clone)
    }

    /// The key of the object that holds the chunk at `index`.
    fn key(&self, decoding: &Decoding, index: &[u64]) -> String {
        let key = match &decoding.shards {
            Some(shards) => self.keys.encode(&shards.shard_of(index)),
            None => self.keys.encode(index),
        };
        key.as_str().to_string()
    }

    fn object(&self, key: &str) -> Path {
        let segments = key.split('/');
        segments.fold(self.path.clone(), |path, segment| path.join(segment))
    }

    /// Objects of the array, when all are stored.
    fn object_count(&self) -> u64 {
        let sizes = self.description.shard_shape.as_deref();
        let axes = self.description.chunks.iter().enumerate();
        let counts = axes.map(
            |(axis, chunks)| match sizes.and_then(|sizes| sizes.get(axis)) {
                Some(shard) => chunks.length().div_ceil((*shard).max(1)),
                None => chunks.count(),
            },
        );
        counts.fold(1, u64::saturating_mul)
    }

    /// The chunk at `index`, in the object `key`, as errors name it.
    fn place(&self, key: &str, index: &[u64]) -> String {
        match self.description.shard_shape {
            Some(_) => format!("{}, chunk {index:?} of shard {key}", self.url),
            None => format!("{}, chunk {key}", self.url),
        }
    }

    /// The shape of the chunk at `index`, if it exists and is not too large.
    fn stored_shape(
        &self,
        decoding: &Decoding,
        index: &[u64],
        place: &str,
    ) -> CubeResult<Vec<u64>> {
        let shape = self.grid.stored_shape(index);
        let shape = shape.ok_or_else(|| CubeError::invalid(place, "there is no such chunk"))?;
        decoding.decoder.check_size(&shape).map_err(|cause| {
            CubeError::new(ErrorKind::Limit, place, cause)
                .remedy("rewrite the array with smaller chunks")
        })?;
        Ok(shape)
    }
}

/// The chunks inside of the shards, where they can be read one by one: nothing but the sharding
/// codec, and all shards of the same shape. Other shards are read whole, as one chunk.
fn inside_shards(metadata: &ArrayMetadata) -> Option<(Grid, Sharding, Vec<u64>)> {
    let [only] = metadata.codecs.as_slice() else {
        return None;
    };
    let sharding = only.sharding()?.ok()?;
    let grid = Grid::regular(&metadata.shape, &sharding.chunk_shape).ok()?;
    Some((grid, sharding, metadata.grid.uniform_shape()?))
}

fn decoding(
    metadata: &ArrayMetadata,
    cell: &CellType,
    codecs: &[Codec],
    shards: Option<Shards>,
) -> Result<Decoding, String> {
    if let Some(what) = &metadata.not_understood {
        return Err(format!("the array needs {what}, which is not known"));
    }
    Ok(Decoding {
        decoder: Decoder::new(cell, codecs, &metadata.fill_value)?,
        shards,
    })
}

fn damaged(place: &str, cause: &str) -> CubeError {
    CubeError::corrupt(place, format!("the chunk cannot be decoded: {cause}"))
        .remedy("copy the chunk again from its source")
}

#[async_trait]
impl ArrayReader for ZarrArray {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let decoding = self.decoding()?;
        let key = self.key(decoding, index);
        let place = self.place(&key, index);
        self.stored_shape(decoding, index, &place)?;
        let path = self.object(&key);
        let (bytes, bytes_fetched) = match &decoding.shards {
            Some(shards) => shards.fetch(index, &self.objects, &path, &place).await?,
            None => {
                let fetched = self.objects.get(&path, None, &place).await?;
                let bytes: Option<Bytes> = fetched.map(|fetched| fetched.bytes);
                let length = bytes.as_ref().map_or(0, Bytes::len);
                (bytes, length as u64)
            }
        };
        Ok(bytes.map(|bytes| EncodedChunk {
            bytes_fetched,
            payload: Payload::Encoded(bytes),
        }))
    }

    fn decode(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        let encoded = match chunk.payload {
            Payload::Encoded(encoded) => encoded,
            payload => return payload.into_values(&self.description().name),
        };
        let decoding = self.decoding()?;
        let place = self.place(&self.key(decoding, index), index);
        let shape = self.stored_shape(decoding, index, &place)?;
        let values = decoding.decoder.decode(&encoded, &shape);
        let values = values.map_err(|cause| damaged(&place, &cause))?;
        Ok(RawChunk {
            values,
            shape: shape.iter().map(|size| *size as usize).collect(),
        })
    }

    fn decode_rows(
        &self,
        index: &[u64],
        chunk: &EncodedChunk,
        rows: Range<u64>,
    ) -> CubeResult<Option<RawChunk>> {
        let Payload::Encoded(encoded) = &chunk.payload else {
            return Ok(None);
        };
        let decoding = self.decoding()?;
        let place = self.place(&self.key(decoding, index), index);
        let mut shape = self.stored_shape(decoding, index, &place)?;
        let Some(values) = decoding.decoder.decode_rows(encoded, &shape, rows.clone()) else {
            return Ok(None);
        };
        if let Some(count) = shape.first_mut() {
            *count = rows.end - rows.start;
        }
        Ok(Some(RawChunk {
            values: values.map_err(|cause| damaged(&place, &cause))?,
            shape: shape.iter().map(|size| *size as usize).collect(),
        }))
    }

    async fn versions(&self, indices: &[Vec<u64>]) -> CubeResult<Vec<ChunkVersion>> {
        let decoding = self.decoding()?;
        let object = |index: &Vec<u64>| self.object(&self.key(decoding, index));
        let objects: Vec<Path> = indices.iter().map(object).collect();
        let versions = self
            .versions
            .ask(&self.path, self.object_count(), &objects)
            .await?;
        if let Some(shards) = &decoding.shards {
            // What is read from now on is what these versions stand for.
            for (index, version) in indices.iter().zip(&versions) {
                shards.expect(&shards.shard_of(index), version);
            }
        }
        Ok(versions)
    }
}
