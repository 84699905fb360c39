//! Reduces pairs of values: what correlation, covariance and linear regression are made of.

use super::dispatch::vectorised;
use super::{Bits, LANES as WIDE, Rows, compensated};

/// Pairs that one step takes: five sums of them have to fit into the registers.
const LANES: usize = WIDE / 2;

/// Sums over the pairs of one group whose two values are both valid, each taken minus its shift.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PairSummary {
    /// Pairs.
    pub count: u64,
    /// Sum of x.
    pub x: f64,
    /// Sum of y.
    pub y: f64,
    /// Sum of x².
    pub xx: f64,
    /// Sum of y².
    pub yy: f64,
    /// Sum of x·y.
    pub xy: f64,
}

vectorised! {
/// Reduces all valid pairs of `rows` with `shift` taken off x and y.
pub fn reduce [] [] (
    x: &[f64],
    y: &[f64],
    valid: Option<Bits<'_>>,
    rows: Rows<'_>,
    shift: [f64; 2],
) -> PairSummary {
    const STEPS: usize = 256;
    let mut total = PairSummary::default();
    let mut low = [0.0; 2];
    let mut sums = [[0.0f64; LANES]; 5];
    let mut steps = 0;
    for offset in rows.offsets {
        let start = offset + rows.shift;
        let mut cell = 0;
        while cell < rows.length {
            let width = (rows.length - cell).min(LANES);
            let at = start + cell;
            let (mut xs, mut ys) = ([0.0; LANES], [0.0; LANES]);
            match (
                x[at..].first_chunk::<LANES>(),
                y[at..].first_chunk::<LANES>(),
            ) {
                (Some(x), Some(y)) => (xs, ys) = (*x, *y),
                _ => {
                    xs[..width].copy_from_slice(&x[at..at + width]);
                    ys[..width].copy_from_slice(&y[at..at + width]);
                }
            }
            let mask = valid.map_or(0xffff, |valid| valid.sixteen(at)) & (u32::MAX >> (32 - width));
            total.count += u64::from(mask.count_ones());
            let is_valid = |lane: usize| mask & (1 << lane) != 0;
            for lane in 0..LANES {
                xs[lane] = if is_valid(lane) {
                    xs[lane] - shift[0]
                } else {
                    0.0
                };
            }
            for lane in 0..LANES {
                ys[lane] = if is_valid(lane) {
                    ys[lane] - shift[1]
                } else {
                    0.0
                };
            }
            add_pairs(&mut sums, &xs, &ys);
            cell += LANES;
            steps += 1;
        }
        if steps >= STEPS {
            fold(&mut sums, &mut total, &mut low);
            steps = 0;
        }
    }
    fold(&mut sums, &mut total, &mut low);
    total.x = compensated::total(total.x, low[0]);
    total.y = compensated::total(total.y, low[1]);
    total
}
}

#[inline(always)]
fn add_pairs(sums: &mut [[f64; LANES]; 5], x: &[f64; LANES], y: &[f64; LANES]) {
    for lane in 0..LANES {
        sums[0][lane] += x[lane];
    }
    for lane in 0..LANES {
        sums[1][lane] += y[lane];
    }
    for lane in 0..LANES {
        sums[2][lane] += x[lane] * x[lane];
    }
    for lane in 0..LANES {
        sums[3][lane] += y[lane] * y[lane];
    }
    for lane in 0..LANES {
        sums[4][lane] += x[lane] * y[lane];
    }
}

fn fold(sums: &mut [[f64; LANES]; 5], total: &mut PairSummary, low: &mut [f64; 2]) {
    let sum = |lanes: &[f64; LANES]| lanes.iter().sum::<f64>();
    compensated::add(&mut total.x, &mut low[0], sum(&sums[0]));
    compensated::add(&mut total.y, &mut low[1], sum(&sums[1]));
    total.xx += sum(&sums[2]);
    total.yy += sum(&sums[3]);
    total.xy += sum(&sums[4]);
    *sums = [[0.0; LANES]; 5];
}

/// The sums of consecutive groups, one entry per position.
#[derive(Debug)]
pub struct PairColumns<'a> {
    /// Pairs.
    pub count: &'a mut [u64],
    /// What is taken off x and y.
    pub shift: [&'a [f64]; 2],
    /// Sums of x, y, x², y² and x·y.
    pub sums: [&'a mut [f64]; 5],
}

vectorised! {
/// Adds the valid pairs at position `i` of all `rows` to entry `i` of `columns`.
pub fn reduce_columns [] [] (
    x: &[f64],
    y: &[f64],
    valid: Option<Bits<'_>>,
    rows: Rows<'_>,
    columns: &mut PairColumns<'_>,
) {
    let mut first = 0;
    while first < rows.length {
        let width = (rows.length - first).min(LANES);
        let mut shift = [[0.0; LANES]; 2];
        for (lanes, known) in shift.iter_mut().zip(columns.shift) {
            lanes[..width].copy_from_slice(&known[first..first + width]);
        }
        let mut count = [0u32; LANES];
        let mut sums = [[0.0f64; LANES]; 5];
        for offset in rows.offsets {
            let at = offset + rows.shift + first;
            let (mut xs, mut ys) = ([0.0; LANES], [0.0; LANES]);
            xs[..width].copy_from_slice(&x[at..at + width]);
            ys[..width].copy_from_slice(&y[at..at + width]);
            let mask = valid.map_or(0xffff, |valid| valid.sixteen(at));
            let is_valid = |lane: usize| mask & (1 << lane) != 0;
            for lane in 0..LANES {
                count[lane] += u32::from(is_valid(lane));
            }
            for lane in 0..LANES {
                xs[lane] = if is_valid(lane) {
                    xs[lane] - shift[0][lane]
                } else {
                    0.0
                };
            }
            for lane in 0..LANES {
                ys[lane] = if is_valid(lane) {
                    ys[lane] - shift[1][lane]
                } else {
                    0.0
                };
            }
            add_pairs(&mut sums, &xs, &ys);
        }
        for (total, more) in columns.count[first..first + width].iter_mut().zip(count) {
            *total += u64::from(more);
        }
        for (total, more) in columns.sums.iter_mut().zip(sums) {
            for (total, more) in total[first..first + width].iter_mut().zip(more) {
                *total += more;
            }
        }
        first += LANES;
    }
}
}
