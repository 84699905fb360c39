//! Reduces rows position by position: every position of the fastest axis is a group of its own.
//!
//! Sixteen positions stay in registers while all rows are walked, then their results are added to the
//! groups' columns once.

use super::dispatch::vectorised;
use super::{Bits, Element, LANES, Needs, Rows};

/// The state of consecutive groups, one entry per position. Columns that are not needed are empty.
#[derive(Debug)]
pub struct Columns<'a, E: Element> {
    /// Valid cells.
    pub count: &'a mut [u64],
    /// What is taken off each value before it is added, finite numbers of the values' type; empty for nothing.
    pub shift: &'a [E::Sum],
    /// Sum of (value − shift), leading part.
    pub sum: &'a mut [E::Sum],
    /// What `sum` cannot hold.
    pub low: &'a mut [E::Sum],
    /// Sum of (value − shift)².
    pub squares: &'a mut [E::Sum],
    /// Smallest value.
    pub minimum: &'a mut [E],
    /// Largest value.
    pub maximum: &'a mut [E],
}

/// Adds the valid cells at position `i` of all `rows` to entry `i` of `columns`.
pub fn reduce<E: Element>(
    values: &[E],
    valid: Option<Bits<'_>>,
    rows: Rows<'_>,
    needs: Needs,
    columns: &mut Columns<'_, E>,
) {
    macro_rules! call {
        ($sum:literal, $squares:literal, $extremes:literal) => {
            match valid {
                None => walk::<E, $sum, $squares, $extremes, false>(
                    values,
                    Bits::of_bytes(&[]),
                    rows,
                    columns,
                ),
                Some(valid) => {
                    walk::<E, $sum, $squares, $extremes, true>(values, valid, rows, columns)
                }
            }
        };
    }
    match (needs.sum, needs.squares, needs.extremes) {
        (false, false, false) => count(valid, rows, columns.count),
        (true, false, false) => call!(true, false, false),
        (false, false, true) => call!(false, false, true),
        (true, false, true) => call!(true, false, true),
        (_, true, false) => call!(true, true, false),
        (_, true, true) => call!(true, true, true),
    }
}

vectorised! {
/// Counts valid cells; touches no value.
fn count [] [] (valid: Option<Bits<'_>>, rows: Rows<'_>, counts: &mut [u64]) {
    let Some(valid) = valid else {
        for count in &mut counts[..rows.length] {
            *count += rows.offsets.len() as u64;
        }
        return;
    };
    let mut first = 0;
    while first < rows.length {
        let width = (rows.length - first).min(LANES);
        let mut lanes = [0u32; LANES];
        for offset in rows.offsets {
            let mask = valid.sixteen(offset + rows.shift + first);
            for (lane, count) in lanes.iter_mut().enumerate() {
                *count += (mask >> lane) & 1;
            }
        }
        for (count, more) in counts[first..first + width].iter_mut().zip(lanes) {
            *count += u64::from(more);
        }
        first += LANES;
    }
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
    columns: &mut Columns<'_, E>,
) {
    let mut first = 0;
    while first + LANES <= rows.length {
        sixteen::<E, SUM, SQUARES, EXTREMES, MASKED>(valid, rows, first, columns, |start| {
            values[start..].first_chunk::<LANES>().copied()
        });
        first += LANES;
    }
    // A loop of its own: copying a number of cells that only the run knows keeps lanes out of
    // registers.
    if first < rows.length {
        let width = rows.length - first;
        sixteen::<E, SUM, SQUARES, EXTREMES, MASKED>(valid, rows, first, columns, |start| {
            let mut cells = [E::HIGHEST; LANES];
            cells[..width].copy_from_slice(&values[start..start + width]);
            Some(cells)
        });
    }
}
}

/// Walks all rows at the positions from `first` on, of which `cells` gives sixteen, and adds what they
/// sum up to.
#[inline(always)]
fn sixteen<
    E: Element,
    const SUM: bool,
    const SQUARES: bool,
    const EXTREMES: bool,
    const MASKED: bool,
>(
    valid: Bits<'_>,
    rows: Rows<'_>,
    first: usize,
    columns: &mut Columns<'_, E>,
    cells: impl Fn(usize) -> Option<[E; LANES]>,
) {
    let here = first..(first + LANES).min(rows.length);
    let mut shift = [E::Sum::default(); LANES];
    if let Some(known) = columns.shift.get(here.clone()) {
        shift[..here.len()].copy_from_slice(known);
    }
    let neutral = shift.map(E::neutral);
    let mut count = [0u32; LANES];
    let mut sum = [E::Sum::default(); LANES];
    let mut squares = [E::Sum::default(); LANES];
    let mut minimum = [E::HIGHEST; LANES];
    let mut maximum = [E::LOWEST; LANES];
    for offset in rows.offsets {
        let start = offset + rows.shift + first;
        let Some(cells) = cells(start) else {
            continue;
        };
        let mask = if MASKED { valid.sixteen(start) } else { 0xffff };
        if MASKED {
            for lane in 0..LANES {
                count[lane] += (mask >> lane) & 1;
            }
        }
        if SUM {
            let mut summands = [E::Sum::default(); LANES];
            let mut counted = cells;
            if MASKED {
                for lane in 0..LANES {
                    counted[lane] = cells[lane].or_else(mask, lane, neutral[lane]);
                }
            }
            for lane in 0..LANES {
                summands[lane] = counted[lane].widen(shift[lane]);
            }
            for lane in 0..LANES {
                sum[lane] = E::add(sum[lane], summands[lane]);
            }
            if SQUARES {
                for lane in 0..LANES {
                    squares[lane] = E::add_square(squares[lane], summands[lane]);
                }
            }
        }
        if EXTREMES {
            let (mut low, mut high) = (cells, cells);
            if MASKED {
                for lane in 0..LANES {
                    low[lane] = cells[lane].or_else(mask, lane, E::HIGHEST);
                }
                for lane in 0..LANES {
                    high[lane] = cells[lane].or_else(mask, lane, E::LOWEST);
                }
            }
            for lane in 0..LANES {
                minimum[lane] = low[lane].smaller(minimum[lane]);
            }
            for lane in 0..LANES {
                maximum[lane] = high[lane].larger(maximum[lane]);
            }
        }
    }
    if MASKED {
        for (total, more) in columns.count[here.clone()].iter_mut().zip(count) {
            *total += u64::from(more);
        }
    } else {
        for total in &mut columns.count[here.clone()] {
            *total += rows.offsets.len() as u64;
        }
    }
    if SUM {
        let high = columns.sum[here.clone()].iter_mut();
        let low = columns.low[here.clone()].iter_mut();
        for ((high, low), more) in high.zip(low).zip(sum) {
            E::add_compensated(high, low, more);
        }
    }
    if SQUARES {
        for (total, more) in columns.squares[here.clone()].iter_mut().zip(squares) {
            *total = E::add(*total, more);
        }
    }
    if EXTREMES {
        for (smallest, other) in columns.minimum[here.clone()].iter_mut().zip(minimum) {
            *smallest = other.smaller(*smallest);
        }
        for (largest, other) in columns.maximum[here].iter_mut().zip(maximum) {
            *largest = other.larger(*largest);
        }
    }
}
