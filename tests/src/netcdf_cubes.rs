//! Several NetCDF files as one cube, against `xarray.open_mfdataset`; and how much of a file is read.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use graticule_connectors::formats::netcdf::Netcdf;
use graticule_engine::cube::Cube;
use graticule_engine::cube::concatenate::open_many;
use graticule_engine::cube::conventions::interpret;
use graticule_engine::error::CubeResult;
use graticule_engine::source::{CubeFormat, Group, Location, Options};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::netcdf::{Whole, location, read_whole, runtime};
use crate::{oracle, places};

async fn open(locations: &[Location]) -> CubeResult<Group> {
    let format: Arc<dyn CubeFormat> = Arc::new(Netcdf);
    let mut groups = open_many(&format, locations, &Options::new()).await?;
    Ok(groups.remove(0))
}

/// The decoded times of the axis or one-chunk variable `name`.
async fn times(cubes: &[Cube], name: &str) -> Result<ArrayRef, Failed> {
    for cube in cubes {
        if let Some(axis) = cube.axes.iter().find(|axis| axis.field.name() == name) {
            return Ok(Arc::clone(&axis.coordinates));
        }
        if let Some(variable) = cube.variables.iter().find(|v| v.field.name() == name) {
            let chunk = variable.fetch(&[0]).await?;
            return Ok(variable.decode(&[0], chunk)?.to_array()?);
        }
    }
    Err(format!("no {name}").into())
}

/// The cube `name` of the oracle, whatever the order in which its files are given.
fn check_cube(name: &str) -> Result<(), Failed> {
    let folder = oracle::oracle("netcdf.py")?;
    let cubes: Value = serde_json::from_slice(&fs::read(folder.join("cubes.json"))?)?;
    let expected = &cubes[name];
    let mut locations: Vec<Location> = expected["paths"]
        .as_array()
        .ok_or(format!("the oracle has no cube {name}"))?
        .iter()
        .map(|path| location(&folder.join(path.as_str().unwrap_or_default())))
        .collect();
    let runtime = runtime();
    for _ in 0..locations.len() {
        locations.rotate_left(1);
        let group = runtime.block_on(open(&locations))?;
        let cubes = runtime.block_on(interpret(&group, "t", &Options::new()))?;
        let time = times(&cubes, expected["time"].as_str().unwrap_or_default());
        let time = runtime.block_on(time)?;
        let micros = cast(&time, &DataType::Int64)?;
        let micros: Vec<Value> = micros
            .as_primitive::<Int64Type>()
            .values()
            .iter()
            .map(|time| Value::from(*time))
            .collect();
        assert_eq!(Value::Array(micros), expected["times"]);
        for (variable, expected) in expected["variables"].as_object().ok_or("variables")? {
            let array = group
                .arrays
                .iter()
                .find(|array| array.description().name == *variable)
                .ok_or("missing variable")?;
            let shape = Value::from(array.description().shape.clone());
            assert_eq!(shape, expected["shape"], "{variable}");
            let raw = fs::read(folder.join(expected["raw"].as_str().unwrap_or_default()))?;
            let whole = runtime.block_on(read_whole(array.as_ref()))?;
            assert!(whole == Whole::Bytes(raw), "{variable} differs");
        }
    }
    Ok(())
}

/// A thousand files open at once: none waits for another for ever.
fn check_thousand_files() -> Result<(), Failed> {
    let folder = oracle::oracle("netcdf.py")?;
    let runtime = runtime();
    let file = location(&folder.join("generated/days4/96.nc"));
    let options = Options::new();
    let opened = runtime.block_on(async {
        let opens = (0..1000).map(|_| Netcdf.open(&file, &options));
        futures::future::try_join_all(opens).await
    });
    assert_eq!(opened?.len(), 1000);
    Ok(())
}

/// Bytes that reading one chunk of a variable fetches: `(file, variable, chunk, at most)`.
fn check_bytes_fetched() -> Result<(), Failed> {
    let folder = oracle::oracle("netcdf.py")?;
    let cases: &[(&str, &str, &[u64], u64)] = &[
        // 349 rows of 1500 floats: the 5.4 MB of a level are cut where 2 MiB end.
        ("large_netcdf3_64bit_offset", "v", &[1, 2, 0], 349 * 6000),
        ("large_netcdf4", "v", &[1, 2, 0], 349 * 6000),
        // A step of 4.4 MB is cut as well; its neighbours in the record are not read.
        ("large_records", "v", &[2, 0, 0], 524 * 4000),
        ("large_records", "time", &[0], 24),
        // A chunk of 2 x 10 x 16 numbers, and the index of chunks.
        ("filter_none", "v_f8", &[1, 1, 1], 2560 + 65536),
    ];
    let runtime = runtime();
    for (file, variable, index, most) in cases {
        let path = folder.join(format!("generated/{file}.nc"));
        let groups = runtime.block_on(Netcdf.open(&location(&path), &Options::new()))?;
        let array = groups[0]
            .arrays
            .iter()
            .find(|array| array.description().name == *variable);
        let array = array.ok_or("missing variable")?;
        let first = runtime.block_on(array.fetch(index))?.ok_or("not stored")?;
        assert!(
            (1..=*most).contains(&first.bytes_fetched),
            "{file} {variable}: {} bytes",
            first.bytes_fetched
        );
        let again = runtime.block_on(array.fetch(index))?.ok_or("not stored")?;
        assert!(
            again.bytes_fetched <= first.bytes_fetched,
            "the index is read once"
        );
    }
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    let cube =
        |name: &'static str| Trial::test(format!("netcdf_cubes::{name}"), || check_cube(name));
    vec![
        cube("days3"),
        cube("days4"),
        cube("nemo"),
        places::with_data("netcdf_cubes::ostia", |_: &Path| check_cube("ostia")),
        Trial::test("netcdf_cubes::thousand_files", check_thousand_files),
        Trial::test("netcdf_cubes::bytes_fetched", check_bytes_fetched),
    ]
}
