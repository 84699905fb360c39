//! Times to the numbers that CF time units count: the inverse of decoding.

use super::{Calendar, TimeUnits};

impl TimeUnits {
    /// The number of whole units from the reference date to a time, as a column of these units has
    /// it. `None` where that is no whole number, or the calendar lacks the date.
    pub fn count(&self, time: i64) -> Option<i64> {
        let since = self.since_reference(time)? * i128::from(self.unit.divisor);
        let unit = i128::from(self.unit.micros);
        match since % unit {
            0 => i64::try_from(since / unit).ok(),
            _ => None,
        }
    }

    /// The number of units, with a fraction, from the reference date to a time. `None` where no float
    /// is decoded to exactly that time, or the calendar lacks the date.
    pub fn count_float(&self, time: i64) -> Option<f64> {
        let since = self.since_reference(time)? * i128::from(self.unit.divisor);
        let count = since as f64 / self.unit.micros as f64;
        let decoded = self.decode_floats(&[count]).ok()?;
        (decoded.values == [Some(time)]).then_some(count)
    }

    /// Microseconds of the calendar from the reference date to a time of the column.
    fn since_reference(&self, time: i64) -> Option<i128> {
        let micros = match self.calendar {
            Calendar::NoLeap => {
                let civil = Calendar::ProlepticGregorian.civil(time);
                self.calendar.micros(&civil).ok()?
            }
            _ => time,
        };
        Some(i128::from(micros) - i128::from(self.reference))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const UNITS: [&str; 7] = [
        "days",
        "hours",
        "minutes",
        "seconds",
        "milliseconds",
        "microseconds",
        "nanoseconds",
    ];

    fn any_units() -> impl Strategy<Value = TimeUnits> {
        let calendar = prop::sample::select(Calendar::ALL.to_vec());
        let reference = prop::sample::select(vec!["1970-01-01", "1850-02-28 06:30", "2001-12-01"]);
        (calendar, prop::sample::select(UNITS.to_vec()), reference).prop_map(
            |(calendar, unit, reference)| {
                TimeUnits::parse(&format!("{unit} since {reference}"), calendar).unwrap()
            },
        )
    }

    proptest! {
        #[test]
        fn counts_decode_to_the_same_times(units in any_units(), count in -20_000..60_000i64) {
            // Nanoseconds are finer than what a column holds.
            let count = if units.unit.divisor == 1 { count } else { count * 1000 };
            let time = units.decode_integers(&[count]).unwrap().values[0].unwrap();
            prop_assert_eq!(units.count(time), Some(count));
            prop_assert_eq!(units.count_float(time), Some(count as f64));
        }

        #[test]
        fn fractions_decode_to_the_same_times(units in any_units(), time in -8_000_000_000_000_000..8_000_000_000_000_000i64) {
            if let Some(count) = units.count_float(time) {
                prop_assert_eq!(units.decode_floats(&[count]).unwrap().values, [Some(time)]);
            }
        }
    }

    #[test]
    fn what_no_number_counts() {
        let units = |units: &str, calendar| TimeUnits::parse(units, calendar).unwrap();
        let days = units("days since 1970-01-01", Calendar::Standard);
        assert_eq!(days.count(1), None);
        assert_eq!(days.count_float(43_200_000_000), Some(0.5));
        let model = units("days since 1970-01-01", Calendar::NoLeap);
        let leap_day =
            Calendar::ProlepticGregorian.micros(&crate::calendar::CivilTime::midnight(2000, 2, 29));
        assert_eq!(model.count(leap_day.unwrap()), None);
        let seconds = units("nanoseconds since 1970-01-01", Calendar::Standard);
        assert_eq!(seconds.count(i64::MAX), None);
    }
}
