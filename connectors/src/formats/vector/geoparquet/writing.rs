//! What a GeoParquet file says of its columns of geometries: [`written`].
//!
//! ```text
//!  field  geoarrow.point, crs OGC:CRS84   ─▶  geo: {"version": "1.1.0", "primary_column": "geometry",
//!                                              "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Point"],
//!                                                "bbox": [west, south, east, north],
//!                                                "covering": {"bbox": {"xmin": ["bbox", "xmin"], …}}}}}
//!                                         ─▶  a column bbox beside it, by whose statistics readers leave row groups out
//! ```

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, Schema};
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{Extent, Options, WrittenTable};
use serde_json::{Map, Value, json};

/// The version of the format.
const VERSION: &str = "1.1.0";

/// The option of DataFusion's Parquet that adds an entry to the metadata of the file.
const ENTRY: &str = "format.metadata::geo";

/// Types of geometries by the names of their GeoArrow extension types. Columns of other types hold any of them.
const TYPES: [(&str, &str); 6] = [
    ("geoarrow.point", "Point"),
    ("geoarrow.linestring", "LineString"),
    ("geoarrow.polygon", "Polygon"),
    ("geoarrow.multipoint", "MultiPoint"),
    ("geoarrow.multilinestring", "MultiLineString"),
    ("geoarrow.multipolygon", "MultiPolygon"),
];

/// How a table with this schema is written.
///
/// # Errors
/// It has no column of geometries, or the coordinate reference system of one is known by its name alone.
pub(super) fn written(
    schema: &Schema,
    extents: &BTreeMap<String, Extent>,
) -> CubeResult<WrittenTable> {
    let (mut geometries, mut boxes) = (Vec::new(), Vec::new());
    let mut columns = Map::new();
    for field in schema.fields() {
        let extension = field.metadata().get("ARROW:extension:name");
        if let Some(extension) = extension.filter(|name| name.starts_with("geoarrow.")) {
            let name = field.name();
            let mut column = described(field, extension)?;
            if let Some(extent) = extents.get(name) {
                column["bbox"] = json!(extent);
            }
            if let Some(of) = name_of_box(name, schema, geometries.is_empty()) {
                let side = |side: &str| json!([of, side]);
                column["covering"] = json!({"bbox": {
                    "xmin": side("xmin"), "ymin": side("ymin"), "xmax": side("xmax"), "ymax": side("ymax"),
                }});
                boxes.push((of, name.clone()));
            }
            columns.insert(name.clone(), column);
            geometries.push(name.clone());
        }
    }
    let Some(primary) = geometries.first() else {
        return Err(CubeError::invalid(
            "",
            "GeoParquet has a column of geometries, and the query has none",
        )
        .remedy("select one, such as ST_Point(lon, lat) AS geometry, or write STORED AS PARQUET"));
    };
    let geo = json!({"version": VERSION, "primary_column": primary, "columns": columns});
    Ok(WrittenTable {
        geometries,
        boxes,
        options: Options::from([(ENTRY.to_string(), geo.to_string())]),
    })
}

/// The column for the boxes of a column of geometries: other programs call that of the first `bbox`. `None` where the
/// table has columns of such names.
fn name_of_box(geometry: &str, schema: &Schema, is_first: bool) -> Option<String> {
    let own = format!("{geometry}_bbox");
    let names = [Some("bbox".to_string()).filter(|_| is_first), Some(own)];
    let mut names = names.into_iter().flatten();
    names.find(|name| schema.index_of(name).is_err())
}

fn described(field: &Field, extension: &str) -> CubeResult<Value> {
    let stated = field.metadata().get("ARROW:extension:metadata");
    let stated = stated.and_then(|text| serde_json::from_str(text).ok());
    let stated: Value = stated.unwrap_or(Value::Null);
    let of_type = TYPES.iter().find(|(name, _)| *name == extension);
    // Geometries with a height are of types of their own, "Point Z"; which these are is not looked for.
    let of_type = of_type.filter(|_| is_flat(field.data_type()));
    let mut column = json!({
        "encoding": "WKB",
        "geometry_types": of_type.map(|(_, name)| *name).into_iter().collect::<Vec<_>>(),
    });
    match crs(&stated["crs"]) {
        System::Default => {}
        System::Known(definition) => column["crs"] = definition,
        System::NameOnly(name) => {
            let cause = format!(
                "GeoParquet spells coordinate reference systems out as PROJJSON, and of {name}, the one of column \
                 {}, only the name is known",
                field.name()
            );
            return Err(CubeError::unsupported("", cause).remedy(format!(
                "transform it: ST_Transform({}, '{name}', 'OGC:CRS84')",
                field.name()
            )));
        }
    }
    if let Value::String(edges) = &stated["edges"] {
        column["edges"] = json!(edges);
    }
    Ok(column)
}

/// A coordinate reference system as GeoParquet has it.
enum System {
    /// Longitudes and latitudes on WGS 84, the one that is meant where none is stated.
    Default,
    /// PROJJSON, or `null` where nothing is known.
    Known(Value),
    NameOnly(String),
}

fn crs(stated: &Value) -> System {
    match stated {
        Value::Null | Value::Object(_) => System::Known(stated.clone()),
        Value::String(text) if ["OGC:CRS84", "EPSG:4326"].contains(&text.as_str()) => {
            System::Default
        }
        Value::String(text) => match serde_json::from_str(text) {
            Ok(definition @ Value::Object(_)) => System::Known(definition),
            _ => System::NameOnly(text.clone()),
        },
        other => System::NameOnly(other.to_string()),
    }
}

/// Have the coordinates two numbers?
fn is_flat(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(fields) => fields.len() == 2,
        DataType::FixedSizeList(_, length) => *length == 2,
        DataType::List(inner) | DataType::LargeList(inner) => is_flat(inner.data_type()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashMap;

    use super::*;

    fn geometry(extension: &str, metadata: Value, data_type: DataType) -> Field {
        Field::new("geometry", data_type, true).with_metadata(HashMap::from([
            ("ARROW:extension:name".to_string(), extension.to_string()),
            ("ARROW:extension:metadata".to_string(), metadata.to_string()),
        ]))
    }

    fn points(numbers: i32) -> DataType {
        let number = Field::new("xy", DataType::Float64, false);
        DataType::FixedSizeList(number.into(), numbers)
    }

    #[test]
    fn columns_are_described() {
        let projjson = json!({"type": "ProjectedCRS", "name": "Mine"});
        let cases = [
            (
                geometry("geoarrow.point", json!({"crs": "OGC:CRS84"}), points(2)),
                json!({"encoding": "WKB", "geometry_types": ["Point"]}),
            ),
            (
                geometry("geoarrow.point", json!({}), points(3)),
                json!({"encoding": "WKB", "geometry_types": [], "crs": null}),
            ),
            (
                geometry(
                    "geoarrow.wkb",
                    json!({"crs": projjson, "edges": "spherical"}),
                    DataType::Binary,
                ),
                json!({"encoding": "WKB", "geometry_types": [], "crs": projjson, "edges": "spherical"}),
            ),
            (
                geometry(
                    "geoarrow.wkb",
                    json!({"crs": projjson.to_string()}),
                    DataType::Binary,
                ),
                json!({"encoding": "WKB", "geometry_types": [], "crs": projjson}),
            ),
        ];
        for (field, expected) in cases {
            let extents = BTreeMap::from([("geometry".to_string(), [1.0, 2.0, 3.0, 4.0])]);
            let table = written(&Schema::new(vec![field]), &extents).unwrap();
            let mut geo: Value = serde_json::from_str(&table.options[ENTRY]).unwrap();
            let column = geo["columns"]["geometry"].as_object_mut().unwrap();
            assert_eq!(column.remove("bbox"), Some(json!([1.0, 2.0, 3.0, 4.0])));
            let covering = column.remove("covering").unwrap();
            assert_eq!(covering["bbox"]["ymax"], json!(["bbox", "ymax"]));
            assert_eq!(table.boxes, [("bbox".to_string(), "geometry".to_string())]);
            assert_eq!(geo["columns"]["geometry"], expected);
            assert_eq!(geo["primary_column"], "geometry");
            assert_eq!(table.geometries, ["geometry"]);
        }
    }

    #[test]
    fn what_is_no_geoparquet() {
        let plain = Field::new("n", DataType::Int64, true);
        let named = geometry(
            "geoarrow.wkb",
            json!({"crs": "EPSG:3035"}),
            DataType::Binary,
        );
        for (field, expected) in [(plain, "the query has none"), (named, "of EPSG:3035")] {
            let message = written(&Schema::new(vec![field]), &BTreeMap::new())
                .unwrap_err()
                .to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
