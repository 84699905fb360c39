//! Sum, minimum or maximum of each frame, for any frames that move forward, at a few additions a cell.
//!
//! ```text
//!  places   a  b  c  d │ e  f           front: d, c+d, b+c+d … folded backwards from the place where it was cut
//!           └─ front ──┘ └back┘         back:  e+f, folded forwards
//!  the frame b..f is  front[b] + back.  When the front is used up, the back becomes the next front.
//! ```
//! Nothing is ever subtracted. So a sum does not drift, and an infinity that has left the frame is gone;
//! both parts are summed with compensation, and a frame's sum is the rounded sum of two.

use super::Frames;
use crate::kernels::dispatch::vectorised;
use crate::kernels::{Bits, Element, LANES, compensated};

/// An operation that reduces the cells of a frame.
pub trait Fold<E: Element>: Copy + Send + Sync + 'static {
    /// Type of the result.
    type Result: Copy + Send + Sync + 'static;
    /// The result of no cell.
    const NOTHING: Self::Result;

    /// One cell as a result.
    fn one(value: E) -> Self::Result;
    /// Adds a cell to a result in two parts.
    fn add(high: &mut Self::Result, low: &mut Self::Result, value: Self::Result);
    /// The value of a result in two parts.
    fn total(high: Self::Result, low: Self::Result) -> Self::Result;
    /// The result of two neighbouring ranges.
    fn join(first: Self::Result, second: Self::Result) -> Self::Result;
}

/// The sum of floats, in 64 bits.
#[derive(Debug, Clone, Copy)]
pub struct FloatSum;

impl<E: Element<Sum = f64>> Fold<E> for FloatSum {
    type Result = f64;
    const NOTHING: f64 = 0.0;

    #[inline(always)]
    fn one(value: E) -> f64 {
        value.widen(0.0)
    }
    #[inline(always)]
    fn add(high: &mut f64, low: &mut f64, value: f64) {
        compensated::add(high, low, value);
    }
    #[inline(always)]
    fn total(high: f64, low: f64) -> f64 {
        compensated::total(high, low)
    }
    #[inline(always)]
    fn join(first: f64, second: f64) -> f64 {
        first + second
    }
}

/// The sum of integers, which wraps around as DataFusion's does.
#[derive(Debug, Clone, Copy)]
pub struct IntegerSum;

impl Fold<i64> for IntegerSum {
    type Result = i64;
    const NOTHING: i64 = 0;

    #[inline(always)]
    fn one(value: i64) -> i64 {
        value
    }
    #[inline(always)]
    fn add(high: &mut i64, _low: &mut i64, value: i64) {
        *high = high.wrapping_add(value);
    }
    #[inline(always)]
    fn total(high: i64, _low: i64) -> i64 {
        high
    }
    #[inline(always)]
    fn join(first: i64, second: i64) -> i64 {
        first.wrapping_add(second)
    }
}

/// The smallest value.
#[derive(Debug, Clone, Copy)]
pub struct Minimum;

/// The largest value.
#[derive(Debug, Clone, Copy)]
pub struct Maximum;

macro_rules! extreme {
    ($name:ty, $nothing:ident, $better:ident) => {
        impl<E: Element> Fold<E> for $name {
            type Result = E;
            const NOTHING: E = E::$nothing;

            #[inline(always)]
            fn one(value: E) -> E {
                value
            }
            #[inline(always)]
            fn add(high: &mut E, _low: &mut E, value: E) {
                *high = value.$better(*high);
            }
            #[inline(always)]
            fn total(high: E, _low: E) -> E {
                high
            }
            #[inline(always)]
            fn join(first: E, second: E) -> E {
                first.$better(second)
            }
        }
    };
}

extreme!(Minimum, HIGHEST, smaller);
extreme!(Maximum, LOWEST, larger);

/// Reduces the valid cells in the frame of each cell; [`Fold::NOTHING`] where there is none.
pub fn fold<E: Element, F: Fold<E>>(
    frames: Frames<'_>,
    values: &[E],
    valid: Option<Bits<'_>>,
) -> Vec<F::Result> {
    let mut results = vec![F::NOTHING; frames.cells()];
    match valid {
        Some(valid) => walk::<E, F, true>(frames, values, valid, &mut results),
        None => walk::<E, F, false>(frames, values, Bits::of_bytes(&[]), &mut results),
    }
    results
}

vectorised! {
fn walk [<E: Element, F: Fold<E>, const MASKED: bool>] [E, F, MASKED] (
    frames: Frames<'_>,
    values: &[E],
    valid: Bits<'_>,
    results: &mut [F::Result],
) {
    let lanes = frames.lanes;
    let mut row = vec![F::NOTHING; lanes];
    let mut high = vec![F::NOTHING; lanes];
    let mut low = vec![F::NOTHING; lanes];
    // Folded ranges that begin at each place of `start..cut`, the last place first, so that the range
    // that is used up next lies at the end.
    let mut front: Vec<F::Result> = Vec::new();
    let (mut start, mut cut, mut end) = (0, 0, 0);
    for place in 0..frames.rows.len() {
        let range = frames.range(place);
        if range.start >= end {
            front.clear();
            high.fill(F::NOTHING);
            low.fill(F::NOTHING);
            (start, cut, end) = (range.start, range.start, range.start);
        }
        while end < range.end {
            load::<E, F, MASKED>(&mut row, values, valid, frames.cells_of(end).start);
            add::<E, F>(&mut high, &mut low, &row);
            end += 1;
        }
        if range.start >= cut && range.start > start {
            // The front is used up: fold the back into a new one.
            front.clear();
            high.fill(F::NOTHING);
            low.fill(F::NOTHING);
            for earlier in (range.start..end).rev() {
                load::<E, F, MASKED>(&mut row, values, valid, frames.cells_of(earlier).start);
                add::<E, F>(&mut high, &mut low, &row);
                front.extend(high.iter().zip(&low).map(|(high, low)| F::total(*high, *low)));
            }
            high.fill(F::NOTHING);
            low.fill(F::NOTHING);
            cut = end;
        }
        start = range.start;
        let result = &mut results[frames.cells_of(place)];
        if range.is_empty() {
            continue;
        }
        if start < cut {
            front.truncate((cut - start) * lanes);
            let folded = &front[(cut - start - 1) * lanes..];
            for lane in 0..lanes {
                result[lane] = F::join(folded[lane], F::total(high[lane], low[lane]));
            }
        } else {
            for lane in 0..lanes {
                result[lane] = F::total(high[lane], low[lane]);
            }
        }
    }
}
}

/// The cells of a row, with [`Fold::NOTHING`] for those that are not valid.
#[inline(always)]
fn load<E: Element, F: Fold<E>, const MASKED: bool>(
    row: &mut [F::Result],
    values: &[E],
    valid: Bits<'_>,
    first: usize,
) {
    let values = &values[first..first + row.len()];
    if !MASKED {
        for (cell, value) in row.iter_mut().zip(values) {
            *cell = F::one(*value);
        }
        return;
    }
    let chunks = row.chunks_mut(LANES).zip(values.chunks(LANES));
    for (chunk, (cells, values)) in chunks.enumerate() {
        let mask = valid.sixteen(first + chunk * LANES);
        for (lane, (cell, value)) in cells.iter_mut().zip(values).enumerate() {
            let one = F::one(*value);
            *cell = if mask & (1 << lane) != 0 {
                one
            } else {
                F::NOTHING
            };
        }
    }
}

#[inline(always)]
fn add<E: Element, F: Fold<E>>(high: &mut [F::Result], low: &mut [F::Result], row: &[F::Result]) {
    for ((high, low), value) in high.iter_mut().zip(low).zip(row) {
        F::add(high, low, *value);
    }
}
