//! `fill(v)` and `interpolate(v)`: window functions that close the gaps of a series.
//!
//! ```text
//!  fill(v) OVER (PARTITION BY lat, lon ORDER BY time)          · 3 · · 5 ·   ─▶   · 3 3 3 5 5
//!  interpolate(v) OVER (PARTITION BY lat, lon ORDER BY time)   · 3 · · 6 ·   ─▶   · 3 4 5 6 ·
//! ```
//! [`GapPlanner`] adds the key of ORDER BY to the arguments, because a window function is not told where its
//! rows lie. Both work on the rows of one partition here, and on blocks of many series in the engine, with
//! the same kernels.

mod fill;
mod interpolate;
mod limit;
mod planner;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::WindowUDF;

pub use fill::fill;
pub use interpolate::{interpolate, line};
pub use limit::{Counted, Limit, axis_of, fill_ranges, limit_of, reach};
pub use planner::GapPlanner;

/// Which of the two a window function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapFunction {
    /// `fill`.
    Fill,
    /// `interpolate`.
    Interpolate,
}

/// The function of this module that `function` is, if it is one.
pub fn gap_function(function: &WindowUDF) -> Option<GapFunction> {
    let inner = function.inner();
    if inner.is::<fill::Fill>() {
        return Some(GapFunction::Fill);
    }
    inner
        .is::<interpolate::Interpolate>()
        .then_some(GapFunction::Interpolate)
}

/// Coordinates as numbers from which distances can be taken; those of times count from the first one, so
/// that no microsecond is lost. NULL becomes NaN.
///
/// # Errors
/// Values that are neither times nor numbers.
pub fn coordinates(axis: &ArrayRef) -> Result<Vec<f64>> {
    let is_valid = |place: &usize| axis.is_valid(*place);
    let places = 0..axis.len();
    if axis.data_type().is_floating() || matches!(axis.data_type(), DataType::Decimal128(..)) {
        let values = cast(axis, &DataType::Float64)?;
        let values = values.as_primitive::<Float64Type>();
        let value = |place| match is_valid(&place) {
            true => values.value(place),
            false => f64::NAN,
        };
        return Ok(places.map(value).collect());
    }
    let values = cast(axis, &DataType::Int64)?;
    let values = values.as_primitive::<Int64Type>();
    let origin = places.clone().find(is_valid).map(|at| values.value(at));
    let value = |place| match is_valid(&place) {
        // Differences of 64-bit numbers may need one bit more.
        true => (i128::from(values.value(place)) - i128::from(origin.unwrap_or(0))) as f64,
        false => f64::NAN,
    };
    Ok(places.map(value).collect())
}

/// The functions of this module.
pub fn window_functions() -> Vec<Arc<WindowUDF>> {
    vec![Arc::new(fill()), Arc::new(interpolate())]
}

#[cfg(test)]
mod tests;
