//! CF time units: `days since 1900-01-01 00:00:00` in a calendar turns numbers into times.
//!
//! Names of units follow UDUNITS, arithmetic follows cftime: integers are exact, and floating-point
//! numbers are multiplied exactly, then rounded to the nearest microsecond.
//! Sources: <https://docs.unidata.ucar.edu/udunits/current/>, <https://unidata.github.io/cftime/>.

use super::{Calendar, CalendarError, CalendarResult, MICROS_PER_DAY, parse_civil};

/// How time values are counted: a unit, a reference date and the calendar of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeUnits {
    pub(super) calendar: Calendar,
    pub(super) unit: Unit,
    /// Microseconds of the reference date in the calendar.
    pub(super) reference: i64,
}

/// A unit as a fraction of microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) micros: i64,
    /// 1, but for nanoseconds.
    pub(super) divisor: i64,
    /// Whether cftime sees jitter of a microsecond about a whole second as rounding noise.
    coarse: bool,
}

/// Decoded times of a whole coordinate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedTime {
    /// Microseconds since 1970-01-01 00:00; `None` where the stored value was NaN.
    pub values: Vec<Option<i64>>,
    /// What the microseconds count.
    pub kind: TimeKind,
}

/// What decoded microseconds count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeKind {
    /// Microseconds since 1970-01-01 UTC: a timestamp. Dates of the `noleap` calendar are timestamps
    /// with the same fields.
    Timestamp,
    /// Microseconds since 1970-01-01 00:00 counted in a calendar whose dates no timestamp can hold.
    Calendar(Calendar),
}

impl TimeUnits {
    /// Reads a CF `units` attribute like `days since 1900-01-01 00:00:00`.
    ///
    /// `months` count only in the `360_day` calendar, `common_years` only in `noleap`, as in cftime:
    /// elsewhere their length varies, and UDUNITS' mean length yields dates that nobody meant.
    ///
    /// # Errors
    /// These are no time units, the unit has no fixed length, the calendar lacks the reference date,
    /// or the year of the reference date is negative (or zero where the calendar has no year zero).
    pub fn parse(units: &str, calendar: Calendar) -> CalendarResult<Self> {
        let not_time = || CalendarError::NotTimeUnits {
            units: units.to_string(),
        };
        let mut words = units.trim().splitn(3, char::is_whitespace);
        let (Some(name), Some(since), Some(date)) = (words.next(), words.next(), words.next())
        else {
            return Err(not_time());
        };
        if !since.eq_ignore_ascii_case("since") {
            return Err(not_time());
        }
        let unit = match Unit::parse(name, calendar) {
            Some(unit) => unit,
            None if Unit::varies(name) => {
                return Err(CalendarError::NoFixedLength {
                    unit: name.to_string(),
                    calendar,
                });
            }
            None => return Err(not_time()),
        };
        let (civil, ahead) = parse_civil(date)?;
        let first_year = match calendar {
            Calendar::Standard | Calendar::Julian => 1,
            _ => 0,
        };
        if civil.year < first_year {
            return Err(CalendarError::NoSuchYear {
                text: date.trim().to_string(),
                calendar,
            });
        }
        let reference = calendar.micros(&civil)? - ahead;
        Ok(Self {
            calendar,
            unit,
            reference,
        })
    }

    /// What the decoded microseconds count.
    pub fn kind(&self) -> TimeKind {
        match self.calendar {
            Calendar::AllLeap | Calendar::Day360 => TimeKind::Calendar(self.calendar),
            _ => TimeKind::Timestamp,
        }
    }

    /// The calendar that a column of these times has to name, as `metadata::CALENDAR` says; `None`
    /// where they are timestamps of the real world.
    pub fn column_calendar(&self) -> Option<Calendar> {
        match self.calendar {
            Calendar::NoLeap | Calendar::AllLeap | Calendar::Day360 => Some(self.calendar),
            Calendar::Standard | Calendar::ProlepticGregorian | Calendar::Julian => None,
        }
    }

    /// Times of floating-point offsets; NaN is `None`.
    ///
    /// # Errors
    /// A time lies beyond what a timestamp holds.
    pub fn decode_floats(&self, offsets: &[f64]) -> CalendarResult<DecodedTime> {
        let decode = |offset: &f64| match offset {
            offset if offset.is_nan() => Ok(None),
            offset => self
                .unit
                .micros_of_float(*offset)
                .and_then(|micros| self.time(micros))
                .map(Some)
                .ok_or_else(|| self.out_of_range(offset)),
        };
        Ok(DecodedTime {
            values: offsets.iter().map(decode).collect::<CalendarResult<_>>()?,
            kind: self.kind(),
        })
    }

    /// Times of integer offsets, exactly.
    ///
    /// # Errors
    /// A time lies beyond what a timestamp holds.
    pub fn decode_integers(&self, offsets: &[i64]) -> CalendarResult<DecodedTime> {
        let decode = |offset: &i64| {
            self.time(self.unit.micros_of_integer(*offset))
                .map(Some)
                .ok_or_else(|| self.out_of_range(offset))
        };
        Ok(DecodedTime {
            values: offsets.iter().map(decode).collect::<CalendarResult<_>>()?,
            kind: self.kind(),
        })
    }

    /// The column's value for a time so many microseconds after the reference date.
    fn time(&self, since_reference: i128) -> Option<i64> {
        let micros = self
            .calendar
            .in_range(i128::from(self.reference) + since_reference)
            .ok()?;
        match self.calendar {
            Calendar::NoLeap => {
                let civil = self.calendar.civil(micros);
                Calendar::ProlepticGregorian.micros(&civil).ok()
            }
            _ => Some(micros),
        }
    }

    fn out_of_range(&self, offset: &dyn std::fmt::Display) -> CalendarError {
        CalendarError::OutOfRange {
            value: offset.to_string(),
        }
    }
}

impl Unit {
    const fn of(micros: i64) -> Self {
        Self {
            micros,
            divisor: 1,
            coarse: micros > 1000,
        }
    }

    fn parse(name: &str, calendar: Calendar) -> Option<Self> {
        const SECOND: i64 = 1_000_000;
        // In any case, as in cftime: files write "Days" and "S".
        Some(match name.to_ascii_lowercase().as_str() {
            "nanoseconds" | "nanosecond" | "nanosec" | "nanosecs" | "nsec" | "nsecs" | "ns" => {
                Self {
                    micros: 1,
                    divisor: 1000,
                    coarse: false,
                }
            }
            "microseconds" | "microsecond" | "microsec" | "microsecs" | "usec" | "usecs" | "us" => {
                Self::of(1)
            }
            "milliseconds" | "millisecond" | "millisec" | "millisecs" | "msec" | "msecs" | "ms" => {
                Self::of(1000)
            }
            "seconds" | "second" | "secs" | "sec" | "s" => Self::of(SECOND),
            "minutes" | "minute" | "mins" | "min" => Self::of(60 * SECOND),
            "hours" | "hour" | "hrs" | "hr" | "h" => Self::of(3600 * SECOND),
            "days" | "day" | "d" => Self::of(MICROS_PER_DAY),
            "weeks" | "week" => Self::of(7 * MICROS_PER_DAY),
            "months" | "month" if calendar == Calendar::Day360 => Self::of(30 * MICROS_PER_DAY),
            "common_years" | "common_year" if calendar == Calendar::NoLeap => {
                Self::of(365 * MICROS_PER_DAY)
            }
            _ => return None,
        })
    }

    fn varies(name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        matches!(
            name.as_str(),
            "months" | "month" | "years" | "year" | "yr" | "yrs" | "common_years" | "common_year"
        )
    }

    fn micros_of_integer(self, offset: i64) -> i128 {
        divide_rounded(
            i128::from(offset) * i128::from(self.micros),
            i128::from(self.divisor),
        )
    }

    /// `None` for infinity and for numbers that are too large in any unit.
    fn micros_of_float(self, offset: f64) -> Option<i128> {
        if offset.abs() >= 1e19 || !offset.is_finite() {
            return None;
        }
        // Exactly offset = mantissa * 2^-shift, so that nothing is lost before the rounding.
        let bits = offset.to_bits();
        let exponent = ((bits >> 52) & 0x7ff) as i32;
        let fraction = (bits & 0x000f_ffff_ffff_ffff) as i128;
        let (mantissa, exponent) = match exponent {
            0 => (fraction, -1074),
            exponent => (fraction | 1 << 52, exponent - 1075),
        };
        let scaled = mantissa * i128::from(self.micros) * if offset < 0.0 { -1 } else { 1 };
        if exponent >= 0 {
            return Some(divide_rounded(scaled << exponent, i128::from(self.divisor)));
        }
        let shift = exponent.unsigned_abs();
        if shift > 110 {
            return Some(0);
        }
        let denominator = i128::from(self.divisor) << shift;
        let rounded = divide_rounded(scaled, denominator);
        Some(match rounded.rem_euclid(1_000_000) {
            1 if self.coarse => scaled.div_euclid(denominator),
            999_999 if self.coarse => -(-scaled).div_euclid(denominator),
            _ => rounded,
        })
    }
}

/// The integer nearest to the quotient; of two equally near the even one.
fn divide_rounded(numerator: i128, denominator: i128) -> i128 {
    let quotient = numerator.div_euclid(denominator);
    let remainder = numerator.rem_euclid(denominator);
    // Compared without doubling the remainder, which could overflow.
    match remainder.cmp(&(denominator - remainder)) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Greater => quotient + 1,
        std::cmp::Ordering::Equal => quotient + quotient.rem_euclid(2),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::calendar::{CivilTime, DatePart};

    /// Rows that cftime computed, see `tests_data/calendar_table.py`.
    #[test]
    fn agrees_with_cftime() {
        let table = include_str!("../../tests_data/calendar_table.csv");
        let mut rows = 0;
        for row in table.lines().skip(1) {
            let columns: Vec<&str> = row.split(',').collect();
            let [name, text, dtype, offset, date, micros, day, length] = columns[..] else {
                panic!("{row}");
            };
            let calendar = Calendar::parse(name).expect(row);
            let decoded = TimeUnits::parse(text, calendar).and_then(|units| match dtype {
                "int" => units.decode_integers(&[offset.parse().unwrap()]),
                _ => units.decode_floats(&[offset.parse().unwrap()]),
            });
            rows += 1;
            if date == "error" {
                assert!(decoded.is_err(), "{row}");
                continue;
            }
            let decoded = decoded.unwrap_or_else(|error| panic!("{row}: {error}"));
            let value = decoded.values[0].expect(row);
            assert_eq!(value, micros.parse::<i64>().unwrap(), "{row}");
            let fields: Vec<i64> = date
                .split(' ')
                .map(|field| field.parse().unwrap())
                .collect();
            let civil = match calendar {
                Calendar::NoLeap => Calendar::ProlepticGregorian.civil(value),
                calendar => calendar.civil(value),
            };
            let expected = CivilTime {
                year: fields[0],
                month: fields[1] as u32,
                day: fields[2] as u32,
                hour: fields[3] as u32,
                minute: fields[4] as u32,
                second: fields[5] as u32,
                microsecond: fields[6] as u32,
            };
            assert_eq!(civil, expected, "{row}");
            let own = calendar.micros(&civil).expect(row);
            // In 1582 cftime counts the ten days that the standard calendar left out.
            if calendar != Calendar::Standard || civil.year != 1582 {
                let day_of_year = calendar.part(DatePart::DayOfYear, own);
                assert_eq!(day_of_year, Ok(day.parse().unwrap()), "{row}");
            }
            let days = calendar.days_in_month(civil.year, civil.month);
            assert_eq!(days, length.parse::<u32>().unwrap(), "{row}");
        }
        assert!(rows > 500, "only {rows} rows");
    }

    #[test]
    fn units_that_cftime_does_not_know() {
        let cases = [
            ("weeks since 1970-01-01", 1.0, 604_800_000_000),
            ("week since 1970-01-05", -0.5, 43_200_000_000),
            ("ns since 1970-01-01", 2500.0, 2),
            ("nanoseconds since 1970-01-01", -3501.0, -4),
            ("us since 1970-01-01", 1.0, 1),
            ("Days Since 1970-01-01", 1.0, 86_400_000_000),
            ("hours since 1970-01-02 6", 0.0, 108_000_000_000),
            ("hours since 1970-01-01 00:00 -5", 0.0, 18_000_000_000),
            ("days since 19700102", 0.0, 86_400_000_000),
            ("seconds since 1970", 1e-300, 0),
        ];
        for (text, offset, expected) in cases {
            let units = TimeUnits::parse(text, Calendar::Standard).expect(text);
            let decoded = units.decode_floats(&[offset, f64::NAN]).expect(text);
            assert_eq!(decoded.values, [Some(expected), None], "{text}");
            if offset.fract() == 0.0 {
                let exact = units.decode_integers(&[offset as i64]).expect(text);
                assert_eq!(exact.values, [Some(expected)], "{text}");
            }
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        let cases = [
            ("", "no time units"),
            ("degrees_north", "no time units"),
            ("days since", "no time units"),
            ("days before 2000-01-01", "no time units"),
            ("parsecs since 2000-01-01", "no time units"),
            ("months since 2000-01-01", "no fixed length"),
            ("years since 2000-01-01", "no fixed length"),
            ("days since yesterday", "not a date"),
            ("days since 0000-01-01", "does not exist"),
            ("days since -5-01-01", "does not exist"),
            ("days since 2001-02-29", "does not exist"),
            ("days since 2001-02-28 25:00", "does not exist"),
        ];
        for (text, expected) in cases {
            let error = TimeUnits::parse(text, Calendar::Standard).expect_err(text);
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
        let days = TimeUnits::parse("days since 2000-01-01", Calendar::Standard).unwrap();
        for offset in [f64::INFINITY, 9.96921e36, -1e30, 1e9] {
            assert!(days.decode_floats(&[offset]).is_err(), "{offset}");
        }
        assert!(days.decode_integers(&[i64::MIN]).is_err());
    }
}
