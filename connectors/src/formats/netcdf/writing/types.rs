//! Types and shapes as HDF5 describes them.

use arrow::datatypes::DataType;

use super::texts::CHARACTER;

/// An address of nothing.
pub(super) const UNDEFINED: u64 = u64::MAX;

/// Is this machine big-endian? A bit of the types of numbers.
const BIG: u8 = cfg!(target_endian = "big") as u8;

/// The stored type of an array: logical values are small integers.
pub(super) fn stored(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Boolean => DataType::Int8,
        other => other.clone(),
    }
}

/// Bytes of a cell of this type. `None` where HDF5 has no such cells.
pub(super) fn width(data_type: &DataType) -> Option<usize> {
    match data_type {
        &CHARACTER => Some(1),
        other => other.primitive_width(),
    }
}

/// The description of the type of an array's cells. `None` where HDF5 has none.
pub(super) fn of(data_type: &DataType) -> Option<Vec<u8>> {
    match data_type {
        &CHARACTER => Some(text(1)),
        other => number(other),
    }
}

/// The description of a number's type. `None` where HDF5 has no such number.
pub(super) fn number(data_type: &DataType) -> Option<Vec<u8>> {
    let width = data_type.primitive_width()? as u32;
    let bits = width as u16 * 8;
    if data_type.is_integer() {
        let signed = u8::from(data_type.is_signed_integer()) << 3;
        let mut described = described(0, [BIG | signed, 0, 0], width);
        // Bit offset and precision.
        described.extend([0, 0]);
        described.extend(bits.to_le_bytes());
        return Some(described);
    }
    let (exponent_at, exponent_bits, bias) = match data_type {
        DataType::Float32 => (23_u8, 8, 127_u32),
        DataType::Float64 => (52, 11, 1023),
        _ => return None,
    };
    // 0x20: the most significant bit of the mantissa is implied. Then the place of the sign.
    let mut described = described(1, [BIG | 0x20, bits as u8 - 1, 0], width);
    described.extend([0, 0]);
    described.extend(bits.to_le_bytes());
    described.extend([exponent_at, exponent_bits, 0, exponent_at]);
    described.extend(bias.to_le_bytes());
    Some(described)
}

/// A text of `bytes` bytes of UTF-8, which ends where a zero stands, or at its last byte.
pub(super) fn text(bytes: usize) -> Vec<u8> {
    described(3, [1 << 4, 0, 0], bytes as u32)
}

/// The address of an object.
pub(super) fn reference() -> Vec<u8> {
    described(7, [0; 3], 8)
}

/// Lists of any length of `of`; they lie in a heap.
pub(super) fn list(of: &[u8]) -> Vec<u8> {
    let mut list = described(9, [0; 3], 16);
    list.extend(of);
    list
}

fn described(class: u8, bits: [u8; 3], bytes: u32) -> Vec<u8> {
    const VERSION: u8 = 1;
    let mut described = vec![VERSION << 4 | class];
    described.extend(bits);
    described.extend(bytes.to_le_bytes());
    described
}

/// A shape; without dimensions it is that of a scalar.
pub(super) fn shape(lengths: &[u64]) -> Vec<u8> {
    const VERSION: u8 = 2;
    let kind = u8::from(!lengths.is_empty());
    let mut shape = vec![VERSION, lengths.len() as u8, 0, kind];
    shape.extend(lengths.iter().flat_map(|length| length.to_le_bytes()));
    shape
}
