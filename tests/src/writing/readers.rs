//! Cubes that are written here and opened by programs of other times: zarr-python 2 and xcube find the cells and
//! the attributes that today's xarray finds. `tests/oracle/other_readers.py` tells what a reader finds.

use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::client::{Client, Variables, engine};
use crate::places;

/// A cube, the statement that makes it, and who reads it beside xarray.
struct Case {
    name: &'static str,
    cube: &'static str,
    statement: &'static str,
    readers: &'static [&'static str],
}

const CASES: [Case; 4] = [
    // Packed, with gaps.
    Case {
        name: "zarr_2",
        cube: "sst.zarr",
        statement: "CREATE TABLE lake.sst WITH (zarr_version = 2, chunks = 'time=9,latitude=6,longitude=100', \"sst.dtype\" = 'int16', \"sst.scale_factor\" = 0.01, \"sst.add_offset\" = 273.15, codec = 'blosc:lz4:5:shuffle') AS SELECT time, latitude, longitude, surface_temperature AS sst, surface_temperature > 290 AS warm FROM '$SAMPLES/ostia_monthly.nc'",
        readers: &["zarr2", "xcube"],
    },
    // A calendar of 360 days, and coordinates that are no axes.
    Case {
        name: "calendar_in_zarr_2",
        cube: "a1b.zarr",
        statement: "CREATE TABLE lake.a1b WITH (zarr_version = 2) AS SELECT * FROM '$SAMPLES/A1B_north_america.nc'",
        readers: &["zarr2"],
    },
    Case {
        name: "zarr_3",
        cube: "sst.zarr",
        statement: "CREATE TABLE lake.sst WITH (chunks = 'time=9,latitude=6,longitude=108', shards = 'time=54,latitude=18,longitude=216') AS SELECT time, latitude, longitude, surface_temperature AS sst FROM '$SAMPLES/ostia_monthly.nc'",
        readers: &["xcube"],
    },
    Case {
        name: "levels",
        cube: "sst.levels",
        statement: "CREATE TABLE lake.sst WITH (format = 'levels', chunks = 'time=1,latitude=16,longitude=128') AS SELECT time, latitude, longitude, surface_temperature AS sst FROM '$SAMPLES/ostia_monthly.nc' WHERE time < '2006-07-01'",
        readers: &["xcube"],
    },
];

pub(super) fn trials() -> Vec<Trial> {
    let trial = |case: &'static Case| {
        let name = format!("writing::readers::{}", case.name);
        Trial::test(name, move || check(case))
    };
    CASES.iter().map(trial).collect()
}

fn check(case: &Case) -> Result<(), Failed> {
    let variables = Variables::of(case.statement)?;
    let client = Client::new(&engine()?, variables);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    for statement in ["ATTACH '$SCRATCH' AS lake", case.statement] {
        runtime.block_on(client.run(statement))?;
    }
    let scratch = client.variables.to_folders("$SCRATCH");
    let expected = found("xarray", &scratch, case.cube)?;
    for reader in case.readers {
        let found = found(reader, &scratch, case.cube)?;
        if found != expected {
            return Err(format!("{reader} finds\n{found}\nand xarray finds\n{expected}").into());
        }
    }
    Ok(())
}

/// What a reader finds in the cube in a folder, in words.
fn found(reader: &str, folder: &str, cube: &str) -> Result<String, Failed> {
    let mut command = Command::new(places::python());
    command
        // Modules beside the script have names that others look for.
        .arg("-P")
        .arg(places::repository().join("tests/oracle/other_readers.py"))
        .args([reader, cube])
        // Some leave files where they run.
        .current_dir(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    if reader != "xarray" {
        command.env("PYTHONPATH", places::reader(reader));
    }
    let outcome = command.output()?;
    match outcome.status.success() {
        true => Ok(String::from_utf8_lossy(&outcome.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&outcome.stderr).into_owned().into()),
    }
}
