//! Every kernel against a plain loop: any values, gaps, rows, and what is asked for.

#![allow(clippy::unwrap_used)]

use arrow::buffer::BooleanBuffer;
use proptest::prelude::*;

use super::bitwise::{self, Bitwise};
use super::columns::{self, Columns};
use super::order::TotalOrder;
use super::pairs::{self, PairColumns};
use super::runs;
use super::select::Key;
use super::series::{self, SideBySide};
use super::{Bits, Needs, Rows};

/// Values in rows of one length at some distance from each other, and which of them are valid.
#[derive(Debug, Clone)]
struct Case {
    values: Vec<f32>,
    valid: Option<BooleanBuffer>,
    offsets: Vec<usize>,
    length: usize,
    needs: Needs,
}

impl Case {
    fn rows(&self) -> Rows<'_> {
        Rows {
            offsets: &self.offsets,
            shift: 0,
            length: self.length,
        }
    }

    fn bits(&self) -> Option<Bits<'_>> {
        self.valid.as_ref().map(Bits::new)
    }

    /// The valid values at the positions of a row that `wanted` names.
    fn kept(&self, wanted: impl Fn(usize) -> bool) -> Vec<f32> {
        let cells = self.offsets.iter();
        let cells =
            cells.flat_map(|offset| (0..self.length).map(move |cell| (offset + cell, cell)));
        let is_valid = |index: usize| self.valid.as_ref().is_none_or(|valid| valid.value(index));
        cells
            .filter(|(index, cell)| wanted(*cell) && is_valid(*index))
            .map(|(index, _)| self.values[index])
            .collect()
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let shape = (1usize..70, 0usize..40, 1usize..9, 0usize..11);
    let needs = (any::<bool>(), any::<bool>(), any::<bool>());
    (shape, any::<u64>(), 0u8..4, needs).prop_map(
        |((length, gap, rows, start), seed, mask, needs)| {
            let cells = start + rows * (length + gap);
            let random = |cell: usize| {
                (seed ^ (cell as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
                    .wrapping_mul(0xbf58_476d_1ce4_e5b9)
                    >> 33
            };
            let values = (0..cells).map(|cell| (random(cell) % 2001) as f32 / 8.0 - 100.0);
            let valid = (mask > 0).then(|| {
                let bits = BooleanBuffer::collect_bool(cells + 5, |cell| {
                    mask == 3 || (mask == 2 && random(cell) % 3 > 0)
                });
                bits.slice(5, cells)
            });
            let (sum, squares, extremes) = needs;
            Case {
                values: values.collect(),
                valid,
                offsets: (0..rows).map(|row| start + row * (length + gap)).collect(),
                length,
                needs: Needs {
                    sum: sum || squares,
                    squares,
                    extremes,
                },
            }
        },
    )
}

fn close(found: f64, expected: f64, magnitude: f64) -> bool {
    (found - expected).abs() <= 1e-12 * magnitude.max(1.0)
}

proptest! {
    #[test]
    fn runs_equal_a_loop(case in cases()) {
        let summary = runs::reduce(&case.values, case.bits(), case.rows(), 3.5, case.needs);
        let kept = case.kept(|_| true);
        prop_assert_eq!(summary.count, kept.len() as u64);
        let shifted = || kept.iter().map(|value| f64::from(*value) - 3.5);
        let squares: f64 = shifted().map(|value| value * value).sum();
        if case.needs.sum {
            prop_assert!(close(summary.sum + summary.low, shifted().sum(), squares));
        }
        if case.needs.squares {
            prop_assert!(close(summary.squares, squares, squares));
        }
        if case.needs.extremes {
            prop_assert_eq!(summary.minimum, kept.iter().copied().fold(f32::INFINITY, f32::min));
            prop_assert_eq!(summary.maximum, kept.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
        let first = runs::first_valid(&case.values, case.bits(), case.rows());
        prop_assert_eq!(first, kept.first().copied());
    }

    #[test]
    fn columns_equal_a_loop(case in cases()) {
        let width = case.length;
        let shift: Vec<f64> = (0..width).map(|cell| cell as f64 / 4.0).collect();
        let (mut count, mut sum, mut low) = (vec![7; width], vec![0.0; width], vec![0.0; width]);
        let mut squares = vec![0.0; width];
        let (mut minimum, mut maximum) = (vec![f32::INFINITY; width], vec![f32::NEG_INFINITY; width]);
        let mut state = Columns {
            count: &mut count,
            shift: &shift,
            sum: &mut sum,
            low: &mut low,
            squares: &mut squares,
            minimum: &mut minimum,
            maximum: &mut maximum,
        };
        columns::reduce(&case.values, case.bits(), case.rows(), case.needs, &mut state);
        for cell in 0..width {
            let kept = case.kept(|other| other == cell);
            prop_assert_eq!(count[cell], 7 + kept.len() as u64);
            let shifted = || kept.iter().map(|value| f64::from(*value) - shift[cell]);
            let expected: f64 = shifted().map(|value| value * value).sum();
            if case.needs.sum {
                prop_assert!(close(sum[cell] + low[cell], shifted().sum(), expected));
            }
            if case.needs.squares {
                prop_assert!(close(squares[cell], expected, expected));
            }
            if case.needs.extremes {
                prop_assert_eq!(minimum[cell], kept.iter().copied().fold(f32::INFINITY, f32::min));
                prop_assert_eq!(maximum[cell], kept.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            }
        }
    }

    #[test]
    fn pairs_equal_a_loop(case in cases()) {
        let x: Vec<f64> = case.values.iter().map(|value| f64::from(*value)).collect();
        let y: Vec<f64> = x.iter().rev().copied().collect();
        let width = case.length;
        let zeros = || vec![0.0; width];
        let shifts = [vec![2.0; width], vec![-1.0; width]];
        let mut count = vec![0; width];
        let mut sums = [zeros(), zeros(), zeros(), zeros(), zeros()];
        let mut state = PairColumns {
            count: &mut count,
            shift: [&shifts[0], &shifts[1]],
            sums: sums.each_mut().map(|sum| sum.as_mut_slice()),
        };
        pairs::reduce_columns(&x, &y, case.bits(), case.rows(), &mut state);
        let total = pairs::reduce(&x, &y, case.bits(), case.rows(), [2.0, -1.0]);
        prop_assert_eq!(total.count, count.iter().sum::<u64>());
        let mut expected = [0.0; 5];
        let is_valid = |index: usize| case.valid.as_ref().is_none_or(|valid| valid.value(index));
        for index in case.offsets.iter().flat_map(|offset| *offset..offset + width) {
            if is_valid(index) {
                let (x, y) = (x[index] - 2.0, y[index] + 1.0);
                for (sum, more) in expected.iter_mut().zip([x, y, x * x, y * y, x * y]) {
                    *sum += more;
                }
            }
        }
        let magnitude = expected[2] + expected[3];
        let found = [total.x, total.y, total.xx, total.yy, total.xy];
        for ((found, by_column), expected) in found.iter().zip(&sums).zip(expected) {
            prop_assert!(close(*found, expected, magnitude));
            prop_assert!(close(by_column.iter().sum(), expected, magnitude));
        }
    }

    #[test]
    fn bits_equal_a_loop(case in cases()) {
        let words: Vec<i64> = case.values.iter().map(|value| (value * 1e4) as i64).collect();
        let is_valid = |index: usize| case.valid.as_ref().is_none_or(|valid| valid.value(index));
        let mut of_columns = vec![Bitwise::default(); case.length];
        bitwise::reduce_columns(&words, case.bits(), case.rows(), &mut of_columns);
        let mut expected = of_columns.clone();
        expected.fill(Bitwise::default());
        for offset in &case.offsets {
            for (cell, expected) in expected.iter_mut().enumerate() {
                if is_valid(offset + cell) {
                    let word = words[offset + cell];
                    *expected = expected.merge(Bitwise { and: word, or: word, xor: word });
                }
            }
        }
        prop_assert_eq!(&of_columns, &expected);
        let all = expected.into_iter().fold(Bitwise::default(), Bitwise::merge);
        prop_assert_eq!(bitwise::reduce(&words, case.bits(), case.rows()), all);
    }

    #[test]
    fn series_hold_every_cell(case in cases(), filled in 0usize..4) {
        let rows = case.offsets.len();
        let room = filled + rows + 3;
        let mut keys = vec![i32::LOWEST; room * case.length];
        let mut side_by_side = SideBySide { keys: &mut keys, room, filled };
        series::transpose(&case.values, case.bits(), case.rows(), &mut side_by_side);
        prop_assert_eq!(side_by_side.filled, filled + rows);
        let is_valid = |index: usize| case.valid.as_ref().is_none_or(|valid| valid.value(index));
        let key = |index: usize| match is_valid(index) {
            true => case.values[index].key(),
            false => i32::HIGHEST,
        };
        for (cell, keys) in keys.chunks(room).enumerate() {
            let of_rows: Vec<i32> = case.offsets.iter().map(|offset| key(offset + cell)).collect();
            prop_assert_eq!(&keys[filled..filled + rows], of_rows.as_slice());
            prop_assert!(keys[..filled].iter().all(|key| *key == i32::LOWEST));
            prop_assert!(keys[filled + rows..].iter().all(|key| *key == i32::LOWEST));
        }
        let mut copied = vec![i32::LOWEST; filled + rows * case.length];
        series::copy(&case.values, case.bits(), case.rows(), &mut copied, filled);
        let cells = case.offsets.iter().flat_map(|offset| *offset..offset + case.length);
        let expected: Vec<i32> = cells.map(key).collect();
        prop_assert_eq!(&copied[filled..], expected.as_slice());
    }
}
