//! The reader of GRIB against ecCodes (`oracle/grib.py`): every point of every field, by its place, its time, its level and
//! its member; by the name that ecCodes gives.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use graticule_connectors::formats::grib::Grib;
use graticule_engine::source::{ArrayReader, CubeFormat, Group, Options};
use graticule_functions::space::Transformation;
use libtest_mimic::{Failed, Trial};
use serde_json::{Map, Value};

use crate::netcdf::{location, runtime};
use crate::oracle;
use crate::places::with_data;
use crate::zarr::wait;
use crate::zarr_store::Observed;

const SCRIPT: &str = "grib.py";

fn find<'a>(group: &'a Group, name: &str) -> Option<&'a dyn ArrayReader> {
    let mut arrays = group.arrays.iter();
    let found = arrays.find(|array| array.description().name == name)?;
    Some(found.as_ref())
}

/// A chunk as numbers; `None` for missing cells.
fn chunk(array: &dyn ArrayReader, index: &[u64]) -> Result<Vec<Option<f64>>, Failed> {
    let Some(encoded) = runtime().block_on(array.fetch(index))? else {
        return Ok(Vec::new());
    };
    let raw = array.decode(index, encoded)?;
    let values = cast(&raw.values, &DataType::Float64)?;
    let values = values.as_primitive::<Float64Type>();
    let value = |at: usize| (!values.is_null(at)).then(|| values.value(at));
    Ok((0..values.len()).map(value).collect())
}

/// All coordinates of a dimension.
fn coordinates(group: &Group, name: &str) -> Result<Vec<f64>, Failed> {
    let array = find(group, name).ok_or_else(|| format!("{name} is missing"))?;
    let mut all = Vec::new();
    for number in 0..array.description().chunks[0].count() {
        all.extend(chunk(array, &[number])?.into_iter().flatten());
    }
    Ok(all)
}

/// Latitude and longitude of each cell of the grid, row by row.
fn places(group: &Group) -> Result<Vec<(f64, f64)>, Failed> {
    let is_points =
        find(group, "latitude").is_some_and(|array| array.description().dimensions == ["values"]);
    if is_points {
        let latitudes = coordinates(group, "latitude")?.into_iter();
        return Ok(latitudes.zip(coordinates(group, "longitude")?).collect());
    }
    let Some(mapping) = find(group, "spatial_ref") else {
        let (rows, columns) = (
            coordinates(group, "latitude")?,
            coordinates(group, "longitude")?,
        );
        let row = |row: &f64| {
            columns
                .iter()
                .map(|column| (*row, *column))
                .collect::<Vec<_>>()
        };
        return Ok(rows.iter().flat_map(row).collect());
    };
    let (rows, columns) = (coordinates(group, "y")?, coordinates(group, "x")?);
    let attributes = &mapping.description().attributes;
    let system = attributes["spatial_ref"].as_str().expect("a system");
    let earth = system
        .split(' ')
        .filter(|word| ["+R=", "+a=", "+b="].iter().any(|p| word.starts_with(p)));
    let degrees = format!(
        "+proj=longlat {} +type=crs",
        earth.collect::<Vec<_>>().join(" ")
    );
    let row = |row: &f64| {
        columns
            .iter()
            .map(|column| (*column, *row))
            .collect::<Vec<_>>()
    };
    let mut cells: Vec<(f64, f64)> = rows.iter().flat_map(row).collect();
    Transformation::between(system, &degrees)?.move_places(&mut cells)?;
    Ok(cells.into_iter().map(|(x, y)| (y, x)).collect())
}

/// Places as keys, to a thousandth of a degree and their neighbours: files round coordinates.
fn key((latitude, longitude): (f64, f64), shift: (i64, i64)) -> (i64, i64) {
    let unit = 500.0;
    let east = (longitude.rem_euclid(360.0) * unit).round() as i64 + shift.1;
    (
        (latitude * unit).round() as i64 + shift.0,
        east.rem_euclid(360 * 500),
    )
}

/// The index of the chunk of a field; an error says which coordinate is missing.
fn index(group: &Group, array: &dyn ArrayReader, field: &Value) -> Result<Vec<u64>, Failed> {
    let has_steps = array
        .description()
        .dimensions
        .iter()
        .any(|name| name == "step");
    let number = |name: &str| field[name].as_f64().unwrap_or_default();
    let mut index = Vec::new();
    for name in &array.description().dimensions {
        let wanted = match name.as_str() {
            "time" if has_steps => number("reference"),
            "time" => number("valid"),
            "step" => (number("valid") - number("reference")) / 3600.0,
            "number" => number("number"),
            name if field["kind"] == name => number("level"),
            _ => {
                index.push(0);
                continue;
            }
        };
        let coordinates = coordinates(group, name)?;
        let found = coordinates.iter().position(|other| *other == wanted);
        index.push(
            found.ok_or_else(|| format!("{name} {wanted} is missing in {coordinates:?}"))? as u64,
        );
    }
    Ok(index)
}

fn compare(folder: &Path, groups: &[Group], field: &Value) -> Result<(), Failed> {
    let name = field["name"].as_str().expect("a name");
    let points = field["points"].as_u64().expect("a count");
    let of_kind = |group: &&Group| {
        let array = find(group, name).map(|array| array.description());
        array.is_some_and(|array| {
            let of_grid = array.chunks.iter().map(|axis| axis.size()).product::<u64>();
            array.attributes["GRIB_typeOfLevel"] == field["kind"] && of_grid == points
        })
    };
    let group = groups
        .iter()
        .find(of_kind)
        .ok_or("no such variable on such levels")?;
    let array = find(group, name).ok_or("no such variable")?;
    if field["units"] != "unknown"
        && array.description().attributes.get("units") != Some(&field["units"])
    {
        return Err(format!("units {:?}", array.description().attributes.get("units")).into());
    }
    let found = chunk(array, &index(group, array, field)?)?;
    let bytes = fs::read(folder.join(field["raw"].as_str().expect("a file")))?;
    let raw: Vec<f64> = bytes
        .chunks_exact(8)
        .map(|eight| f64::from_le_bytes(eight.try_into().expect("eight")))
        .collect();
    let (latitudes, rest) = raw.split_at(points as usize);
    let (longitudes, values) = rest.split_at(points as usize);
    let places = places(group)?;
    if (found.len(), places.len()) != (values.len(), values.len()) {
        return Err(format!("{} values at {} places", found.len(), places.len()).into());
    }
    let cells = places.iter().zip(&found);
    let cells: HashMap<_, _> = cells
        .map(|(place, value)| (key(*place, (0, 0)), *value))
        .collect();
    let around = [-1, 0, 1]
        .into_iter()
        .flat_map(|a| [-1, 0, 1].map(|b| (a, b)));
    let around: Vec<(i64, i64)> = around.collect();
    for ((latitude, longitude), wanted) in latitudes.iter().zip(longitudes).zip(values) {
        let place = (*latitude, *longitude);
        let mut near = around
            .iter()
            .filter_map(|shift| cells.get(&key(place, *shift)));
        let is_same = |value: &Option<f64>| match value {
            None => wanted.is_nan(),
            // Cells are floats of 32 bits.
            Some(value) => (value - wanted).abs() <= wanted.abs() * 1.2e-7,
        };
        if !near.clone().any(is_same) {
            let found = near.next();
            return Err(format!("{found:?} at {latitude} {longitude}, not {wanted}").into());
        }
    }
    Ok(())
}

/// Compares the files of the oracle whose names start with `prefix`, at least `least` of them.
fn check(prefix: &str, least: usize) -> Result<(), Failed> {
    let folder = oracle::oracle(SCRIPT)?;
    let files: Map<String, Value> =
        serde_json::from_slice(&fs::read(folder.join("expected.json"))?)?;
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, file) in files.iter().filter(|(name, _)| name.starts_with(prefix)) {
        count += 1;
        let path = folder.join(file["path"].as_str().expect("a path"));
        let groups = match runtime().block_on(Grib.open(&location(&path), &Options::new())) {
            Ok(groups) => groups,
            Err(error) => {
                wrong.push(format!("{name}: cannot open: {error}"));
                continue;
            }
        };
        for (number, field) in file["fields"].as_array().into_iter().flatten().enumerate() {
            if let Err(error) = compare(&folder, &groups, field) {
                let cause = error.message().unwrap_or_default().to_string();
                wrong.push(format!("{name}, field {number}: {cause}"));
            }
        }
    }
    assert!(count >= least, "{count} files {prefix}*");
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n").into()),
    }
}

/// Opening asks for the size of the file and reads its headers: small messages together, of large ones a block each. A
/// chunk is one request.
fn check_requests() -> Result<(), Failed> {
    let folder = oracle::oracle(SCRIPT)?.join("generated");
    for (name, opening) in [
        ("together_1_analyses.grib", 2),
        ("packing_2_simple_large.grib", 2),
    ] {
        let store = Observed::with(&[(name, &fs::read(folder.join(name))?)]);
        let place = store.location(true).child(name);
        let groups = wait(Grib.open(&place, &Options::new()))?;
        let reads = store.take_reads();
        assert!(
            reads <= opening,
            "{name}: {reads} requests, at most {opening}"
        );
        let array = groups[0].arrays.last().expect("a variable");
        wait(array.fetch(&vec![0; array.description().shape.len()]))?;
        assert_eq!(store.take_reads(), 1, "{name}");
    }
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    let of = |prefix: &'static str, least: usize| {
        Trial::test(format!("grib::{prefix}"), move || check(prefix, least))
    };
    vec![
        of("packing_1_", 25),
        of("packing_2_", 55),
        of("scanning_", 24),
        of("grid_", 20),
        of("together_", 14),
        with_data("grib::real_", |_| check("real_", 4)),
        Trial::test("grib::requests", check_requests),
    ]
}
