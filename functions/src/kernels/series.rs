//! Puts the cells of each group side by side, as keys of their order.
//!
//! ```text
//!  rows      ┌ a0 b0 c0 … ┐        keys    a0 a1 a2 · │ b0 b1 b2 · │ c0 …      a group per position
//!            └ a1 b1 c1 … ┘
//! ```
//! A cell that is missing becomes the highest key: it then comes after all others, and the rank of a valid
//! one is found without moving anything.

use super::dispatch::vectorised;
use super::order::TotalOrder;
use super::select::Key;
use super::{Bits, LANES, Rows};

vectorised! {
/// Puts the cells of `rows`, all of one group, into `keys` from `filled` on.
pub fn copy [<F: TotalOrder>] [F] (
    values: &[F],
    valid: Option<Bits<'_>>,
    rows: Rows<'_>,
    keys: &mut [F::Key],
    filled: usize,
) {
    let mut filled = filled;
    for offset in rows.offsets {
        let start = offset + rows.shift;
        let row = &values[start..start + rows.length];
        let keys = &mut keys[filled..filled + rows.length];
        filled += rows.length;
        let Some(valid) = valid else {
            for (key, value) in keys.iter_mut().zip(row) {
                *key = of_valid(*value);
            }
            continue;
        };
        let mut cell = start;
        for (keys, block) in keys.chunks_mut(LANES).zip(row.chunks(LANES)) {
            let mask = valid.sixteen(cell);
            match (keys.first_chunk_mut::<LANES>(), block.first_chunk::<LANES>()) {
                (Some(keys), Some(block)) => *keys = sixteen(block, mask),
                _ => {
                    for (lane, (key, value)) in keys.iter_mut().zip(block).enumerate() {
                        let is_valid = mask & (1 << lane) != 0;
                        *key = if is_valid { of_valid(*value) } else { F::Key::HIGHEST };
                    }
                }
            }
            cell += LANES;
        }
    }
}
}

/// Series of groups side by side: each has the same room, in which its cells follow each other.
#[derive(Debug)]
pub struct SideBySide<'a, K> {
    /// The keys of all series.
    pub keys: &'a mut [K],
    /// Room of each series.
    pub room: usize,
    /// Cells that each series has so far, valid or not.
    pub filled: usize,
}

vectorised! {
/// Adds the cells at position `i` of all `rows` to series `i`.
pub fn transpose [<F: TotalOrder>] [F] (
    values: &[F],
    valid: Option<Bits<'_>>,
    rows: Rows<'_>,
    series: &mut SideBySide<'_, F::Key>,
) {
    let mut filled = series.filled;
    for offsets in rows.offsets.chunks(LANES) {
        let mut first = 0;
        while first < rows.length {
            let width = (rows.length - first).min(LANES);
            let mut block = [[F::Key::HIGHEST; LANES]; LANES];
            for (row, offset) in block.iter_mut().zip(offsets) {
                let start = offset + rows.shift + first;
                let mask = valid.map_or(0xffff, |valid| valid.sixteen(start));
                *row = match values[start..start + width].first_chunk::<LANES>() {
                    Some(cells) => sixteen(cells, mask),
                    None => {
                        let mut cells = [values[start]; LANES];
                        cells[..width].copy_from_slice(&values[start..start + width]);
                        sixteen(&cells, mask)
                    }
                };
            }
            for lane in 0..width {
                let start = (first + lane) * series.room + filled;
                let column = series.keys[start..].first_chunk_mut::<LANES>();
                match column.filter(|_| offsets.len() == LANES) {
                    Some(column) => {
                        for row in 0..LANES {
                            column[row] = block[row][lane];
                        }
                    }
                    None => {
                        let column = &mut series.keys[start..start + offsets.len()];
                        for (key, row) in column.iter_mut().zip(&block) {
                            *key = row[lane];
                        }
                    }
                }
            }
            first += LANES;
        }
        filled += offsets.len();
    }
    series.filled = filled;
}
}

/// The keys of sixteen cells, the highest for those that are not in `mask`.
#[inline(always)]
fn sixteen<F: TotalOrder>(cells: &[F; LANES], mask: u32) -> [F::Key; LANES] {
    let mut keys = [F::Key::HIGHEST; LANES];
    for lane in 0..LANES {
        keys[lane] = of_valid(cells[lane]);
    }
    for lane in 0..LANES {
        let is_valid = mask & (1 << lane) != 0;
        keys[lane] = if is_valid {
            keys[lane]
        } else {
            F::Key::HIGHEST
        };
    }
    keys
}

/// The key of a valid cell. One bit pattern of NaN gives way to the key of missing ones.
#[inline(always)]
fn of_valid<F: TotalOrder>(value: F) -> F::Key {
    let key = value.key();
    let last = F::Key::HIGHEST.previous();
    if key > last { last } else { key }
}
