//! `to_char(time, format)` in every calendar.

use arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use datafusion::functions::datetime;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, TypeSignature};
use datafusion::scalar::ScalarValue;

use super::column::{TimeColumn, constant_text};
use super::stock::{CalendarAware, CalendarKernel};

/// The stock `to_char`, and the same for times in a calendar of their own.
pub fn to_char() -> ScalarUDF {
    CalendarAware::function(
        datetime::to_char(),
        FormattedTime,
        vec![TypeSignature::Exact(vec![DataType::Int64, DataType::Utf8])],
        r#"```sql
> SELECT to_char(TIMESTAMP '2024-05-15T10:30:00', '%d %B %Y') AS day;
+-------------+
| day         |
+-------------+
| 15 May 2024 |
+-------------+
> SELECT to_char(time, '%Y-%m') AS month FROM model;
+---------+
| month   |
+---------+
| 2010-01 |
| 2010-02 |
| 2010-03 |
+---------+
```"#,
    )
}

#[derive(Debug)]
struct FormattedTime;

impl CalendarKernel for FormattedTime {
    fn time(&self) -> usize {
        0
    }

    fn counts_days(&self, _constant: Option<&ScalarValue>) -> bool {
        true
    }

    fn result_type(&self, _constant: Option<&ScalarValue>, _time: &Field) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn compute(&self, times: &TimeColumn, args: &[ColumnarValue]) -> Result<ColumnarValue> {
        let format = constant_text("to_char", "format", &args[1])?;
        times.texts(|micros| times.calendar.format(micros, format))
    }
}
