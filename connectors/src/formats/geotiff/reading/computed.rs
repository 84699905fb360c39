//! Arrays that are computed rather than stored: [`ComputedArray`], coordinates of rows and columns and the grid
//! mapping.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array};
use arrow::datatypes::DataType;
use async_trait::async_trait;
use graticule_engine::cube::chunks::AxisChunks;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{
    ArrayDescription, ArrayReader, Attributes, ChunkVersion, EncodedChunk, Payload, RawChunk,
};
use serde_json::Value;

use super::placement::Steps;
use crate::formats::stored_file::StoredFile;

/// Coordinates in a chunk: an image of any length costs no memory before it is asked for.
const CHUNK_CELLS: u64 = 1 << 18;

/// An array whose values follow from the tags of the file.
#[derive(Debug)]
pub(super) struct ComputedArray {
    file: Arc<StoredFile>,
    description: ArrayDescription,
    /// `None` for a scalar that carries attributes.
    steps: Option<Steps>,
}

impl ComputedArray {
    /// The centres of the `length` rows or columns along the dimension `name`.
    pub(super) fn coordinates(
        file: &Arc<StoredFile>,
        name: &str,
        length: u64,
        steps: Steps,
        attributes: Attributes,
    ) -> Self {
        Self {
            file: Arc::clone(file),
            description: ArrayDescription {
                name: name.to_string(),
                dimensions: vec![name.to_string()],
                shape: vec![length],
                chunks: vec![AxisChunks::regular(length, CHUNK_CELLS)],
                data_type: DataType::Float64,
                fill_value: Value::Null,
                attributes,
                codecs: String::new(),
                shard_shape: None,
                stored_bytes: Some(0),
            },
            steps: Some(steps),
        }
    }

    /// The scalar `name` whose attributes tell the coordinate reference system.
    pub(super) fn grid_mapping(file: &Arc<StoredFile>, name: &str, attributes: Attributes) -> Self {
        Self {
            file: Arc::clone(file),
            description: ArrayDescription {
                name: name.to_string(),
                dimensions: Vec::new(),
                shape: Vec::new(),
                chunks: Vec::new(),
                data_type: DataType::Int32,
                fill_value: Value::Null,
                attributes,
                codecs: String::new(),
                shard_shape: None,
                stored_bytes: Some(0),
            },
            steps: None,
        }
    }

    fn values(&self, index: &[u64]) -> Option<RawChunk> {
        let (values, shape): (ArrayRef, _) = match (&self.steps, &self.description.chunks[..]) {
            (None, _) => (Arc::new(Int32Array::from(vec![0])), Vec::new()),
            (Some(steps), [chunks]) => {
                let chunk = index.first().filter(|chunk| **chunk < chunks.count())?;
                let cells = chunks.range(*chunk).map(|cell| steps.centre(cell));
                let values: Vec<f64> = cells.collect();
                let shape = vec![values.len()];
                (Arc::new(Float64Array::from(values)), shape)
            }
            _ => return None,
        };
        Some(RawChunk { values, shape })
    }
}

#[async_trait]
impl ArrayReader for ComputedArray {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let name = &self.description.name;
        let values = self.values(index).ok_or_else(|| {
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
