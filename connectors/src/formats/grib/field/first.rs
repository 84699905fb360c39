//! Products of edition 1: the product definition section, by [`read`].

use graticule_engine::error::CubeResult;

use super::{Product, Statistic};
use crate::formats::grib::level::Level;
use crate::formats::grib::octets::Octets;
use crate::formats::grib::parameters::Code;
use crate::formats::grib::time::{Seconds, Unit, after, moment};

/// The code of ECMWF in table 0.
const ECMWF: u8 = 98;

/// What the section says of the others.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::formats::grib) struct First {
    pub(in crate::formats::grib) product: Product,
    pub(in crate::formats::grib) has_grid: bool,
    pub(in crate::formats::grib) has_bitmap: bool,
    pub(in crate::formats::grib) decimal_scale: i32,
}

/// # Errors
/// The section is damaged.
pub(in crate::formats::grib) fn read(section: Octets<'_>) -> CubeResult<First> {
    let flags = section.octet(8)?;
    let code = Code::First {
        table: section.octet(4)?,
        number: section.octet(9)?,
        level_type: section.octet(10)?,
        level: section.unsigned(11, 2)?,
    };
    let reference = moment([
        (section.unsigned(25, 1)?.max(1) - 1) * 100 + section.unsigned(13, 1)?,
        section.unsigned(14, 1)?,
        section.unsigned(15, 1)?,
        section.unsigned(16, 1)?,
        section.unsigned(17, 1)?,
        0,
    ])?;
    let (valid, statistic) = period(section, reference)?;
    Ok(First {
        product: Product {
            parameter: code.parameter(),
            derived: None,
            level: Level::of_first(section)?,
            reference,
            valid,
            statistic,
            number: number(section)?,
            centre: u16::from(section.octet(5)?),
        },
        has_grid: flags & 0x80 != 0,
        has_bitmap: flags & 0x40 != 0,
        decimal_scale: section.signed(27, 2)? as i32,
    })
}

/// The valid time, and the period of which the values are: table 5.
fn period(section: Octets<'_>, reference: Seconds) -> CubeResult<(Seconds, Option<Statistic>)> {
    let indicator = section.octet(21)?;
    let [one, two] = [
        section.unsigned(19, 1)? as i64,
        section.unsigned(20, 1)? as i64,
    ];
    // Files without a forecast need not have a unit that is known.
    let at = |count: i64| match count {
        0 => Ok(reference),
        count => after(reference, count, Unit::of(section.octet(18)?, true)?),
    };
    let code = match indicator {
        1 => return Ok((reference, None)),
        2 => return Ok((at(two)?, None)),
        10 => return Ok((at(one * 256 + two)?, None)),
        3 => 0,
        4 => 1,
        5 => 4,
        _ => return Ok((at(one)?, None)),
    };
    let (start, end) = (at(one)?, at(two)?);
    let statistic = Statistic {
        code,
        seconds: end - start,
    };
    Ok((end, Some(statistic)))
}

/// The member of the ensemble, which is in ECMWF's own part of the section.
fn number(section: Octets<'_>) -> CubeResult<Option<u64>> {
    if section.len() < 51 || ![section.octet(5)?, section.octet(26)?].contains(&ECMWF) {
        return Ok(None);
    }
    let number = match section.octet(41)? {
        // Analyses have no ensemble: there is no member of none.
        1 | 18 | 26 | 27 | 30 | 36 | 40 if section.octet(51)? != 0 => section.unsigned(50, 1)?,
        15 | 16 | 23 => section.unsigned(50, 2)?,
        _ => return Ok(None),
    };
    Ok(Some(number))
}
