//! The arrays that say where cells are: coordinates, their bounds, and the grid mapping.
//!
//! ```text
//!  TargetAxis time ──▶ time(time)        units, calendar, axis T, bounds: time_bnds
//!                  └─▶ time_bnds(time, bnds)      without attributes: those of time hold (CF 1.11 §7.1)
//!  GridMapping ──────▶ crs()             a scalar
//! ```

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef};
use serde_json::json;

use super::mapping::GridMapping;
use super::texts::attribute;
use super::variables::{AXIS, COORDINATES};
use super::{SmallArray, TargetAxis};
use crate::cube::AxisRole;
use crate::cube::encoding::Encoding;
use crate::cube::metadata::UNITS;
use crate::error::{CubeError, CubeResult};
use crate::sink::TargetArray;
use crate::source::Attributes;

/// The coordinate variable of each axis, with its bounds if it has any, and the grid mapping variable.
///
/// # Errors
/// A coordinate is NULL or of a type that cannot be stored, or there are not two bounds per cell.
pub(crate) fn coordinate_arrays(
    axes: &[TargetAxis],
    mapping: Option<&GridMapping>,
) -> CubeResult<Vec<SmallArray>> {
    let mut arrays = Vec::new();
    let mut letters = Vec::new();
    for axis in axes {
        let letter = letter(axis.role).filter(|letter| !letters.contains(letter));
        letters.extend(letter);
        arrays.extend(of_axis(axis, axes, letter, mapping)?);
    }
    arrays.extend(mapping.map(GridMapping::array));
    Ok(arrays)
}

fn of_axis(
    axis: &TargetAxis,
    axes: &[TargetAxis],
    letter: Option<&str>,
    mapping: Option<&GridMapping>,
) -> CubeResult<Vec<SmallArray>> {
    let name = axis.field.name();
    let stated: Vec<&ArrayRef> = [&axis.coordinates]
        .into_iter()
        .chain(&axis.bounds)
        .collect();
    let encoding = Encoding::plan_coordinates(&axis.field, &stated, &axis.encoding)?;
    let mut attributes = attributes(axis, &encoding, letter, mapping);
    let length = axis.coordinates.len() as u64;
    let small = |name: &str, dimensions: &[&str], shape: &[u64], values: &ArrayRef| {
        CubeResult::Ok(SmallArray {
            target: TargetArray {
                name: name.to_string(),
                dimensions: dimensions.iter().map(ToString::to_string).collect(),
                shape: shape.to_vec(),
                chunks: shape.iter().map(|length| (*length).max(1)).collect(),
                shards: None,
                data_type: encoding.stored_type().clone(),
                fill_value: encoding.fill_value(),
                codec: None,
                attributes: Attributes::new(),
            },
            values: encoding.encode(values)?.0,
        })
    };
    let mut arrays = Vec::with_capacity(2);
    if let Some(bounds) = &axis.bounds {
        if bounds.len() != 2 * axis.coordinates.len() {
            let cause = format!("{} bounds for {length} cells", bounds.len());
            return Err(CubeError::invalid(name, cause));
        }
        let bounds_name = format!("{name}_bnds");
        let is_taken = |name: &str| axes.iter().any(|axis| axis.field.name() == name);
        let pair = if is_taken("bnds") { "nv" } else { "bnds" };
        attributes.insert("bounds".to_string(), json!(bounds_name));
        arrays.push(small(&bounds_name, &[name, pair], &[length, 2], bounds)?);
    }
    let mut coordinates = small(name, &[name], &[length], &axis.coordinates)?;
    coordinates.target.attributes = attributes;
    arrays.insert(0, coordinates);
    Ok(arrays)
}

/// The attributes of a coordinate variable: those of its column, and what its role implies.
fn attributes(
    axis: &TargetAxis,
    encoding: &Encoding,
    letter: Option<&str>,
    mapping: Option<&GridMapping>,
) -> Attributes {
    let texts: BTreeMap<_, _> = axis.field.metadata().iter().collect();
    let mut attributes = Attributes::new();
    for (name, text) in texts {
        if [AXIS, COORDINATES].contains(&name.as_str()) || (name == UNITS && encoding.is_time()) {
            continue;
        }
        let value = attribute(name, text, encoding.stored_type());
        attributes.extend(value.map(|value| (name.clone(), value)));
    }
    let mut add = |name: &str, text: &str| {
        attributes.entry(name).or_insert_with(|| json!(text));
    };
    let implied = Implied::by(axis.role, encoding.is_time(), mapping);
    if let Some(name) = implied.standard_name {
        add("standard_name", name);
        add("long_name", &name.replace('_', " "));
    }
    if let Some(units) = implied.units {
        add(UNITS, units);
    }
    if let Some(letter) = letter {
        add("axis", letter);
    }
    if axis.role == AxisRole::Vertical {
        let name = attributes
            .get("standard_name")
            .and_then(|name| name.as_str());
        let name = name.unwrap_or(axis.field.name()).to_ascii_lowercase();
        let positive = match name.as_str() {
            "depth" => Some("down"),
            "height" | "altitude" | "height_above_mean_sea_level" => Some("up"),
            _ => None,
        };
        if let Some(positive) = positive {
            attributes
                .entry("positive")
                .or_insert_with(|| json!(positive));
        }
    }
    attributes.extend(encoding.attributes().clone());
    attributes
}

/// The letter of the attribute `axis` (CF 1.11 §4).
fn letter(role: AxisRole) -> Option<&'static str> {
    match role {
        AxisRole::Time => Some("T"),
        AxisRole::Vertical => Some("Z"),
        AxisRole::Latitude | AxisRole::Y => Some("Y"),
        AxisRole::Longitude | AxisRole::X => Some("X"),
        AxisRole::Other => None,
    }
}

/// What the role of an axis says about it.
#[derive(Debug, Clone, Copy, Default)]
struct Implied {
    standard_name: Option<&'static str>,
    units: Option<&'static str>,
}

impl Implied {
    fn by(role: AxisRole, is_time: bool, mapping: Option<&GridMapping>) -> Implied {
        let of = |standard_name, units| Implied {
            standard_name: Some(standard_name),
            units,
        };
        let is_geographic = mapping.is_some_and(GridMapping::is_geographic);
        let is_rotated = mapping.is_some_and(GridMapping::is_rotated);
        let metres = mapping.filter(|mapping| mapping.is_metric()).map(|_| "m");
        match role {
            AxisRole::Latitude => of("latitude", Some("degrees_north")),
            AxisRole::Longitude => of("longitude", Some("degrees_east")),
            AxisRole::Y if is_geographic => of("latitude", Some("degrees_north")),
            AxisRole::X if is_geographic => of("longitude", Some("degrees_east")),
            AxisRole::Y if is_rotated => of("grid_latitude", Some("degrees")),
            AxisRole::X if is_rotated => of("grid_longitude", Some("degrees")),
            AxisRole::Y => of("projection_y_coordinate", metres),
            AxisRole::X => of("projection_x_coordinate", metres),
            AxisRole::Time if is_time => of("time", None),
            AxisRole::Time | AxisRole::Vertical | AxisRole::Other => Implied::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::types::Int64Type;
    use arrow::array::{
        AsArray, Float32Array, Float64Array, Int16Array, StringArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::Field;
    use serde_json::Value;

    use super::*;
    use crate::cube::crs::Crs;
    use crate::cube::encoding::EncodingOptions;

    const DAY: i64 = 86_400_000_000;

    fn axis(name: &str, role: AxisRole, coordinates: ArrayRef) -> TargetAxis {
        TargetAxis {
            field: Arc::new(Field::new(name, coordinates.data_type().clone(), false)),
            coordinates,
            role,
            bounds: None,
            encoding: EncodingOptions::default(),
        }
    }

    fn floats(values: Vec<f64>) -> ArrayRef {
        Arc::new(Float64Array::from(values))
    }

    fn times(days: Vec<i64>) -> ArrayRef {
        let micros = days.into_iter().map(|day| day * DAY);
        Arc::new(TimestampMicrosecondArray::from_iter_values(micros))
    }

    fn with(mut axis: TargetAxis, metadata: &[(&str, &str)]) -> TargetAxis {
        let metadata = metadata.iter();
        let metadata = metadata.map(|(name, text)| (name.to_string(), text.to_string()));
        let metadata: HashMap<_, _> = metadata.collect();
        axis.field = Arc::new(axis.field.as_ref().clone().with_metadata(metadata));
        axis
    }

    fn of(axes: &[TargetAxis], crs: Option<&str>) -> Vec<SmallArray> {
        let mapping =
            crs.map(|crs| GridMapping::of(&Crs::of_definition(crs.to_string()), |_| false));
        coordinate_arrays(axes, mapping.as_ref()).unwrap()
    }

    fn attributes_of(array: &SmallArray) -> Value {
        Value::Object(array.target.attributes.clone())
    }

    #[test]
    fn a_cube_of_time_latitude_and_longitude() {
        let mut time = axis("time", AxisRole::Time, times(vec![0, 31]));
        time.bounds = Some(times(vec![0, 31, 31, 59]));
        let latitude: ArrayRef = Arc::new(Float32Array::from(vec![50.5, 50.0, 49.5]));
        let arrays = of(
            &[
                time,
                axis("lat", AxisRole::Latitude, latitude),
                axis("lon", AxisRole::Longitude, floats(vec![7.0])),
            ],
            Some("OGC:CRS84"),
        );
        let shapes: Vec<_> = arrays
            .iter()
            .map(|array| {
                let target = &array.target;
                assert_eq!(target.chunks, target.shape);
                assert_eq!(
                    array.values.len() as u64,
                    target.shape.iter().product::<u64>()
                );
                assert_eq!(array.values.data_type(), &target.data_type);
                (
                    target.name.as_str(),
                    target.dimensions.join(" "),
                    target.shape.clone(),
                )
            })
            .collect();
        let expected = [
            ("time", "time".to_string(), vec![2]),
            ("time_bnds", "time bnds".to_string(), vec![2, 2]),
            ("lat", "lat".to_string(), vec![3]),
            ("lon", "lon".to_string(), vec![1]),
            ("crs", String::new(), vec![]),
        ];
        assert_eq!(shapes, expected);
        assert_eq!(
            attributes_of(&arrays[0]),
            json!({"standard_name": "time", "long_name": "time", "axis": "T", "bounds": "time_bnds",
                "units": "days since 1970-01-01", "calendar": "proleptic_gregorian"})
        );
        assert_eq!(attributes_of(&arrays[1]), json!({}));
        assert_eq!(
            arrays[1].values.as_primitive::<Int64Type>().values(),
            &[0, 31, 31, 59]
        );
        assert_eq!(
            attributes_of(&arrays[2]),
            json!({"standard_name": "latitude", "long_name": "latitude", "units": "degrees_north",
                "axis": "Y"})
        );
        assert_eq!(
            attributes_of(&arrays[4])["grid_mapping_name"],
            "latitude_longitude"
        );
    }

    #[test]
    fn what_the_column_says_comes_first() {
        let coordinates = || floats(vec![1.0, 2.0]);
        let cases = [
            (
                with(
                    axis("time", AxisRole::Time, times(vec![1])),
                    &[("standard_name", "forecast_reference_time"), ("units", "h")],
                ),
                json!({"standard_name": "forecast_reference_time", "long_name": "time", "axis": "T",
                    "units": "days since 1970-01-01", "calendar": "proleptic_gregorian"}),
            ),
            (
                with(
                    axis("y", AxisRole::Y, coordinates()),
                    &[("units", "km"), ("axis", "Y"), ("cell_size", "1")],
                ),
                json!({"units": "km", "axis": "Y", "standard_name": "projection_y_coordinate",
                    "long_name": "projection y coordinate"}),
            ),
            (
                with(
                    axis("depth", AxisRole::Vertical, coordinates()),
                    &[("units", "m")],
                ),
                json!({"units": "m", "axis": "Z", "positive": "down"}),
            ),
            (axis("band", AxisRole::Other, coordinates()), json!({})),
            (
                axis("month", AxisRole::Time, Arc::new(Int16Array::from(vec![1]))),
                json!({"axis": "T"}),
            ),
            (
                axis(
                    "station",
                    AxisRole::Other,
                    Arc::new(StringArray::from(vec!["Oslo"])),
                ),
                json!({}),
            ),
        ];
        for (axis, expected) in cases {
            let array = &of(std::slice::from_ref(&axis), None)[0];
            assert_eq!(attributes_of(array), expected, "{}", axis.field.name());
        }
    }

    #[test]
    fn the_system_tells_what_y_and_x_are() {
        let utm = r#"PROJCRS["UTM 32N",BASEGEOGCRS["WGS 84"],LENGTHUNIT["metre",1]]"#;
        let cases = [
            ("EPSG:4326", Some("latitude"), Some("degrees_north")),
            (utm, Some("projection_y_coordinate"), Some("m")),
            ("EPSG:3035", Some("projection_y_coordinate"), Some("m")),
            // In feet.
            ("EPSG:2263", Some("projection_y_coordinate"), None),
        ];
        for (crs, name, units) in cases {
            let arrays = of(&[axis("y", AxisRole::Y, floats(vec![1.0]))], Some(crs));
            let attributes = attributes_of(&arrays[0]);
            assert_eq!(attributes["standard_name"].as_str(), name, "{crs}");
            assert_eq!(
                attributes.get("units").and_then(Value::as_str),
                units,
                "{crs}"
            );
        }
    }

    #[test]
    fn two_axes_have_no_letter_in_common() {
        let arrays = of(
            &[
                axis("time", AxisRole::Time, times(vec![1])),
                axis("reference", AxisRole::Time, times(vec![1])),
            ],
            None,
        );
        assert_eq!(arrays[0].target.attributes["axis"], "T");
        assert!(!arrays[1].target.attributes.contains_key("axis"));
    }

    #[test]
    fn bounds_must_fit() {
        let mut bare = axis("bnds", AxisRole::Other, floats(vec![1.0, 2.0]));
        bare.bounds = Some(floats(vec![0.5, 1.5, 1.5, 2.5]));
        let arrays = of(std::slice::from_ref(&bare), None);
        assert_eq!(arrays[1].target.dimensions, ["bnds", "nv"]);
        bare.bounds = Some(floats(vec![0.5]));
        let message = coordinate_arrays(&[bare], None).unwrap_err().to_string();
        assert!(
            message.contains("1 bounds for 2 cells (in bnds)"),
            "{message}"
        );
        let empty = of(&[axis("x", AxisRole::X, floats(vec![]))], None);
        assert_eq!(
            (&empty[0].target.shape, &empty[0].target.chunks),
            (&vec![0], &vec![1])
        );
    }
}
