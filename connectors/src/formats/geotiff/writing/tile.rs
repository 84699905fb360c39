//! From the values of a chunk to the bytes of a tile: [`TileEncoder`].
//!
//! ```text
//!  values ─ cut, pad ─▶ cells of a whole tile ─ predictor ─▶ differences ─ deflate, zstd ─▶ bytes
//! ```

use std::io::Write;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use bytes::Bytes;
use flate2::write::ZlibEncoder;

use crate::writing::boxes::CellBox;
use crate::writing::cells::{Cells, Fill};

/// Levels where nobody says more: as GDAL has them.
const DEFLATE_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 9;

/// How tiles are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Deflate(u32),
    Zstd(i32),
}

impl Compression {
    /// The compression that a codec asks for. The error is its cause in words.
    pub(super) fn of(codec: Option<&str>) -> Result<Self, String> {
        let Some(codec) = codec else {
            return Ok(Self::Deflate(DEFLATE_LEVEL));
        };
        let (name, level) = match codec.split_once(':') {
            Some((name, level)) => (name.trim().to_lowercase(), Some(level.trim())),
            None => (codec.trim().to_lowercase(), None),
        };
        let within = |most: u32, default: u32| match level.map(str::parse) {
            None => Ok(default),
            Some(Ok(level)) if (1..=most).contains(&level) => Ok(level),
            Some(_) => Err(format!(
                "{:?} is no level of {name}; levels are 1 to {most}",
                level.unwrap_or_default()
            )),
        };
        match name.as_str() {
            "none" if level.is_none() => Ok(Self::None),
            "deflate" | "zlib" | "gzip" => Ok(Self::Deflate(within(9, DEFLATE_LEVEL)?)),
            "zstd" => Ok(Self::Zstd(within(22, ZSTD_LEVEL as u32)? as i32)),
            _ => Err(format!(
                "the codec {codec:?} is none of GeoTIFF; say deflate:6, zstd:9 or none"
            )),
        }
    }

    /// The value of the tag `Compression`.
    pub(super) fn code(self) -> u16 {
        match self {
            Self::None => 1,
            Self::Deflate(_) => 8,
            Self::Zstd(_) => 50000,
        }
    }

    fn apply(self, bytes: Vec<u8>) -> std::io::Result<Vec<u8>> {
        match self {
            Self::None => Ok(bytes),
            Self::Deflate(level) => {
                let level = flate2::Compression::new(level);
                let mut encoder = ZlibEncoder::new(Vec::with_capacity(bytes.len() / 2), level);
                encoder.write_all(&bytes)?;
                encoder.finish()
            }
            Self::Zstd(level) => zstd::bulk::compress(&bytes, level),
        }
    }
}

/// What is stored in place of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predictor {
    /// The cells.
    None,
    /// The differences of neighbours in a row.
    Differences,
    /// The differences of bytes in a row, all first bytes of its cells before all second ones.
    Floats,
}

impl Predictor {
    /// The value of the tag `Predictor`.
    pub(super) fn code(self) -> u16 {
        match self {
            Self::None => 1,
            Self::Differences => 2,
            Self::Floats => 3,
        }
    }

    /// Cells of `width` bytes in native byte order, row by row of `columns` cells, as they are stored.
    fn apply(self, bytes: &[u8], width: usize, columns: usize) -> Vec<u8> {
        match self {
            Self::None => bytes.to_vec(),
            Self::Differences => match width {
                1 => differences(
                    bytes,
                    columns,
                    u8::from_ne_bytes,
                    u8::wrapping_sub,
                    u8::to_ne_bytes,
                ),
                2 => differences(
                    bytes,
                    columns,
                    u16::from_ne_bytes,
                    u16::wrapping_sub,
                    u16::to_ne_bytes,
                ),
                4 => differences(
                    bytes,
                    columns,
                    u32::from_ne_bytes,
                    u32::wrapping_sub,
                    u32::to_ne_bytes,
                ),
                _ => differences(
                    bytes,
                    columns,
                    u64::from_ne_bytes,
                    u64::wrapping_sub,
                    u64::to_ne_bytes,
                ),
            },
            Self::Floats => {
                let rows = bytes.chunks_exact(width * columns);
                rows.flat_map(|row| byte_differences(row, width)).collect()
            }
        }
    }
}

fn differences<T: Copy + Default, const WIDTH: usize>(
    bytes: &[u8],
    columns: usize,
    read: fn([u8; WIDTH]) -> T,
    subtract: fn(T, T) -> T,
    write: fn(T) -> [u8; WIDTH],
) -> Vec<u8> {
    let mut stored = Vec::with_capacity(bytes.len());
    for row in bytes.chunks_exact(WIDTH * columns) {
        let mut before = T::default();
        for cell in row.as_chunks::<WIDTH>().0 {
            let cell = read(*cell);
            stored.extend(write(subtract(cell, before)));
            before = cell;
        }
    }
    stored
}

/// A row of floats: their most significant bytes first, each byte less the one before it.
fn byte_differences(row: &[u8], width: usize) -> Vec<u8> {
    let place = |significance: usize| match cfg!(target_endian = "little") {
        true => width - 1 - significance,
        false => significance,
    };
    let planes =
        (0..width).flat_map(|significance| row.iter().skip(place(significance)).step_by(width));
    let mut before = 0_u8;
    let stored = planes.map(|byte| {
        let difference = byte.wrapping_sub(before);
        before = *byte;
        difference
    });
    stored.collect()
}

/// Encodes the tiles of one variable.
#[derive(Debug)]
pub(super) struct TileEncoder {
    /// The shape of a chunk: one cell along each dimension but the last two.
    pub(super) chunk: Vec<usize>,
    pub(super) data_type: DataType,
    /// Cells that are missing, and those beyond the edges.
    pub(super) fill: Fill,
    pub(super) compression: Compression,
    pub(super) predictor: Predictor,
}

impl TileEncoder {
    /// The bytes of a tile with `values` of `extent` cells along each dimension; `None` when all of them have
    /// the fill value. The error is its cause in words.
    pub(super) fn encode(
        &self,
        values: &ArrayRef,
        extent: &[usize],
    ) -> Result<Option<Bytes>, String> {
        if extent.len() != self.chunk.len() || extent.iter().product::<usize>() != values.len() {
            return Err(format!("{} values are not {extent:?} cells", values.len()));
        }
        let values = match values.data_type() {
            DataType::Boolean => {
                cast(values, &self.data_type).map_err(|error| error.to_string())?
            }
            _ => ArrayRef::clone(values),
        };
        if *values.data_type() != self.data_type {
            let (found, expected) = (values.data_type(), &self.data_type);
            return Err(format!("values are of type {found}, not {expected}"));
        }
        let cells = Cells::of(&values)?;
        let whole = CellBox {
            source: extent,
            start: vec![0; extent.len()],
            count: extent.to_vec(),
        };
        let padded = cells.cut(&whole, &self.chunk, &self.fill);
        if padded.are_all(&self.fill) {
            return Ok(None);
        }
        let Cells::Numbers { bytes, .. } = padded else {
            return Err("texts are not written to GeoTIFF".to_string());
        };
        self.compressed(&bytes).map(Some)
    }

    /// A tile of nothing but the fill value.
    pub(super) fn empty(&self) -> Result<Bytes, String> {
        self.compressed(&self.fill.bytes.repeat(self.chunk.iter().product()))
    }

    fn compressed(&self, bytes: &[u8]) -> Result<Bytes, String> {
        let columns = self.chunk.last().copied().unwrap_or(1);
        let stored = self.predictor.apply(bytes, self.fill.bytes.len(), columns);
        let stored = self.compression.apply(stored);
        Ok(stored.map_err(|error| error.to_string())?.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn codecs() {
        let cases = [
            (None, Ok(Compression::Deflate(6))),
            (Some("none"), Ok(Compression::None)),
            (Some("Deflate:1"), Ok(Compression::Deflate(1))),
            (Some("zstd:19"), Ok(Compression::Zstd(19))),
            (Some("zstd"), Ok(Compression::Zstd(9))),
            (Some("zstd:0"), Err("levels are 1 to 22")),
            (Some("deflate:x"), Err("levels are 1 to 9")),
            (Some("lzw"), Err("say deflate:6, zstd:9 or none")),
        ];
        for (codec, expected) in cases {
            match (Compression::of(codec), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, _) => panic!("{codec:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn predictors() {
        let shorts: Vec<u8> = [5_u16, 3, 3, 9]
            .into_iter()
            .flat_map(u16::to_ne_bytes)
            .collect();
        let stored = Predictor::Differences.apply(&shorts, 2, 2);
        let expected: Vec<u8> = [5_u16, 65534, 3, 6]
            .into_iter()
            .flat_map(u16::to_ne_bytes)
            .collect();
        assert_eq!(stored, expected);
        let floats: Vec<u8> = [1.0_f32, 2.0]
            .into_iter()
            .flat_map(f32::to_ne_bytes)
            .collect();
        // 3f 80 00 00, 40 00 00 00
        let planes = [0x3f, 1, 0x40, 0x80, 0, 0, 0, 0];
        assert_eq!(Predictor::Floats.apply(&floats, 4, 2), planes);
    }
}
