//! Ways to data, files and limits that need privileges of their own.

use libtest_mimic::Failed;

use super::{Asks, Lake};

/// What a reader may not do: the statement, and a part of what is said.
const REFUSED: &[(&str, &str)] = &[
    ("SELECT * FROM 'PATH/ocean.zarr'", "FILES"),
    ("SELECT * FROM 'PATH/nosuch.zarr'", "FILES"),
    ("SELECT * FROM \"PATH/ocean.zarr\"", "FILES"),
    ("SELECT * FROM 'PATH/*.zarr'", "FILES"),
    ("SELECT * FROM 'PATH/table.csv'", "FILES"),
    ("SELECT * FROM 'PATH/zones.geojson'", "FILES"),
    ("SELECT * FROM 'http://127.0.0.1:1/x.zarr'", "FILES"),
    (
        "SELECT * FROM 'http://127.0.0.1:1/latest/meta-data/'",
        "FILES",
    ),
    ("SELECT * FROM 'https://127.0.0.1:1/x.parquet'", "FILES"),
    ("SELECT * FROM 's3://bucket/x.zarr'", "FILES"),
    ("SELECT * FROM public.'PATH/ocean.zarr'", ""),
    ("SELECT * FROM public.\"PATH/ocean.zarr\"", "FILES"),
    ("SELECT * FROM coarsen('PATH/ocean.zarr', lat => 2)", ""),
    (
        "SELECT * FROM coarsen(\"PATH/ocean.zarr\", lat => 2)",
        "FILES",
    ),
    (
        "SELECT * FROM coarsen((SELECT * FROM 'PATH/ocean.zarr'), lat => 2)",
        "FILES",
    ),
    (
        "SELECT * FROM 'PATH/ocean.zarr' FOR VERSION AS OF 'x'",
        "FILES",
    ),
    ("DESCRIBE 'PATH/ocean.zarr'", "FILES"),
    ("ANALYZE 'PATH/ocean.zarr'", "FILES"),
    ("ATTACH 'PATH' AS other", "ADMIN"),
    ("ATTACH IF NOT EXISTS 'PATH' AS lake", "ADMIN"),
    ("DETACH lake", "ADMIN"),
    ("DETACH IF EXISTS lake", "ADMIN"),
    ("REFRESH STORE lake", "INSERT ON STORE lake"),
    (
        "CREATE EXTERNAL TABLE e STORED AS ZARR LOCATION 'PATH/ocean.zarr'",
        "INSERT ON e",
    ),
    (
        "CREATE EXTERNAL TABLE e STORED AS CSV LOCATION 'PATH/table.csv'",
        "INSERT ON e",
    ),
    (
        "CREATE EXTERNAL TABLE mine STORED AS ZARR LOCATION 'PATH/ocean.zarr'",
        "FILES",
    ),
    ("CREATE VIEW v AS SELECT * FROM lake.ocean", "INSERT ON v"),
    (
        "CREATE VIEW mine AS SELECT * FROM 'PATH/ocean.zarr'",
        "cannot be read",
    ),
    (
        "CREATE FUNCTION f(x DOUBLE) RETURNS DOUBLE RETURN x + 1",
        "INSERT ON f",
    ),
    ("DROP FUNCTION f", ""),
    ("DROP VIEW shown", "ALL ON shown"),
    ("DROP TABLE shown", ""),
    ("COPY (SELECT 1 AS a) TO 'PATH/out.parquet'", "WRITE FILES"),
    ("COPY lake.ocean TO 'PATH/out.csv'", "WRITE FILES"),
    ("COPY lake.ocean TO 'PATH/out.zarr'", "WRITE FILES"),
    (
        "COPY lake.ocean TO 'PATH/out' STORED AS NETCDF",
        "WRITE FILES",
    ),
    (
        "COPY (SELECT ST_Point(lon, lat) AS geometry FROM lake.ocean) TO 'PATH/out.geoparquet'",
        "WRITE FILES",
    ),
    ("EXPLAIN COPY lake.ocean TO 'PATH/out.zarr'", "WRITE FILES"),
    (
        "EXPLAIN ANALYZE COPY (SELECT 1 AS a) TO 'PATH/out.parquet'",
        "WRITE FILES",
    ),
    (
        "PREPARE p AS COPY (SELECT 1 AS a) TO 'PATH/out.parquet'",
        "",
    ),
    (
        "PREPARE p AS SET datafusion.runtime.memory_limit = '100G'",
        "",
    ),
    (
        "CREATE TABLE t WITH (location = 'PATH/out.zarr') AS SELECT * FROM lake.ocean",
        "WRITE FILES",
    ),
    (
        "CREATE TABLE lake.other AS SELECT * FROM lake.ocean",
        "INSERT ON lake.other",
    ),
    (
        "CREATE TABLE IF NOT EXISTS lake.ocean AS SELECT * FROM lake.ocean",
        "INSERT ON lake.ocean",
    ),
    (
        "CREATE OR REPLACE TABLE lake.ocean AS SELECT * FROM lake.ocean",
        "ALL ON lake.ocean",
    ),
    (
        "INSERT INTO lake.ocean SELECT * FROM lake.ocean",
        "INSERT ON lake.ocean",
    ),
    (
        "INSERT OVERWRITE lake.ocean SELECT * FROM lake.ocean",
        "ALL ON lake.ocean",
    ),
    ("DELETE FROM lake.ocean WHERE lat > 3", "ALL ON lake.ocean"),
    (
        "EXPLAIN DELETE FROM lake.ocean WHERE lat > 3",
        "ALL ON lake.ocean",
    ),
    (
        "ALTER TABLE lake.ocean SET (\"attribute.title\" = 'x')",
        "ALL ON lake.ocean",
    ),
    (
        "ALTER TABLE lake.ocean RENAME COLUMN v TO u",
        "ALL ON lake.ocean",
    ),
    ("ALTER TABLE lake.ocean CREATE TAG 'x'", "ALL ON lake.ocean"),
    ("DROP TABLE lake.ocean", "ALL ON lake.ocean"),
    ("DROP TABLE IF EXISTS lake.ocean", "ALL ON lake.ocean"),
    ("ANALYZE lake.ocean", "INSERT ON lake.ocean"),
    ("CREATE OVERVIEWS ON lake.ocean", "INSERT ON lake.ocean"),
    ("DROP OVERVIEWS ON lake.ocean", "ALL ON lake.ocean"),
    ("VACUUM lake", "ALL ON STORE lake"),
    ("VACUUM lake.ocean", "ALL ON lake.ocean"),
    ("CANCEL JOB 1", "no job 1"),
    ("SET datafusion.runtime.memory_limit = '100G'", "ADMIN"),
    ("RESET datafusion.runtime.memory_limit", "ADMIN"),
    (
        "SET datafusion.sql_parser.recursion_limit = 1000000",
        "ADMIN",
    ),
    ("SET datafusion.execution.batch_size = 100000000", "ADMIN"),
    ("SET cube.max_scan_bytes = 0", "raise the limit"),
    ("SET cube.max_scan_bytes = '100000GB'", "raise the limit"),
    ("USE hidden", "no schema hidden"),
    ("SHOW TABLES FROM hidden", "no schema hidden"),
];

pub(super) async fn check() -> Result<(), Failed> {
    let lake = Lake::new().await?;
    lake.done("CREATE VIEW shown AS SELECT count(*) AS n FROM lake.ocean")
        .await?;
    lake.done("ATTACH 'memory://hidden' AS hidden").await?;
    let before = state(&lake).await?;
    let user = lake.user(
        "reader",
        &["SELECT ON lake.ocean", "SELECT ON shown", "INSERT ON mine"],
    );
    for (statement, expected) in REFUSED {
        let statement = statement.replace("PATH", &lake.path());
        match user.ask(&statement).await {
            Ok(found) => return Err(format!("{statement} is not refused:\n{found}").into()),
            Err(error) => assert!(error.contains(expected), "{statement}: {error}"),
        }
    }
    assert_eq!(before, state(&lake).await?);
    for path in [
        "out.parquet",
        "out.csv",
        "out.zarr",
        "out",
        "out.geoparquet",
    ] {
        assert!(
            !lake.folder.path().join(path).exists(),
            "{path} was written"
        );
    }
    Ok(())
}

/// Who may add to tables, and read files, neither replaces what is there nor writes files.
pub(super) async fn check_adding() -> Result<(), Failed> {
    let lake = Lake::new().await?;
    lake.done(&format!(
        "CREATE EXTERNAL TABLE kept STORED AS ZARR LOCATION '{path}/ocean.zarr' OPTIONS (overviews '{path}/kept')",
        path = lake.path()
    ))
    .await?;
    let user = lake.user(
        "adder",
        &["INSERT ON lake.ocean", "ALL ON STORE public", "FILES"],
    );
    for (statement, expected) in [
        (
            "INSERT OVERWRITE lake.ocean SELECT * FROM lake.ocean",
            "ALL ON lake.ocean",
        ),
        (
            "INSERT OR REPLACE INTO lake.ocean SELECT * FROM lake.ocean",
            "ALL ON lake.ocean",
        ),
        (
            "CREATE EXTERNAL TABLE e STORED AS ZARR LOCATION 'PATH/ocean.zarr' OPTIONS (overviews 'PATH/hidden_a.zarr')",
            "WRITE FILES",
        ),
        ("CREATE OVERVIEWS ON kept", "WRITE FILES"),
        ("DROP OVERVIEWS ON kept", "WRITE FILES"),
        ("CREATE OVERVIEWS ON \"PATH/ocean.zarr\"", "WRITE FILES"),
        ("DROP OVERVIEWS ON \"PATH/ocean.zarr\"", "WRITE FILES"),
    ] {
        let statement = statement.replace("PATH", &lake.path());
        let error = user.ask(&statement).await.unwrap_err();
        assert!(error.contains(expected), "{statement}: {error}");
    }
    assert!(!lake.folder.path().join("kept").exists());
    Ok(())
}

/// Lists of columns go on without views that their reader may not read.
pub(super) async fn check_lists() -> Result<(), Failed> {
    let lake = Lake::new().await?;
    lake.done("CREATE VIEW shown AS SELECT v FROM lake.ocean")
        .await?;
    let user = lake.user(
        "reader",
        &["SELECT ON STORE public", "SELECT ON lake.ocean"],
    );
    let columns = "SELECT table_name, column_name FROM information_schema.columns";
    let found = user.ask(columns).await?;
    assert!(found.contains("shown"), "{found}");
    assert!(!found.contains("hidden_a"), "{found}");
    let error = user.ask("SELECT * FROM hidden_a").await.unwrap_err();
    assert!(error.contains("the view cannot be read"), "{error}");
    let error = user.ask("DESCRIBE hidden_a").await.unwrap_err();
    assert!(error.contains("the view cannot be read"), "{error}");
    Ok(())
}

/// Everything that a reader could have changed.
async fn state(lake: &Lake) -> Result<String, Failed> {
    let mut state = String::new();
    for question in [
        "SHOW STORES",
        "SHOW TABLES",
        "SELECT count(*), sum(v), max(lat) FROM lake.ocean",
        "SELECT count(*) FROM cube.overviews",
        "SHOW cube.max_scan_bytes",
    ] {
        state.push_str(&lake.done(question).await?);
    }
    Ok(state)
}

/// Who has the privilege does it.
pub(super) async fn check_granted() -> Result<(), Failed> {
    let lake = Lake::new().await?;
    let writer = lake.user(
        "writer",
        &[
            "ALL ON STORE lake",
            "ALL ON STORE public",
            "FILES",
            "WRITE FILES",
        ],
    );
    for statement in [
        "SELECT count(*) FROM 'PATH/ocean.zarr'",
        "CREATE TABLE lake.mine WITH (dims = 'time,lat,lon') AS SELECT time, lat, lon, w FROM lake.ocean WHERE lat < 3",
        "INSERT INTO lake.mine SELECT time, lat, lon, w FROM lake.ocean WHERE lat = 3",
        "DELETE FROM lake.mine WHERE lat = 0",
        "ALTER TABLE lake.mine SET (\"attribute.title\" = 'x')",
        "ANALYZE lake.mine",
        "CREATE OVERVIEWS ON lake.mine",
        "DROP OVERVIEWS ON lake.mine",
        "VACUUM lake.mine",
        "VACUUM lake",
        "REFRESH STORE lake",
        "CREATE VIEW v AS SELECT * FROM lake.mine",
        "SELECT count(*) FROM v",
        "CREATE FUNCTION doubled(x DOUBLE) RETURNS DOUBLE RETURN 2 * x",
        "SELECT max(doubled(w)) FROM v",
        "CREATE EXTERNAL TABLE e STORED AS ZARR LOCATION 'PATH/ocean.zarr'",
        "SELECT count(*) FROM e",
        "REFRESH TABLE e",
        "COPY (SELECT * FROM lake.mine) TO 'PATH/out.parquet'",
        "COPY (SELECT * FROM lake.mine) TO 'PATH/out.zarr'",
        "DROP TABLE e",
        "DROP FUNCTION doubled",
        "DROP VIEW v",
        "DROP TABLE lake.mine",
        "SET datafusion.execution.time_zone = 'UTC'",
        "SET cube.max_scan_bytes = '1GB'",
        "USE lake",
        "SELECT count(*) FROM ocean",
    ] {
        let statement = statement.replace("PATH", &lake.path());
        if let Err(error) = writer.ask(&statement).await {
            return Err(format!("{statement}: {error}").into());
        }
    }
    // A limit that was lowered holds.
    let limited = lake.user("reader", &["SELECT ON lake.ocean"]);
    limited.ask("SET cube.max_scan_bytes = 10").await?;
    assert!(
        limited
            .ask("SELECT max(v) FROM lake.ocean WHERE w > 1")
            .await
            .is_err()
    );
    Ok(())
}
