//! Columns of geometries, in whatever encoding.

use arrow::array::Array;
use arrow::datatypes::Field;
use geo_traits::{GeometryTrait, GeometryType, PointTrait};
use geo_types::{Coord, Geometry, LineString, MultiPoint};
use geoarrow_array::array::from_arrow_array;
use geoarrow_array::{GeoArrowArray, GeoArrowArrayAccessor, downcast_geoarrow_array};
use geoarrow_expr_geo::util::to_geo::geometry_to_geo;
use geoarrow_schema::error::GeoArrowResult;

use super::plane::ZoneError;

/// The geometries of a column, in any encoding that the `ST_…` functions take: GeoArrow, WKB or WKT. NULL is `None`.
/// Only x and y are kept.
///
/// # Errors
/// The column holds something else, or a value of it is no geometry.
pub fn geometries(array: &dyn Array, field: &Field) -> Result<Vec<Option<Geometry>>, ZoneError> {
    let unreadable = |cause: &dyn std::fmt::Display| ZoneError::Column {
        column: field.name().clone(),
        cause: cause.to_string(),
    };
    let column = from_arrow_array(array, field).map_err(|error| unreadable(&error))?;
    all_of(column.as_ref()).map_err(|error| unreadable(&error))
}

fn all_of(column: &dyn GeoArrowArray) -> GeoArrowResult<Vec<Option<Geometry>>> {
    downcast_geoarrow_array!(column, each_of)
}

fn each_of<'a>(
    column: &'a impl GeoArrowArrayAccessor<'a>,
) -> GeoArrowResult<Vec<Option<Geometry>>> {
    column
        .iter()
        .map(|value| value.map(|geometry| owned(&geometry?)).transpose())
        .collect()
}

fn owned(geometry: &impl GeometryTrait<T = f64>) -> GeoArrowResult<Geometry> {
    match geometry.as_type() {
        GeometryType::Point(point) if point.coord().is_none() => {
            Ok(Geometry::MultiPoint(MultiPoint::new(Vec::new())))
        }
        _ => geometry_to_geo(geometry),
    }
}

/// Is a geometry made of polygons alone? Only then [`super::ZoneRuns`] says all that there is to say of it:
/// a point or a line has no area, but `ST_Intersects` may hold for a centre that lies on it.
#[must_use]
pub fn is_area(geometry: &Geometry) -> bool {
    match geometry {
        Geometry::Polygon(_)
        | Geometry::MultiPolygon(_)
        | Geometry::Rect(_)
        | Geometry::Triangle(_) => true,
        Geometry::GeometryCollection(parts) => parts.iter().all(is_area),
        _ => false,
    }
}

/// Least x, least y, greatest x and greatest y of a geometry; `None` when it has no coordinate.
#[must_use]
pub fn envelope(geometry: &Geometry) -> Option<[f64; 4]> {
    let mut around: Option<[f64; 4]> = None;
    for_each_vertex(geometry, &mut |Coord { x, y }| {
        let [west, south, east, north] = around.unwrap_or([x, y, x, y]);
        around = Some([west.min(x), south.min(y), east.max(x), north.max(y)]);
    });
    around
}

/// Calls `visit` with every vertex but those of holes.
fn for_each_vertex(geometry: &Geometry, visit: &mut impl FnMut(Coord)) {
    let mut line = |line: &LineString| line.0.iter().copied().for_each(&mut *visit);
    match geometry {
        Geometry::Point(point) => visit(point.0),
        Geometry::Line(line) => [line.start, line.end].into_iter().for_each(visit),
        Geometry::LineString(one) => line(one),
        Geometry::Polygon(polygon) => line(polygon.exterior()),
        Geometry::Rect(rectangle) => [rectangle.min(), rectangle.max()]
            .into_iter()
            .for_each(visit),
        Geometry::Triangle(triangle) => triangle.to_array().into_iter().for_each(visit),
        Geometry::MultiPoint(points) => points.iter().for_each(|point| visit(point.0)),
        Geometry::MultiLineString(lines) => lines.iter().for_each(line),
        Geometry::MultiPolygon(polygons) => polygons.iter().for_each(|one| line(one.exterior())),
        Geometry::GeometryCollection(parts) => {
            parts.iter().for_each(|part| for_each_vertex(part, visit));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use arrow::array::{ArrayRef, BinaryArray, Int32Array, StringArray};
    use arrow::datatypes::DataType;

    const UNIT_SQUARE: &str = "POLYGON((0 0, 1 0, 1 1, 0 1, 0 0))";

    fn little_endian_point() -> Vec<u8> {
        let mut wkb = vec![1, 1, 0, 0, 0];
        wkb.extend(2.0_f64.to_le_bytes());
        wkb.extend(3.0_f64.to_le_bytes());
        wkb
    }

    #[test]
    fn encodings() {
        let text: ArrayRef = Arc::new(StringArray::from(vec![
            Some(UNIT_SQUARE),
            None,
            Some("POINT EMPTY"),
        ]));
        let read = geometries(text.as_ref(), &Field::new("g", DataType::Utf8, true)).unwrap();
        assert_eq!(read.len(), 3);
        assert!(is_area(read[0].as_ref().unwrap()));
        assert_eq!(read[1], None);
        assert!(!is_area(read[2].as_ref().unwrap()));

        let point = little_endian_point();
        let binary = BinaryArray::from(vec![Some(point.as_slice()), None]);
        let read = geometries(&binary, &Field::new("g", DataType::Binary, true)).unwrap();
        let expected = Geometry::Point(geo_types::Point::new(2.0, 3.0));
        assert_eq!(read, [Some(expected), None]);
    }

    #[test]
    fn envelopes() {
        let text = StringArray::from(vec!["LINESTRING (3 1, -2 5)", "POINT (1 2)", "POINT EMPTY"]);
        let read = geometries(&text, &Field::new("g", DataType::Utf8, true)).unwrap();
        let found: Vec<_> = read.iter().flatten().map(envelope).collect();
        let expected = [
            Some([-2.0, 1.0, 3.0, 5.0]),
            Some([1.0, 2.0, 1.0, 2.0]),
            None,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_geometry_is_refused() {
        let point = little_endian_point();
        for length in 0..point.len() {
            let binary = BinaryArray::from(vec![&point[..length]]);
            let read = geometries(&binary, &Field::new("zone", DataType::Binary, true));
            assert!(
                read.unwrap_err().to_string().contains("column zone"),
                "{length}"
            );
        }
        let numbers = Int32Array::from(vec![1]);
        assert!(geometries(&numbers, &Field::new("n", DataType::Int32, true)).is_err());
        let text = StringArray::from(vec!["POLYGON((0 0, 1"]);
        assert!(geometries(&text, &Field::new("g", DataType::Utf8, true)).is_err());
    }
}
