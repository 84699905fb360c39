//! The cells of a shard as the encoder takes them: [`Cells`], bytes of numbers or texts.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::buffer::Buffer;
use arrow::datatypes::DataType as ArrowType;
use zarrs::array::ArrayBytes;
use zarrs::array::codec::api::ArrayBytesOffsets;

use super::boxes::CellBox;

/// The value of cells that are not stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fill {
    /// As stored: a number in native byte order, one byte of a logical value, or a text in UTF-8.
    pub(crate) bytes: Vec<u8>,
    /// Is it "not a number"? Then any of the bit patterns of that is the fill value.
    pub(crate) is_nan: bool,
}

/// Cells in C order.
#[derive(Debug)]
pub(crate) enum Cells<'a> {
    /// Cells of `width` bytes, in native byte order.
    Numbers {
        bytes: Buffer,
        width: usize,
    },
    Texts(Vec<&'a str>),
}

impl<'a> Cells<'a> {
    /// The values of `array`, without NULLs. The error is its cause in words.
    pub(crate) fn of(array: &'a ArrayRef) -> Result<Self, String> {
        if array.logical_null_count() > 0 {
            return Err("a value is NULL, which cannot be stored".to_string());
        }
        let data_type = array.data_type();
        match data_type {
            ArrowType::Utf8 => {
                let texts: &StringArray = array.as_string();
                let texts = texts.iter().map(Option::unwrap_or_default);
                Ok(Self::Texts(texts.collect()))
            }
            ArrowType::Boolean => {
                let bits = array.as_boolean().values();
                let bytes: Vec<u8> = bits.iter().map(u8::from).collect();
                Ok(Self::Numbers {
                    bytes: bytes.into(),
                    width: 1,
                })
            }
            ArrowType::FixedSizeBinary(width) => Ok(Self::Numbers {
                bytes: Buffer::from(array.as_fixed_size_binary().value_data()),
                width: *width as usize,
            }),
            _ => {
                let not_plain = || format!("values of type {data_type} cannot be stored");
                let width = data_type.primitive_width().ok_or_else(not_plain)?;
                let data = array.to_data();
                let values = data.buffers().first().ok_or_else(not_plain)?;
                let bytes = values.slice_with_length(data.offset() * width, data.len() * width);
                Ok(Self::Numbers { bytes, width })
            }
        }
    }

    /// The cells of a box, in a chunk of the shape `chunk` that begins with it; the rest of the chunk
    /// has the fill value. Numbers that lie as they should are not copied.
    pub(crate) fn cut<'b>(
        &'b self,
        part: &CellBox<'_>,
        chunk: &[usize],
        fill: &'b Fill,
    ) -> Cells<'b> {
        let total: usize = chunk.iter().product();
        match self {
            Self::Numbers { bytes, width } => {
                let mut whole = None;
                part.runs(chunk, |from, _, cells| {
                    whole = (cells == total).then_some(from);
                });
                let bytes = match whole {
                    Some(from) => bytes.slice_with_length(from * width, total * width),
                    None => {
                        let mut padded = fill.bytes.repeat(total);
                        part.runs(chunk, |from, to, cells| {
                            let (from, to, length) = (from * width, to * width, cells * width);
                            padded[to..to + length].copy_from_slice(&bytes[from..from + length]);
                        });
                        Buffer::from_vec(padded)
                    }
                };
                Cells::Numbers {
                    bytes,
                    width: *width,
                }
            }
            Self::Texts(texts) => {
                let padding = std::str::from_utf8(&fill.bytes).unwrap_or_default();
                let mut padded = vec![padding; total];
                part.runs(chunk, |from, to, cells| {
                    padded[to..to + cells].copy_from_slice(&texts[from..from + cells]);
                });
                Cells::Texts(padded)
            }
        }
    }

    /// Has every cell the fill value?
    pub(crate) fn are_all(&self, fill: &Fill) -> bool {
        match self {
            Self::Texts(texts) => texts.iter().all(|text| text.as_bytes() == fill.bytes),
            Self::Numbers { bytes, width: 4 } if fill.is_nan => {
                let cells = bytes.as_chunks::<4>().0;
                cells.iter().all(|cell| f32::from_ne_bytes(*cell).is_nan())
            }
            Self::Numbers { bytes, .. } if fill.is_nan => {
                let cells = bytes.as_chunks::<8>().0;
                cells.iter().all(|cell| f64::from_ne_bytes(*cell).is_nan())
            }
            Self::Numbers { bytes, width } => match bytes.split_at_checked(*width) {
                // The others are like the one before them: a comparison of memory with itself.
                Some((first, others)) => {
                    first == fill.bytes && *others == bytes[..bytes.len() - width]
                }
                None => true,
            },
        }
    }

    /// The cells in the terms of zarrs. The error is its cause in words.
    pub(crate) fn as_array_bytes(&self) -> Result<ArrayBytes<'_>, String> {
        match self {
            Self::Numbers { bytes, .. } => Ok(ArrayBytes::new_flen(bytes.as_slice())),
            Self::Texts(texts) => {
                let mut offsets = vec![0];
                let mut bytes = Vec::new();
                for text in texts {
                    bytes.extend_from_slice(text.as_bytes());
                    offsets.push(bytes.len());
                }
                let offsets = ArrayBytesOffsets::new(offsets).map_err(|error| error.to_string())?;
                ArrayBytes::new_vlen(bytes, offsets).map_err(|error| error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Float32Array, Float64Array, Int16Array};

    use super::*;

    fn fill(bytes: &[u8], is_nan: bool) -> Fill {
        Fill {
            bytes: bytes.to_vec(),
            is_nan,
        }
    }

    #[test]
    fn chunks_of_nothing_but_the_fill_value_are_recognised() {
        let nan = fill(&f32::NAN.to_ne_bytes(), true);
        let zero = fill(&0_f32.to_ne_bytes(), false);
        let double = fill(&f64::NAN.to_ne_bytes(), true);
        let text = fill(b"x", false);
        let one = fill(&1_i16.to_ne_bytes(), false);
        let no = fill(&[0], false);
        let other_nan = f32::from_bits(0xffc0_0001);
        let cases: [(ArrayRef, &Fill, bool); 11] = [
            (
                Arc::new(Float32Array::from(vec![f32::NAN, other_nan])),
                &nan,
                true,
            ),
            (
                Arc::new(Float32Array::from(vec![f32::NAN, 0.0])),
                &nan,
                false,
            ),
            (Arc::new(Float32Array::from(vec![0.0, 0.0])), &zero, true),
            (Arc::new(Float32Array::from(vec![0.0, -0.0])), &zero, false),
            (Arc::new(Float64Array::from(vec![f64::NAN])), &double, true),
            (
                Arc::new(Int16Array::from(vec![0, 1, 1]).slice(1, 2)),
                &one,
                true,
            ),
            (Arc::new(Int16Array::from(vec![1, 1, 2])), &one, false),
            (Arc::new(StringArray::from(vec!["x", "x"])), &text, true),
            (Arc::new(StringArray::from(vec!["x", ""])), &text, false),
            (Arc::new(BooleanArray::from(vec![false, false])), &no, true),
            (Arc::new(BooleanArray::from(vec![false, true])), &no, false),
        ];
        for (values, fill, expected) in cases {
            assert_eq!(
                Cells::of(&values).unwrap().are_all(fill),
                expected,
                "{values:?}"
            );
        }
    }

    #[test]
    fn values_that_cannot_be_stored() {
        let null: ArrayRef = Arc::new(Int16Array::from(vec![Some(1), None]));
        assert!(Cells::of(&null).unwrap_err().contains("NULL"));
    }
}
