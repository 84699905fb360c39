//! Which cells of an array have a value, as a bitmap: 64 cells at a time, without a branch per cell.

use super::dispatch::vectorised;

/// Eight cells' bits from eight bytes of 0 or 1: the product moves byte `i` to bit 56 + `i`.
pub(super) const GATHER_BITS: u64 = 0x0102_0408_1020_4080;

/// One bit per cell of `values`, the first one lowest, set where `is_valid`; `None` when that is everywhere.
/// Bits beyond the last cell are not set.
pub fn pack<T: Copy, F: Fn(T) -> bool>(values: &[T], is_valid: F) -> Option<Vec<u64>> {
    let mut words = vec![0; values.len().div_ceil(64)];
    (!fill(values, &is_valid, &mut words)).then_some(words)
}

vectorised! {
/// Fills `words`, one for every 64 cells, and returns whether all cells are valid.
fn fill [<T: Copy, F: Fn(T) -> bool>] [T, F] (values: &[T], is_valid: &F, words: &mut [u64]) -> bool {
    let (blocks, rest) = values.as_chunks::<64>();
    let mut all = u64::MAX;
    for (word, block) in words.iter_mut().zip(blocks) {
        *word = one_word(block, is_valid);
        all &= *word;
    }
    if let (Some(first), Some(last)) = (rest.first(), words.last_mut()) {
        let mut block = [*first; 64];
        block[..rest.len()].copy_from_slice(rest);
        let beyond = u64::MAX << rest.len();
        *last = one_word(&block, is_valid) & !beyond;
        all &= *last | beyond;
    }
    all == u64::MAX
}
}

/// Bit `i` tells whether cell `i` is valid. Loops of their own: comparing fills vectors, packing multiplies
/// words. Narrow cells are quick to compare and as slow to pack as any, and most blocks have no gap.
#[inline(always)]
fn one_word<T: Copy, F: Fn(T) -> bool>(block: &[T; 64], is_valid: &F) -> u64 {
    let is_narrow = size_of::<T>() <= 2;
    if is_narrow
        && block
            .iter()
            .fold(true, |valid, value| valid & is_valid(*value))
    {
        return u64::MAX;
    }
    let mut flags = [0u8; 64];
    for cell in 0..64 {
        flags[cell] = u8::from(is_valid(block[cell]));
    }
    let (eights, _) = flags.as_chunks::<8>();
    let mut word = 0;
    for (position, eight) in eights.iter().enumerate() {
        let byte = u64::from_le_bytes(*eight).wrapping_mul(GATHER_BITS) >> 56;
        word |= byte << (8 * position);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_equal_a_loop_at_every_length() {
        for length in (0..200).chain([1000]) {
            for gap in [1, 2, 13, 64, usize::MAX] {
                let values: Vec<f32> = (0..length)
                    .map(|cell| {
                        if cell % gap == gap - 1 {
                            f32::NAN
                        } else {
                            cell as f32
                        }
                    })
                    .collect();
                let mut expected = vec![0u64; values.len().div_ceil(64)];
                for (cell, _) in values
                    .iter()
                    .enumerate()
                    .filter(|(_, value)| !value.is_nan())
                {
                    expected[cell / 64] |= 1 << (cell % 64);
                }
                let has_gap = values.iter().any(|value| value.is_nan());
                let found = pack(&values, |value| !value.is_nan());
                assert_eq!(
                    found,
                    has_gap.then_some(expected),
                    "{length} cells, every {gap}"
                );
            }
        }
    }
}
