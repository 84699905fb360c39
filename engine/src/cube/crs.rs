//! The coordinate reference system of a cube, as its data state it. Nothing is projected here.
//!
//! Sources, the first that is there counts: attributes of the grid mapping variable (CF 1.11 §5.6,
//! GDAL's `spatial_ref`), `proj:` attributes of an array or the group (GeoZarr), and latitude and
//! longitude axes, which mean `OGC:CRS84`.

use std::sync::Arc;

use graticule_functions::space::zones::{crs_name, is_geographic};
use serde_json::Value;

use super::conventions::classify::{Column, grid_mapping_names, text};
use super::metadata::CRS;
use super::{Axis, AxisRole};
use crate::source::{ArrayReader, Attributes, Group};

/// Longitude and latitude in degrees.
const CRS84: &str = "OGC:CRS84";

/// A coordinate reference system.
#[derive(Debug, Clone, PartialEq)]
pub struct Crs {
    /// For people: `EPSG:4326` if it can be told, else the system's own name.
    pub name: String,
    /// As found: WKT, PROJJSON, an authority's code, or a PROJ string. `None` if only
    /// [`Crs::parameters`] define it.
    pub definition: Option<String>,
    /// The attributes of the grid mapping variable.
    pub parameters: Attributes,
}

/// The axes of an ellipsoid, in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ellipsoid {
    /// Half of the longer axis.
    pub semi_major: f64,
    /// Half of the shorter axis; of a sphere as long as the other.
    pub semi_minor: f64,
}

impl Ellipsoid {
    /// WGS 84.
    pub const WGS84: Self = Self {
        semi_major: 6_378_137.0,
        semi_minor: 6_356_752.314_245_179,
    };
}

impl Crs {
    /// The system of the horizontal axes of a table with `columns`.
    pub(super) fn of(
        group: &Group,
        grid_mappings: &[Arc<dyn ArrayReader>],
        columns: &[&Column],
        axes: &[Axis],
    ) -> Option<Crs> {
        let columns = columns
            .iter()
            .map(|column| &column.array.description().attributes);
        let columns: Vec<&Attributes> = columns.collect();
        let named = columns
            .iter()
            .flat_map(|attributes| grid_mapping_names(attributes));
        let mappings = || grid_mappings.iter().map(|array| array.description());
        let mut named = named.filter_map(|name| mappings().find(|m| m.name == name));
        let mapping = named.next().or_else(|| mappings().next());
        if let Some(mapping) = mapping {
            return Some(Crs::of_grid_mapping(&mapping.name, &mapping.attributes));
        }
        let lists = columns.into_iter().chain([&group.attributes]);
        lists
            .into_iter()
            .find_map(Crs::of_proj_attributes)
            .or_else(|| Crs::of_axes(axes))
    }

    fn of_grid_mapping(variable: &str, attributes: &Attributes) -> Crs {
        let stated = ["crs_wkt", "spatial_ref", "epsg_code", "proj4", "proj4text"];
        let stated = stated.iter().filter_map(|name| text(attributes, name));
        let stated = stated
            .into_iter()
            .find(|definition| !definition.trim().is_empty());
        let crs = stated.map(|definition| Crs::of_definition(definition.to_string()));
        let crs = crs.or_else(|| Crs::of_proj_attributes(attributes));
        let crs = crs.unwrap_or_else(|| Crs {
            name: name_of_parameters(variable, attributes),
            definition: None,
            parameters: Attributes::new(),
        });
        Crs {
            parameters: attributes.clone(),
            ..crs
        }
    }

    /// GeoZarr's `proj:` attributes, flat or in an object `proj`.
    fn of_proj_attributes(attributes: &Attributes) -> Option<Crs> {
        let nested = attributes
            .get("proj")
            .or_else(|| attributes.get("geo")?.get("proj"));
        let find = |name: &str| {
            let flat = attributes.get(&format!("proj:{name}"));
            flat.or_else(|| nested?.get(name))
                .filter(|value| !value.is_null())
        };
        let definition = match (find("code"), find("epsg"), find("wkt2"), find("projjson")) {
            (Some(Value::String(code)), ..) => code.clone(),
            (_, Some(Value::Number(code)), ..) => format!("EPSG:{code}"),
            (_, _, Some(Value::String(wkt)), _) => wkt.clone(),
            (_, _, _, Some(projjson @ Value::Object(_))) => projjson.to_string(),
            _ => return None,
        };
        Some(Crs::of_definition(definition))
    }

    /// The system that a definition states: an authority's code, WKT, PROJJSON or a PROJ string.
    pub fn of_definition(definition: String) -> Crs {
        Crs {
            name: crs_name(&definition),
            definition: Some(definition),
            parameters: Attributes::new(),
        }
    }

    /// Do coordinates in two systems name the same places, as far as cells of a grid can tell? `None`
    /// where the definitions do not say enough.
    ///
    /// Longitudes and latitudes in degrees count as one system, whatever their datum: datums differ by
    /// some hundred metres at most, and axes rarely state theirs.
    pub(crate) fn agrees_with(&self, other: &Crs) -> Option<bool> {
        let is_code = |name: &str| name.contains(':') && !name.contains(char::is_whitespace);
        match (self.is_geographic(), other.is_geographic()) {
            _ if self.name == other.name => Some(true),
            (Some(true), Some(true)) => Some(true),
            (Some(one), Some(another)) if one != another => Some(false),
            _ if is_code(&self.name) && is_code(&other.name) => Some(false),
            _ => None,
        }
    }

    /// Are its coordinates longitudes and latitudes in degrees?
    pub fn is_geographic(&self) -> Option<bool> {
        match &self.definition {
            Some(definition) => is_geographic(definition),
            None => text(&self.parameters, "grid_mapping_name")
                .map(|mapping| mapping == "latitude_longitude"),
        }
    }

    /// The ellipsoid of longitudes and latitudes that nothing but the parameters of a grid mapping define (CF 1.11,
    /// appendix F); WGS 84 where they name none. `None` for any other system.
    pub fn ellipsoid(&self) -> Option<Ellipsoid> {
        let number = |name: &str| self.parameters.get(name).and_then(Value::as_f64);
        let meridian = number("longitude_of_prime_meridian").unwrap_or_default();
        if self.definition.is_some() || self.is_geographic() != Some(true) || meridian != 0.0 {
            return None;
        }
        let radius = number("earth_radius");
        let Some(semi_major) = number("semi_major_axis").or(radius) else {
            return Some(Ellipsoid::WGS84);
        };
        let of_flattening = |inverse: f64| match inverse {
            0.0 => semi_major,
            inverse => semi_major * (1.0 - 1.0 / inverse),
        };
        let semi_minor = number("semi_minor_axis");
        let semi_minor = semi_minor.or_else(|| number("inverse_flattening").map(of_flattening));
        let semi_minor = semi_minor.or(radius)?;
        let near = |one: f64, other: f64| (one - other).abs() < 1e-3;
        let wgs84 = Ellipsoid::WGS84;
        match near(semi_major, wgs84.semi_major) && near(semi_minor, wgs84.semi_minor) {
            true => Some(wgs84),
            false => Some(Ellipsoid {
                semi_major,
                semi_minor,
            }),
        }
    }

    /// The system of horizontal axes with these roles in a cube that states this one: longitudes and latitudes are in
    /// no projected system, whatever the grid mapping says.
    pub(crate) fn of_roles(&self, mut roles: impl Iterator<Item = AxisRole>) -> Crs {
        let are_degrees =
            roles.all(|role| matches!(role, AxisRole::Latitude | AxisRole::Longitude));
        match are_degrees && self.is_geographic() == Some(false) {
            true => Crs::of_definition(CRS84.to_string()),
            false => self.clone(),
        }
    }

    fn of_axes(axes: &[Axis]) -> Option<Crs> {
        let has = |role| axes.iter().any(|axis| axis.role == role);
        (has(AxisRole::Latitude) && has(AxisRole::Longitude))
            .then(|| Crs::of_definition(CRS84.to_string()))
    }
}

impl Axis {
    /// Notes the system of horizontal coordinates in the column's metadata. Longitudes and latitudes are in no
    /// projected system, whatever the grid mapping says.
    pub(crate) fn measured_in(&mut self, crs: &Crs) {
        let stated = match (self.role, &crs.definition) {
            (AxisRole::Latitude | AxisRole::Longitude, Some(definition))
                if crs.is_geographic() == Some(true) =>
            {
                definition
            }
            (AxisRole::Latitude | AxisRole::Longitude, _) => CRS84,
            (AxisRole::X | AxisRole::Y, definition) => definition.as_ref().unwrap_or(&crs.name),
            _ => return,
        };
        let field = Arc::make_mut(&mut self.field);
        field
            .metadata_mut()
            .insert(CRS.to_string(), stated.to_string());
    }
}

/// Latitude and longitude on the WGS 84 ellipsoid are EPSG:4326; other mappings keep their CF name.
fn name_of_parameters(variable: &str, attributes: &Attributes) -> String {
    let mapping = text(attributes, "grid_mapping_name").unwrap_or(variable);
    let is = |name: &str, wanted: f64| {
        let stated = attributes.get(name).and_then(Value::as_f64);
        stated.is_some_and(|stated| (stated - wanted).abs() < 1e-6)
    };
    let wgs84 = is("semi_major_axis", 6_378_137.0) && is("inverse_flattening", 298.257_223_563);
    if mapping == "latitude_longitude" && wgs84 {
        "EPSG:4326".to_string()
    } else {
        mapping.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn attributes(value: Value) -> Attributes {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn names_of_grid_mappings() {
        let wgs84 = json!({"grid_mapping_name": "latitude_longitude",
            "semi_major_axis": 6378137.0, "inverse_flattening": 298.257223563});
        let cases = [
            (wgs84, "EPSG:4326"),
            (
                json!({"grid_mapping_name": "latitude_longitude"}),
                "latitude_longitude",
            ),
            (
                json!({"grid_mapping_name": "rotated_latitude_longitude"}),
                "rotated_latitude_longitude",
            ),
            (
                json!({"spatial_ref": "EPSG:3035", "crs_wkt": ""}),
                "EPSG:3035",
            ),
            (json!({"spatial_ref": "EPSG:3035"}), "EPSG:3035"),
            (json!({"proj:code": "EPSG:26711"}), "EPSG:26711"),
            (json!({}), "crs"),
        ];
        for (given, name) in cases {
            assert_eq!(Crs::of_grid_mapping("crs", &attributes(given)).name, name);
        }
    }

    #[test]
    fn ellipsoids_of_grid_mappings() {
        let sphere = |radius| {
            Some(Ellipsoid {
                semi_major: radius,
                semi_minor: radius,
            })
        };
        let degrees = "latitude_longitude";
        let cases = [
            (
                json!({"grid_mapping_name": degrees}),
                Some(Ellipsoid::WGS84),
            ),
            (
                json!({"grid_mapping_name": degrees, "semi_major_axis": 6378137.0,
                "inverse_flattening": 298.257223563}),
                Some(Ellipsoid::WGS84),
            ),
            (
                json!({"grid_mapping_name": degrees, "earth_radius": 6.4e6}),
                sphere(6.4e6),
            ),
            (
                json!({"grid_mapping_name": degrees, "semi_major_axis": 6.4e6,
                "inverse_flattening": 0.0}),
                sphere(6.4e6),
            ),
            (
                json!({"grid_mapping_name": degrees, "semi_major_axis": 6.4e6}),
                None,
            ),
            (
                json!({"grid_mapping_name": degrees, "longitude_of_prime_meridian": 2.3}),
                None,
            ),
            (
                json!({"grid_mapping_name": "rotated_latitude_longitude"}),
                None,
            ),
            (
                json!({"grid_mapping_name": degrees, "spatial_ref": "EPSG:4258"}),
                None,
            ),
        ];
        for (given, expected) in cases {
            let crs = Crs::of_grid_mapping("crs", &attributes(given.clone()));
            assert_eq!(crs.ellipsoid(), expected, "{given}");
        }
    }

    #[test]
    fn systems_agree() {
        let named = |definition: &str| Crs::of_definition(definition.to_string());
        let utm = "PROJCS[\"UTM 32N\",GEOGCS[\"WGS 84\"],AUTHORITY[\"EPSG\",\"32632\"]]";
        let cases = [
            ("OGC:CRS84", "EPSG:4326", Some(true)),
            ("OGC:CRS84", "urn:ogc:def:crs:OGC:1.3:CRS84", Some(true)),
            ("EPSG:4326", "EPSG:4258", Some(true)),
            ("EPSG:4326", "EPSG:3035", Some(false)),
            ("EPSG:3035", "EPSG:3857", Some(false)),
            ("ESRI:54009", "EPSG:3857", Some(false)),
            ("EPSG:32632", utm, Some(true)),
            ("Mine", "EPSG:3857", None),
            ("+proj=laea +lat_0=52", "EPSG:3035", None),
        ];
        for (one, other, expected) in cases {
            let (one, other) = (named(one), named(other));
            assert_eq!(one.agrees_with(&other), expected, "{one:?} {other:?}");
            assert_eq!(other.agrees_with(&one), expected, "{other:?} {one:?}");
        }
        let latitudes = json!({"grid_mapping_name": "latitude_longitude"});
        let rotated = json!({"grid_mapping_name": "rotated_latitude_longitude"});
        let of = |given| Crs::of_grid_mapping("crs", &attributes(given));
        assert_eq!(of(latitudes).agrees_with(&named("EPSG:4326")), Some(true));
        assert_eq!(of(rotated).agrees_with(&named("EPSG:4326")), Some(false));
    }

    #[test]
    fn geozarr_attributes() {
        let cases = [
            (json!({"proj:code": "EPSG:26711"}), Some("EPSG:26711")),
            (json!({"proj:epsg": 32613}), Some("EPSG:32613")),
            (
                json!({"proj:code": null, "proj:wkt2": "LOCALCRS[\"L\"]"}),
                Some("L"),
            ),
            (json!({"proj": {"projjson": {"name": "P"}}}), Some("P")),
            (json!({"geo": {"proj": {"code": "EPSG:1"}}}), Some("EPSG:1")),
            (json!({"proj": 3}), None),
        ];
        for (given, name) in cases {
            let crs = Crs::of_proj_attributes(&attributes(given));
            assert_eq!(crs.map(|crs| crs.name).as_deref(), name);
        }
    }
}
