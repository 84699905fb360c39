//! Real data written as cubes, and read by xarray: cell by cell and attribute by attribute the same as in
//! the sources. `tests/oracle/round_trips.py` says what must be.

use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::client::{Client, Variables, engine};
use crate::places;

/// A cube of real data, and the statements that make it as `lake.<name>`.
struct Case {
    name: &'static str,
    needs_data: bool,
    statements: &'static [&'static str],
}

const CASES: [Case; 5] = [
    // Three files along time, a fourth day in between, then other attributes.
    Case {
        name: "ostia",
        needs_data: true,
        statements: &[
            "CREATE EXTERNAL TABLE days STORED AS NETCDF LOCATION '$DATA/ostia/*.nc'",
            "CREATE TABLE lake.ostia WITH (chunks = 'time=1,lat=180,lon=360', dtype = 'int16', scale_factor = 0.01, \"analysed_sst.add_offset\" = 273.15) AS SELECT * FROM days",
            "INSERT INTO lake.ostia SELECT time - INTERVAL '12 hours' AS time, lat, lon, analysed_sst, sst_anomaly FROM days WHERE time = '2017-06-06T12:00:00'",
            "ALTER TABLE lake.ostia SET (\"attribute.summary\" = 'Four moments', \"attribute.DOI\" = '10.1/2', \"sst_anomaly.attribute.references\" = 'none')",
        ],
    },
    Case {
        name: "olci",
        needs_data: true,
        statements: &[
            "ATTACH '$DATA/olci-sns' AS olci",
            "CREATE TABLE lake.olci WITH (chunks = 'time=5,lat=100,lon=100', shards = 'time=5,lat=500,lon=500') AS SELECT * FROM olci.\"cube-1-250-250\"",
        ],
    },
    // A part of it, in Zarr 2.
    Case {
        name: "olci_part",
        needs_data: true,
        statements: &[
            "ATTACH '$DATA/olci-sns' AS olci",
            "CREATE TABLE lake.olci_part WITH (zarr_version = 2) AS SELECT time, lat, lon, conc_chl, quality_flags FROM olci.\"cube-5-100-200\" WHERE lat > 51 AND lon BETWEEN 2 AND 3",
        ],
    },
    // A calendar of 360 days, and coordinates that are no axes.
    Case {
        name: "a1b",
        needs_data: false,
        statements: &["CREATE TABLE lake.a1b AS SELECT * FROM '$SAMPLES/A1B_north_america.nc'"],
    },
    // Places by latitudes and longitudes that are no axes.
    Case {
        name: "nemo",
        needs_data: false,
        statements: &[
            "CREATE EXTERNAL TABLE months STORED AS NETCDF LOCATION '$SAMPLES/NEMO/nemo_1m_*_grid-T.nc'",
            "CREATE TABLE lake.nemo WITH (dims = 'time_centered,y,x') AS SELECT time_centered, y, x, nav_lat, nav_lon, tos FROM months",
        ],
    },
];

pub(super) fn trials() -> Vec<Trial> {
    let trial = |case: &'static Case| {
        let lacks_data = case.needs_data && places::data().is_none();
        Trial::test(format!("writing::round_trips::{}", case.name), move || {
            check(case)
        })
        .with_ignored_flag(lacks_data)
    };
    CASES.iter().map(trial).collect()
}

fn check(case: &Case) -> Result<(), Failed> {
    let variables = Variables::of(&case.statements.concat())?;
    let client = Client::new(&engine()?, variables);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    for statement in ["ATTACH '$SCRATCH' AS lake"].iter().chain(case.statements) {
        runtime.block_on(client.run(statement))?;
    }
    let cube = client
        .variables
        .to_folders(&format!("$SCRATCH/{}.zarr", case.name));
    let outcome = Command::new(places::python())
        .arg(places::repository().join("tests/oracle/round_trips.py"))
        .args([case.name, &cube])
        .args([places::samples(), places::data().unwrap_or_default()])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()?;
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&outcome.stderr).into_owned();
    match outcome.status.success() && said.trim() == "the same" {
        true => Ok(()),
        false => Err(format!("{said}{complaint}").into()),
    }
}
