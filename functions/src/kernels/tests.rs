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
use super::select_columns::{Columns as KeyColumns, Row, Wanted};
use super::series;
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
    fn series_hold_every_cell(case in cases()) {
        let is_valid = |index: usize| case.valid.as_ref().is_none_or(|valid| valid.value(index));
        let key = |index: usize| match is_valid(index) {
            true => case.values[index].key(),
            false => i32::HIGHEST,
        };
        let height = case.offsets.len();
        let mut columns = vec![[i32::LOWEST; 16]; case.length.div_ceil(16) * height];
        series::side_by_side(&case.values, case.bits(), case.rows(), &mut columns);
        for (number, row) in columns.iter().enumerate() {
            let (strip, offset) = (number / height, case.offsets[number % height]);
            for (lane, found) in row.iter().enumerate() {
                let position = strip * 16 + lane;
                let expected = match position < case.length {
                    true => key(offset + position),
                    false => i32::HIGHEST,
                };
                prop_assert_eq!(*found, expected);
            }
        }
        let mut keys = vec![i32::LOWEST; height * case.length];
        series::one_by_one(&case.values, case.bits(), case.rows(), &mut keys);
        let cells = case.offsets.iter().flat_map(|offset| *offset..offset + case.length);
        prop_assert_eq!(keys, cells.map(key).collect::<Vec<_>>());
    }

    #[test]
    fn ranks_of_sixteen_series_are_those_of_each(
        rows in 0usize..400,
        spread in prop_oneof![Just(u64::MAX), Just(100_000), Just(40), Just(2), Just(1)],
        seed in any::<u64>(),
        missing in 1u64..5,
        place in 0.0..1.0f64,
    ) {
        let key = |cell: usize| {
            let bits = (seed ^ cell as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let bits = (bits ^ bits >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            // Lanes differ in where their keys are, and in how many there are.
            match bits >> 8 & 3 < missing && cell % 16 != 3 {
                true => (bits % spread) as i64 + (cell % 16) as i64 * 7,
                false => i64::HIGHEST,
            }
        };
        let all: Vec<Row<i64>> = (0..rows).map(|row| std::array::from_fn(|lane| key(row * 16 + lane))).collect();
        let halves = all.split_at(rows / 3);
        let parts = [halves.0, halves.1];
        let columns = KeyColumns::new(&parts);
        let mut wanted = [Wanted::default(); 16];
        for (lane, wanted) in wanted.iter_mut().enumerate() {
            let valid = columns.valid()[lane];
            let rank = (valid as f64 * place) as usize;
            *wanted = Wanted { rank: (rank < valid).then_some(rank), with_next: lane % 2 == 0 };
        }
        let pairs = columns.pairs(&wanted);
        for lane in 0..16 {
            let mut sorted: Vec<i64> = all.iter().map(|row| row[lane]).filter(|key| *key != i64::HIGHEST).collect();
            sorted.sort_unstable();
            prop_assert_eq!(columns.valid()[lane], sorted.len());
            if let Some(rank) = wanted[lane].rank {
                prop_assert_eq!(pairs[lane].0, sorted[rank]);
                if wanted[lane].with_next {
                    prop_assert_eq!(pairs[lane].1, *sorted.get(rank + 1).unwrap_or(&sorted[rank]));
                }
            }
        }
    }
}
