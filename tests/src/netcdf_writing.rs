//! NetCDF-4 as Graticule writes it, read by the netCDF library and by ourselves.
//!
//! ```text
//!  random cubes ─▶ the sink of NetCDF ─▶ files ─┬─▶ netCDF (oracle/netcdf_written.py)
//!                                               └─▶ the format NetCDF
//! ```

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::object_store::ObjectStoreExt;
use datafusion::object_store::memory::InMemory;
use futures::TryStreamExt;
use graticule_engine::error::ErrorKind;
use graticule_engine::sink::TargetArray;
use graticule_engine::source::Location;
use libtest_mimic::{Failed, Trial};
use serde_json::json;

use crate::client::{Client, Variables, engine};
use crate::places;
use crate::zarr::{array, open, read, wait};
use crate::zarr_writing::random::{Random, cube};
use crate::zarr_writing::{
    Filled, is_same, judge, local, options, put_all, sink_of, stored, write_and_clear,
};

const FORMAT: &str = "NETCDF";

const CUBES: u64 = 16;

const CODECS: [Option<&str>; 4] = [None, Some("none"), Some("deflate:1"), Some("gzip:9")];

/// A random cube without what NetCDF does not have: shards.
fn random_cube(seed: u64) -> Filled {
    let mut filled = cube(&mut Random(seed), false);
    for (number, array) in filled.cube.arrays.iter_mut().enumerate() {
        let codec = CODECS[(seed as usize + number) % CODECS.len()];
        array.codec = codec.map(str::to_string);
    }
    filled
}

/// Writes random cubes and compares them cell by cell.
fn others_read_them() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut manifest = Vec::new();
    for seed in 0..CUBES {
        let filled = random_cube(seed);
        let name = format!("{seed}.nc");
        let place = local(&folder.path().join(&name));
        wait(write_and_clear(FORMAT, &place, &filled, &[]))
            .map_err(|error| format!("seed {seed}: {error}"))?;
        check_own(&place, &filled, &format!("seed {seed}"))?;
        for (array, values) in filled.cube.arrays.iter().zip(&filled.values) {
            manifest.push(json!({
                "cube": name,
                "array": array.name,
                "shape": array.shape,
                "dimensions": array.dimensions,
                "chunks": within(array),
                "codec": array.codec,
                "type": array.data_type.to_string(),
                "missing": array.attributes.get("_FillValue"),
                "long_name": array.attributes["long_name"],
                "values": stored(folder.path(), &format!("{name}-{}", array.name), values)?,
            }));
        }
        let left = fs::read_dir(folder.path())?.flatten();
        let left: Vec<_> = left.filter(|entry| entry.path().is_dir()).collect();
        assert!(left.is_empty(), "{left:?} is left");
    }
    judge("netcdf_written.py", folder.path(), &manifest)
}

/// Chunks of a NetCDF file are no longer than its dimensions.
fn within(array: &TargetArray) -> Vec<u64> {
    let along = array.chunks.iter().zip(&array.shape);
    along
        .map(|(chunk, length)| *chunk.min(&(*length).max(1)))
        .collect()
}

/// Our own reader finds the stored values.
fn check_own(place: &Location, filled: &Filled, what: &str) -> Result<(), Failed> {
    let groups = open(place, &[]).map_err(|error| format!("{what}: {error}"))?;
    for (target, values) in filled.cube.arrays.iter().zip(&filled.values) {
        let name = &target.name;
        let found = array(&groups, "", name).ok_or_else(|| format!("{what}: no {name}"))?;
        let description = found.description();
        if target.data_type == DataType::Utf8 {
            // Texts are made of characters above the format; slt/writing/netcdf.slt reads them.
            assert_eq!(
                description.data_type,
                DataType::FixedSizeBinary(1),
                "{what} {name}"
            );
            continue;
        }
        assert_eq!(description.shape, target.shape, "{what} {name}");
        assert_eq!(description.dimensions, target.dimensions, "{what} {name}");
        let cells = wait(read(found)).map_err(|error| format!("{what} {name}: {error}"))?;
        let expected = match values.data_type() {
            DataType::Boolean => arrow::compute::cast(values, &DataType::Int8)?,
            _ => Arc::clone(values),
        };
        if !is_same(&cells, &expected) {
            return Err(format!("{what} {name}: {cells:?}, not {expected:?}").into());
        }
    }
    Ok(())
}

/// An index of three levels: more chunks than two levels can have.
fn many_chunks() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut filled = random_cube(1);
    let cells = 64 * 64 + 100;
    let array = TargetArray {
        name: "many".to_string(),
        dimensions: vec!["x".to_string()],
        shape: vec![cells],
        chunks: vec![1],
        shards: None,
        data_type: DataType::Int32,
        fill_value: json!(7),
        codec: Some("none".to_string()),
        attributes: Default::default(),
    };
    filled.cube.arrays = vec![array];
    filled.values = vec![Arc::new(arrow::array::Int32Array::from_iter_values(
        0..cells as i32,
    ))];
    // In a store, where parts are uploaded; a disk would be waited for at each chunk.
    let place = Location {
        store: Arc::new(InMemory::new()),
        path: "folder/many.nc".into(),
        url: "memory:///folder/many.nc".to_string(),
        listable: true,
        missing_is_403: false,
        local: false,
        as_of: None,
    };
    wait(write_and_clear(FORMAT, &place, &filled, &[]))?;
    check_own(&place, &filled, "many chunks")?;
    let objects: Vec<_> = wait(place.store.list(None).try_collect())?;
    assert_eq!(objects.len(), 1, "{objects:?}");
    let bytes = wait(async { place.store.get(&place.path).await?.bytes().await })?;
    fs::write(folder.path().join("many.nc"), bytes)?;
    let sum = "import netCDF4, sys; v = netCDF4.Dataset(sys.argv[1])['many'][:]; print(int(v.sum()), len(v))";
    let outcome = Command::new(places::python())
        .args(["-c", sum])
        .arg(folder.path().join("many.nc"))
        .output()?;
    let expected = format!("{} {cells}\n", (cells * (cells - 1)) / 2);
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), expected);
    Ok(())
}

/// Files are written once, by one of two, and never mixed.
fn states() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let place = local(&folder.path().join("x.nc"));
    let (one, other) = (random_cube(3), random_cube(4));
    let version = wait(write_and_clear(FORMAT, &place, &one, &[]))?;
    let error = wait(write_and_clear(FORMAT, &place, &other, &[])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    // Two writers over the same file: the second to commit is told.
    let sink = sink_of(FORMAT);
    let open =
        |filled: &Filled| wait(sink.open(&place, &filled.cube, &options(&[]), Some(&version)));
    let (first, second) = (open(&other)?, open(&one)?);
    wait(put_all(first.as_ref(), &other))?;
    wait(first.commit())?;
    wait(put_all(second.as_ref(), &one))?;
    let error = wait(second.commit()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    check_own(&place, &other, "after the first commit")?;
    wait(sink.sweep(&place))?;
    check_own(&place, &other, "after a sweep")?;
    wait(sink.remove(&place))?;
    assert_eq!(fs::read_dir(folder.path())?.count(), 0);
    // What others wrote stays.
    fs::write(
        folder.path().join("x.nc"),
        b"\x89HDF\r\n\x1a\n of someone else",
    )?;
    let error = wait(sink.remove(&place)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    Ok(())
}

/// What cannot be a NetCDF file is told before anything is written.
fn refusals() -> Result<(), Failed> {
    let filled = random_cube(5);
    let array = filled.cube.arrays[0].clone();
    let changed: [(TargetArray, &str); 6] = [
        (
            TargetArray {
                shards: Some(array.chunks.clone()),
                ..array.clone()
            },
            "no shards",
        ),
        (
            TargetArray {
                data_type: DataType::Binary,
                ..array.clone()
            },
            "not written to NetCDF",
        ),
        (
            TargetArray {
                codec: Some("zstd:3".to_string()),
                ..array.clone()
            },
            "say deflate:4 or none",
        ),
        (
            TargetArray {
                codec: Some("deflate:11".to_string()),
                ..array.clone()
            },
            "levels are 1 to 9",
        ),
        (
            TargetArray {
                name: "x".to_string(),
                dimensions: vec!["y".to_string(), "x".to_string()],
                shape: vec![2, 3],
                chunks: vec![1, 3],
                ..array.clone()
            },
            "name of a dimension",
        ),
        (
            TargetArray {
                attributes: [("history".to_string(), json!("x".repeat(70_000)))]
                    .into_iter()
                    .collect(),
                ..array
            },
            "history is too long",
        ),
    ];
    for (array, expected) in changed {
        let mut cube = filled.cube.clone();
        cube.arrays = vec![array];
        let error = sink_of(FORMAT)
            .check(&cube, &options(&[]))
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
    Ok(())
}

/// A file that was not written here is not removed, and nothing is left beside it.
fn files_of_others() -> Result<(), Failed> {
    let client = Client::new(&engine()?, Variables::of("")?);
    let folder = client.variables.to_folders("$SCRATCH");
    let file = Path::new(&folder).join("theirs.nc");
    fs::copy(places::samples().join("ostia_monthly.nc"), &file)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(client.run("ATTACH '$SCRATCH' AS lake"))?;
    let refused = runtime.block_on(client.run("DROP TABLE lake.theirs"));
    let complaint = refused.err().ok_or("it was removed")?;
    let complaint = complaint.message();
    assert!(
        complaint.contains("not written by Graticule"),
        "{complaint}"
    );
    let names: Vec<_> = fs::read_dir(&folder)?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(names, ["theirs.nc"]);
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("netcdf_writing::others_read_them", others_read_them),
        Trial::test("netcdf_writing::many_chunks", many_chunks),
        Trial::test("netcdf_writing::states", states),
        Trial::test("netcdf_writing::refusals", refusals),
        Trial::test("netcdf_writing::files_of_others", files_of_others),
    ]
}
