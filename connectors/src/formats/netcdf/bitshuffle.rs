//! The HDF5 filters LZ4 (32004) and bitshuffle (32008), which share a container.
//!
//! ```text
//!  8 bytes  size of all values     4 bytes  size of a block      numbers are big-endian
//!  then for each block:            4 bytes  size as stored       and its bytes
//! ```
//! Bitshuffle transposes the bits of a block of values: first bit 0 of all of them, then bit 1,
//! so that bits that seldom change stand together. Only whole groups of 8 values take part; the
//! rest stands behind the blocks as it is. Formats: `H5Zlz4.c` of hdf5_plugins and
//! `bshuf_h5filter.c` of bitshuffle.

/// Values of a block are chosen so that it has about this many bytes, where the file does not say.
const BLOCK_BYTES: usize = 8192;
/// … but not fewer values than this.
const SMALLEST_BLOCK: usize = 128;
/// Values whose bits are transposed together.
const GROUP: usize = 8;

/// Why bytes could not be read.
type Complaint = &'static str;

/// Undoes the filter LZ4.
pub(super) fn undo_lz4(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Complaint> {
    let mut input = Input(bytes);
    let (size, block_size) = input.sizes(limit)?;
    let mut values = Vec::with_capacity(size);
    while values.len() < size {
        let wanted = block_size.min(size - values.len());
        let stored = input.block()?;
        if stored.len() == wanted {
            values.extend_from_slice(stored);
        } else {
            values.extend(lz4(stored, wanted)?);
        }
    }
    Ok(values)
}

/// Undoes the filter bitshuffle with its own compression, if any. `parameters` are the filter's:
/// two version numbers, bytes of a value, values of a block (0: the default), compression
/// (0: none, 2: LZ4, 3: Zstandard).
pub(super) fn undo(bytes: &[u8], parameters: &[u32], limit: usize) -> Result<Vec<u8>, Complaint> {
    let parameter = |position: usize| parameters.get(position).copied().unwrap_or(0) as usize;
    let width = parameter(2);
    if width == 0 {
        return Err("bitshuffle without the size of a value");
    }
    let decompress: fn(&[u8], usize) -> Result<Vec<u8>, Complaint> = match parameter(4) {
        0 => return Ok(undo_blocks_in_place(bytes, width, parameter(3))),
        2 => lz4,
        3 => zstd,
        _ => return Err("a compression inside bitshuffle that is not known"),
    };
    let mut input = Input(bytes);
    let (size, block_bytes) = input.sizes(limit)?;
    let whole = size / (width * GROUP) * (width * GROUP);
    let mut values = Vec::with_capacity(size);
    while values.len() < whole {
        let wanted = block_bytes.min(whole - values.len()) / (width * GROUP) * (width * GROUP);
        if wanted == 0 {
            return Err("a block smaller than eight values");
        }
        let block = decompress(input.block()?, wanted)?;
        values.extend(transpose_back(&block, width));
    }
    values.extend_from_slice(input.take(size - whole)?);
    Ok(values)
}

/// Bitshuffle without compression: the blocks stand one after the other, without a container.
fn undo_blocks_in_place(bytes: &[u8], width: usize, block: usize) -> Vec<u8> {
    let block = match block {
        0 => (BLOCK_BYTES / width / GROUP * GROUP).max(SMALLEST_BLOCK),
        values => values.div_ceil(GROUP) * GROUP,
    };
    let group_bytes = width * GROUP;
    let whole = bytes.len() / group_bytes * group_bytes;
    let (shuffled, rest) = bytes.split_at(whole);
    let mut values: Vec<u8> = shuffled
        .chunks(block * width)
        .flat_map(|block| transpose_back(block, width))
        .collect();
    values.extend_from_slice(rest);
    values
}

/// Puts the bits of a block back: row `r` of the transposed block holds bit `r` of all values,
/// eight values to a byte, the first in the lowest bit.
fn transpose_back(block: &[u8], width: usize) -> Vec<u8> {
    let row_bytes = block.len() / (width * GROUP);
    let mut values = vec![0; row_bytes * width * GROUP];
    for (row, bits) in block.chunks_exact(row_bytes.max(1)).enumerate() {
        let (byte, bit) = (row / GROUP, row % GROUP);
        let targets = values.chunks_exact_mut(width);
        let sources = bits
            .iter()
            .flat_map(|byte| (0..GROUP).map(move |value| byte >> value & 1));
        for (target, source) in targets.zip(sources) {
            if let Some(target) = target.get_mut(byte) {
                *target |= source << bit;
            }
        }
    }
    values
}

fn lz4(stored: &[u8], size: usize) -> Result<Vec<u8>, Complaint> {
    exactly(size, lz4_flex::block::decompress(stored, size).ok())
}

fn zstd(stored: &[u8], size: usize) -> Result<Vec<u8>, Complaint> {
    exactly(size, zstd::bulk::decompress(stored, size).ok())
}

fn exactly(size: usize, block: Option<Vec<u8>>) -> Result<Vec<u8>, Complaint> {
    block
        .filter(|block| block.len() == size)
        .ok_or("a block does not decompress to its size")
}

/// The container, read from its start.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Complaint> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<usize, Complaint> {
        let bytes = self
            .take(4)?
            .first_chunk::<4>()
            .ok_or("it ends too early")?;
        Ok(u32::from_be_bytes(*bytes) as usize)
    }

    /// Size of all values and of a block.
    fn sizes(&mut self, limit: usize) -> Result<(usize, usize), Complaint> {
        let high = self.number()?;
        let size = self.number()?;
        let block = self.number()?;
        if high != 0 || size > limit {
            return Err("it claims to be larger than a chunk");
        }
        if block == 0 {
            return Err("blocks of no bytes");
        }
        Ok((size, block))
    }

    fn block(&mut self) -> Result<&'a [u8], Complaint> {
        let size = self.number()?;
        self.take(size)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Eight two-byte values: the row of bit `b` has the values `v` with that bit as bits `v`.
    #[test]
    fn bits_are_put_back() {
        let values: [u16; 8] = [1, 2, 3, 256, 0, 65535, 1, 0];
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let shuffled: Vec<u8> = (0..16)
            .map(|bit| (0..8).fold(0, |row, v| row | ((values[v] >> bit & 1) as u8) << v))
            .collect();
        assert_eq!(shuffled[0], 0b0110_0101);
        assert_eq!(transpose_back(&shuffled, 2), bytes);
        let mut rest = shuffled.clone();
        rest.extend([7, 9]);
        let mut expected = bytes.clone();
        expected.extend([7, 9]);
        assert_eq!(undo(&rest, &[0, 4, 2, 0, 0], 100).unwrap(), expected);
    }

    #[test]
    fn lz4_blocks_may_be_stored_or_compressed() {
        let compressed = lz4_flex::block::compress(&[5; 40]);
        let mut bytes = vec![0, 0, 0, 0, 0, 0, 0, 43, 0, 0, 0, 40];
        bytes.extend((compressed.len() as u32).to_be_bytes());
        bytes.extend(compressed);
        bytes.extend([0, 0, 0, 3, 1, 2, 3]);
        let mut expected = vec![5; 40];
        expected.extend([1, 2, 3]);
        assert_eq!(undo_lz4(&bytes, 43).unwrap(), expected);
        assert!(undo_lz4(&bytes, 42).is_err(), "larger than the limit");
        assert!(
            undo_lz4(&bytes[..bytes.len() - 1], 43).is_err(),
            "too short"
        );
    }
}
