//! What queries do with times of a calendar: take a part, truncate, put into bins, add an interval.
//!
//! All of it starts from the fields of the date, never from a mean length of a month or year.

use super::{Calendar, CalendarError, CalendarResult, CivilTime, MICROS_PER_DAY};

/// A part of a time, as `date_part` and `date_trunc` name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatePart {
    /// Year.
    Year,
    /// Quarter of the year, 1 to 4.
    Quarter,
    /// Month of the year, 1 to 12.
    Month,
    /// Seven days; only calendars of the real world have weeks.
    Week,
    /// Day of the month, from 1.
    Day,
    /// Day of the week; only calendars of the real world have one.
    DayOfWeek,
    /// Day of the year, from 1.
    DayOfYear,
    /// Hour of the day.
    Hour,
    /// Minute of the hour.
    Minute,
    /// Second of the minute.
    Second,
    /// Milliseconds of the minute, whole seconds included.
    Millisecond,
    /// Microseconds of the minute, whole seconds included.
    Microsecond,
    /// Seconds since 1970-01-01 00:00 in the calendar.
    Epoch,
}

impl DatePart {
    /// The part of that name, in any case; the names and plurals that DataFusion's `date_part` knows.
    pub fn parse(name: &str) -> Option<Self> {
        Some(
            match name.trim_matches(['\'', '"']).to_ascii_lowercase().as_str() {
                "year" | "years" | "y" | "yr" | "yrs" => Self::Year,
                "quarter" | "qtr" => Self::Quarter,
                "month" | "months" | "mon" | "mons" => Self::Month,
                "week" | "weeks" | "w" | "isoyear" => Self::Week,
                "day" | "days" | "d" => Self::Day,
                "dow" | "isodow" => Self::DayOfWeek,
                "doy" => Self::DayOfYear,
                "hour" | "hours" | "h" | "hr" | "hrs" => Self::Hour,
                "minute" | "minutes" | "m" | "min" | "mins" => Self::Minute,
                "second" | "seconds" | "s" | "sec" | "secs" => Self::Second,
                "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "msecond"
                | "mseconds" => Self::Millisecond,
                "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "usecond"
                | "useconds" => Self::Microsecond,
                "epoch" => Self::Epoch,
                _ => return None,
            },
        )
    }
}

/// An interval: months, whose length the calendar decides, and microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Months.
    pub months: i64,
    /// Microseconds; a day has 24 hours in every calendar.
    pub micros: i64,
}

impl Calendar {
    /// One part of a time.
    ///
    /// # Errors
    /// The calendar has no weeks.
    pub fn part(self, part: DatePart, micros: i64) -> CalendarResult<i64> {
        let civil = self.civil(micros);
        Ok(match part {
            DatePart::Year => civil.year,
            DatePart::Quarter => i64::from((civil.month - 1) / 3 + 1),
            DatePart::Month => i64::from(civil.month),
            DatePart::Day => i64::from(civil.day),
            DatePart::DayOfYear => {
                let start = self.micros(&CivilTime::midnight(civil.year, 1, 1))?;
                (micros - start).div_euclid(MICROS_PER_DAY) + 1
            }
            DatePart::Hour => i64::from(civil.hour),
            DatePart::Minute => i64::from(civil.minute),
            DatePart::Second => i64::from(civil.second),
            DatePart::Millisecond => micros.rem_euclid(60_000_000) / 1000,
            DatePart::Microsecond => micros.rem_euclid(60_000_000),
            DatePart::Epoch => micros.div_euclid(1_000_000),
            DatePart::Week | DatePart::DayOfWeek => return Err(self.no_weeks()),
        })
    }

    /// The start of the year, quarter, month, day, hour … that a time lies in.
    ///
    /// # Errors
    /// Nothing can be truncated to `part`, or the calendar has no weeks.
    pub fn truncate(self, part: DatePart, micros: i64) -> CalendarResult<i64> {
        let down_to = |width: i64| Ok(micros - micros.rem_euclid(width));
        match part {
            DatePart::Year => self.month_start(self.civil(micros).year, 1),
            DatePart::Quarter => {
                let civil = self.civil(micros);
                self.month_start(civil.year, (civil.month - 1) / 3 * 3 + 1)
            }
            DatePart::Month => {
                let civil = self.civil(micros);
                self.month_start(civil.year, civil.month)
            }
            DatePart::Day => down_to(MICROS_PER_DAY),
            DatePart::Hour => down_to(3_600_000_000),
            DatePart::Minute => down_to(60_000_000),
            DatePart::Second => down_to(1_000_000),
            DatePart::Millisecond => down_to(1000),
            DatePart::Microsecond => Ok(micros),
            DatePart::Week => Err(self.no_weeks()),
            DatePart::DayOfWeek | DatePart::DayOfYear | DatePart::Epoch => {
                Err(CalendarError::Undefined {
                    what: "truncation to this part".to_string(),
                    calendar: self,
                    remedy: "truncate to year, quarter, month, day, hour, minute or second"
                        .to_string(),
                })
            }
        }
    }

    /// The start of the bin of width `step` that a time lies in, where a bin starts at `origin`.
    ///
    /// # Errors
    /// The step is not positive, mixes months with days, or the bin starts before all timestamps.
    pub fn bin(self, step: Step, micros: i64, origin: i64) -> CalendarResult<i64> {
        match step {
            Step {
                months: 0,
                micros: width,
            } if width > 0 => {
                let since = i128::from(micros) - i128::from(origin);
                self.in_range(i128::from(micros) - since.rem_euclid(i128::from(width)))
            }
            Step { months, micros: 0 } if months > 0 => {
                let month = |micros| {
                    let civil = self.civil(micros);
                    civil.year * 12 + i64::from(civil.month)
                };
                let passed = (month(micros) - month(origin)).div_euclid(months) * months;
                let start = self.add(
                    Step {
                        months: passed,
                        micros: 0,
                    },
                    origin,
                )?;
                if start <= micros {
                    return Ok(start);
                }
                // The bin of that month starts on a later day than the time's.
                let before = Step {
                    months: passed - months,
                    micros: 0,
                };
                self.add(before, origin)
            }
            _ => Err(CalendarError::Undefined {
                what: "a bin of this width".to_string(),
                calendar: self,
                remedy: "use a positive interval of either months and years or days and shorter"
                    .to_string(),
            }),
        }
    }

    /// A time `step` later. A day that the target month lacks becomes that month's last day.
    ///
    /// # Errors
    /// The result lies beyond what a timestamp holds.
    pub fn add(self, step: Step, micros: i64) -> CalendarResult<i64> {
        let mut start = i128::from(micros);
        if step.months != 0 {
            let civil = self.civil(micros);
            let months = civil.year * 12 + i64::from(civil.month) - 1 + step.months;
            let year = months.div_euclid(12);
            let month = months.rem_euclid(12) as u32 + 1;
            let day = civil.day.min(self.days_in_month(year, month));
            start = i128::from(self.micros(&CivilTime {
                year,
                month,
                day,
                ..civil
            })?);
        }
        self.in_range(start + i128::from(step.micros))
    }

    fn no_weeks(self) -> CalendarError {
        CalendarError::Undefined {
            what: "a week".to_string(),
            calendar: self,
            remedy: "count days instead, as in date_bin(INTERVAL '7 days', time)".to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::calendar::parse_civil;
    use proptest::prelude::*;

    fn micros(calendar: Calendar, text: &str) -> i64 {
        calendar.micros(&parse_civil(text).unwrap().0).expect(text)
    }

    fn text(calendar: Calendar, micros: i64) -> String {
        calendar.civil(micros).to_string()
    }

    #[test]
    fn parts() {
        use DatePart::*;
        let cases = [
            (Calendar::Day360, "2010-02-30 12:34:56.789", Month, 2),
            (Calendar::Day360, "2010-02-30 12:34:56.789", Day, 30),
            (Calendar::Day360, "2010-02-30", DayOfYear, 60),
            (Calendar::Day360, "2010-12-30", DayOfYear, 360),
            (Calendar::Day360, "2010-12-30", Quarter, 4),
            (Calendar::AllLeap, "2001-02-29", Day, 29),
            (Calendar::AllLeap, "2001-12-31", DayOfYear, 366),
            (Calendar::AllLeap, "2001-02-29 12:34:56.789", Hour, 12),
            (Calendar::AllLeap, "2001-02-29 12:34:56.789", Minute, 34),
            (Calendar::AllLeap, "2001-02-29 12:34:56.789", Second, 56),
            (
                Calendar::AllLeap,
                "2001-02-29 12:34:56.789",
                Millisecond,
                56_789,
            ),
            (
                Calendar::AllLeap,
                "2001-02-29 12:34:56.789",
                Microsecond,
                56_789_000,
            ),
            (Calendar::Day360, "1971-01-01", Epoch, 360 * 86_400),
            (Calendar::Day360, "1969-12-30 23:59:59.5", Epoch, -1),
            (Calendar::Day360, "1969-12-30 23:59:59.5", Year, 1969),
        ];
        for (calendar, time, part, expected) in cases {
            let value = calendar.part(part, micros(calendar, time));
            assert_eq!(value, Ok(expected), "{part:?} of {time}");
        }
        assert!(Calendar::Day360.part(Week, 0).is_err());
    }

    #[test]
    fn truncation() {
        use DatePart::*;
        let cases = [
            (
                Calendar::Day360,
                "2010-02-30 12:34:56.7",
                Year,
                "2010-01-01T00:00:00",
            ),
            (
                Calendar::Day360,
                "2010-02-30 12:34:56.7",
                Month,
                "2010-02-01T00:00:00",
            ),
            (
                Calendar::Day360,
                "2010-08-30",
                Quarter,
                "2010-07-01T00:00:00",
            ),
            (
                Calendar::Day360,
                "1960-02-30 12:34:56.7",
                Day,
                "1960-02-30T00:00:00",
            ),
            (
                Calendar::Day360,
                "1960-02-30 12:34:56.7",
                Hour,
                "1960-02-30T12:00:00",
            ),
            (
                Calendar::AllLeap,
                "2001-02-29 12:34:56.7",
                Minute,
                "2001-02-29T12:34:00",
            ),
            (
                Calendar::AllLeap,
                "2001-02-29 12:34:56.7",
                Second,
                "2001-02-29T12:34:56",
            ),
            (
                Calendar::AllLeap,
                "2001-02-29 12:34:56.789012",
                Millisecond,
                "2001-02-29T12:34:56.789",
            ),
            (
                Calendar::AllLeap,
                "2001-02-29 12:34:56.789012",
                Microsecond,
                "2001-02-29T12:34:56.789012",
            ),
        ];
        for (calendar, time, part, expected) in cases {
            let start = calendar.truncate(part, micros(calendar, time)).unwrap();
            assert_eq!(text(calendar, start), expected, "{part:?} of {time}");
        }
        for part in [Week, DayOfWeek, DayOfYear, Epoch] {
            assert!(Calendar::Day360.truncate(part, 0).is_err(), "{part:?}");
        }
    }

    #[test]
    fn bins() {
        const DAYS: fn(i64) -> Step = |days| Step {
            months: 0,
            micros: days * MICROS_PER_DAY,
        };
        const MONTHS: fn(i64) -> Step = |months| Step { months, micros: 0 };
        let cases = [
            (
                DAYS(8),
                "1970-01-10 12:00",
                "1970-01-01",
                "1970-01-09T00:00:00",
            ),
            (DAYS(8), "1969-12-30", "1970-01-01", "1969-12-23T00:00:00"),
            (DAYS(30), "2010-02-30", "2010-01-01", "2010-02-01T00:00:00"),
            (MONTHS(1), "2010-02-30", "1970-01-01", "2010-02-01T00:00:00"),
            (MONTHS(3), "2010-02-30", "1970-01-01", "2010-01-01T00:00:00"),
            (MONTHS(3), "2010-02-30", "1970-12-01", "2009-12-01T00:00:00"),
            (
                MONTHS(12),
                "1960-06-05",
                "1970-01-01",
                "1960-01-01T00:00:00",
            ),
            (MONTHS(1), "2010-02-10", "2010-01-15", "2010-01-15T00:00:00"),
            (MONTHS(1), "2010-02-15", "2010-01-15", "2010-02-15T00:00:00"),
        ];
        let calendar = Calendar::Day360;
        for (step, time, origin, expected) in cases {
            let start = calendar.bin(step, micros(calendar, time), micros(calendar, origin));
            assert_eq!(
                text(calendar, start.unwrap()),
                expected,
                "{step:?} of {time}"
            );
        }
        for step in [
            DAYS(0),
            DAYS(-1),
            MONTHS(-1),
            Step {
                months: 1,
                micros: 1,
            },
        ] {
            assert!(calendar.bin(step, 0, 0).is_err(), "{step:?}");
        }
    }

    #[test]
    fn addition() {
        let cases = [
            (Calendar::Day360, "2010-01-30", 1, 0, "2010-02-30T00:00:00"),
            (Calendar::Day360, "2010-01-30", 0, 1, "2010-02-01T00:00:00"),
            (
                Calendar::Standard,
                "2010-01-31",
                1,
                0,
                "2010-02-28T00:00:00",
            ),
            (Calendar::AllLeap, "2010-01-31", 1, 1, "2010-03-01T00:00:00"),
            (
                Calendar::AllLeap,
                "2010-01-31",
                -14,
                0,
                "2008-11-30T00:00:00",
            ),
            (
                Calendar::Standard,
                "1582-10-04",
                0,
                1,
                "1582-10-15T00:00:00",
            ),
        ];
        for (calendar, time, months, days, expected) in cases {
            let step = Step {
                months,
                micros: days * MICROS_PER_DAY,
            };
            let later = calendar.add(step, micros(calendar, time)).unwrap();
            assert_eq!(text(calendar, later), expected, "{time} + {step:?}");
        }
        let end = Step {
            months: 0,
            micros: i64::MAX,
        };
        assert!(Calendar::Day360.add(end, i64::MAX / 2).is_err());
    }

    proptest! {
        #[test]
        fn a_bin_holds_its_times(
            micros in -5_000_000_000_000_000..5_000_000_000_000_000i64,
            origin in -5_000_000_000_000_000..5_000_000_000_000_000i64,
            months in 1..40i64,
        ) {
            for calendar in [Calendar::Day360, Calendar::AllLeap, Calendar::ProlepticGregorian] {
                let start = calendar.bin(Step { months, micros: 0 }, micros, origin).unwrap();
                prop_assert!(start <= micros);
                let civil = calendar.civil(micros);
                let first = calendar.civil(start);
                let passed = (civil.year - first.year) * 12 + i64::from(civil.month) - i64::from(first.month);
                prop_assert!((0..=months).contains(&passed));
            }
        }
    }
}
