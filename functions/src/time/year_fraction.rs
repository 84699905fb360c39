//! `year_fraction(time)`: a time as a decimal year, the time axis of a trend.

use std::sync::LazyLock;

use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_DATETIME;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::column::{TimeColumn, one_time};
use crate::calendar::{CivilTime, MICROS_PER_DAY};

/// `year_fraction(time)`.
pub fn year_fraction() -> ScalarUDF {
    YearFraction {
        signature: Signature::one_of(one_time(), Volatility::Immutable),
    }
    .into()
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_DATETIME,
        "A time as a decimal year: the year, and how much of it has passed, in the calendar of its column.",
        "year_fraction(time)",
    )
    .with_argument("time", "Timestamp, or time column with a calendar of its own.")
    .with_sql_example(
        r#"```sql
> SELECT year_fraction(TIMESTAMP '2023-07-02T12:00:00') AS middle;
+--------+
| middle |
+--------+
| 2023.5 |
+--------+
```"#,
    )
    .build()
});

#[derive(Debug, PartialEq, Eq, Hash)]
struct YearFraction {
    signature: Signature,
}

impl ScalarUDFImpl for YearFraction {
    fn name(&self) -> &str {
        "year_fraction"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let times = TimeColumn::of(&args.args[0], &args.arg_fields[0])?;
        let calendar = times.calendar;
        times.numbers::<Float64Type>(|micros| {
            let year = calendar.civil(micros).year;
            let start = calendar.micros(&CivilTime::midnight(year, 1, 1))?;
            let length = calendar.days_in_year(year) * MICROS_PER_DAY;
            Ok(year as f64 + (micros - start) as f64 / length as f64)
        })
    }

    /// Later times are later years.
    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(inputs
            .first()
            .map_or(SortProperties::Unordered, |time| time.sort_properties))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}
