//! What a coordinate measures: from its attributes (CF 1.11 §4), else from its name.

use arrow::datatypes::{DataType, Field};
use serde_json::Value;

use super::classify::text;
use crate::cube::AxisRole;
use crate::source::{ArrayDescription, Attributes};

/// What the coordinate measures.
pub(super) fn role_of(array: &ArrayDescription) -> AxisRole {
    if matches!(array.data_type, DataType::Timestamp(_, _)) {
        return AxisRole::Time;
    }
    stated_role(&array.attributes)
        .or_else(|| axis_letter(&array.attributes))
        .unwrap_or_else(|| role_of_name(&array.name))
}

/// What a column measures, whether it is an axis or not.
pub(crate) fn role_of_column(field: &Field) -> AxisRole {
    let metadata = field.metadata().iter();
    let attributes: Attributes = metadata
        .map(|(key, value)| (key.clone(), Value::String(value.clone())))
        .collect();
    stated_role(&attributes).unwrap_or_else(|| role_of_name(field.name()))
}

/// What `standard_name`, `units` or `positive` say.
pub(super) fn stated_role(attributes: &Attributes) -> Option<AxisRole> {
    let standard_name = text(attributes, "standard_name").unwrap_or("");
    let role = match standard_name {
        "latitude" => AxisRole::Latitude,
        "longitude" => AxisRole::Longitude,
        "projection_y_coordinate" | "projection_y_angular_coordinate" | "grid_latitude" => {
            AxisRole::Y
        }
        "projection_x_coordinate" | "projection_x_angular_coordinate" | "grid_longitude" => {
            AxisRole::X
        }
        "time" | "forecast_reference_time" => AxisRole::Time,
        "height"
        | "depth"
        | "altitude"
        | "air_pressure"
        | "model_level_number"
        | "height_above_mean_sea_level"
        | "height_above_reference_ellipsoid" => AxisRole::Vertical,
        name if is_parametric_vertical(name) => AxisRole::Vertical,
        _ => return role_of_units(attributes),
    };
    Some(role)
}

/// CF 1.11 appendix D.
fn is_parametric_vertical(standard_name: &str) -> bool {
    let medium = ["atmosphere_", "ocean_"]
        .iter()
        .any(|m| standard_name.starts_with(m));
    medium && standard_name.ends_with("_coordinate")
}

/// The spellings are those of CF 1.11 §4.1 and §4.2.
fn role_of_units(attributes: &Attributes) -> Option<AxisRole> {
    let units = text(attributes, "units").unwrap_or("").trim();
    let words: Vec<&str> = units.split_whitespace().collect();
    match units {
        "degrees_north" | "degree_north" | "degree_N" | "degrees_N" | "degreeN" | "degreesN" => {
            Some(AxisRole::Latitude)
        }
        "degrees_east" | "degree_east" | "degree_E" | "degrees_E" | "degreeE" | "degreesE" => {
            Some(AxisRole::Longitude)
        }
        _ if words
            .get(1)
            .is_some_and(|word| word.eq_ignore_ascii_case("since")) =>
        {
            Some(AxisRole::Time)
        }
        _ => {
            let positive = text(attributes, "positive")
                .unwrap_or("")
                .to_ascii_lowercase();
            matches!(positive.as_str(), "up" | "down").then_some(AxisRole::Vertical)
        }
    }
}

/// What the `axis` attribute says. Latitude and longitude are told from projected y and x by units
/// or standard name, which come first.
fn axis_letter(attributes: &Attributes) -> Option<AxisRole> {
    match text(attributes, "axis")? {
        "T" | "t" => Some(AxisRole::Time),
        "Z" | "z" => Some(AxisRole::Vertical),
        "Y" | "y" => Some(AxisRole::Y),
        "X" | "x" => Some(AxisRole::X),
        _ => None,
    }
}

fn role_of_name(name: &str) -> AxisRole {
    match name.to_ascii_lowercase().as_str() {
        "lat" | "latitude" | "nav_lat" => AxisRole::Latitude,
        "lon" | "long" | "longitude" | "nav_lon" => AxisRole::Longitude,
        "y" | "northing" | "yc" | "rlat" => AxisRole::Y,
        "x" | "easting" | "xc" | "rlon" => AxisRole::X,
        "time" | "t" | "date" | "datetime" | "time_counter" | "valid_time" => AxisRole::Time,
        "z" | "depth" | "height" | "altitude" | "level" | "lev" | "plev" | "pressure"
        | "isobaricinhpa" => AxisRole::Vertical,
        _ => AxisRole::Other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cube::memory::MemoryArray;
    use crate::source::ArrayReader;
    use serde_json::json;

    #[test]
    fn attributes_come_before_names() {
        use AxisRole::{Latitude, Longitude, Other, Time, Vertical, X, Y};
        let cases = [
            ("a", json!({"units": "degrees_north"}), Latitude),
            ("a", json!({"units": "degreeE", "axis": "X"}), Longitude),
            (
                "lat",
                json!({"standard_name": "grid_latitude", "units": "degrees"}),
                Y,
            ),
            (
                "a",
                json!({"standard_name": "latitude", "axis": "Y"}),
                Latitude,
            ),
            ("a", json!({"axis": "Y", "units": "m"}), Y),
            ("a", json!({"standard_name": "projection_x_coordinate"}), X),
            ("a", json!({"units": "days since 2000-01-01"}), Time),
            ("time", json!({"units": "month"}), Time),
            ("a", json!({"positive": "down"}), Vertical),
            (
                "a",
                json!({"standard_name": "ocean_sigma_coordinate"}),
                Vertical,
            ),
            ("plev", json!({}), Vertical),
            ("Longitude", json!({}), Longitude),
            ("x", json!({}), X),
            ("station", json!({"units": "1"}), Other),
        ];
        for (name, attributes, expected) in cases {
            let array = MemoryArray::floats(name, &[name], &[2], vec![0.0, 1.0])
                .with_attributes(attributes.clone());
            let role = role_of(array.description());
            assert_eq!(role, expected, "{name} {attributes}");
        }
    }
}
