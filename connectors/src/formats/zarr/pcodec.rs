//! Numbers packed by Pcodec, `pcodec` of numcodecs: [`Pcodec`].
//!
//! zarrs lets the compressed numbers say how many they are; here the shape of the chunk does, so that
//! a few damaged bytes do not become gigabytes.

use std::num::NonZeroU64;

use arrow::datatypes::ToByteSlice;
use pco::data_types::Number;
use pco::standalone::{DecompressorItem, FileDecompressor};
use zarrs::array::codec::api::ArrayBytes;
use zarrs::array::{DataType, data_type};

use super::data_type::Float16;
use super::decode_only::{Unpack, cells, cells_of};
use super::numbers::{Numbers, with_native};

/// Reads numbers that Pcodec packed. What decoding needs stands in the bytes, not in the metadata.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pcodec;

impl Unpack for Pcodec {
    fn unpack(
        &self,
        encoded: &[u8],
        shape: &[NonZeroU64],
        data_type: &DataType,
    ) -> Result<ArrayBytes<'static>, String> {
        let count = cells_of(shape) as usize;
        if *data_type == data_type::float16() {
            return numbers::<Float16>(encoded, count);
        }
        match Numbers::of(data_type) {
            Some(packed) => with_native!(packed, Native => numbers::<Native>(encoded, count)),
            None => Err("Pcodec packs numbers only".to_string()),
        }
    }
}

fn numbers<N: Number + Default>(encoded: &[u8], count: usize) -> Result<ArrayBytes<'static>, String>
where
    [N]: ToByteSlice,
{
    let mut numbers: Vec<N> = Vec::new();
    let other_count = || format!("there are not {count} numbers in it");
    let (file, mut rest) = FileDecompressor::new(encoded).map_err(|error| error.to_string())?;
    // A part has 16 million numbers at most, so that memory is taken step by step.
    while let DecompressorItem::Chunk(mut part) = file
        .chunk_decompressor::<N, _>(rest)
        .map_err(|error| error.to_string())?
    {
        let start = numbers.len();
        let end = Some(start + part.n()).filter(|end| *end <= count);
        numbers.resize(end.ok_or_else(other_count)?, N::default());
        let progress = part.read(&mut numbers[start..]);
        if !progress.map_err(|error| error.to_string())?.finished {
            return Err(other_count());
        }
        rest = part.into_src();
    }
    if numbers.len() != count {
        return Err(other_count());
    }
    Ok(cells(numbers.to_byte_slice().to_vec()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A few bytes that stand for a million numbers are not believed.
    #[test]
    fn the_shape_says_how_many_numbers_there_are() {
        let config = pco::ChunkConfig::default();
        let encoded = pco::standalone::simple_compress(&vec![7_i32; 1_000_000], &config).unwrap();
        assert!(encoded.len() < 200);
        let unpack = |cells| {
            let shape = [NonZeroU64::new(cells).unwrap()];
            Pcodec.unpack(&encoded, &shape, &data_type::int32())
        };
        assert!(unpack(1_000_000).is_ok());
        for cells in [1, 8, 256, 999_999, 1_000_001] {
            assert!(unpack(cells).is_err(), "{cells} cells");
        }
    }
}
