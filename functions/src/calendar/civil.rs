//! Dates as people write them, and the days they stand for in each calendar.
//!
//! A calendar is two facts: how many days lie before a year, and how long its months are.
//!
//! ```text
//!  day 0 = 1970-01-01                days_before_year(y)   days_before_month(y, m)
//!     │<──────────────────────────────────────>│<──────────────>│<─ day ─>│
//! ```

use super::{Calendar, CalendarError, CalendarResult, MICROS_PER_DAY};

/// A date and time of day in some calendar. Years are astronomical: year 0 precedes year 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CivilTime {
    /// Year.
    pub year: i64,
    /// Month, from 1.
    pub month: u32,
    /// Day of the month, from 1.
    pub day: u32,
    /// Hour, 0 to 23.
    pub hour: u32,
    /// Minute, 0 to 59.
    pub minute: u32,
    /// Second, 0 to 59.
    pub second: u32,
    /// Microsecond, 0 to 999,999.
    pub microsecond: u32,
}

impl CivilTime {
    /// Midnight at the start of a day.
    pub fn midnight(year: i64, month: u32, day: u32) -> Self {
        Self {
            year,
            month,
            day,
            hour: 0,
            minute: 0,
            second: 0,
            microsecond: 0,
        }
    }

    /// Microseconds since midnight.
    pub(crate) fn micros_of_day(&self) -> i64 {
        let seconds = (i64::from(self.hour) * 60 + i64::from(self.minute)) * 60;
        (seconds + i64::from(self.second)) * 1_000_000 + i64::from(self.microsecond)
    }
}

/// Days from 1970-01-01 to 1582-10-15, when the standard calendar became Gregorian.
const GREGORIAN_REFORM: i64 = -141_427;

/// The years that chrono, and so Arrow's time functions, can express.
const YEARS: std::ops::RangeInclusive<i64> = -262_142..=262_142;

const MONTH_DAYS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Calendar {
    /// Whether `year` has a 29 February beside the 28th.
    pub fn is_leap(self, year: i64) -> bool {
        match self {
            Self::Julian => year.rem_euclid(4) == 0,
            Self::ProlepticGregorian => {
                year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
            }
            Self::Standard if year > 1582 => Self::ProlepticGregorian.is_leap(year),
            Self::Standard => Self::Julian.is_leap(year),
            Self::NoLeap | Self::Day360 => false,
            Self::AllLeap => true,
        }
    }

    /// The last day of a month. October 1582 of the standard calendar ends on the 31st, though it
    /// lacks the 5th to the 14th.
    pub fn days_in_month(self, year: i64, month: u32) -> u32 {
        match (self, month) {
            (Self::Day360, _) => 30,
            (_, 2) if self.is_leap(year) => 29,
            _ => MONTH_DAYS
                .get(month.wrapping_sub(1) as usize)
                .copied()
                .unwrap_or(0),
        }
    }

    /// Days of a year.
    pub fn days_in_year(self, year: i64) -> i64 {
        self.first_day(year + 1) - self.first_day(year)
    }

    /// The fields of `micros`, microseconds since 1970-01-01 00:00 in this calendar.
    pub fn civil(self, micros: i64) -> CivilTime {
        let (year, month, day) = self.date_of_day(micros.div_euclid(MICROS_PER_DAY));
        let of_day = micros.rem_euclid(MICROS_PER_DAY);
        let seconds = (of_day / 1_000_000) as u32;
        CivilTime {
            year,
            month,
            day,
            hour: seconds / 3600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            microsecond: (of_day % 1_000_000) as u32,
        }
    }

    /// The microseconds since 1970-01-01 00:00 in this calendar of `civil`.
    ///
    /// # Errors
    /// The calendar lacks the date, or it lies beyond what a timestamp holds.
    pub fn micros(self, civil: &CivilTime) -> CalendarResult<i64> {
        self.check(civil)?;
        let day = self.day_of_date(civil.year, civil.month, civil.day);
        Ok(day * MICROS_PER_DAY + civil.micros_of_day())
    }

    /// The microseconds since 1970-01-01 00:00, counted in this calendar, of the first day of a month.
    pub(crate) fn month_start(self, year: i64, month: u32) -> CalendarResult<i64> {
        self.micros(&CivilTime::midnight(year, month, 1))
    }

    /// Checks that `micros` lies within the years that a timestamp can express.
    pub(crate) fn in_range(self, micros: i128) -> CalendarResult<i64> {
        i64::try_from(micros)
            .ok()
            .filter(|micros| YEARS.contains(&self.civil(*micros).year))
            .ok_or_else(|| CalendarError::OutOfRange {
                value: format!("{micros} microseconds since 1970-01-01"),
            })
    }

    fn check(self, civil: &CivilTime) -> CalendarResult<()> {
        let no_such_date = |remedy: String| CalendarError::NoSuchDate {
            date: *civil,
            calendar: self,
            remedy,
        };
        if !YEARS.contains(&civil.year) {
            return Err(CalendarError::OutOfRange {
                value: civil.to_string(),
            });
        }
        if !(1..=12).contains(&civil.month) {
            return Err(no_such_date("months are 1 to 12".to_string()));
        }
        let last = self.days_in_month(civil.year, civil.month);
        if !(1..=last).contains(&civil.day) {
            return Err(no_such_date(format!(
                "the month {:04}-{:02} has {last} days",
                civil.year, civil.month
            )));
        }
        if civil.hour > 23 || civil.minute > 59 || civil.second > 59 || civil.microsecond > 999_999
        {
            return Err(no_such_date("a day ends at 23:59:59.999999".to_string()));
        }
        let date = (civil.year, civil.month, civil.day);
        if self == Self::Standard && ((1582, 10, 5)..(1582, 10, 15)).contains(&date) {
            return Err(no_such_date(
                "1582-10-04 is followed by 1582-10-15".to_string(),
            ));
        }
        Ok(())
    }

    /// Days from 1970-01-01 to a date that exists.
    fn day_of_date(self, year: i64, month: u32, day: u32) -> i64 {
        if self == Self::Standard {
            return if (year, month, day) < (1582, 10, 15) {
                Self::Julian.day_of_date(year, month, day)
            } else {
                Self::ProlepticGregorian.day_of_date(year, month, day)
            };
        }
        let before: u32 = (1..month).map(|m| self.days_in_month(year, m)).sum();
        self.first_day(year) + i64::from(before + day - 1)
    }

    fn date_of_day(self, day: i64) -> (i64, u32, u32) {
        if self == Self::Standard {
            return if day < GREGORIAN_REFORM {
                Self::Julian.date_of_day(day)
            } else {
                Self::ProlepticGregorian.date_of_day(day)
            };
        }
        // The mean year misses the year by one at most.
        let mut year = 1970 + (day as f64 / self.mean_year()).floor() as i64;
        while self.first_day(year) > day {
            year -= 1;
        }
        while self.first_day(year + 1) <= day {
            year += 1;
        }
        let mut left = (day - self.first_day(year)) as u32;
        let mut month = 1;
        while left >= self.days_in_month(year, month) {
            left -= self.days_in_month(year, month);
            month += 1;
        }
        (year, month, left + 1)
    }

    /// Days from 1970-01-01 to the first of January of `year`.
    fn first_day(self, year: i64) -> i64 {
        if self == Self::Standard {
            return self.day_of_date(year, 1, 1);
        }
        self.days_since_year_zero(year) - self.days_since_year_zero(1970) + self.epoch_shift()
    }

    fn days_since_year_zero(self, year: i64) -> i64 {
        let leap_years = match self {
            Self::NoLeap => 0,
            Self::Day360 => return year * 360,
            Self::AllLeap => year,
            Self::Julian => (year + 3).div_euclid(4),
            Self::Standard | Self::ProlepticGregorian => {
                (year + 3).div_euclid(4) - (year + 99).div_euclid(100)
                    + (year + 399).div_euclid(400)
            }
        };
        year * 365 + leap_years
    }

    fn mean_year(self) -> f64 {
        match self {
            Self::Standard | Self::ProlepticGregorian => 365.2425,
            Self::Julian => 365.25,
            Self::NoLeap => 365.0,
            Self::AllLeap => 366.0,
            Self::Day360 => 360.0,
        }
    }

    /// The Julian 1970-01-01 is the Gregorian 1970-01-14; the other calendars start where they start.
    fn epoch_shift(self) -> i64 {
        if self == Self::Julian { 13 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn any_calendar() -> impl Strategy<Value = Calendar> {
        prop::sample::select(Calendar::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn microseconds_to_civil_and_back(calendar in any_calendar(), micros in -8_000_000_000_000_000_000..8_000_000_000_000_000_000i64) {
            let civil = calendar.civil(micros);
            prop_assert_eq!(calendar.micros(&civil), Ok(micros));
        }

        #[test]
        fn the_next_day_is_the_next_date(calendar in any_calendar(), day in -3_000_000..3_000_000i64) {
            let today = calendar.civil(day * MICROS_PER_DAY);
            let tomorrow = calendar.civil((day + 1) * MICROS_PER_DAY);
            let follows = if tomorrow.day == 1 {
                today.day == calendar.days_in_month(today.year, today.month)
                    && (tomorrow.month == today.month + 1 || (tomorrow.month == 1 && tomorrow.year == today.year + 1))
            } else {
                tomorrow.day == today.day + 1 || (calendar == Calendar::Standard && tomorrow.day == 15 && today.day == 4)
            };
            prop_assert!(follows, "{} then {}", today, tomorrow);
        }
    }

    #[test]
    fn dates_that_do_not_exist() {
        let cases = [
            (Calendar::Standard, 2010, 2, 29),
            (Calendar::Standard, 1582, 10, 10),
            (Calendar::ProlepticGregorian, 1900, 2, 29),
            (Calendar::NoLeap, 2000, 2, 29),
            (Calendar::Day360, 2000, 1, 31),
            (Calendar::AllLeap, 2001, 2, 30),
            (Calendar::Julian, 2001, 13, 1),
            (Calendar::Julian, 2001, 0, 1),
            (Calendar::Julian, 2001, 1, 0),
            (Calendar::Julian, 300_000, 1, 1),
        ];
        for (calendar, year, month, day) in cases {
            let result = calendar.micros(&CivilTime::midnight(year, month, day));
            assert!(result.is_err(), "{calendar} {year}-{month}-{day}");
        }
    }

    #[test]
    fn lengths_of_years() {
        let cases = [
            (Calendar::Standard, 1582, 355),
            (Calendar::Standard, 1500, 366),
            (Calendar::ProlepticGregorian, 1500, 365),
            (Calendar::Standard, 2000, 366),
            (Calendar::Julian, 1900, 366),
            (Calendar::NoLeap, 2000, 365),
            (Calendar::AllLeap, 2001, 366),
            (Calendar::Day360, 2001, 360),
        ];
        for (calendar, year, days) in cases {
            assert_eq!(calendar.days_in_year(year), days, "{calendar} {year}");
        }
    }
}
