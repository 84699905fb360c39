//! Times of a field: seconds since 1970, and spans in the units that sections count in.

use chrono::{DateTime, Duration, Months, NaiveDate};
use graticule_engine::error::CubeResult;

use super::damaged;

/// Seconds since 1970.
pub(super) type Seconds = i64;

/// # Errors
/// There is no such day or hour.
pub(super) fn moment([year, month, day, hour, minute, second]: [u64; 6]) -> CubeResult<Seconds> {
    // Means of months have the day 0 in some files, and 24 hours are the next day.
    let day = day.max(1);
    let date = i32::try_from(year)
        .ok()
        .and_then(|year| NaiveDate::from_ymd_opt(year, month.max(1) as u32, day as u32));
    let midnight = date.and_then(|date| date.and_hms_opt(0, 0, 0));
    let is_time = hour <= 24 && minute < 60 && second <= 60;
    match midnight.filter(|_| is_time) {
        Some(midnight) => {
            let within = (hour * 3600 + minute * 60 + second) as i64;
            Ok(midnight.and_utc().timestamp() + within)
        }
        None => Err(damaged(format!(
            "its time {year}-{month}-{day} {hour}:{minute}:{second} does not exist"
        ))),
    }
}

/// `count` units of a table (edition 1: table 4; edition 2: code table 4.4) after `from`.
///
/// # Errors
/// An unknown unit, or a time that no calendar has.
pub(super) fn after(from: Seconds, count: i64, unit: Unit) -> CubeResult<Seconds> {
    let beyond = || {
        damaged(format!(
            "its forecast reaches {count} units beyond its time"
        ))
    };
    match unit {
        Unit::Seconds(seconds) => {
            let span = count.checked_mul(seconds);
            span.and_then(|span| from.checked_add(span))
                .filter(|sum| DateTime::from_timestamp(*sum, 0).is_some())
                .ok_or_else(beyond)
        }
        Unit::Months(months) => {
            let start = DateTime::from_timestamp(from, 0);
            let span = count.checked_mul(months);
            let size = span.and_then(|span| u32::try_from(span.unsigned_abs()).ok());
            let moved = start.zip(size).and_then(|(start, size)| match count {
                0.. => start.checked_add_months(Months::new(size)),
                _ => start.checked_sub_months(Months::new(size)),
            });
            moved.map(|moved| moved.timestamp()).ok_or_else(beyond)
        }
    }
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds(i64),
    Months(i64),
}

impl Unit {
    /// Codes 0 to 12 are the same in both editions; 13 and 254 are not.
    ///
    /// # Errors
    /// An unknown unit.
    pub(super) fn of(code: u8, is_first: bool) -> CubeResult<Self> {
        Ok(match code {
            0 => Self::Seconds(60),
            1 => Self::Seconds(3600),
            2 => Self::Seconds(86_400),
            3 => Self::Months(1),
            4 => Self::Months(12),
            5 => Self::Months(120),
            6 => Self::Months(360),
            7 => Self::Months(1200),
            10 => Self::Seconds(3 * 3600),
            11 => Self::Seconds(6 * 3600),
            12 => Self::Seconds(12 * 3600),
            13 if is_first => Self::Seconds(15 * 60),
            14 if is_first => Self::Seconds(30 * 60),
            13 => Self::Seconds(1),
            254 if is_first => Self::Seconds(1),
            code => return Err(damaged(format!("its unit of time {code} is not known"))),
        })
    }
}

/// A time for people, as in ISO 8601.
pub(super) fn text(time: Seconds) -> String {
    let time = DateTime::from_timestamp(time, 0).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A span in hours for names: `6h`, `15min`.
pub(super) fn span_text(seconds: Seconds) -> String {
    let span = Duration::seconds(seconds);
    match seconds % 3600 {
        0 => format!("{}h", span.num_hours()),
        _ => format!("{}min", span.num_minutes()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn moments_and_spans() {
        let start = moment([2024, 1, 31, 0, 0, 0]).unwrap();
        assert_eq!(text(start), "2024-01-31T00:00:00Z");
        let of = |count, code| text(after(start, count, Unit::of(code, false).unwrap()).unwrap());
        assert_eq!(of(1, 3), "2024-02-29T00:00:00Z");
        assert_eq!(of(-1, 4), "2023-01-31T00:00:00Z");
        assert_eq!(of(30, 1), "2024-02-01T06:00:00Z");
        assert_eq!(of(90, 13), "2024-01-31T00:01:30Z");
        assert!(moment([2024, 13, 1, 0, 0, 0]).is_err());
        assert!(after(start, i64::MAX, Unit::Seconds(60)).is_err());
        assert!(after(start, i64::MAX, Unit::Months(12)).is_err());
        assert_eq!(
            (span_text(21_600), span_text(900)),
            ("6h".to_string(), "15min".to_string())
        );
    }
}
