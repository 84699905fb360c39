//! Keeps the cells of groups as keys of their order, so that a rank is found without moving them.
//!
//! ```text
//!  rows   ┌ a0 b0 c0 … ┐    one group      a0 b0 c0 … a1 b1 c1 …
//!         └ a1 b1 c1 … ┘    many groups    a0 b0 … p0 │ a1 b1 … p1 ║ q0 r0 …      sixteen side by side
//! ```
//! A cell that is missing becomes the highest key, which comes after all others.

use super::dispatch::vectorised;
use super::order::TotalOrder;
use super::select::Key;
use super::{Bits, LANES, Rows};

vectorised! {
/// Writes the cells of `rows`, all of one group, to `keys`, of which there are as many.
pub fn one_by_one [<F: TotalOrder>] [F] (
    values: &[F],
    valid: Option<Bits<'_>>,
    rows: Rows<'_>,
    keys: &mut [F::Key],
) {
    if rows.length == 0 {
        return;
    }
    for (keys, start) in keys.chunks_exact_mut(rows.length).zip(rows.starts()) {
        let row = &values[start..start + rows.length];
        let Some(valid) = valid else {
            for (key, value) in keys.iter_mut().zip(row) {
                *key = of_valid(*value);
            }
            continue;
        };
        let (blocks, rest) = row.as_chunks::<LANES>();
        let (places, rest_of_keys) = keys.as_chunks_mut::<LANES>();
        for ((place, block), cell) in places.iter_mut().zip(blocks).zip((start..).step_by(LANES)) {
            *place = sixteen(block, valid.sixteen(cell));
        }
        fill(rest_of_keys, rest, valid.sixteen(start + row.len() - rest.len()));
    }
}
}

vectorised! {
/// Writes the cells of `rows`, each position of which is a group, to `columns`: all rows of the first sixteen
/// groups, then of the next ones. The last sixteen are filled up with missing cells.
pub fn side_by_side [<F: TotalOrder>] [F] (
    values: &[F],
    valid: Option<Bits<'_>>,
    rows: Rows<'_>,
    columns: &mut [[F::Key; LANES]],
) {
    let height = rows.offsets.len();
    for (number, start) in rows.starts().enumerate() {
        let row = &values[start..start + rows.length];
        let (blocks, rest) = row.as_chunks::<LANES>();
        let places = columns[number..].iter_mut().step_by(height);
        for ((place, block), cell) in places.zip(blocks).zip((start..).step_by(LANES)) {
            *place = match valid {
                Some(valid) => sixteen(block, valid.sixteen(cell)),
                None => block.map(of_valid),
            };
        }
        if !rest.is_empty() {
            let mask = valid.map_or(0xffff, |valid| {
                valid.sixteen(start + row.len() - rest.len())
            });
            let place = &mut columns[number + blocks.len() * height];
            *place = [F::Key::HIGHEST; LANES];
            fill(place, rest, mask);
        }
    }
}
}

/// Writes the keys of at most sixteen cells, the highest for those that are not in `mask`.
#[inline(always)]
fn fill<F: TotalOrder>(keys: &mut [F::Key], cells: &[F], mask: u32) {
    for (lane, (key, value)) in keys.iter_mut().zip(cells).enumerate() {
        let is_valid = mask & (1 << lane) != 0;
        *key = if is_valid {
            of_valid(*value)
        } else {
            F::Key::HIGHEST
        };
    }
}

/// The keys of sixteen cells, the highest for those that are not in `mask`.
#[inline(always)]
fn sixteen<F: TotalOrder>(cells: &[F; LANES], mask: u32) -> [F::Key; LANES] {
    let mut keys = [F::Key::HIGHEST; LANES];
    for lane in 0..LANES {
        keys[lane] = of_valid(cells[lane]);
    }
    // Hidden, and away from the lowest bit, which the compiler would test in a way of its own.
    let mask = std::hint::black_box(mask << 1);
    let mut bits = [F::Key::default(); LANES];
    for lane in 0..LANES {
        bits[lane] = F::Key::one_if(mask & (2 << lane) == 0);
    }
    for lane in 0..LANES {
        keys[lane] = if bits[lane] == F::Key::default() {
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
