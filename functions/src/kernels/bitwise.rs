//! AND, OR and XOR of integers, all three at once: the loop is as long as reading the values takes.

use super::dispatch::vectorised;
use super::{Bits, LANES, Rows};

/// What is left of groups by each of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bitwise {
    /// Bits that are set in all values; all of them where there is none.
    pub and: i64,
    /// Bits that are set in some value.
    pub or: i64,
    /// Bits that are set in an odd number of values.
    pub xor: i64,
}

impl Default for Bitwise {
    fn default() -> Self {
        Self {
            and: !0,
            or: 0,
            xor: 0,
        }
    }
}

impl Bitwise {
    /// Both together.
    #[inline(always)]
    pub fn merge(self, other: Self) -> Self {
        Self {
            and: self.and & other.and,
            or: self.or | other.or,
            xor: self.xor ^ other.xor,
        }
    }
}

/// The values of sixteen cells, `otherwise` for those that are not in `mask`.
#[inline(always)]
fn keep(cells: &[i64], mask: u32, otherwise: i64) -> [i64; LANES] {
    let mut kept = [otherwise; LANES];
    for (lane, (kept, value)) in kept.iter_mut().zip(cells).enumerate() {
        *kept = if mask & (1 << lane) != 0 {
            *value
        } else {
            otherwise
        };
    }
    kept
}

vectorised! {
/// Reduces the valid cells of `rows`, all of one group.
pub fn reduce [] [] (values: &[i64], valid: Option<Bits<'_>>, rows: Rows<'_>) -> Bitwise {
    let mut all = Bitwise::default();
    for start in rows.starts() {
        let row = &values[start..start + rows.length];
        let Some(valid) = valid else {
            all.and = row.iter().fold(all.and, |and, value| and & value);
            all.or = row.iter().fold(all.or, |or, value| or | value);
            all.xor = row.iter().fold(all.xor, |xor, value| xor ^ value);
            continue;
        };
        for (number, block) in row.chunks(LANES).enumerate() {
            let mask = valid.sixteen(start + number * LANES);
            let (ones, zeros) = (keep(block, mask, !0), keep(block, mask, 0));
            all.and = ones.iter().fold(all.and, |and, value| and & value);
            all.or = zeros.iter().fold(all.or, |or, value| or | value);
            all.xor = zeros.iter().fold(all.xor, |xor, value| xor ^ value);
        }
    }
    all
}
}

vectorised! {
/// Adds the valid cells at position `i` of all `rows` to entry `i` of `groups`.
pub fn reduce_columns [] [] (
    values: &[i64],
    valid: Option<Bits<'_>>,
    rows: Rows<'_>,
    groups: &mut [Bitwise],
) {
    for start in rows.starts() {
        let row = &values[start..start + rows.length];
        for (number, (block, groups)) in
            row.chunks(LANES).zip(groups.chunks_mut(LANES)).enumerate()
        {
            let mask = valid.map_or(0xffff, |valid| valid.sixteen(start + number * LANES));
            let (ones, zeros) = (keep(block, mask, !0), keep(block, mask, 0));
            for (lane, group) in groups.iter_mut().enumerate() {
                group.and &= ones[lane];
                group.or |= zeros[lane];
                group.xor ^= zeros[lane];
            }
        }
    }
}
}
