//! Arrays that are computed rather than stored: [`ComputedArray`], coordinates and the grid mapping.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int32Array};
use arrow::datatypes::DataType;
use async_trait::async_trait;
use graticule_engine::cube::chunks::AxisChunks;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{
    ArrayDescription, ArrayReader, Attributes, ChunkVersion, EncodedChunk, Payload, RawChunk,
};
use serde_json::Value;

use super::grid::Coordinates;
use crate::formats::stored_file::StoredFile;

/// Coordinates of a grid in a chunk: an axis of any length costs no memory before it is asked for.
const CHUNK_CELLS: u64 = 1 << 18;

/// An array whose values follow from the headers of the file.
#[derive(Debug)]
pub(super) struct ComputedArray {
    file: Arc<StoredFile>,
    description: ArrayDescription,
    values: Values,
}

#[derive(Debug)]
enum Values {
    /// One chunk.
    List(ArrayRef),
    /// Along the only dimension.
    Coordinates(Coordinates),
}

impl ComputedArray {
    fn new(
        file: &Arc<StoredFile>,
        name: &str,
        dimensions: &[(&str, u64)],
        chunk: u64,
        values: Values,
        attributes: Attributes,
    ) -> Self {
        let lengths = dimensions.iter().map(|(_, length)| *length);
        Self {
            file: Arc::clone(file),
            description: ArrayDescription {
                name: name.to_string(),
                dimensions: dimensions
                    .iter()
                    .map(|(name, _)| (*name).to_string())
                    .collect(),
                shape: lengths.clone().collect(),
                chunks: lengths
                    .map(|length| AxisChunks::regular(length, chunk.min(length)))
                    .collect(),
                data_type: match &values {
                    Values::List(list) => list.data_type().clone(),
                    Values::Coordinates(_) => DataType::Float64,
                },
                fill_value: Value::Null,
                attributes,
                codecs: String::new(),
                shard_shape: None,
                stored_bytes: Some(0),
            },
            values,
        }
    }

    /// An array with these values over `dimensions`.
    pub(super) fn list(
        file: &Arc<StoredFile>,
        name: &str,
        dimensions: &[(&str, u64)],
        values: ArrayRef,
        attributes: Attributes,
    ) -> Self {
        Self::new(
            file,
            name,
            dimensions,
            u64::MAX,
            Values::List(values),
            attributes,
        )
    }

    /// The coordinates of a grid along a dimension.
    pub(super) fn coordinates(
        file: &Arc<StoredFile>,
        name: &str,
        dimension: (&str, u64),
        coordinates: Coordinates,
        attributes: Attributes,
    ) -> Self {
        let values = Values::Coordinates(coordinates);
        Self::new(file, name, &[dimension], CHUNK_CELLS, values, attributes)
    }

    /// The scalar `name` whose attributes tell the coordinate reference system.
    pub(super) fn grid_mapping(file: &Arc<StoredFile>, name: &str, attributes: Attributes) -> Self {
        let values: ArrayRef = Arc::new(Int32Array::from(vec![0]));
        Self::list(file, name, &[], values, attributes)
    }

    fn chunk(&self, index: &[u64]) -> Option<RawChunk> {
        let chunks = &self.description.chunks;
        let mut pairs = index.iter().zip(chunks);
        if index.len() != chunks.len() || !pairs.all(|(chunk, axis)| *chunk < axis.count()) {
            return None;
        }
        Some(match (&self.values, index) {
            (Values::List(list), _) => RawChunk {
                values: Arc::clone(list),
                shape: self.description.shape.iter().map(|n| *n as usize).collect(),
            },
            (Values::Coordinates(coordinates), index) => {
                let cells = chunks.first()?.range(*index.first()?);
                let values = coordinates.values(cells);
                RawChunk {
                    shape: vec![values.len()],
                    values: Arc::new(Float64Array::from(values)),
                }
            }
        })
    }
}

#[async_trait]
impl ArrayReader for ComputedArray {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let name = &self.description.name;
        let values = self.chunk(index).ok_or_else(|| {
            let cause = format!("the variable has no chunk {index:?}");
            CubeError::invalid(
                format!("{}, variable {name}", self.file.location.url),
                cause,
            )
        })?;
        Ok(Some(EncodedChunk {
            bytes_fetched: 0,
            payload: Payload::Values(values),
        }))
    }

    fn decode(&self, _index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        chunk.payload.into_values(&self.description.name)
    }

    /// What is computed from a file has its version.
    async fn versions(&self, indices: &[Vec<u64>]) -> CubeResult<Vec<ChunkVersion>> {
        Ok(vec![self.file.version_now().await?; indices.len()])
    }
}
