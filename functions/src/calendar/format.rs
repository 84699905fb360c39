//! Dates of any calendar in a format that the user writes, as `%Y-%m-%d`.
//!
//! The specifiers are those of chrono, which DataFusion's `to_char` uses, but for weeks and days of
//! the week: calendars of models have none. See <https://docs.rs/chrono/latest/chrono/format/strftime/>.

use std::fmt::Write;

use chrono::format::{Fixed, Item, Numeric, Pad, StrftimeItems};

use super::{Calendar, CalendarError, CalendarResult, DatePart};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Calendar {
    /// A time in a format of chrono's.
    ///
    /// # Errors
    /// The format is malformed, or names something that the calendar lacks.
    pub fn format(self, micros: i64, format: &str) -> CalendarResult<String> {
        let mut text = String::new();
        for item in StrftimeItems::new(format) {
            match item {
                Item::Literal(literal) | Item::Space(literal) => text.push_str(literal),
                Item::OwnedLiteral(literal) | Item::OwnedSpace(literal) => text.push_str(&literal),
                Item::Numeric(numeric, pad) => {
                    let (number, width) = self.number(micros, &numeric, format)?;
                    // Writing to a text cannot fail.
                    let _ = match pad {
                        Pad::None => write!(text, "{number}"),
                        Pad::Zero => write!(text, "{number:0width$}"),
                        Pad::Space => write!(text, "{number:width$}"),
                    };
                }
                Item::Fixed(fixed) => text.push_str(&self.word(micros, &fixed, format)?),
                Item::Error => return Err(self.no_such_format(format)),
            }
        }
        Ok(text)
    }

    /// A number of a date, and how many digits it usually has.
    fn number(self, micros: i64, numeric: &Numeric, format: &str) -> CalendarResult<(i64, usize)> {
        let civil = self.civil(micros);
        Ok(match numeric {
            Numeric::Year => (civil.year, 4),
            Numeric::YearDiv100 => (civil.year.div_euclid(100), 2),
            Numeric::YearMod100 => (civil.year.rem_euclid(100), 2),
            Numeric::Quarter => (self.part(DatePart::Quarter, micros)?, 1),
            Numeric::Month => (i64::from(civil.month), 2),
            Numeric::Day => (i64::from(civil.day), 2),
            Numeric::Ordinal => (self.part(DatePart::DayOfYear, micros)?, 3),
            Numeric::Hour => (i64::from(civil.hour), 2),
            Numeric::Hour12 => (i64::from((civil.hour + 11) % 12 + 1), 2),
            Numeric::Minute => (i64::from(civil.minute), 2),
            Numeric::Second => (i64::from(civil.second), 2),
            Numeric::Nanosecond => (i64::from(civil.microsecond) * 1000, 9),
            Numeric::Timestamp => (micros.div_euclid(1_000_000), 1),
            _ => return Err(self.no_such_format(format)),
        })
    }

    fn word(self, micros: i64, fixed: &Fixed, format: &str) -> CalendarResult<String> {
        let civil = self.civil(micros);
        let month = MONTHS.get(civil.month as usize - 1).copied();
        let month = month.unwrap_or_default();
        Ok(match fixed {
            Fixed::ShortMonthName => month.chars().take(3).collect(),
            Fixed::LongMonthName => month.to_string(),
            Fixed::LowerAmPm if civil.hour < 12 => "am".to_string(),
            Fixed::LowerAmPm => "pm".to_string(),
            Fixed::UpperAmPm if civil.hour < 12 => "AM".to_string(),
            Fixed::UpperAmPm => "PM".to_string(),
            Fixed::Nanosecond if civil.microsecond == 0 => String::new(),
            Fixed::Nanosecond3 => format!(".{:03}", civil.microsecond / 1000),
            Fixed::Nanosecond | Fixed::Nanosecond6 => format!(".{:06}", civil.microsecond),
            _ => return Err(self.no_such_format(format)),
        })
    }

    fn no_such_format(self, format: &str) -> CalendarError {
        CalendarError::Undefined {
            what: format!("the date format '{format}'"),
            calendar: self,
            remedy: "use %Y, %m, %d, %j, %H, %M, %S, %b, %B and the like, but no weeks or weekdays"
                .to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::calendar::parse_civil;
    use proptest::prelude::*;

    #[test]
    fn formats() {
        let calendar = Calendar::Day360;
        let micros = calendar
            .micros(&parse_civil("2010-02-30 15:04:05.25").unwrap().0)
            .unwrap();
        let cases = [
            ("%Y-%m-%d", "2010-02-30"),
            ("%F %T%.3f", "2010-02-30 15:04:05.250"),
            ("%d %b %Y, %B", "30 Feb 2010, February"),
            ("%j %-j %e %q", "060 60 30 1"),
            ("%I:%M %p", "03:04 PM"),
            ("%y %C %%", "10 20 %"),
            ("%s", "1249311845"),
        ];
        for (format, expected) in cases {
            assert_eq!(
                calendar.format(micros, format).unwrap(),
                expected,
                "{format}"
            );
        }
        for format in ["%A", "%W", "%G", "%z", "%", "%Q"] {
            assert!(calendar.format(micros, format).is_err(), "{format}");
        }
    }

    proptest! {
        /// On real dates chrono says the same.
        #[test]
        fn agrees_with_chrono(micros in -30_000_000_000_000_000..30_000_000_000_000_000i64) {
            let format = "%Y-%m-%d %j %H:%M:%S%.6f %I %p %b %B %y %C %e %q %s";
            let expected = chrono::DateTime::from_timestamp_micros(micros).unwrap();
            let expected = expected.format(format).to_string();
            prop_assert_eq!(Calendar::ProlepticGregorian.format(micros, format), Ok(expected));
        }
    }
}
