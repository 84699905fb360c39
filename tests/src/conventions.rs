//! The CF conventions against xarray, cell by cell: the torture list of `oracle/convention_cases.py`
//! in every format, and real files. Where we differ from xarray on purpose, the list says why.

use std::fs;
use std::ops::Range;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use graticule_engine::cube::conventions::interpret;
use graticule_engine::cube::{Axis, Cube, Variable};
use graticule_engine::source::Options;
use libtest_mimic::{Failed, Trial};
use serde_json::{Map, Value};

use crate::netcdf::{location, runtime};
use crate::{oracle, places};

const TABLE: &str = "cube";

/// Relative difference that rounding to 32 bits may cause.
const ROUNDING: f64 = 1e-6;

/// The cubes at `path`, through the format that its suffix names.
async fn open(path: &Path, options: &Options) -> Result<Vec<Cube>, String> {
    let name = path.to_string_lossy();
    let formats = graticule_connectors::formats();
    let mut formats = formats.into_iter();
    let format = formats
        .find(|format| {
            format
                .suffixes()
                .iter()
                .any(|suffix| name.ends_with(suffix))
        })
        .ok_or("no format has this suffix")?;
    let groups = format.open(&location(path), options).await;
    let groups = groups.map_err(|error| error.to_string())?;
    let root = groups.first().ok_or("no group")?;
    interpret(root, TABLE, options)
        .await
        .map_err(|error| error.to_string())
}

/// Reads all blocks of a variable: the cells they cover, and their values without padding.
async fn blocks(variable: &Variable) -> Result<Vec<(Vec<Range<u64>>, ArrayRef)>, String> {
    let counts: Vec<u64> = variable.chunks().iter().map(|axis| axis.count()).collect();
    let mut blocks = Vec::new();
    for index in indices(&counts) {
        let encoded = variable.fetch(&index).await;
        let block = encoded.and_then(|chunk| variable.decode(&index, chunk));
        let block = block.map_err(|error| error.to_string())?;
        let mut values = block.to_array().map_err(|error| error.to_string())?;
        if values.data_type() != variable.field.data_type() {
            return Err(format!("a block of {}", values.data_type()));
        }
        let region = variable.region(&index);
        let extent = extent(&region);
        let shape: Vec<u64> = block.shape.iter().map(|length| *length as u64).collect();
        if shape != extent {
            let inside = indices(&extent);
            let positions = inside.iter().map(|inside| position(inside, &shape));
            let positions = UInt64Array::from_iter_values(positions);
            values = take(&values, &positions, None).map_err(|error| error.to_string())?;
        }
        blocks.push((region, values));
    }
    Ok(blocks)
}

/// Reads all cells of a variable, in C order of its own dimensions.
async fn read(variable: &Variable) -> Result<Vec<Value>, String> {
    let shape: Vec<u64> = variable.chunks().iter().map(|axis| axis.length()).collect();
    let mut cells = vec![Value::from("not read"); shape.iter().product::<u64>() as usize];
    for (region, values) in blocks(variable).await? {
        for (from, inside) in indices(&extent(&region)).iter().enumerate() {
            let outside = inside
                .iter()
                .zip(&region)
                .map(|(cell, axis)| axis.start + cell);
            let outside: Vec<u64> = outside.collect();
            cells[position(&outside, &shape) as usize] = cell(&values, from);
        }
    }
    Ok(cells)
}

fn extent(region: &[Range<u64>]) -> Vec<u64> {
    region.iter().map(|cells| cells.end - cells.start).collect()
}

/// Place of a cell in C order.
fn position(index: &[u64], shape: &[u64]) -> u64 {
    let pairs = index.iter().zip(shape);
    pairs.fold(0, |position, (cell, length)| position * length + cell)
}

/// All indices into an array of `shape`, in C order.
fn indices(shape: &[u64]) -> Vec<Vec<u64>> {
    shape.iter().fold(vec![Vec::new()], |prefixes, length| {
        let extend = |prefix: Vec<u64>| (0..*length).map(move |i| [&prefix[..], &[i]].concat());
        prefixes.into_iter().flat_map(extend).collect()
    })
}

/// A cell as the oracle writes it; times are integers.
fn cell(values: &ArrayRef, at: usize) -> Value {
    if values.is_null(at) {
        return Value::Null;
    }
    match values.data_type() {
        DataType::Boolean => values.as_boolean().value(at).into(),
        DataType::Utf8 => values.as_string::<i32>().value(at).into(),
        DataType::UInt64 => values.as_primitive::<UInt64Type>().value(at).into(),
        DataType::Float32 | DataType::Float64 => {
            let one = cast(&values.slice(at, 1), &DataType::Float64).expect("a float");
            let number = one.as_primitive::<Float64Type>().value(0);
            serde_json::Number::from_f64(number)
                .map_or_else(|| Value::from(number.to_string()), Value::Number)
        }
        _ => {
            let one = cast(&values.slice(at, 1), &DataType::Int64).expect("an integer");
            one.as_primitive::<Int64Type>().value(0).into()
        }
    }
}

/// Equal up to rounding of floats; integers exactly.
fn same(ours: &Value, expected: &Value) -> bool {
    match (ours, expected) {
        (Value::Number(ours), Value::Number(expected)) => {
            let integers = [ours, expected].iter().all(|n| n.is_i64() || n.is_u64());
            let (a, b) = (
                ours.as_f64().unwrap_or(0.0),
                expected.as_f64().unwrap_or(0.0),
            );
            ours == expected || !integers && (a - b).abs() <= ROUNDING * b.abs().max(1e-12)
        }
        (Value::Bool(ours), Value::Number(expected)) => {
            expected.as_f64() == Some(f64::from(u8::from(*ours)))
        }
        (ours, expected) => ours == expected,
    }
}

/// A column and the axes it runs along.
enum Column<'a> {
    Axis(&'a Axis),
    Variable(&'a Cube, &'a Variable),
}

fn column<'a>(cubes: &'a [Cube], name: &str) -> Option<Column<'a>> {
    cubes.iter().find_map(|cube| {
        let axis = cube.axes.iter().find(|axis| axis.field.name() == name);
        let variable = cube.variables.iter().find(|v| v.field.name() == name);
        axis.map(Column::Axis)
            .or_else(|| variable.map(|variable| Column::Variable(cube, variable)))
    })
}

async fn compare_variable(cubes: &[Cube], name: &str, expected: &Value) -> Result<(), String> {
    let (dims, data_type) = match column(cubes, name).ok_or("no such column")? {
        Column::Axis(axis) => (vec![axis.field.name()], axis.field.data_type()),
        Column::Variable(cube, variable) => {
            let dims = variable
                .axes
                .iter()
                .map(|axis| cube.axes[*axis].field.name());
            (dims.collect(), variable.field.data_type())
        }
    };
    let wanted = texts(&expected["dims"]);
    if dims != wanted {
        return Err(format!("dimensions {dims:?}, not {wanted:?}"));
    }
    let cells = match column(cubes, name).ok_or("no such column")? {
        Column::Axis(axis) => {
            let coordinates = &axis.coordinates;
            (0..coordinates.len())
                .map(|at| cell(coordinates, at))
                .collect()
        }
        Column::Variable(_, variable) => match expected["sums"].as_object() {
            Some(sums) => return compare_sums(variable, sums).await,
            None => read(variable).await?,
        },
    };
    let Some(wanted) = expected["values"].as_array() else {
        return Err("the oracle only has sums of an axis".to_string());
    };
    // xarray computes times from floats with an error of a microsecond.
    let slack = if matches!(data_type, DataType::Timestamp(_, _)) {
        1
    } else {
        0
    };
    let differs = |ours: &Value, wanted: &Value| {
        let steps = ours
            .as_i64()
            .zip(wanted.as_i64())
            .map(|(a, b)| a.abs_diff(b));
        !same(ours, wanted) && steps.is_none_or(|steps| steps > slack)
    };
    let pairs = || cells.iter().zip(wanted);
    let differing = pairs()
        .filter(|(ours, wanted)| differs(ours, wanted))
        .count();
    if cells.len() == wanted.len() && differing == 0 {
        return Ok(());
    }
    let first = pairs()
        .position(|(ours, wanted)| differs(ours, wanted))
        .unwrap_or(0);
    let show = |values: &[Value]| {
        let some: Vec<_> = values
            .iter()
            .skip(first)
            .take(8)
            .map(Value::to_string)
            .collect();
        some.join(", ")
    };
    Err(format!(
        "{differing} of {} cells differ, from cell {first} on: {}, not {}",
        wanted.len(),
        show(&cells),
        show(wanted)
    ))
}

/// Compares sums over the finite cells.
async fn compare_sums(variable: &Variable, expected: &Map<String, Value>) -> Result<(), String> {
    let mut ours = [0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY];
    for (_, values) in blocks(variable).await? {
        let values = cast(&values, &DataType::Float64).map_err(|error| error.to_string())?;
        let values = values.as_primitive::<Float64Type>();
        for value in values.iter().flatten().filter(|value| value.is_finite()) {
            let [count, sum, lowest, highest] = ours;
            ours = [
                count + 1.0,
                sum + value,
                lowest.min(value),
                highest.max(value),
            ];
        }
    }
    for (name, ours) in ["count", "sum", "min", "max"].into_iter().zip(ours) {
        let wanted = expected.get(name);
        if wanted.is_some_and(|wanted| !same(&Value::from(ours), wanted)) {
            return Err(format!("{name} is {ours}, not {wanted:?}"));
        }
    }
    Ok(())
}

fn texts(list: &Value) -> Vec<&str> {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(Value::as_str).collect()
}

/// Checks what a case promises beyond values.
fn compare_promises(cubes: &[Cube], expected: &Value, found: &mut Vec<String>) {
    let empty = Map::new();
    let promises = |name: &str| expected[name].as_object().unwrap_or(&empty).iter();
    let field = |name: &str| match column(cubes, name) {
        Some(Column::Axis(axis)) => axis.field.clone(),
        Some(Column::Variable(_, variable)) => variable.field.clone(),
        None => panic!("no column {name}"),
    };
    for hidden in texts(&expected["hidden"]) {
        if column(cubes, hidden).is_some() {
            found.push(format!("{hidden} is a column"));
        }
    }
    for (name, wanted) in promises("types") {
        let ours = field(name).data_type().to_string();
        if *wanted != ours {
            found.push(format!("{name}: type {ours}, not {wanted}"));
        }
    }
    for (name, wanted) in promises("metadata") {
        let field = field(name);
        for (key, wanted) in wanted.as_object().expect("metadata") {
            let ours = field.metadata().get(key).map(String::as_str);
            if ours != wanted.as_str() {
                found.push(format!("{name}: {key} is {ours:?}, not {wanted}"));
            }
        }
    }
    for (name, wanted) in promises("orders") {
        match column(cubes, name) {
            Some(Column::Axis(axis)) if *wanted == format!("{:?}", axis.order) => {}
            Some(Column::Axis(axis)) => found.push(format!("{name} is {:?}", axis.order)),
            _ => found.push(format!("{name} is no axis")),
        }
    }
    let tables: Vec<_> = promises("tables").collect();
    if !tables.is_empty() {
        let ours = cubes.iter().map(|cube| {
            let axes = cube.axes.iter().map(|axis| axis.field.name());
            let variables = cube.variables.iter().map(|v| v.field.name());
            let mut variables: Vec<_> = variables.collect();
            variables.sort();
            (&cube.name, axes.collect::<Vec<_>>(), variables)
        });
        let mut ours: Vec<_> = ours.collect();
        let wanted = tables.iter().map(|(suffix, columns)| {
            let mut variables = texts(&columns[1]);
            variables.sort_unstable();
            (format!("{TABLE}{suffix}"), texts(&columns[0]), variables)
        });
        let mut wanted: Vec<_> = wanted.collect();
        wanted.sort();
        ours.sort();
        if format!("{ours:?}") != format!("{wanted:?}") {
            found.push(format!("tables are {ours:?}, not {wanted:?}"));
        }
        if cubes.first().is_none_or(|main| main.name != TABLE) {
            found.push("the main table is not the first".to_string());
        }
    }
    if let Some(wanted) = expected["crs"].as_str() {
        let ours = cubes
            .first()
            .and_then(|cube| Some(cube.crs.as_ref()?.name.as_str()));
        if ours != Some(wanted) {
            found.push(format!("the CRS is {ours:?}, not {wanted}"));
        }
    }
}

/// All differences between a cube and what is expected of it.
async fn differences(folder: &Path, expected: &Value) -> Vec<String> {
    let path = folder.join(expected["path"].as_str().unwrap_or_default());
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut options = Options::new();
    for (option, value) in expected["options"].as_object().into_iter().flatten() {
        options.insert(
            option.clone(),
            value.as_str().unwrap_or_default().to_string(),
        );
    }
    let cubes = match open(&path, &options).await {
        Ok(cubes) => cubes,
        Err(error) => return vec![format!("{name}: {error}")],
    };
    let mut found = Vec::new();
    for (variable, expected) in expected["variables"].as_object().expect("variables") {
        if let Err(error) = compare_variable(&cubes, variable, expected).await {
            found.push(format!("{variable}: {error}"));
        }
    }
    compare_promises(&cubes, expected, &mut found);
    found
        .iter()
        .map(|difference| format!("{name}: {difference}"))
        .collect()
}

fn check<'a>(folder: &Path, cubes: impl Iterator<Item = &'a Value>) -> Result<(), Failed> {
    let runtime = runtime();
    let mut compared = 0;
    let mut found = Vec::new();
    for expected in cubes {
        found.extend(runtime.block_on(differences(folder, expected)));
        compared += 1;
    }
    if compared == 0 {
        found.push("the oracle has no such cube".to_string());
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(found.join("\n").into())
}

fn expectations() -> Result<(std::path::PathBuf, Value), Failed> {
    let folder = oracle::oracle("conventions.py")?;
    let expected = serde_json::from_slice(&fs::read(folder.join("expected.json"))?)?;
    Ok((folder, expected))
}

fn check_case(name: &str) -> Result<(), Failed> {
    let (folder, expected) = expectations()?;
    let cubes = expected["cases"][name].as_array();
    check(&folder, cubes.into_iter().flatten())
}

fn check_files(prefix: &str) -> Result<(), Failed> {
    let (folder, expected) = expectations()?;
    let files = expected["files"].as_object().into_iter().flatten();
    let files = files.filter(|(name, _)| name.starts_with(prefix));
    check(&folder, files.map(|(_, expected)| expected))
}

/// The names of the cases, from the list itself: listing trials must not run the oracle.
fn case_names() -> Vec<String> {
    let list = places::repository().join("tests/oracle/convention_cases.py");
    let list = fs::read_to_string(list).unwrap_or_default();
    let cases = list
        .lines()
        .filter(|line| line.contains("\": Case(") || line.contains("\": times("));
    let names = cases.filter_map(|line| line.strip_prefix("    \"")?.split('"').next());
    names.map(str::to_string).collect()
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![Trial::test("conventions::sample_files", || {
        check_files("samples/")
    })];
    for name in case_names() {
        let title = format!("conventions::{name}");
        trials.push(Trial::test(title, move || check_case(&name)));
    }
    for files in ["olci-sns", "olci-swath", "ostia", "store-fixtures"] {
        let prefix = format!("data/{files}");
        trials.push(places::with_data(
            format!("conventions::{files}"),
            move |_| check_files(&prefix),
        ));
    }
    trials
}
