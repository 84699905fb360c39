//! Values as the text that PostgreSQL writes.

use std::fmt::Write as _;

use arrow::datatypes::IntervalMonthDayNano;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// The shortest number that reads back as the same value; with an exponent outside of `1e-4` to `1e15`, `1e6` for
/// numbers of four bytes.
pub(super) fn float(shortest: &str, exponent_from: i32) -> String {
    // Rust writes `d.ddde-7`, `NaN`, `inf`.
    let (sign, rest) = match shortest.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", shortest),
    };
    let Some((mantissa, exponent)) = rest.split_once('e') else {
        return match rest {
            "inf" => format!("{sign}Infinity"),
            other => other.to_string(),
        };
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(-4..exponent_from).contains(&exponent) {
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{direction}{:02}", exponent.abs());
    }
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let places = usize::try_from(exponent.unsigned_abs()).unwrap_or_default();
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(places - 1));
    }
    match digits.split_at_checked(places + 1) {
        Some((whole, "")) => format!("{sign}{whole}"),
        Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{digits}{}", "0".repeat(places + 1 - digits.len())),
    }
}

/// `1999-12-31`, days since 1970.
pub(super) fn date(count: i32) -> String {
    let epoch = DateTime::UNIX_EPOCH.date_naive();
    let days = chrono::TimeDelta::try_days(i64::from(count));
    match days.and_then(|days| epoch.checked_add_signed(days)) {
        Some(date) => dated(date, ""),
        None => endless(i64::from(count)),
    }
}

/// `1999-12-31 23:59:59.5`, microseconds since 1970.
pub(super) fn timestamp(microseconds: i64, zone: &str) -> String {
    match DateTime::from_timestamp_micros(microseconds) {
        Some(time) => {
            let time: NaiveDateTime = time.naive_utc();
            dated(time.date(), &format!(" {}{zone}", clock(time.time())))
        }
        None => endless(microseconds),
    }
}

/// `23:59:59.5`, microseconds of the day.
pub(super) fn time(microseconds: i64) -> String {
    let seconds = u32::try_from(microseconds.div_euclid(SECOND)).unwrap_or(u32::MAX);
    let nanoseconds = u32::try_from(microseconds.rem_euclid(SECOND) * 1000).unwrap_or_default();
    match NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanoseconds) {
        Some(time) => clock(time),
        None => "24:00:00".to_string(),
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

fn dated(date: NaiveDate, rest: &str) -> String {
    let (is_before, year) = date.year_ce();
    let era = if is_before { "" } else { " BC" };
    format!("{year:04}-{:02}-{:02}{rest}{era}", date.month(), date.day())
}

fn clock(time: NaiveTime) -> String {
    let fraction = u64::from(time.nanosecond() / 1000);
    format!(
        "{:02}:{:02}:{:02}{}",
        time.hour(),
        time.minute(),
        time.second(),
        decimals(fraction)
    )
}

/// Microseconds behind the point, without zeros at the end.
fn decimals(microseconds: u64) -> String {
    match microseconds {
        0 => String::new(),
        some => format!(".{some:06}").trim_end_matches('0').to_string(),
    }
}

/// A time that no calendar reaches.
fn endless(direction: i64) -> String {
    match direction < 0 {
        true => "-infinity".to_string(),
        false => "infinity".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PostgreSQL 15 writes for the same values.
    #[test]
    fn values_read_as_in_postgresql() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (-273.15, "-273.15"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (1.25e100, "1.25e+100"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(float(&format!("{value:e}"), 15), expected);
        }
        for (value, expected) in [(123_456.0_f32, "123456"), (1_234_567.0, "1.234567e+06")] {
            assert_eq!(float(&format!("{value:e}"), 6), expected);
        }
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-719_529), "0001-12-31 BC");
        assert_eq!(timestamp(1_500_000, "+00"), "1970-01-01 00:00:01.5+00");
        assert_eq!(timestamp(-1, ""), "1969-12-31 23:59:59.999999");
        assert_eq!(timestamp(i64::MAX, ""), "infinity");
        assert_eq!(time(86_399_000_001), "23:59:59.000001");
        assert_eq!(interval_of(0, 0, 0), "00:00:00");
        assert_eq!(
            interval_of(14, 3, 14_706_500_000),
            "1 year 2 mons 3 days 04:05:06.5"
        );
        assert_eq!(interval_of(-1, 2, -1_000_000), "-1 mons +2 days -00:00:01");
    }
}
