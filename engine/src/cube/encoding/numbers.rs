//! Kernels that turn values into stored numbers.
//!
//! ```text
//!  values ─▶ widen: 1024 doubles ─▶ unscale: (v − offset) / scale ─▶ nearest: half to even ─▶ stored
//! ```
//! Each step is a loop of its own over a block that stays in the first cache, without a branch per
//! cell. A value that the stored type does not hold becomes the fill value: whoever compares the
//! number of fill values with that of missing values knows whether there was one.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use crate::cube::decoding::number::{Stored, with_number_type};

/// Cells that are worked on at once.
const BLOCK: usize = 1024;

/// `stored × scale + offset` is the value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scaling {
    pub(super) scale: f64,
    pub(super) offset: f64,
}

/// A type in which numbers can be stored.
pub(super) trait Quantised: Stored {
    /// The stored number nearest to `value`, of two equally near the even one, and whether there is
    /// one: NaN has none, and no number beyond the type's range has.
    fn nearest(value: f64) -> (Self, bool);

    /// Is it the same stored number? NaN is the same as NaN.
    fn is_same(self, other: Self) -> bool;
}

/// 1.5 × 2⁵². A number below 2⁵¹ that is added to it is rounded to an integer, half to even, which
/// then stands in the lowest bits. This costs one addition on every processor.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

macro_rules! quantised_integers {
    ($($native:ty),*) => {$(
        impl Quantised for $native {
            #[inline]
            fn nearest(value: f64) -> (Self, bool) {
                let shifted = value + ROUNDER;
                let rounded = shifted - ROUNDER;
                let fits = (rounded >= <$native>::MIN as f64) & (rounded <= <$native>::MAX as f64);
                (shifted.to_bits() as $native, fits)
            }

            #[inline]
            fn is_same(self, other: Self) -> bool {
                self == other
            }
        }
    )*};
}
quantised_integers!(i8, i16, i32, u8, u16, u32);

macro_rules! quantised_wide_integers {
    ($($native:ty),*) => {$(
        impl Quantised for $native {
            #[inline]
            fn nearest(value: f64) -> (Self, bool) {
                let rounded = value.round_ties_even();
                // As a float, the greatest 64-bit integer is rounded up to one that is too great.
                let fits = (rounded >= <$native>::MIN as f64) & (rounded < <$native>::MAX as f64);
                (rounded as $native, fits)
            }

            #[inline]
            fn is_same(self, other: Self) -> bool {
                self == other
            }
        }
    )*};
}
quantised_wide_integers!(i64, u64);

macro_rules! quantised_floats {
    ($($native:ty),*) => {$(
        impl Quantised for $native {
            #[inline]
            fn nearest(value: f64) -> (Self, bool) {
                let rounded = value as $native;
                let fits = rounded.is_finite() | (value.abs() == f64::INFINITY);
                (rounded, fits)
            }

            #[inline]
            fn is_same(self, other: Self) -> bool {
                (self == other) | (self.is_nan() & other.is_nan())
            }
        }
    )*};
}
quantised_floats!(f32, f64);

/// The stored numbers of `values`, which are numbers of any type; `fill` where there is none. What
/// NULL cells become is of no meaning.
pub(super) fn quantise<T: Quantised>(
    values: &ArrayRef,
    scaling: Option<Scaling>,
    fill: T,
) -> Vec<T> {
    let mut stored = Vec::with_capacity(values.len());
    let mut block = [0.0; BLOCK];
    for start in (0..values.len()).step_by(BLOCK) {
        let block = &mut block[..BLOCK.min(values.len() - start)];
        widen(values, start, block);
        if let Some(scaling) = scaling {
            unscale::<T>(block, scaling);
        }
        stored.extend(block.iter().map(|value| {
            let (nearest, fits) = T::nearest(*value);
            if fits { nearest } else { fill }
        }));
    }
    stored
}

/// Floats are decoded to the type they are stored in: what it does not hold becomes NaN, rather than the
/// infinity that scaling makes of it.
fn unscale<T: Quantised>(block: &mut [f64], Scaling { scale, offset }: Scaling) {
    for value in block.iter_mut() {
        let scaled = (*value - offset) / scale;
        let overflows =
            T::HAS_NAN && value.is_finite() && !(scaled.is_finite() && T::nearest(*value).1);
        *value = if overflows { f64::NAN } else { scaled };
    }
}

/// Writes the values from `start` on to `block`, as doubles.
fn widen(values: &ArrayRef, start: usize, block: &mut [f64]) {
    with_number_type!(values.data_type(), Type => {
        let values = &values.as_primitive::<Type>().values()[start..start + block.len()];
        for (wide, value) in block.iter_mut().zip(values) {
            *wide = value.to_f64();
        }
    }, otherwise block.fill(f64::NAN));
}

/// The numbers of `stored` with `fill` where it or `nulls` has a NULL. The buffer is shared where
/// there is none.
pub(super) fn filled<T: ArrowPrimitiveType>(
    stored: PrimitiveArray<T>,
    nulls: Option<&NullBuffer>,
    fill: T::Native,
) -> ScalarBuffer<T::Native> {
    let nulls = NullBuffer::union(stored.nulls(), nulls);
    let (_, values, _) = stored.into_parts();
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else {
        return values;
    };
    let owned = values.into_inner().into_vec::<T::Native>();
    let mut values = owned.unwrap_or_else(|shared| shared.typed_data().to_vec());
    put(&mut values, &nulls, fill);
    values.into()
}

/// Puts `fill` where there is a NULL.
fn put<T: Copy>(values: &mut [T], nulls: &NullBuffer, fill: T) {
    let words = nulls.inner().bit_chunks();
    let (blocks, rest) = values.as_chunks_mut::<64>();
    for (block, word) in blocks.iter_mut().zip(words.iter()) {
        if word != u64::MAX {
            put_block(block, word, fill);
        }
    }
    put_block(rest, words.remainder_bits(), fill);
}

/// Bit `i` tells whether cell `i` is valid.
fn put_block<T: Copy>(block: &mut [T], valid: u64, fill: T) {
    for (cell, value) in block.iter_mut().enumerate() {
        if valid >> cell & 1 == 0 {
            *value = fill;
        }
    }
}

/// How many numbers are `fill`.
pub(super) fn count_fill<T: Quantised>(stored: &[T], fill: T) -> usize {
    let blocks = stored.chunks(BLOCK);
    blocks
        .map(|block| {
            let same = block.iter().map(|value| u32::from(value.is_same(fill)));
            same.sum::<u32>() as usize
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Float64Array;
    use std::sync::Arc;

    #[test]
    fn halves_go_to_the_even_number() {
        let cases = [
            (0.5, 0),
            (1.5, 2),
            (2.5, 2),
            (-0.5, 0),
            (-1.5, -2),
            (-2.5, -2),
            (0.499_999_999_999_999_94, 0),
            (126.499, 126),
        ];
        for (value, expected) in cases {
            assert_eq!(i8::nearest(value), (expected as i8, true), "{value}");
            assert_eq!(i32::nearest(value), (expected, true), "{value}");
            assert_eq!(i64::nearest(value), (i64::from(expected), true), "{value}");
        }
    }

    #[test]
    fn nothing_beyond_the_range_fits() {
        let beyond = [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            1e19,
            -1e19,
            1e300,
        ];
        for value in beyond {
            assert!(!i8::nearest(value).1 && !u8::nearest(value).1, "{value}");
            assert!(!i32::nearest(value).1 && !u32::nearest(value).1, "{value}");
            assert!(!i64::nearest(value).1, "{value}");
        }
        let edges = [
            (i8::nearest(127.5).1, false),
            (i8::nearest(127.499).1, true),
            (i8::nearest(-128.5).1, true),
            (i8::nearest(-128.6).1, false),
            (u8::nearest(-0.5).1, true),
            (u8::nearest(-0.6).1, false),
            (u32::nearest(4_294_967_295.0).1, true),
            (u32::nearest(4_294_967_296.0).1, false),
            (i64::nearest(9_223_372_036_854_775_808.0).1, false),
            (i64::nearest(-9_223_372_036_854_775_808.0).1, true),
            (u64::nearest(18_446_744_073_709_549_568.0).1, true),
            (u64::nearest(18_446_744_073_709_551_616.0).1, false),
            (f32::nearest(3.5e38).1, false),
            (f32::nearest(f64::INFINITY).1, true),
            (f32::nearest(f64::NAN).1, false),
        ];
        for (case, (fits, expected)) in edges.into_iter().enumerate() {
            assert_eq!(fits, expected, "case {case}");
        }
        assert_eq!(u32::nearest(4_294_967_295.0).0, u32::MAX);
    }

    #[test]
    fn blocks_join_at_every_length() {
        for length in [0, 1, 63, 64, 65, 1023, 1024, 1025, 3000] {
            let values: Vec<f64> = (0..length).map(|cell| f64::from(cell) * 0.5).collect();
            let array: ArrayRef = Arc::new(Float64Array::from(values));
            let scaling = Some(Scaling {
                scale: 0.5,
                offset: 0.0,
            });
            let stored = quantise::<i16>(&array, scaling, -1);
            assert_eq!(stored, (0..length as i16).collect::<Vec<_>>());
            let nulls = NullBuffer::from_iter((0..length).map(|cell| cell % 7 != 3));
            let filled = filled(
                PrimitiveArray::<arrow::array::types::Int16Type>::from(stored),
                Some(&nulls),
                -1,
            );
            let expected = (0..length as i16).map(|cell| if cell % 7 == 3 { -1 } else { cell });
            assert_eq!(filled.to_vec(), expected.collect::<Vec<_>>());
            let count = (0..length).filter(|cell| cell % 7 == 3).count();
            assert_eq!(count_fill(&filled, -1), count);
        }
    }
}
