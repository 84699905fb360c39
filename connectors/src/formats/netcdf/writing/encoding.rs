//! From the values of a chunk to its bytes in the file: [`ChunkEncoder`].
//!
//! ```text
//!  values ─ cut, pad ─▶ cells of a whole chunk ─ shuffle ─▶ ─ deflate ─▶ bytes
//! ```

use std::io::Write;

use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use graticule_engine::sink::TargetArray;
use serde_json::{Value, json};

use super::texts::{CHARACTER, characters};
use super::types::{self, stored};
use crate::writing::boxes::CellBox;
use crate::writing::cells::{Cells, Fill};
use crate::writing::number::{bytes_of_number, float};

/// As netCDF's tools have it where nobody says more.
const DEFAULT_LEVEL: u32 = 4;

/// Encodes the chunks of one array.
#[derive(Debug)]
pub(super) struct ChunkEncoder {
    chunk: Vec<usize>,
    pub(super) width: usize,
    pub(super) fill: Fill,
    /// The level of deflate; `None` for cells as they are.
    pub(super) level: Option<u32>,
}

impl ChunkEncoder {
    /// An encoder for `array`. The error is its cause in words.
    pub(super) fn new(array: &TargetArray) -> Result<Self, String> {
        if array.shards.is_some() {
            return Err("NetCDF has no shards; leave shards out, or write Zarr".to_string());
        }
        let data_type = stored(&array.data_type);
        let width = types::width(&data_type).ok_or_else(|| {
            let name = &array.data_type;
            format!("values of type {name} are not written to NetCDF; cast them to numbers, leave them out, or write Zarr")
        })?;
        let chunk: Option<Vec<usize>> = array
            .chunks
            .iter()
            .map(|length| u32::try_from(*length).ok().filter(|length| *length > 0))
            .map(|length| length.map(|length| length as usize))
            .collect();
        let chunk = chunk.ok_or("a chunk is longer than 2^32 cells, or has none")?;
        let bytes = chunk.iter().try_fold(width as u64, |bytes, length| {
            bytes.checked_mul(*length as u64)
        });
        if bytes.is_none_or(|bytes| bytes >= u64::from(u32::MAX)) {
            return Err("a chunk of NetCDF is smaller than 4 GiB".to_string());
        }
        let fill_value = match &array.fill_value {
            Value::Null => json!(0),
            Value::Bool(truth) => json!(u8::from(*truth)),
            value => value.clone(),
        };
        let bytes = match data_type {
            CHARACTER => Some(vec![0]),
            _ => bytes_of_number(&data_type, &fill_value),
        };
        let bytes = bytes.ok_or_else(|| format!("{fill_value} is no value of type {data_type}"))?;
        Ok(Self {
            level: match chunk.is_empty() {
                true => None,
                false => level(array.codec.as_deref())?,
            },
            chunk,
            width,
            fill: Fill {
                bytes,
                is_nan: data_type.is_floating() && float(&fill_value).is_some_and(f64::is_nan),
            },
        })
    }

    /// The bytes of a chunk with `values` of `extent` cells along each dimension; `None` when all of them have
    /// the fill value. The error is its cause in words.
    pub(super) fn encode(
        &self,
        values: &ArrayRef,
        extent: &[usize],
    ) -> Result<Option<Bytes>, String> {
        let mut extent = extent.to_vec();
        let values = match values.data_type() {
            DataType::Boolean => {
                cast(values, &stored(values.data_type())).map_err(|error| error.to_string())?
            }
            DataType::Utf8 => {
                let bytes = self.chunk.last().copied().unwrap_or(1);
                extent.push(bytes);
                characters(values, bytes)?
            }
            _ => ArrayRef::clone(values),
        };
        if extent.len() != self.chunk.len() || extent.iter().product::<usize>() != values.len() {
            return Err(format!("{} values are not {extent:?} cells", values.len()));
        }
        let cells = Cells::of(&values)?;
        let whole = CellBox {
            source: &extent,
            start: vec![0; extent.len()],
            count: extent.clone(),
        };
        let padded = cells.cut(&whole, &self.chunk, &self.fill);
        if padded.are_all(&self.fill) {
            return Ok(None);
        }
        let Cells::Numbers { bytes, width } = padded else {
            return Err("texts are not written to NetCDF".to_string());
        };
        if width != self.width {
            return Err(format!("cells of {width} bytes are none of {}", self.width));
        }
        let Some(level) = self.level else {
            return Ok(Some(Bytes::copy_from_slice(&bytes)));
        };
        let mut encoder =
            ZlibEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::new(level));
        let deflated = encoder
            .write_all(&shuffled(&bytes, width))
            .and_then(|()| encoder.finish());
        Ok(Some(deflated.map_err(|error| error.to_string())?.into()))
    }
}

/// All first bytes of the cells, then all second ones, and so on.
fn shuffled(bytes: &[u8], width: usize) -> Vec<u8> {
    let cells = bytes.len() / width;
    let mut shuffled = vec![0; bytes.len()];
    for (place, target) in shuffled.chunks_exact_mut(cells).enumerate() {
        let source = bytes.iter().skip(place).step_by(width);
        for (to, from) in target.iter_mut().zip(source) {
            *to = *from;
        }
    }
    shuffled
}

/// The level of deflate that a codec asks for.
fn level(codec: Option<&str>) -> Result<Option<u32>, String> {
    let Some(codec) = codec else {
        return Ok(Some(DEFAULT_LEVEL));
    };
    let (name, level) = match codec.split_once(':') {
        Some((name, level)) => (name, Some(level)),
        None => (codec, None),
    };
    match (name.trim().to_lowercase().as_str(), level) {
        ("none", None) => Ok(None),
        ("deflate" | "zlib" | "gzip", None) => Ok(Some(DEFAULT_LEVEL)),
        ("deflate" | "zlib" | "gzip", Some(level)) => match level.trim().parse() {
            Ok(level @ 1..=9) => Ok(Some(level)),
            _ => Err(format!(
                "{level:?} is no level of deflate; levels are 1 to 9"
            )),
        },
        _ => Err(format!(
            "the codec {codec:?} is none that all readers of NetCDF know; say deflate:4 or none"
        )),
    }
}
