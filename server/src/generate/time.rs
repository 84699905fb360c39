//! Which steps of time the wanted cube has: `time_range` as conditions, `time_period` as buckets.
//!
//! ```text
//!  1D 1W 1M 1Y  date_trunc('month', time)
//!  8D 2W        time_bucket(INTERVAL '8 days', time, '2018-05-21')     from the start of time_range,
//!                                                                      else anew each 1 January
//!  3M 5Y        time_bucket(INTERVAL '3 months', time)                 from 1970
//! ```

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime};

use super::remarks::Remarks;
use super::request::CubeConfig;
use super::text::literal;

/// The steps of time that are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Times {
    start: Option<Moment>,
    end: Option<Moment>,
    period: Option<Period>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// A day, from its start to its end.
    Day(NaiveDate),
    Time(NaiveDateTime),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Period {
    count: u32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Year,
}

impl Times {
    /// The steps that `config` asks for.
    pub(super) fn of(config: &CubeConfig, remarks: &mut Remarks) -> Self {
        let mut times = Self::default();
        if let Some(range) = &config.time_range {
            let moments: Vec<Option<Option<Moment>>> = range
                .iter()
                .map(|text| text.as_deref().map(moment))
                .collect();
            match moments.as_slice() {
                [None, None] => {}
                [None | Some(Some(_)), None | Some(Some(_))] => {
                    (times.start, times.end) = (moments[0].flatten(), moments[1].flatten());
                }
                _ => remarks.refuse(
                    "cube_config.time_range",
                    "a range is [start, end], each a date such as \"2018-05-21\" or a time such as \"2018-05-21T12:00:00\", or null",
                ),
            }
        }
        if let Some(text) = &config.time_period {
            times.period = period(text);
            if times.period.is_none() {
                remarks.refuse(
                    "cube_config.time_period",
                    "a period is a number and D, W, M or Y for days, weeks, months or years, such as \"8D\"",
                );
            }
        }
        times
    }

    /// Is nothing asked for?
    pub(super) fn are_all(&self) -> bool {
        *self == Self::default()
    }

    /// Are steps put together?
    pub(super) fn are_put_together(&self) -> bool {
        self.period.is_some()
    }

    /// Conditions on the column `time`.
    pub(super) fn conditions(&self, time: &str) -> Vec<String> {
        let start = self.start.map(|start| match start {
            Moment::Day(day) => format!("{time} >= '{day}'"),
            Moment::Time(moment) => format!("{time} >= '{}'", iso(moment)),
        });
        let end = self.end.map(|end| match end {
            Moment::Day(day) => match day.checked_add_days(Days::new(1)) {
                Some(next) => format!("{time} < '{next}'"),
                None => format!("{time} <= '{day}'"),
            },
            Moment::Time(moment) => format!("{time} <= '{}'", iso(moment)),
        });
        start.into_iter().chain(end).collect()
    }

    /// The start of the period that `time` lies in, or `time` itself.
    pub(super) fn bucket(&self, time: &str) -> String {
        let Some(Period { count, unit }) = self.period else {
            return time.to_string();
        };
        let (name, width) = match unit {
            Unit::Day => ("day", format!("{count} days")),
            Unit::Week => ("week", format!("{count} weeks")),
            Unit::Month => ("month", format!("{count} months")),
            Unit::Year => ("year", format!("{count} years")),
        };
        if count == 1 {
            return format!("date_trunc('{name}', {time})");
        }
        let origin = match (self.start, unit) {
            (_, Unit::Month | Unit::Year) => None,
            (Some(Moment::Day(day)), _) => Some(day.to_string()),
            (Some(Moment::Time(moment)), _) => Some(moment.date().to_string()),
            (None, _) => Some("year".to_string()),
        };
        match origin {
            Some(origin) => format!(
                "time_bucket(INTERVAL '{width}', {time}, {})",
                literal(&origin)
            ),
            None => format!("time_bucket(INTERVAL '{width}', {time})"),
        }
    }
}

fn iso(moment: NaiveDateTime) -> String {
    moment.format("%Y-%m-%dT%H:%M:%S%.f").to_string()
}

fn moment(text: &str) -> Option<Moment> {
    let text = text.trim();
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Some(Moment::Day(day));
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(Moment::Time(time.naive_utc()));
    }
    let formats = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
    ];
    let mut formats = formats.iter();
    let time = formats.find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?;
    Some(Moment::Time(time))
}

fn period(text: &str) -> Option<Period> {
    let at = text.len().checked_sub(1)?;
    let (count, unit) = (text.get(..at)?, text.get(at..)?);
    let unit = match unit {
        "D" => Unit::Day,
        "W" => Unit::Week,
        "M" => Unit::Month,
        "Y" => Unit::Year,
        _ => return None,
    };
    let is_number = !count.starts_with('0') && count.chars().all(|c| c.is_ascii_digit());
    let count = match count {
        "" => 1,
        count => count.parse().ok().filter(|_| is_number)?,
    };
    Some(Period { count, unit })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn times(range: [Option<&str>; 2], period: Option<&str>) -> Times {
        let config = CubeConfig {
            time_range: Some(range.iter().map(|text| text.map(String::from)).collect()),
            time_period: period.map(String::from),
            ..CubeConfig::default()
        };
        let mut remarks = Remarks::default();
        let times = Times::of(&config, &mut remarks);
        assert_eq!(remarks.to_string(), "");
        times
    }

    #[test]
    fn ranges_hold_their_last_day() {
        let cases: [([Option<&str>; 2], &[&str]); 5] = [
            ([None, None], &[]),
            ([Some("2018-05-21"), None], &["time >= '2018-05-21'"]),
            ([None, Some("2018-12-31")], &["time < '2019-01-01'"]),
            (
                [Some("2018-05-21T06:30:00+02:00"), Some("2018-05-21 12:00")],
                &[
                    "time >= '2018-05-21T04:30:00'",
                    "time <= '2018-05-21T12:00:00'",
                ],
            ),
            (
                [Some("2018-05-21T00:00:00.25"), None],
                &["time >= '2018-05-21T00:00:00.250'"],
            ),
        ];
        for (range, expected) in cases {
            assert_eq!(times(range, None).conditions("time"), expected);
        }
    }

    #[test]
    fn periods_are_buckets() {
        let cases = [
            ("1D", None, "date_trunc('day', time)"),
            ("M", None, "date_trunc('month', time)"),
            ("8D", None, "time_bucket(INTERVAL '8 days', time, 'year')"),
            (
                "2W",
                Some("2018-05-21"),
                "time_bucket(INTERVAL '2 weeks', time, '2018-05-21')",
            ),
            (
                "3M",
                Some("2018-05-21"),
                "time_bucket(INTERVAL '3 months', time)",
            ),
        ];
        for (period, start, expected) in cases {
            assert_eq!(times([start, None], Some(period)).bucket("time"), expected);
        }
        for wrong in ["", "8", "08D", "-1D", "1H", "1d", "99999999999D", "é"] {
            assert_eq!(period(wrong), None, "{wrong}");
        }
        assert_eq!(moment("2018-13-01"), None);
        assert_eq!(moment("yesterday"), None);
    }
}
