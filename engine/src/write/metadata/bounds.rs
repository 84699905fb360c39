//! Bounds of the cells of a time axis that was made by truncating times or putting them into bins.
//!
//! ```text
//!  date_trunc('month', time)     2010-01-01          2010-02-01          2010-03-01
//!                                │◀── one cell ────▶│◀── the next ────▶│       [start, next start)
//! ```
//! All of it is counted in the calendar of the column: a month of `360_day` ends after 30 days.

use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::datatypes::Field;
use graticule_functions::calendar::{
    Calendar, CalendarError, CalendarResult, CivilTime, DatePart, MICROS_PER_DAY, Step,
};

use super::times::Times;
use crate::error::{CubeError, CubeResult};

/// Which times a key stands for: those from the key on, up to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeCells {
    /// `date_trunc(part, time)`.
    Truncated(DatePart),
    /// `date_bin(step, time, origin)` and `time_bucket(step, time, origin)`.
    Bins {
        /// Width of a bin: months, or microseconds.
        step: Step,
        /// A time at which a bin starts, in microseconds of the calendar.
        origin: i64,
    },
    /// `time_bucket(step, time, 'year')`: the last bin of a year ends with the year.
    BinsOfYear(Step),
}

/// The bounds of the cells that start at `starts`: start and end of the first, start and end of the
/// second, …, of the same type.
///
/// # Errors
/// The column holds no times, or cells of this kind have no length in its calendar.
pub(crate) fn time_bounds(
    field: &Field,
    starts: &ArrayRef,
    cells: TimeCells,
) -> CubeResult<ArrayRef> {
    let times = Times::of(field, starts)?.ok_or_else(|| {
        let cause = format!("values of type {} are no times", starts.data_type());
        CubeError::invalid(field.name(), cause)
    })?;
    let mut bounds = Vec::with_capacity(2 * times.micros.len());
    for start in &times.micros {
        let end = start.map(|start| cells.end(times.calendar, start));
        let end = end.transpose();
        let end = end.map_err(|error| CubeError::invalid(field.name(), error))?;
        bounds.extend([start, end]);
    }
    let bounds = times.values(Int64Array::from(bounds));
    bounds.map_err(|error| error.within(field.name()))
}

impl TimeCells {
    /// Where the cell ends that starts at `start`.
    fn end(self, calendar: Calendar, start: i64) -> CalendarResult<i64> {
        match self {
            Self::Truncated(part) => calendar.add(width(part, calendar)?, start),
            Self::Bins { step, .. } if step.months == 0 => calendar.add(step, start),
            Self::Bins { step, origin } => {
                // From the origin, whose day a shorter month in between may lack.
                let month = |micros| {
                    let civil = calendar.civil(micros);
                    civil.year * 12 + i64::from(civil.month)
                };
                let months = month(start) - month(origin) + step.months;
                calendar.add(Step { months, micros: 0 }, origin)
            }
            Self::BinsOfYear(step) => {
                let year = calendar.civil(start).year;
                let next = calendar.micros(&CivilTime::midnight(year + 1, 1, 1))?;
                Ok(calendar.add(step, start)?.min(next))
            }
        }
    }
}

/// The length of what a time is truncated to.
pub(super) fn width(part: DatePart, calendar: Calendar) -> CalendarResult<Step> {
    let months = |months| Step { months, micros: 0 };
    let micros = |micros| Step { months: 0, micros };
    Ok(match part {
        DatePart::Year => months(12),
        DatePart::Quarter => months(3),
        DatePart::Month => months(1),
        DatePart::Week => micros(7 * MICROS_PER_DAY),
        DatePart::Day => micros(MICROS_PER_DAY),
        DatePart::Hour => micros(3_600_000_000),
        DatePart::Minute => micros(60_000_000),
        DatePart::Second => micros(1_000_000),
        DatePart::Millisecond => micros(1000),
        DatePart::Microsecond => micros(1),
        DatePart::DayOfWeek | DatePart::DayOfYear | DatePart::Epoch => {
            return Err(CalendarError::Undefined {
                what: "truncation to this part".to_string(),
                calendar,
                remedy: "truncate to year, quarter, month, week, day, hour, minute or second"
                    .to_string(),
            });
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::TimestampMicrosecondArray;
    use arrow::compute::cast;
    use arrow::datatypes::{DataType, TimeUnit};
    use graticule_functions::calendar::parse_civil;

    use super::*;
    use crate::cube::metadata::CALENDAR;

    /// The column and the values of dates in a calendar.
    fn column(calendar: Calendar, dates: &[&str]) -> (Field, ArrayRef) {
        let counted = match calendar {
            Calendar::NoLeap => Calendar::ProlepticGregorian,
            other => other,
        };
        let micros = dates
            .iter()
            .map(|date| counted.micros(&parse_civil(date).unwrap().0).unwrap());
        let micros: Vec<i64> = micros.collect();
        let values: ArrayRef = match calendar {
            Calendar::AllLeap | Calendar::Day360 => Arc::new(Int64Array::from(micros)),
            _ => Arc::new(TimestampMicrosecondArray::from(micros)),
        };
        let metadata = match calendar {
            Calendar::ProlepticGregorian => HashMap::new(),
            other => HashMap::from([(CALENDAR.to_string(), other.name().to_string())]),
        };
        let field = Field::new("time", values.data_type().clone(), true);
        (field.with_metadata(metadata), values)
    }

    fn ends(calendar: Calendar, cells: TimeCells, starts: &[&str]) -> Vec<String> {
        let (field, values) = column(calendar, starts);
        let bounds = time_bounds(&field, &values, cells).unwrap();
        assert_eq!(bounds.data_type(), values.data_type());
        let bounds = Times::of(&field, &bounds).unwrap().unwrap();
        let starts = Times::of(&field, &values).unwrap().unwrap();
        let pairs = bounds.micros.values().chunks(2).zip(starts.micros.values());
        pairs
            .map(|(pair, start)| {
                assert_eq!(pair[0], *start);
                let text = bounds.calendar.civil(pair[1]).to_string();
                text.trim_end_matches("T00:00:00").to_string()
            })
            .collect()
    }

    #[test]
    fn cells_end_where_the_next_one_starts() {
        use TimeCells::{Bins, BinsOfYear, Truncated};
        let days = |days| Step {
            months: 0,
            micros: days * MICROS_PER_DAY,
        };
        let months = |months| Step { months, micros: 0 };
        let of = |date: &str| {
            let civil = parse_civil(date).unwrap().0;
            Calendar::ProlepticGregorian.micros(&civil).unwrap()
        };
        let (real, noleap) = (Calendar::ProlepticGregorian, Calendar::NoLeap);
        let cases = [
            (real, Truncated(DatePart::Month), "2012-02-01", "2012-03-01"),
            (real, Truncated(DatePart::Year), "2012-01-01", "2013-01-01"),
            (
                real,
                Truncated(DatePart::Quarter),
                "2012-10-01",
                "2013-01-01",
            ),
            (real, Truncated(DatePart::Week), "2012-02-27", "2012-03-05"),
            (real, Truncated(DatePart::Day), "2012-02-28", "2012-02-29"),
            (
                real,
                Truncated(DatePart::Hour),
                "2012-02-29 23:00",
                "2012-03-01",
            ),
            (noleap, Truncated(DatePart::Day), "2012-02-28", "2012-03-01"),
            (
                noleap,
                Bins {
                    step: days(8),
                    origin: 0,
                },
                "2012-02-26",
                "2012-03-06",
            ),
            (
                Calendar::Day360,
                Truncated(DatePart::Month),
                "2012-02-01",
                "2012-03-01",
            ),
            (
                Calendar::Day360,
                Truncated(DatePart::Day),
                "2012-02-30",
                "2012-03-01",
            ),
            (
                Calendar::AllLeap,
                Truncated(DatePart::Day),
                "2011-02-28",
                "2011-02-29",
            ),
            (
                real,
                Bins {
                    step: months(3),
                    origin: of("1970-12-01"),
                },
                "2011-12-01",
                "2012-03-01",
            ),
            (
                real,
                Bins {
                    step: months(1),
                    origin: of("2011-01-31"),
                },
                "2011-02-28",
                "2011-03-31",
            ),
            (real, BinsOfYear(days(8)), "2017-12-19", "2017-12-27"),
            (real, BinsOfYear(days(8)), "2017-12-27", "2018-01-01"),
        ];
        for (calendar, cells, start, end) in cases {
            assert_eq!(ends(calendar, cells, &[start]), [end], "{cells:?} {start}");
        }
    }

    #[test]
    fn other_units_and_gaps_stay() {
        let (field, values) = column(Calendar::ProlepticGregorian, &["2012-02-01"]);
        let seconds = DataType::Timestamp(TimeUnit::Second, None);
        let cells = TimeCells::Truncated(DatePart::Month);
        let bounds = time_bounds(&field, &cast(&values, &seconds).unwrap(), cells).unwrap();
        assert_eq!(bounds.data_type(), &seconds);
        let gap: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![None, Some(0)]));
        let bounds = time_bounds(&field, &gap, cells).unwrap();
        assert_eq!((bounds.len(), bounds.null_count()), (4, 2));
    }

    #[test]
    fn what_has_no_length() {
        let (field, values) = column(Calendar::ProlepticGregorian, &["2012-02-01"]);
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let plain = Field::new("n", DataType::Int64, true);
        let cases = [
            time_bounds(&field, &values, TimeCells::Truncated(DatePart::Epoch)),
            time_bounds(&plain, &numbers, TimeCells::Truncated(DatePart::Month)),
        ];
        for (case, expected) in cases
            .into_iter()
            .zip(["truncation to this part", "are no times"])
        {
            let message = case.unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
