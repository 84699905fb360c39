//! `mann_kendall(v, x)`: does a series rise or fall?

use std::sync::{Arc, LazyLock};

use arrow::array::StructArray;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::Result;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{AggregateUDF, Documentation};
use datafusion::scalar::ScalarValue;

use super::series::{SeriesAggregate, SeriesFunction};

/// `mann_kendall(v, x)`.
pub fn mann_kendall() -> AggregateUDF {
    SeriesAggregate::<MannKendall>::new().into()
}

/// The test of Mann and Kendall, with the correction for ties.
///
/// Source: Kendall, Rank Correlation Methods (1975); Hirsch and others, Techniques of trend analysis for monthly water
/// quality data, Water Resources Research 18 (1982).
#[derive(Debug)]
struct MannKendall;

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_OTHER,
        "Test of Mann and Kendall for a trend: s, pairs that rise less those that fall; tau, s as a part of all pairs; z, s in standard deviations, corrected for ties and for continuity; p, how likely a series without a trend has as large a z (two-sided, by the normal distribution). The time it takes grows with the square of the length of the series.",
        "mann_kendall(v, x)",
    )
    .with_argument("v", "Numbers; missing ones do not count.")
    .with_argument("x", "Numbers or times that say in which order the values come.")
    .with_related_udf("sens_slope")
    .with_sql_example(
        r#"```sql
> SELECT m.s AS s, round(m.tau, 3) AS tau, round(m.z, 3) AS z, round(m.p, 4) AS p FROM (SELECT mann_kendall(v, x) AS m FROM (VALUES (1, 2.0), (2, 3.0), (3, 3.0), (4, 5.0), (5, 8.0), (6, 7.0)) AS t(x, v));
+------+-----+-------+--------+
| s    | tau | z     | p      |
+------+-----+-------+--------+
| 12.0 | 0.8 | 2.104 | 0.0354 |
+------+-----+-------+--------+
```"#,
    )
    .build()
});

fn fields() -> Fields {
    let field = |name: &str| Field::new(name, DataType::Float64, true);
    ["s", "tau", "z", "p"].map(field).to_vec().into()
}

impl SeriesFunction for MannKendall {
    const NAME: &'static str = "mann_kendall";
    const MEASURES: bool = false;

    fn documentation() -> &'static Documentation {
        &DOCUMENTATION
    }

    fn result_type() -> DataType {
        DataType::Struct(fields())
    }

    fn result(series: &[(f64, f64)]) -> Result<ScalarValue> {
        if series.len() < 2 {
            return ScalarValue::try_from(&Self::result_type());
        }
        let sign =
            |difference: f64| f64::from(i8::from(difference > 0.0) - i8::from(difference < 0.0));
        let mut s = 0.0;
        for (at, (_, value)) in series.iter().enumerate() {
            s += series[at + 1..]
                .iter()
                .map(|(_, later)| sign(later - value))
                .sum::<f64>();
        }
        let count = series.len() as f64;
        let spread = |count: f64| count * (count - 1.0) * (2.0 * count + 5.0);
        let variance = (spread(count) - ties(series).into_iter().map(spread).sum::<f64>()) / 18.0;
        let z = match variance > 0.0 {
            true => (s - sign(s)) / variance.sqrt(),
            false => 0.0,
        };
        let p = libm::erfc(z.abs() / std::f64::consts::SQRT_2);
        let tau = s / (count * (count - 1.0) / 2.0);
        let columns = [s, tau, z, p].map(|number| ScalarValue::from(number).to_array());
        let columns = columns.into_iter().collect::<Result<Vec<_>>>()?;
        let row = StructArray::try_new(fields(), columns, None)?;
        Ok(ScalarValue::Struct(Arc::new(row)))
    }
}

/// How many values there are of each that occurs more often than once.
fn ties(series: &[(f64, f64)]) -> Vec<f64> {
    let mut values: Vec<f64> = series.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let groups = values.chunk_by(|one, other| one == other);
    groups
        .filter(|group| group.len() > 1)
        .map(|group| group.len() as f64)
        .collect()
}
