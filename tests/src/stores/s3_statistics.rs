//! Statistics of a cube in a real S3 store: entity tags tell whether a chunk is the one that was analysed.

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int64Type};
use datafusion::object_store::ObjectStoreExt;
use graticule_engine::Engine;
use libtest_mimic::{Failed, Trial};

use super::run;
use super::s3::{SIGNED, connect_s3, put};
use super::s3_server::S3Server;
use crate::client::{Client, Variables};

/// A Zarr 2 array of nine 16-bit integers in chunks of three.
const METADATA: &[(&str, &str)] = &[
    (".zgroup", r#"{"zarr_format": 2}"#),
    ("v/.zattrs", r#"{"_ARRAY_DIMENSIONS": ["x"]}"#),
    (
        "v/.zarray",
        r#"{"zarr_format": 2, "shape": [9], "chunks": [3], "dtype": "<i2", "compressor": null,
            "fill_value": -1, "order": "C", "filters": null}"#,
    ),
];

async fn put_chunk(server: &S3Server, number: usize, values: [i16; 3]) -> Result<(), Failed> {
    let location = connect_s3(server, &format!("open/c.zarr/v/{number}"), SIGNED)?;
    put(&location, values.map(i16::to_le_bytes).concat()).await
}

/// Chunks that `ANALYZE` reads.
async fn analyze(client: &Client) -> Result<i64, Failed> {
    let (_, batches) = client.run("ANALYZE lake.c").await?;
    let batch = batches.first().ok_or("no rows")?;
    Ok(batch.column(2).as_primitive::<Int64Type>().value(0))
}

/// The smallest value above 5 and the number of such values, and how many chunks that took.
async fn ask(client: &Client) -> Result<(f64, i64, String), Failed> {
    let sql = "SELECT CAST(min(v) AS DOUBLE), count(*) FROM lake.c WHERE v > 5";
    let (_, batches) = client.run(sql).await?;
    let batch = batches.first().ok_or("no rows")?;
    let smallest = batch.column(0).as_primitive::<Float64Type>().value(0);
    let count = batch.column(1).as_primitive::<Int64Type>().value(0);
    let (_, plan) = client.run(&format!("EXPLAIN ANALYZE {sql}")).await?;
    let plan = arrow::util::pretty::pretty_format_batches(&plan)?.to_string();
    let read = plan.split("chunks_read=").nth(1).ok_or("no chunks_read")?;
    let read = read.split(|end: char| !end.is_ascii_digit()).next();
    Ok((smallest, count, read.unwrap_or_default().to_string()))
}

async fn statistics_go_stale_with_a_chunk() -> Result<(), Failed> {
    let server = S3Server::start().await?;
    for (path, object) in METADATA {
        let location = connect_s3(&server, &format!("open/c.zarr/{path}"), SIGNED)?;
        put(&location, object.as_bytes().to_vec()).await?;
    }
    let chunks = [[1, 2, 3], [4, 5, 6], [7, 8, 9]];
    for (number, values) in chunks.into_iter().enumerate() {
        put_chunk(&server, number, values).await?;
    }
    let variables = Variables::of("")?;
    let engine = Engine::builder()
        .store_connectors(graticule_connectors::store_connectors())
        .formats(graticule_connectors::formats())
        .statistics_folder(variables.to_folders("$SCRATCH/statistics"))
        .build()?;
    let client = Client::new(&engine, variables);
    client.run("SET cube.cache = false").await?;
    let attach = format!(
        "ATTACH 's3://open' AS lake (TYPE s3, endpoint '{}', allow_http true, anonymous true)",
        server.endpoint
    );
    client.run(&attach).await?;
    let found = |smallest: f64, count: i64, read: &str| (smallest, count, read.to_string());

    assert_eq!(ask(&client).await?, found(6.0, 4, "3"));
    assert_eq!(analyze(&client).await?, 3);
    // 1 to 3 are not above 5, and all of 7 to 9 are: one chunk is left to read.
    assert_eq!(ask(&client).await?, found(6.0, 4, "1"));
    assert_eq!(analyze(&client).await?, 0);
    // What would be left out is there now, as many bytes as before.
    put_chunk(&server, 0, [1, 2, 30]).await?;
    assert_eq!(ask(&client).await?, found(6.0, 5, "2"));
    put_chunk(&server, 2, [7, 0, 9]).await?;
    assert_eq!(ask(&client).await?, found(6.0, 4, "3"));
    assert_eq!(analyze(&client).await?, 2);
    assert_eq!(ask(&client).await?, found(6.0, 4, "3"));
    put_chunk(&server, 0, [1, 2, 3]).await?;
    assert_eq!(analyze(&client).await?, 1);
    assert_eq!(ask(&client).await?, found(6.0, 3, "2"));
    // A chunk that is removed holds missing values only.
    let last = connect_s3(&server, "open/c.zarr/v/2", SIGNED)?;
    last.store.delete(&last.path).await?;
    assert_eq!(ask(&client).await?, found(6.0, 1, "1"));
    assert_eq!(analyze(&client).await?, 1);
    assert_eq!(ask(&client).await?, found(6.0, 1, "1"));
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test(
        "stores::s3::statistics_go_stale_with_a_chunk",
        || run(statistics_go_stale_with_a_chunk()),
    )]
}
