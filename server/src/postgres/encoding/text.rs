//! Values as the text that PostgreSQL writes.

use std::fmt::Write as _;

use arrow::datatypes::IntervalMonthDayNano;
use bytes::{BufMut, BytesMut};
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike};

use super::digits::{padded, pair};

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// `1999-12-31`, days since 1970.
pub(super) fn date(count: i32, output: &mut BytesMut) {
    let epoch = DateTime::UNIX_EPOCH.date_naive();
    let days = chrono::TimeDelta::try_days(i64::from(count));
    match days.and_then(|days| epoch.checked_add_signed(days)) {
        Some(date) => {
            put_date(date, output);
            put_era(date, output);
        }
        None => endless(i64::from(count), output),
    }
}

/// `1999-12-31 23:59:59.5`, microseconds since 1970.
pub(super) fn timestamp(microseconds: i64, zone: &str, output: &mut BytesMut) {
    match DateTime::from_timestamp_micros(microseconds) {
        Some(time) => {
            let time = time.naive_utc();
            put_date(time.date(), output);
            output.put_u8(b' ');
            put_clock(time.time(), output);
            output.put_slice(zone.as_bytes());
            put_era(time.date(), output);
        }
        None => endless(microseconds, output),
    }
}

/// `23:59:59.5`, microseconds of the day.
pub(super) fn time(microseconds: i64, output: &mut BytesMut) {
    let seconds = u32::try_from(microseconds.div_euclid(SECOND)).unwrap_or(u32::MAX);
    let nanoseconds = u32::try_from(microseconds.rem_euclid(SECOND) * 1000).unwrap_or_default();
    match NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanoseconds) {
        Some(time) => put_clock(time, output),
        None => output.put_slice(b"24:00:00"),
    }
}

/// `1 year 2 mons 3 days 04:05:06.5`
pub(super) fn interval(value: IntervalMonthDayNano) -> String {
    interval_of(value.months, value.days, value.nanoseconds / 1000)
}

/// The same of months, days and microseconds.
pub(super) fn interval_of(months: i32, days: i32, microseconds: i64) -> String {
    let mut text = String::new();
    let mut part = |count: i32, unit: &str| {
        if count != 0 {
            let plural = if count == 1 { "" } else { "s" };
            // Behind a part below zero the sign is said.
            let sign = if text.contains('-') && count > 0 {
                "+"
            } else {
                ""
            };
            let space = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{space}{sign}{count} {unit}{plural}");
        }
    };
    part(months / 12, "year");
    part(months % 12, "mon");
    part(days, "day");
    if microseconds != 0 || text.is_empty() {
        let sign = match (microseconds < 0, text.contains('-')) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        };
        let space = if text.is_empty() { "" } else { " " };
        let rest = microseconds.unsigned_abs();
        let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
        let _ = write!(
            text,
            "{space}{sign}{:02}:{:02}:{:02}{}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            decimals(fraction)
        );
    }
    text
}

fn put_date(date: NaiveDate, output: &mut BytesMut) {
    let (_, year) = date.year_ce();
    let ([m, mm], [d, dd]) = (pair(date.month()), pair(date.day()));
    padded(year.into(), 4, output);
    output.put_slice(&[b'-', m, mm, b'-', d, dd]);
}

fn put_era(date: NaiveDate, output: &mut BytesMut) {
    if !date.year_ce().0 {
        output.put_slice(b" BC");
    }
}

fn put_clock(time: NaiveTime, output: &mut BytesMut) {
    let ([h, hh], [m, mm], [s, ss]) = (pair(time.hour()), pair(time.minute()), pair(time.second()));
    output.put_slice(&[h, hh, b':', m, mm, b':', s, ss]);
    let fraction = u64::from(time.nanosecond() / 1000);
    if fraction > 0 {
        output.put_slice(decimals(fraction).as_bytes());
    }
}

/// Microseconds behind the point, without zeros at the end.
fn decimals(microseconds: u64) -> String {
    match microseconds {
        0 => String::new(),
        some => format!(".{some:06}").trim_end_matches('0').to_string(),
    }
}

/// A time that no calendar reaches.
fn endless(direction: i64, output: &mut BytesMut) {
    output.put_slice(match direction < 0 {
        true => b"-infinity",
        false => b"infinity",
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PostgreSQL 15 writes for the same values.
    #[test]
    fn values_read_as_in_postgresql() {
        let text = |write: &dyn Fn(&mut BytesMut)| {
            let mut output = BytesMut::new();
            write(&mut output);
            String::from_utf8_lossy(&output).into_owned()
        };
        for (days, expected) in [
            (0, "1970-01-01"),
            (-719_163, "0001-12-31 BC"),
            (2_932_897, "10000-01-01"),
        ] {
            assert_eq!(text(&|output| date(days, output)), expected);
        }
        for (microseconds, zone, expected) in [
            (1_500_000, "+00", "1970-01-01 00:00:01.5+00"),
            (-1, "", "1969-12-31 23:59:59.999999"),
            (
                -62_135_596_800_000_001,
                "+00",
                "0001-12-31 23:59:59.999999+00 BC",
            ),
            (i64::MAX, "", "infinity"),
            (i64::MIN, "", "-infinity"),
        ] {
            assert_eq!(
                text(&|output| timestamp(microseconds, zone, output)),
                expected
            );
        }
        assert_eq!(
            text(&|output| time(86_399_000_001, output)),
            "23:59:59.000001"
        );
        assert_eq!(interval_of(0, 0, 0), "00:00:00");
        assert_eq!(
            interval_of(14, 3, 14_706_500_000),
            "1 year 2 mons 3 days 04:05:06.5"
        );
        assert_eq!(interval_of(-1, 2, -1_000_000), "-1 mons +2 days -00:00:01");
    }
}
