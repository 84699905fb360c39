//! `lon_between(lon, west, east)`: whether a longitude lies on the way east from `west` to `east`.
//!
//! ```text
//!  west = 170, east = -170        west <= lon <= east + 360, or the same a whole turn further
//!  ───┤███████├───                lon = 175, -175 and 185 all lie in it
//!    170     190
//! ```
//! The bounds are moved to the longitude and not the other way round: longitudes of a cube are exact
//! as they are stored, and a cell whose longitude equals a bound must be found.

use std::sync::{Arc, LazyLock};

use arrow::array::types::Float64Type;
use arrow::array::{Array, AsArray, BooleanArray, Float64Array};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

/// `lon_between(lon, west, east)`.
pub fn lon_between() -> ScalarUDF {
    LonBetween {
        signature: Signature::exact(vec![DataType::Float64; 3], Volatility::Immutable),
    }
    .into()
}

/// Whether `lon` lies on the way east from `west` to `east`, ends included, all in degrees modulo 360.
/// Bounds 360 or more degrees apart, as written, hold every longitude.
pub(super) fn is_between(lon: f64, west: f64, east: f64) -> bool {
    let east = if west > east { east + 360.0 } else { east };
    if east - west >= 360.0 {
        return lon.is_finite();
    }
    let turns = ((lon - west) / 360.0).floor();
    // Rounding may put a longitude that equals a bound into the turn beside its own.
    [turns - 1.0, turns, turns + 1.0].iter().any(|turns| {
        let slack = if *turns == 0.0 { 0.0 } else { TURN_ROUNDING };
        (west + 360.0 * turns - slack..=east + 360.0 * turns + slack).contains(&lon)
    })
}

/// Degrees by which a bound that was moved by whole turns may have been rounded, and a tenth of a
/// millimetre on the ground: 300.7 - 360 is not the number that -59.3 is.
const TURN_ROUNDING: f64 = 1e-9;

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_OTHER,
        "Whether a longitude lies between two others, going east, ends included. Longitudes from 0 to 360 and from -180 to 180 both work; west > east crosses the antimeridian.",
        "lon_between(lon, west, east)",
    )
    .with_argument("lon", "Longitude in degrees.")
    .with_argument("west", "Western bound in degrees.")
    .with_argument("east", "Eastern bound in degrees.")
    .with_related_udf("in_box")
    .with_sql_example(
        r#"```sql
> SELECT lon, lon_between(lon, 170, -170) AS fiji, lon_between(lon, -10, 30) AS europe FROM (VALUES (5.0), (175.0), (185.0), (355.0)) AS t(lon);
+-------+-------+--------+
| lon   | fiji  | europe |
+-------+-------+--------+
| 5.0   | false | true   |
| 175.0 | true  | false  |
| 185.0 | true  | false  |
| 355.0 | false | true   |
+-------+-------+--------+
```"#,
    )
    .build()
});

#[derive(Debug, PartialEq, Eq, Hash)]
struct LonBetween {
    signature: Signature,
}

/// The result of a test on rows of numbers; NULL where any of them is.
pub(super) fn test_rows<const N: usize>(
    args: &ScalarFunctionArgs,
    test: impl Fn([f64; N]) -> bool,
) -> Result<ColumnarValue> {
    let arrays = ColumnarValue::values_to_arrays(&args.args)?;
    let columns: Vec<&Float64Array> = arrays
        .iter()
        .map(|array| array.as_primitive::<Float64Type>())
        .collect();
    let rows = columns.first().map_or(0, |column| column.len());
    let results: BooleanArray = (0..rows)
        .map(|row| {
            let mut numbers = [0.0; N];
            for (number, column) in numbers.iter_mut().zip(&columns) {
                if column.is_null(row) {
                    return None;
                }
                *number = column.value(row);
            }
            Some(test(numbers))
        })
        .collect();
    Ok(ColumnarValue::Array(Arc::new(results)))
}

impl ScalarUDFImpl for LonBetween {
    fn name(&self) -> &str {
        "lon_between"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        test_rows(&args, |[lon, west, east]| is_between(lon, west, east))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bounds() {
        let cases = [
            (0.0, -10.0, 10.0, true),
            (359.9, -0.1, 0.1, true),
            (-0.1, 359.9, 0.1, true),
            (359.89, -0.1, 0.1, false),
            (180.0, 170.0, -170.0, true),
            (-180.0, 170.0, -170.0, true),
            (190.0, 170.0, -170.0, true),
            (190.1, 170.0, -170.0, false),
            (170.0, 170.0, -170.0, true),
            (169.9, 170.0, -170.0, false),
            (123.0, -180.0, 180.0, true),
            (123.0, 0.0, 360.0, true),
            (10.0, 10.0, 10.0, true),
            (370.0, 10.0, 10.0, true),
            (11.0, 10.0, 10.0, false),
            (1085.0, 0.0, 10.0, true),
            (-59.3, 0.0, 300.7, true),
            (-59.29, 0.0, 300.7, false),
            (f64::NAN, -180.0, 180.0, false),
            (f64::NAN, 0.0, 10.0, false),
            (0.0, f64::NAN, 10.0, false),
        ];
        for (lon, west, east, expected) in cases {
            assert_eq!(
                is_between(lon, west, east),
                expected,
                "{lon} in {west}..{east}"
            );
        }
    }

    proptest! {
        #[test]
        fn both_conventions_agree(lon in 0..3600i32, west in -1800..3600i32, east in -1800..3600i32) {
            let degrees = |tenths: i32| f64::from(tenths) / 10.0;
            let wraps = |lon: i32| is_between(degrees(lon), degrees(west), degrees(east));
            prop_assert_eq!(wraps(lon), wraps(lon - 3600));
            let width = if west > east { east + 3600 - west } else { east - west };
            let expected = width >= 3600 || (lon - west).rem_euclid(3600) <= width;
            prop_assert_eq!(wraps(lon), expected);
        }
    }
}
