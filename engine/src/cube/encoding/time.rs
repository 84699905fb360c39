//! Times to stored numbers: what a column's numbers are, and what is counted of them.

use arrow::array::types::Int64Type;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, TimeUnit};
use graticule_functions::calendar::{Calendar, TimeUnits};

use crate::cube::metadata::CALENDAR;
use crate::error::{CubeError, CubeResult};

/// What is counted from, where the user says nothing: the same as in Arrow.
const EPOCH: &str = "since 1970-01-01";

/// Units from coarse to fine.
const UNITS: [&str; 7] = [
    "days",
    "hours",
    "minutes",
    "seconds",
    "milliseconds",
    "microseconds",
    "nanoseconds",
];

/// How the times of one column are counted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TimeCounting {
    /// Unit of the numbers of the column.
    ticks: TimeUnit,
    /// The CF calendar of the dates.
    calendar: Calendar,
    /// As stored, `days since 1970-01-01`.
    text: String,
    units: TimeUnits,
}

impl TimeCounting {
    /// The counting of a column of times, in the column's own unit, so that every time is a whole
    /// number; `None` for any other column.
    pub(super) fn of(field: &Field, data_type: &DataType) -> CubeResult<Option<TimeCounting>> {
        let calendar = field.metadata().get(CALENDAR);
        let calendar = calendar.and_then(|name| Calendar::parse(name));
        let (ticks, calendar) = match (data_type, calendar) {
            (DataType::Timestamp(unit, _), Some(Calendar::NoLeap)) => (*unit, Calendar::NoLeap),
            (DataType::Timestamp(unit, _), _) => (*unit, Calendar::ProlepticGregorian),
            (DataType::Int64, Some(calendar)) => (TimeUnit::Microsecond, calendar),
            _ => return Ok(None),
        };
        Self::new(ticks, calendar, own_units(ticks)).map(Some)
    }

    fn new(ticks: TimeUnit, calendar: Calendar, text: String) -> CubeResult<TimeCounting> {
        let units = TimeUnits::parse(&text, calendar);
        Ok(TimeCounting {
            units: units.map_err(|error| CubeError::invalid("", error))?,
            ticks,
            calendar,
            text,
        })
    }

    /// The same times, counted in other units.
    ///
    /// # Errors
    /// These are no time units, or have no fixed length in the calendar.
    pub(super) fn counted_in(&self, units: &str) -> CubeResult<TimeCounting> {
        Self::new(self.ticks, self.calendar, units.to_string())
    }

    /// The same times in the coarsest unit in which all `times` are whole numbers.
    pub(super) fn coarsest(&self, times: &[&ArrayRef]) -> CubeResult<TimeCounting> {
        for unit in UNITS {
            let coarser = self.counted_in(&format!("{unit} {EPOCH}"))?;
            let holds = |times: &&ArrayRef| {
                let counts = coarser.count(times)?;
                Ok(counts.null_count() == times.null_count())
            };
            let all: Vec<bool> = times.iter().map(holds).collect::<CubeResult<_>>()?;
            if all.iter().all(|holds| *holds) {
                return Ok(coarser);
            }
        }
        Ok(self.clone())
    }

    /// As stored, `days since 1970-01-01`.
    pub(super) fn units(&self) -> &str {
        &self.text
    }

    /// The CF calendar of the dates.
    pub(super) fn calendar(&self) -> Calendar {
        self.calendar
    }

    /// Whole numbers of units; NULL where a time is none, and where it is NULL.
    ///
    /// # Errors
    /// The values are no times.
    pub(super) fn count(&self, times: &ArrayRef) -> CubeResult<Int64Array> {
        let ticks = ticks(times)?;
        if self.is_epoch_count() {
            return Ok(ticks);
        }
        let count = |tick| self.units.count(self.micros(tick)?);
        Ok(ticks.iter().map(|tick| count(tick?)).collect())
    }

    /// Numbers of units with a fraction; NULL where none is decoded to the time, and where it is NULL.
    ///
    /// # Errors
    /// The values are no times.
    pub(super) fn count_floats(&self, times: &ArrayRef) -> CubeResult<Float64Array> {
        let count = |tick| self.units.count_float(self.micros(tick)?);
        let ticks = ticks(times)?;
        Ok(ticks.iter().map(|tick| count(tick?)).collect())
    }

    /// Are the column's numbers what is stored?
    fn is_epoch_count(&self) -> bool {
        // Timestamps count the leap days that the calendar lacks.
        self.calendar != Calendar::NoLeap && self.text == own_units(self.ticks)
    }

    /// Microseconds, in which columns of decoded times count.
    fn micros(&self, tick: i64) -> Option<i64> {
        match self.ticks {
            TimeUnit::Second => tick.checked_mul(1_000_000),
            TimeUnit::Millisecond => tick.checked_mul(1000),
            TimeUnit::Microsecond => Some(tick),
            TimeUnit::Nanosecond => (tick % 1000 == 0).then_some(tick / 1000),
        }
    }
}

/// The units of Arrow's numbers.
fn own_units(ticks: TimeUnit) -> String {
    let name = match ticks {
        TimeUnit::Second => "seconds",
        TimeUnit::Millisecond => "milliseconds",
        TimeUnit::Microsecond => "microseconds",
        TimeUnit::Nanosecond => "nanoseconds",
    };
    format!("{name} {EPOCH}")
}

fn ticks(times: &ArrayRef) -> CubeResult<Int64Array> {
    let ticks = cast(times, &DataType::Int64).map_err(|error| CubeError::invalid("", error))?;
    Ok(ticks.as_primitive::<Int64Type>().clone())
}
