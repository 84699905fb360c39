//! Second-order packing of edition 1: groups of numbers, each with a first-order value that is added to all.
//!
//! ```text
//!                       widths                          lengths of groups        starts of groups
//!  row by row           one each, from octet 22         a row of the grid        –
//!  general              one each, from octet 22         –                        a bit per number
//!  constant width       one, octet 22                   –                        a bit per number
//!  general extended     one each, of few bits           one each, of few bits    –
//! ```
//! The last may be of differences of first to third order, and is what ECMWF wrote. Sources: WMO-No. 306, FM 92-XI
//! Ext. GRIB, section 4; ecCodes' definitions of `data.grid_second_order*`, for what the standard leaves open.

use graticule_engine::error::{CubeError, CubeResult};

use super::Layout;
use super::bits::{Bits, TOO_SHORT};
use crate::formats::grib::octets::Octets;

/// Flags in octet 14.
const MATRIX: u8 = 0x40;
const SECONDARY_BITMAP: u8 = 0x20;
const DIFFERENT_WIDTHS: u8 = 0x10;
const EXTENDED: u8 = 0x08;
const ALTERNATING: u8 = 0x04;
const ORDER: u8 = 0x03;

/// The numbers of a data section.
#[derive(Debug)]
pub(super) struct SecondOrder<'a> {
    section: Octets<'a>,
    flags: u8,
    /// Bits of a first-order value.
    width: u32,
    groups: usize,
    /// Octets at which first-order and second-order values begin.
    first: usize,
    second: usize,
    /// Second-order values.
    packed: usize,
}

/// Groups, in the order in which they are stored.
struct Groups<'a> {
    widths: Vec<u64>,
    lengths: Vec<usize>,
    firsts: Vec<u64>,
    rest: Bits<'a>,
}

impl<'a> SecondOrder<'a> {
    pub(super) fn of(section: Octets<'a>, width: u32) -> CubeResult<Self> {
        let flags = section.octet(14)?;
        if flags & MATRIX != 0 {
            let cause = "it has a matrix of values at each point";
            return Err(CubeError::unsupported("", cause).remedy("take the matrices apart first"));
        }
        Ok(Self {
            flags,
            width,
            first: section.count(12, 2)?,
            second: section.count(15, 2)?,
            // Octet 21 is ecCodes' extension for more groups than two octets can count.
            groups: section.count(17, 2)? + 65536 * section.count(21, 1)?,
            packed: section.count(19, 2)?,
            section,
        })
    }

    /// Does every other row run backwards?
    pub(super) fn is_alternating(&self) -> bool {
        self.flags & ALTERNATING != 0
    }

    pub(super) fn numbers(
        &self,
        layout: Layout,
        present: Option<&[bool]>,
    ) -> Result<Vec<i64>, String> {
        let stored = present.map_or(layout.points, super::count);
        if self.flags & EXTENDED != 0 {
            return self.extended(stored);
        }
        let groups = match self.flags & SECONDARY_BITMAP {
            0 => self.row_by_row(layout, present)?,
            _ => self.with_starts()?,
        };
        groups.numbers(stored, 0)
    }

    fn from(&self, octet: usize) -> Result<&'a [u8], String> {
        self.section.from(octet).map_err(|_| TOO_SHORT.to_string())
    }

    /// Widths of groups, and the octet behind them.
    fn widths(&self) -> Result<(Vec<u64>, usize), String> {
        let mut bits = Bits::of(self.from(22)?);
        match self.flags & DIFFERENT_WIDTHS {
            0 => {
                let width = bits.number(8)?;
                bits.holds(0, self.groups)?;
                // A group has a first-order value, so that there are no more than fit.
                Bits::of(self.from(self.first)?).holds(self.width, self.groups)?;
                Ok((vec![width; self.groups], 23))
            }
            _ => Ok((bits.numbers(8, self.groups)?, 22 + self.groups)),
        }
    }

    fn row_by_row(&self, layout: Layout, present: Option<&[bool]>) -> Result<Groups<'a>, String> {
        if layout.row == 0 {
            return Err("it is packed row by row, and its rows differ in length".to_string());
        }
        let lengths = match present {
            None => vec![layout.row; layout.points / layout.row],
            Some(present) => present.chunks(layout.row).map(super::count).collect(),
        };
        if lengths.len() != self.groups {
            let (groups, rows) = (self.groups, lengths.len());
            return Err(format!("it has {groups} groups for {rows} rows"));
        }
        Ok(Groups {
            widths: self.widths()?.0,
            lengths,
            firsts: Bits::of(self.from(self.first)?).numbers(self.width, self.groups)?,
            rest: Bits::of(self.from(self.second)?),
        })
    }

    /// Groups begin where a bit is set.
    fn with_starts(&self) -> Result<Groups<'a>, String> {
        let (widths, next) = self.widths()?;
        let starts = Bits::of(self.from(next)?).numbers(1, self.packed)?;
        let mut lengths: Vec<usize> = Vec::new();
        for start in starts {
            match lengths.last_mut() {
                Some(length) if start == 0 => *length += 1,
                _ => lengths.push(1),
            }
        }
        if lengths.len() != self.groups {
            let (groups, starts) = (self.groups, lengths.len());
            return Err(format!("it has {groups} groups, and {starts} begin"));
        }
        Ok(Groups {
            widths,
            lengths,
            firsts: Bits::of(self.from(self.first)?).numbers(self.width, self.groups)?,
            rest: Bits::of(self.from(self.second)?),
        })
    }

    fn extended(&self, stored: usize) -> Result<Vec<i64>, String> {
        let mut bits = Bits::of(self.from(22)?);
        let width_of_widths = bits.number(8)? as u32;
        let width_of_lengths = bits.number(8)? as u32;
        // Where the lengths begin: they follow the widths.
        bits.number(16)?;
        let order = usize::from(self.flags & ORDER);
        let mut initial = Vec::new();
        let mut bias = 0;
        if order > 0 {
            let width = bits.number(8)? as u32;
            initial = bits.numbers(width, order)?;
            let stored = bits.number(width)?;
            // Its first bit is its sign.
            let sign = 1_u64.checked_shl(width.saturating_sub(1)).unwrap_or(0);
            let size = (stored & !sign) as i64;
            bias = if stored & sign == 0 { size } else { -size };
            bits.align();
        }
        // Each group has a value at least, but its entries may have no bits at all.
        if self.groups > stored {
            return Err(format!("it has {} groups for {stored} values", self.groups));
        }
        let widths = bits.numbers(width_of_widths, self.groups)?;
        bits.align();
        let lengths = bits.numbers(width_of_lengths, self.groups)?;
        bits.align();
        let firsts = bits.numbers(self.width, self.groups)?;
        bits.align();
        let groups = Groups {
            widths,
            lengths: lengths.into_iter().map(|length| length as usize).collect(),
            firsts,
            rest: bits,
        };
        let mut numbers = groups.numbers(stored, order)?;
        for (number, first) in numbers.iter_mut().zip(&initial) {
            *number = *first as i64;
        }
        sum_up(&mut numbers, order, bias);
        Ok(numbers)
    }
}

impl Groups<'_> {
    /// The numbers of all groups, `count` of them, behind `leading` zeros.
    fn numbers(mut self, count: usize, leading: usize) -> Result<Vec<i64>, String> {
        let total = self
            .lengths
            .iter()
            .fold(leading, |total, length| total.saturating_add(*length));
        if total != count {
            return Err(format!(
                "its groups have {total} values, and it has {count}"
            ));
        }
        let mut numbers = vec![0; leading];
        for ((width, length), first) in self.widths.iter().zip(&self.lengths).zip(&self.firsts) {
            let width = u32::try_from(*width).unwrap_or(u32::MAX);
            self.rest.extend(&mut numbers, width, *length, |number| {
                (first.wrapping_add(number)) as i64
            })?;
        }
        Ok(numbers)
    }
}

/// Undoes differences: those of an order become those of the one below, until they are numbers.
fn sum_up(numbers: &mut [i64], order: usize, bias: i64) {
    if order == 0 || numbers.len() < order {
        return;
    }
    // The last number, the last difference, the last difference of differences, …
    let mut sums = Vec::new();
    let mut level = numbers[..order].to_vec();
    while let Some(last) = level.last() {
        sums.push(*last);
        let pairs = level.windows(2);
        level = pairs.map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    }
    for number in &mut numbers[order..] {
        let mut step = number.wrapping_add(bias);
        for sum in sums.iter_mut().rev() {
            *sum = sum.wrapping_add(step);
            step = *sum;
        }
        *number = step;
    }
}
