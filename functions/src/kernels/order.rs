//! Smallest and largest float of a block in total order: −0.0 before 0.0, and NaN beyond all numbers on the
//! side of its sign.
//!
//! The bits of a float, read as an integer and with all but the sign flipped where it is set, are in that
//! order. So one loop over integers finds both ends, and NaN needs no test of its own. For 786 240 floats
//! 0.23 ns a cell, with gaps 0.34; doubles 0.30 and 0.49. (Arrow's two loops: 0.55, 1.26 and 2.6 for doubles.)

use super::dispatch::vectorised;
use super::select::Key;
use super::{Bits, LANES};

/// A float as an integer in total order.
pub trait TotalOrder: Copy + Send + Sync + 'static {
    /// The integer.
    type Key: Key;

    /// No key is smaller.
    const LOWEST: Self::Key;
    /// No key is larger.
    const HIGHEST: Self::Key;

    /// The float's place in the order.
    fn key(self) -> Self::Key;
    /// The float at a place.
    fn of_key(key: Self::Key) -> Self;
}

macro_rules! total_order {
    ($float:ty, $key:ty) => {
        impl TotalOrder for $float {
            type Key = $key;
            const LOWEST: $key = <$key>::MIN;
            const HIGHEST: $key = <$key>::MAX;

            #[inline(always)]
            fn key(self) -> $key {
                let bits = self.to_bits().cast_signed();
                bits ^ ((bits >> (<$key>::BITS - 1)).cast_unsigned() >> 1).cast_signed()
            }
            #[inline(always)]
            fn of_key(key: $key) -> Self {
                let bits = key ^ ((key >> (<$key>::BITS - 1)).cast_unsigned() >> 1).cast_signed();
                Self::from_bits(bits.cast_unsigned())
            }
        }
    };
}

total_order!(f32, i32);
total_order!(f64, i64);

/// The smallest and the largest of the valid `values`; `None` when none is valid.
pub fn extremes<F: TotalOrder>(values: &[F], valid: Option<Bits<'_>>) -> Option<(F, F)> {
    let (low, high) = match valid {
        None => walk::<F, false>(values, Bits::of_bytes(&[])),
        Some(valid) => walk::<F, true>(values, valid),
    };
    // Without a valid value the ends have not moved, and stand the wrong way round.
    (low <= high).then(|| (F::of_key(low), F::of_key(high)))
}

vectorised! {
fn walk [<F: TotalOrder, const MASKED: bool>] [F, MASKED] (
    values: &[F],
    valid: Bits<'_>,
) -> (F::Key, F::Key) {
    let mut low = [F::HIGHEST; LANES];
    let mut high = [F::LOWEST; LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for (number, block) in blocks.iter().enumerate() {
        let mask = if MASKED { valid.sixteen(number * LANES) } else { 0xffff };
        let is_valid = |lane: usize| !MASKED || mask & (1 << lane) != 0;
        let mut keys = [F::HIGHEST; LANES];
        for lane in 0..LANES {
            keys[lane] = block[lane].key();
        }
        for lane in 0..LANES {
            let key = if is_valid(lane) { keys[lane] } else { F::HIGHEST };
            low[lane] = if key < low[lane] { key } else { low[lane] };
        }
        for lane in 0..LANES {
            let key = if is_valid(lane) { keys[lane] } else { F::LOWEST };
            high[lane] = if key > high[lane] { key } else { high[lane] };
        }
    }
    for (cell, value) in rest.iter().enumerate() {
        if MASKED && !valid.is_set(blocks.len() * LANES + cell) {
            continue;
        }
        low[0] = low[0].min(value.key());
        high[0] = high[0].max(value.key());
    }
    let low = low.into_iter().fold(F::HIGHEST, Ord::min);
    (low, high.into_iter().fold(F::LOWEST, Ord::max))
}
}

#[cfg(test)]
mod tests {
    use arrow::buffer::BooleanBuffer;

    use super::*;

    #[test]
    fn ends_are_those_of_a_sort() {
        let special = [
            0.0,
            -0.0,
            f64::NAN,
            -f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MIN_POSITIVE,
            -1.5,
            3.25,
        ];
        for length in [0, 1, 15, 16, 17, 40, 333] {
            for seed in 0..40_usize {
                let value = |cell: usize| special[(cell * 7 + seed * (cell + 3)) % special.len()];
                let doubles: Vec<f64> = (0..length).map(value).collect();
                let singles: Vec<f32> = doubles.iter().map(|value| *value as f32).collect();
                let bits: BooleanBuffer = (0..length + 3)
                    .map(|cell| (cell + seed) % (seed % 5 + 1) == 0)
                    .collect();
                let bits = bits.slice(3, length);
                for valid in [None, Some(&bits)] {
                    let is_valid = |cell: usize| valid.is_none_or(|valid| valid.value(cell));
                    let mut sorted: Vec<f64> = (0..length)
                        .filter(|cell| is_valid(*cell))
                        .map(value)
                        .collect();
                    sorted.sort_by(f64::total_cmp);
                    let expected = sorted.first().copied().zip(sorted.last().copied());
                    let bits = |(low, high): (f64, f64)| (low.to_bits(), high.to_bits());
                    let found = extremes(&doubles, valid.map(Bits::new));
                    assert_eq!(found.map(bits), expected.map(bits), "{length} {seed}");
                    let bits = |(low, high): (f32, f32)| (low.to_bits(), high.to_bits());
                    let found = extremes(&singles, valid.map(Bits::new));
                    let expected = expected.map(|(low, high)| (low as f32, high as f32));
                    assert_eq!(found.map(bits), expected.map(bits), "{length} {seed}");
                }
            }
        }
    }
}
