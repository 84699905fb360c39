//! Complex packing of edition 2 (templates 5.2 and 5.3): groups of numbers, possibly of differences.
//!
//! ```text
//!  section 7   first numbers and the least difference (5.3) │ references │ widths │ lengths │ numbers of all groups
//! ```
//! A number is its group's reference plus what is stored for it. The highest number of a width, and the one below, may
//! stand for missing values.

use graticule_engine::error::{CubeError, CubeResult};

use super::bits::Bits;
use super::{Cells, Scaling};
use crate::formats::grib::octets::Octets;

/// What section 5 says.
#[derive(Debug)]
pub(super) struct Complex {
    width: u32,
    /// How many of the highest numbers stand for missing values.
    missing: u64,
    groups: usize,
    least_width: u64,
    width_of_widths: u32,
    least_length: u64,
    length_step: u64,
    last_length: usize,
    width_of_lengths: u32,
    /// Order of differences; 0 for none.
    order: usize,
    /// Octets of each of the numbers that differences begin with.
    octets: usize,
}

/// Numbers, and which of them there are.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    numbers: Vec<i64>,
    present: Option<Vec<bool>>,
}

impl Numbers {
    pub(super) fn scaled(self, scaling: Scaling) -> Cells {
        let values = self.numbers.iter().map(|n| scaling.value(*n as f64));
        Cells {
            values: values.collect(),
            present: self.present,
        }
    }
}

impl Complex {
    pub(super) fn of(section: Octets<'_>, has_differences: bool) -> CubeResult<Self> {
        let missing = section.octet(23)?;
        let (order, octets) = match has_differences {
            true => (section.octet(48)?, section.count(49, 1)?),
            false => (0, 0),
        };
        if missing > 2 || order > 2 || octets > 7 {
            let cause = format!(
                "its complex packing has missing values of kind {missing} and differences of order {order} with \
                 {octets} octets"
            );
            return Err(CubeError::unsupported("", cause).remedy(
                "pack it in another way, for example with `grib_set -r -w packingType=grid_simple`",
            ));
        }
        Ok(Self {
            width: u32::from(section.octet(20)?),
            missing: u64::from(missing),
            groups: section.count(32, 4)?,
            least_width: section.unsigned(36, 1)?,
            width_of_widths: u32::from(section.octet(37)?),
            least_length: section.unsigned(38, 4)?,
            length_step: section.unsigned(42, 1)?,
            last_length: section.count(43, 4)?,
            width_of_lengths: u32::from(section.octet(47)?),
            order: usize::from(order),
            octets,
        })
    }

    pub(super) fn numbers(&self, data: &[u8], count: usize) -> Result<Numbers, String> {
        if self.groups == 0 {
            return Ok(Numbers {
                numbers: vec![0; count],
                present: None,
            });
        }
        // Each group has a value at least, but its entries may have no bits at all.
        if self.groups > count {
            return Err(format!("it has {} groups for {count} values", self.groups));
        }
        let mut bits = Bits::of(data);
        let width_of_initial = 8 * self.octets as u32;
        let mut initial = Vec::new();
        let mut least = 0;
        if self.order > 0 && self.octets > 0 {
            let signed = |number: u64| {
                let sign = 1 << (width_of_initial - 1);
                let size = (number & !sign) as i64;
                if number & sign == 0 { size } else { -size }
            };
            for number in bits.numbers(width_of_initial, self.order)? {
                initial.push(signed(number));
            }
            least = signed(bits.number(width_of_initial)?);
        }
        let references = bits.numbers(self.width, self.groups)?;
        bits.align();
        let widths = bits.numbers(self.width_of_widths, self.groups)?;
        bits.align();
        let lengths = self.lengths(&mut bits, count)?;
        bits.align();
        let mut found = Numbers::default();
        if self.missing > 0 {
            found.present = Some(Vec::with_capacity(count));
        }
        for ((reference, width), length) in references.into_iter().zip(widths).zip(lengths) {
            let width = width.saturating_add(self.least_width);
            let width = u32::try_from(width).unwrap_or(u32::MAX);
            self.read_group(&mut bits, reference, width, length, &mut found)?;
        }
        if self.order > 0 {
            found.sum_up(self.order, &initial, least);
        }
        Ok(found)
    }

    /// Lengths of all groups; together they are `count`.
    fn lengths(&self, bits: &mut Bits<'_>, count: usize) -> Result<Vec<usize>, String> {
        let scaled = bits.numbers(self.width_of_lengths, self.groups)?;
        let length = |scaled: u64| {
            let length = scaled.saturating_mul(self.length_step);
            usize::try_from(length.saturating_add(self.least_length)).unwrap_or(usize::MAX)
        };
        let mut lengths: Vec<usize> = scaled.into_iter().map(length).collect();
        if let Some(last) = lengths.last_mut() {
            *last = self.last_length;
        }
        let total = lengths
            .iter()
            .fold(0_usize, |sum, n| sum.saturating_add(*n));
        match total == count {
            true => Ok(lengths),
            false => Err(format!(
                "its groups have {total} values, and it has {count}"
            )),
        }
    }

    fn read_group(
        &self,
        bits: &mut Bits<'_>,
        reference: u64,
        width: u32,
        length: usize,
        found: &mut Numbers,
    ) -> Result<(), String> {
        let start = found.numbers.len();
        bits.extend(&mut found.numbers, width, length, |number| {
            reference.wrapping_add(number) as i64
        })?;
        let Some(present) = &mut found.present else {
            return Ok(());
        };
        // Without numbers of its own, a group's reference tells whether all of it is missing.
        let (width, stored) = match width {
            0 => (self.width, 0),
            width => (width, reference),
        };
        let highest = 1_u64.checked_shl(width).unwrap_or(0).wrapping_sub(1);
        let is_there = |number: &i64| {
            let number = (*number as u64).wrapping_sub(stored);
            width == 0 || !(0..self.missing).any(|below| number == highest.wrapping_sub(below))
        };
        present.extend(found.numbers[start..].iter().map(is_there));
        Ok(())
    }
}

impl Numbers {
    /// Undoes differences of first or second order; missing values have none.
    fn sum_up(&mut self, order: usize, initial: &[i64], least: i64) {
        let (mut last, mut difference) = (0_i64, 0_i64);
        let mut initial = initial.iter();
        for (at, number) in self.numbers.iter_mut().enumerate() {
            let present = self.present.as_ref();
            if present.is_some_and(|present| present.get(at) == Some(&false)) {
                continue;
            }
            match initial.next() {
                Some(first) => {
                    difference = first.wrapping_sub(last);
                    last = *first;
                }
                None => {
                    let step = number.wrapping_add(least);
                    difference = match order {
                        1 => step,
                        _ => difference.wrapping_add(step),
                    };
                    last = last.wrapping_add(difference);
                }
            }
            *number = last;
        }
    }
}
