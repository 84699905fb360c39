//! Variables over some of the dimensions, and texts, as xarray reads them (`tests/oracle/partial.py`).

use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::client::{Client, Variables, engine};
use crate::places;

const QUERY: &str = "SELECT t.value AS step, y.value AS y, x.value AS x, t.value * 100 + y.value * 10 + x.value AS v, \
    CASE WHEN t.value = y.value THEN NULL ELSE y.value * 0.5 + x.value END AS area, 'row ' || y.value AS name \
    FROM generate_series(0, 3) AS t CROSS JOIN generate_series(0, 4) AS y CROSS JOIN generate_series(0, 6) AS x";

pub(super) fn trials() -> Vec<Trial> {
    vec![Trial::test(
        "writing::partial::xarray_reads_them",
        others_read_them,
    )]
}

fn others_read_them() -> Result<(), Failed> {
    let client = Client::new(&engine()?, Variables::of(QUERY)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut files = Vec::new();
    for (format, suffix) in [("zarr", ".zarr"), ("netcdf", ".nc")] {
        let statement = format!(
            "CREATE TABLE lake.{format} WITH (format = '{format}', dims = 'step,y,x', chunks = 'step=2,y=2,x=4', \
             \"area.dims\" = 'x, y', \"name.dims\" = 'y') AS {QUERY}"
        );
        if files.is_empty() {
            runtime.block_on(client.run("ATTACH '$SCRATCH' AS lake"))?;
        }
        runtime.block_on(client.run(&statement))?;
        files.push(
            client
                .variables
                .to_folders(&format!("$SCRATCH/{format}{suffix}")),
        );
    }
    let outcome = Command::new(places::python())
        .arg(places::repository().join("tests/oracle/partial.py"))
        .args(&files)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()?;
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&outcome.stderr).into_owned();
    match outcome.status.success() && said.trim() == "2 cubes are right" {
        true => Ok(()),
        false => Err(format!("{said}{complaint}").into()),
    }
}
