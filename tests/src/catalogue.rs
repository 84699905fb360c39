//! The catalogue beyond what SQL files can say: a thousand cubes, a second process, two sessions.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::error::Result;
use futures::TryStreamExt;
use graticule_engine::{Engine, EngineBuilder, Session};
use libtest_mimic::{Failed, Trial};

use crate::places;

const CUBES: usize = 1000;

/// Far more than it takes, so that a busy machine does not fail: minutes would mean that cubes are
/// opened one after the other, or that chunks are read.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("catalogue::a_thousand_cubes_list_in_seconds", || {
            block_on(a_thousand_cubes_list_in_seconds())
        }),
        Trial::test(
            "catalogue::a_store_without_listing_knows_cubes_by_name",
            || block_on(a_store_without_listing_knows_cubes_by_name()),
        ),
        Trial::test("catalogue::definitions_survive_the_process", || {
            block_on(definitions_survive_the_process())
        }),
        Trial::test(
            "catalogue::sessions_share_the_catalogue_but_no_settings",
            || block_on(sessions_share_the_catalogue_but_no_settings()),
        ),
    ]
}

fn block_on(trial: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    tokio::runtime::Runtime::new()?.block_on(trial)
}

async fn a_thousand_cubes_list_in_seconds() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    for number in 0..CUBES {
        write_cube(
            &folder
                .path()
                .join(format!("part{}/c{number}.zarr", number % 10)),
        )?;
    }
    fs::create_dir(folder.path().join("broken.zarr"))?;
    fs::write(folder.path().join("broken.zarr/.zgroup"), "{\"zarr")?;
    let session = builder().build()?.session();
    let attach = format!("ATTACH '{}' AS many", folder.path().display());
    collect(&session, &attach).await?;

    let count =
        "SELECT count(*) FROM cube.tables WHERE table_schema = 'many' AND table_type = 'CUBE'";
    let (cubes, first) = timed(&session, count).await?;
    assert_eq!(cubes, CUBES as i64);
    assert!(first < PATIENCE, "opening {CUBES} cubes took {first:?}");
    let (cubes, second) = timed(&session, count).await?;
    assert_eq!(cubes, CUBES as i64);
    assert!(
        second < first,
        "first {first:?}, then {second:?}: opened again"
    );

    let broken =
        "SELECT count(*) FROM cube.tables WHERE table_name = 'broken' AND error IS NOT NULL";
    assert_eq!(number(&session, broken).await?, 1);
    assert_eq!(
        number(&session, "SELECT count(*) FROM many.\"part7/c17\"").await?,
        6
    );
    assert!(
        collect(&session, "SELECT * FROM many.broken")
            .await
            .is_err()
    );
    Ok(())
}

async fn a_store_without_listing_knows_cubes_by_name() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    write_cube(&folder.path().join("c.zarr"))?;
    write_cube(&folder.path().join("sub/d.zarr"))?;
    let server = WebServer::start(folder.path())?;
    let session = builder().build()?.session();
    collect(&session, &format!("ATTACH '{}' AS web", server.url)).await?;
    assert_eq!(number(&session, "SELECT count(*) FROM web.c").await?, 6);
    assert_eq!(
        number(&session, "SELECT count(*) FROM web.\"sub/d\"").await?,
        6
    );
    let known = "SELECT count(*) FROM cube.tables WHERE table_schema = 'web'";
    assert_eq!(number(&session, known).await?, 2);
    let error = collect(&session, "SELECT * FROM web.nosuch").await.err();
    let error = error
        .ok_or("a cube that is not there was found")?
        .to_string();
    assert!(error.contains("there is no table web.nosuch"), "{error}");

    let declare = format!(
        "ATTACH '{}' AS declared (tables 'c.zarr, sub/d.zarr')",
        server.url
    );
    collect(&session, &declare).await?;
    let known =
        "SELECT count(*) FROM cube.tables WHERE table_schema = 'declared' AND table_type = 'CUBE'";
    assert_eq!(number(&session, known).await?, 2);
    Ok(())
}

/// Python's web server on a folder, until it is dropped.
struct WebServer {
    process: Child,
    url: String,
}

impl WebServer {
    fn start(folder: &Path) -> Result<Self, Failed> {
        let mut process = Command::new(places::python())
            .args([
                "-u",
                "-m",
                "http.server",
                "0",
                "--bind",
                "127.0.0.1",
                "--directory",
            ])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        // Serving HTTP on 127.0.0.1 port 43211 (http://127.0.0.1:43211/) ...
        let mut announcement = String::new();
        let output = process.stdout.take().ok_or("no output")?;
        BufReader::new(output).read_line(&mut announcement)?;
        let url = announcement.split(['(', ')']).nth(1).map(str::to_string);
        let url = url.ok_or(announcement)?;
        Ok(Self { process, url })
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

async fn definitions_survive_the_process() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("catalogue.sql");
    let cube = folder.path().join("c.zarr");
    write_cube(&cube)?;
    let engine = || builder().catalogue_file(&file).build();

    let first = engine()?.session();
    for statement in [
        format!(
            "CREATE EXTERNAL TABLE c STORED AS ZARR LOCATION '{}'",
            cube.display()
        ),
        "CREATE VIEW one AS SELECT count(*) AS n FROM c".to_string(),
        "CREATE VIEW gone AS SELECT 1 AS n".to_string(),
        "DROP VIEW gone".to_string(),
    ] {
        collect(&first, &statement).await?;
    }
    let second = engine()?.session();
    assert_eq!(number(&second, "SELECT n FROM one").await?, 6);
    assert!(collect(&second, "SELECT n FROM gone").await.is_err());

    // What is broken meanwhile fails when it is used; everything else works.
    fs::remove_dir_all(&cube)?;
    let third = engine()?.session();
    assert_eq!(number(&third, "SELECT 7").await?, 7);
    let error = collect(&third, "SELECT n FROM one").await.err();
    let error = error
        .ok_or("the cube is gone, but the view works")?
        .to_string();
    assert!(error.contains("c.zarr"), "{error}");
    Ok(())
}

async fn sessions_share_the_catalogue_but_no_settings() -> Result<(), Failed> {
    let engine: Engine = builder().build()?;
    let (one, two) = (engine.session(), engine.session());
    collect(&one, "CREATE VIEW v AS SELECT 1 AS n").await?;
    assert_eq!(number(&two, "SELECT n FROM v").await?, 1);
    collect(&one, "SET cube.prefetch = 7").await?;
    collect(&one, "USE cube").await?;
    let mut values = Vec::new();
    for session in [&one, &two] {
        let shown = collect(session, "SHOW cube.prefetch").await?;
        let batch = shown.first().ok_or("no setting")?;
        values.push(batch.column(1).as_string::<i32>().value(0).to_string());
    }
    assert_eq!(values[0], "7");
    assert_ne!(values[1], "7");
    assert!(collect(&one, "SELECT n FROM v").await.is_err());
    assert_eq!(number(&two, "SELECT n FROM v").await?, 1);
    Ok(())
}

fn builder() -> EngineBuilder {
    Engine::builder()
        .store_connectors(graticule_connectors::store_connectors())
        .formats(graticule_connectors::formats())
        .table_formats(graticule_connectors::table_formats())
}

async fn collect(session: &Session, statement: &str) -> Result<Vec<RecordBatch>> {
    session.run(statement).await?.stream.try_collect().await
}

async fn number(session: &Session, query: &str) -> Result<i64, Failed> {
    let batches = collect(session, query).await?;
    let batch = batches.first().ok_or("no rows")?;
    Ok(batch.column(0).as_primitive::<Int64Type>().value(0))
}

async fn timed(session: &Session, query: &str) -> Result<(i64, Duration), Failed> {
    let start = Instant::now();
    let value = number(session, query).await?;
    Ok((value, start.elapsed()))
}

/// A Zarr 2 cube of 2 × 3 cells without any chunk, with consolidated metadata.
fn write_cube(folder: &Path) -> std::io::Result<()> {
    let group = r#"{"zarr_format": 2}"#;
    let attributes = r#"{"_ARRAY_DIMENSIONS": ["y", "x"]}"#;
    let array = r#"{"zarr_format": 2, "shape": [2, 3], "chunks": [2, 3], "dtype": "<f4",
        "compressor": null, "fill_value": 0, "order": "C", "filters": null}"#;
    let consolidated = format!(
        r#"{{"zarr_consolidated_format": 1, "metadata":
            {{".zgroup": {group}, "v/.zattrs": {attributes}, "v/.zarray": {array}}}}}"#
    );
    fs::create_dir_all(folder.join("v"))?;
    fs::write(folder.join(".zgroup"), group)?;
    fs::write(folder.join(".zmetadata"), consolidated)?;
    fs::write(folder.join("v/.zattrs"), attributes)?;
    fs::write(folder.join("v/.zarray"), array)
}
