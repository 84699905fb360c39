//! Coordinates that are stated as an affine transformation instead of an array.
//!
//! GeoZarr's `spatial:transform` is `[a, b, c, d, e, f]` with `x = a·column + b·row + c` and
//! `y = d·column + e·row + f`; GDAL's `GeoTransform` on a grid mapping is the text `c a b f d e`.
//! Both place the corner of a cell; a coordinate is the cell's centre, half a step further.

use std::sync::Arc;

use arrow::array::Float64Array;
use arrow::datatypes::{DataType, Field};
use serde_json::Value;

use super::axes::order_of;
use super::classify::{Contents, text};
use crate::cube::{Axis, AxisRole};
use crate::error::CubeResult;
use crate::source::{Attributes, Group};

/// Where the cells of the two horizontal dimensions are.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Affine {
    y: Steps,
    x: Steps,
}

/// The equidistant coordinates of one dimension.
#[derive(Debug, Clone, PartialEq)]
struct Steps {
    dimension: String,
    first: f64,
    step: f64,
}

impl Affine {
    /// The transformation that the group, one of its arrays, or a grid mapping states; `None` for a
    /// rotated grid, which has no one-dimensional coordinates.
    pub(super) fn of(group: &Group, contents: &Contents) -> Option<Affine> {
        let arrays = contents
            .columns
            .iter()
            .map(|column| column.array.description());
        let mut lists = [&group.attributes]
            .into_iter()
            .chain(arrays.map(|a| &a.attributes));
        let mappings = contents
            .grid_mappings
            .iter()
            .map(|array| array.description());
        lists
            .find_map(of_geozarr)
            .or_else(|| mappings.into_iter().find_map(|m| of_gdal(&m.attributes)))
    }

    /// The axis `name` of `length` cells along the stored dimension, if the transformation places it.
    pub(super) fn axis(
        &self,
        name: &str,
        dimension: &str,
        length: u64,
    ) -> Option<CubeResult<Axis>> {
        let (steps, role) = match dimension {
            _ if dimension == self.y.dimension => (&self.y, AxisRole::Y),
            _ if dimension == self.x.dimension => (&self.x, AxisRole::X),
            _ => return None,
        };
        let values = (0..length).map(|cell| steps.first + steps.step * cell as f64);
        let coordinates = Arc::new(Float64Array::from_iter_values(values));
        Some(order_of(&(coordinates.clone() as _)).map(|order| Axis {
            field: Arc::new(Field::new(name, DataType::Float64, false)),
            coordinates,
            order,
            role,
            bounds: None,
            cell_bounds: None,
        }))
    }
}

fn of_geozarr(attributes: &Attributes) -> Option<Affine> {
    let numbers = attributes.get("spatial:transform")?.as_array()?;
    let numbers: Vec<f64> = numbers.iter().filter_map(Value::as_f64).collect();
    let [a, b, c, d, e, f] = numbers[..] else {
        return None;
    };
    let names = attributes
        .get("spatial:dimensions")
        .and_then(Value::as_array);
    let names: Vec<&str> = names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let [y, x] = names[..] else {
        return None;
    };
    let on_corners = text(attributes, "spatial:registration") == Some("node");
    let centre = if on_corners { 0.0 } else { 0.5 };
    (b == 0.0 && d == 0.0).then(|| affine((y, f, e), (x, c, a), centre))
}

fn of_gdal(attributes: &Attributes) -> Option<Affine> {
    let numbers = text(attributes, "GeoTransform")?.split_whitespace();
    let numbers: Vec<f64> = numbers.filter_map(|number| number.parse().ok()).collect();
    let [c, a, b, f, d, e] = numbers[..] else {
        return None;
    };
    (b == 0.0 && d == 0.0).then(|| affine(("y", f, e), ("x", c, a), 0.5))
}

fn affine(y: (&str, f64, f64), x: (&str, f64, f64), centre: f64) -> Affine {
    let steps = |(dimension, origin, step): (&str, f64, f64)| Steps {
        dimension: dimension.to_string(),
        first: origin + centre * step,
        step,
    };
    Affine {
        y: steps(y),
        x: steps(x),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn transformations_place_cell_centres() {
        let geozarr = |transform: Value, registration: &str| {
            of_geozarr(
                json!({"spatial:transform": transform, "spatial:dimensions": ["lat", "lon"],
                    "spatial:registration": registration})
                .as_object()
                .unwrap(),
            )
        };
        let gdal =
            |transform: &str| of_gdal(json!({"GeoTransform": transform}).as_object().unwrap());
        let grid = json!([2.0, 0.0, 100.0, 0.0, -4.0, 50.0]);
        let cases = [
            (geozarr(grid.clone(), "pixel"), Some((48.0, 101.0))),
            (geozarr(grid, "node"), Some((50.0, 100.0))),
            (
                geozarr(json!([2.0, 0.1, 100.0, 0.0, -4.0, 50.0]), "pixel"),
                None,
            ),
            (geozarr(json!([2.0, 0.0]), "pixel"), None),
            (gdal("100 2 0 50 0 -4"), Some((48.0, 101.0))),
            (gdal("100 2 0.5 50 0 -4"), None),
            (gdal("100 2"), None),
        ];
        for (affine, expected) in cases {
            let first = affine
                .as_ref()
                .map(|affine| (affine.y.first, affine.x.first));
            assert_eq!(first, expected, "{affine:?}");
        }
    }
}
