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
    let shift = shift.map(|shift| [shift; LANES]);
    for start in rows.starts() {
        let (x, rest_x) = x[start..start + rows.length].as_chunks::<LANES>();
        let (y, rest_y) = y[start..start + rows.length].as_chunks::<LANES>();
        let mut cell = start;
        for (x, y) in x.chunks(STEPS).zip(y.chunks(STEPS)) {
            let mut sums = Sums::default();
            for (x, y) in x.iter().zip(y) {
                let mask = valid.map_or(0xff, |valid| valid.sixteen(cell) & 0xff);
                total.count += u64::from(mask.count_ones());
                sums.add([x, y], &shift, mask);
                cell += LANES;
            }
            sums.fold(&mut total, &mut low);
        }
        if !rest_x.is_empty() {
            let mut sums = Sums::default();
            let padded = [rest_x, rest_y].map(padded);
            let here = (1 << rest_x.len()) - 1;
            let mask = valid.map_or(here, |valid| valid.sixteen(cell) & here);
            total.count += u64::from(mask.count_ones());
            sums.add([&padded[0], &padded[1]], &shift, mask);
            sums.fold(&mut total, &mut low);
        }
    }
    total.x = compensated::total(total.x, low[0]);
    total.y = compensated::total(total.y, low[1]);
    total
}
}

/// The sums of one loop, lane by lane.
#[derive(Default)]
struct Sums {
    x: [f64; LANES],
    y: [f64; LANES],
    xx: [f64; LANES],
    yy: [f64; LANES],
    xy: [f64; LANES],
}

impl Sums {
    /// Takes the pairs in `mask`, each value minus its shift.
    #[inline(always)]
    fn add(&mut self, values: [&[f64; LANES]; 2], shift: &[[f64; LANES]; 2], mask: u32) {
        // Shifts and subtractions become vectors of words, which tests of single bits do not.
        let mut keep = [0u64; LANES];
        for lane in 0..LANES {
            keep[lane] = 0u64.wrapping_sub((u64::from(mask) >> lane) & 1);
        }
        let (mut x, mut y) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let value = values[0][lane] - shift[0][lane];
            x[lane] = f64::from_bits(value.to_bits() & keep[lane]);
        }
        for lane in 0..LANES {
            let value = values[1][lane] - shift[1][lane];
            y[lane] = f64::from_bits(value.to_bits() & keep[lane]);
        }
        for lane in 0..LANES {
            self.x[lane] += x[lane];
        }
        for lane in 0..LANES {
            self.y[lane] += y[lane];
        }
        for lane in 0..LANES {
            self.xx[lane] += x[lane] * x[lane];
        }
        for lane in 0..LANES {
            self.yy[lane] += y[lane] * y[lane];
        }
        for lane in 0..LANES {
            self.xy[lane] += x[lane] * y[lane];
        }
    }

    /// Adds the lanes to `total`. A function of its own: inlined, its sums over lanes would make the compiler
    /// keep x and y of one lane in a vector, and not several lanes.
    #[inline(never)]
    fn fold(self, total: &mut PairSummary, low: &mut [f64; 2]) {
        let sum = |lanes: &[f64; LANES]| lanes.iter().sum::<f64>();
        compensated::add(&mut total.x, &mut low[0], sum(&self.x));
        compensated::add(&mut total.y, &mut low[1], sum(&self.y));
        total.xx += sum(&self.xx);
        total.yy += sum(&self.yy);
        total.xy += sum(&self.xy);
    }
}

/// A whole vector of fewer cells; a loop that copies a number of cells that only the run knows keeps
/// its lanes out of registers.
fn padded(cells: &[f64]) -> [f64; LANES] {
    let mut whole = [0.0; LANES];
    whole[..cells.len()].copy_from_slice(cells);
    whole
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
    while first + LANES <= rows.length {
        eight(valid, rows, first, columns, |start| {
            let x = x[start..].first_chunk::<LANES>()?;
            let y = y[start..].first_chunk::<LANES>()?;
            Some([*x, *y])
        });
        first += LANES;
    }
    if first < rows.length {
        let width = rows.length - first;
        eight(valid, rows, first, columns, |start| {
            Some([x, y].map(|values| padded(&values[start..start + width])))
        });
    }
}
}

/// Walks all rows at the positions from `first` on, of which `pairs` gives eight.
#[inline(always)]
fn eight(
    valid: Option<Bits<'_>>,
    rows: Rows<'_>,
    first: usize,
    columns: &mut PairColumns<'_>,
    pairs: impl Fn(usize) -> Option<[[f64; LANES]; 2]>,
) {
    let here = first..(first + LANES).min(rows.length);
    let shift = columns.shift.map(|known| padded(&known[here.clone()]));
    let mut count = [0u64; LANES];
    let mut sums = Sums::default();
    for start in rows.starts() {
        let Some([x, y]) = pairs(start + first) else {
            continue;
        };
        let mask = valid.map_or(0xff, |valid| valid.sixteen(start + first) & 0xff);
        for lane in 0..LANES {
            count[lane] += (u64::from(mask) >> lane) & 1;
        }
        sums.add([&x, &y], &shift, mask);
    }
    for (total, more) in columns.count[here.clone()].iter_mut().zip(count) {
        *total += more;
    }
    let sums = [sums.x, sums.y, sums.xx, sums.yy, sums.xy];
    for (total, more) in columns.sums.iter_mut().zip(sums) {
        for (total, more) in total[here.clone()].iter_mut().zip(more) {
            *total += more;
        }
    }
}
