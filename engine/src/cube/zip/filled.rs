//! An array in memory that is one chunk, handed out without a copy: coordinates as a variable, and the
//! results of a lookup, which are there only once the query runs.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use serde_json::Value;

use crate::cube::chunks::AxisChunks;
use crate::error::{CubeError, CubeResult};
use crate::source::{ArrayDescription, ArrayReader, Attributes, EncodedChunk, Payload, RawChunk};

/// Values in C order; `None` until they are known.
#[derive(Debug)]
pub(crate) struct Filled {
    description: ArrayDescription,
    values: Option<ArrayRef>,
}

impl Filled {
    /// An array of `shape` with values of `data_type`.
    pub(crate) fn array(
        name: &str,
        shape: &[u64],
        data_type: &DataType,
        values: Option<ArrayRef>,
    ) -> Arc<dyn ArrayReader> {
        let whole = |length: &u64| AxisChunks::regular(*length, *length);
        Arc::new(Self {
            description: ArrayDescription {
                name: name.to_string(),
                dimensions: (0..shape.len()).map(|d| format!("dim_{d}")).collect(),
                shape: shape.to_vec(),
                chunks: shape.iter().map(whole).collect(),
                data_type: data_type.clone(),
                fill_value: Value::Null,
                attributes: Attributes::new(),
                codecs: String::new(),
                shard_shape: None,
                stored_bytes: None,
            },
            values,
        })
    }
}

#[async_trait]
impl ArrayReader for Filled {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, _index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let Some(values) = &self.values else {
            let cause = "the values are read before they are computed";
            return Err(CubeError::invalid(&self.description.name, cause));
        };
        let shape = self.description.shape.iter();
        Ok(Some(EncodedChunk {
            bytes_fetched: 0,
            payload: Payload::Values(RawChunk {
                values: Arc::clone(values),
                shape: shape.map(|length| *length as usize).collect(),
            }),
        }))
    }

    fn decode(&self, _index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        chunk.payload.into_values(&self.description.name)
    }
}
