//! Counts, sums, squares and extremes of all groups of one input, one array each.

use std::ops::Range;

use graticule_functions::kernels::columns::{self, Columns};
use graticule_functions::kernels::runs::{self, Summary};
use graticule_functions::kernels::{Bits, Element, Needs, Rows, compensated};

use crate::dense::aggregate::layout::{Groups, Segment, Visit};

/// The state of `groups` groups. Arrays that are not needed are empty.
#[derive(Debug, Clone)]
pub(crate) struct State<E: Element> {
    needs: Needs,
    /// Valid cells.
    pub(crate) count: Vec<u64>,
    /// Taken off every value before it is added, so that squares do not cancel: the group's first
    /// value. Because it is one of the values, the variance's relative error is at most about
    /// (cells of the group) × 2⁻⁵³.
    pub(crate) shift: Vec<E::Sum>,
    sum: Vec<E::Sum>,
    low: Vec<E::Sum>,
    squares: Vec<E::Sum>,
    /// Smallest value.
    pub(crate) minimum: Vec<E>,
    /// Largest value.
    pub(crate) maximum: Vec<E>,
}

impl<E: Element> State<E> {
    pub(crate) fn new(groups: usize, needs: Needs) -> Self {
        let sums = |is_needed: bool| vec![E::Sum::default(); if is_needed { groups } else { 0 }];
        let extremes = if needs.extremes { groups } else { 0 };
        Self {
            needs,
            count: vec![0; groups],
            shift: sums(needs.squares),
            sum: sums(needs.sum || needs.squares),
            low: sums(needs.sum || needs.squares),
            squares: sums(needs.squares),
            minimum: vec![E::HIGHEST; extremes],
            maximum: vec![E::LOWEST; extremes],
        }
    }

    /// Bytes of one group.
    pub(crate) fn bytes_per_group(needs: Needs) -> usize {
        let sums = 2 * usize::from(needs.sum || needs.squares) + 2 * usize::from(needs.squares);
        8 + 8 * sums + 2 * size_of::<E>() * usize::from(needs.extremes)
    }

    /// Adds the cells of one visit.
    pub(crate) fn add(&mut self, values: &[E], valid: Option<Bits<'_>>, visit: &Visit<'_>) {
        let rows = visit.rows;
        match visit.groups {
            Groups::One(group) => self.add_rows(values, valid, rows, group),
            Groups::Each(first) => {
                self.add_columns(values, valid, rows, first..first + rows.length);
            }
            Groups::Segments { base, segments } => {
                self.add_folded(values, valid, rows, base, segments);
            }
        }
    }

    /// What is kept of each group.
    pub(crate) fn needs(&self) -> Needs {
        self.needs
    }

    /// Adds `count` values between the two `bounds` to a group that keeps no sums. No bounds where it
    /// keeps none either, or there is no value.
    pub(crate) fn add_known(&mut self, group: usize, count: u64, bounds: &[E]) {
        let mut summary = Summary {
            count,
            ..Summary::default()
        };
        if let [minimum, maximum] = bounds {
            (summary.minimum, summary.maximum) = (*minimum, *maximum);
        }
        self.fold(group, &summary);
    }

    fn choose_shift(&mut self, group: usize, first: Option<E>) {
        if let Some(first) = first.filter(|first| first.is_finite()) {
            self.shift[group] = first.widen(E::Sum::default());
        }
    }

    fn add_rows(&mut self, values: &[E], valid: Option<Bits<'_>>, rows: Rows<'_>, group: usize) {
        if self.needs.squares && self.count[group] == 0 {
            self.choose_shift(group, runs::first_valid(values, valid, rows));
        }
        let shift = self.shift.get(group).copied().unwrap_or_default();
        let summary = runs::reduce(values, valid, rows, shift, self.needs);
        self.fold(group, &summary);
    }

    fn fold(&mut self, group: usize, summary: &Summary<E>) {
        self.count[group] += summary.count;
        if self.needs.sum || self.needs.squares {
            let (high, low) = (&mut self.sum[group], &mut self.low[group]);
            E::add_compensated(high, low, summary.sum);
            *low = E::add(*low, summary.low);
        }
        if self.needs.squares {
            self.squares[group] = E::add(self.squares[group], summary.squares);
        }
        if self.needs.extremes {
            self.minimum[group] = summary.minimum.smaller(self.minimum[group]);
            self.maximum[group] = summary.maximum.larger(self.maximum[group]);
        }
    }

    fn add_columns(
        &mut self,
        values: &[E],
        valid: Option<Bits<'_>>,
        rows: Rows<'_>,
        groups: Range<usize>,
    ) {
        if self.needs.squares && self.count[groups.clone()].contains(&0) {
            for (position, group) in groups.clone().enumerate() {
                if self.count[group] == 0 {
                    let column = Rows {
                        shift: rows.shift + position,
                        length: 1,
                        ..rows
                    };
                    self.choose_shift(group, runs::first_valid(values, valid, column));
                }
            }
        }
        fn part<T>(all: &mut [T], groups: Range<usize>) -> &mut [T] {
            if all.is_empty() {
                all
            } else {
                &mut all[groups]
            }
        }
        let mut columns = Columns {
            count: &mut self.count[groups.clone()],
            shift: match self.shift.as_slice() {
                [] => &[],
                shift => &shift[groups.clone()],
            },
            sum: part(&mut self.sum, groups.clone()),
            low: part(&mut self.low, groups.clone()),
            squares: part(&mut self.squares, groups.clone()),
            minimum: part(&mut self.minimum, groups.clone()),
            maximum: part(&mut self.maximum, groups),
        };
        columns::reduce(values, valid, rows, self.needs, &mut columns);
    }

    /// Short runs of equal groups along the fastest axis: by position first, then into the groups.
    fn add_folded(
        &mut self,
        values: &[E],
        valid: Option<Bits<'_>>,
        rows: Rows<'_>,
        base: usize,
        segments: &[Segment],
    ) {
        let mut positions = Self::new(rows.length, self.needs);
        if self.needs.squares {
            for segment in segments {
                let group = base + segment.code;
                if self.count[group] == 0 {
                    let cells = Rows {
                        shift: rows.shift + segment.start,
                        length: segment.length,
                        ..rows
                    };
                    self.choose_shift(group, runs::first_valid(values, valid, cells));
                }
            }
            // Only now: a group may have several segments, whose shifts must be the same.
            for segment in segments {
                let here = segment.start..segment.start + segment.length;
                positions.shift[here].fill(self.shift[base + segment.code]);
            }
        }
        // A count of one keeps the shifts that were just chosen.
        positions.count.fill(1);
        positions.add_columns(values, valid, rows, 0..rows.length);
        for segment in segments {
            for position in segment.start..segment.start + segment.length {
                let mut summary = positions.summary(position);
                summary.count -= 1;
                self.fold(base + segment.code, &summary);
            }
        }
    }

    fn summary(&self, group: usize) -> Summary<E> {
        let zero = E::Sum::default();
        Summary {
            count: self.count[group],
            sum: self.sum.get(group).copied().unwrap_or(zero),
            low: self.low.get(group).copied().unwrap_or(zero),
            squares: self.squares.get(group).copied().unwrap_or(zero),
            minimum: self.minimum.get(group).copied().unwrap_or(E::HIGHEST),
            maximum: self.maximum.get(group).copied().unwrap_or(E::LOWEST),
        }
    }
}

impl<E: Element<Sum = f64>> State<E> {
    /// Sum of a group's values.
    pub(crate) fn float_sum(&self, group: usize) -> f64 {
        let sum = compensated::total(self.sum[group], self.low[group]);
        match self.shift.get(group) {
            Some(shift) => sum + shift * self.count[group] as f64,
            None => sum,
        }
    }

    /// Mean of a group's values.
    pub(crate) fn mean(&self, group: usize) -> f64 {
        let sum = compensated::total(self.sum[group], self.low[group]);
        let shift = self.shift.get(group).copied().unwrap_or(0.0);
        shift + sum / self.count[group] as f64
    }

    /// Sum of the squared distances of a group's values from their mean.
    pub(crate) fn squared_distances(&self, group: usize) -> f64 {
        let sum = compensated::total(self.sum[group], self.low[group]);
        let squares = self.squares[group] - sum * sum / self.count[group] as f64;
        // Rounding may leave a sum of squares just below zero; NaN stays NaN.
        if squares < 0.0 { 0.0 } else { squares }
    }

    /// Adds the groups of another worker.
    pub(crate) fn merge_floats(&mut self, other: &Self) {
        for group in 0..self.count.len() {
            let mut summary = other.summary(group);
            if summary.count == 0 {
                continue;
            }
            if self.needs.squares {
                if self.count[group] == 0 {
                    self.shift[group] = other.shift[group];
                }
                let distance = other.shift[group] - self.shift[group];
                let count = summary.count as f64;
                let sum = compensated::total(summary.sum, summary.low);
                summary.squares += distance * (2.0 * sum + count * distance);
                summary.sum += count * distance;
            }
            self.fold(group, &summary);
        }
    }
}

impl State<i64> {
    /// Sum of a group's values, wrapped around as DataFusion's sums of integers are.
    pub(crate) fn integer_sum(&self, group: usize) -> i64 {
        self.sum[group]
    }

    /// Adds the groups of another worker.
    pub(crate) fn merge_integers(&mut self, other: &Self) {
        for group in 0..self.count.len() {
            self.fold(group, &other.summary(group));
        }
    }
}
