//! Points and lines of a geometry column as plain places: [`points`], [`line`], [`line_of_text`].

use arrow::array::{Array, StringArray};
use arrow::datatypes::{DataType, Field};
use geo_types::{Geometry, LineString};

use super::zones::{ZoneError, geometries};

/// The points of a column, each an x and a y; no numbers where there is none.
///
/// # Errors
/// The column holds no geometries, or others than points.
pub fn points(array: &dyn Array, field: &Field) -> Result<Vec<(f64, f64)>, ZoneError> {
    let place = |geometry: Option<Geometry>| match geometry {
        Some(Geometry::Point(point)) => Ok(point.x_y()),
        Some(Geometry::MultiPoint(points)) if points.0.is_empty() => Ok((f64::NAN, f64::NAN)),
        None => Ok((f64::NAN, f64::NAN)),
        Some(_) => Err(ZoneError::Column {
            column: field.name().clone(),
            cause: "one of them is no point; take a point of each, such as ST_Centroid(geometry)"
                .to_string(),
        }),
    };
    geometries(array, field)?.into_iter().map(place).collect()
}

/// The vertices of the line that a column of one row holds; `None` where it is no line.
///
/// # Errors
/// The column holds no geometries.
pub fn line(array: &dyn Array, field: &Field) -> Result<Option<Vec<(f64, f64)>>, ZoneError> {
    let vertices = |line: LineString| line.coords().map(|place| (place.x, place.y)).collect();
    Ok(
        match geometries(array, field)?.into_iter().next().flatten() {
            Some(Geometry::LineString(line)) => Some(vertices(line)),
            Some(Geometry::Line(line)) => Some(vertices(LineString::from(line))),
            Some(Geometry::MultiLineString(lines)) if lines.0.len() == 1 => {
                lines.0.into_iter().next().map(vertices)
            }
            _ => None,
        },
    )
}

/// The vertices of a line in WKT; `None` where it is no line.
///
/// # Errors
/// The text is no WKT.
pub fn line_of_text(wkt: &str) -> Result<Option<Vec<(f64, f64)>>, ZoneError> {
    line(
        &StringArray::from(vec![wkt]),
        &Field::new("line", DataType::Utf8, true),
    )
}
