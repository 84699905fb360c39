//! What kind of coordinates a column of geometries has, as far as its metadata tell.

use arrow::datatypes::Field;
use geoarrow_schema::Metadata;
use serde_json::Value;

/// Grid mappings of CF 1.11 appendix F that are projected or rotated.
const PROJECTED_MAPPINGS: [&str; 15] = [
    "albers_conical_equal_area",
    "azimuthal_equidistant",
    "geostationary",
    "lambert_azimuthal_equal_area",
    "lambert_conformal_conic",
    "lambert_cylindrical_equal_area",
    "mercator",
    "oblique_mercator",
    "orthographic",
    "polar_stereographic",
    "rotated_latitude_longitude",
    "sinusoidal",
    "stereographic",
    "transverse_mercator",
    "vertical_perspective",
];

/// The coordinate reference system of a geometry column: an authority's code, WKT, or PROJJSON, as its
/// metadata state it. `None` where they state none.
#[must_use]
pub fn crs_of(field: &Field) -> Option<String> {
    let metadata = Metadata::try_from(field).ok()?;
    let crs = metadata.crs().crs_value()?;
    Some(match crs.as_str() {
        Some(text) => text.to_string(),
        None => crs.to_string(),
    })
}

/// Does a coordinate reference system have longitudes and latitudes in degrees, `Some(false)` if they are projected
/// or rotated, `None` if its definition does not tell? Nothing is looked up: of codes only ranges are known. The name of
/// a grid mapping (CF 1.11 appendix F) is a definition, too.
///
/// ```text
///  PROJCRS["…", BASEGEOGCRS["…", …], …]     the word that comes first decides
/// ```
#[must_use]
pub fn is_geographic(definition: &str) -> Option<bool> {
    let definition = definition.trim();
    if definition == "latitude_longitude" {
        return Some(true);
    }
    if PROJECTED_MAPPINGS.contains(&definition) {
        return Some(false);
    }
    if definition.starts_with('{') {
        return of_json(&serde_json::from_str(definition).ok()?);
    }
    if definition.contains('[') {
        return of_text(definition);
    }
    if let Some(projection) = definition
        .split_whitespace()
        .find_map(|word| word.strip_prefix("+proj="))
    {
        return Some(["longlat", "latlong", "latlon", "lonlat"].contains(&projection));
    }
    let mut parts = definition.rsplit(':');
    let (code, authority) = (
        parts.next()?,
        parts.find(|part| part.chars().any(char::is_alphabetic))?,
    );
    match authority.to_ascii_uppercase().as_str() {
        "OGC" => ["CRS84", "CRS83", "CRS27"].contains(&code).then_some(true),
        "EPSG" => of_epsg(code.parse().ok()?),
        _ => None,
    }
}

/// The name of the system that a definition states: an authority's code such as `EPSG:3035` where it can be
/// told, else what the definition calls it.
#[must_use]
pub fn crs_name(definition: &str) -> String {
    let definition = definition.trim();
    if definition.starts_with('{') {
        return name_of_projjson(definition);
    }
    if definition.contains('[') {
        return name_of_wkt(definition);
    }
    if let Some(urn) = definition.strip_prefix("urn:ogc:def:crs:")
        && let (Some((authority, _)), Some((_, code))) = (urn.split_once(':'), urn.rsplit_once(':'))
    {
        return format!("{}:{code}", authority.to_ascii_uppercase());
    }
    match definition.split_once(':') {
        Some((authority, code)) if !definition.starts_with('+') => {
            format!("{}:{code}", authority.to_ascii_uppercase())
        }
        _ => definition.to_string(),
    }
}

fn name_of_projjson(definition: &str) -> String {
    let parsed: Value = serde_json::from_str(definition).unwrap_or_default();
    let id = &parsed["id"];
    match (&id["authority"], &id["code"], &parsed["name"]) {
        (Value::String(authority), Value::Number(code), _) => format!("{authority}:{code}"),
        (Value::String(authority), Value::String(code), _) => format!("{authority}:{code}"),
        (_, _, Value::String(name)) => name.clone(),
        _ => "PROJJSON".to_string(),
    }
}

/// The identifier of the whole system is the last one in WKT, right before the bracket that closes
/// everything: `… ID["EPSG",32632]]`. Identifiers further inside are those of its parts.
fn name_of_wkt(wkt: &str) -> String {
    let last = wkt.rfind("ID[").into_iter().chain(wkt.rfind("AUTHORITY["));
    let identifier = last.max().map(|start| &wkt[start..]);
    let identifier = identifier.and_then(|tail| {
        let (words, closing) = tail.split_once('[')?.1.split_once(']')?;
        let closing: String = closing.split_whitespace().collect();
        let mut words = words.split(',').map(|word| word.trim().trim_matches('"'));
        let (authority, code) = (words.next()?, words.next()?);
        (closing == "]").then(|| format!("{authority}:{code}"))
    });
    identifier.unwrap_or_else(|| wkt.split('"').nth(1).unwrap_or("WKT").to_string())
}

fn of_json(crs: &Value) -> Option<bool> {
    match crs.get("type")?.as_str()? {
        "GeographicCRS" => Some(true),
        "ProjectedCRS" | "DerivedGeographicCRS" | "DerivedProjectedCRS" => Some(false),
        "BoundCRS" => of_json(crs.get("source_crs")?),
        "CompoundCRS" => of_json(crs.get("components")?.get(0)?),
        _ => None,
    }
}

fn of_text(wkt: &str) -> Option<bool> {
    let wkt = wkt.to_ascii_uppercase();
    let first = |words: &[&str]| words.iter().filter_map(|word| wkt.find(word)).min();
    let geographic = first(&["GEOGCS", "GEOGCRS", "GEOGRAPHICCRS"]);
    let projected = first(&["PROJCS", "PROJCRS", "PROJECTEDCRS", "DERIVINGCONVERSION"]);
    match (geographic, projected) {
        (None, None) => None,
        // A rotated grid says so inside.
        (Some(_), Some(_)) if wkt.contains("DERIVINGCONVERSION") => Some(false),
        (Some(geographic), Some(projected)) => Some(geographic < projected),
        (geographic, _) => Some(geographic.is_some()),
    }
}

/// Blocks in which EPSG numbers systems of one kind; the others are mixed.
fn of_epsg(code: u32) -> Option<bool> {
    match code {
        // Coordinates about the Earth's centre.
        4978 => None,
        // Projections among systems of latitudes and longitudes, as PROJ's database lists them.
        4026
        | 4037..=4038
        | 4048..=4051
        | 4056..=4071
        | 4082..=4096
        | 4217
        | 4390..=4462
        | 4467
        | 4471
        | 4474
        | 4484..=4489
        | 4491..=4554
        | 4559..=4589
        | 4647..=4656
        | 4766..=4800
        | 4812
        | 4822
        | 4826..=4880 => Some(false),
        4001..=4999 => Some(true),
        2000..=3799 | 3825..=3888 | 3912..=3999 | 20_000..=32_799 => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_definitions() {
        let cases = [
            ("epsg:3035", "EPSG:3035"),
            ("OGC:CRS84", "OGC:CRS84"),
            ("urn:ogc:def:crs:EPSG::25832", "EPSG:25832"),
            ("urn:ogc:def:crs:OGC:1.3:CRS84", "OGC:CRS84"),
            ("+proj=laea +lat_0=52", "+proj=laea +lat_0=52"),
            (
                r#"{"name":"x","id":{"authority":"EPSG","code":3857}}"#,
                "EPSG:3857",
            ),
            (r#"{"name":"Mine"}"#, "Mine"),
            ("{", "PROJJSON"),
            (
                r#"GEOGCRS["WGS 84",DATUM["D",ELLIPSOID["E",6378137,298.2]],ID["EPSG",4326]]"#,
                "EPSG:4326",
            ),
            (
                r#"PROJCS["UTM 32N",GEOGCS["WGS 84",AUTHORITY["EPSG","4326"]],AUTHORITY["EPSG","32632"]]"#,
                "EPSG:32632",
            ),
            (
                r#"PROJCS["Local",GEOGCS["WGS 84",AUTHORITY["EPSG","4326"]],UNIT["metre",1]]"#,
                "Local",
            ),
            ("PROJCS[", "WKT"),
        ];
        for (definition, name) in cases {
            assert_eq!(crs_name(definition), name, "{definition}");
        }
    }

    #[test]
    fn definitions_tell() {
        let cases = [
            ("OGC:CRS84", Some(true)),
            ("urn:ogc:def:crs:OGC:1.3:CRS84", Some(true)),
            ("EPSG:4326", Some(true)),
            ("EPSG:4258", Some(true)),
            ("EPSG:4087", Some(false)),
            ("EPSG:4647", Some(false)),
            ("epsg:4258", Some(true)),
            ("urn:ogc:def:crs:EPSG::25832", Some(false)),
            ("EPSG:3857", Some(false)),
            ("EPSG:3035", Some(false)),
            ("EPSG:32733", Some(false)),
            ("EPSG:4978", None),
            ("EPSG:9000", None),
            ("ESRI:54009", None),
            ("EPSG:x", None),
            ("latitude_longitude", Some(true)),
            ("rotated_latitude_longitude", Some(false)),
            ("somewhere", None),
            ("", None),
            ("{", None),
            ("+proj=longlat +datum=WGS84", Some(true)),
            ("+proj=laea +lat_0=52", Some(false)),
            (r#"{"type": "GeographicCRS", "name": "WGS 84"}"#, Some(true)),
            (
                r#"{"type": "ProjectedCRS", "base_crs": {"type": "GeographicCRS"}}"#,
                Some(false),
            ),
            (
                r#"{"type": "BoundCRS", "source_crs": {"type": "GeographicCRS"}}"#,
                Some(true),
            ),
            (
                r#"{"type": "CompoundCRS", "components": [{"type": "ProjectedCRS"}]}"#,
                Some(false),
            ),
            (r#"{"type": "EngineeringCRS"}"#, None),
            (
                r#"GEOGCS["WGS 84",DATUM["D",SPHEROID["S",6378137,298.2]]]"#,
                Some(true),
            ),
            (
                r#"PROJCS["UTM 32N",GEOGCS["WGS 84"],UNIT["metre",1]]"#,
                Some(false),
            ),
            (r#"PROJCRS["UTM 32N",BASEGEOGCRS["WGS 84"]]"#, Some(false)),
            (
                r#"COMPD_CS["both",PROJCS["UTM 32N",GEOGCS["WGS 84"]],VERT_CS["height"]]"#,
                Some(false),
            ),
            (
                r#"GEOGCRS["rotated",BASEGEOGCRS["WGS 84"],DERIVINGCONVERSION["pole"]]"#,
                Some(false),
            ),
            (r#"LOCAL_CS["here"]"#, None),
        ];
        for (definition, expected) in cases {
            assert_eq!(is_geographic(definition), expected, "{definition}");
        }
    }
}
