//! `calendar_text(time)`: a time as ISO 8601 text, in its own calendar. `CAST(time AS VARCHAR)` of a
//! calendar column becomes this function.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_DATETIME;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::column::{TimeColumn, one_time};

/// `calendar_text(time)`.
pub fn calendar_text() -> ScalarUDF {
    CalendarText {
        signature: Signature::one_of(one_time(), Volatility::Immutable),
    }
    .into()
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_DATETIME,
        "A time as ISO 8601 text, in the calendar of its column. The same as CAST(time AS VARCHAR).",
        "calendar_text(time)",
    )
    .with_argument("time", "Timestamp, or time column with a calendar of its own.")
    .with_sql_example(
        r#"```sql
> SELECT calendar_text(time) AS time FROM model;
+---------------------+
| time                |
+---------------------+
| 2010-01-30T12:00:00 |
| 2010-02-30T12:00:00 |
| 2010-03-30T12:00:00 |
+---------------------+
```"#,
    )
    .build()
});

#[derive(Debug, PartialEq, Eq, Hash)]
struct CalendarText {
    signature: Signature,
}

impl ScalarUDFImpl for CalendarText {
    fn name(&self) -> &str {
        "calendar_text"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let times = TimeColumn::of(&args.args[0], &args.arg_fields[0])?;
        times.texts(|micros| Ok(times.calendar.civil(micros).to_string()))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}
