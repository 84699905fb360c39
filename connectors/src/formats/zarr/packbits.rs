//! Cells of a few bits, packed: [`PackBits`] of Zarr v3 and [`PackedBooleans`] of numcodecs.
//!
//! ```text
//!  packbits, v3     [ padding? ][ cell 0, cell 1, … from the lowest bit of each byte ][ padding? ]
//!  packbits, v2     [ padding  ][ booleans from the highest bit of each byte ]
//! ```
//!
//! The padding is a byte: how many bits of the last byte are not used. Of integers, v3 may keep the
//! bits from `first_bit` to `last_bit` only; those above repeat the sign, those below are zero. zarrs
//! repeats the sign to the end of a byte only, forgets the padding where cells are kept whole, and does
//! not know the layout of v2, which in v3 is called `numcodecs.packbits`.

use std::num::NonZeroU64;

use serde::Deserialize;
use serde_json::{Map, Value};
use zarrs::array::codec::api::ArrayBytes;
use zarrs::array::data_type as types;
use zarrs::array::{ChunkShape, DataType};

use super::decode_only::{Undo, Unpack, cells, cells_of};
use super::numbers::Numbers;

/// The codec `packbits` of Zarr v3.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackBits {
    #[serde(default)]
    padding_encoding: Padding,
    first_bit: Option<u32>,
    last_bit: Option<u32>,
}

/// Where the number of unused bits stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Padding {
    #[default]
    None,
    #[serde(alias = "start_byte")]
    FirstByte,
    #[serde(alias = "end_byte")]
    LastByte,
}

/// Which bits of a cell are stored.
#[derive(Debug, Clone, Copy)]
struct Bits {
    first: u32,
    width: u32,
    is_signed: bool,
    cell_bytes: usize,
}

impl PackBits {
    /// The codec as its configuration describes it. The error is its cause in words.
    pub(super) fn of(configuration: &Map<String, Value>) -> Result<Self, String> {
        serde_json::from_value(Value::Object(configuration.clone()))
            .map_err(|error| error.to_string())
    }

    fn bits(&self, data_type: &DataType) -> Result<Bits, String> {
        let numbers = Numbers::of(data_type);
        let (available, cell_bytes) = match numbers {
            Some(numbers) => (numbers.bytes() as u32 * 8, numbers.bytes()),
            None if *data_type == types::bool() => (1, 1),
            None if *data_type == types::float16() => (16, 2),
            None => return Err("only numbers and booleans are packed".to_string()),
        };
        let first = self.first_bit.unwrap_or(0);
        let last = self.last_bit.unwrap_or(available - 1);
        if first > last || last >= available {
            return Err(format!(
                "bits {first} to {last} are not those of a cell of {available} bits"
            ));
        }
        Ok(Bits {
            first,
            width: last - first + 1,
            is_signed: numbers.is_some_and(Numbers::is_signed),
            cell_bytes,
        })
    }

    /// The packed bytes without the padding, if that is right.
    fn packed<'a>(&self, encoded: &'a [u8], used_bits: u64) -> Option<&'a [u8]> {
        let (padding, packed) = match self.padding_encoding {
            Padding::None => (None, encoded),
            Padding::FirstByte => {
                let (padding, packed) = encoded.split_first()?;
                (Some(*padding), packed)
            }
            Padding::LastByte => {
                let (padding, packed) = encoded.split_last()?;
                (Some(*padding), packed)
            }
        };
        let right = used_bits.div_ceil(8) == packed.len() as u64
            && padding.is_none_or(|padding| padding == unused_bits(used_bits));
        right.then_some(packed)
    }
}

/// How many bits of the last byte are not used.
fn unused_bits(used_bits: u64) -> u8 {
    (used_bits.next_multiple_of(8) - used_bits) as u8
}

impl Bits {
    /// The cells in `packed`, which is long enough.
    fn unpack(self, packed: &[u8], count: usize) -> Vec<u8> {
        let mut bytes = packed.iter();
        let mut buffer = 0_u128;
        let mut buffered = 0;
        let mask = u64::MAX >> (64 - self.width);
        let sign = 1_u64 << (self.width - 1);
        let mut unpacked = Vec::with_capacity(count * self.cell_bytes);
        for _ in 0..count {
            while buffered < self.width {
                buffer |= u128::from(bytes.next().copied().unwrap_or(0)) << buffered;
                buffered += 8;
            }
            let mut cell = buffer as u64 & mask;
            buffer >>= self.width;
            buffered -= self.width;
            if self.is_signed && cell & sign != 0 {
                cell |= !mask;
            }
            let cell = cell << self.first;
            match self.cell_bytes {
                1 => unpacked.push(cell as u8),
                2 => unpacked.extend((cell as u16).to_ne_bytes()),
                4 => unpacked.extend((cell as u32).to_ne_bytes()),
                _ => unpacked.extend(cell.to_ne_bytes()),
            }
        }
        unpacked
    }
}

impl Unpack for PackBits {
    fn unpack(
        &self,
        encoded: &[u8],
        shape: &[NonZeroU64],
        data_type: &DataType,
    ) -> Result<ArrayBytes<'static>, String> {
        let bits = self.bits(data_type)?;
        let count = cells_of(shape);
        let packed = self
            .packed(encoded, count * u64::from(bits.width))
            .ok_or("the packed bits do not fit the chunk")?;
        Ok(cells(bits.unpack(packed, count as usize)))
    }

    fn encoded_bytes(&self, cells: u64, data_type: &DataType) -> Option<u64> {
        let bits = self.bits(data_type).ok()?;
        let packed = cells.checked_mul(bits.width.into())?.div_ceil(8);
        Some(packed + u64::from(self.padding_encoding != Padding::None))
    }
}

/// The filter `packbits` of numcodecs: from booleans to bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackedBooleans;

impl PackedBooleans {
    fn unpack(stored: &[u8], count: u64) -> Option<Vec<u8>> {
        let (padding, packed) = stored.split_first()?;
        if *padding != unused_bits(count) || packed.len() as u64 != count.div_ceil(8) {
            return None;
        }
        let cells = packed
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        Some(cells.take(count as usize).collect())
    }
}

impl Undo for PackedBooleans {
    fn stored_type(&self, data_type: &DataType) -> Result<DataType, String> {
        match *data_type == types::bool() {
            true => Ok(types::uint8()),
            false => Err("only booleans are packed".to_string()),
        }
    }

    fn stored_shape(&self, shape: &[NonZeroU64]) -> Option<ChunkShape> {
        let bytes = cells_of(shape).div_ceil(8);
        Some(vec![NonZeroU64::MIN.saturating_add(bytes)])
    }

    fn undo(&self, stored: &[u8], shape: &[NonZeroU64]) -> Result<Vec<u8>, String> {
        let unpacked = Self::unpack(stored, cells_of(shape));
        unpacked.ok_or_else(|| "the packed booleans do not fit the chunk".to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    /// The examples follow the specification: cells from the lowest bit of each byte.
    #[test]
    fn bits_are_unpacked_or_refused() {
        let cases: [(Value, DataType, &[u8], Option<Vec<u8>>); 9] = [
            (json!({}), types::bool(), &[0b1101], Some(vec![1, 0, 1])),
            (
                json!({"padding_encoding": "first_byte"}),
                types::bool(),
                &[5, 0b10],
                Some(vec![0, 1, 0]),
            ),
            (
                json!({"padding_encoding": "last_byte"}),
                types::bool(),
                &[0b10, 5],
                Some(vec![0, 1, 0]),
            ),
            (
                json!({"padding_encoding": "last_byte"}),
                types::bool(),
                &[0b10, 4],
                None,
            ),
            (json!({}), types::bool(), &[], None),
            (json!({}), types::bool(), &[0, 0], None),
            (
                json!({"first_bit": 1, "last_bit": 3}),
                types::int8(),
                &[0b1101_1100, 0],
                Some(vec![0xf8, 6, 6]),
            ),
            (
                json!({"first_bit": 1, "last_bit": 8}),
                types::int8(),
                &[0, 0, 0],
                None,
            ),
            (
                json!({"first_bit": 3, "last_bit": 2}),
                types::int8(),
                &[0],
                None,
            ),
        ];
        let shape = [NonZeroU64::new(3).unwrap()];
        for (configuration, data_type, encoded, expected) in cases {
            let codec = PackBits::of(configuration.as_object().unwrap()).unwrap();
            let unpacked = codec.unpack(encoded, &shape, &data_type);
            let unpacked = unpacked.ok().map(|cells| cells.into_fixed().unwrap());
            assert_eq!(
                unpacked.as_deref(),
                expected.as_deref(),
                "{configuration} {encoded:?}"
            );
        }
        assert!(PackBits::of(json!({"first": 1}).as_object().unwrap()).is_err());
        assert!(PackBits::of(json!({"padding_encoding": "both"}).as_object().unwrap()).is_err());
    }
}
