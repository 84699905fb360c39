//! What kind of coordinates a column of geometries has, as far as its metadata tell.

use arrow::datatypes::Field;
use geoarrow_schema::Metadata;
use serde_json::Value;

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
/// or rotated, `None` if its definition does not tell? Nothing is looked up: of codes only ranges are known.
///
/// ```text
///  PROJCRS["…", BASEGEOGCRS["…", …], …]     the word that comes first decides
/// ```
#[must_use]
pub fn is_geographic(definition: &str) -> Option<bool> {
    let definition = definition.trim();
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
        4001..=4999 => Some(true),
        2000..=3799 | 3825..=3888 | 3912..=3999 | 20_000..=32_799 => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_tell() {
        let cases = [
            ("OGC:CRS84", Some(true)),
            ("urn:ogc:def:crs:OGC:1.3:CRS84", Some(true)),
            ("EPSG:4326", Some(true)),
            ("epsg:4258", Some(true)),
            ("urn:ogc:def:crs:EPSG::25832", Some(false)),
            ("EPSG:3857", Some(false)),
            ("EPSG:3035", Some(false)),
            ("EPSG:32733", Some(false)),
            ("EPSG:4978", None),
            ("EPSG:9000", None),
            ("ESRI:54009", None),
            ("EPSG:x", None),
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
