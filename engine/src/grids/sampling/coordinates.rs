//! Coordinates of points in the system of a cube: [`Coordinates`], and what lies between places: [`Metric`].

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use graticule_functions::space::vertices;
use graticule_functions::space::zones::is_geographic;
use graticule_functions::space::{geodesic_distance, great_circle_distance};

use super::naming::{Naming, Places, Plane};
use crate::cube::Cube;
use crate::error::CubeError;
use crate::grids::reproject::refused;
use crate::grids::system::{is_turning, system_of, unit};

/// The coordinates of points along axes of a cube.
#[derive(Debug)]
pub(in crate::grids) struct Coordinates {
    /// Axes, ascending, and the coordinate of each point along them, of the axis' type; `NULL` where there is none.
    pub(super) along: Vec<(usize, ArrayRef)>,
}

impl Coordinates {
    /// Those of `points`, as their columns name the axes of `cube`.
    ///
    /// # Errors
    /// A column cannot be understood as coordinates of the axis that it names.
    pub(in crate::grids) fn of(naming: &Naming, points: &RecordBatch, cube: &Cube) -> Result<Self> {
        let mut along = Vec::new();
        for (axis, column) in &naming.columns {
            along.push((*axis, like_axis(points, *column, cube, *axis)?));
        }
        if let Some(plane) = &naming.plane {
            let mut places = places(plane, points)?;
            if let Some(transformation) = &plane.transformation {
                transformation.move_places(&mut places).map_err(refused)?;
            }
            let (x, y) = in_units(places, cube, plane);
            along.extend([(plane.x, x), (plane.y, y)]);
        }
        along.sort_by_key(|(axis, _)| *axis);
        Ok(Self { along })
    }

    /// Places in the system of the cube along its horizontal axes.
    pub(in crate::grids) fn of_places(x: (usize, Vec<f64>), y: (usize, Vec<f64>)) -> Self {
        let array = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
        let mut along = vec![(x.0, array(x.1)), (y.0, array(y.1))];
        along.sort_by_key(|(axis, _)| *axis);
        Self { along }
    }
}

/// A column of points as coordinates of an axis.
fn like_axis(points: &RecordBatch, column: usize, cube: &Cube, axis: usize) -> Result<ArrayRef> {
    let axis = &cube.axes[axis];
    let wanted = match axis.coordinates.data_type() {
        number if number.is_numeric() => &DataType::Float64,
        other => other,
    };
    let values = points.column(column);
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(values, wanted, &options).map_err(|error| {
        let schema = points.schema();
        let cause = format!(
            "the column {} of the points cannot be read as coordinates of the axis {}: {error}",
            schema.field(column).name(),
            axis.field.name()
        );
        let remedy = format!("write it as {}", axis.coordinates.data_type());
        CubeError::invalid(&cube.name, cause).remedy(remedy).into()
    })
}

/// Longitudes or x, and latitudes or y, of points; no numbers where they have none.
fn places(plane: &Plane, points: &RecordBatch) -> Result<Vec<(f64, f64)>> {
    match plane.places {
        Places::Columns { x, y } => {
            let (x, y) = (number_column(points, x)?, number_column(points, y)?);
            Ok(x.into_iter().zip(y).collect())
        }
        Places::Geometry(column) => {
            let schema = points.schema();
            let array = points.column(column).as_ref();
            vertices::points(array, schema.field(column)).map_err(refused)
        }
    }
}

fn number_column(points: &RecordBatch, column: usize) -> Result<Vec<f64>> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let values = cast_with_options(points.column(column), &DataType::Float64, &options);
    let values = values.map_err(|error| {
        let schema = points.schema();
        let name = schema.field(column).name();
        CubeError::invalid(
            "",
            format!("the column {name} of the points has no numbers: {error}"),
        )
    })?;
    let values = values.as_primitive::<Float64Type>();
    Ok(values
        .iter()
        .map(|value| value.unwrap_or(f64::NAN))
        .collect())
}

/// Places in the units of the cube's axes, which may count kilometres.
fn in_units(places: Vec<(f64, f64)>, cube: &Cube, plane: &Plane) -> (ArrayRef, ArrayRef) {
    let unit = match (&plane.transformation, system_of(cube, plane.x)) {
        (Some(_), Ok(system)) => unit(&system, &cube.axes[plane.x]),
        _ => 1.0,
    };
    let array = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let (x, y) = places.into_iter().unzip::<_, _, Vec<f64>, Vec<f64>>();
    let scaled = |values: Vec<f64>| values.into_iter().map(|value| value / unit).collect();
    (array(scaled(x)), array(scaled(y)))
}

/// How far apart places of a cube are.
#[derive(Debug, Clone, Copy)]
pub(in crate::grids) enum Metric {
    /// On the ellipsoid, in metres.
    Geodesic,
    /// On a sphere whose pole is elsewhere, in metres.
    GreatCircle,
    /// In units of the system, of which an axis may count several as one.
    Plane { unit: f64 },
}

impl Metric {
    /// That of the horizontal axes of `cube`. Without a system, x and y are taken to be those of a plane.
    pub(in crate::grids) fn of(cube: &Cube, x: usize) -> Self {
        match system_of(cube, x) {
            Ok(system) if is_geographic(&system) == Some(true) => Self::Geodesic,
            Ok(system) if is_turning(&system) => Self::GreatCircle,
            Ok(system) => Self::Plane {
                unit: unit(&system, &cube.axes[x]),
            },
            Err(_) => Self::Plane { unit: 1.0 },
        }
    }

    /// The unit of distances, as data state it; `None` where it is that of the system.
    pub(in crate::grids) fn unit(self) -> Option<&'static str> {
        match self {
            Self::Geodesic | Self::GreatCircle => Some("m"),
            Self::Plane { .. } => None,
        }
    }

    /// The distance of two places, each an x and a y.
    pub(in crate::grids) fn distance(self, one: (f64, f64), other: (f64, f64)) -> f64 {
        match self {
            Self::Geodesic => geodesic_distance(one, other),
            Self::GreatCircle => great_circle_distance(one, other),
            Self::Plane { unit } => (one.0 - other.0).hypot(one.1 - other.1) * unit,
        }
    }
}
