//! `date_trunc(part, time)` in every calendar.

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::functions::datetime;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, TypeSignature};
use datafusion::scalar::ScalarValue;

use super::column::{TimeColumn, constant_text, integer_argument, text_argument};
use super::stock::{CalendarAware, CalendarKernel};
use crate::calendar::DatePart;

/// The stock `date_trunc`, and the same for times in a calendar of their own.
pub fn date_trunc() -> ScalarUDF {
    CalendarAware::function(
        datetime::date_trunc(),
        StartOfPart,
        vec![TypeSignature::Coercible(vec![
            text_argument(),
            integer_argument(),
        ])],
        r#"```sql
> SELECT date_trunc('month', TIMESTAMP '2024-05-15T10:30:00') AS month;
+---------------------+
| month               |
+---------------------+
| 2024-05-01T00:00:00 |
+---------------------+
> SELECT calendar_text(date_trunc('month', time)) AS month, count(*) AS times FROM model GROUP BY date_trunc('month', time) ORDER BY month;
+---------------------+-------+
| month               | times |
+---------------------+-------+
| 2010-01-01T00:00:00 | 1     |
| 2010-02-01T00:00:00 | 1     |
| 2010-03-01T00:00:00 | 1     |
+---------------------+-------+
```"#,
    )
}

#[derive(Debug)]
struct StartOfPart;

impl CalendarKernel for StartOfPart {
    /// Truncated timestamps have the same fields in `noleap`.
    fn counts_days(&self, _part: Option<&ScalarValue>) -> bool {
        false
    }

    fn result_type(&self, _part: Option<&ScalarValue>, time: &Field) -> Result<DataType> {
        Ok(time.data_type().clone())
    }

    fn compute(&self, times: &TimeColumn, args: &[ColumnarValue]) -> Result<ColumnarValue> {
        let name = constant_text("date_trunc", "precision", &args[0])?;
        let part = DatePart::parse(name).ok_or_else(|| {
            exec_datafusion_err!(
                "date_trunc does not know the precision '{name}'; use year, quarter, month, day, hour, minute, second, millisecond or microsecond"
            )
        })?;
        times.times(|micros| times.calendar.truncate(part, micros))
    }
}
