//! `calendar_add(time, interval)`: what `time + INTERVAL '1 month'` becomes where the time has a
//! calendar of its own.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_DATETIME;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, TypeSignature, Volatility,
};

use super::column::{
    TimeColumn, interval_argument, step_of, time_arguments, time_calendar, time_type,
};

/// `calendar_add(time, interval)`.
pub fn calendar_add() -> ScalarUDF {
    let signatures =
        time_arguments().map(|time| TypeSignature::Coercible(vec![time, interval_argument()]));
    CalendarAdd {
        signature: Signature::one_of(signatures.to_vec(), Volatility::Immutable),
    }
    .into()
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_DATETIME,
        "A time plus an interval, in the calendar of its column. The same as time + interval. A day that the target month lacks becomes the last day of that month.",
        "calendar_add(time, interval)",
    )
    .with_argument("time", "Timestamp, or time column with a calendar of its own.")
    .with_argument("interval", "Interval to add, may be negative.")
    .with_sql_example(
        r#"```sql
> SELECT calendar_text(time) AS time, calendar_text(calendar_add(time, INTERVAL '1 month')) AS next FROM model;
+---------------------+---------------------+
| time                | next                |
+---------------------+---------------------+
| 2010-01-30T12:00:00 | 2010-02-30T12:00:00 |
| 2010-02-30T12:00:00 | 2010-03-30T12:00:00 |
| 2010-03-30T12:00:00 | 2010-04-30T12:00:00 |
+---------------------+---------------------+
```"#,
    )
    .build()
});

#[derive(Debug, PartialEq, Eq, Hash)]
struct CalendarAdd {
    signature: Signature,
}

impl ScalarUDFImpl for CalendarAdd {
    fn name(&self) -> &str {
        "calendar_add"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        internal_err!("calendar_add derives its type from fields")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let time = &args.arg_fields[0];
        time_calendar(time)?;
        let field = Field::new(self.name(), time_type(time), time.is_nullable());
        Ok(Arc::new(field.with_metadata(time.metadata().clone())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let times = TimeColumn::of(&args.args[0], &args.arg_fields[0])?;
        let step = step_of(self.name(), &args.args[1])?;
        times.times(|micros| times.calendar.add(step, micros))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}
