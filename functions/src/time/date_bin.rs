//! `date_bin(interval, time [, origin])` in every calendar.

use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use datafusion::functions::datetime;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, TypeSignature};
use datafusion::scalar::ScalarValue;

use super::column::{INTERVAL, TimeColumn, step_of};
use super::stock::{CalendarAware, CalendarKernel};

/// The stock `date_bin`, and the same for times in a calendar of their own.
pub fn date_bin() -> ScalarUDF {
    CalendarAware::function(
        datetime::date_bin(),
        StartOfBin,
        vec![
            TypeSignature::Exact(vec![INTERVAL, DataType::Int64]),
            // Timestamps become text on the way: their fields are read in the column's calendar.
            TypeSignature::Exact(vec![INTERVAL, DataType::Int64, DataType::Utf8]),
        ],
        r#"```sql
> SELECT date_bin(INTERVAL '10 days', TIMESTAMP '2024-05-15T10:30:00', TIMESTAMP '2024-05-01') AS bin;
+---------------------+
| bin                 |
+---------------------+
| 2024-05-11T00:00:00 |
+---------------------+
> SELECT calendar_text(date_bin(INTERVAL '20 days', time, '2010-01-01')) AS bin FROM model;
+---------------------+
| bin                 |
+---------------------+
| 2010-01-21T00:00:00 |
| 2010-02-11T00:00:00 |
| 2010-03-21T00:00:00 |
+---------------------+
```"#,
    )
}

#[derive(Debug)]
struct StartOfBin;

impl CalendarKernel for StartOfBin {
    fn counts_days(&self, _interval: Option<&ScalarValue>) -> bool {
        true
    }

    fn result_type(&self, _interval: Option<&ScalarValue>, time: &Field) -> Result<DataType> {
        Ok(time.data_type().clone())
    }

    fn compute(&self, times: &TimeColumn, args: &[ColumnarValue]) -> Result<ColumnarValue> {
        let step = step_of("date_bin", &args[0])?;
        let origin = match args.get(2) {
            Some(origin) => times.date("date_bin", origin)?,
            None => 0,
        };
        times.times(|micros| times.calendar.bin(step, micros, origin))
    }
}
