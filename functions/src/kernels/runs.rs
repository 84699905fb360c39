//! Reduces rows to one summary: the group does not change along the fastest axis.

use super::dispatch::vectorised;
use super::{Bits, Element, LANES, Needs, Rows};

/// Lanes are folded into the compensated sum after this many steps, so that a lane never adds up
/// more than a few hundred cells.
const STEPS: usize = 256;

/// What the cells of one group have added up to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary<E: Element> {
    /// Valid cells.
    pub count: u64,
    /// Sum of (value − shift), leading part.
    pub sum: E::Sum,
    /// What `sum` cannot hold.
    pub low: E::Sum,
    /// Sum of (value − shift)².
    pub squares: E::Sum,
    /// Smallest value.
    pub minimum: E,
    /// Largest value.
    pub maximum: E,
}

impl<E: Element> Default for Summary<E> {
    fn default() -> Self {
        Self {
            count: 0,
            sum: E::Sum::default(),
            low: E::Sum::default(),
            squares: E::Sum::default(),
            minimum: E::HIGHEST,
            maximum: E::LOWEST,
        }
    }
}

/// Reduces all valid cells of `rows`; `shift`, a finite number of the values' type, is taken off each value
/// before it is added.
pub fn reduce<E: Element>(
    values: &[E],
    valid: Option<Bits<'_>>,
    rows: Rows<'_>,
    shift: E::Sum,
    needs: Needs,
) -> Summary<E> {
    let mut summary = Summary::default();
    macro_rules! call {
        ($sum:literal, $squares:literal, $extremes:literal) => {
            match valid {
                None => {
                    let none = Bits::of_bytes(&[]);
                    walk::<E, $sum, $squares, $extremes, false>(
                        values,
                        none,
                        rows,
                        shift,
                        &mut summary,
                    );
                }
                Some(valid) => {
                    walk::<E, $sum, $squares, $extremes, true>(
                        values,
                        valid,
                        rows,
                        shift,
                        &mut summary,
                    );
                }
            }
        };
    }
    match (needs.sum, needs.squares, needs.extremes) {
        (false, false, false) => match valid {
            None => summary.count = (rows.offsets.len() * rows.length) as u64,
            Some(valid) => summary.count = count(valid, rows),
        },
        (true, false, false) => call!(true, false, false),
        (false, false, true) => call!(false, false, true),
        (true, false, true) => call!(true, false, true),
        (_, true, false) => call!(true, true, false),
        (_, true, true) => call!(true, true, true),
    }
    summary
}

fn count(valid: Bits<'_>, rows: Rows<'_>) -> u64 {
    let mut count = 0;
    for start in rows.starts() {
        let mut cell = 0;
        while cell < rows.length {
            let rest = (rows.length - cell).min(LANES);
            let mask = valid.sixteen(start + cell) & (u32::MAX >> (32 - rest));
            count += u64::from(mask.count_ones());
            cell += LANES;
        }
    }
    count
}

/// The lanes of one loop. Each quantity has a loop of its own over the lanes: so the compiler makes
/// vectors of the lanes and not of the steps.
struct Lanes<E: Element> {
    sum: [E::Sum; LANES],
    squares: [E::Sum; LANES],
    minimum: [E; LANES],
    maximum: [E; LANES],
}

impl<E: Element> Lanes<E> {
    #[inline(always)]
    fn new() -> Self {
        Self {
            sum: [E::Sum::default(); LANES],
            squares: [E::Sum::default(); LANES],
            minimum: [E::HIGHEST; LANES],
            maximum: [E::LOWEST; LANES],
        }
    }

    /// Takes sixteen cells, of which those in `mask` count.
    #[inline(always)]
    fn step<const SUM: bool, const SQUARES: bool, const EXTREMES: bool, const MASKED: bool>(
        &mut self,
        values: &[E; LANES],
        mask: u32,
        shift: E::Sum,
    ) {
        if SUM {
            let mut summands = [E::Sum::default(); LANES];
            let mut counted = *values;
            if MASKED {
                for lane in 0..LANES {
                    counted[lane] = values[lane].or_else(mask, lane, E::neutral(shift));
                }
            }
            for lane in 0..LANES {
                summands[lane] = counted[lane].widen(shift);
            }
            for lane in 0..LANES {
                self.sum[lane] = E::add(self.sum[lane], summands[lane]);
            }
            if SQUARES {
                for lane in 0..LANES {
                    self.squares[lane] = E::add_square(self.squares[lane], summands[lane]);
                }
            }
        }
        if EXTREMES {
            let (mut low, mut high) = (*values, *values);
            if MASKED {
                for lane in 0..LANES {
                    low[lane] = values[lane].or_else(mask, lane, E::HIGHEST);
                }
                for lane in 0..LANES {
                    high[lane] = values[lane].or_else(mask, lane, E::LOWEST);
                }
            }
            for lane in 0..LANES {
                self.minimum[lane] = low[lane].smaller(self.minimum[lane]);
            }
            for lane in 0..LANES {
                self.maximum[lane] = high[lane].larger(self.maximum[lane]);
            }
        }
    }

    /// Adds the lanes' sums to `summary` and empties them.
    #[inline(always)]
    fn fold_sums<const SQUARES: bool>(&mut self, summary: &mut Summary<E>) {
        let total = self
            .sum
            .iter()
            .fold(E::Sum::default(), |a, b| E::add(a, *b));
        E::add_compensated(&mut summary.sum, &mut summary.low, total);
        self.sum = [E::Sum::default(); LANES];
        if SQUARES {
            let total = self
                .squares
                .iter()
                .fold(E::Sum::default(), |a, b| E::add(a, *b));
            summary.squares = E::add(summary.squares, total);
            self.squares = [E::Sum::default(); LANES];
        }
    }

    #[inline(always)]
    fn fold_extremes(&self, summary: &mut Summary<E>) {
        summary.minimum = self
            .minimum
            .iter()
            .fold(summary.minimum, |a, b| b.smaller(a));
        summary.maximum = self
            .maximum
            .iter()
            .fold(summary.maximum, |a, b| b.larger(a));
    }
}

vectorised! {
fn walk [<
    E: Element,
    const SUM: bool,
    const SQUARES: bool,
    const EXTREMES: bool,
    const MASKED: bool,
>] [E, SUM, SQUARES, EXTREMES, MASKED] (
    values: &[E],
    valid: Bits<'_>,
    rows: Rows<'_>,
    shift: E::Sum,
    summary: &mut Summary<E>,
) {
    let mut lanes = Lanes::<E>::new();
    let mut steps = 0;
    let mut count = 0;
    for offset in rows.offsets {
        let start = offset + rows.shift;
        let row = &values[start..start + rows.length];
        let (sixteens, rest) = row.as_chunks::<LANES>();
        let mut cell = start;
        for block in sixteens.chunks(STEPS) {
            for sixteen in block {
                let mask = if MASKED { valid.sixteen(cell) } else { 0xffff };
                if MASKED {
                    count += u64::from(mask.count_ones());
                    cell += LANES;
                }
                lanes.step::<SUM, SQUARES, EXTREMES, MASKED>(sixteen, mask, shift);
            }
            steps += block.len();
            if SUM && steps >= STEPS {
                lanes.fold_sums::<SQUARES>(summary);
                steps = 0;
            }
        }
        if let Some(first) = rest.first() {
            let mut padded = [*first; LANES];
            padded[..rest.len()].copy_from_slice(rest);
            let here = (1 << rest.len()) - 1;
            let mask = if MASKED {
                valid.sixteen(cell) & here
            } else {
                here
            };
            if MASKED {
                count += u64::from(mask.count_ones());
            }
            lanes.step::<SUM, SQUARES, EXTREMES, true>(&padded, mask, shift);
            steps += 1;
        }
    }
    summary.count += match MASKED {
        true => count,
        false => (rows.offsets.len() * rows.length) as u64,
    };
    if SUM {
        lanes.fold_sums::<SQUARES>(summary);
    }
    if EXTREMES {
        lanes.fold_extremes(summary);
    }
}
}

/// The first valid cell of `rows`, in their order.
pub fn first_valid<E: Element>(values: &[E], valid: Option<Bits<'_>>, rows: Rows<'_>) -> Option<E> {
    let Some(valid) = valid else {
        return (rows.length > 0)
            .then(|| rows.starts().next().map(|start| values[start]))
            .flatten();
    };
    let cells = rows.starts().flat_map(|start| start..start + rows.length);
    let mut set = cells.filter(|cell| valid.is_set(*cell));
    set.next().map(|cell| values[cell])
}
