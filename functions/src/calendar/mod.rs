//! The calendars of the CF conventions: dates, numbers and text in each of them.
//!
//! Every calendar counts microseconds from its own 1970-01-01 00:00. The calendars of the real world
//! (`standard`, `proleptic_gregorian`, `julian`) share one line of instants, so that their numbers
//! are timestamps; the calendars of models each have a line of their own.
//!
//! ```text
//!  stored offset ── TimeUnits ──> microseconds ── civil() ──> CivilTime ── Display ──> text
//!  5 "days since …"                in a calendar  <─ micros() ──          <── parse ──
//! ```
//! Source: CF conventions 1.11, section 4.4 <https://cfconventions.org>; the oracle of the tests is
//! cftime.

mod arithmetic;
mod civil;
mod counting;
mod error;
mod format;
mod text;
mod units;

pub use arithmetic::{DatePart, Step};
pub use civil::CivilTime;
pub use error::{CalendarError, CalendarResult};
pub use text::parse_civil;
pub use units::{DecodedTime, TimeKind, TimeUnits};

/// Microseconds in a day, the same in every calendar: none has leap seconds.
pub const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A calendar of the CF conventions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// Julian until 1582-10-04, Gregorian from 1582-10-15: `standard`, `gregorian`, or not stated.
    Standard,
    /// Gregorian at all times: `proleptic_gregorian`.
    ProlepticGregorian,
    /// Every fourth year is a leap year: `julian`.
    Julian,
    /// No leap years: `noleap`, `365_day`.
    NoLeap,
    /// Leap years only: `all_leap`, `366_day`.
    AllLeap,
    /// Twelve months of 30 days: `360_day`.
    Day360,
}

impl Calendar {
    /// Every calendar.
    pub const ALL: [Self; 6] = [
        Self::Standard,
        Self::ProlepticGregorian,
        Self::Julian,
        Self::NoLeap,
        Self::AllLeap,
        Self::Day360,
    ];

    /// The calendar of a CF `calendar` attribute, in any case. An empty text is the standard calendar.
    /// `None` for anything else, also for `none`, which says that there is no calendar.
    pub fn parse(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "standard" | "gregorian" => Some(Self::Standard),
            "proleptic_gregorian" => Some(Self::ProlepticGregorian),
            "julian" => Some(Self::Julian),
            "noleap" | "365_day" => Some(Self::NoLeap),
            "all_leap" | "366_day" => Some(Self::AllLeap),
            "360_day" => Some(Self::Day360),
            _ => None,
        }
    }

    /// The name that the CF conventions recommend.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::ProlepticGregorian => "proleptic_gregorian",
            Self::Julian => "julian",
            Self::NoLeap => "noleap",
            Self::AllLeap => "all_leap",
            Self::Day360 => "360_day",
        }
    }
}

impl std::fmt::Display for Calendar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn names_and_aliases() {
        let cases = [
            ("", Some(Calendar::Standard)),
            ("gregorian", Some(Calendar::Standard)),
            (" Standard ", Some(Calendar::Standard)),
            ("365_day", Some(Calendar::NoLeap)),
            ("NOLEAP", Some(Calendar::NoLeap)),
            ("366_day", Some(Calendar::AllLeap)),
            ("360_day", Some(Calendar::Day360)),
            ("none", None),
            ("lunar", None),
        ];
        for (name, expected) in cases {
            assert_eq!(Calendar::parse(name), expected, "{name:?}");
        }
        for calendar in Calendar::ALL {
            assert_eq!(Calendar::parse(calendar.name()), Some(calendar));
        }
    }
}
