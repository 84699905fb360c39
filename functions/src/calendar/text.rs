//! Dates as text: what CF reference dates and SQL literals look like, and how a date is written.
//!
//! ```text
//!  1990-2-30T12:30:15.25 +05:30      date, then a time, then a zone; all but the year may be missing
//!  19900230                          the packed date of ISO 8601
//! ```

use std::fmt;

use super::{CalendarError, CalendarResult, CivilTime};

impl fmt::Display for CivilTime {
    /// ISO 8601 as Arrow writes timestamps: `2010-02-30T12:00:00`, with a fraction if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.year < 0 {
            f.write_str("-")?;
        }
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            self.year.abs(),
            self.month,
            self.day,
            self.hour,
            self.minute,
            self.second
        )?;
        match self.microsecond {
            0 => Ok(()),
            micros if micros % 1000 == 0 => write!(f, ".{:03}", micros / 1000),
            micros => write!(f, ".{micros:06}"),
        }
    }
}

/// Reads a date and time of day, without asking whether a calendar has that date.
/// Returns the fields and the microseconds that its time zone is ahead of UTC.
///
/// Digits of the second beyond microseconds are dropped, as cftime does.
///
/// # Errors
/// The text is no date.
pub fn parse_civil(text: &str) -> CalendarResult<(CivilTime, i64)> {
    let mut rest = Reader {
        rest: text.trim().as_bytes(),
    };
    rest.date_time()
        .filter(|_| rest.rest.is_empty())
        .ok_or_else(|| CalendarError::NotADate {
            text: text.to_string(),
        })
}

/// What is left to read.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn date_time(&mut self) -> Option<(CivilTime, i64)> {
        let mut civil = self.date()?;
        let had_space = self.spaces();
        let has_time = self.take(b"Tt") || (had_space && self.starts_with_digit());
        if has_time {
            self.time(&mut civil)?;
        }
        let had_space = self.spaces() || (had_space && !has_time);
        let ahead = self.zone(had_space)?;
        Some((civil, ahead))
    }

    fn date(&mut self) -> Option<CivilTime> {
        let negative = self.take(b"-");
        if !negative {
            self.take(b"+");
        }
        let (number, digits) = self.number()?;
        let mut civil = CivilTime::midnight(i64::from(number), 1, 1);
        if digits == 8 {
            civil.year = i64::from(number / 10_000);
            civil.month = number / 100 % 100;
            civil.day = number % 100;
        } else if digits > 6 {
            return None;
        } else if self.take(b"-") {
            civil.month = self.number_of(2)?;
            if self.take(b"-") {
                civil.day = self.number_of(2)?;
            }
        }
        if negative {
            civil.year = -civil.year;
        }
        Some(civil)
    }

    fn time(&mut self, civil: &mut CivilTime) -> Option<()> {
        civil.hour = self.number_of(2)?;
        if self.take(b":") {
            civil.minute = self.number_of(2)?;
            if self.take(b":") {
                civil.second = self.number_of(2)?;
                if self.take(b".") {
                    civil.microsecond = self.fraction();
                }
            }
        }
        Some(())
    }

    /// `Z`, `UTC`, `GMT`, `+5`, `+05:30`, `-0530`; without a sign only after a space.
    fn zone(&mut self, had_space: bool) -> Option<i64> {
        for name in [&b"UTC"[..], b"GMT", b"Z"] {
            if self.rest.len() >= name.len() && self.rest[..name.len()].eq_ignore_ascii_case(name) {
                self.rest = &self.rest[name.len()..];
                return Some(0);
            }
        }
        let sign = if self.take(b"-") { -1 } else { 1 };
        let signed = sign < 0 || self.take(b"+");
        if !(signed || had_space && self.starts_with_digit()) {
            return Some(0);
        }
        let (number, digits) = self.number()?;
        let (hours, minutes) = match digits {
            1 | 2 if self.take(b":") => (number, self.number_of(2)?),
            1 | 2 => (number, 0),
            3 | 4 => (number / 100, number % 100),
            _ => return None,
        };
        if hours > 23 || minutes > 59 {
            return None;
        }
        Some(sign * i64::from(hours * 60 + minutes) * 60_000_000)
    }

    fn starts_with_digit(&self) -> bool {
        self.rest.first().is_some_and(u8::is_ascii_digit)
    }

    fn take(&mut self, any_of: &[u8]) -> bool {
        let found = self.rest.first().is_some_and(|byte| any_of.contains(byte));
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn spaces(&mut self) -> bool {
        let mut any = false;
        while self.take(b" \t") {
            any = true;
        }
        any
    }

    fn number(&mut self) -> Option<(u32, usize)> {
        let digits = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        let number = std::str::from_utf8(number).ok()?.parse().ok()?;
        Some((number, digits))
    }

    fn number_of(&mut self, most_digits: usize) -> Option<u32> {
        self.number()
            .filter(|(_, digits)| *digits <= most_digits)
            .map(|(number, _)| number)
    }

    fn fraction(&mut self) -> u32 {
        let mut micros = 0;
        let mut weight = 100_000;
        while let Some(digit) = self.rest.first().filter(|byte| byte.is_ascii_digit()) {
            micros += u32::from(digit - b'0') * weight;
            weight /= 10;
            self.rest = &self.rest[1..];
        }
        micros
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_dates() {
        const MINUTE: i64 = 60_000_000;
        let cases = [
            ("2000", "2000-01-01T00:00:00", 0),
            ("2000-2", "2000-02-01T00:00:00", 0),
            ("2000-02-30", "2000-02-30T00:00:00", 0),
            ("20000230", "2000-02-30T00:00:00", 0),
            ("1-1-1", "0001-01-01T00:00:00", 0),
            ("+2000-01-01", "2000-01-01T00:00:00", 0),
            ("12000-01-01", "12000-01-01T00:00:00", 0),
            ("-0005-01-01", "-0005-01-01T00:00:00", 0),
            ("2000-01-01 6", "2000-01-01T06:00:00", 0),
            ("2000-01-01 6:5", "2000-01-01T06:05:00", 0),
            ("2000-01-01 00:00:0.0", "2000-01-01T00:00:00", 0),
            ("2000-01-01T01:02:03.5Z", "2000-01-01T01:02:03.500", 0),
            (
                "2000-01-01 01:02:03.1234567",
                "2000-01-01T01:02:03.123456",
                0,
            ),
            ("2000-01-01 01:02:03.", "2000-01-01T01:02:03", 0),
            ("2000-01-01 00:00:00 UTC", "2000-01-01T00:00:00", 0),
            ("2000-01-01 00:00:00 0:00", "2000-01-01T00:00:00", 0),
            (
                "2000-01-01 00:00:00 +01:00",
                "2000-01-01T00:00:00",
                60 * MINUTE,
            ),
            (
                "2000-01-01 00:00 -0530",
                "2000-01-01T00:00:00",
                -330 * MINUTE,
            ),
            ("2000-01-01 00:00 -6", "2000-01-01T00:00:00", -360 * MINUTE),
            ("2000-01-01 -6:00", "2000-01-01T00:00:00", -360 * MINUTE),
        ];
        for (text, expected, ahead) in cases {
            let (civil, zone) = parse_civil(text).expect(text);
            assert_eq!(
                (civil.to_string().as_str(), zone),
                (expected, ahead),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_other_text() {
        let cases = [
            "",
            "-",
            "monday",
            "2000-",
            "2000-001",
            "2000-01-01-",
            "2000-01-01 x",
            "2000-01-01T",
            "2000-01-01 00:00:00 +",
            "2000-01-01 00:00 +25",
            "200001011",
            "2000-W01",
            "2000-01-01 1:2:3:4",
            "99999999999999999999-01-01",
            "2000-01-01 000:00",
            "2000-01-01é",
        ];
        for text in cases {
            assert!(parse_civil(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,40}") {
            let _ = parse_civil(&text);
        }

        #[test]
        fn reads_what_it_writes(micros in -50_000_000_000_000_000..50_000_000_000_000_000i64) {
            let calendar = crate::calendar::Calendar::Day360;
            let civil = calendar.civil(micros);
            prop_assert_eq!(parse_civil(&civil.to_string()), Ok((civil, 0)));
        }
    }
}
