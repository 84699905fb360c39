//! Correlation, covariance and linear regression: sums over the pairs of all groups.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, UInt64Array};
use datafusion::common::Result;
use graticule_functions::kernels::pairs::{self, PairColumns, PairSummary};
use graticule_functions::kernels::runs::first_valid;
use graticule_functions::kernels::{Bits, Rows};

use crate::dense::aggregate::layout::{Groups, Visit};

/// An aggregate of pairs, of `x` and `y` as in `regr_slope(y, x)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PairKind {
    Correlation,
    Covariance { population: bool },
    Slope,
    Intercept,
    Count,
    RSquared,
    MeanX,
    MeanY,
    SumXx,
    SumYy,
    SumXy,
}

impl PairKind {
    /// The aggregate of a function of two arguments, and whether its first argument is x.
    pub(crate) fn of(function: &str) -> Option<(Self, bool)> {
        Some(match function {
            "corr" => (Self::Correlation, true),
            "covar" | "covar_samp" => (Self::Covariance { population: false }, true),
            "covar_pop" => (Self::Covariance { population: true }, true),
            "regr_slope" => (Self::Slope, false),
            "regr_intercept" => (Self::Intercept, false),
            "regr_count" => (Self::Count, false),
            "regr_r2" => (Self::RSquared, false),
            "regr_avgx" => (Self::MeanX, false),
            "regr_avgy" => (Self::MeanY, false),
            "regr_sxx" => (Self::SumXx, false),
            "regr_syy" => (Self::SumYy, false),
            "regr_sxy" => (Self::SumXy, false),
            _ => return None,
        })
    }
}

/// Sums over the pairs of each group, each value taken minus its group's first.
#[derive(Debug, Clone)]
pub(crate) struct PairState {
    count: Vec<u64>,
    shift: [Vec<f64>; 2],
    /// Sums of x, y, x², y² and x·y.
    sums: [Vec<f64>; 5],
}

/// The moments of one group's pairs.
struct Moments {
    count: f64,
    mean: [f64; 2],
    /// Sums of squared distances from the mean of x and of y, and of their product.
    xx: f64,
    yy: f64,
    xy: f64,
}

impl PairState {
    /// Bytes of one group.
    pub(crate) const BYTES_PER_GROUP: usize = 64;

    pub(crate) fn new(groups: usize) -> Self {
        let zeros = || vec![0.0; groups];
        Self {
            count: vec![0; groups],
            shift: [zeros(), zeros()],
            sums: [zeros(), zeros(), zeros(), zeros(), zeros()],
        }
    }

    /// Adds the pairs of one visit.
    pub(crate) fn add(&mut self, values: [&[f64]; 2], valid: Option<Bits<'_>>, visit: &Visit<'_>) {
        let rows = visit.rows;
        match visit.groups {
            Groups::One(group) => self.add_rows(values, valid, rows, group),
            Groups::Each(first) => self.add_columns(values, valid, rows, first),
            Groups::Segments { base, segments } => {
                for segment in segments {
                    let cells = Rows {
                        shift: rows.shift + segment.start,
                        length: segment.length,
                        ..rows
                    };
                    self.add_rows(values, valid, cells, base + segment.code);
                }
            }
        }
    }

    fn choose_shift(
        &mut self,
        group: usize,
        values: [&[f64]; 2],
        valid: Option<Bits<'_>>,
        rows: Rows<'_>,
    ) {
        if self.count[group] > 0 {
            return;
        }
        for (shift, values) in std::iter::zip(&mut self.shift, values) {
            let first = first_valid(values, valid, rows);
            shift[group] = first.filter(|first| first.is_finite()).unwrap_or(0.0);
        }
    }

    fn add_rows(
        &mut self,
        values: [&[f64]; 2],
        valid: Option<Bits<'_>>,
        rows: Rows<'_>,
        group: usize,
    ) {
        self.choose_shift(group, values, valid, rows);
        let shift = [self.shift[0][group], self.shift[1][group]];
        let summary = pairs::reduce(values[0], values[1], valid, rows, shift);
        self.fold(group, &summary);
    }

    fn fold(&mut self, group: usize, summary: &PairSummary) {
        self.count[group] += summary.count;
        let more = [summary.x, summary.y, summary.xx, summary.yy, summary.xy];
        for (sum, more) in std::iter::zip(&mut self.sums, more) {
            sum[group] += more;
        }
    }

    fn add_columns(
        &mut self,
        values: [&[f64]; 2],
        valid: Option<Bits<'_>>,
        rows: Rows<'_>,
        first: usize,
    ) {
        let groups = first..first + rows.length;
        // Nearly always all have theirs.
        if self.count[groups.clone()].contains(&0) {
            for position in 0..rows.length {
                let column = Rows {
                    shift: rows.shift + position,
                    length: 1,
                    ..rows
                };
                self.choose_shift(first + position, values, valid, column);
            }
        }
        let [shift_x, shift_y] = &self.shift;
        let mut columns = PairColumns {
            count: &mut self.count[groups.clone()],
            shift: [&shift_x[groups.clone()], &shift_y[groups.clone()]],
            sums: self.sums.each_mut().map(|sum| &mut sum[groups.clone()]),
        };
        pairs::reduce_columns(values[0], values[1], valid, rows, &mut columns);
    }

    /// Adds the groups of another worker.
    pub(crate) fn merge(&mut self, other: &Self) {
        for group in 0..self.count.len() {
            if other.count[group] == 0 {
                continue;
            }
            if self.count[group] == 0 {
                for (mine, theirs) in std::iter::zip(&mut self.shift, &other.shift) {
                    mine[group] = theirs[group];
                }
            }
            let count = other.count[group] as f64;
            let [dx, dy] = [0, 1].map(|axis| other.shift[axis][group] - self.shift[axis][group]);
            let [x, y, xx, yy, xy] = other.sums.each_ref().map(|sum| sum[group]);
            let summary = PairSummary {
                count: other.count[group],
                x: x + count * dx,
                y: y + count * dy,
                xx: xx + dx * (2.0 * x + count * dx),
                yy: yy + dy * (2.0 * y + count * dy),
                xy: xy + dx * y + dy * x + count * dx * dy,
            };
            self.fold(group, &summary);
        }
    }

    fn moments(&self, group: usize) -> Moments {
        let count = self.count[group] as f64;
        let [x, y, xx, yy, xy] = self.sums.each_ref().map(|sum| sum[group]);
        // Rounding may leave a sum of squares just below zero; NaN stays NaN.
        let squares = |value: f64| if value < 0.0 { 0.0 } else { value };
        Moments {
            count,
            mean: [
                self.shift[0][group] + x / count,
                self.shift[1][group] + y / count,
            ],
            xx: squares(xx - x * x / count),
            yy: squares(yy - y * y / count),
            xy: xy - x * y / count,
        }
    }

    /// One aggregate of all groups.
    pub(crate) fn column(&self, kind: PairKind) -> Result<ArrayRef> {
        if kind == PairKind::Count {
            return Ok(Arc::new(UInt64Array::from(self.count.clone())));
        }
        let results = (0..self.count.len()).map(|group| result(kind, &self.moments(group)));
        Ok(Arc::new(results.collect::<Float64Array>()))
    }
}

/// The definitions are those of PostgreSQL and DataFusion, with NULL where they have it.
fn result(kind: PairKind, moments: &Moments) -> Option<f64> {
    let Moments {
        count,
        mean: [mean_x, mean_y],
        xx,
        yy,
        xy,
    } = *moments;
    let has_slope = count > 1.0 && xx != 0.0;
    match kind {
        PairKind::Correlation if count > 0.0 && mean_x.is_nan() && mean_y.is_nan() => {
            Some(f64::NAN)
        }
        PairKind::Correlation => {
            let is_defined = count > 1.0 && !mean_x.is_nan() && !mean_y.is_nan();
            let spread = xx.sqrt() * yy.sqrt();
            (is_defined && spread != 0.0).then(|| xy / spread)
        }
        PairKind::Covariance { population: true } => (count > 0.0).then(|| xy / count),
        PairKind::Covariance { population: false } => (count > 1.0).then(|| xy / (count - 1.0)),
        PairKind::Slope => has_slope.then(|| xy / xx),
        PairKind::Intercept => has_slope.then(|| mean_y - xy / xx * mean_x),
        PairKind::RSquared => (has_slope && yy != 0.0).then(|| xy * xy / (xx * yy)),
        PairKind::MeanX => (count > 0.0).then_some(mean_x),
        PairKind::MeanY => (count > 0.0).then_some(mean_y),
        PairKind::SumXx => (count > 0.0).then_some(xx),
        PairKind::SumYy => (count > 0.0).then_some(yy),
        PairKind::SumXy => (count > 0.0).then_some(xy),
        PairKind::Count => None,
    }
}
