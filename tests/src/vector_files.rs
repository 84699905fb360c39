//! Files of places and zones as tables, against what GDAL reads from them: `tests/oracle/vector_files.py`.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use futures::TryStreamExt;
use graticule_engine::Session;
use graticule_functions::space::zones::crs_of;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::client::engine;
use crate::oracle::oracle;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("vector_files::rows_are_those_of_gdal", || wait(rows())),
        Trial::test("vector_files::columns_state_their_crs", || wait(systems())),
        Trial::test("vector_files::answers_follow_the_file", || wait(changes())),
        Trial::test("vector_files::memory_is_weighed", || wait(weight())),
        Trial::test("vector_files::broken_files_are_errors", || wait(broken())),
    ]
}

fn wait(trial: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    tokio::runtime::Runtime::new()?.block_on(trial)
}

async fn batches(session: &Session, query: &str) -> Result<Vec<RecordBatch>, Failed> {
    Ok(session.run(query).await?.stream.try_collect().await?)
}

/// The rows of a query whose columns are all texts.
async fn texts(session: &Session, query: &str) -> Result<Vec<Vec<Option<String>>>, Failed> {
    let mut rows = Vec::new();
    for batch in batches(session, query).await? {
        for row in 0..batch.num_rows() {
            let columns = batch.columns().iter();
            let text = |column: &Arc<dyn Array>| {
                let column = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8)?;
                let text: &arrow::array::StringArray = column.as_string();
                Ok(text.is_valid(row).then(|| text.value(row).to_string()))
            };
            rows.push(columns.map(text).collect::<Result<_, Failed>>()?);
        }
    }
    Ok(rows)
}

async fn rows() -> Result<(), Failed> {
    let folder = oracle("vector_files.py")?;
    let cases: Value = serde_json::from_str(&fs::read_to_string(folder.join("expected.json"))?)?;
    let session = engine()?.session();
    for case in cases.as_array().into_iter().flatten() {
        let file = folder.join(case["file"].as_str().ok_or("no name")?);
        let columns: Vec<&str> = case["columns"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let (geometry, attributes) = columns.split_last().ok_or("no columns")?;
        let attributes = attributes
            .iter()
            .map(|name| format!("CAST(\"{name}\" AS VARCHAR)"));
        let geometry = format!("encode(\"{geometry}\", 'hex')");
        let all: Vec<String> = attributes.chain([geometry]).collect();
        let query = format!("SELECT {} FROM '{}'", all.join(", "), file.display());
        let found = texts(&session, &query).await?;
        assert_eq!(json!(found), case["rows"], "{}", file.display());
    }
    Ok(())
}

async fn systems() -> Result<(), Failed> {
    let folder = oracle("vector_files.py")?;
    let session = engine()?.session();
    for (file, column, expected) in [
        ("areas.geojson", "geometry", Some("OGC:CRS84")),
        ("areas.geoparquet", "shape", Some("OGC:CRS84")),
        ("areas.fgb", "geometry", Some("EPSG:4326")),
        (
            "areas.shp",
            "geometry",
            Some("PROJCS[\"WGS_1984_UTM_Zone_32N\""),
        ),
        ("areas.gpkg", "geom", Some("EPSG:3035")),
        ("areas-indexed.fgb", "geometry", None),
        ("areas-latin.shp", "geometry", None),
    ] {
        let query = format!("SELECT \"{column}\" FROM '{}'", folder.join(file).display());
        let schema = session.run(&query).await?.schema;
        let crs = crs_of(schema.field(0));
        match expected {
            Some(expected) => assert!(crs.is_some_and(|crs| crs.starts_with(expected)), "{file}"),
            None => assert_eq!(crs, None, "{file}"),
        }
    }
    Ok(())
}

const HEAD: &str = r#"{"type": "FeatureCollection", "features": ["#;
const FEATURE: &str = r#"{"type": "Feature", "properties": {"n": 1}, "geometry": {"type": "Point", "coordinates": [1, 2]}}"#;

fn write(file: &Path, features: usize) -> Result<(), Failed> {
    let features = vec![FEATURE; features].join(",");
    Ok(fs::write(file, format!("{HEAD}{features}]}}"))?)
}

async fn changes() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("places.geojson");
    write(&file, 2)?;
    let session = engine()?.session();
    batches(
        &session,
        &format!("ATTACH '{}' AS store", folder.path().display()),
    )
    .await?;
    let count = "SELECT count(*)::VARCHAR FROM store.places";
    assert_eq!(texts(&session, count).await?, [[Some("2".to_string())]]);
    write(&file, 3)?;
    assert_eq!(texts(&session, count).await?, [[Some("3".to_string())]]);
    fs::write(&file, format!("{HEAD}]}}"))?;
    let error = texts(&session, count).await.unwrap_err();
    let message = error.message().unwrap_or_default().to_string();
    assert!(
        message.contains("columns of the file have changed"),
        "{message}"
    );
    batches(&session, "REFRESH STORE store").await?;
    assert_eq!(texts(&session, count).await?, [[Some("0".to_string())]]);
    fs::remove_file(&file)?;
    let error = texts(&session, count).await.unwrap_err();
    let message = error.message().unwrap_or_default().to_string();
    assert!(message.contains("there is no such file"), "{message}");
    Ok(())
}

async fn weight() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("places.geojson");
    write(&file, 20_000)?;
    let engine = graticule_engine::Engine::builder()
        .store_connectors(graticule_connectors::store_connectors())
        .table_formats(graticule_connectors::table_formats())
        .memory(100_000)
        .build()?;
    let query = format!("SELECT n FROM '{}'", file.display());
    let error = batches(&engine.session(), &query).await.unwrap_err();
    let message = error.message().unwrap_or_default().to_string();
    assert!(
        message.contains("table ") && message.contains("places.geojson"),
        "{message}"
    );
    Ok(())
}

/// Files with one wrong byte, or cut off: what can be read may be wrong, but nothing panics.
async fn broken() -> Result<(), Failed> {
    let originals = oracle("vector_files.py")?;
    let folder = tempfile::tempdir()?;
    let session = engine()?.session();
    for name in [
        "areas.geojson",
        "areas.fgb",
        "areas-indexed.fgb",
        "areas.geoparquet",
        "areas.gpkg",
        "kinds.gpkg",
    ] {
        let original = fs::read(originals.join(name))?;
        let file = folder.path().join(name);
        // Places and bytes from a generator, the same ones in every run.
        let mut random = 1_u64;
        let mut next = |below: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as usize % below
        };
        for _ in 0..300 {
            let mut bytes = original.clone();
            bytes[next(original.len())] = next(256) as u8;
            if next(3) == 0 {
                bytes.truncate(next(original.len()));
            }
            fs::write(&file, &bytes)?;
            let query = format!("SELECT * FROM '{}'", file.display());
            if let Err(error) = batches(&session, &query).await {
                let message = error.message().unwrap_or_default();
                let caught = message.contains("the file cannot be parsed");
                assert!(!caught || name == "areas.geoparquet", "{name} panics");
            }
        }
    }
    Ok(())
}
