//! Cubes that share axes, joined in SQL and merged by xarray (`oracle/zip_cubes.py`).

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::answers;
use crate::client::{Client, Variables, engine};
use crate::netcdf::runtime;
use crate::oracle::oracle;

async fn ask(setting: &str) -> Result<(), Failed> {
    let folder = oracle("zip_cubes.py")?;
    let questions: Value = serde_json::from_slice(&fs::read(folder.join("questions.json"))?)?;
    let client = Client::new(&engine()?, Variables::of("")?);
    client.run(setting).await?;
    answers::compare(&client, &questions, &folder.display().to_string()).await
}

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, setting: &'static str| {
        let title = format!("zips::joins_give_what_xarray_merges_{name}");
        Trial::test(title, move || runtime().block_on(ask(setting)))
    };
    vec![
        trial("as_one_scan", "SET cube.grid_zip = true"),
        trial("by_rows", "SET cube.grid_zip = false"),
    ]
}
