//! `sens_slope(v, x)`: the median of the slopes between all pairs of a series.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{AggregateUDF, Documentation};
use datafusion::scalar::ScalarValue;

use super::series::{SeriesAggregate, SeriesFunction};

/// `sens_slope(v, x)`.
pub fn sens_slope() -> AggregateUDF {
    SeriesAggregate::<SensSlope>::new().into()
}

/// The estimator of Theil and Sen.
///
/// Source: Sen, Estimates of the Regression Coefficient Based on Kendall's Tau, Journal of the American Statistical
/// Association 63 (1968).
#[derive(Debug)]
struct SensSlope;

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_OTHER,
        "Slope of a series that outliers hardly move: the median of the slopes between all its pairs (Theil and Sen). The time it takes grows with the square of the length of the series.",
        "sens_slope(v, x)",
    )
    .with_argument("v", "Numbers; missing ones do not count.")
    .with_argument("x", "Numbers that say where the values lie, such as year_fraction(time) for a slope per year.")
    .with_related_udf("mann_kendall")
    .with_sql_example(
        r#"```sql
> SELECT sens_slope(v, x) AS slope, regr_slope(v, x) AS least_squares FROM (VALUES (1, 10.0), (2, 12.0), (3, 14.0), (4, 16.0), (5, 98.0)) AS s(x, v);
+-------+---------------+
| slope | least_squares |
+-------+---------------+
| 2.0   | 18.0          |
+-------+---------------+
```"#,
    )
    .build()
});

impl SeriesFunction for SensSlope {
    const NAME: &'static str = "sens_slope";
    const MEASURES: bool = true;

    fn documentation() -> &'static Documentation {
        &DOCUMENTATION
    }

    fn result_type() -> DataType {
        DataType::Float64
    }

    fn result(series: &[(f64, f64)]) -> Result<ScalarValue> {
        let mut slopes = Vec::with_capacity(series.len() * series.len().saturating_sub(1) / 2);
        for (at, (x, v)) in series.iter().enumerate() {
            let later = series[at + 1..].iter();
            slopes.extend(later.map(|(later_x, later_v)| (later_v - v) / (later_x - x)));
        }
        Ok(ScalarValue::Float64(median(&mut slopes)))
    }
}

fn median(values: &mut [f64]) -> Option<f64> {
    let count = values.len();
    if count == 0 {
        return None;
    }
    let (below, upper, _) = values.select_nth_unstable_by(count / 2, f64::total_cmp);
    let lower = match count % 2 {
        1 => *upper,
        _ => below.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    };
    Some(lower + (*upper - lower) / 2.0)
}
