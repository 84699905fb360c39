//! The options of a cube that concern its conventions.

use crate::cube::decoding::DecodingRules;
use crate::error::{CubeError, CubeResult};
use crate::source::Options;

/// Options that [`super::interpret`] reads, with one line of documentation each. Formats have their
/// own: whoever takes options from a user rejects names that neither knows.
pub const INTERPRET_OPTIONS: &[(&str, &str)] = &[
    (
        "longitudes",
        "'-180..180' or '0..360': the range to which longitude coordinates are mapped",
    ),
    (
        "drop_variables",
        "names of variables to leave out, separated by commas",
    ),
    (
        "decode_cf",
        "'false' gives numbers as they are stored: no mask, no scaling, no times",
    ),
    (
        "mask_and_scale",
        "'false' neither masks missing values nor applies scale_factor and add_offset",
    ),
    (
        "decode_times",
        "'false' gives times as the numbers that count their units",
    ),
    (
        VERSION,
        "a branch, a tag or an identifier: which version is meant of cubes whose format keeps several",
    ),
];

/// The option that the catalogue makes [`Location::as_of`](crate::source::Location::as_of) of.
pub(crate) const VERSION: &str = "version";

/// The range to which longitudes are mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Longitudes {
    /// -180 to 180 degrees east.
    Signed,
    /// 0 to 360 degrees east.
    Positive,
}

impl Longitudes {
    /// The same meridian in this range. Values that are inside stay untouched, also both ends.
    pub(super) fn map(self, degrees: f64) -> f64 {
        let (lowest, highest) = match self {
            Longitudes::Signed => (-180.0, 180.0),
            Longitudes::Positive => (0.0, 360.0),
        };
        if (lowest..=highest).contains(&degrees) || !degrees.is_finite() {
            degrees
        } else {
            (degrees - lowest).rem_euclid(360.0) + lowest
        }
    }
}

/// The options, read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    pub(super) longitudes: Option<Longitudes>,
    pub(super) drop_variables: Vec<String>,
    pub(super) rules: DecodingRules,
}

impl Reading {
    /// # Errors
    /// A value that its option does not have.
    pub(super) fn parse(options: &Options) -> CubeResult<Reading> {
        let longitudes = match options
            .get("longitudes")
            .map(|value| value.replace(' ', ""))
        {
            None => None,
            Some(range) if range == "-180..180" => Some(Longitudes::Signed),
            Some(range) if range == "0..360" => Some(Longitudes::Positive),
            Some(other) => return Err(wrong("longitudes", &other, "'-180..180' or '0..360'")),
        };
        let names = options.get("drop_variables").map_or("", String::as_str);
        let names = names.split(',').map(str::trim);
        let decode_cf = truth(options, "decode_cf")?;
        Ok(Reading {
            longitudes,
            drop_variables: names
                .filter(|n| !n.is_empty())
                .map(str::to_string)
                .collect(),
            rules: DecodingRules {
                mask_and_scale: truth(options, "mask_and_scale")? && decode_cf,
                times: truth(options, "decode_times")? && decode_cf,
            },
        })
    }
}

fn truth(options: &Options, name: &str) -> CubeResult<bool> {
    let Some(value) = options.get(name) else {
        return Ok(true);
    };
    match value.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(wrong(name, value, "'true' or 'false'")),
    }
}

fn wrong(option: &str, value: &str, valid: &str) -> CubeError {
    let cause = format!("the option {option} cannot be '{value}'");
    CubeError::invalid("", cause).remedy(format!("use {valid}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_are_checked() {
        let read = |name: &str, value: &str| {
            Reading::parse(&Options::from([(name.to_string(), value.to_string())]))
        };
        assert_eq!(
            read("longitudes", "0 .. 360").unwrap().longitudes,
            Some(Longitudes::Positive)
        );
        assert!(!read("decode_cf", "FALSE").unwrap().rules.times);
        assert!(read("decode_times", "off").unwrap().rules.mask_and_scale);
        assert_eq!(
            read("drop_variables", "a, b,").unwrap().drop_variables,
            ["a", "b"]
        );
        for (name, value) in [("longitudes", "180"), ("decode_cf", "maybe")] {
            let message = read(name, value).unwrap_err().to_string();
            assert!(
                message.contains(name) && message.contains(value),
                "{message}"
            );
        }
    }

    #[test]
    fn meridians_stay_where_they_are() {
        let cases = [
            (Longitudes::Signed, 190.0, -170.0),
            (Longitudes::Signed, 180.0, 180.0),
            (Longitudes::Signed, 359.5, -0.5),
            (Longitudes::Signed, -180.0, -180.0),
            (Longitudes::Positive, -0.25, 359.75),
            (Longitudes::Positive, 360.0, 360.0),
            (Longitudes::Positive, -180.0, 180.0),
        ];
        for (range, degrees, expected) in cases {
            assert_eq!(range.map(degrees), expected, "{range:?} of {degrees}");
        }
    }
}
