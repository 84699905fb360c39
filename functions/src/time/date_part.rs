//! `date_part(part, time)` and `extract(part FROM time)` in every calendar.

use arrow::datatypes::{DataType, Field, Float64Type, Int32Type};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::functions::datetime;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, TypeSignature};
use datafusion::scalar::ScalarValue;

use super::column::{TimeColumn, constant_text, integer_argument, text_argument};
use super::stock::{CalendarAware, CalendarKernel};
use crate::calendar::DatePart;

/// The stock `date_part`, and the same parts of times in a calendar of their own.
pub fn date_part() -> ScalarUDF {
    CalendarAware::function(
        datetime::date_part(),
        PartOfTime,
        vec![TypeSignature::Coercible(vec![
            text_argument(),
            integer_argument(),
        ])],
        r#"```sql
> SELECT date_part('month', TIMESTAMP '2024-05-01') AS month;
+-------+
| month |
+-------+
| 5     |
+-------+
> SELECT calendar_text(time) AS time, extract(month FROM time) AS month, extract(day FROM time) AS day FROM model;
+---------------------+-------+-----+
| time                | month | day |
+---------------------+-------+-----+
| 2010-01-30T12:00:00 | 1     | 30  |
| 2010-02-30T12:00:00 | 2     | 30  |
| 2010-03-30T12:00:00 | 3     | 30  |
+---------------------+-------+-----+
```"#,
    )
}

#[derive(Debug)]
struct PartOfTime;

fn part_named(name: Option<&str>) -> Result<DatePart> {
    name.and_then(DatePart::parse).ok_or_else(|| {
        exec_datafusion_err!(
            "date_part does not know the part '{}' of a time; use year, quarter, month, day, doy, hour, minute, second, millisecond, microsecond or epoch",
            name.unwrap_or_default()
        )
    })
}

impl CalendarKernel for PartOfTime {
    fn counts_days(&self, part: Option<&ScalarValue>) -> bool {
        let name = part.and_then(|part| part.try_as_str().flatten());
        name.and_then(DatePart::parse) == Some(DatePart::DayOfYear)
    }

    fn result_type(&self, part: Option<&ScalarValue>, _time: &Field) -> Result<DataType> {
        let Some(part) = part else {
            return Ok(DataType::Int32);
        };
        Ok(match part_named(part.try_as_str().flatten())? {
            DatePart::Epoch => DataType::Float64,
            _ => DataType::Int32,
        })
    }

    fn compute(&self, times: &TimeColumn, args: &[ColumnarValue]) -> Result<ColumnarValue> {
        let part = part_named(Some(constant_text("date_part", "part", &args[0])?))?;
        match part {
            DatePart::Epoch => times.numbers::<Float64Type>(|micros| Ok(micros as f64 / 1e6)),
            // Years of timestamps and parts of a year fit.
            _ => times.numbers::<Int32Type>(|micros| Ok(times.calendar.part(part, micros)? as i32)),
        }
    }
}
