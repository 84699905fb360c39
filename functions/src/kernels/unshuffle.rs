//! Undoes the two shuffles of Blosc, [`unshuffle_bytes`] and [`unshuffle_bits`], which put bytes or bits of the same
//! significance side by side.
//!
//! ```text
//!  stored     all first bytes of the elements, all second bytes, …        (bytes)
//!             all lowest bits of the first bytes, all second bits, …      (bits)
//!  tile       64·N elements: per byte of an element, 8 words with bits of one significance each
//!             ─ transpose 8 × 8 bits ─▶ 8 words with every eighth byte ─ transpose 8 × 8 bytes ─▶ bytes in a row
//!             ─ zip ─▶ elements
//! ```
//! Transposing is exchanging parts of words between pairs of rows that are 4, 2 and 1 apart (Warren, *Hacker's
//! Delight*, §7-3), `N` words at a time. Bits of floats take less than half the time of c-blosc's SSE2 code. With AVX-512
//! the compiler scatters words, which takes twice as long as with AVX2.

use super::dispatch::vectorised;

/// Words of a row that are transposed together: two vectors of AVX2.
const LANES: usize = 8;

/// One row of eight: [`LANES`] words.
type Row = [u64; LANES];

/// Bytes of a row.
const ROW_BYTES: usize = 8 * LANES;

/// Elements of a tile.
const TILE: usize = 8 * ROW_BYTES;

vectorised! {
    in vectors of 256 bits;
    /// Appends the elements of `stored`, of `element` bytes each, to `bytes`. Bytes after the last whole element were
    /// never shuffled.
    pub fn unshuffle_bytes [] [] (stored: &[u8], element: usize, bytes: &mut Vec<u8>) {
        let count = stored.len() / element;
        let (planes, rest) = stored.split_at(count * element);
        match element {
            1 => bytes.extend_from_slice(planes),
            2 => zip_planes::<2>(planes, bytes),
            4 => zip_planes::<4>(planes, bytes),
            8 => zip_planes::<8>(planes, bytes),
            _ => {
                for position in 0..count {
                    bytes.extend(planes[position..].iter().step_by(count));
                }
            }
        }
        bytes.extend_from_slice(rest);
    }
}

vectorised! {
    in vectors of 256 bits;
    /// Appends the elements of `stored`, of `element` bytes each, to `bytes`. Bytes after the last whole element were
    /// never shuffled, nor is anything where the number of elements is no multiple of eight.
    pub fn unshuffle_bits [] [] (stored: &[u8], element: usize, bytes: &mut Vec<u8>) {
        let count = stored.len() / element;
        let (planes, rest) = stored.split_at(count * element);
        match element {
            _ if !count.is_multiple_of(8) => bytes.extend_from_slice(planes),
            1 => zip_bits::<1>(planes, bytes),
            2 => zip_bits::<2>(planes, bytes),
            4 => zip_bits::<4>(planes, bytes),
            8 => zip_bits::<8>(planes, bytes),
            _ => bits_one_by_one(planes, element, 0, bytes),
        }
        bytes.extend_from_slice(rest);
    }
}

/// Appends elements of `E` bytes whose bits were shuffled.
#[inline(always)]
fn zip_bits<const E: usize>(planes: &[u8], bytes: &mut Vec<u8>) {
    // Bytes that hold one bit of eight elements each.
    let groups = planes.len() / (8 * E);
    let in_tiles = groups - groups % ROW_BYTES;
    let (mut tile, mut elements) = ([[0; TILE]; E], [[0; E]; TILE]);
    for group in (0..in_tiles).step_by(ROW_BYTES) {
        for (byte, tile) in tile.iter_mut().enumerate() {
            let mut rows = [[0; LANES]; 8];
            for (bit, row) in rows.iter_mut().enumerate() {
                let plane = &planes[(8 * byte + bit) * groups + group..][..ROW_BYTES];
                for (word, stored) in row.iter_mut().zip(plane.as_chunks().0) {
                    *word = u64::from_le_bytes(*stored);
                }
            }
            transpose::<1>(&mut rows);
            transpose::<8>(&mut rows);
            let (words, _) = tile.as_chunks_mut::<8>();
            for lane in 0..LANES {
                for (row, word) in rows.iter().zip(&mut words[8 * lane..]) {
                    *word = row[lane].to_le_bytes();
                }
            }
        }
        zip(&tile, &mut elements);
        bytes.extend_from_slice(elements.as_flattened());
    }
    bits_one_by_one(planes, E, in_tiles, bytes);
}

/// Appends the elements from the eighth numbered `first` on, bit by bit.
#[inline(always)]
fn bits_one_by_one(planes: &[u8], element: usize, first: usize, bytes: &mut Vec<u8>) {
    let groups = planes.len() / (8 * element);
    for group in first..groups {
        for position in 0..8 {
            for byte in 0..element {
                let bit =
                    |bit: usize| (planes[(8 * byte + bit) * groups + group] >> position & 1) << bit;
                bytes.push((0..8).map(bit).sum());
            }
        }
    }
}

/// Appends elements of `E` bytes whose bytes were shuffled.
#[inline(always)]
fn zip_planes<const E: usize>(planes: &[u8], bytes: &mut Vec<u8>) {
    let count = planes.len() / E;
    let in_tiles = count - count % TILE;
    let (mut tile, mut elements) = ([[0; TILE]; E], [[0; E]; TILE]);
    for first in (0..in_tiles).step_by(TILE) {
        for (byte, tile) in tile.iter_mut().enumerate() {
            tile.copy_from_slice(&planes[byte * count + first..][..TILE]);
        }
        zip(&tile, &mut elements);
        bytes.extend_from_slice(elements.as_flattened());
    }
    for position in in_tiles..count {
        bytes.extend(planes[position..].iter().step_by(count));
    }
}

/// The elements of a tile, given all their first bytes, all their second bytes, and so on.
#[inline(always)]
fn zip<const E: usize>(tile: &[[u8; TILE]; E], elements: &mut [[u8; E]; TILE]) {
    for (position, element) in elements.iter_mut().enumerate() {
        for (byte, plane) in element.iter_mut().zip(tile) {
            *byte = plane[position];
        }
    }
}

/// Transposes the matrices of 8 × 8 fields, `FIELD` bits each, that lie across eight rows: one byte of all of them,
/// or one word.
#[inline(always)]
fn transpose<const FIELD: u32>(rows: &mut [Row; 8]) {
    exchange(rows, 4, 4 * FIELD);
    exchange(rows, 2, 2 * FIELD);
    exchange(rows, 1, FIELD);
}

/// For rows `distance` apart: exchanges the upper half of each field of `2 * shift` bits in the first with the lower
/// half in the second.
#[inline(always)]
fn exchange(rows: &mut [Row; 8], distance: usize, shift: u32) {
    let lower_halves = u64::MAX / ((1 << shift) + 1);
    for pairs in rows.chunks_exact_mut(2 * distance) {
        let (first, second) = pairs.split_at_mut(distance);
        for (first, second) in first.iter_mut().zip(second) {
            for (first, second) in first.iter_mut().zip(second) {
                let difference = (*first >> shift ^ *second) & lower_halves;
                *first ^= difference << shift;
                *second ^= difference;
            }
        }
    }
}
