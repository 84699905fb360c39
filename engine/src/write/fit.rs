//! Values of a query in the type of the variable that they become: [`fitted`].
//!
//! As when a cube is packed, numbers are rounded half to even, NaN is missing where the type has none, and a
//! value that the type cannot hold is an error that names it. SQL's own cast would cut 1.9 to 1.

use std::sync::Arc;

use arrow::array::types::Float64Type;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use datafusion::common::Result;

use crate::error::CubeError;

/// `values` of the variable `name` as `data_type`.
///
/// # Errors
/// A value that `data_type` cannot hold.
pub(super) fn fitted(values: &ArrayRef, data_type: &DataType, name: &str) -> Result<ArrayRef> {
    if values.data_type() == data_type {
        return Ok(Arc::clone(values));
    }
    let whole = match data_type.is_integer() && values.data_type().is_floating() {
        true => rounded(values)?,
        false => Arc::clone(values),
    };
    let or_missing = CastOptions {
        safe: true,
        ..CastOptions::default()
    };
    let fitted = cast_with_options(&whole, data_type, &or_missing)?;
    match (0..whole.len()).find(|row| fitted.is_null(*row) && whole.is_valid(*row)) {
        None => Ok(fitted),
        Some(row) => {
            let value = array_value_to_string(values, row)?;
            let cause = format!("{name} = {value} cannot be stored as {data_type}");
            Err(CubeError::invalid("", cause)
                .remedy(format!(
                    "leave such values out, or make the variable wider: CREATE OR REPLACE TABLE … WITH (\"{name}.dtype\" = …) AS …"
                ))
                .into())
        }
    }
}

/// Numbers rounded half to even, as wide as they come; NaN is missing.
fn rounded(values: &ArrayRef) -> Result<ArrayRef> {
    let values = cast(values, &DataType::Float64)?;
    let values = values.as_primitive::<Float64Type>().iter();
    let rounded: Float64Array = values
        .map(|value| {
            value
                .filter(|value| !value.is_nan())
                .map(f64::round_ties_even)
        })
        .collect();
    Ok(Arc::new(rounded))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::{Int16Array, StringArray};

    use super::*;

    #[test]
    fn values_are_rounded_or_refused_and_never_cut() {
        let fits = |values: ArrayRef| fitted(&values, &DataType::Int16, "chl");
        let floats = |values: &[f64]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
        let cases: [(ArrayRef, [Option<i16>; 4]); 2] = [
            (
                floats(&[1.9, 2.5, -0.4, f64::NAN]),
                [Some(2), Some(2), Some(0), None],
            ),
            (
                Arc::new(StringArray::from(vec![
                    Some("7"),
                    None,
                    Some("-8"),
                    Some("0"),
                ])),
                [Some(7), None, Some(-8), Some(0)],
            ),
        ];
        for (values, expected) in cases {
            let found = fits(values).unwrap();
            assert_eq!(
                found.as_ref(),
                &Int16Array::from(expected.to_vec()) as &dyn Array
            );
        }
        for values in [
            floats(&[32767.6]),
            floats(&[-40_000.0]),
            floats(&[f64::INFINITY]),
            Arc::new(StringArray::from(vec!["much"])),
        ] {
            let error = fits(values).unwrap_err().to_string();
            assert!(error.contains("cannot be stored as Int16"), "{error}");
        }
    }
}
