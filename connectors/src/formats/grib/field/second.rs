//! Products of edition 2: sections 0, 1 and 4, by [`read`].
//!
//! ```text
//!  template      4.0   4.1  4.2  4.5  4.6   4.8    4.9    4.10   4.11   4.12
//!  from octet 35  –    ens  drv  prb  pct   per    prb    pct    ens    drv
//!                                                48 per  36 per  38 per  37 per
//! ```
//! ens: member; drv: derived from all members; prb: probability; pct: percentile; per: period. Templates 4.40 to 4.43 are
//! 4.0, 4.1, 4.8 and 4.11 with two octets more in front, 4.60 and 4.61 are 4.1 and 4.11 of hindcasts.

use graticule_engine::error::{CubeError, CubeResult};

use super::{Product, Statistic};
use crate::formats::grib::level::{Level, surface_value};
use crate::formats::grib::octets::Octets;
use crate::formats::grib::parameters::Code;
use crate::formats::grib::time::{Seconds, Unit, after, moment};

/// What all fields of a message share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::formats::grib) struct Message {
    discipline: u8,
    centre: u16,
    reference: Seconds,
}

impl Message {
    /// `discipline` is octet 7 of section 0, `section` is section 1.
    ///
    /// # Errors
    /// The section is damaged.
    pub(in crate::formats::grib) fn of(discipline: u8, section: Octets<'_>) -> CubeResult<Self> {
        Ok(Self {
            discipline,
            centre: section.unsigned(6, 2)? as u16,
            reference: moment(time(section, 13)?)?,
        })
    }
}

/// Year, month, day, hour, minute and second from octet `first` on.
fn time(section: Octets<'_>, first: usize) -> CubeResult<[u64; 6]> {
    Ok([
        section.unsigned(first, 2)?,
        section.unsigned(first + 2, 1)?,
        section.unsigned(first + 3, 1)?,
        section.unsigned(first + 4, 1)?,
        section.unsigned(first + 5, 1)?,
        section.unsigned(first + 6, 1)?,
    ])
}

/// Where a template has what: octets, `None` for what it lacks.
#[derive(Debug, Clone, Copy, Default)]
struct Template {
    /// Octets in front of the generating process that 4.0 has not.
    shift: usize,
    member: Option<usize>,
    derived: Option<usize>,
    probability: Option<usize>,
    percentile: Option<usize>,
    period: Option<usize>,
}

impl Template {
    fn of(number: u64) -> CubeResult<Self> {
        let base = Self::default();
        let chemical = Self { shift: 2, ..base };
        Ok(match number {
            0 | 7 | 15 => base,
            1 | 60 => Self {
                member: Some(36),
                ..base
            },
            2..=4 => Self {
                derived: Some(35),
                ..base
            },
            5 => Self {
                probability: Some(37),
                ..base
            },
            6 => Self {
                percentile: Some(35),
                ..base
            },
            8 => Self {
                period: Some(35),
                ..base
            },
            9 => Self {
                probability: Some(37),
                period: Some(48),
                ..base
            },
            10 => Self {
                percentile: Some(35),
                period: Some(36),
                ..base
            },
            11 => Self {
                member: Some(36),
                period: Some(38),
                ..base
            },
            12 => Self {
                derived: Some(35),
                period: Some(37),
                ..base
            },
            61 => Self {
                member: Some(36),
                period: Some(45),
                ..base
            },
            40 => chemical,
            41 => Self {
                member: Some(38),
                ..chemical
            },
            42 => Self {
                period: Some(37),
                ..chemical
            },
            43 => Self {
                member: Some(38),
                period: Some(40),
                ..chemical
            },
            other => {
                let cause = format!("it is a product of template 4.{other}");
                return Err(CubeError::unsupported("", cause)
                    .remedy("ask for this template to be read, with a file of it"));
            }
        })
    }
}

/// # Errors
/// A template that is not read, or a damaged section.
pub(in crate::formats::grib) fn read(message: Message, section: Octets<'_>) -> CubeResult<Product> {
    let template = Template::of(section.unsigned(8, 2)?)?;
    let shift = template.shift;
    let (level, surfaces) = Level::of_second(section, 23 + shift)?;
    // With a sign: what was before the reference time.
    let forecast = section.signed(19 + shift, 4)?;
    let start = match forecast {
        0 => message.reference,
        count => {
            let unit = Unit::of(section.octet(18 + shift)?, false)?;
            after(message.reference, count, unit)?
        }
    };
    let (valid, statistic) = match template.period {
        None => (start, None),
        Some(first) => period(section, first, start)?,
    };
    let code = Code::Second {
        discipline: message.discipline,
        category: section.octet(10)?,
        number: section.octet(11)?,
        centre: message.centre,
        surfaces,
        value: surface_value(section, 24 + shift)?,
        statistic: statistic.map(|statistic| statistic.code),
    };
    let mut parameter = code.parameter();
    if shift > 0 {
        // The tables know the quantity, but not of which constituent it is.
        let constituent = section.unsigned(12, 2)?;
        parameter.name = format!("{}_{constituent}", parameter.name);
    }
    let number = template.member.map(|octet| section.unsigned(octet, 1));
    Ok(Product {
        parameter,
        derived: derived(section, template)?,
        level,
        reference: message.reference,
        valid,
        statistic,
        number: number.transpose()?,
        centre: message.centre,
    })
}

/// The end of the period that is described from octet `first` on, and what was done to its values.
fn period(
    section: Octets<'_>,
    first: usize,
    start: Seconds,
) -> CubeResult<(Seconds, Option<Statistic>)> {
    let code = section.octet(first + 12)?;
    let end = match moment(time(section, first)?) {
        Ok(end) if end >= start => end,
        // Not every file says when the period ends: some have zeros there, which are a time of the year 0.
        _ => {
            let unit = Unit::of(section.octet(first + 14)?, false)?;
            after(start, section.signed(first + 15, 4)?, unit)?
        }
    };
    let statistic = Statistic {
        code,
        seconds: end - start,
    };
    Ok((end, Some(statistic)))
}

/// What values say of an ensemble, as the end of a name.
fn derived(section: Octets<'_>, template: Template) -> CubeResult<Option<String>> {
    if let Some(octet) = template.derived {
        // Code table 4.7.
        return Ok(Some(match section.octet(octet)? {
            0 => "mean".to_string(),
            1 => "weighted_mean".to_string(),
            2 | 3 => "standard_deviation".to_string(),
            4 => "spread".to_string(),
            6 => "cluster_mean".to_string(),
            7 => "interquartile_range".to_string(),
            8 => "minimum".to_string(),
            9 => "maximum".to_string(),
            other => format!("derived_{other}"),
        }));
    }
    if let Some(octet) = template.percentile {
        return Ok(Some(format!("percentile_{}", section.octet(octet)?)));
    }
    let Some(octet) = template.probability else {
        return Ok(None);
    };
    let limit = |first: usize| -> CubeResult<String> {
        let value = surface_value(section, first)?.unwrap_or_default();
        Ok(value.to_string().replace('.', "_").replace('-', "minus_"))
    };
    let (lower, upper) = (octet + 1, octet + 6);
    // Code table 4.9.
    Ok(Some(match section.octet(octet)? {
        0 => format!("probability_below_{}", limit(lower)?),
        1 => format!("probability_above_{}", limit(upper)?),
        2 => format!("probability_{}_to_{}", limit(lower)?, limit(upper)?),
        3 => format!("probability_above_{}", limit(lower)?),
        4 => format!("probability_below_{}", limit(upper)?),
        other => format!("probability_{other}"),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ends_of_periods() {
        let start = moment([2024, 2, 29, 6, 0, 0]).unwrap();
        // Year, month, day, hour, minute and second, and the hours that are expected.
        let cases: [([u8; 7], i64); 5] = [
            ([7, 232, 2, 29, 12, 0, 0], 6),
            ([7, 232, 2, 29, 6, 0, 0], 0),
            // Three hours are what else is said.
            ([0; 7], 3),
            ([255; 7], 3),
            ([7, 232, 2, 29, 0, 0, 0], 3),
        ];
        for (end, hours) in cases {
            let mut octets = end.to_vec();
            // One span, nothing missing, a sum, of this kind of times, three hours.
            octets.extend([1, 0, 0, 0, 0, 1, 2, 1, 0, 0, 0, 3]);
            let (found, statistic) = period(Octets::of(&octets, "section 4"), 1, start).unwrap();
            assert_eq!(found - start, hours * 3600, "{end:?}");
            let expected = Statistic {
                code: 1,
                seconds: hours * 3600,
            };
            assert_eq!(statistic, Some(expected), "{end:?}");
        }
    }
}
