//! What is stored in place of values, and undoing it: [`Predictor`].

use super::directory::ByteOrder;

/// What is stored in place of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predictor {
    /// The values.
    None,
    /// The differences to the same sample of the pixel before, in each row.
    Differences,
    /// The differences of bytes in a row, all first bytes of its values before all second ones.
    Floats,
}

impl Predictor {
    /// The predictor of a value of the tag `Predictor`.
    pub(super) fn of(code: u64) -> Option<Self> {
        match code {
            1 => Some(Self::None),
            2 => Some(Self::Differences),
            3 => Some(Self::Floats),
            _ => None,
        }
    }

    /// Turns `bytes` into values of `width` bytes in the byte order of this machine. A row has `row` bytes and
    /// `samples` values per pixel.
    pub(super) fn undo(
        self,
        bytes: &mut [u8],
        row: usize,
        samples: usize,
        width: usize,
        order: ByteOrder,
    ) {
        if row == 0 {
            return;
        }
        match self {
            Self::None => {}
            Self::Differences => {
                let rows = bytes.chunks_exact_mut(row);
                match width {
                    1 => rows.for_each(|row| add_up_bytes(row, samples)),
                    2 => rows.for_each(|row| add_up_u16(row, samples, order)),
                    4 => rows.for_each(|row| add_up_u32(row, samples, order)),
                    _ => rows.for_each(|row| add_up_u64(row, samples, order)),
                }
            }
            Self::Floats => {
                let mut planes = vec![0; row];
                for row in bytes.chunks_exact_mut(row) {
                    add_up_bytes(row, samples);
                    planes.copy_from_slice(row);
                    join_planes(&planes, row, width);
                }
            }
        }
    }
}

fn add_up_bytes(row: &mut [u8], samples: usize) {
    for at in samples..row.len() {
        row[at] = row[at].wrapping_add(row[at - samples]);
    }
}

/// Adds up differences of numbers in one byte order, and leaves them in that of this machine.
macro_rules! add_up {
    ($name:ident, $number:ty) => {
        fn $name(row: &mut [u8], samples: usize, order: ByteOrder) {
            let (row, _) = row.as_chunks_mut::<{ size_of::<$number>() }>();
            for at in 0..row.len() {
                let stored = match order {
                    ByteOrder::Little => <$number>::from_le_bytes(row[at]),
                    ByteOrder::Big => <$number>::from_be_bytes(row[at]),
                };
                let before = match at.checked_sub(samples) {
                    Some(before) => <$number>::from_ne_bytes(row[before]),
                    None => 0,
                };
                row[at] = stored.wrapping_add(before).to_ne_bytes();
            }
        }
    };
}

add_up!(add_up_u16, u16);
add_up!(add_up_u32, u32);
add_up!(add_up_u64, u64);

/// Puts the bytes of each value together; the most significant ones come first in `planes`.
fn join_planes(planes: &[u8], row: &mut [u8], width: usize) {
    let values = row.len() / width;
    for (value, bytes) in row.chunks_exact_mut(width).enumerate() {
        for (significance, byte) in bytes.iter_mut().enumerate() {
            let plane = match ByteOrder::NATIVE {
                ByteOrder::Little => width - 1 - significance,
                ByteOrder::Big => significance,
            };
            *byte = planes[plane * values + value];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_added_up_in_either_byte_order() {
        let values = [5_u16, 700, 3, 65535, 9, 0, 1, 2];
        for (samples, row) in [(1, 8), (2, 8), (1, 4), (2, 4)] {
            for order in [ByteOrder::Little, ByteOrder::Big] {
                let mut stored = Vec::new();
                for row in values.chunks(row) {
                    for at in 0..row.len() {
                        let before = if at < samples { 0 } else { row[at - samples] };
                        let difference = row[at].wrapping_sub(before);
                        stored.extend(match order {
                            ByteOrder::Little => difference.to_le_bytes(),
                            ByteOrder::Big => difference.to_be_bytes(),
                        });
                    }
                }
                Predictor::Differences.undo(&mut stored, row * 2, samples, 2, order);
                let expected: Vec<u8> = values.iter().flat_map(|v| v.to_ne_bytes()).collect();
                assert_eq!(stored, expected, "{samples} {row} {order:?}");
            }
        }
    }

    #[test]
    fn planes_of_floats_are_joined() {
        // 3f 80 00 00, 40 00 00 00
        let mut stored = [0x3f, 1, 0x40, 0x80, 0, 0, 0, 0];
        Predictor::Floats.undo(&mut stored, 8, 1, 4, ByteOrder::Big);
        let expected: Vec<u8> = [1.0_f32, 2.0]
            .iter()
            .flat_map(|v| v.to_ne_bytes())
            .collect();
        assert_eq!(stored, expected[..]);
    }
}
