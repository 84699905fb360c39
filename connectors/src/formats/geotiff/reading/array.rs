//! Reads the chunks of one band: ranges of bytes in [`BandArray::fetch`], values in [`BandArray::decode`].
//!
//! A mask of the image makes those cells NULL that it leaves out. Its segments follow those of the band in
//! what is fetched.

use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::{BooleanBuffer, NullBuffer};
use async_trait::async_trait;
use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{
    ArrayDescription, ArrayReader, ChunkVersion, EncodedChunk, Payload, RawChunk,
};

use super::damaged;
use super::image::Image;
use super::segments::Segment;
use super::tile::{Values, decompressed};
use crate::formats::stored_file::StoredFile;

/// One band of an image.
#[derive(Debug)]
pub(super) struct BandArray {
    pub(super) file: Arc<StoredFile>,
    pub(super) description: ArrayDescription,
    pub(super) image: Arc<Image>,
    /// Number of the band, from 0.
    pub(super) band: u64,
    /// The image that tells which cells there are; cut like the band's.
    pub(super) mask: Option<Arc<Image>>,
    /// The bits of the value that strips and tiles which are not stored have.
    pub(super) fill: u64,
}

#[async_trait]
impl ArrayReader for BandArray {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let at = self.check(index)?;
        let within = |error: CubeError| error.within(&self.place());
        let (of_band, mut fetched) = self
            .stored(&self.image, at, self.band)
            .await
            .map_err(within)?;
        if of_band.iter().all(|segment| segment.bytes.is_none()) {
            return Ok(None);
        }
        let mut wanted = of_band;
        if let Some(mask) = &self.mask {
            let (of_mask, bytes) = self.stored(mask, at, 0).await.map_err(within)?;
            wanted.extend(of_mask);
            fetched += bytes;
        }
        let ranges: Vec<Range<u64>> = wanted.iter().filter_map(|s| s.bytes.clone()).collect();
        let mut bytes = self.file.read(&ranges).await.map_err(within)?;
        fetched += bytes.len() as u64;
        let pieces = wanted.into_iter().map(|segment| {
            let range = segment.bytes?;
            let length = (range.end - range.start) as usize;
            Some(piece(bytes.split_to(length.min(bytes.len()))))
        });
        Ok(Some(EncodedChunk {
            payload: Payload::Pieces(pieces.collect()),
            bytes_fetched: fetched,
        }))
    }

    fn decode(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        let at = self.check(index)?;
        let Payload::Pieces(pieces) = chunk.payload else {
            let raw = chunk.payload.into_values(&self.description.name)?;
            return Ok(raw);
        };
        let failed = |cause: String| {
            let place = format!("{}, chunk {}/{}", self.place(), at.0, at.1);
            damaged(format!("a tile cannot be read: {cause}")).within(&place)
        };
        let rows = self.rows_of_segments(at);
        let (of_band, of_mask) = pieces.split_at(rows.len().min(pieces.len()));
        let samples = self.image.samples_together() as usize;
        let sample = match self.image.is_planar {
            true => 0,
            false => self.band as usize,
        };
        let columns = self.image.columns as usize;
        let mut values = Values::of_width(self.image.value_bytes());
        for (segment, rows) in of_band.iter().zip(&rows) {
            match bytes_of(segment) {
                Some(stored) => {
                    let (bytes, order) =
                        decompressed(&self.image, stored, *rows).map_err(failed)?;
                    values.add(&bytes, order, samples, sample);
                }
                None => values.add_fill(self.fill, rows.saturating_mul(columns)),
            }
        }
        let nulls = match &self.mask {
            Some(mask) => Some(nulls(mask, of_mask, &rows).map_err(failed)?),
            None => None,
        };
        let values = values
            .into_array(&self.description.data_type, nulls)
            .map_err(failed)?;
        Ok(RawChunk {
            values,
            shape: vec![rows.iter().sum(), columns],
        })
    }

    /// All chunks have the version of their file.
    async fn versions(&self, indices: &[Vec<u64>]) -> CubeResult<Vec<ChunkVersion>> {
        Ok(vec![self.file.version_now().await?; indices.len()])
    }
}

impl BandArray {
    /// What people see: file and band.
    fn place(&self) -> String {
        let (url, name) = (&self.file.location.url, &self.description.name);
        format!("{url}, variable {name}")
    }

    /// The row and column of the chunk at `index`.
    fn check(&self, index: &[u64]) -> CubeResult<(u64, u64)> {
        let chunks = &self.description.chunks;
        match (index, &chunks[..]) {
            ([row, column], [rows, columns])
                if *row < rows.count() && *column < columns.count() =>
            {
                Ok((*row, *column))
            }
            _ => Err(CubeError::invalid(
                self.place(),
                format!("the variable has no chunk {index:?}"),
            )),
        }
    }

    /// The segments of a chunk of `image`, and the bytes fetched to find them.
    async fn stored(
        &self,
        image: &Image,
        at: (u64, u64),
        band: u64,
    ) -> CubeResult<(Vec<Segment>, u64)> {
        let (segments, fetched) = image.segments(&self.file).await?;
        let grouped = self.image.grouped;
        Ok((image.segments_of(segments, at, band, grouped), fetched))
    }

    /// Rows of each segment of a chunk.
    fn rows_of_segments(&self, (row, _): (u64, u64)) -> Vec<usize> {
        let image = &self.image;
        let first = row.saturating_mul(image.grouped);
        let down = image.height.div_ceil(image.rows);
        (first..first.saturating_add(image.grouped).min(down))
            .map(|row| image.rows_of_segment(row) as usize)
            .collect()
    }
}

fn piece(bytes: Bytes) -> EncodedChunk {
    EncodedChunk {
        bytes_fetched: bytes.len() as u64,
        payload: Payload::Encoded(bytes),
    }
}

fn bytes_of(piece: &Option<EncodedChunk>) -> Option<&Bytes> {
    match &piece.as_ref()?.payload {
        Payload::Encoded(bytes) => Some(bytes),
        _ => None,
    }
}

/// Which cells there are; none where the mask is not stored.
fn nulls(
    mask: &Image,
    segments: &[Option<EncodedChunk>],
    rows: &[usize],
) -> Result<NullBuffer, String> {
    let mut present = Values::of_width(1);
    for (segment, rows) in segments.iter().zip(rows) {
        match bytes_of(segment) {
            Some(stored) => {
                let (bytes, order) = decompressed(mask, stored, *rows)?;
                present.add(&bytes, order, 1, 0);
            }
            None => present.add_fill(0, rows.saturating_mul(mask.columns as usize)),
        }
    }
    let Values::One(present) = present else {
        return Err("its mask is no mask".to_string());
    };
    let present: BooleanBuffer = present.iter().map(|cell| *cell != 0).collect();
    Ok(NullBuffer::new(present))
}
