//! `longest_run(condition, x)`: how long something lasted.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{AggregateUDF, Documentation};
use datafusion::scalar::ScalarValue;

use super::series::{SeriesAggregate, SeriesFunction};

/// `longest_run(condition, x)`.
pub fn longest_run() -> AggregateUDF {
    SeriesAggregate::<LongestRun>::new().into()
}

#[derive(Debug)]
struct LongestRun;

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_OTHER,
        "Length of the longest run of rows, in the order of x, for which a condition holds: dry days, heat waves. Rows for which it is missing neither count nor end a run.",
        "longest_run(condition, x)",
    )
    .with_argument("condition", "What holds, or does not.")
    .with_argument("x", "Numbers or times that say in which order the rows come.")
    .with_sql_example(
        r#"```sql
> SELECT longest_run(rain < 1, day) AS dry_days FROM (VALUES (1, 0.0), (2, 5.0), (3, 0.2), (4, 0.0), (5, 0.9), (6, 3.0)) AS t(day, rain);
+----------+
| dry_days |
+----------+
| 3        |
+----------+
```"#,
    )
    .build()
});

impl SeriesFunction for LongestRun {
    const NAME: &'static str = "longest_run";
    const MEASURES: bool = false;

    fn documentation() -> &'static Documentation {
        &DOCUMENTATION
    }

    fn value_type() -> DataType {
        DataType::Boolean
    }

    fn result_type() -> DataType {
        DataType::Int64
    }

    fn result(series: &[(f64, f64)]) -> Result<ScalarValue> {
        if series.is_empty() {
            return Ok(ScalarValue::Int64(None));
        }
        let runs = series.split(|(_, holds)| *holds == 0.0);
        let longest = runs.map(<[_]>::len).max().unwrap_or(0);
        Ok(ScalarValue::Int64(Some(longest as i64)))
    }
}
