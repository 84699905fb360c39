//! Values of edition 2: section 5 says how they are packed, section 6 which points they are at, section 7 has them.

use graticule_engine::error::{CubeError, CubeResult};

use super::bits::Bits;
use super::complex::Complex;
use super::{Cells, Layout, Scaling, bitmap, codecs, count, png, spread};
use crate::formats::grib::damaged;
use crate::formats::grib::octets::Octets;

/// Values of section 6's octet 6: the bitmap follows; there is none.
const BITMAP: u8 = 0;
const NO_BITMAP: u8 = 255;
/// A bitmap that stood in front of an earlier field of the message; its section has been fetched instead.
const EARLIER_BITMAP: u8 = 254;

/// `bytes` are the sections 5, 6 and 7.
pub(super) fn unpack(bytes: &[u8], layout: Layout) -> CubeResult<Cells> {
    let (packing, bytes) = section(bytes, 5)?;
    let (map, bytes) = section(bytes, 6)?;
    let (data, _) = section(bytes, 7)?;
    let present = match map.octet(6)? {
        NO_BITMAP => None,
        BITMAP => Some(bitmap(map.from(7)?, layout.points).map_err(damaged)?),
        EARLIER_BITMAP => {
            return Err(damaged(
                "its bitmap is that of an earlier field, and there is none",
            ));
        }
        number => {
            let cause =
                format!("its bitmap is number {number} of its centre's, which is not in the file");
            return Err(CubeError::unsupported("", cause)
                .remedy("write it again with a bitmap in each message"));
        }
    };
    let stored = packing.count(6, 4)?;
    let expected = present.as_deref().map_or(layout.points, count);
    if stored != expected {
        return Err(damaged(format!(
            "it has {stored} values for {expected} points"
        )));
    }
    let mut cells = values(packing, data.from(6)?, stored)?;
    let inner = cells.present.take();
    let mut cells = spread(cells.values, present).map_err(damaged)?;
    if let Some(inner) = inner {
        hide(&mut cells, &inner);
    }
    Ok(cells)
}

/// Leaves out those of the stored values that are marked as missing among them.
fn hide(cells: &mut Cells, inner: &[bool]) {
    let points = cells.values.len();
    let present = cells.present.get_or_insert_with(|| vec![true; points]);
    let stored = present.iter_mut().filter(|is_there| **is_there);
    for (is_there, inner) in stored.zip(inner) {
        *is_there = *inner;
    }
}

/// The section `number` at the beginning of `bytes`, and what follows.
fn section(bytes: &[u8], number: u8) -> CubeResult<(Octets<'_>, &[u8])> {
    let name = match number {
        5 => "section 5",
        6 => "section 6",
        _ => "section 7",
    };
    let head = Octets::of(bytes, name);
    let length = head.count(1, 4)?;
    if head.octet(5)? != number || length > bytes.len() {
        return Err(damaged(format!("its {name} is not where it should be")));
    }
    let (section, rest) = bytes.split_at(length);
    Ok((Octets::of(section, name), rest))
}

fn values(packing: Octets<'_>, data: &[u8], count: usize) -> CubeResult<Cells> {
    // Where all points are missing there may be no image, or one without pixels and as wide as it likes.
    if count == 0 {
        return Ok(all(Vec::new()));
    }
    let template = packing.unsigned(10, 2)?;
    if template == 4 {
        return floats(data, count, packing.octet(12)?);
    }
    let scaling = || -> CubeResult<Scaling> {
        let (binary, decimal) = (packing.signed(16, 2)?, packing.signed(18, 2)?);
        Ok(Scaling::of(packing.float(12)?, binary, decimal))
    };
    let width = || packing.octet(20).map(u32::from);
    let numbers = match template {
        0 | 61 => {
            let mut values = Vec::new();
            let scaling = scaling()?;
            Bits::of(data)
                .extend(&mut values, width()?, count, |n| scaling.value(n as f64))
                .map_err(damaged)?;
            // Logarithms, of values to which a number was added so that they were positive.
            if template == 61 {
                let added = packing.float(21)?;
                values
                    .iter_mut()
                    .for_each(|value| *value = value.exp() - added);
            }
            return Ok(all(values));
        }
        2 | 3 => {
            let complex = Complex::of(packing, template == 3)?;
            let numbers = complex.numbers(data, count).map_err(damaged)?;
            let scaling = scaling()?;
            return Ok(numbers.scaled(scaling));
        }
        // No bits: all values are the reference.
        40 | 41 | 42 | 40000 | 40010 if width()? == 0 => vec![0; count],
        40 | 40000 => codecs::jpeg2000(data, count).map_err(damaged)?,
        41 | 40010 => png::samples(data, count)
            .map_err(|cause| damaged(format!("its PNG image cannot be decoded: {cause}")))?,
        42 => {
            let interval = packing.unsigned(24, 2)?;
            let [flags, block] = [packing.octet(22)?, packing.octet(23)?];
            codecs::ccsds(data, count, width()?, flags, block, interval).map_err(damaged)?
        }
        50 | 51 | 53 => {
            let cause = "its values are coefficients of waves, not values at places";
            return Err(CubeError::unsupported("", cause)
                .remedy("transform it first, for example with `cdo sp2gp`"));
        }
        template => {
            let cause =
                format!("its values are packed as data representation template 5.{template} says");
            return Err(CubeError::unsupported("", cause).remedy(
                "pack it in another way, for example with `grib_set -r -w packingType=grid_ccsds`",
            ));
        }
    };
    let scaling = scaling()?;
    let values = numbers
        .iter()
        .map(|number| scaling.value(f64::from(*number)));
    Ok(all(values.collect()))
}

fn all(values: Vec<f64>) -> Cells {
    Cells {
        values,
        present: None,
    }
}

/// Floats of IEEE 754: code table 5.7 gives their size.
fn floats(data: &[u8], count: usize, precision: u8) -> CubeResult<Cells> {
    let mut values = Vec::new();
    let mut bits = Bits::of(data);
    match precision {
        1 => bits
            .extend(&mut values, 32, count, |n| {
                f64::from(f32::from_bits(n as u32))
            })
            .map_err(damaged)?,
        2 => {
            let doubles = data.chunks_exact(8).take(count);
            let double = |bytes: &[u8]| bytes.try_into().map_or(0.0, f64::from_be_bytes);
            values.extend(doubles.map(double));
            if values.len() < count {
                return Err(damaged(super::bits::TOO_SHORT));
            }
        }
        other => {
            let cause = format!("its floats have the precision {other}, neither 32 nor 64 bits");
            return Err(CubeError::unsupported("", cause).remedy("write it with fewer bits"));
        }
    }
    Ok(all(values))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fields_without_values() {
        // No pixels, in lines of 4 GiB.
        let mut image = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        image.extend([255, 255, 255, 255, 0, 0, 0, 0, 8, 0, 0, 0, 0]);
        for template in [0, 2, 3, 4, 40, 41, 42, 61] {
            let contents: [&[u8]; 2] = [&[], &image];
            for data in contents {
                let mut bytes = vec![0, 0, 0, 21, 5, 0, 0, 0, 0, 0, template];
                bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 8, 0]);
                // Twelve points, none of which is there.
                bytes.extend([0, 0, 0, 8, 6, 0, 0, 0]);
                bytes.extend([0, 0, 0, 5 + data.len() as u8, 7]);
                bytes.extend(data);
                let layout = Layout { points: 12, row: 4 };
                let cells = unpack(&bytes, layout).unwrap();
                assert_eq!(cells.values, [0.0; 12], "{template}");
                assert_eq!(cells.present, Some(vec![false; 12]), "{template}");
            }
        }
    }
}
