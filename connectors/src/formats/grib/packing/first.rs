//! Values of edition 1: the bitmap section and the binary data section.

use graticule_engine::error::{CubeError, CubeResult};

use super::bits::Bits;
use super::second_order::SecondOrder;
use super::{Cells, Layout, Scaling, bitmap, count, spread};
use crate::formats::grib::damaged;
use crate::formats::grib::octets::Octets;

/// Flags in octet 4 of the data section.
const SPHERICAL_HARMONICS: u8 = 0x80;
const NOT_SIMPLE: u8 = 0x40;

/// `bytes` are the bitmap section, where there is one, and the data section.
pub(super) fn unpack(
    bytes: &[u8],
    has_bitmap: bool,
    decimal_scale: i32,
    layout: Layout,
) -> CubeResult<Cells> {
    let mut rest = Octets::of(bytes, "bitmap section");
    let mut present = None;
    if has_bitmap {
        let length = rest.count(1, 3)?;
        if rest.unsigned(5, 2)? != 0 {
            let cause = "its bitmap is one of its centre's, which is not in the file";
            return Err(CubeError::unsupported("", cause)
                .remedy("write it again with a bitmap in each message"));
        }
        let end = length.clamp(6, rest.len());
        present = Some(bitmap(&bytes[6..end], layout.points).map_err(damaged)?);
        rest = Octets::of(&bytes[end..], "data section");
    }
    let coded = coded(rest, decimal_scale, layout, present.as_deref())?;
    let is_alternating = coded.is_alternating;
    let mut cells = spread(coded.values, present).map_err(damaged)?;
    if is_alternating {
        turn_odd_rows(&mut cells.values, layout.row);
    }
    Ok(cells)
}

/// The values that are stored.
struct Coded {
    values: Vec<f64>,
    /// Does every other row run backwards?
    is_alternating: bool,
}

fn coded(
    section: Octets<'_>,
    decimal_scale: i32,
    layout: Layout,
    present: Option<&[bool]>,
) -> CubeResult<Coded> {
    let length = match section.count(1, 3)? {
        // Of a message with more octets than three can count: a correction of its length, not the section's own.
        0..120 => section.len(),
        length => length.min(section.len()),
    };
    let section = Octets::of(&section.from(1)?[..length], "data section");
    let flags = section.octet(4)?;
    if flags & SPHERICAL_HARMONICS != 0 {
        let cause = "its values are coefficients of spherical harmonics, not values at places";
        return Err(CubeError::unsupported("", cause)
            .remedy("transform it first, for example with `cdo sp2gp`"));
    }
    let scaling = Scaling::of(
        section.ibm_float(7)?,
        section.signed(5, 2)?,
        i64::from(decimal_scale),
    );
    let width = u32::from(section.octet(11)?);
    let stored = present.map_or(layout.points, count);
    if flags & NOT_SIMPLE != 0 {
        let packed = SecondOrder::of(section, width)?;
        let numbers = packed.numbers(layout, present).map_err(damaged)?;
        return Ok(Coded {
            is_alternating: packed.is_alternating(),
            values: numbers
                .into_iter()
                .map(|number| scaling.value(number as f64))
                .collect(),
        });
    }
    let mut values = Vec::new();
    Bits::of(section.from(12)?)
        .extend(&mut values, width, stored, |number| {
            scaling.value(number as f64)
        })
        .map_err(damaged)?;
    Ok(Coded {
        values,
        is_alternating: false,
    })
}

fn turn_odd_rows(values: &mut [f64], row: usize) {
    if row > 0 {
        let rows = values.chunks_mut(row);
        rows.skip(1).step_by(2).for_each(<[f64]>::reverse);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lengths_that_correct_that_of_the_message() {
        let layout = Layout {
            points: 150,
            row: 150,
        };
        // The section has 161 octets.
        for length in [161_u32, 0, 7, 119, 0xff_ffff] {
            let mut section = length.to_be_bytes()[1..].to_vec();
            section.extend([0, 0, 0, 0, 0, 0, 0, 8]);
            section.extend(0..150);
            let cells = unpack(&section, false, 0, layout).unwrap();
            let expected: Vec<f64> = (0..150).map(f64::from).collect();
            assert_eq!(cells.values, expected, "{length}");
        }
    }
}
