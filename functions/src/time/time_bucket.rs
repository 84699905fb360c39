//! `time_bucket(interval, time [, 'year' | origin])`: the start of the bucket a time lies in.
//!
//! ```text
//!  time_bucket(INTERVAL '8 days', time, 'year')
//!  │ 1 Jan │ 9 Jan │ … │ 19 Dec │ 27 Dec │ 1 Jan │ 9 Jan │      the last bucket of a year is shorter
//! ```

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_DATETIME;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, TypeSignature, Volatility,
};

use super::column::{
    TimeColumn, constant_text, interval_argument, origin_argument, step_of, time_arguments,
    time_calendar, time_type,
};
use crate::calendar::DatePart;

/// `time_bucket(interval, time [, 'year' | origin])`.
pub fn time_bucket() -> ScalarUDF {
    let signatures = time_arguments().into_iter().flat_map(|time| {
        [
            vec![interval_argument(), time.clone()],
            vec![interval_argument(), time, origin_argument()],
        ]
    });
    TimeBucket {
        signature: Signature::one_of(
            signatures.map(TypeSignature::Coercible).collect(),
            Volatility::Immutable,
        ),
    }
    .into()
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_DATETIME,
        "The start of the bucket that a time lies in, in the calendar of its column. Buckets start at the origin (1970-01-01 by default), or anew each 1 January, as 8-day and 10-day composites of satellite data do.",
        "time_bucket(interval, time [, 'year' | origin])",
    )
    .with_argument("interval", "Width of a bucket: months and years, or days and shorter.")
    .with_argument("time", "Timestamp, or time column with a calendar of its own.")
    .with_argument("origin", "'year' to start anew each 1 January, or the date at which a bucket starts.")
    .with_related_udf("date_bin")
    .with_sql_example(
        r#"```sql
> SELECT time_bucket(INTERVAL '8 days', TIMESTAMP '2017-12-30', 'year') AS last, time_bucket(INTERVAL '8 days', TIMESTAMP '2018-01-08', 'year') AS first;
+---------------------+---------------------+
| last                | first               |
+---------------------+---------------------+
| 2017-12-27T00:00:00 | 2018-01-01T00:00:00 |
+---------------------+---------------------+
> SELECT time_bucket(INTERVAL '1 month', TIMESTAMP '2018-01-08', '2018-01-15') AS month;
+---------------------+
| month               |
+---------------------+
| 2017-12-15T00:00:00 |
+---------------------+
```"#,
    )
    .build()
});

#[derive(Debug, PartialEq, Eq, Hash)]
struct TimeBucket {
    signature: Signature,
}

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &str {
        "time_bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        internal_err!("time_bucket derives its type from fields")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let time = &args.arg_fields[1];
        time_calendar(time)?;
        let field = Field::new(self.name(), time_type(time), time.is_nullable());
        Ok(Arc::new(field.with_metadata(time.metadata().clone())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let step = step_of(self.name(), &args.args[0])?;
        let times = TimeColumn::of(&args.args[1], &args.arg_fields[1])?;
        let calendar = times.calendar;
        let Some(origin) = args.args.get(2) else {
            return times.times(|micros| calendar.bin(step, micros, 0));
        };
        if constant_text(self.name(), "origin", origin)?.eq_ignore_ascii_case("year") {
            return times.times(|micros| {
                calendar.bin(step, micros, calendar.truncate(DatePart::Year, micros)?)
            });
        }
        let origin = times.date(self.name(), origin)?;
        times.times(|micros| calendar.bin(step, micros, origin))
    }

    /// Later times never lie in earlier buckets.
    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        let constant = |input: &ExprProperties| input.sort_properties == SortProperties::Singleton;
        Ok(match inputs {
            [interval, time, origin @ ..] if constant(interval) && origin.iter().all(constant) => {
                time.sort_properties
            }
            _ => SortProperties::Unordered,
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}
