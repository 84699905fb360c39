//! The NetCDF reader against the netCDF C library (`oracle/netcdf.py`): every cell of every file,
//! raw, neither masked nor scaled.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::object_store::local::LocalFileSystem;
use datafusion::object_store::path::Path as ObjectPath;
use graticule_connectors::formats::netcdf::Netcdf;
use graticule_engine::cube::decoding::{Decoding, DecodingRules};
use graticule_engine::error::CubeResult;
use graticule_engine::source::{
    ArrayDescription, ArrayReader, CubeFormat, Group, Location, Options,
};
use libtest_mimic::{Failed, Trial};
use serde_json::{Map, Value};

use crate::{oracle, places};

/// The place of a file of this machine.
pub(crate) fn location(file: &Path) -> Location {
    let file = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
    Location {
        store: Arc::new(LocalFileSystem::new()),
        path: ObjectPath::from_absolute_path(&file).expect("an absolute path"),
        url: file.display().to_string(),
        listable: true,
        missing_is_403: false,
        local: false,
        as_of: None,
    }
}

/// The values of a whole array.
#[derive(Debug, PartialEq)]
pub(crate) enum Whole {
    /// Little-endian, in C order.
    Bytes(Vec<u8>),
    Strings(Vec<String>),
}

/// The chunk `number` in C order over the grid of chunks: its index and its cells.
fn chunk(
    description: &ArrayDescription,
    counts: &[u64],
    number: u64,
) -> (Vec<u64>, Vec<Range<u64>>) {
    let mut rest = number;
    let mut index = vec![0; counts.len()];
    for axis in (0..counts.len()).rev() {
        index[axis] = rest % counts[axis];
        rest /= counts[axis];
    }
    let chunks = description.chunks.iter().zip(&index);
    let region = chunks.map(|(axis, i)| axis.range(*i)).collect();
    (index, region)
}

/// Reads all chunks of an array and puts them together.
pub(crate) async fn read_whole(reader: &dyn ArrayReader) -> CubeResult<Whole> {
    let description = reader.description();
    let shape: Vec<usize> = description.shape.iter().map(|n| *n as usize).collect();
    let cells: usize = shape.iter().product();
    let counts: Vec<u64> = description.chunks.iter().map(|axis| axis.count()).collect();
    let width = match &description.data_type {
        DataType::Utf8 => 0,
        DataType::Boolean | DataType::FixedSizeBinary(1) => 1,
        number => number.primitive_width().expect("a number"),
    };
    let mut bytes = fill_bytes(description, width).repeat(cells);
    let mut strings = vec![String::new(); if width == 0 { cells } else { 0 }];
    let chunks: u64 = counts.iter().product();
    for number in 0..chunks {
        let (index, region) = chunk(description, &counts, number);
        let Some(encoded) = reader.fetch(&index).await? else {
            continue;
        };
        let chunk = reader.decode(&index, encoded)?;
        let values = plain_bytes(&chunk.values);
        let inside: usize = region
            .iter()
            .map(|cells| (cells.end - cells.start) as usize)
            .product();
        for cell in 0..inside {
            let (mut rest, mut from, mut to) = (cell, 0, 0);
            let (mut from_step, mut to_step) = (1, 1);
            for axis in (0..shape.len()).rev() {
                let extent = (region[axis].end - region[axis].start) as usize;
                let at = rest % extent;
                rest /= extent;
                from += at * from_step;
                to += (region[axis].start as usize + at) * to_step;
                from_step *= chunk.shape[axis];
                to_step *= shape[axis];
            }
            if width == 0 {
                strings[to] = chunk.values.as_string::<i32>().value(from).to_string();
            } else {
                bytes[to * width..(to + 1) * width]
                    .copy_from_slice(&values[from * width..(from + 1) * width]);
            }
        }
    }
    Ok(if width == 0 {
        Whole::Strings(strings)
    } else {
        Whole::Bytes(bytes)
    })
}

/// The bytes of the fill value, which cells of chunks that do not exist have.
fn fill_bytes(description: &ArrayDescription, width: usize) -> Vec<u8> {
    let fill = &description.fill_value;
    let float = match fill.as_str() {
        Some("NaN") => Some(f64::NAN),
        _ => fill.as_f64(),
    };
    match (&description.data_type, float, fill.as_i64(), fill.as_u64()) {
        (DataType::Float32, Some(v), _, _) => (v as f32).to_le_bytes().to_vec(),
        (DataType::Float64, Some(v), _, _) => v.to_le_bytes().to_vec(),
        (DataType::FixedSizeBinary(1), ..) => {
            vec![
                fill.as_str()
                    .and_then(|text| text.bytes().next())
                    .unwrap_or(0),
            ]
        }
        (_, _, Some(v), _) => v.to_le_bytes()[..width].to_vec(),
        (_, _, _, Some(v)) => v.to_le_bytes()[..width].to_vec(),
        _ => vec![0; width],
    }
}

fn plain_bytes(values: &ArrayRef) -> Vec<u8> {
    match values.data_type() {
        DataType::Utf8 => Vec::new(),
        DataType::Boolean => values
            .as_boolean()
            .iter()
            .map(|v| u8::from(v == Some(true)))
            .collect(),
        _ => values.to_data().buffers()[0].as_slice().to_vec(),
    }
}

/// What the C library calls a type.
fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Int8 => "i1",
        DataType::Int16 => "i2",
        DataType::Int32 => "i4",
        DataType::Int64 => "i8",
        DataType::UInt8 => "u1",
        DataType::UInt16 => "u2",
        DataType::UInt32 => "u4",
        DataType::UInt64 => "u8",
        DataType::Float32 => "f4",
        DataType::Float64 => "f8",
        DataType::FixedSizeBinary(1) => "S1",
        DataType::Utf8 => "str",
        _ => "other",
    }
}

/// All differences between a file and what the C library reads from it.
async fn differences(folder: &Path, name: &str, expected: &Value) -> Vec<String> {
    let path = folder.join(expected["path"].as_str().unwrap_or_default());
    let groups = match Netcdf.open(&location(&path), &Options::new()).await {
        Ok(groups) => groups,
        Err(error) => return vec![format!("{name}: cannot open: {error}")],
    };
    let mut found = Vec::new();
    let expected_groups = expected["groups"].as_object().expect("groups");
    for (path, expected) in expected_groups {
        let variables = expected["variables"].as_object().expect("variables");
        let Some(group) = groups.iter().find(|group| group.path == *path) else {
            // A group whose variables all have types that are left out is left out too.
            if variables
                .values()
                .any(|variable| variable["dtype"] != "other")
            {
                found.push(format!("{name}: group {path:?} is missing"));
            }
            continue;
        };
        compare_attributes(
            &format!("{name}, group {path:?}"),
            &group.attributes,
            &expected["attributes"],
            &mut found,
        );
        for (variable, expected) in variables {
            let place = format!("{name}, {path}/{variable}");
            compare_variable(folder, &place, group, variable, expected, &mut found).await;
        }
    }
    found
}

async fn compare_variable(
    folder: &Path,
    place: &str,
    group: &Group,
    variable: &str,
    expected: &Value,
    found: &mut Vec<String>,
) {
    let reader = group
        .arrays
        .iter()
        .find(|array| array.description().name == variable);
    let dtype = expected["dtype"].as_str().unwrap_or_default();
    let Some(reader) = reader else {
        if dtype != "other" {
            found.push(format!("{place}: is missing"));
        }
        return;
    };
    let description = reader.description();
    let dims: Vec<Value> = description
        .dimensions
        .iter()
        .map(|d| Value::from(d.as_str()))
        .collect();
    let shape: Vec<Value> = description.shape.iter().map(|n| Value::from(*n)).collect();
    let phony = dims
        .iter()
        .any(|dim| dim.as_str().is_some_and(|dim| dim.starts_with("dim_")));
    if !phony && Value::Array(dims.clone()) != expected["dims"] {
        found.push(format!(
            "{place}: dimensions {dims:?}, not {}",
            expected["dims"]
        ));
    }
    if Value::Array(shape.clone()) != expected["shape"] {
        found.push(format!(
            "{place}: shape {shape:?}, not {}",
            expected["shape"]
        ));
        return;
    }
    compare_attributes(
        place,
        &description.attributes,
        &expected["attributes"],
        found,
    );
    if dtype == "unreadable" {
        return;
    }
    if dtype != type_name(&description.data_type) {
        found.push(format!(
            "{place}: type {}, not {dtype}",
            description.data_type
        ));
        return;
    }
    let whole = match read_whole(reader.as_ref()).await {
        Ok(whole) => whole,
        Err(error) => {
            found.push(format!("{place}: {error}"));
            return;
        }
    };
    let wanted = match expected["raw"].as_str() {
        Some(raw) => Whole::Bytes(fs::read(folder.join(raw)).expect("the oracle's values")),
        None => Whole::Strings(
            expected["strings"]
                .as_array()
                .expect("strings")
                .iter()
                .map(|text| text.as_str().unwrap_or_default().to_string())
                .collect(),
        ),
    };
    if whole != wanted {
        found.push(format!("{place}: {}", first_difference(&whole, &wanted)));
    }
}

fn first_difference(whole: &Whole, wanted: &Whole) -> String {
    match (whole, wanted) {
        (Whole::Bytes(a), Whole::Bytes(b)) if a.len() == b.len() => {
            let differing = a.iter().zip(b).filter(|(a, b)| a != b).count();
            let first = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(0);
            let end = (first + 8).min(a.len());
            format!(
                "{differing} of {} bytes differ, the first at {first}: {:?}, not {:?}",
                a.len(),
                &a[first..end],
                &b[first..end]
            )
        }
        (a, b) => format!("{a:?}, not {b:?}").chars().take(500).collect(),
    }
}

/// The attributes that the C library shows must be there, with the same values.
fn compare_attributes(
    place: &str,
    ours: &Map<String, Value>,
    expected: &Value,
    found: &mut Vec<String>,
) {
    for (name, expected) in expected.as_object().expect("attributes") {
        let ours = ours.get(name).unwrap_or(&Value::Null);
        if !same(ours, expected) {
            found.push(format!(
                "{place}: attribute {name} is {ours}, not {expected}"
            ));
        }
    }
}

/// Equal up to how JSON writes a number, and a list of one being that one.
fn same(ours: &Value, expected: &Value) -> bool {
    match (ours, expected) {
        (ours, Value::Array(one)) if one.len() == 1 && !ours.is_array() => same(ours, &one[0]),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Compares all files of the oracle whose name starts with `prefix`.
fn check(prefix: &str) -> Result<(), Failed> {
    let folder = oracle::oracle("netcdf.py")?;
    let files: Map<String, Value> =
        serde_json::from_slice(&fs::read(folder.join("expected.json"))?)?;
    let mut found = Vec::new();
    let mut compared = 0;
    let runtime = runtime();
    for (name, expected) in files.iter().filter(|(name, _)| name.starts_with(prefix)) {
        found.extend(runtime.block_on(differences(&folder, name, expected)));
        compared += 1;
    }
    if compared == 0 {
        return Err(format!("the oracle has no files {prefix}*").into());
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(found.join("\n").into())
}

/// Valid count, mean, minimum and maximum after masking and scaling, from a file of golden values
/// that the C library's own masking gave. Decoding is the engine's.
fn check_golden() -> Result<(), Failed> {
    let folder = oracle::oracle("netcdf.py")?;
    let files: Map<String, Value> =
        serde_json::from_slice(&fs::read(folder.join("expected.json"))?)?;
    let runtime = runtime();
    let mut found = Vec::new();
    let mut compared = 0;
    for (name, file) in &files {
        let Some(golden) = file["golden"].as_object() else {
            continue;
        };
        let path = folder.join(file["path"].as_str().unwrap_or_default());
        let groups = runtime.block_on(Netcdf.open(&location(&path), &Options::new()))?;
        for (variable, golden) in golden {
            let reader = groups[0]
                .arrays
                .iter()
                .find(|array| array.description().name == *variable);
            let (Some(reader), Some(_)) = (reader, golden["mean"].as_f64()) else {
                continue;
            };
            let statistics = runtime.block_on(statistics(reader.as_ref()))?;
            let wanted = ["valid", "mean", "min", "max"].map(|key| golden[key].as_f64());
            let close = statistics
                .iter()
                .zip(wanted)
                .all(|(a, b)| b.is_some_and(|b| (a - b).abs() <= 1e-6 * b.abs().max(1e-3)));
            if !close {
                found.push(format!(
                    "{name}, {variable}: {statistics:?}, not {wanted:?}"
                ));
            }
            compared += 1;
        }
    }
    assert!(compared > 150, "only {compared} variables compared");
    match found.is_empty() {
        true => Ok(()),
        false => Err(found.join("\n").into()),
    }
}

async fn statistics(reader: &dyn ArrayReader) -> CubeResult<[f64; 4]> {
    let description = reader.description();
    let rules = DecodingRules {
        mask_and_scale: true,
        times: false,
    };
    let decoding = Decoding::new(description, rules)?;
    let counts: Vec<u64> = description.chunks.iter().map(|axis| axis.count()).collect();
    let (mut count, mut sum) = (0.0, 0.0);
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for number in 0..counts.iter().product() {
        let (index, region) = chunk(description, &counts, number);
        let Some(encoded) = reader.fetch(&index).await? else {
            continue;
        };
        let raw = reader.decode(&index, encoded)?;
        let shape = raw.shape.clone();
        let (values, _) = decoding.apply(raw)?;
        let values = cast(&values, &DataType::Float64).expect("numbers");
        let values = values.as_primitive::<Float64Type>();
        for cell in 0..values.len() {
            let mut rest = cell;
            let inside = (0..shape.len()).rev().all(|axis| {
                let at = (rest % shape[axis]) as u64;
                rest /= shape[axis];
                at < region[axis].end - region[axis].start
            });
            if inside && values.is_valid(cell) && !values.value(cell).is_nan() {
                let value = values.value(cell);
                count += 1.0;
                sum += value;
                least = least.min(value);
                most = most.max(value);
            }
        }
    }
    Ok([count, sum / count, least, most])
}

/// Files with the same values under filters that the C library here cannot undo.
fn check_plugins(data: &Path) -> Result<(), Failed> {
    let folder = data.join("store-fixtures/kerchunk/hdf5");
    let runtime = runtime();
    let read = |name: &str, variable: &str| -> Result<Whole, Failed> {
        let file = folder.join(format!("hdf5_{name}.h5"));
        let groups = runtime.block_on(Netcdf.open(&location(&file), &Options::new()))?;
        let mut arrays = groups.iter().flat_map(|group| &group.arrays);
        let array = arrays
            .find(|array| array.description().name == variable)
            .ok_or(format!("{name} has no {variable}"))?;
        Ok(runtime.block_on(read_whole(array.as_ref()))?)
    };
    let zstd = read("compression_zstd", "data")?;
    for name in ["bitshuffle", "lz4", "blosc_lz4_bitshuffle"] {
        assert_eq!(
            read(&format!("compression_{name}"), "data")?,
            zstd,
            "{name}"
        );
    }
    let zstd = read("mini_zstd", "data")?;
    for name in ["blosc", "lz4", "shuffle_blosc", "shuffle_zstd"] {
        assert_eq!(read(&format!("mini_{name}"), "data")?, zstd, "{name}");
    }
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("netcdf::generated_files", || check("generated/")),
        Trial::test("netcdf::sample_files", || check("samples/")),
    ];
    for prefix in ["golden", "ostia", "olci-swath", "kerchunk"] {
        trials.push(places::with_data(
            format!("netcdf::{prefix}_files"),
            move |_| check(&format!("{prefix}/")),
        ));
    }
    trials.push(places::with_data("netcdf::golden_statistics", |_| {
        check_golden()
    }));
    trials.push(places::with_data(
        "netcdf::filters_of_plugins",
        check_plugins,
    ));
    trials
}
