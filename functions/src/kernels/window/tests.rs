//! Every kernel against a plain loop over each frame.
#![allow(clippy::unwrap_used)]

use arrow::buffer::BooleanBuffer;

use super::between::{Line, interpolate};
use super::fold::{FloatSum, Fold, IntegerSum, Maximum, Minimum, fold};
use super::{Frames, NONE, count, nearest};
use crate::kernels::{Bits, Element};

/// A block of series in some order.
struct Case {
    rows: Vec<u32>,
    ranges: Vec<std::ops::Range<u32>>,
    lanes: usize,
    values: Vec<f64>,
    valid: Option<BooleanBuffer>,
}

/// Well mixed bits.
fn noise(number: u64) -> u64 {
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^ (bits >> 27)
}

/// Frames of two partitions, from `before` places before each to `after` places after it.
fn ranges(partitions: [i64; 2], before: i64, after: i64) -> Vec<std::ops::Range<u32>> {
    let mut ranges = Vec::new();
    let mut first = 0;
    for length in partitions {
        let inside = |place: i64| place.clamp(first, first + length) as u32;
        for place in first..first + length {
            let (start, end) = (
                place.saturating_sub(before),
                place.saturating_add(after).saturating_add(1),
            );
            ranges.push(inside(start)..inside(end));
        }
        first += length;
    }
    ranges
}

fn cases() -> Vec<Case> {
    let everything = i64::MAX / 2;
    let frames = [
        (0, 0),
        (2, 2),
        (everything, 0),
        (0, everything),
        (everything, everything),
        (3, -2),
        (-1, 2),
        (-2, 1),
        (6, 1),
        (everything, -1),
        (-3, everything),
    ];
    let mut cases = Vec::new();
    for (number, (before, after)) in frames.into_iter().enumerate() {
        for (partitions, lanes) in [([9, 4], 1), ([1, 7], 5), ([5, 0], 16), ([6, 6], 37)] {
            for share in [0, 3, 16] {
                let length = (partitions[0] + partitions[1]) as usize;
                let cells = length * lanes;
                let seed = (number * 1000 + cells * 20 + share as usize) as u64;
                let bits = |cell: usize| noise(seed << 20 | cell as u64);
                let mut rows: Vec<u32> = (0..length as u32).collect();
                rows.rotate_left(number % 3 % length);
                rows.reverse();
                let valid = (share > 0)
                    .then(|| BooleanBuffer::collect_bool(cells, |cell| bits(cell) % 17 >= share));
                let values = (0..cells).map(|cell| match bits(cell) >> 7 & 31 {
                    0 => -0.0,
                    1 => f64::INFINITY,
                    few => few as f64 - 12.3,
                });
                cases.push(Case {
                    values: values.collect(),
                    ranges: ranges(partitions, before, after),
                    rows,
                    lanes,
                    valid,
                });
            }
        }
    }
    cases
}

impl Case {
    fn frames(&self) -> Frames<'_> {
        Frames {
            rows: &self.rows,
            ranges: &self.ranges,
            lanes: self.lanes,
        }
    }

    fn bits(&self) -> Option<Bits<'_>> {
        self.valid.as_ref().map(Bits::new)
    }

    fn cell(&self, place: usize, lane: usize) -> usize {
        self.rows[place] as usize * self.lanes + lane
    }

    fn is_valid(&self, cell: usize) -> bool {
        self.valid.as_ref().is_none_or(|valid| valid.value(cell))
    }

    /// The valid cells of the frame of each cell, in order.
    fn each(&self, mut check: impl FnMut(usize, &[usize])) {
        for place in 0..self.rows.len() {
            for lane in 0..self.lanes {
                let range = &self.ranges[place];
                let frame: Vec<usize> = (range.start..range.end)
                    .map(|place| self.cell(place as usize, lane))
                    .filter(|cell| self.is_valid(*cell))
                    .collect();
                check(self.cell(place, lane), &frame);
            }
        }
    }

    fn folds<E: Element, F: Fold<E>>(&self, values: &[E], check: impl Fn(&[E], F::Result)) {
        let folded = fold::<E, F>(self.frames(), values, self.bits());
        self.each(|cell, frame| {
            let frame: Vec<E> = frame.iter().map(|cell| values[*cell]).collect();
            check(&frame, folded[cell]);
        });
    }
}

#[test]
fn counts_are_those_of_each_frame() {
    for case in cases() {
        let counts = count::count(case.frames(), case.bits());
        case.each(|cell, frame| assert_eq!(counts[cell] as usize, frame.len()));
    }
}

#[test]
fn folds_are_those_of_each_frame() {
    for case in cases() {
        case.folds::<f64, FloatSum>(&case.values, |frame, sum| {
            let plain: f64 = frame.iter().sum();
            assert!(sum == plain || (sum - plain).abs() < 1e-12, "{sum} {plain}");
        });
        case.folds::<f64, Minimum>(&case.values, |frame, found| {
            assert_eq!(found, frame.iter().copied().fold(f64::INFINITY, f64::min));
        });
        let singles: Vec<f32> = case.values.iter().map(|value| *value as f32).collect();
        case.folds::<f32, Maximum>(&singles, |frame, found| {
            let plain = frame.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(found, plain);
        });
        let integers: Vec<i64> = (0..case.values.len())
            .map(|cell| noise(cell as u64) as i64)
            .collect();
        case.folds::<i64, IntegerSum>(&integers, |frame, sum| {
            let plain = frame.iter().copied().fold(0, i64::wrapping_add);
            assert_eq!(sum, plain);
        });
    }
}

#[test]
fn sums_do_not_drift() {
    let length = 100_000;
    let values: Vec<f64> = (0..length)
        .map(|place| if place < 10 { 1e16 } else { 0.1 })
        .collect();
    let rows: Vec<u32> = (0..length as u32).collect();
    let frames = |ranges| Frames {
        rows: &rows,
        ranges,
        lanes: 1,
    };
    let moving = ranges([length as i64, 0], 4, 0);
    let sums = fold::<f64, FloatSum>(frames(&moving), &values, None);
    assert_eq!(sums[length - 1], 0.1 + 0.1 + 0.1 + 0.1 + 0.1);
    let running = ranges([length as i64, 0], i64::MAX / 2, 0);
    let sums = fold::<f64, FloatSum>(frames(&running), &values, None);
    assert_eq!(sums[length - 1], 1e17 + 0.1 * (length - 10) as f64);
}

#[test]
fn the_nearest_valid_cells_are_found() {
    for case in cases() {
        let all = BooleanBuffer::new_set(case.values.len());
        let bits = case.bits().unwrap_or(Bits::new(&all));
        let first = nearest::first(case.frames(), bits);
        let last = nearest::last(case.frames(), bits);
        case.each(|cell, frame| {
            let index = |cell: Option<&usize>| cell.map_or(NONE, |cell| *cell as u32);
            assert_eq!(first[cell], index(frame.first()));
            assert_eq!(last[cell], index(frame.last()));
        });
    }
}

#[test]
fn gaps_are_closed_on_a_line() {
    let whole = |case: &Case| {
        let partition = |place: &std::ops::Range<u32>| *place == (0..case.rows.len() as u32);
        case.ranges.iter().all(partition)
    };
    for case in cases().into_iter().filter(whole) {
        let Some(valid) = &case.valid else { continue };
        let length = case.rows.len();
        let coordinates: Vec<f64> = (0..length).map(|place| (place * place) as f64).collect();
        let reach: Vec<u32> = (0..length as u32)
            .map(|place| (place + 4).min(length as u32))
            .collect();
        let line = Line {
            coordinates: &coordinates,
            reach: &reach,
        };
        let (found, known) = interpolate(case.frames(), line, &case.values, Bits::new(valid));
        for place in 0..length {
            for lane in 0..case.lanes {
                let is_valid = |place: &usize| valid.value(case.cell(*place, lane));
                let before = (0..=place).rev().find(is_valid);
                let after = (place..length).find(is_valid);
                let cell = case.cell(place, lane);
                let ends = before.zip(after).filter(|(first, last)| last - first < 4);
                assert_eq!(known[cell], ends.is_some());
                let Some((first, last)) = ends else { continue };
                let [low, high] = [first, last].map(|at| case.values[case.cell(at, lane)]);
                let expected = if first == last {
                    low
                } else {
                    let at = coordinates[place] - coordinates[first];
                    low + (high - low) * at / (coordinates[last] - coordinates[first])
                };
                let difference = (found[cell] - expected).abs();
                let same = found[cell] == expected || found[cell].is_nan() && expected.is_nan();
                assert!(same || difference < 1e-12, "{} {expected}", found[cell]);
            }
        }
    }
}
