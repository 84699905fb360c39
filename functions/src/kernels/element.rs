//! The types of cells that kernels are compiled for.
//!
//! Other integers are widened to `i64` before, block by block.

use std::fmt::Debug;

use super::compensated;

/// A type of cells: how it is summed and compared.
pub trait Element: Copy + Send + Sync + Debug + PartialEq + 'static {
    /// Type of sums: 64-bit floats for floats; integers wrap around as DataFusion's sums do.
    type Sum: Copy + Send + Sync + Debug + Default + PartialEq + 'static;

    /// No value is smaller.
    const LOWEST: Self;
    /// No value is larger.
    const HIGHEST: Self;

    /// The value minus `shift`, as a summand.
    fn widen(self, shift: Self::Sum) -> Self::Sum;
    /// `sum + value`.
    fn add(sum: Self::Sum, value: Self::Sum) -> Self::Sum;
    /// `sum + value²`; integers have no sums of squares and give `sum`.
    fn add_square(sum: Self::Sum, value: Self::Sum) -> Self::Sum;
    /// Adds to a sum in two parts, see [`compensated`]; integers are exact and leave `low` alone.
    fn add_compensated(high: &mut Self::Sum, low: &mut Self::Sum, value: Self::Sum);
    /// The smaller one; NaN only where both are.
    fn smaller(self, other: Self) -> Self;
    /// The larger one; NaN only where both are.
    fn larger(self, other: Self) -> Self;
    /// Is it an infinity or not a number?
    fn is_finite(self) -> bool;
    /// The value where bit `lane` of `mask` is set, `otherwise` elsewhere. With shifts, of which the compiler
    /// makes vectors of words; of tests of single bits it does not.
    fn or_else(self, mask: u32, lane: usize, otherwise: Self) -> Self;
    /// The value whose summand is zero: `shift` is one of this type, widened.
    fn neutral(shift: Self::Sum) -> Self;
}

macro_rules! float {
    ($type:ty, $bits:ty) => {
        impl Element for $type {
            type Sum = f64;
            const LOWEST: Self = <$type>::NEG_INFINITY;
            const HIGHEST: Self = <$type>::INFINITY;

            #[inline(always)]
            fn widen(self, shift: f64) -> f64 {
                f64::from(self) - shift
            }
            #[inline(always)]
            fn add(sum: f64, value: f64) -> f64 {
                sum + value
            }
            #[inline(always)]
            fn add_square(sum: f64, value: f64) -> f64 {
                sum + value * value
            }
            #[inline(always)]
            fn add_compensated(high: &mut f64, low: &mut f64, value: f64) {
                compensated::add(high, low, value);
            }
            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                <$type>::min(self, other)
            }
            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                <$type>::max(self, other)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                <$type>::is_finite(self)
            }
            #[inline(always)]
            fn or_else(self, mask: u32, lane: usize, otherwise: Self) -> Self {
                let keep = (0 as $bits).wrapping_sub((<$bits>::from(mask) >> lane) & 1);
                Self::from_bits((self.to_bits() & keep) | (otherwise.to_bits() & !keep))
            }
            #[inline(always)]
            fn neutral(shift: f64) -> Self {
                shift as Self
            }
        }
    };
}

float!(f32, u32);
float!(f64, u64);

impl Element for i64 {
    type Sum = i64;
    const LOWEST: Self = i64::MIN;
    const HIGHEST: Self = i64::MAX;

    #[inline(always)]
    fn widen(self, _shift: i64) -> i64 {
        self
    }
    #[inline(always)]
    fn add(sum: i64, value: i64) -> i64 {
        sum.wrapping_add(value)
    }
    #[inline(always)]
    fn add_square(sum: i64, _value: i64) -> i64 {
        sum
    }
    #[inline(always)]
    fn add_compensated(high: &mut i64, _low: &mut i64, value: i64) {
        *high = high.wrapping_add(value);
    }
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        self.min(other)
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        self.max(other)
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        true
    }
    #[inline(always)]
    fn or_else(self, mask: u32, lane: usize, otherwise: Self) -> Self {
        let keep = 0i64.wrapping_sub((i64::from(mask) >> lane) & 1);
        (self & keep) | (otherwise & !keep)
    }
    #[inline(always)]
    fn neutral(_shift: i64) -> i64 {
        0
    }
}
