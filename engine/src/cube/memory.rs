//! An array in memory: synthetic cubes for tests and examples.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arrow::array::{ArrayRef, Float32Array, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use serde_json::Value;

use super::chunks::AxisChunks;
use crate::error::{CubeError, CubeResult};
use crate::source::{
    ArrayDescription, ArrayReader, Attributes, ChunkVersion, EncodedChunk, Payload, RawChunk,
};

/// An array whose stored values are in memory. One chunk, unless [`MemoryArray::with_chunks`].
#[derive(Debug, Clone)]
pub struct MemoryArray {
    description: ArrayDescription,
    values: ArrayRef,
    not_stored: HashSet<Vec<u64>>,
    /// Told apart from every other array of this process: the values never change.
    identity: u64,
}

static ARRAYS: AtomicU64 = AtomicU64::new(0);

impl MemoryArray {
    /// An array of `values` in C order of `shape`, with one dimension name per entry of `shape`.
    pub fn new(name: &str, dimensions: &[&str], shape: &[u64], values: ArrayRef) -> Self {
        let whole = |length: &u64| AxisChunks::regular(*length, *length);
        Self {
            description: ArrayDescription {
                name: name.to_string(),
                dimensions: dimensions.iter().map(ToString::to_string).collect(),
                shape: shape.to_vec(),
                chunks: shape.iter().map(whole).collect(),
                data_type: values.data_type().clone(),
                fill_value: Value::Null,
                attributes: Attributes::new(),
                codecs: String::new(),
                shard_shape: None,
                stored_bytes: None,
            },
            values,
            not_stored: HashSet::new(),
            identity: ARRAYS.fetch_add(1, Relaxed),
        }
    }

    /// An array of 32-bit floats.
    pub fn floats(name: &str, dimensions: &[&str], shape: &[u64], values: Vec<f32>) -> Self {
        Self::new(
            name,
            dimensions,
            shape,
            Arc::new(Float32Array::from(values)),
        )
    }

    /// Sets the attributes; anything but a JSON object clears them.
    #[must_use]
    pub fn with_attributes(mut self, attributes: Value) -> Self {
        self.description.attributes = match attributes {
            Value::Object(attributes) => attributes,
            _ => Attributes::new(),
        };
        self
    }

    /// Cuts the array into regular chunks of `shape`.
    #[must_use]
    pub fn with_chunks(mut self, shape: &[u64]) -> Self {
        let lengths = self.description.shape.iter().zip(shape);
        self.description.chunks = lengths
            .map(|(length, size)| AxisChunks::regular(*length, *size))
            .collect();
        self
    }

    /// Sets the fill value and the chunks that are not stored, so that their cells have it.
    #[must_use]
    pub fn with_fill(mut self, fill_value: Value, not_stored: &[&[u64]]) -> Self {
        self.description.fill_value = fill_value;
        self.not_stored = not_stored.iter().map(|index| index.to_vec()).collect();
        self
    }

    /// Claims another length of the first dimension than there are values.
    #[cfg(test)]
    pub(crate) fn with_length(mut self, length: u64) -> Self {
        self.description.shape[0] = length;
        self
    }

    /// The array as formats give it.
    pub fn shared(self) -> Arc<dyn ArrayReader> {
        Arc::new(self)
    }

    /// Positions in `values` of the cells of the chunk at `index`, and its shape.
    fn cells(&self, index: &[u64]) -> (Vec<u64>, Vec<usize>) {
        let mut positions = vec![0];
        let mut shape = Vec::with_capacity(index.len());
        let dimensions = self.description.shape.iter().zip(&self.description.chunks);
        for ((length, chunks), chunk) in dimensions.zip(index) {
            let range = chunks.range(*chunk);
            shape.push((range.end - range.start) as usize);
            positions = positions
                .iter()
                .flat_map(|start| range.clone().map(move |cell| start * length + cell))
                .collect();
        }
        (positions, shape)
    }
}

#[async_trait]
impl ArrayReader for MemoryArray {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        if self.not_stored.contains(index) {
            return Ok(None);
        }
        let (positions, shape) = self.cells(index);
        let values = take(&self.values, &UInt64Array::from(positions), None)
            .map_err(|error| CubeError::corrupt(self.description.name.clone(), error))?;
        let width = match self.values.data_type() {
            DataType::FixedSizeBinary(width) => usize::try_from(*width).unwrap_or(0),
            other => other.primitive_width().unwrap_or(1),
        };
        Ok(Some(EncodedChunk {
            bytes_fetched: (values.len() * width) as u64,
            payload: Payload::Values(RawChunk { values, shape }),
        }))
    }

    fn decode(&self, _index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        chunk.payload.into_values(&self.description.name)
    }

    async fn versions(&self, indices: &[Vec<u64>]) -> CubeResult<Vec<ChunkVersion>> {
        let version = |index| match self.not_stored.contains(index) {
            true => ChunkVersion::Missing,
            false => ChunkVersion::Stored {
                token: format!("memory {}", self.identity),
                settled: true,
            },
        };
        Ok(indices.iter().map(version).collect())
    }
}
