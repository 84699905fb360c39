//! Cubes that are being made, and queries that run, are listed for others, and others can stop them.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, UInt64Type};
use libtest_mimic::{Failed, Trial};

use crate::client::{Client, Variables, engine};

/// In many parts, each of which waits for the disk.
const MAKE: &str = "CREATE TABLE lake.slow WITH (chunks = 'time=1,latitude=9,longitude=54', memory = '400kB') AS \
                    SELECT time, latitude, longitude, surface_temperature AS sst FROM samples.ostia_monthly";

const JOBS: &str = "SELECT job, boxes, boxes_done, cube, statement FROM cube.jobs";

async fn rows(client: &Client, statement: &str) -> Result<Option<RecordBatch>, Failed> {
    let (schema, batches) = client.run(statement).await?;
    let all = arrow::compute::concat_batches(&schema, &batches)?;
    Ok((all.num_rows() > 0).then_some(all))
}

fn whole(batch: &RecordBatch, column: &str) -> u64 {
    let column = batch.column_by_name(column).unwrap();
    let column = arrow::compute::cast(column, &DataType::UInt64).unwrap();
    column.as_primitive::<UInt64Type>().value(0)
}

async fn is_listed_and_stopped() -> Result<(), Failed> {
    let engine = engine()?;
    let variables = Variables::of("$SAMPLES $SCRATCH")?;
    let maker = Client::new(&engine, Arc::clone(&variables));
    let watcher = Client::new(&engine, variables);
    maker.run("ATTACH '$SCRATCH' AS lake").await?;
    maker.run("ATTACH '$SAMPLES' AS samples").await?;
    assert_eq!(rows(&watcher, JOBS).await?, None);
    let making = tokio::spawn(async move {
        let made = maker.run(MAKE).await;
        (maker, made)
    });
    let job = loop {
        tokio::time::sleep(Duration::from_millis(2)).await;
        match rows(&watcher, JOBS).await? {
            Some(job) if whole(&job, "boxes_done") > 0 => break job,
            _ if making.is_finished() => {
                let (_, made) = making.await?;
                return Err(format!("it ended before it was seen: {:?}", made.err()).into());
            }
            _ => {}
        }
    };
    assert!(whole(&job, "boxes") > 4, "{job:?}");
    let text = |column: &str| {
        job.column_by_name(column)
            .unwrap()
            .as_string::<i32>()
            .value(0)
    };
    assert_eq!(text("cube"), "lake.slow");
    assert!(text("statement").starts_with("CREATE TABLE lake.slow"));
    let number = whole(&job, "job");
    watcher.run(&format!("CANCEL JOB {number}")).await?;
    let (maker, made) = making.await?;
    let error = made.unwrap_err().to_string();
    assert!(error.contains("the job was cancelled"), "{error}");
    assert_eq!(rows(&watcher, JOBS).await?, None);
    let error = watcher.run("SELECT * FROM lake.slow").await.unwrap_err();
    assert!(error.to_string().contains("being written"), "{error}");
    let error = watcher
        .run(&format!("CANCEL JOB {number}"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no job"), "{error}");
    // What was done is not done again.
    let made = rows(&maker, MAKE).await?.ok_or("nothing was made")?;
    assert!(whole(&made, "kept") > 0, "{made:?}");
    let same = "SELECT count(*) AS n FROM lake.slow a JOIN samples.ostia_monthly b ON a.time = b.time AND \
                a.latitude = b.latitude AND a.longitude = b.longitude WHERE a.sst IS DISTINCT FROM b.surface_temperature";
    let differences = rows(&watcher, same).await?.ok_or("no count")?;
    assert_eq!(whole(&differences, "n"), 0);
    Ok(())
}

/// Longer than anybody waits.
const ENDLESS: &str =
    "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";

async fn a_query_is_listed_and_stopped() -> Result<(), Failed> {
    let engine = engine()?;
    let variables = Variables::of("")?;
    let asker = Client::new(&engine, Arc::clone(&variables));
    let watcher = Client::new(&engine, variables);
    let asking = tokio::spawn(async move { asker.run(ENDLESS).await });
    let running = "SELECT query, statement FROM cube.queries WHERE state = 'running' AND statement LIKE '%1000000%' \
                   AND statement NOT LIKE '%queries%'";
    let number = loop {
        if let Some(query) = rows(&watcher, running).await? {
            break whole(&query, "query");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    watcher.run(&format!("CANCEL QUERY {number}")).await?;
    let error = asking.await?.unwrap_err().to_string();
    assert!(error.contains("the query was cancelled"), "{error}");
    assert_eq!(rows(&watcher, running).await?, None);
    let ended =
        format!("SELECT 1 AS n FROM cube.queries WHERE query = {number} AND state = 'cancelled'");
    assert!(rows(&watcher, &ended).await?.is_some());
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("jobs::are_listed_and_stopped", || {
            tokio::runtime::Runtime::new()?.block_on(is_listed_and_stopped())
        }),
        Trial::test("jobs::queries_are_listed_and_stopped", || {
            tokio::runtime::Runtime::new()?.block_on(a_query_is_listed_and_stopped())
        }),
    ]
}
