//! The times of an argument, whatever their type, counted in their calendar.

use std::sync::Arc;

use arrow::array::types::{Int64Type, TimestampMicrosecondType};
use arrow::array::{
    ArrayRef, ArrowPrimitiveType, AsArray, Int64Array, PrimitiveArray, StringArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion::common::types::{NativeType, logical_date, logical_int64, logical_string};
use datafusion::common::{Result, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::{Coercion, ColumnarValue, TypeSignature, TypeSignatureClass};
use datafusion::scalar::ScalarValue;

use crate::calendar::{Calendar, CalendarError, CalendarResult, MICROS_PER_DAY, Step, parse_civil};
use crate::metadata::{CALENDAR, calendar_of};

/// Times of one argument: microseconds counted in `calendar`.
pub(super) struct TimeColumn {
    pub(super) calendar: Calendar,
    micros: Int64Array,
    data_type: DataType,
    is_scalar: bool,
}

impl TimeColumn {
    /// The times of an argument that is a timestamp, or an integer with a calendar.
    pub(super) fn of(value: &ColumnarValue, field: &Field) -> Result<Self> {
        let is_scalar = matches!(value, ColumnarValue::Scalar(_));
        let data_type = time_type(field);
        let array = cast_exactly(&value.to_array(1)?, &data_type)?;
        let calendar = time_calendar(field)?;
        let micros = match &data_type {
            DataType::Timestamp(_, zone) => cast_exactly(
                &array,
                &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            )?
            .as_primitive::<TimestampMicrosecondType>()
            .reinterpret_cast::<Int64Type>(),
            _ => array.as_primitive::<Int64Type>().clone(),
        };
        let micros = match (calendar, &data_type) {
            (Calendar::NoLeap, DataType::Timestamp(..)) => micros.try_unary(|micros| {
                Calendar::NoLeap.micros(&Calendar::ProlepticGregorian.civil(micros))
            })?,
            _ => micros,
        };
        Ok(Self {
            calendar,
            micros,
            data_type,
            is_scalar,
        })
    }

    /// A number for each time.
    pub(super) fn numbers<T: ArrowPrimitiveType>(
        &self,
        number: impl Fn(i64) -> CalendarResult<T::Native>,
    ) -> Result<ColumnarValue> {
        let numbers: PrimitiveArray<T> = self.micros.try_unary(number)?;
        self.columnar(Arc::new(numbers))
    }

    /// A time for each time, in the same type as the argument.
    pub(super) fn times(&self, time: impl Fn(i64) -> CalendarResult<i64>) -> Result<ColumnarValue> {
        let DataType::Timestamp(_, zone) = &self.data_type else {
            return self.numbers::<Int64Type>(time);
        };
        let micros: Int64Array = self.micros.try_unary(|micros| {
            let micros = time(micros)?;
            match self.calendar {
                Calendar::NoLeap => {
                    Calendar::ProlepticGregorian.micros(&Calendar::NoLeap.civil(micros))
                }
                _ => Ok::<_, CalendarError>(micros),
            }
        })?;
        let timestamps = micros
            .reinterpret_cast::<TimestampMicrosecondType>()
            .with_timezone_opt(zone.clone());
        self.columnar(cast_exactly(
            &(Arc::new(timestamps) as ArrayRef),
            &self.data_type,
        )?)
    }

    /// A text for each time.
    pub(super) fn texts<S: AsRef<str>>(
        &self,
        text: impl Fn(i64) -> CalendarResult<S>,
    ) -> Result<ColumnarValue> {
        let texts: StringArray = self
            .micros
            .iter()
            .map(|micros| micros.map(&text).transpose())
            .collect::<CalendarResult<_>>()?;
        self.columnar(Arc::new(texts))
    }

    /// The microseconds, in the column's calendar, of a constant date: a text or a timestamp.
    pub(super) fn date(&self, function: &str, date: &ColumnarValue) -> Result<i64> {
        if let ColumnarValue::Scalar(ScalarValue::TimestampNanosecond(Some(nanos), _)) = date {
            let civil = Calendar::ProlepticGregorian.civil(nanos.div_euclid(1000));
            return Ok(self.calendar.micros(&civil)?);
        }
        let (civil, ahead) = parse_civil(constant_text(function, "origin", date)?)?;
        Ok(self.calendar.micros(&civil)? - ahead)
    }

    fn columnar(&self, array: ArrayRef) -> Result<ColumnarValue> {
        Ok(if self.is_scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
        } else {
            ColumnarValue::Array(array)
        })
    }
}

/// The calendar of a time column: real time, unless metadata say otherwise.
pub(super) fn time_calendar(field: &Field) -> Result<Calendar> {
    if is_noleap(field) {
        return Ok(Calendar::NoLeap);
    }
    match (calendar_of(field), field.data_type()) {
        (Some(calendar), _) => Ok(calendar),
        (None, DataType::Timestamp(..) | DataType::Null) => Ok(Calendar::ProlepticGregorian),
        (None, other) => plan_err!(
            "'{}' is no time: it has the type {other} and no calendar; use a time column or a timestamp",
            field.name()
        ),
    }
}

/// The type of a time: that of its column, and a timestamp for NULL.
pub(super) fn time_type(field: &Field) -> DataType {
    match field.data_type() {
        DataType::Null => DataType::Timestamp(TimeUnit::Microsecond, None),
        data_type => data_type.clone(),
    }
}

/// Whether a timestamp column holds dates of the `noleap` calendar.
pub(super) fn is_noleap(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Timestamp(..))
        && field
            .metadata()
            .get(CALENDAR)
            .is_some_and(|name| Calendar::parse(name) == Some(Calendar::NoLeap))
}

/// The argument types a time can have: timestamps and what reads as one, or an integer.
pub(super) fn time_arguments() -> [Coercion; 2] {
    [
        Coercion::new_implicit(
            TypeSignatureClass::Timestamp,
            vec![
                TypeSignatureClass::Native(logical_string()),
                TypeSignatureClass::Native(logical_date()),
            ],
            NativeType::Timestamp(TimeUnit::Microsecond, None),
        ),
        integer_argument(),
    ]
}

/// An integer; whether it has a calendar shows in its field.
pub(super) fn integer_argument() -> Coercion {
    Coercion::new_exact(TypeSignatureClass::Native(logical_int64()))
}

/// A text.
pub(super) fn text_argument() -> Coercion {
    Coercion::new_exact(TypeSignatureClass::Native(logical_string()))
}

/// An interval, or a text that reads as one.
pub(super) fn interval_argument() -> Coercion {
    Coercion::new_implicit(
        TypeSignatureClass::Interval,
        vec![TypeSignatureClass::Native(logical_string())],
        NativeType::Interval(IntervalUnit::MonthDayNano),
    )
}

/// A text, or a date or timestamp, which becomes text: its fields are read in the column's calendar.
pub(super) fn origin_argument() -> Coercion {
    Coercion::new_implicit(
        TypeSignatureClass::Native(logical_string()),
        vec![
            TypeSignatureClass::Timestamp,
            TypeSignatureClass::Native(logical_date()),
        ],
        NativeType::String,
    )
}

/// The signatures of a function of one time.
pub(super) fn one_time() -> Vec<TypeSignature> {
    time_arguments()
        .map(|time| TypeSignature::Coercible(vec![time]))
        .to_vec()
}

/// The interval that an argument states.
pub(super) fn step_of(function: &str, value: &ColumnarValue) -> Result<Step> {
    let step = |months: i32, days: i32, micros: i64| Step {
        months: i64::from(months),
        micros: i64::from(days) * MICROS_PER_DAY + micros,
    };
    match value {
        ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(interval))) => Ok(step(
            interval.months,
            interval.days,
            interval.nanoseconds / 1000,
        )),
        ColumnarValue::Scalar(ScalarValue::IntervalDayTime(Some(interval))) => Ok(step(
            0,
            interval.days,
            i64::from(interval.milliseconds) * 1000,
        )),
        ColumnarValue::Scalar(ScalarValue::IntervalYearMonth(Some(months))) => {
            Ok(step(*months, 0, 0))
        }
        _ => exec_err!("{function} needs a constant interval, as in INTERVAL '8 days'"),
    }
}

/// The constant text of an argument.
pub(super) fn constant_text<'a>(
    function: &str,
    argument: &str,
    value: &'a ColumnarValue,
) -> Result<&'a str> {
    match value {
        ColumnarValue::Scalar(scalar) => scalar.try_as_str().flatten(),
        ColumnarValue::Array(_) => None,
    }
    .ok_or_else(|| exec_datafusion_err!("{function} needs a constant text as its {argument}"))
}

/// The interval type of SQL's `INTERVAL '…'`.
pub(super) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

fn cast_exactly(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    Ok(cast_with_options(array, to, &options)?)
}
