//! `in_box(lon, lat, west, south, east, north)`: a box in one call.
//!
//! The optimizer turns it into one predicate per axis, so that each decides on its axis alone:
//! `lon_between(lon, west, east) AND lat BETWEEN south AND north`.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::lon_between::{is_between, lon_between, test_rows};

/// `in_box(lon, lat, west, south, east, north)`.
pub fn in_box() -> ScalarUDF {
    InBox {
        signature: Signature::exact(vec![DataType::Float64; 6], Volatility::Immutable),
        lon_between: Arc::new(lon_between()),
    }
    .into()
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_OTHER,
        "Whether a place lies in a box of longitudes and latitudes, edges included. The bounds come in the order of GeoJSON and OGC; west > east crosses the antimeridian.",
        "in_box(lon, lat, west, south, east, north)",
    )
    .with_argument("lon", "Longitude in degrees, from 0 to 360 or from -180 to 180.")
    .with_argument("lat", "Latitude in degrees.")
    .with_argument("west", "Western bound in degrees.")
    .with_argument("south", "Southern bound in degrees.")
    .with_argument("east", "Eastern bound in degrees.")
    .with_argument("north", "Northern bound in degrees.")
    .with_related_udf("lon_between")
    .with_sql_example(
        r#"```sql
> SELECT lon, lat, in_box(lon, lat, 170, -25, -170, -10) AS fiji FROM (VALUES (178.0, -18.0), (182.0, -18.0), (178.0, 18.0)) AS t(lon, lat);
+-------+-------+-------+
| lon   | lat   | fiji  |
+-------+-------+-------+
| 178.0 | -18.0 | true  |
| 182.0 | -18.0 | true  |
| 178.0 | 18.0  | false |
+-------+-------+-------+
```"#,
    )
    .build()
});

#[derive(Debug, PartialEq, Eq, Hash)]
struct InBox {
    signature: Signature,
    lon_between: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for InBox {
    fn name(&self) -> &str {
        "in_box"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let bound = |index: usize| {
            let bound = args.scalar_arguments.get(index).copied().flatten()?;
            match bound.cast_to(&DataType::Float64) {
                Ok(ScalarValue::Float64(bound)) => bound,
                _ => None,
            }
        };
        if let (Some(south), Some(north)) = (bound(3), bound(5))
            && south > north
        {
            return plan_err!(
                "in_box got a southern bound of {south} north of its northern bound of {north}; the order is in_box(lon, lat, west, south, east, north)"
            );
        }
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(
            self.name(),
            DataType::Boolean,
            nullable,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        test_rows(&args, |[lon, lat, west, south, east, north]| {
            is_between(lon, west, east) && (south..=north).contains(&lat)
        })
    }

    fn simplify(&self, args: Vec<Expr>, _info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Ok([lon, lat, west, south, east, north]) = <[Expr; 6]>::try_from(args) else {
            return internal_err!("in_box takes six arguments");
        };
        let lon_between = Arc::clone(&self.lon_between);
        let lon = Expr::ScalarFunction(ScalarFunction::new_udf(lon_between, vec![lon, west, east]));
        Ok(ExprSimplifyResult::Simplified(
            lon.and(lat.between(south, north)),
        ))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}
