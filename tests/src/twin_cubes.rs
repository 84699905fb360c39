//! The same questions to the OLCI cube in two chunk layouts: the same answers, those of xarray, and
//! only the chunks that hold the answer are read.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::answers;
use crate::client::{Client, Variables, engine};
use crate::oracle::oracle;
use crate::places::with_data;

const LAYOUTS: [&str; 2] = ["cube-1-250-250", "cube-5-100-200"];

pub(crate) fn trials() -> Vec<Trial> {
    LAYOUTS
        .iter()
        .flat_map(|layout| {
            [
                with_data(
                    format!("twin_cubes::answers_of_xarray_{layout}"),
                    move |data| run(ask(data, layout)),
                ),
                with_data(
                    format!("twin_cubes::point_reads_its_chunks_{layout}"),
                    move |data| run(count_chunks(data, layout)),
                ),
            ]
        })
        .collect()
}

fn run(check: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(check)
}

async fn connect(data: &Path) -> Result<(Client, Value), Failed> {
    let questions = std::fs::read_to_string(oracle("twin_cubes.py")?.join("questions.json"))?;
    let client = Client::new(&engine()?, Variables::of("")?);
    client
        .run(&format!(
            "ATTACH '{}' AS olci",
            data.join("olci-sns").display()
        ))
        .await?;
    Ok((client, serde_json::from_str(&questions)?))
}

async fn ask(data: &Path, layout: &str) -> Result<(), Failed> {
    let (client, questions) = connect(data).await?;
    answers::compare(&client, &questions, &format!("olci.\"{layout}\"")).await
}

/// Chunks of 1 × 250 × 250 hold a point's five times in five chunks, those of 5 × 100 × 200 in one.
async fn count_chunks(data: &Path, layout: &str) -> Result<(), Failed> {
    let (client, questions) = connect(data).await?;
    let (lat, lon) = (&questions["point"][0], &questions["point"][1]);
    let series =
        format!("SELECT time, conc_chl FROM olci.\"{layout}\" WHERE lat = {lat} AND lon = {lon}");
    let (_, batches) = client.run(&format!("EXPLAIN ANALYZE {series}")).await?;
    let plan = arrow::util::pretty::pretty_format_batches(&batches)?.to_string();
    let expected = questions["point_chunks"][layout]
        .as_str()
        .ok_or("no chunk counts")?;
    assert!(plan.contains(expected), "{expected} is not in\n{plan}");
    Ok(())
}
