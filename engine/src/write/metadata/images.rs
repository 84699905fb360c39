//! Where the planes of a cube lie on the map, for formats of images: [`image_grid`].
//!
//! ```text
//!  lat 52.49875, 52.49625, …   descending ─▶ rows     edge 52.5, size 0.0025
//!  lon  0.00125,  0.00375, …    ascending ─▶ columns  edge 0,    size 0.0025
//!  time                                   ─▶ steps    2017-01-16T10:09:22Z, …
//! ```

use arrow::array::types::{Float32Type, Float64Type};
use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;

use super::TargetAxis;
use super::extents::IRREGULARITY;
use super::times::Times;
use crate::cube::AxisRole;
use crate::cube::crs::Crs;
use crate::cube::metadata::CELL_SIZE;
use crate::error::{CubeError, CubeResult};
use crate::sink::{ImageAxis, ImageGrid, ImageSteps};

/// The images of a cube whose last two `axes` are y, from north to south, and x, from west to east.
///
/// # Errors
/// Rows or columns differ in size, or nothing tells how large they are; coordinates of them that are no numbers.
pub(crate) fn image_grid(axes: &[TargetAxis], crs: Option<&Crs>) -> CubeResult<ImageGrid> {
    let [steps @ .., y, x] = axes else {
        return Err(CubeError::invalid("", "an image has rows and columns"));
    };
    let rows = Centres::of(y)?;
    let columns = Centres::of(x)?;
    // A single row is as high as the columns are wide.
    let size = |one: &Centres, other: &Centres| one.size.or(other.size);
    let (Some(height), Some(width)) = (size(&rows, &columns), size(&columns, &rows)) else {
        let cause = "the image would have one cell, and nothing tells how large it is";
        return Err(CubeError::invalid("", cause).remedy("select more rows or columns"));
    };
    let are_degrees = (y.role, x.role) == (AxisRole::Latitude, AxisRole::Longitude);
    let crs = crs.map(|crs| crs.of_roles([y.role, x.role].into_iter()));
    let steps = steps.iter().map(|axis| {
        Ok(ImageSteps {
            name: axis.field.name().clone(),
            labels: labels(axis)?,
        })
    });
    Ok(ImageGrid {
        rows: ImageAxis {
            name: y.field.name().clone(),
            edge: rows.first + height / 2.0,
            size: height,
        },
        columns: ImageAxis {
            name: x.field.name().clone(),
            edge: columns.first - width / 2.0,
            size: width,
        },
        steps: steps.collect::<CubeResult<_>>()?,
        is_geographic: crs
            .as_ref()
            .and_then(Crs::is_geographic)
            .unwrap_or(are_degrees),
        crs,
    })
}

/// Where rows or columns lie.
struct Centres {
    first: f64,
    /// The distance of neighbours; `None` of a single cell of which nobody says how large it is.
    size: Option<f64>,
}

impl Centres {
    fn of(axis: &TargetAxis) -> CubeResult<Self> {
        let name = axis.field.name();
        let (centres, precision) = numbers(axis)?;
        let [first, .., last] = centres.as_slice() else {
            let stated = axis.field.metadata().get(CELL_SIZE);
            return Ok(Self {
                first: centres.first().copied().unwrap_or_default(),
                size: stated.and_then(|size| size.parse().ok()),
            });
        };
        let step = (last - first) / (centres.len() - 1) as f64;
        let most = (step.abs() * IRREGULARITY).max(precision);
        let is_regular = centres.iter().enumerate().all(|(cell, centre)| {
            // False also where one of them is no number.
            (centre - (first + step * cell as f64)).abs() <= most
        });
        if !is_regular {
            return Err(irregular(name, &centres));
        }
        Ok(Self {
            first: *first,
            size: Some(step.abs()),
        })
    }
}

/// Names the neighbours whose distance differs most from the shortest one.
fn irregular(name: &str, centres: &[f64]) -> CubeError {
    let distance = |pair: &[f64]| (pair[1] - pair[0]).abs();
    let pairs = || centres.windows(2);
    let longest = pairs().max_by(|one, other| distance(one).total_cmp(&distance(other)));
    let shortest = pairs().map(distance).min_by(f64::total_cmp);
    let (pair, shortest) = (longest.unwrap_or_default(), shortest.unwrap_or_default());
    let cause = match pair {
        [from, to] => format!(
            "the cells of an image are equally large, and {name} goes from {from} to {to}, elsewhere in steps of {shortest:.6}"
        ),
        _ => format!("the cells of an image are equally large, and those along {name} are not"),
    };
    CubeError::invalid("", cause)
        .remedy("select coordinates at equal distances, or write NetCDF or Zarr")
}

/// The coordinates, and how exact their type is. Of single-precision numbers the decimals are taken that they
/// are written with: 0.1 is meant, not 0.100000001.
fn numbers(axis: &TargetAxis) -> CubeResult<(Vec<f64>, f64)> {
    let name = axis.field.name();
    let values = &axis.coordinates;
    if let Some(singles) = values.as_primitive_opt::<Float32Type>() {
        let decimal = |single: &f32| single.to_string().parse().unwrap_or(f64::from(*single));
        let centres: Vec<f64> = singles.values().iter().map(decimal).collect();
        let largest = centres
            .iter()
            .fold(0.0_f64, |most, value| most.max(value.abs()));
        return Ok((centres, largest * f64::from(f32::EPSILON)));
    }
    if !values.data_type().is_numeric() {
        let cause = format!(
            "the coordinates of an image are numbers, and {name} is of type {}",
            values.data_type()
        );
        return Err(CubeError::invalid("", cause).remedy("cast it to a number"));
    }
    let values = cast(values, &DataType::Float64);
    let values = values.map_err(|error| CubeError::invalid(name, error))?;
    Ok((
        values.as_primitive::<Float64Type>().values().to_vec(),
        f64::EPSILON,
    ))
}

fn labels(axis: &TargetAxis) -> CubeResult<Vec<String>> {
    let values = &axis.coordinates;
    if let Some(times) = Times::of(&axis.field, values)? {
        let micros = times.micros.values().iter();
        return Ok(micros.map(|micros| times.text(*micros)).collect());
    }
    (0..values.len())
        .map(|cell| {
            array_value_to_string(values, cell)
                .map_err(|error| CubeError::invalid(axis.field.name(), error))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float32Array, Float64Array, TimestampMicrosecondArray};
    use arrow::datatypes::Field;

    use super::*;
    use crate::cube::encoding::EncodingOptions;

    fn axis(name: &str, role: AxisRole, coordinates: ArrayRef) -> TargetAxis {
        TargetAxis {
            field: Arc::new(Field::new(name, coordinates.data_type().clone(), false)),
            coordinates,
            role,
            bounds: None,
            encoding: EncodingOptions::default(),
        }
    }

    fn doubles(values: &[f64]) -> ArrayRef {
        Arc::new(Float64Array::from(values.to_vec()))
    }

    #[test]
    fn images_lie_on_the_map() {
        let seconds = 1_484_561_362;
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![seconds * 1_000_000]));
        let latitudes: ArrayRef = Arc::new(Float32Array::from(vec![0.3, 0.2, 0.1]));
        let axes = [
            axis("time", AxisRole::Time, times),
            axis("lat", AxisRole::Latitude, latitudes),
            axis("lon", AxisRole::Longitude, doubles(&[7.0])),
        ];
        let grid = image_grid(&axes, None).unwrap();
        assert_eq!(grid.dimensions(), ["time", "lat", "lon"]);
        assert_eq!(grid.steps[0].labels, ["2017-01-16T10:09:22Z"]);
        assert!(grid.is_geographic);
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
        near(grid.rows.edge, 0.35);
        near(grid.rows.size, 0.1);
        near(grid.columns.edge, 6.95);
        near(grid.columns.size, 0.1);
    }

    #[test]
    fn what_is_no_image() {
        let of = |y: ArrayRef, x: ArrayRef| {
            let axes = [axis("y", AxisRole::Y, y), axis("x", AxisRole::X, x)];
            image_grid(&axes, None).unwrap_err().to_string()
        };
        let texts: ArrayRef = Arc::new(arrow::array::StringArray::from(vec!["a", "b"]));
        for (y, expected) in [
            (
                doubles(&[3.0, 2.0, 0.5]),
                "y goes from 2 to 0.5, elsewhere in steps of 1.000000",
            ),
            (texts, "y is of type Utf8"),
            (doubles(&[1.0]), "one cell"),
        ] {
            let message = of(y, doubles(&[1.0]));
            assert!(message.contains(expected), "{message}");
        }
    }
}
