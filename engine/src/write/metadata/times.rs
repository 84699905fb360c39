//! The times of an axis, counted in the calendar of their dates.

use std::sync::Arc;

use arrow::array::types::{Int64Type, TimestampMicrosecondType};
use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, TimeUnit};
use graticule_functions::calendar::{Calendar, CalendarResult};

use crate::cube::metadata::CALENDAR;
use crate::error::{CubeError, CubeResult};

/// Times and their calendar.
#[derive(Debug)]
pub(super) struct Times {
    /// The calendar that the microseconds are counted in.
    pub(super) calendar: Calendar,
    /// Microseconds since 1970-01-01 in `calendar`.
    pub(super) micros: Int64Array,
    /// Type of the column.
    data_type: DataType,
}

impl Times {
    /// The times of a column; `None` if its values are no times.
    ///
    /// # Errors
    /// A date is none of the column's calendar.
    pub(super) fn of(field: &Field, values: &ArrayRef) -> CubeResult<Option<Times>> {
        let calendar = field.metadata().get(CALENDAR);
        let calendar = calendar.and_then(|name| Calendar::parse(name));
        let unreadable = |error| CubeError::invalid(field.name(), error);
        let data_type = values.data_type().clone();
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let (micros, calendar) = match (&data_type, calendar) {
            (DataType::Timestamp(..) | DataType::Date32 | DataType::Date64, calendar) => {
                let stamps = cast(values, &micros).map_err(unreadable)?;
                let stamps = stamps.as_primitive::<TimestampMicrosecondType>();
                let micros = stamps.reinterpret_cast::<Int64Type>();
                if calendar == Some(Calendar::NoLeap) {
                    let micros = micros.try_unary(of_timestamp);
                    let micros = micros.map_err(|error| CubeError::invalid(field.name(), error))?;
                    (micros, Calendar::NoLeap)
                } else {
                    (micros, Calendar::ProlepticGregorian)
                }
            }
            (DataType::Int64, Some(calendar)) => {
                (values.as_primitive::<Int64Type>().clone(), calendar)
            }
            _ => return Ok(None),
        };
        Ok(Some(Times {
            calendar,
            micros,
            data_type,
        }))
    }

    /// Times of the same calendar as values of the column's type.
    ///
    /// # Errors
    /// A time is none of the type.
    pub(super) fn values(&self, micros: Int64Array) -> CubeResult<ArrayRef> {
        let unreadable = |error: arrow::error::ArrowError| CubeError::invalid("", error);
        if self.data_type == DataType::Int64 {
            return Ok(Arc::new(micros));
        }
        let micros: CalendarResult<Int64Array> = match self.calendar {
            Calendar::NoLeap => micros.try_unary(to_timestamp),
            _ => Ok(micros),
        };
        let micros = micros.map_err(|error| CubeError::invalid("", error))?;
        let stamps = micros.reinterpret_cast::<TimestampMicrosecondType>();
        cast(&stamps, &self.data_type).map_err(unreadable)
    }

    /// A time as ISO 8601 has it; those of the real world are UTC.
    pub(super) fn text(&self, micros: i64) -> String {
        let zone = match self.calendar {
            Calendar::NoLeap | Calendar::AllLeap | Calendar::Day360 => "",
            Calendar::Standard | Calendar::ProlepticGregorian | Calendar::Julian => "Z",
        };
        format!("{}{zone}", self.calendar.civil(micros))
    }
}

/// The time in the calendar without leap days of a timestamp with the same fields.
fn of_timestamp(micros: i64) -> CalendarResult<i64> {
    Calendar::NoLeap.micros(&Calendar::ProlepticGregorian.civil(micros))
}

fn to_timestamp(micros: i64) -> CalendarResult<i64> {
    Calendar::ProlepticGregorian.micros(&Calendar::NoLeap.civil(micros))
}
