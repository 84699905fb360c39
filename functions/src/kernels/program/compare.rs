//! Comparisons: cells in, bits out.

use super::Comparison;
use super::elementwise::Number;
use crate::kernels::dispatch::vectorised;
use crate::kernels::validity::GATHER_BITS;

#[inline(always)]
fn pack<T: Copy>(left: &[T], right: &[T], bits: &mut [u8], holds: impl Fn(T, T) -> bool) {
    // Two loops, not one: comparing fills vectors, packing multiplies words.
    let mut truths = [0u8; 64];
    let (left, _) = left.as_chunks::<64>();
    let (right, _) = right.as_chunks::<64>();
    let (bits, _) = bits.as_chunks_mut::<8>();
    for ((left, right), bits) in left.iter().zip(right).zip(bits) {
        for cell in 0..64 {
            truths[cell] = u8::from(holds(left[cell], right[cell]));
        }
        let (eights, _) = truths.as_chunks::<8>();
        for (eight, bits) in eights.iter().zip(bits) {
            *bits = (u64::from_le_bytes(*eight).wrapping_mul(GATHER_BITS) >> 56) as u8;
        }
    }
}

vectorised! {
/// Compares cells; slices are whole multiples of 64 cells long.
pub(super) fn compare [<T: Number>] [T] (comparison: Comparison, left: &[T], right: &[T], bits: &mut [u8]) {
    match comparison {
        Comparison::Equal => pack(left, right, bits, |a, b| a.compared() == b.compared()),
        Comparison::NotEqual => pack(left, right, bits, |a, b| a.compared() != b.compared()),
        Comparison::Less => pack(left, right, bits, |a, b| a.compared() < b.compared()),
        Comparison::LessOrEqual => pack(left, right, bits, |a, b| a.compared() <= b.compared()),
        Comparison::Greater => pack(left, right, bits, |a, b| a.compared() > b.compared()),
        Comparison::GreaterOrEqual => pack(left, right, bits, |a, b| a.compared() >= b.compared()),
    }
}
}
