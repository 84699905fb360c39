//! Reads the chunks of one component: the bytes of a tile in [`BandArray::fetch`], samples in [`BandArray::decode`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{ArrayRef, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use async_trait::async_trait;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{
    ArrayDescription, ArrayReader, Attributes, ChunkVersion, EncodedChunk, Payload, RawChunk,
};
use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image as Decoder};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::codestream::{Component, Header, Parts};
use super::damaged;
use crate::formats::geotiff::reading::bands::GRID_MAPPING;
use crate::formats::geotiff::reading::file_bytes::FileBytes;
use crate::formats::geotiff::reading::ground::Ground;
use crate::formats::stored_file::StoredFile;

/// The image of a file.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) file: Arc<StoredFile>,
    pub(super) header: Header,
    /// Found when the first tile is read.
    pub(super) parts: OnceCell<Parts>,
}

/// One component of an image.
#[derive(Debug)]
pub(super) struct BandArray {
    image: Arc<Image>,
    /// Number of the component, from 0.
    band: usize,
    description: ArrayDescription,
}

impl BandArray {
    /// # Errors
    /// There is no such component.
    pub(super) fn new(image: &Arc<Image>, band: usize, ground: &Ground) -> CubeResult<Self> {
        let header = &image.header;
        let component = header.components.get(band);
        let component = component.ok_or_else(|| damaged(format!("it has no component {band}")))?;
        let mapping = ground.has_system().then(|| Value::from(GRID_MAPPING));
        let attributes = mapping.map(|mapping| ("grid_mapping".to_string(), mapping));
        let chunks = vec![header.rows.clone(), header.columns.clone()];
        Ok(Self {
            image: Arc::clone(image),
            band,
            description: ArrayDescription {
                name: format!("band_{}", band + 1),
                dimensions: ground.dimensions().map(str::to_string).to_vec(),
                shape: chunks.iter().map(|chunks| chunks.length()).collect(),
                chunks,
                data_type: data_type(*component),
                fill_value: Value::Null,
                attributes: attributes.into_iter().collect::<Attributes>(),
                codecs: "jpeg2000".to_string(),
                shard_shape: None,
                stored_bytes: None,
            },
        })
    }

    fn place(&self) -> String {
        let (url, name) = (&self.image.file.location.url, &self.description.name);
        format!("{url}, variable {name}")
    }

    /// The row and column of the tile at `index`.
    fn check(&self, index: &[u64]) -> CubeResult<(u64, u64)> {
        match (index, &self.description.chunks[..]) {
            ([row, column], [rows, columns])
                if *row < rows.count() && *column < columns.count() =>
            {
                Ok((*row, *column))
            }
            _ => {
                let cause = format!("the variable has no chunk {index:?}");
                Err(CubeError::invalid(self.place(), cause))
            }
        }
    }

    async fn parts(&self) -> CubeResult<&Parts> {
        let find = || async {
            let mut bytes = FileBytes::of(Arc::clone(&self.image.file)).await?;
            self.image.header.find_parts(&mut bytes).await
        };
        self.image.parts.get_or_try_init(find).await
    }

    /// The samples of the component in a tile.
    fn samples(&self, stream: &[u8], cells: usize) -> Result<Vec<i32>, String> {
        // The decoder takes all samples for unsigned ones, and moves them up by half of their range.
        let component = self.image.header.components.get(self.band);
        let signed = component.filter(|component| component.is_signed);
        let shift = signed.map_or(0, |component| 1 << (component.bits - 1));
        let decode = || {
            let settings = DecodeSettings::default();
            let image = Decoder::new(stream, &settings).map_err(|error| error.to_string())?;
            let mut context = DecoderContext::default();
            let decoded = image
                .decode(&mut context)
                .map_err(|error| error.to_string())?;
            let component = decoded.components().get(self.band);
            let samples = component.ok_or("a component is missing")?.samples();
            match samples.len() == cells {
                true => Ok(samples
                    .iter()
                    .map(|sample| sample.round() as i32 - shift)
                    .collect()),
                false => Err(format!("it has {} pixels for {cells} cells", samples.len())),
            }
        };
        // A decoder that panics on damaged bytes must not take the process with it.
        let outcome = catch_unwind(AssertUnwindSafe(decode));
        outcome.unwrap_or_else(|_| Err("its bytes make no sense".to_string()))
    }
}

#[async_trait]
impl ArrayReader for BandArray {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let (row, column) = self.check(index)?;
        let within = |error: CubeError| error.within(&self.place());
        let parts = self.parts().await.map_err(within)?;
        let ranges = parts.of(row, column);
        if ranges.is_empty() {
            return Err(within(damaged(format!("it has no tile {row}/{column}"))));
        }
        let bytes = self.image.file.read(ranges).await.map_err(within)?;
        let mut rest = bytes.as_ref();
        let parts: Vec<&[u8]> = ranges
            .iter()
            .map(|range| {
                let length = ((range.end - range.start) as usize).min(rest.len());
                let (part, others) = rest.split_at(length);
                rest = others;
                part
            })
            .collect();
        let alone = self.image.header.tile_alone(row, column, &parts);
        Ok(Some(EncodedChunk {
            bytes_fetched: bytes.len() as u64,
            payload: Payload::Encoded(alone.into()),
        }))
    }

    fn decode(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        let (row, column) = self.check(index)?;
        let Payload::Encoded(stream) = chunk.payload else {
            return chunk.payload.into_values(&self.description.name);
        };
        let chunks = std::iter::zip(&self.description.chunks, [row, column]);
        let ranges = chunks.map(|(chunks, number)| chunks.range(number));
        let shape: Vec<usize> = ranges
            .map(|range| (range.end - range.start) as usize)
            .collect();
        let samples = self.samples(&stream, shape.iter().product());
        let samples = samples.map_err(|cause| {
            damaged(format!(
                "its tile {row}/{column} cannot be decoded: {cause}"
            ))
            .within(&self.place())
        })?;
        let samples: ArrayRef = Arc::new(PrimitiveArray::<Int32Type>::from_iter_values(samples));
        let values = cast(&samples, &self.description.data_type);
        Ok(RawChunk {
            values: values.map_err(|error| CubeError::unsupported(self.place(), error))?,
            shape,
        })
    }

    /// All chunks have the version of their file.
    async fn versions(&self, indices: &[Vec<u64>]) -> CubeResult<Vec<ChunkVersion>> {
        Ok(vec![self.image.file.version_now().await?; indices.len()])
    }
}

/// The smallest type that holds all samples.
fn data_type(component: Component) -> DataType {
    match (component.is_signed, component.bits) {
        (false, ..=8) => DataType::UInt8,
        (false, ..=16) => DataType::UInt16,
        (false, _) => DataType::UInt32,
        (true, ..=8) => DataType::Int8,
        (true, ..=16) => DataType::Int16,
        (true, _) => DataType::Int32,
    }
}
