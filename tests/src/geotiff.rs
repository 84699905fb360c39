//! The reader of GeoTIFF against GDAL (`oracle/geotiff.py`): every cell of every band and overview, where the cells
//! are, and which are missing; in which system they are, by places in it (`oracle/geotiff_systems.py`).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::{cast, is_not_null};
use arrow::datatypes::{DataType, Float64Type};
use graticule_connectors::formats::geotiff::reading::GeoTiff;
use graticule_engine::cube::decoding::{Decoding, DecodingRules};
use graticule_engine::error::CubeResult;
use graticule_engine::source::{ArrayReader, CubeFormat, Group, Options};
use libtest_mimic::{Failed, Trial};
use serde_json::{Map, Value, json};

use crate::netcdf::{location, runtime};
use crate::oracle;
use crate::places::with_data;
use crate::zarr::wait;
use crate::zarr_store::Observed;
use crate::zarr_writing::judge;

const SCRIPT: &str = "geotiff.py";

/// The values of a band as stored, in C order, and a byte per cell that is 0 where the engine finds it missing.
struct Whole {
    values: Vec<u8>,
    valid: Vec<u8>,
}

/// Reads all chunks of a band. Values become those of `dtype`, as GDAL has them.
async fn read_band(array: &dyn ArrayReader, dtype: &DataType) -> CubeResult<Whole> {
    let description = array.description();
    let (height, width) = (description.shape[0] as usize, description.shape[1] as usize);
    let rules = DecodingRules {
        mask_and_scale: true,
        times: true,
    };
    let decoding = Decoding::new(description, rules)?;
    let bytes = dtype.primitive_width().expect("a number");
    let mut whole = Whole {
        values: fill(array, dtype).repeat(height * width),
        valid: vec![u8::from(!decoding.fill().is_null()); height * width],
    };
    let [rows, columns] = &description.chunks[..] else {
        panic!("{} has no rows and columns", description.name);
    };
    for row in 0..rows.count() {
        for column in 0..columns.count() {
            let index = [row, column];
            let Some(chunk) = array.fetch(&index).await? else {
                continue;
            };
            let raw = array.decode(&index, chunk)?;
            let stride = raw.shape[1];
            let values = plain_bytes(&cast(&raw.values, dtype).expect("numbers"));
            let (decoded, _) = decoding.apply(raw)?;
            let valid = is_not_null(&decoded).expect("a mask");
            for (from, row) in rows.range(row).enumerate() {
                for (at, column) in columns.range(column).enumerate() {
                    let (from, to) = (from * stride + at, row as usize * width + column as usize);
                    let cell = &values[from * bytes..(from + 1) * bytes];
                    whole.values[to * bytes..(to + 1) * bytes].copy_from_slice(cell);
                    whole.valid[to] = u8::from(valid.value(from));
                }
            }
        }
    }
    Ok(whole)
}

/// The bytes of the value that cells have which are not stored. GDAL has 0 under a mask.
fn fill(array: &dyn ArrayReader, dtype: &DataType) -> Vec<u8> {
    let fill = array.description().fill_value.as_i64().unwrap_or(0);
    let fill = cast(&Int64Array::from(vec![fill]), dtype);
    plain_bytes(&fill.expect("a number"))
}

fn plain_bytes(values: &ArrayRef) -> Vec<u8> {
    let data = values.to_data();
    let width = values.data_type().primitive_width().expect("a number");
    let start = data.offset() * width;
    data.buffers()[0].as_slice()[start..start + values.len() * width].to_vec()
}

/// The type that NumPy calls `name`.
fn type_named(name: &str) -> DataType {
    match name {
        "u1" => DataType::UInt8,
        "i1" => DataType::Int8,
        "u2" => DataType::UInt16,
        "i2" => DataType::Int16,
        "u4" => DataType::UInt32,
        "i4" => DataType::Int32,
        "u8" => DataType::UInt64,
        "i8" => DataType::Int64,
        "f4" => DataType::Float32,
        "f8" => DataType::Float64,
        other => panic!("type {other}"),
    }
}

async fn read_coordinates(array: &dyn ArrayReader) -> CubeResult<Vec<f64>> {
    let mut values = Vec::new();
    for chunk in 0..array.description().chunks[0].count() {
        let Some(encoded) = array.fetch(&[chunk]).await? else {
            continue;
        };
        let raw = array.decode(&[chunk], encoded)?;
        values.extend(raw.values.as_primitive::<Float64Type>().values());
    }
    Ok(values)
}

/// All differences between an image and what GDAL reads of it.
async fn compare_image(folder: &Path, place: &str, group: &Group, expected: &Value) -> Vec<String> {
    let find = |name: &str| {
        let mut arrays = group.arrays.iter();
        arrays.find(|array| array.description().name == name)
    };
    let mut wrong = Vec::new();
    let dimensions = expected["dimensions"].as_array().expect("dimensions");
    let coordinates = expected["coordinates"].as_array().expect("coordinates");
    for (dimension, expected) in dimensions.iter().zip(coordinates) {
        let dimension = dimension.as_str().expect("a name");
        let Some(array) = find(dimension) else {
            wrong.push(format!("{place}: {dimension} is missing"));
            continue;
        };
        let expected: Vec<f64> = serde_json::from_value(expected.clone()).expect("numbers");
        let size = (expected[1] - expected[0]).abs();
        match read_coordinates(array.as_ref()).await {
            Err(error) => wrong.push(format!("{place}, {dimension}: {error}")),
            // Sums in another order may differ in the last digit.
            Ok(found) => {
                let near = |(a, b): (&f64, &f64)| (a - b).abs() <= size * 1e-9;
                if found.len() != expected.len() || !found.iter().zip(&expected).all(near) {
                    wrong.push(format!("{place}, {dimension}: {found:?}, not {expected:?}"));
                }
            }
        }
    }
    for band in expected["bands"].as_array().expect("bands") {
        let name = band["name"].as_str().expect("a name");
        let place = format!("{place}, {name}");
        let Some(array) = find(name) else {
            wrong.push(format!("{place}: is missing"));
            continue;
        };
        let dtype = type_named(band["dtype"].as_str().expect("a type"));
        let stored = &array.description().data_type;
        if *stored != dtype && *stored != DataType::Float16 {
            wrong.push(format!("{place}: type {stored}, not {dtype}"));
        }
        let read = |key: &str| fs::read(folder.join(band[key].as_str().expect("a file")));
        let (values, valid) = (read("raw").expect("values"), read("valid").expect("cells"));
        match read_band(array.as_ref(), &dtype).await {
            Err(error) => wrong.push(format!("{place}: {error}")),
            Ok(found) => {
                let width = dtype.primitive_width().expect("a number");
                let is_there = |cell: usize| valid[cell] != 0;
                let differing = (0..valid.len()).filter(|cell| {
                    let bytes = cell * width..(cell + 1) * width;
                    is_there(*cell) && found.values.get(bytes.clone()) != values.get(bytes)
                });
                let differing: Vec<usize> = differing.collect();
                if let Some(first) = differing.first() {
                    let count = differing.len();
                    wrong.push(format!(
                        "{place}: {count} cells differ, the first is {first}"
                    ));
                }
                if found.valid != valid {
                    wrong.push(format!("{place}: other cells are missing"));
                }
            }
        }
    }
    wrong
}

/// The attributes that are expected must be there, with the same values.
fn compare_attributes(place: &str, found: &Map<String, Value>, expected: &Value) -> Vec<String> {
    let expected = expected.as_object().into_iter().flatten();
    let differing = expected.filter(|(name, value)| found.get(*name) != Some(value));
    differing
        .map(|(name, value)| format!("{place}: {name} is {:?}, not {value}", found.get(name)))
        .collect()
}

async fn differences(folder: &Path, name: &str, expected: &Value) -> Vec<String> {
    let path = folder.join(expected["path"].as_str().unwrap_or_default());
    let groups = match GeoTiff.open(&location(&path), &Options::new()).await {
        Ok(groups) => groups,
        Err(error) => return vec![format!("{name}: cannot open: {error}")],
    };
    let images = expected["groups"].as_object().expect("groups");
    let paths: BTreeSet<&str> = groups.iter().map(|group| group.path.as_str()).collect();
    let wanted: BTreeSet<&str> = images.keys().map(String::as_str).collect();
    let mut wrong = Vec::new();
    if paths != wanted {
        wrong.push(format!("{name}: groups {paths:?}, not {wanted:?}"));
    }
    for (path, image) in images {
        if let Some(group) = groups.iter().find(|group| group.path == *path) {
            let place = format!("{name}, group {path:?}");
            wrong.extend(compare_image(folder, &place, group, image).await);
        }
    }
    let root = &groups[0];
    wrong.extend(compare_attributes(
        name,
        &root.attributes,
        &expected["attributes"],
    ));
    for (variable, expected) in expected["variables"].as_object().into_iter().flatten() {
        let mut arrays = root.arrays.iter();
        let found = arrays.find(|array| array.description().name == *variable);
        let attributes = found.map(|array| array.description().attributes.clone());
        let place = format!("{name}, {variable}");
        wrong.extend(compare_attributes(
            &place,
            &attributes.unwrap_or_default(),
            expected,
        ));
    }
    wrong
}

/// The files of the oracle whose names start with `prefix`.
fn files(prefix: &str) -> Result<Vec<(String, Value)>, Failed> {
    let folder = oracle::oracle(SCRIPT)?;
    let files: Map<String, Value> =
        serde_json::from_slice(&fs::read(folder.join("expected.json"))?)?;
    let files = files
        .into_iter()
        .filter(|(name, _)| name.starts_with(prefix));
    Ok(files.collect())
}

/// Compares the files of the oracle whose names start with `prefix`, at least `least` of them.
fn check(prefix: &str, least: usize) -> Result<(), Failed> {
    let folder = oracle::oracle(SCRIPT)?;
    let files = files(prefix)?;
    assert!(files.len() >= least, "{} files {prefix}*", files.len());
    let runtime = runtime();
    let mut wrong = Vec::new();
    for (name, expected) in &files {
        wrong.extend(runtime.block_on(differences(&folder, name, expected)));
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n").into()),
    }
}

/// The systems that the reader names put points of the image at the places at which GDAL puts them.
fn check_systems() -> Result<(), Failed> {
    let folder = oracle::oracle(SCRIPT)?;
    let runtime = runtime();
    let mut manifest = Vec::new();
    for (name, expected) in files("system_")? {
        let path = folder.join(expected["path"].as_str().unwrap_or_default());
        let groups = runtime.block_on(GeoTiff.open(&location(&path), &Options::new()))?;
        let mut arrays = groups[0].arrays.iter();
        let mapping = arrays.find(|array| array.description().name == "spatial_ref");
        let attributes = mapping.map(|array| array.description().attributes.clone());
        manifest.push(json!({
            "name": name,
            "attributes": attributes,
            "system": expected["system"],
        }));
    }
    let scratch = tempfile::tempdir()?;
    judge("geotiff_systems.py", scratch.path(), &manifest)
}

/// Opening asks for the size of the file and reads its beginning; a tile is one request more. Of files that have their
/// indexes elsewhere these are read once.
fn check_requests() -> Result<(), Failed> {
    let folder = oracle::oracle(SCRIPT)?.join("generated");
    // File, requests to open it, for a first chunk, and for a second one; at most.
    for (name, opening, first, second) in [
        ("cog_zstd.tif", 2, 1, 1),
        ("strips_large.tif", 3, 3, 1),
        ("tiles_many.tif", 3, 3, 1),
    ] {
        let store = Observed::with(&[(name, &fs::read(folder.join(name))?)]);
        let place = store.location(true).child(name);
        let groups = wait(GeoTiff.open(&place, &Options::new()))?;
        let mut requests = vec![store.take_reads()];
        let band = groups[0].arrays.last().expect("a band");
        for index in [[0, 0], [1, 0]] {
            wait(band.fetch(&index))?;
            requests.push(store.take_reads());
        }
        let most = [opening, first, second];
        let is_fine = requests
            .iter()
            .zip(most)
            .all(|(found, most)| *found <= most);
        assert!(is_fine, "{name}: {requests:?}, at most {most:?}");
    }
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    let of = |prefix: &'static str, least: usize| {
        Trial::test(format!("geotiff::{prefix}"), move || check(prefix, least))
    };
    vec![
        of("layout_", 340),
        of("strips_", 3),
        of("tiles_", 1),
        of("bits_", 6),
        of("float16", 2),
        of("nodata_", 6),
        of("sparse_", 4),
        of("mask_", 4),
        of("overviews", 2),
        of("cog_", 3),
        of("place_", 4),
        of("system_", 20),
        of("said", 1),
        with_data("geotiff::real_", |_| check("real_", 2)),
        Trial::test("geotiff::systems", check_systems),
        Trial::test("geotiff::requests", check_requests),
    ]
}
