//! What the conventions are for, end to end: means per month in every calendar, asked in SQL and
//! answered by xarray (`oracle/calendar_means.py`).

use std::fs;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::answers;
use crate::client::{Client, Variables, engine};
use crate::netcdf::runtime;
use crate::oracle::oracle;

/// Cubes that the oracle writes, and samples.
const CUBES: [&str; 7] = [
    "standard.zarr",
    "noleap.zarr",
    "all_leap.zarr",
    "360_day.zarr",
    "$SAMPLES/A1B_north_america.nc",
    "$SAMPLES/E1_north_america.nc",
    "$SAMPLES/ostia_monthly.nc",
];

async fn ask(cube: &str) -> Result<(), Failed> {
    let folder = oracle("calendar_means.py")?;
    let questions: Value = serde_json::from_slice(&fs::read(folder.join("questions.json"))?)?;
    let client = Client::new(&engine()?, Variables::of("")?);
    let place = match cube.strip_prefix('$') {
        Some(_) => cube.to_string(),
        None => folder.join(cube).display().to_string(),
    };
    answers::compare(&client, &questions[cube], &format!("'{place}'")).await
}

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |cube: &'static str| {
        let name = cube.trim_start_matches("$SAMPLES/");
        let title = format!("conventions_in_sql::means_per_month_of_{name}");
        Trial::test(title, move || runtime().block_on(ask(cube)))
    };
    CUBES.map(trial).into()
}
