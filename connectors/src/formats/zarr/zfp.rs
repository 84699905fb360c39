//! Numbers packed by ZFP, `zfp` of Zarr v3 and `zfpy` of numcodecs: [`Zfp`].
//!
//! ```text
//!  zfp    [ blocks of 4, 4×4, 4×4×4 or 4×4×4×4 cells ]      how they are packed: the metadata say it
//!  zfpy   [ header: type, shape, mode ][ blocks ]           the header says it
//! ```
//!
//! The crate zfp-rs undoes the blocks; a stream that is too short is an error there, and nothing it
//! says about sizes is believed here. The library that zarrs calls trusts both.

use std::num::NonZeroU64;

use arrow::datatypes::ToByteSlice;
use serde::Deserialize;
use serde_json::{Map, Value};
use zarrs::array::DataType;
use zarrs::array::codec::api::ArrayBytes;
use zfp_rs::{
    ZfpBitStreamRef, ZfpConfig, ZfpDimensionality, ZfpFieldMut, ZfpHeaderMask, ZfpScalar,
    ZfpScalarType, ZfpStreamAlignment,
};

use super::decode_only::{Unpack, cells, cells_of};
use super::numbers::Numbers;

/// Bytes of a word: a stream is whole words.
const WORD: u64 = 8;

/// Reads numbers that ZFP packed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Zfp {
    /// How the numbers are packed; `None` where a header says it.
    mode: Option<Mode>,
}

/// How numbers are packed, in the words of the codec `zfp`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
enum Mode {
    Expert {
        minbits: u32,
        maxbits: u32,
        maxprec: u32,
        minexp: i32,
    },
    FixedRate {
        rate: f64,
    },
    FixedPrecision {
        precision: u32,
    },
    FixedAccuracy {
        tolerance: f64,
    },
    Reversible,
}

impl Zfp {
    /// The codec `zfp`, as its configuration describes it. The error is its cause in words.
    pub(super) fn of(configuration: &Map<String, Value>) -> Result<Self, String> {
        let mode = serde_json::from_value(Value::Object(configuration.clone()))
            .map_err(|error| error.to_string())?;
        Ok(Self { mode: Some(mode) })
    }

    /// The codec `zfpy`. Its configuration is for the writer.
    pub(super) fn with_header() -> Self {
        Self { mode: None }
    }

    fn values<N: ZfpScalar + Default>(
        &self,
        encoded: &[u8],
        shape: &[NonZeroU64],
    ) -> Result<Vec<N>, String> {
        let field = Field::of(shape, N::SCALAR_TYPE)?;
        let words: Vec<u64> = encoded
            .as_chunks()
            .0
            .iter()
            .map(|word| u64::from_le_bytes(*word))
            .collect();
        let length = words.len() as u64 * WORD;
        // A block takes one bit at least, so that no shape leads to memory that nothing fills.
        if length * 8 < field.blocks() {
            return Err(too_short());
        }
        let mut stream = ZfpBitStreamRef::from_words(&words);
        let config = match self.mode {
            Some(mode) => field.config(mode, length)?,
            None => {
                let header = stream
                    .read_header(ZfpHeaderMask::FULL)
                    .map_err(|error| error.to_string())?;
                let described = header
                    .metadata
                    .map(|metadata| (metadata.dims, metadata.scalar_type));
                if described != Some((field.sizes, field.scalar)) {
                    return Err("the header describes another type or shape".to_string());
                }
                header.config.ok_or("the header has no mode")?
            }
        };
        let mut values = vec![N::default(); cells_of(shape) as usize];
        let mut target =
            ZfpFieldMut::new(&mut values, field.sizes).map_err(|error| error.to_string())?;
        let end = stream
            .decompress(&config, &mut target)
            .map_err(|_| too_short())?;
        match end as u64 > length {
            true => Err(too_short()),
            false => Ok(values),
        }
    }
}

fn too_short() -> String {
    "the stream ends before the chunk does".to_string()
}

/// What ZFP calls the array: its type, and its sizes beginning with the fastest.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Field {
    scalar: ZfpScalarType,
    sizes: [usize; 4],
}

impl Field {
    /// A chunk of one cell without dimensions has one dimension here.
    fn of(shape: &[NonZeroU64], scalar: ZfpScalarType) -> Result<Self, String> {
        let mut sizes = [0; 4];
        if shape.len() > sizes.len() {
            let rank = shape.len();
            return Err(format!("ZFP packs up to 4 dimensions, not {rank}"));
        }
        for (size, length) in sizes.iter_mut().zip(shape.iter().rev()) {
            *size = length.get() as usize;
        }
        sizes[0] = sizes[0].max(1);
        Ok(Self { scalar, sizes })
    }

    fn rank(&self) -> usize {
        self.sizes.iter().filter(|size| **size > 0).count()
    }

    fn blocks(&self) -> u64 {
        let sizes = self.sizes.iter().filter(|size| **size > 0);
        sizes.map(|size| size.div_ceil(4) as u64).product()
    }

    fn config(&self, mode: Mode, length: u64) -> Result<ZfpConfig, String> {
        let config = match mode {
            Mode::Expert {
                minbits,
                maxbits,
                maxprec,
                minexp,
            } => ZfpConfig::expert(minbits, maxbits, maxprec, minexp),
            Mode::FixedRate { rate } => return self.fixed_rate(rate, length),
            Mode::FixedPrecision { precision } => Ok(ZfpConfig::fixed_precision(precision)),
            Mode::FixedAccuracy { tolerance } => Ok(ZfpConfig::fixed_accuracy(tolerance)),
            Mode::Reversible => Ok(ZfpConfig::reversible()),
        };
        config.map_err(|error| error.to_string())
    }

    /// Every block has as many bits as `rate` times its cells. zarrs counts the cells of a block of
    /// three dimensions whatever the array has; the length of the stream tells which was meant.
    fn fixed_rate(&self, rate: f64, length: u64) -> Result<ZfpConfig, String> {
        let config = |rank| {
            ZfpConfig::fixed_rate(rate, self.scalar, rank, ZfpStreamAlignment::Unaligned)
                .map_err(|error| error.to_string())
        };
        let bytes = |config: &ZfpConfig| {
            let bits = self.blocks().saturating_mul(config.max_bits().into());
            bits.div_ceil(WORD * 8).saturating_mul(WORD)
        };
        let rank = match self.rank() {
            1 => ZfpDimensionality::D1,
            2 => ZfpDimensionality::D2,
            3 => ZfpDimensionality::D3,
            _ => ZfpDimensionality::D4,
        };
        let meant = config(rank)?;
        match config(ZfpDimensionality::D3) {
            Ok(of_zarrs) if bytes(&meant) != length && bytes(&of_zarrs) == length => Ok(of_zarrs),
            _ => Ok(meant),
        }
    }
}

impl Unpack for Zfp {
    /// ZFP knows four types. Smaller integers are stored in the upper bits of 32, where the sign bit
    /// stays free, and unsigned ones with the smallest at the bottom; large unsigned ones were cut off
    /// at the largest signed one.
    fn unpack(
        &self,
        encoded: &[u8],
        shape: &[NonZeroU64],
        data_type: &DataType,
    ) -> Result<ArrayBytes<'static>, String> {
        let numbers = Numbers::of(data_type).ok_or("ZFP packs numbers only")?;
        let integers = |shift: u32, offset: i32, smallest: i32, largest: i32| {
            let values = self.values::<i32>(encoded, shape)?;
            let values = values.into_iter().map(|value| (value >> shift) + offset);
            let values = values.map(|value| i64::from(value.clamp(smallest, largest)));
            Ok::<_, String>(numbers.bytes_of_integers(values))
        };
        let bytes = match numbers {
            Numbers::F32 => self.values::<f32>(encoded, shape)?.to_byte_slice().to_vec(),
            Numbers::F64 => self.values::<f64>(encoded, shape)?.to_byte_slice().to_vec(),
            Numbers::I32 => self.values::<i32>(encoded, shape)?.to_byte_slice().to_vec(),
            Numbers::I64 => self.values::<i64>(encoded, shape)?.to_byte_slice().to_vec(),
            Numbers::I8 => integers(23, 0, i8::MIN.into(), i8::MAX.into())?,
            Numbers::U8 => integers(23, 0x80, 0, u8::MAX.into())?,
            Numbers::I16 => integers(15, 0, i16::MIN.into(), i16::MAX.into())?,
            Numbers::U16 => integers(15, 0x8000, 0, u16::MAX.into())?,
            Numbers::U32 => integers(0, 0, 0, i32::MAX)?,
            Numbers::U64 => {
                let values = self.values::<i64>(encoded, shape)?;
                numbers.bytes_of_integers(values.into_iter().map(|value| value.max(0)))
            }
        };
        Ok(cells(bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;
    use zarrs::array::data_type as types;
    use zfp_rs::{ZfpBitStream, ZfpField};

    use super::*;

    /// A stream of 64 numbers as zarrs writes it at a rate of 8 bits, and as ZFP itself does.
    #[test]
    fn rates_of_zarrs_are_recognised() {
        let values: Vec<f32> = (0..64).map(|number| number as f32 / 4.0).collect();
        let shape = [NonZeroU64::new(64).unwrap()];
        let configuration = json!({"mode": "fixed_rate", "rate": 8.0});
        let codec = Zfp::of(configuration.as_object().unwrap()).unwrap();
        for rank in [ZfpDimensionality::D1, ZfpDimensionality::D3] {
            let alignment = ZfpStreamAlignment::Unaligned;
            let config = ZfpConfig::fixed_rate(8.0, ZfpScalarType::F32, rank, alignment).unwrap();
            let field = ZfpField::new(&values, [64_usize]).unwrap();
            let mut stream = ZfpBitStream::new(4096).unwrap();
            stream.compress(&config, &field).unwrap();
            let unpacked = codec
                .unpack(stream.as_bytes(), &shape, &types::float32())
                .unwrap();
            let unpacked: Vec<f32> = unpacked
                .into_fixed()
                .unwrap()
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f32::from_ne_bytes(*bytes))
                .collect();
            let is_near = |(left, right): (&f32, &f32)| (left - right).abs() < 0.5;
            assert!(values.iter().zip(&unpacked).all(is_near), "{unpacked:?}");
        }
    }

    #[test]
    fn streams_that_are_not_of_the_chunk_are_refused() {
        let shape = [2, 3].map(|size| NonZeroU64::new(size).unwrap());
        let values = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0];
        let config = ZfpConfig::reversible();
        let field = ZfpField::new(&values, [3_usize, 2]).unwrap();
        let mut stream = ZfpBitStream::new(4096).unwrap();
        stream
            .write_header(&config, &field.metadata(), ZfpHeaderMask::FULL)
            .unwrap();
        stream.compress(&config, &field).unwrap();
        let whole = stream.as_bytes();
        let codec = Zfp::with_header();
        let unpack = |encoded: &[u8], shape: &[NonZeroU64], data_type| {
            codec.unpack(encoded, shape, &data_type)
        };
        let unpacked = unpack(whole, &shape, types::float32()).unwrap();
        let expected = values.to_byte_slice();
        assert_eq!(&*unpacked.into_fixed().unwrap(), expected);
        assert!(unpack(whole, &shape, types::int32()).is_err());
        assert!(unpack(whole, &shape, types::bool()).is_err());
        let turned = [3, 2].map(|size| NonZeroU64::new(size).unwrap());
        assert!(unpack(whole, &turned, types::float32()).is_err());
        assert!(unpack(whole, &[shape[0]; 5], types::float32()).is_err());
        for length in 0..whole.len() {
            assert!(
                unpack(&whole[..length], &shape, types::float32()).is_err(),
                "{length} bytes"
            );
        }
    }
}
