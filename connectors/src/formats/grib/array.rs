//! Reads the chunks of one variable, each the values of one field: ranges of bytes in [`FieldArray::fetch`], numbers in
//! [`FieldArray::decode`]. Fields that are not in the file are chunks that are not stored.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::Float32Array;
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::DataType;
use async_trait::async_trait;
use graticule_engine::cube::chunks::AxisChunks;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{
    ArrayDescription, ArrayReader, Attributes, ChunkVersion, EncodedChunk, Payload, RawChunk,
};
use serde_json::Value;

use super::cube::POINTS;
use super::field::Data;
use super::grid::{Grid, Places};
use super::packing::unpack;
use crate::formats::stored_file::StoredFile;

/// A variable.
#[derive(Debug)]
pub(super) struct FieldArray {
    file: Arc<StoredFile>,
    grid: Arc<Grid>,
    description: ArrayDescription,
    /// Fields by the indices of chunks along the dimensions in front of those of the grid.
    fields: HashMap<Vec<u64>, Data>,
}

impl FieldArray {
    pub(super) fn new(
        file: &Arc<StoredFile>,
        grid: &Arc<Grid>,
        name: String,
        (mut dimensions, mut shape): (Vec<String>, Vec<u64>),
        attributes: Attributes,
        fields: HashMap<Vec<u64>, Data>,
    ) -> Self {
        let mut chunks: Vec<AxisChunks> = shape
            .iter()
            .map(|length| AxisChunks::regular(*length, 1))
            .collect();
        let of_grid = match &grid.places {
            Places::Rectangle { rows, columns, .. } => {
                vec![(rows.name, rows.length()), (columns.name, columns.length())]
            }
            Places::Points { .. } => vec![(POINTS, grid.points)],
        };
        for (dimension, length) in of_grid {
            dimensions.push(dimension.to_string());
            shape.push(length);
            chunks.push(AxisChunks::regular(length, length));
        }
        let stored = fields.values().flat_map(|data| &data.ranges);
        let stored = stored.map(|range| range.end - range.start).sum();
        Self {
            file: Arc::clone(file),
            grid: Arc::clone(grid),
            description: ArrayDescription {
                name,
                dimensions,
                shape,
                chunks,
                // As cfgrib has it; packed numbers rarely have more digits.
                data_type: DataType::Float32,
                fill_value: Value::Null,
                attributes,
                codecs: String::new(),
                shard_shape: None,
                stored_bytes: Some(stored),
            },
            fields,
        }
    }

    fn place(&self) -> String {
        let (url, name) = (&self.file.location.url, &self.description.name);
        format!("{url}, variable {name}")
    }

    /// The field at `index`; `None` where the file has none.
    fn field(&self, index: &[u64]) -> CubeResult<Option<&Data>> {
        let chunks = &self.description.chunks;
        let mut pairs = index.iter().zip(chunks);
        if index.len() != chunks.len() || !pairs.all(|(chunk, axis)| *chunk < axis.count()) {
            let cause = format!("the variable has no chunk {index:?}");
            return Err(CubeError::invalid(self.place(), cause));
        }
        let of_grid = match &self.grid.places {
            Places::Rectangle { .. } => 2,
            Places::Points { .. } => 1,
        };
        Ok(self.fields.get(&index[..index.len() - of_grid]))
    }
}

#[async_trait]
impl ArrayReader for FieldArray {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let Some(field) = self.field(index)? else {
            return Ok(None);
        };
        let bytes = self.file.read(&field.ranges).await;
        let bytes = bytes.map_err(|error| error.within(&self.place()))?;
        Ok(Some(EncodedChunk {
            bytes_fetched: bytes.len() as u64,
            payload: Payload::Encoded(bytes),
        }))
    }

    fn decode(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        let (Some(field), Payload::Encoded(bytes)) = (self.field(index)?, chunk.payload) else {
            let cause = "the chunk was not fetched from this array";
            return Err(CubeError::invalid(self.place(), cause));
        };
        let cells = unpack(field.encoding, &bytes, self.grid.layout());
        let cells = cells.map_err(|error| {
            let byte = field.ranges.first().map_or(0, |range| range.start);
            error.within(&format!("{}, field at byte {byte}", self.place()))
        })?;
        let cells = self.grid.arrange(cells);
        let values: Vec<f32> = cells.values.iter().map(|value| *value as f32).collect();
        let nulls = cells.present.map(|present| {
            let present: BooleanBuffer = present.into_iter().collect();
            NullBuffer::new(present)
        });
        let of_grid = match &self.grid.places {
            Places::Rectangle { .. } => 2,
            Places::Points { .. } => 1,
        };
        let shape = &self.description.shape;
        let (leading, trailing) = shape.split_at(shape.len() - of_grid);
        let shape = leading
            .iter()
            .map(|_| 1)
            .chain(trailing.iter().map(|n| *n as usize));
        Ok(RawChunk {
            values: Arc::new(Float32Array::new(values.into(), nulls)),
            shape: shape.collect(),
        })
    }

    /// All chunks have the version of their file.
    async fn versions(&self, indices: &[Vec<u64>]) -> CubeResult<Vec<ChunkVersion>> {
        Ok(vec![self.file.version_now().await?; indices.len()])
    }
}
