//! GeoJSON as tables: types of geometries, shapes of files, and what is refused.
#![allow(clippy::unwrap_used)]

use super::*;
use arrow::array::{AsArray, BinaryArray};
use arrow::util::pretty::pretty_format_batches;

fn read(text: &str) -> CubeResult<RecordBatch> {
    table(text.as_bytes(), "a.geojson")
}

fn geometry(text: &str) -> Option<Vec<u8>> {
    let table = read(text).unwrap();
    let geometries: &BinaryArray = table.column_by_name("geometry").unwrap().as_binary();
    geometries.iter().next().unwrap().map(<[u8]>::to_vec)
}

/// Well-known binary from what it consists of.
fn wkb(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn code(code: u32) -> Vec<u8> {
    [&[1][..], &code.to_le_bytes()].concat()
}

fn count(count: u32) -> [u8; 4] {
    count.to_le_bytes()
}

fn numbers(numbers: &[f64]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

#[test]
fn geometries_become_wkb() {
    let point = wkb(&[&code(1), &numbers(&[1.0, 2.5])]);
    let line = wkb(&[&code(2), &count(2), &numbers(&[1.0, 2.0, 3.0, 4.0])]);
    let ring: &[f64] = &[0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0];
    let polygon = wkb(&[&code(3), &count(1), &count(4), &numbers(ring)]);
    let cases = [
        (
            r#"{"type": "Point", "coordinates": [1, 2.5]}"#,
            Some(point.clone()),
        ),
        (
            r#"{"coordinates": [1, 2.5, 7], "type": "Point"}"#,
            Some(wkb(&[&code(1001), &numbers(&[1.0, 2.5, 7.0])])),
        ),
        (
            r#"{"type": "Point", "coordinates": [1, 2.5, 7, 9]}"#,
            Some(wkb(&[&code(1001), &numbers(&[1.0, 2.5, 7.0])])),
        ),
        (r#"{"type": "Point", "coordinates": []}"#, None),
        (
            r#"{"type": "LineString", "coordinates": [[1, 2], [3, 4, 5]]}"#,
            Some(line.clone()),
        ),
        (
            r#"{"type": "Polygon", "coordinates": [[[0,0], [1,0], [1,1], [0,0]]]}"#,
            Some(polygon.clone()),
        ),
        (
            r#"{"type": "MultiPoint", "coordinates": [[1, 2.5]]}"#,
            Some(wkb(&[&code(4), &count(1), &point])),
        ),
        (
            r#"{"type": "MultiLineString", "coordinates": [[[1, 2], [3, 4]]]}"#,
            Some(wkb(&[&code(5), &count(1), &line])),
        ),
        (
            r#"{"type": "MultiPolygon", "coordinates": [[[[0,0], [1,0], [1,1], [0,0]]]]}"#,
            Some(wkb(&[&code(6), &count(1), &polygon])),
        ),
        (
            r#"{"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2.5]}]}"#,
            Some(wkb(&[&code(7), &count(1), &point])),
        ),
        (
            r#"{"type": "Feature", "geometry": null, "properties": null}"#,
            None,
        ),
        (
            r#"{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2.5]}, "properties": {}}"#,
            Some(point),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(geometry(text), expected, "{text}");
    }
}

#[test]
fn features_become_rows() {
    let table = read(
        r#"{"type": "FeatureCollection", "features": [
            {"type": "Feature", "id": "x7", "properties": {"name": "Ä", "n": 1}, "geometry": null},
            {"type": "Feature", "properties": {"n": 2, "id": 5, "tags": ["a"]}, "geometry": null}
        ], "bbox": [0, 0, 1, 1]}"#,
    )
    .unwrap();
    let expected = "\
+------------+------+---+----+-------+----------+
| feature_id | name | n | id | tags  | geometry |
+------------+------+---+----+-------+----------+
| x7         | Ä    | 1 |    |       |          |
|            |      | 2 | 5  | [\"a\"] |          |
+------------+------+---+----+-------+----------+";
    assert_eq!(
        pretty_format_batches(&[table]).unwrap().to_string(),
        expected
    );
    let empty = read("\u{feff}{\"type\": \"FeatureCollection\", \"features\": []}").unwrap();
    assert_eq!((empty.num_rows(), empty.num_columns()), (0, 1));
}

#[test]
fn systems_of_coordinates() {
    let cases = [
        ("", r#"{"crs":"OGC:CRS84","crs_type":"authority_code"}"#),
        (
            r#", "crs": null"#,
            r#"{"crs":"OGC:CRS84","crs_type":"authority_code"}"#,
        ),
        (
            r#", "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}}"#,
            r#"{"crs":"EPSG:25832","crs_type":"authority_code"}"#,
        ),
        (
            r#", "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}"#,
            r#"{"crs":"OGC:CRS84","crs_type":"authority_code"}"#,
        ),
        (
            r#", "crs": {"type": "name", "properties": {"name": "EPSG:3035"}}"#,
            r#"{"crs":"EPSG:3035","crs_type":"authority_code"}"#,
        ),
        (
            r#", "crs": {"type": "name", "properties": {"name": "somewhere"}}"#,
            r#"{"crs":"somewhere"}"#,
        ),
    ];
    for (member, expected) in cases {
        let text = format!(r#"{{"type": "FeatureCollection", "features": []{member}}}"#);
        let table = read(&text).unwrap();
        let schema = table.schema();
        let metadata = schema.field_with_name("geometry").unwrap().metadata();
        assert_eq!(metadata["ARROW:extension:name"], "geoarrow.wkb");
        assert_eq!(metadata["ARROW:extension:metadata"], expected, "{member}");
    }
}

#[test]
fn what_is_no_geojson_is_refused() {
    let deep = format!(
        r#"{{"type": "Point", "coordinates": {}{}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let collection = |geometry: &str| {
        let feature = |geometry: &str| {
            format!(r#"{{"type": "Feature", "properties": null, "geometry": {geometry}}}"#)
        };
        format!(
            r#"{{"type": "FeatureCollection", "features": [{}, {}]}}"#,
            feature("null"),
            feature(geometry)
        )
    };
    let cases = [
        (String::new(), "the file is not GeoJSON: EOF"),
        ("[1, 2]".to_string(), "the file is not GeoJSON"),
        ("\u{0}\u{1}".to_string(), "the file is not GeoJSON"),
        (deep, "the file is not GeoJSON: recursion limit"),
        (
            r#"{"type": "Topology"}"#.to_string(),
            "its type is \"Topology\"",
        ),
        (
            r#"{"type": "FeatureCollection"}"#.to_string(),
            "its type is \"FeatureCollection\"",
        ),
        (
            r#"{"type": "FeatureCollection", "features": {}}"#.to_string(),
            "a list of features",
        ),
        (
            collection(r#"{"type": "Circle", "coordinates": [1, 2]}"#),
            "feature 1 has a geometry of unknown type \"Circle\"",
        ),
        (
            collection(r#"{"type": "Polygon"}"#),
            "feature 1 has a Polygon without coordinates",
        ),
        (
            collection(r#"{"type": "Polygon", "coordinates": [[1, 2], [3, 4]]}"#),
            "feature 1 has a Polygon whose coordinates are those of another type",
        ),
        (
            collection(r#"{"type": "Point", "coordinates": [1]}"#),
            "a position has one number, it needs two at line 1",
        ),
        (
            collection(r#"{"type": "Point", "coordinates": ["1", "2"]}"#),
            "a number or a list",
        ),
        (
            collection(r#"{"type": "GeometryCollection"}"#),
            "a GeometryCollection without geometries",
        ),
    ];
    for (text, message) in cases {
        let error = read(&text).unwrap_err().to_string();
        assert!(error.contains(message), "{error} lacks {message}");
    }
}
