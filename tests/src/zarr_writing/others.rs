//! What zarr-python, xarray, GDAL and our own reader make of random cubes.

use std::fs;
use std::path::Path;
use std::process::Command;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::random::{Random, cube};
use super::{Filled, local, write};
use crate::places;
use crate::zarr::{array, open, read, wait};

/// Cubes per version of Zarr.
const CUBES: u64 = 12;

/// Writes random cubes and compares them cell by cell.
fn check(version: &'static str) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut manifest = Vec::new();
    for number in 0..CUBES {
        let seed = number * 2 + u64::from(version == "3");
        let filled = cube(&mut Random(seed), version == "3");
        let name = format!("{number}.zarr");
        let place = local(&folder.path().join(&name));
        wait(write(&place, &filled, &[("zarr_version", version)], None))?;
        check_own(&place, &filled, &format!("seed {seed}"))?;
        for (array, values) in filled.cube.arrays.iter().zip(&filled.values) {
            manifest.push(json!({
                "cube": name,
                "array": array.name,
                "shape": array.shape,
                "dimensions": array.dimensions,
                "chunks": array.chunks,
                "shards": array.shards,
                "type": array.data_type.to_string(),
                "missing": array.attributes.get("_FillValue"),
                "long_name": array.attributes["long_name"],
                "values": stored(folder.path(), &format!("{name}-{}", array.name), values)?,
            }));
        }
    }
    judge("zarr_written.py", folder.path(), &manifest)
}

/// What `script` says of the cubes in `folder`, which were written as the manifest lists it.
pub(crate) fn judge(script: &str, folder: &Path, manifest: &[Value]) -> Result<(), Failed> {
    fs::write(folder.join("manifest.json"), serde_json::to_vec(manifest)?)?;
    let outcome = Command::new(places::python())
        .arg(places::repository().join("tests/oracle").join(script))
        .arg(folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()?;
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&outcome.stderr).into_owned();
    let expected = format!("{} arrays are the same", manifest.len());
    match outcome.status.success() && said.contains(&expected) {
        true => Ok(()),
        false => Err(format!("{said}{complaint}").into()),
    }
}

/// Texts go into the manifest, bytes into a file of their own.
pub(crate) fn stored(folder: &Path, name: &str, values: &ArrayRef) -> Result<Value, Failed> {
    let bytes = match values.data_type() {
        DataType::Utf8 => {
            let texts: Vec<&str> = values.as_string::<i32>().iter().flatten().collect();
            return Ok(json!(texts));
        }
        DataType::Boolean => values.as_boolean().values().iter().map(u8::from).collect(),
        _ => values.to_data().buffers()[0].as_slice().to_vec(),
    };
    let file = format!("{name}.bin");
    fs::write(folder.join(&file), bytes)?;
    Ok(json!(file))
}

/// Our own reader finds the values and what was said of them.
pub(crate) fn check_own(
    place: &graticule_engine::source::Location,
    filled: &Filled,
    what: &str,
) -> Result<(), Failed> {
    let groups = open(place, &[]).map_err(|error| format!("{what}: {error}"))?;
    for (target, values) in filled.cube.arrays.iter().zip(&filled.values) {
        let name = &target.name;
        let found = array(&groups, "", name).ok_or_else(|| format!("{what}: no {name}"))?;
        let description = found.description();
        assert_eq!(description.shape, target.shape, "{what} {name}");
        assert_eq!(description.dimensions, target.dimensions, "{what} {name}");
        assert_eq!(description.data_type, target.data_type, "{what} {name}");
        assert_eq!(description.shard_shape, target.shards, "{what} {name}");
        let cells = wait(read(found)).map_err(|error| format!("{what} {name}: {error}"))?;
        if !is_same(&cells, values) {
            return Err(format!("{what} {name}: {cells:?}, not {values:?}").into());
        }
    }
    Ok(())
}

/// Bit for bit, except that "not a number" is one value.
pub(crate) fn is_same(left: &ArrayRef, right: &ArrayRef) -> bool {
    use arrow::datatypes::{Float32Type, Float64Type};
    match left.data_type() {
        DataType::Float32 => {
            let values = |array: &ArrayRef| array.as_primitive::<Float32Type>().values().to_vec();
            let (left, right) = (values(left), values(right));
            let is_same =
                |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
            left.len() == right.len() && left.iter().zip(&right).all(is_same)
        }
        DataType::Float64 => {
            let values = |array: &ArrayRef| array.as_primitive::<Float64Type>().values().to_vec();
            let (left, right) = (values(left), values(right));
            let is_same =
                |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
            left.len() == right.len() && left.iter().zip(&right).all(is_same)
        }
        _ => left.as_ref() == right.as_ref(),
    }
}

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("zarr_writing::v3_is_read_by_others", || check("3")),
        Trial::test("zarr_writing::v2_is_read_by_others", || check("2")),
    ]
}
