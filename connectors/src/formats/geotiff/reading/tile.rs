//! From the bytes of a segment to the values of a band: [`decompressed`], [`Values`].
//!
//! ```text
//!  bytes ─ decompress ─▶ ─ predictor ─▶ ─ a byte per value of few bits ─▶ pixels ─ one sample of each ─▶ values
//! ```

use std::borrow::Cow;

use arrow::array::{ArrayData, ArrayRef, make_array};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::DataType;

use super::directory::ByteOrder;
use super::image::Image;
use super::predictor::Predictor;

/// The values of all bands of a segment with `rows` rows, and their byte order. The error is its cause in words.
pub(super) fn decompressed<'a>(
    image: &Image,
    stored: &'a [u8],
    rows: usize,
) -> Result<(Cow<'a, [u8]>, ByteOrder), String> {
    let row = image.row_bytes() as usize;
    let bytes = image.compression.undo(stored, row.saturating_mul(rows))?;
    if image.bits < 8 {
        let values = image.columns.saturating_mul(image.samples_together()) as usize;
        return Ok((
            unpacked(&bytes, row, values, image.bits).into(),
            image.order,
        ));
    }
    if image.predictor == Predictor::None {
        return Ok((bytes, image.order));
    }
    let mut bytes = bytes.into_owned();
    let (samples, width) = (image.samples_together() as usize, image.value_bytes());
    image
        .predictor
        .undo(&mut bytes, row, samples, width, image.order);
    Ok((bytes.into(), ByteOrder::NATIVE))
}

/// A byte for each of the `values` of a row, which have `bits` bits, the first one in the highest.
fn unpacked(bytes: &[u8], row: usize, values: usize, bits: u64) -> Vec<u8> {
    let in_byte = 8 / bits as usize;
    let mask = (1_u16 << bits) as u8 - 1;
    let mut unpacked = Vec::with_capacity(bytes.len().saturating_mul(in_byte));
    for row in bytes.chunks_exact(row.max(1)) {
        let end = unpacked.len() + values;
        for byte in row {
            unpacked.extend((1..=in_byte).map(|at| (byte >> (8 - at * bits as usize)) & mask));
        }
        unpacked.truncate(end);
    }
    unpacked
}

/// Values of one band, as the bits that they have in this machine.
#[derive(Debug)]
pub(super) enum Values {
    One(Vec<u8>),
    Two(Vec<u16>),
    Four(Vec<u32>),
    Eight(Vec<u64>),
}

/// Adds a sample of each pixel of `$bytes` to `$values`.
macro_rules! add_samples {
    ($values:ident, $number:ty, $bytes:ident, $order:ident, $samples:ident, $sample:ident) => {{
        let (stored, _) = $bytes.as_chunks::<{ size_of::<$number>() }>();
        let of_band = stored.iter().skip($sample).step_by($samples);
        match ($order, $samples) {
            // Without steps the loop is a copy.
            (ByteOrder::Little, 1) => {
                $values.extend(stored.iter().map(|b| <$number>::from_le_bytes(*b)))
            }
            (ByteOrder::Big, 1) => {
                $values.extend(stored.iter().map(|b| <$number>::from_be_bytes(*b)))
            }
            (ByteOrder::Little, _) => $values.extend(of_band.map(|b| <$number>::from_le_bytes(*b))),
            (ByteOrder::Big, _) => $values.extend(of_band.map(|b| <$number>::from_be_bytes(*b))),
        }
    }};
}

impl Values {
    /// No values yet, of `width` bytes each.
    pub(super) fn of_width(width: usize) -> Self {
        match width {
            1 => Self::One(Vec::new()),
            2 => Self::Two(Vec::new()),
            4 => Self::Four(Vec::new()),
            _ => Self::Eight(Vec::new()),
        }
    }

    /// Adds the values of `sample`, one of `samples` per pixel.
    pub(super) fn add(&mut self, bytes: &[u8], order: ByteOrder, samples: usize, sample: usize) {
        match self {
            Self::One(values) if samples == 1 => values.extend_from_slice(bytes),
            Self::One(values) => values.extend(bytes.iter().skip(sample).step_by(samples)),
            Self::Two(values) => add_samples!(values, u16, bytes, order, samples, sample),
            Self::Four(values) => add_samples!(values, u32, bytes, order, samples, sample),
            Self::Eight(values) => add_samples!(values, u64, bytes, order, samples, sample),
        }
    }

    /// Adds a value `count` times.
    pub(super) fn add_fill(&mut self, bits: u64, count: usize) {
        match self {
            Self::One(values) => values.resize(values.len() + count, bits as u8),
            Self::Two(values) => values.resize(values.len() + count, bits as u16),
            Self::Four(values) => values.resize(values.len() + count, bits as u32),
            Self::Eight(values) => values.resize(values.len() + count, bits),
        }
    }

    /// The values as an array. The error is its cause in words.
    pub(super) fn into_array(
        self,
        data_type: &DataType,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, String> {
        let (length, buffer) = match self {
            Self::One(values) => (values.len(), Buffer::from_vec(values)),
            Self::Two(values) => (values.len(), Buffer::from_vec(values)),
            Self::Four(values) => (values.len(), Buffer::from_vec(values)),
            Self::Eight(values) => (values.len(), Buffer::from_vec(values)),
        };
        let data = ArrayData::builder(data_type.clone())
            .len(length)
            .nulls(nulls)
            .add_buffer(buffer);
        let data = data.build().map_err(|error| error.to_string())?;
        Ok(make_array(data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_few_bits_are_unpacked_row_by_row() {
        let cases: [(&[u8], usize, u64, &[u8]); 4] = [
            (&[0b1010_0000, 0b0110_0000], 3, 1, &[1, 0, 1, 0, 1, 1]),
            (&[0b1101_1000, 0b0001_1011], 4, 2, &[3, 1, 2, 0, 0, 1, 2, 3]),
            (&[0xab, 0xc0], 3, 4, &[0xa, 0xb, 0xc]),
            (&[0xff, 0x80], 9, 1, &[1; 9]),
        ];
        for (bytes, values, bits, expected) in cases {
            let row = (values * bits as usize).div_ceil(8);
            assert_eq!(unpacked(bytes, row, values, bits), expected);
        }
    }

    #[test]
    fn a_sample_of_each_pixel() {
        let bytes = [0, 1, 0, 2, 0, 3, 0, 4];
        let mut values = Values::of_width(2);
        values.add(&bytes, ByteOrder::Big, 2, 1);
        values.add_fill(7, 2);
        assert!(matches!(values, Values::Two(found) if found == [2, 4, 7, 7]));
    }
}
