//! How large the cell of a row is, and what area it has on the Earth.
//!
//! ```text
//!  lat ± step/2 ──▶ two parallels ──▶ band of the WGS 84 ellipsoid ──▶ × share of the circle that lon spans
//! ```
//! A row knows its cell's centre. The size stands in the metadata of the column, which the cube model
//! writes for axes with equally large cells, or it is an argument.

use std::f64::consts::PI;

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::scalar::ScalarValue;

use crate::metadata::CELL_SIZE;

/// Semi-major axis of WGS 84 in metres.
const SEMI_MAJOR_AXIS: f64 = 6_378_137.0;

/// Square of the first eccentricity of WGS 84, f (2 − f) with f = 1 / 298.257223563.
const ECCENTRICITY_SQUARED: f64 = 0.006_694_379_990_141_316_5;

/// The function q of authalic latitude: the area of the ellipsoid between the equator and a latitude in
/// degrees is π a² q.
///
/// Source: Snyder, Map Projections: A Working Manual, USGS Professional Paper 1395 (1987), equation 3-12.
fn authalic(latitude: f64) -> f64 {
    let eccentricity = ECCENTRICITY_SQUARED.sqrt();
    let sine = latitude.to_radians().sin();
    let stretch = sine / (1.0 - ECCENTRICITY_SQUARED * sine * sine);
    (1.0 - ECCENTRICITY_SQUARED) * (stretch + (eccentricity * sine).atanh() / eccentricity)
}

/// The parallels between which the cell around `latitude` lies. Cells end at the poles.
pub(super) fn band(latitude: f64, step: f64) -> [f64; 2] {
    let half = step.abs() / 2.0;
    [latitude - half, latitude + half].map(|bound| bound.clamp(-90.0, 90.0))
}

/// The area of a cell in square metres.
pub(super) fn area(latitude: f64, latitude_step: f64, longitude_step: f64) -> f64 {
    share_of_band(latitude, latitude_step) * surface() * longitude_step.abs() / 360.0
}

/// The part of the Earth's surface that lies as far north as the cell around `latitude`.
#[must_use]
pub fn share_of_band(latitude: f64, step: f64) -> f64 {
    let [south, north] = band(latitude, step);
    ((authalic(north) - authalic(south)) / (2.0 * authalic(90.0))).max(0.0)
}

fn surface() -> f64 {
    2.0 * PI * SEMI_MAJOR_AXIS * SEMI_MAJOR_AXIS * authalic(90.0)
}

/// The size of the cells of a column: what the argument says, else what its metadata say.
///
/// # Errors
/// A size that is no positive number.
pub(super) fn size(
    function: &str,
    column: &Field,
    argument: Option<&ScalarValue>,
) -> Result<Option<f64>> {
    let stated = match argument {
        Some(argument) => match argument.cast_to(&DataType::Float64)? {
            ScalarValue::Float64(Some(size)) => Some(size),
            _ => None,
        },
        None => column
            .metadata()
            .get(CELL_SIZE)
            .and_then(|size| size.parse().ok()),
    };
    match stated {
        Some(size) if !(size.is_finite() && size > 0.0) => {
            plan_err!(
                "{function} got {size} as the size of cells; it must be a positive number of degrees"
            )
        }
        stated => Ok(stated),
    }
}

/// The arguments that are the same for every row.
pub(super) fn constants(arguments: &[ColumnarValue]) -> Vec<Option<&ScalarValue>> {
    let arguments = arguments.iter();
    arguments
        .map(|argument| match argument {
            ColumnarValue::Scalar(value) => Some(value),
            ColumnarValue::Array(_) => None,
        })
        .collect()
}

/// The error for a column whose cells have no known size.
pub(super) fn unknown_size<T>(function: &str, column: &Field, example: &str) -> Result<T> {
    // DataFusion's name for any constant.
    let cells = match column.name().as_str() {
        "lit" => "the cells are: a constant".to_string(),
        name => format!("the cells of {name} are: it"),
    };
    plan_err!(
        "{function} does not know how large {cells} is no axis of a cube with equal steps; state the sizes in degrees, as in {example}"
    )
}

/// The error for a size that is not the same for all rows.
pub(super) fn no_constant<T>(function: &str, example: &str) -> Result<T> {
    plan_err!("{function} needs constant sizes of cells, as in {example}")
}

/// Is a column measured in something else than degrees, as far as its metadata tell?
pub(super) fn is_projected(column: &Field) -> bool {
    let units = column.metadata().get("units");
    units.is_some_and(|units| !units.starts_with("degree"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_of_the_ellipsoid() {
        // The surface of WGS 84 is 510 065 621.724 km² (Moritz, Geodetic Reference System 1980, for nearly the
        // same ellipsoid: 510 065 622 km²).
        assert!(
            (surface() / 1e6 - 510_065_621.724).abs() < 1e-3,
            "{}",
            surface()
        );
        let whole: f64 = (0..180)
            .map(|row| 360.0 * area(-89.5 + f64::from(row), 1.0, 1.0))
            .sum();
        assert!((whole / surface() - 1.0).abs() < 1e-13);
        let cases = [
            (90.0, 0.5, area(89.875, 0.25, 1.0)),
            (-90.0, 0.5, area(-89.875, 0.25, 1.0)),
            (10.0, -1.0, area(10.0, 1.0, 1.0)),
            (95.0, 1.0, 0.0),
            (0.0, 180.0, surface() / 360.0),
        ];
        for (latitude, step, expected) in cases {
            let found = area(latitude, step, 1.0);
            assert!(
                (found - expected).abs() <= 1e-12 * expected,
                "{latitude}: {found} is not {expected}"
            );
        }
    }
}
