//! The coordinate reference system of an image: [`System`], as attributes of a grid mapping.
//!
//! | keys | attributes |
//! |---|---|
//! | a code of EPSG | `spatial_ref = "EPSG:32613"` |
//! | a citation of ESRI's | `spatial_ref` = the WKT in it |
//! | a projection with its parameters | `spatial_ref` = a PROJ string, see [`projection`](super::projection) |
//! | an ellipsoid with longitudes and latitudes | the parameters of CF, `grid_mapping_name = "latitude_longitude"` |

use graticule_engine::source::Attributes;
use serde_json::Value;

use super::keys::{Keys, key};
use super::projection;

/// What ESRI writes in front of WKT.
const ESRI: &str = "ESRI PE String = ";

const PROJECTED_MODEL: u16 = 1;
const GEOGRAPHIC_MODEL: u16 = 2;
const DEGREE: u16 = 9102;

/// A coordinate reference system.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct System {
    /// Are the coordinates longitudes and latitudes in degrees?
    pub(super) is_geographic: bool,
    /// Attributes of the grid mapping.
    pub(super) attributes: Attributes,
    /// Units of projected coordinates, where the file says so.
    pub(super) units: Option<&'static str>,
}

impl System {
    /// `None` where no keys name a system.
    pub(super) fn of(keys: &Keys) -> Option<Self> {
        let model = keys.code(key::MODEL_TYPE);
        let names = |key| keys.code(key).is_some() || keys.is_user_defined(key);
        let is_geographic = match model {
            Some(PROJECTED_MODEL) => false,
            Some(GEOGRAPHIC_MODEL) => true,
            Some(_) => return None,
            None if names(key::PROJECTED) => false,
            None if names(key::GEOGRAPHIC) => true,
            None => return None,
        };
        Some(match is_geographic {
            true => Self {
                is_geographic: has_degrees(keys),
                attributes: geographic(keys),
                units: None,
            },
            false => Self {
                is_geographic: false,
                attributes: projected(keys),
                units: units(keys),
            },
        })
    }
}

/// Are angles in degrees, as far as the file says?
pub(super) fn has_degrees(keys: &Keys) -> bool {
    keys.code(key::ANGULAR_UNITS)
        .is_none_or(|code| code == DEGREE)
}

fn geographic(keys: &Keys) -> Attributes {
    let mut attributes = Attributes::new();
    let definition = keys
        .code(key::GEOGRAPHIC)
        .map(|code| format!("EPSG:{code}"))
        .or_else(|| esri(keys));
    let name = has_degrees(keys).then_some("latitude_longitude");
    attributes.extend(name.map(|name| ("grid_mapping_name".to_string(), Value::from(name))));
    if let Some(definition) = definition {
        attributes.insert("spatial_ref".to_string(), Value::from(definition));
        return attributes;
    }
    for (attribute, key) in [
        ("semi_major_axis", key::SEMI_MAJOR_AXIS),
        ("semi_minor_axis", key::SEMI_MINOR_AXIS),
        ("inverse_flattening", key::INVERSE_FLATTENING),
        ("longitude_of_prime_meridian", key::PRIME_MERIDIAN),
    ] {
        let number = keys.number(key);
        attributes.extend(number.map(|number| (attribute.to_string(), Value::from(number))));
    }
    if !attributes.contains_key("semi_major_axis")
        && let Some((semi_major, inverse_flattening)) = projection::ellipsoid(keys)
    {
        attributes.insert("semi_major_axis".to_string(), Value::from(semi_major));
        attributes.insert(
            "inverse_flattening".to_string(),
            Value::from(inverse_flattening),
        );
    }
    cite(&mut attributes, keys, key::GEOGRAPHIC_CITATION);
    attributes
}

fn projected(keys: &Keys) -> Attributes {
    let mut attributes = Attributes::new();
    let definition = keys
        .code(key::PROJECTED)
        .map(|code| format!("EPSG:{code}"))
        .or_else(|| esri(keys))
        .or_else(|| projection::definition(keys));
    match definition {
        Some(definition) => {
            attributes.insert("spatial_ref".to_string(), Value::from(definition));
        }
        None => cite(&mut attributes, keys, key::PROJECTED_CITATION),
    }
    attributes
}

/// The system in words, where there is nothing better.
fn cite(attributes: &mut Attributes, keys: &Keys, key: u16) {
    let citation = keys.text(key).or_else(|| keys.text(key::CITATION));
    attributes.extend(citation.map(|text| ("long_name".to_string(), Value::from(text))));
}

/// The WKT that software of ESRI's keeps in a citation.
fn esri(keys: &Keys) -> Option<String> {
    [
        key::PROJECTED_CITATION,
        key::CITATION,
        key::GEOGRAPHIC_CITATION,
    ]
    .into_iter()
    .filter_map(|key| keys.text(key))
    .find_map(|text| text.split_once(ESRI))
    .map(|(_, wkt)| wkt.trim().to_string())
    .filter(|wkt| wkt.contains('['))
}

/// Units of projected coordinates, as UDUNITS calls them.
fn units(keys: &Keys) -> Option<&'static str> {
    match keys.code(key::LINEAR_UNITS)? {
        9001 => Some("m"),
        9002 => Some("foot"),
        9003 => Some("US_survey_foot"),
        9036 => Some("km"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn systems_of_keys() {
        let projected = (key::MODEL_TYPE, PROJECTED_MODEL);
        let geographic = (key::MODEL_TYPE, GEOGRAPHIC_MODEL);
        let own = |key| (key, 32767);
        let esri = format!("{ESRI}PROJCS[\"Mine\",GEOGCS[\"G\"]]");
        let cases = [
            (
                Keys::with(&[projected, (key::PROJECTED, 32613)], &[], &[]),
                false,
                json!({"spatial_ref": "EPSG:32613"}),
            ),
            (
                Keys::with(&[(key::PROJECTED, 3035)], &[], &[]),
                false,
                json!({"spatial_ref": "EPSG:3035"}),
            ),
            (
                Keys::with(&[geographic, (key::GEOGRAPHIC, 4326)], &[], &[]),
                true,
                json!({"grid_mapping_name": "latitude_longitude", "spatial_ref": "EPSG:4326"}),
            ),
            (
                Keys::with(
                    &[
                        geographic,
                        (key::GEOGRAPHIC, 4807),
                        (key::ANGULAR_UNITS, 9105),
                    ],
                    &[],
                    &[],
                ),
                false,
                json!({"spatial_ref": "EPSG:4807"}),
            ),
            (
                Keys::with(
                    &[geographic, own(key::GEOGRAPHIC)],
                    &[(key::SEMI_MAJOR_AXIS, 6.4e6), (key::SEMI_MINOR_AXIS, 6.4e6)],
                    &[(key::GEOGRAPHIC_CITATION, "a sphere")],
                ),
                true,
                json!({"grid_mapping_name": "latitude_longitude", "semi_major_axis": 6.4e6,
                    "semi_minor_axis": 6.4e6, "long_name": "a sphere"}),
            ),
            (
                Keys::with(
                    &[projected, own(key::PROJECTED)],
                    &[],
                    &[(key::PROJECTED_CITATION, &esri)],
                ),
                false,
                json!({"spatial_ref": "PROJCS[\"Mine\",GEOGCS[\"G\"]]"}),
            ),
            (
                Keys::with(
                    &[projected, own(key::PROJECTED)],
                    &[],
                    &[(key::CITATION, "who knows")],
                ),
                false,
                json!({"long_name": "who knows"}),
            ),
        ];
        for (keys, is_geographic, expected) in cases {
            let found = System::of(&keys)
                .map(|system| (system.is_geographic, Value::from(system.attributes)));
            assert_eq!(found, Some((is_geographic, expected)));
        }
        assert_eq!(System::of(&Keys::default()), None);
        assert_eq!(
            System::of(&Keys::with(&[(key::MODEL_TYPE, 3)], &[], &[])),
            None
        );
    }
}
