//! What can be wrong with a date, with time units, or with what is asked of a calendar.

use datafusion::error::DataFusionError;

use super::{Calendar, CivilTime};

/// Result of everything that involves a calendar.
pub type CalendarResult<T> = Result<T, CalendarError>;

/// An error about a date or time units: cause, then remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Text that is no date.
    #[error("'{text}' is not a date; write it as 2010-02-28 or 2010-02-28 12:30:00")]
    NotADate {
        /// What was given.
        text: String,
    },
    /// Fields that name no date of the calendar.
    #[error("{date} does not exist in the {calendar} calendar; {remedy}")]
    NoSuchDate {
        /// The fields as given.
        date: CivilTime,
        /// The calendar that lacks them.
        calendar: Calendar,
        /// How long the month is, or what else is wrong.
        remedy: String,
    },
    /// Units without "since", or a unit that is no unit of time.
    #[error(
        "'{units}' are no time units; CF time units read like 'days since 1970-01-01 00:00:00'"
    )]
    NotTimeUnits {
        /// The attribute as stored.
        units: String,
    },
    /// Months and years, whose length depends on which month or year.
    #[error(
        "'{unit}' has no fixed length in the {calendar} calendar; read the values as plain numbers, or rewrite them in days"
    )]
    NoFixedLength {
        /// The unit.
        unit: String,
        /// The calendar.
        calendar: Calendar,
    },
    /// A reference date with a year below 1, or below 0 where the calendar has a year zero.
    #[error(
        "the year of the reference date '{text}' does not exist in the {calendar} calendar; read the values as plain numbers"
    )]
    NoSuchYear {
        /// The reference date as stored.
        text: String,
        /// The calendar.
        calendar: Calendar,
    },
    /// A time that does not fit a timestamp.
    #[error(
        "the time {value} is beyond the years -262142 to 262142 that a timestamp holds; it may be a fill value that the data do not declare"
    )]
    OutOfRange {
        /// The value as stored or as computed.
        value: String,
    },
    /// A field, unit or width that the calendar does not have.
    #[error("{what} is not defined in the {calendar} calendar; {remedy}")]
    Undefined {
        /// What was asked for.
        what: String,
        /// The calendar.
        calendar: Calendar,
        /// What there is instead.
        remedy: String,
    },
}

impl From<CalendarError> for DataFusionError {
    fn from(error: CalendarError) -> Self {
        DataFusionError::Execution(error.to_string())
    }
}
