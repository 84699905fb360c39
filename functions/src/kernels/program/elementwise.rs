//! Arithmetic, functions, casts and choices, cell by cell.

use super::{Arithmetic, Function};
use crate::kernels::dispatch::vectorised;

/// A type of cells that arithmetic is compiled for.
pub(super) trait Number: Copy + PartialOrd + 'static {
    /// An integer that is ordered as Arrow orders this type.
    type Key: Ord + Copy;

    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn divided_by(self, other: Self) -> Self;
    fn key(self) -> Self::Key;
    /// The same with one zero: −0 compares as 0 does.
    fn compared(self) -> Self::Key;
    /// `then` where `keep` is all ones, `otherwise` where it is zero, see [`SPREAD`].
    fn blend(keep: i8, then: Self, otherwise: Self) -> Self;
}

/// For eight bits, a byte for each: all ones where it is set. Widening bytes fills vectors with masks, which
/// neither tests nor shifts of single bits do.
static SPREAD: [[i8; 8]; 256] = spread();

const fn spread() -> [[i8; 8]; 256] {
    let mut table = [[0; 8]; 256];
    let mut place = 0;
    while place < 256 * 8 {
        let (bits, lane) = (place / 8, place % 8);
        table[bits][lane] = -((bits >> lane & 1) as i8);
        place += 1;
    }
    table
}

macro_rules! float {
    ($type:ty, $key:ty, $bits:ty) => {
        impl Number for $type {
            type Key = $key;

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self - other
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self * other
            }
            #[inline(always)]
            fn divided_by(self, other: Self) -> Self {
                self / other
            }
            /// As in `total_cmp`: the bits of a negative number are turned around.
            #[inline(always)]
            fn key(self) -> $key {
                let bits = self.to_bits() as $key;
                bits ^ (((bits >> (<$key>::BITS - 1)) as $bits) >> 1) as $key
            }
            #[inline(always)]
            fn compared(self) -> $key {
                (self + 0.0).key()
            }
            #[inline(always)]
            fn blend(keep: i8, then: Self, otherwise: Self) -> Self {
                let mask = <$key>::from(keep) as $bits;
                Self::from_bits((then.to_bits() & mask) | (otherwise.to_bits() & !mask))
            }
        }
    };
}

float!(f32, i32, u32);
float!(f64, i64, u64);

impl Number for i64 {
    type Key = i64;

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
    /// Division of integers fails on zero; programs have none.
    #[inline(always)]
    fn divided_by(self, other: Self) -> Self {
        self.checked_div(other).unwrap_or_default()
    }
    #[inline(always)]
    fn key(self) -> i64 {
        self
    }
    #[inline(always)]
    fn compared(self) -> i64 {
        self
    }
    #[inline(always)]
    fn blend(keep: i8, then: Self, otherwise: Self) -> Self {
        let mask = i64::from(keep);
        (then & mask) | (otherwise & !mask)
    }
}

#[inline(always)]
fn each<T: Copy>(left: &[T], right: &[T], out: &mut [T], operator: impl Fn(T, T) -> T) {
    for (out, (left, right)) in out.iter_mut().zip(left.iter().zip(right)) {
        *out = operator(*left, *right);
    }
}

vectorised! {
/// Arithmetic on slices of equal length.
pub(super) fn arithmetic [<T: Number>] [T] (operator: Arithmetic, left: &[T], right: &[T], out: &mut [T]) {
    match operator {
        Arithmetic::Add => each(left, right, out, T::plus),
        Arithmetic::Subtract => each(left, right, out, T::minus),
        Arithmetic::Multiply => each(left, right, out, T::times),
        Arithmetic::Divide => each(left, right, out, T::divided_by),
    }
}
}

vectorised! {
/// The larger or the smaller of two values that are both valid; equal keys are equal values.
pub(super) fn choose [<T: Number>] [T] (larger: bool, left: &[T], right: &[T], out: &mut [T]) {
    if larger {
        each(left, right, out, |a, b| if a.key() >= b.key() { a } else { b });
    } else {
        each(left, right, out, |a, b| if a.key() <= b.key() { a } else { b });
    }
}
}

/// A byte for each of 64 bits, see [`SPREAD`].
#[inline(always)]
fn spread_bits(bits: &[u8; 8]) -> [i8; 64] {
    let mut keep = [0; 64];
    let (eights, _) = keep.as_chunks_mut::<8>();
    for (eight, bits) in eights.iter_mut().zip(bits) {
        *eight = SPREAD[usize::from(*bits)];
    }
    keep
}

vectorised! {
/// The values of `then` where a bit is set, those of `otherwise` elsewhere. Slices are whole multiples of 64
/// cells long: with fewer in a loop, the compiler makes vectors of every eighth cell.
pub(super) fn select [<T: Number>] [T] (when: &[u8], then: &[T], otherwise: &[T], out: &mut [T]) {
    let (when, _) = when.as_chunks::<8>();
    let (then, _) = then.as_chunks::<64>();
    let (otherwise, _) = otherwise.as_chunks::<64>();
    let (out, _) = out.as_chunks_mut::<64>();
    for (((when, then), otherwise), out) in when.iter().zip(then).zip(otherwise).zip(out) {
        let when = spread_bits(when);
        for cell in 0..64 {
            out[cell] = T::blend(when[cell], then[cell], otherwise[cell]);
        }
    }
}
}

vectorised! {
/// As `choose`, where values may be missing: the valid one where the other is not. Slices are whole multiples
/// of 64 cells long.
pub(super) fn choose_valid [<T: Number>] [T] (
    larger: bool,
    left: &[T],
    right: &[T],
    left_valid: &[u8],
    right_valid: &[u8],
    out: &mut [T],
) {
    choose(larger, left, right, out);
    let (left, _) = left.as_chunks::<64>();
    let (right, _) = right.as_chunks::<64>();
    let (out, _) = out.as_chunks_mut::<64>();
    let (left_valid, _) = left_valid.as_chunks::<8>();
    let (right_valid, _) = right_valid.as_chunks::<8>();
    let valid = left_valid.iter().zip(right_valid);
    for (((left, right), (left_valid, right_valid)), out) in left.iter().zip(right).zip(valid).zip(out) {
        let (left_valid, right_valid) = (spread_bits(left_valid), spread_bits(right_valid));
        // A copy, because a choice between a value and what replaces it becomes a masked store, which takes
        // a dozen times as long on some processors.
        let chosen = *out;
        for cell in 0..64 {
            let other = T::blend(left_valid[cell], left[cell], right[cell]);
            let are_both = left_valid[cell] & right_valid[cell];
            out[cell] = T::blend(are_both, chosen[cell], other);
        }
    }
}
}

vectorised! {
/// Single to double precision.
pub(super) fn to_double [] [] (values: &[f32], out: &mut [f64]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out = f64::from(*value);
    }
}
}

vectorised! {
/// Double to single precision.
pub(super) fn to_single [] [] (values: &[f64], out: &mut [f32]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out = *value as f32;
    }
}
}

vectorised! {
/// Integers to double precision.
pub(super) fn integer_to_double [] [] (values: &[i64], out: &mut [f64]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out = *value as f64;
    }
}
}

vectorised! {
/// Integers to single precision.
pub(super) fn integer_to_single [] [] (values: &[i64], out: &mut [f32]) {
    for (out, value) in out.iter_mut().zip(values) {
        *out = *value as f32;
    }
}
}

#[inline(always)]
fn map<T: Copy>(values: &[T], out: &mut [T], function: impl Fn(T) -> T) {
    for (out, value) in out.iter_mut().zip(values) {
        *out = function(*value);
    }
}

macro_rules! functions {
    ($(#[$documentation:meta])* $name:ident, $type:ty) => {
        vectorised! {
        $(#[$documentation])*
        pub(super) fn $name [] [] (function: Function, values: &[$type], out: &mut [$type]) {
            match function {
                Function::Negative => map(values, out, |value| -value),
                Function::Absolute => map(values, out, <$type>::abs),
                Function::Floor => map(values, out, <$type>::floor),
                Function::Ceiling => map(values, out, <$type>::ceil),
                Function::Radians => map(values, out, <$type>::to_radians),
                Function::Degrees => map(values, out, <$type>::to_degrees),
                Function::Sine => map(values, out, <$type>::sin),
                Function::Cosine => map(values, out, <$type>::cos),
                Function::Tangent => map(values, out, <$type>::tan),
                Function::Exponential => map(values, out, <$type>::exp),
            }
        }
        }
    };
}

functions!(
    /// A function of single-precision values, in single precision.
    single_function,
    f32
);
functions!(
    /// A function of double-precision values.
    double_function,
    f64
);
