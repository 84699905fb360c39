//! The grid mapping variable: where a cube says which coordinate reference system its axes have.
//!
//! What the source says of its system stays as it is. A code is written as `spatial_ref`, and spelled out as
//! WKT, which GDAL, rioxarray and we read; for longitudes and latitudes on WGS 84 the parameters of CF and
//! the WKT are known here.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array};
use arrow::datatypes::DataType;
use graticule_functions::space::wkt_of;
use serde_json::{Value, json};

use super::SmallArray;
use crate::cube::conventions::is_of_storage_or_structure;
use crate::cube::crs::Crs;
use crate::sink::TargetArray;
use crate::source::Attributes;

/// WGS 84 as WKT (ISO 19162), up to the order of the axes and the identifier.
const WGS84_DATUM: &str = r#"DATUM["World Geodetic System 1984",ELLIPSOID["WGS 84",6378137,298.257223563,LENGTHUNIT["metre",1]]],PRIMEM["Greenwich",0,ANGLEUNIT["degree",0.0174532925199433]],CS[ellipsoidal,2]"#;
const DEGREES: &str = r#"ANGLEUNIT["degree",0.0174532925199433]"#;

/// Attributes that place the grid of the source, which the new cube need not have.
const OF_THE_GRID: [&str; 2] = ["GeoTransform", "geotransform"];

/// The grid mapping variable of a cube.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GridMapping {
    name: String,
    attributes: Attributes,
    is_geographic: bool,
    is_metric: bool,
}

impl GridMapping {
    /// The grid mapping of a system, under a name that no other array of the cube has.
    pub(crate) fn of(crs: &Crs, is_taken: impl Fn(&str) -> bool) -> GridMapping {
        let mut names = ["crs", "spatial_ref", "grid_mapping"]
            .map(str::to_string)
            .into_iter()
            .chain((1..).map(|number| format!("crs_{number}")));
        let name = names.find(|name| !is_taken(name)).unwrap_or_default();
        let is_geographic = crs.is_geographic() == Some(true);
        let attributes = attributes(crs, is_geographic);
        GridMapping {
            name,
            is_geographic,
            is_metric: attributes.values().any(is_metric),
            attributes,
        }
    }

    /// Name of the variable, what `grid_mapping` of the others refers to.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Are the coordinates longitudes and latitudes?
    pub(super) fn is_geographic(&self) -> bool {
        self.is_geographic
    }

    /// Are the coordinates those of a globe that is turned, `rotated_latitude_longitude`?
    pub(super) fn is_rotated(&self) -> bool {
        let name = self.attributes.get("grid_mapping_name");
        name.is_some_and(|name| name == "rotated_latitude_longitude")
    }

    /// Are the coordinates metres, as far as the definition says so?
    pub(super) fn is_metric(&self) -> bool {
        self.is_metric
    }

    /// The variable: a scalar without a meaning of its own.
    pub(super) fn array(&self) -> SmallArray {
        SmallArray {
            target: TargetArray {
                name: self.name.clone(),
                dimensions: Vec::new(),
                shape: Vec::new(),
                chunks: Vec::new(),
                shards: None,
                data_type: DataType::Int32,
                fill_value: json!(i32::MIN),
                codec: None,
                attributes: self.attributes.clone(),
            },
            values: Arc::new(Int32Array::from(vec![0])) as ArrayRef,
        }
    }
}

fn attributes(crs: &Crs, is_geographic: bool) -> Attributes {
    let stated = crs.parameters.iter().filter(|(name, value)| {
        let name = name.as_str();
        let is_blank = value.as_str().is_some_and(|text| text.trim().is_empty());
        let is_of_grid = OF_THE_GRID.contains(&name) || name.starts_with("spatial:");
        !is_blank && !is_of_grid && !is_of_storage_or_structure(name)
    });
    let stated = stated.map(|(name, value)| (name.clone(), value.clone()));
    let mut attributes: Attributes = stated.collect();
    let mut add = |name: &str, value: Value| {
        attributes.entry(name).or_insert(value);
    };
    if is_geographic {
        add("grid_mapping_name", json!("latitude_longitude"));
    }
    if let Some(wkt) = wkt_of_name(&crs.name) {
        add("longitude_of_prime_meridian", json!(0.0));
        add("semi_major_axis", json!(6_378_137.0));
        add("inverse_flattening", json!(298.257_223_563));
        add("crs_wkt", json!(wkt));
        add("spatial_ref", json!(wkt));
    } else if let Some(definition) = &crs.definition {
        let wkt = match is_wkt(definition) {
            true => Some(definition.clone()),
            false => wkt_of(definition).ok(),
        };
        if let Some(wkt) = wkt {
            add("crs_wkt", json!(wkt));
        }
        add("spatial_ref", json!(definition));
    }
    attributes
}

/// The WKT of the systems that cubes of longitudes and latitudes have.
fn wkt_of_name(name: &str) -> Option<String> {
    let latitude =
        |order| format!(r#"AXIS["geodetic latitude (Lat)",north,ORDER[{order}],{DEGREES}]"#);
    let longitude =
        |order| format!(r#"AXIS["geodetic longitude (Lon)",east,ORDER[{order}],{DEGREES}]"#);
    let (title, axes, id) = match name {
        "EPSG:4326" => ("WGS 84", [latitude(1), longitude(2)], r#"ID["EPSG",4326]"#),
        "OGC:CRS84" => (
            "WGS 84 (CRS84)",
            [longitude(1), latitude(2)],
            r#"ID["OGC","CRS84"]"#,
        ),
        _ => return None,
    };
    let [first, second] = axes;
    Some(format!(
        r#"GEOGCRS["{title}",{WGS84_DATUM},{first},{second},{id}]"#
    ))
}

fn is_wkt(definition: &str) -> bool {
    definition.contains('[') && !definition.trim_start().starts_with('{')
}

/// Does a WKT of a projected system end with metres as the unit of its axes?
fn is_metric(value: &Value) -> bool {
    let Some(wkt) = value.as_str().filter(|text| is_wkt(text)) else {
        return false;
    };
    let is_projected = ["PROJCRS[", "PROJCS["]
        .iter()
        .any(|start| wkt.starts_with(start));
    let last = wkt
        .rfind("LENGTHUNIT[")
        .into_iter()
        .chain(wkt.rfind("UNIT["));
    let unit = last.max().map_or("", |start| &wkt[start..]);
    let unit = unit.split('"').nth(1).unwrap_or_default();
    is_projected && ["metre", "meter"].contains(&unit.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(definition: &str) -> GridMapping {
        GridMapping::of(&Crs::of_definition(definition.to_string()), |_| false)
    }

    #[test]
    fn longitudes_and_latitudes_are_spelled_out() {
        for definition in ["OGC:CRS84", "EPSG:4326"] {
            let mapping = of(definition);
            assert_eq!(
                mapping.attributes["grid_mapping_name"],
                "latitude_longitude"
            );
            assert_eq!(mapping.attributes["semi_major_axis"], 6_378_137.0);
            let wkt = mapping.attributes["crs_wkt"].as_str().unwrap_or_default();
            assert_eq!(Crs::of_definition(wkt.to_string()).name, definition);
            assert_eq!(wkt.matches('[').count(), wkt.matches(']').count());
        }
    }

    #[test]
    fn what_the_source_says_stays() {
        let given = json!({"grid_mapping_name": "rotated_latitude_longitude",
            "grid_north_pole_latitude": 39.25, "crs_wkt": "", "GeoTransform": "0 1 0 0 0 1",
            "_FillValue": 0});
        let crs = Crs {
            name: "rotated_latitude_longitude".to_string(),
            definition: None,
            parameters: given.as_object().cloned().unwrap_or_default(),
        };
        let mapping = GridMapping::of(&crs, |name| name == "crs");
        let expected = json!({"grid_mapping_name": "rotated_latitude_longitude",
            "grid_north_pole_latitude": 39.25});
        assert_eq!(Value::Object(mapping.attributes.clone()), expected);
        assert_eq!(mapping.name(), "spatial_ref");
        assert!(mapping.is_rotated() && !mapping.is_geographic());
    }

    #[test]
    fn projected_systems() {
        let utm = r#"PROJCRS["UTM 32N",BASEGEOGCRS["WGS 84",DATUM["D",ELLIPSOID["E",6378137,298.2,LENGTHUNIT["metre",1]]]],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1],ID["EPSG",32632]]"#;
        let feet = r#"PROJCS["NAD83 / x",GEOGCS["NAD83",UNIT["degree",0.017]],UNIT["US survey foot",0.3048006]]"#;
        let cases = [
            (utm, true, true),
            (feet, false, true),
            ("EPSG:3035", true, true),
            ("EPSG:77777", false, false),
        ];
        for (definition, is_metric, is_wkt) in cases {
            let mapping = of(definition);
            assert_eq!(mapping.is_metric(), is_metric, "{definition}");
            assert_eq!(mapping.attributes.contains_key("crs_wkt"), is_wkt);
            assert_eq!(mapping.attributes["spatial_ref"], definition);
            assert!(!mapping.is_geographic());
        }
    }
}
