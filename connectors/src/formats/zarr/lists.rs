//! Lists of numbers of any length: [`Lists`], the codec `vlen-array` of numcodecs.
//!
//! ```text
//!  [ count: 4 bytes ]( [ length in bytes: 4 bytes ][ numbers ] ) × count
//! ```
//!
//! This is the layout of texts; what the numbers are stands in the metadata of the codec.

use std::num::NonZeroU64;

use serde_json::{Map, Value};
use zarrs::array::codec::api::ArrayBytes;
use zarrs::array::{DataType, data_type};

use super::data_type::ByteOrder;
use super::decode_only::{Unpack, cells_of};
use super::numbers::Numbers;
use super::texts::{split, variable};

/// Reads lists of numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lists {
    numbers: Numbers,
    order: ByteOrder,
}

impl Lists {
    /// The codec as its configuration describes it. The error is its cause in words.
    pub(super) fn of(configuration: &Map<String, Value>) -> Result<Self, String> {
        let dtype = configuration.get("dtype");
        let (numbers, order) = Numbers::parse(dtype).ok_or_else(|| match dtype {
            Some(dtype) => format!("its lists hold {dtype}, which are no numbers"),
            None => "it does not say what its lists hold".to_string(),
        })?;
        Ok(Self { numbers, order })
    }

    /// The numbers that the lists hold.
    pub(super) fn numbers(self) -> Numbers {
        self.numbers
    }
}

impl Unpack for Lists {
    fn unpack(
        &self,
        encoded: &[u8],
        shape: &[NonZeroU64],
        data_type: &DataType,
    ) -> Result<ArrayBytes<'static>, String> {
        // Other types are read as texts.
        if *data_type != data_type::bytes() {
            return Err("the type of the array has no lists".to_string());
        }
        let do_not_fit = || "the lists do not fit the chunk".to_string();
        let (mut numbers, ends) = split(encoded, cells_of(shape)).ok_or_else(do_not_fit)?;
        let width = self.numbers.bytes();
        if ends.iter().any(|end| end % width != 0) {
            return Err(format!("a list is not made of numbers of {width} bytes"));
        }
        let is_native = match self.order {
            ByteOrder::Little => cfg!(target_endian = "little"),
            ByteOrder::Big => cfg!(target_endian = "big"),
        };
        if !is_native {
            numbers.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
        variable(numbers, ends)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    /// What numcodecs makes of `[[1, 3, 5], [4], []]` with `VLenArray(">i2")`.
    const CHUNK: [u8; 24] = [
        3, 0, 0, 0, 6, 0, 0, 0, 0, 1, 0, 3, 0, 5, 2, 0, 0, 0, 0, 4, 0, 0, 0, 0,
    ];

    #[test]
    fn lists_are_unpacked_or_refused() {
        let codec = |dtype: &str| Lists::of(json!({"dtype": dtype}).as_object().unwrap());
        let unpack = |dtype: &str, cells: u64, bytes: &[u8]| {
            let shape = [NonZeroU64::new(cells).unwrap()];
            codec(dtype)?.unpack(bytes, &shape, &data_type::bytes())
        };
        let lists = unpack(">i2", 3, &CHUNK).unwrap().into_variable().unwrap();
        let (numbers, ends) = lists.into_parts();
        let numbers: Vec<i64> = codec(">i2").unwrap().numbers().integers(&numbers).collect();
        assert_eq!(
            (&numbers[..], &ends[..]),
            (&[1, 3, 5, 4][..], &[0, 6, 8, 8][..])
        );
        assert!(unpack(">i2", 4, &CHUNK).is_err());
        assert!(unpack("<i4", 3, &CHUNK).unwrap_err().contains("4 bytes"));
        for length in 0..CHUNK.len() {
            assert!(
                unpack(">i2", 3, &CHUNK[..length]).is_err(),
                "{length} bytes"
            );
        }
        for dtype in ["|O", "<M8[ns]", "|S4"] {
            assert!(codec(dtype).unwrap_err().contains("no numbers"), "{dtype}");
        }
        assert!(Lists::of(&Map::new()).is_err());
    }
}
