//! `season(time)`: the meteorological season, named by its months.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_DATETIME;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::column::{TimeColumn, one_time};

/// `season(time)`.
pub fn season() -> ScalarUDF {
    Season {
        signature: Signature::one_of(one_time(), Volatility::Immutable),
    }
    .into()
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_DATETIME,
        "The meteorological season of a time, named by its months: DJF, MAM, JJA or SON.",
        "season(time)",
    )
    .with_argument(
        "time",
        "Timestamp, or time column with a calendar of its own.",
    )
    .with_sql_example(
        r#"```sql
> SELECT season(TIMESTAMP '2024-12-01') AS december, season(TIMESTAMP '2024-06-30') AS june;
+----------+------+
| december | june |
+----------+------+
| DJF      | JJA  |
+----------+------+
```"#,
    )
    .build()
});

#[derive(Debug, PartialEq, Eq, Hash)]
struct Season {
    signature: Signature,
}

impl ScalarUDFImpl for Season {
    fn name(&self) -> &str {
        "season"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let times = TimeColumn::of(&args.args[0], &args.arg_fields[0])?;
        times.texts(|micros| {
            Ok(match times.calendar.civil(micros).month {
                12 | 1 | 2 => "DJF",
                3..=5 => "MAM",
                6..=8 => "JJA",
                _ => "SON",
            })
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}
