//! Grid mappings of the CF conventions as systems that PROJ knows: [`definition_of`].
//!
//! Source: CF 1.11, appendix F, and the pages of PROJ's projections.

use serde_json::{Map, Value};

/// The attributes of a grid mapping variable.
type Attributes = Map<String, Value>;

/// A parameter of PROJ, and the attributes that may give it, the first that is there.
type Parameter = (&'static str, &'static [&'static str]);

const LATITUDE: Parameter = ("lat_0", &["latitude_of_projection_origin"]);
const LONGITUDE: Parameter = (
    "lon_0",
    &[
        "longitude_of_projection_origin",
        "longitude_of_central_meridian",
        "straight_vertical_longitude_from_pole",
    ],
);
const SCALE: Parameter = (
    "k_0",
    &[
        "scale_factor_at_projection_origin",
        "scale_factor_at_central_meridian",
    ],
);
const TRUE_SCALE: Parameter = ("lat_ts", &["standard_parallel"]);
const HEIGHT: Parameter = ("h", &["perspective_point_height"]);

/// Mapping, projection, and the parameters that it has beside those of the ellipsoid and the false origin.
const MAPPINGS: [(&str, &str, &[Parameter]); 14] = [
    ("albers_conical_equal_area", "aea", &[LATITUDE, LONGITUDE]),
    ("azimuthal_equidistant", "aeqd", &[LATITUDE, LONGITUDE]),
    ("geostationary", "geos", &[LONGITUDE, HEIGHT]),
    (
        "lambert_azimuthal_equal_area",
        "laea",
        &[LATITUDE, LONGITUDE],
    ),
    ("lambert_conformal_conic", "lcc", &[LATITUDE, LONGITUDE]),
    (
        "lambert_cylindrical_equal_area",
        "cea",
        &[LONGITUDE, TRUE_SCALE],
    ),
    ("mercator", "merc", &[LONGITUDE, TRUE_SCALE, SCALE]),
    (
        "oblique_mercator",
        "omerc",
        &[
            LATITUDE,
            ("lonc", &["longitude_of_projection_origin"]),
            ("alpha", &["azimuth_of_central_line"]),
            SCALE,
        ],
    ),
    ("orthographic", "ortho", &[LATITUDE, LONGITUDE]),
    (
        "polar_stereographic",
        "stere",
        &[LATITUDE, LONGITUDE, TRUE_SCALE, SCALE],
    ),
    ("sinusoidal", "sinu", &[LONGITUDE]),
    ("stereographic", "stere", &[LATITUDE, LONGITUDE, SCALE]),
    (
        "transverse_mercator",
        "tmerc",
        &[LATITUDE, LONGITUDE, SCALE],
    ),
    (
        "vertical_perspective",
        "nsper",
        &[LATITUDE, LONGITUDE, HEIGHT],
    ),
];

/// The system that the attributes of a grid mapping variable describe, as a PROJ string. Coordinates of the
/// geostationary mapping are angles there, as CF has them. `None` for a mapping that is not known, or without what
/// it needs.
#[must_use]
pub fn definition_of(attributes: &Attributes) -> Option<String> {
    let mapping = attributes.get("grid_mapping_name")?.as_str()?;
    let mut words = match mapping {
        "latitude_longitude" => vec!["+proj=longlat".to_string()],
        "rotated_latitude_longitude" => rotated(attributes)?,
        _ => {
            let (_, projection, parameters) =
                MAPPINGS.iter().find(|(name, ..)| *name == mapping)?;
            let mut words = vec![format!("+proj={projection}")];
            words.extend(parameters.iter().filter_map(|(name, given)| {
                let value = given.iter().find_map(|given| number(attributes, given))?;
                Some(format!("+{name}={value}"))
            }));
            words
        }
    };
    if let ("lambert_conformal_conic" | "albers_conical_equal_area", Some(parallels)) =
        (mapping, attributes.get("standard_parallel"))
    {
        let parallels: Vec<f64> = match parallels {
            Value::Array(list) => list.iter().filter_map(Value::as_f64).collect(),
            one => one.as_f64().into_iter().collect(),
        };
        let last = *parallels.last()?;
        words.push(format!("+lat_1={}", parallels.first()?));
        words.push(format!("+lat_2={last}"));
    }
    if mapping == "geostationary" {
        words.push(format!("+sweep={}", sweep(attributes)));
        words.push(format!("+to_meter={}", number(attributes, HEIGHT.1[0])?));
    }
    for (name, given) in [("x_0", "false_easting"), ("y_0", "false_northing")] {
        if let Some(value) = number(attributes, given) {
            words.push(format!("+{name}={value}"));
        }
    }
    words.push(ellipsoid(attributes));
    if let Some(meridian) = number(attributes, "longitude_of_prime_meridian")
        && meridian != 0.0
    {
        words.push(format!("+pm={meridian}"));
    }
    words.push("+no_defs +type=crs".to_string());
    Some(words.join(" "))
}

/// A globe that is turned: where its pole lies on the real one.
fn rotated(attributes: &Attributes) -> Option<Vec<String>> {
    let latitude = number(attributes, "grid_north_pole_latitude")?;
    let longitude = number(attributes, "grid_north_pole_longitude")?;
    let own = number(attributes, "north_pole_grid_longitude").unwrap_or_default();
    Some(vec![
        "+proj=ob_tran +o_proj=longlat".to_string(),
        format!("+o_lat_p={latitude} +o_lon_p={own}"),
        format!("+lon_0={}", longitude + 180.0),
    ])
}

/// The axis around which a satellite sweeps. The one that is fixed is the other.
fn sweep(attributes: &Attributes) -> &str {
    let axis = |name: &str| attributes.get(name).and_then(Value::as_str);
    match (axis("sweep_angle_axis"), axis("fixed_angle_axis")) {
        (Some(sweep), _) => sweep,
        (None, Some("y")) => "x",
        _ => "y",
    }
}

fn ellipsoid(attributes: &Attributes) -> String {
    let number = |name: &str| number(attributes, name);
    let (major, minor) = (number("semi_major_axis"), number("semi_minor_axis"));
    match (
        major,
        minor,
        number("inverse_flattening"),
        number("earth_radius"),
    ) {
        (Some(major), _, Some(flattening), _) if flattening != 0.0 => {
            format!("+a={major} +rf={flattening}")
        }
        (Some(major), Some(minor), ..) => format!("+a={major} +b={minor}"),
        (Some(radius), ..) | (None, _, _, Some(radius)) => format!("+R={radius}"),
        _ => "+ellps=WGS84".to_string(),
    }
}

/// A number; the first of a list.
fn number(attributes: &Attributes, name: &str) -> Option<f64> {
    match attributes.get(name)? {
        Value::Array(list) => list.first()?.as_f64(),
        value => value.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::space::Transformation;

    /// Places of systems, with what pyproj's `CRS.from_cf` (PROJ 9.5) makes of them.
    #[test]
    fn places_lie_where_they_should() {
        let cases = [
            // EURO-CORDEX: the origin of the turned globe lies at 18° E, 50.75° N.
            (
                json!({"grid_mapping_name": "rotated_latitude_longitude",
                    "grid_north_pole_latitude": 39.25, "grid_north_pole_longitude": -162.0,
                    "earth_radius": 6371229.0}),
                (0.0, 0.0),
                (18.0, 50.75),
            ),
            // Meteosat: what is below the satellite.
            (
                json!({"grid_mapping_name": "geostationary", "longitude_of_projection_origin": 9.5,
                    "perspective_point_height": 35785831.0, "semi_major_axis": 6378137.0,
                    "inverse_flattening": 298.257223563, "sweep_angle_axis": "y"}),
                (0.0, 0.0),
                (9.5, 0.0),
            ),
            (
                json!({"grid_mapping_name": "lambert_azimuthal_equal_area",
                    "latitude_of_projection_origin": 52.0, "longitude_of_projection_origin": 10.0,
                    "false_easting": 4321000.0, "false_northing": 3210000.0,
                    "semi_major_axis": 6378137.0, "inverse_flattening": 298.257222101}),
                (4354376.862328672, 3349209.5333859343),
                (10.5, 53.25),
            ),
            (
                json!({"grid_mapping_name": "lambert_conformal_conic", "standard_parallel": [49.0, 44.0],
                    "latitude_of_projection_origin": 46.5, "longitude_of_central_meridian": 3.0,
                    "false_easting": 700000.0, "false_northing": 6600000.0,
                    "semi_major_axis": 6378137.0, "inverse_flattening": 298.257222101}),
                (661831.1877323759, 6627885.422437869),
                (2.5, 46.75),
            ),
            (
                json!({"grid_mapping_name": "polar_stereographic", "latitude_of_projection_origin": 90.0,
                    "straight_vertical_longitude_from_pole": -45.0, "standard_parallel": 70.0,
                    "semi_major_axis": 6378137.0, "inverse_flattening": 298.257223563}),
                (-11383.839285454567, -1304458.7770092415),
                (-45.5, 78.0),
            ),
            (
                json!({"grid_mapping_name": "sinusoidal", "longitude_of_projection_origin": 0.0,
                    "earth_radius": 6371007.181}),
                (3589250.7190462984, 1334340.623719828),
                (33.0, 12.0),
            ),
        ];
        for (attributes, place, expected) in cases {
            let definition = definition_of(attributes.as_object().unwrap()).unwrap();
            let transformation = Transformation::between(&definition, "OGC:CRS84").unwrap();
            let mut places = [place];
            transformation.move_places(&mut places).unwrap();
            let [(x, y)] = places;
            // Latitudes on a sphere come as they are; those on an ellipsoid are the same.
            let near = (x - expected.0).abs() < 1e-6 && (y - expected.1).abs() < 1e-6;
            assert!(near, "{definition}: {x}, {y} instead of {expected:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_made_up() {
        for attributes in [
            json!({}),
            json!({"grid_mapping_name": "somewhere"}),
            json!({"grid_mapping_name": "rotated_latitude_longitude"}),
            json!({"grid_mapping_name": "geostationary"}),
        ] {
            assert_eq!(definition_of(attributes.as_object().unwrap()), None);
        }
    }
}
