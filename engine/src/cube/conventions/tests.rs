//! Interpretation of groups that no library writes, and of attributes that make no sense. Values are
//! compared with xarray elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow::array::types::{Float32Type, Float64Type, Int16Type, Int64Type};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, Float32Array, Float64Array,
    Int16Array, Int64Array, StringArray, TimestampNanosecondArray,
};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use futures::executor::block_on;
use serde_json::{Value, json};

use super::interpret;
use crate::cube::block::BlockValues;
use crate::cube::memory::MemoryArray;
use crate::cube::metadata::CELL_SIZE;
use crate::cube::{AxisOrder, AxisRole, Cube};
use crate::error::CubeResult;
use crate::source::{EncodedChunk, Group, Options, Payload, RawChunk};

fn group(attributes: Value, arrays: Vec<MemoryArray>) -> Group {
    Group {
        path: String::new(),
        attributes: attributes.as_object().cloned().unwrap_or_default(),
        arrays: arrays.into_iter().map(MemoryArray::shared).collect(),
        url: "memory://cube".to_string(),
        format: "memory".to_string(),
        version: "1".to_string(),
    }
}

fn read(attributes: Value, arrays: Vec<MemoryArray>) -> CubeResult<Vec<Cube>> {
    block_on(interpret(
        &group(attributes, arrays),
        "cube",
        &Options::new(),
    ))
}

fn grid(name: &str, dimensions: &[&str], shape: &[u64]) -> MemoryArray {
    let cells = shape.iter().product::<u64>();
    let values = (0..cells).map(|cell| cell as f32).collect();
    MemoryArray::floats(name, dimensions, shape, values)
}

/// All cells of a variable that is one block.
fn values(cube: &Cube, variable: usize) -> ArrayRef {
    let variable = &cube.variables[variable];
    let index = vec![0; variable.axes.len()];
    let chunk = block_on(variable.fetch(&index)).unwrap();
    variable.decode(&index, chunk).unwrap().to_array().unwrap()
}

#[test]
fn tables_and_columns() {
    let cases = [
        (
            "a dimension twice in one array",
            vec![
                grid("x", &["x"], &[2]),
                grid("covariance", &["x", "x"], &[2, 2]),
            ],
            vec!["cube: x x_2 | covariance"],
        ),
        (
            "a name with two lengths",
            vec![
                grid("a", &["dim_0"], &[2]),
                grid("b", &["dim_0", "dim_1"], &[3, 4]),
                grid("c", &["dim_0"], &[3]),
            ],
            vec![
                "cube: dim_0_3 dim_1 | b c",
                "cube_dim_0_3: dim_0_3 | c",
                "cube_dim_0: dim_0 | a",
            ],
        ),
        (
            "the coordinate has the plain name",
            vec![
                grid("v", &["x"], &[4]),
                grid("x", &["x"], &[2]),
                grid("w", &["x"], &[2]),
            ],
            vec!["cube: x_4 | v", "cube_x: x | w"],
        ),
        (
            "an index beside variables of its names",
            vec![
                grid("x", &["y", "x"], &[2, 2]),
                grid("x_index", &["y", "x"], &[2, 2]),
            ],
            vec!["cube: y x_index_2 | x x_index"],
        ),
        (
            "equal table names",
            vec![
                grid("v", &["a", "b", "c"], &[1, 1, 1]),
                grid("p", &["a_b", "c"], &[1, 1]),
                grid("q", &["a", "b_c"], &[1, 1]),
            ],
            vec![
                "cube: a b c | v",
                "cube_a_b_c: a_b c | p",
                "cube_a_b_c_2: a b_c | q",
            ],
        ),
        (
            "most variables, then most cells, then first",
            vec![
                grid("small", &["a", "b"], &[2, 2]),
                grid("large", &["c", "d"], &[3, 3]),
                grid("same", &["d", "e"], &[3, 3]),
            ],
            vec![
                "cube: c d | large",
                "cube_d_e: d e | same",
                "cube_a_b: a b | small",
            ],
        ),
        ("nothing", vec![], vec![]),
    ];
    for (case, arrays, expected) in cases {
        let cubes = read(json!({}), arrays).expect(case);
        let tables = cubes.iter().map(|cube| {
            let axes: Vec<_> = cube.axes.iter().map(|a| a.field.name().as_str()).collect();
            let variables = cube.variables.iter().map(|v| v.field.name().as_str());
            let variables: Vec<_> = variables.collect();
            format!(
                "{}: {} | {}",
                cube.name,
                axes.join(" "),
                variables.join(" ")
            )
        });
        assert_eq!(tables.collect::<Vec<_>>(), expected, "{case}");
    }
}

#[test]
fn masks_share_the_buffer_of_values() {
    let stored = Arc::new(Float32Array::from(vec![1.0, f32::NAN, -9.0, 4.0]));
    let address = stored.values().as_ptr();
    let array = MemoryArray::new("v", &["x"], &[4], stored.clone());
    let array = array.with_attributes(json!({"_FillValue": -9}));
    let cubes = read(json!({}), vec![array]).unwrap();
    let raw = RawChunk {
        values: stored,
        shape: vec![4],
    };
    let (values, _) = cubes[0].variables[0].decoding.apply(raw).unwrap();
    let values = values.as_primitive::<Float32Type>();
    assert_eq!(values.values().as_ptr(), address);
    assert_eq!(
        values.iter().collect::<Vec<_>>(),
        [Some(1.0), None, None, Some(4.0)]
    );
}

#[test]
fn chunks_that_are_not_stored_are_constants() {
    let scaled = json!({"scale_factor": 0.5, "_FillValue": -1});
    let cases = [
        (json!(4), scaled.clone(), ScalarValue::Float32(Some(2.0))),
        (json!(-1), scaled.clone(), ScalarValue::Float32(None)),
        (Value::Null, scaled, ScalarValue::Float32(None)),
        (json!(7), json!({}), ScalarValue::Int16(Some(7))),
        (
            json!("7"),
            json!({"units": "days since 1970-01-01"}),
            ScalarValue::Null,
        ),
        (json!(99999), json!({}), ScalarValue::Null),
        (
            json!(2),
            json!({"units": "seconds since 1970-01-01"}),
            ScalarValue::TimestampMicrosecond(Some(2_000_000), None),
        ),
    ];
    for (fill, attributes, expected) in cases {
        let values = Arc::new(Int16Array::from(vec![1, 2, 3, 4, 5]));
        let array = MemoryArray::new("v", &["x"], &[5], values)
            .with_chunks(&[2])
            .with_attributes(attributes)
            .with_fill(fill.clone(), &[&[1]]);
        let cubes = read(json!({}), vec![array]);
        if expected == ScalarValue::Null {
            let message = cubes.unwrap_err().to_string();
            assert!(
                message.contains("fill value") && message.contains("cube, v"),
                "{message}"
            );
            continue;
        }
        let cubes = cubes.unwrap();
        let variable = &cubes[0].variables[0];
        assert!(block_on(variable.fetch(&[1])).unwrap().is_none());
        let block = variable.decode(&[1], None).unwrap();
        assert_eq!(block.shape, [2]);
        match block.values {
            BlockValues::Constant(value) => assert_eq!(value, expected, "{fill}"),
            BlockValues::Array(array) => panic!("{array:?}"),
        }
    }
}

#[test]
fn texts_cut_into_chunks() {
    let characters = b"Oslo\0ParisRome\0".map(|byte| [byte]);
    let values = FixedSizeBinaryArray::try_from_iter(characters.iter()).unwrap();
    let array = MemoryArray::new("city", &["x", "length"], &[3, 5], Arc::new(values));
    for (chunks, absent, expected) in [
        ([3, 5], vec![], ["Oslo", "Paris", "Rome"]),
        ([3, 2], vec![], ["Oslo", "Paris", "Rome"]),
        ([3, 2], vec![[0, 2]], ["Oslo", "Pari", "Rome"]),
        ([3, 2], vec![[0, 0], [0, 1]], ["", "\0\0\0\0s", ""]),
    ] {
        let absent: Vec<&[u64]> = absent.iter().map(<[u64; 2]>::as_slice).collect();
        let array = array
            .clone()
            .with_chunks(&chunks)
            .with_fill(json!("\0"), &absent);
        let cubes = read(json!({}), vec![array]).unwrap();
        assert_eq!(cubes[0].variables[0].chunks().len(), 1);
        let texts = values_of_texts(&cubes[0]);
        assert_eq!(texts, expected, "{chunks:?}");
    }
}

fn values_of_texts(cube: &Cube) -> Vec<String> {
    let texts = values(cube, 0);
    let texts = texts.as_string::<i32>();
    (0..texts.len())
        .map(|i| texts.value(i).to_string())
        .collect()
}

#[test]
fn other_stored_types() {
    let nanoseconds = TimestampNanosecondArray::from(vec![1_500, i64::MIN, -2_000]);
    let cases: Vec<(ArrayRef, &str)> = vec![
        (
            Arc::new(nanoseconds),
            "1970-01-01T00:00:00.000001,,1969-12-31T23:59:59.999998",
        ),
        (
            Arc::new(BooleanArray::from(vec![true, false, true])),
            "true,false,true",
        ),
        (Arc::new(StringArray::from(vec!["a", "", "b"])), "a,,b"),
    ];
    for (stored, expected) in cases {
        let array = MemoryArray::new("v", &["x"], &[3], stored);
        let cubes = read(json!({}), vec![array]).unwrap();
        let texts = cast(&values(&cubes[0], 0), &DataType::Utf8).unwrap();
        let texts = texts
            .as_string::<i32>()
            .iter()
            .map(Option::unwrap_or_default);
        assert_eq!(texts.collect::<Vec<_>>().join(","), expected);
    }
}

#[test]
fn equal_cells_know_their_size() {
    let thirds: Vec<f32> = (0..600)
        .map(|cell| (-89.0 + f64::from(cell) * 0.3) as f32)
        .collect();
    let cases = [
        ("lat", vec![50.0, 49.75, 49.5], Some(0.25)),
        ("lon", vec![0.0, 90.0], Some(90.0)),
        ("lon", vec![-179.9, 0.0, 179.9], Some(179.9)),
        ("lat", thirds, Some(0.3)),
        ("lat", vec![0.0, 1.0, 2.1], None),
        ("lat", vec![0.0, f32::NAN, 2.0], None),
        ("lat", vec![5.0], None),
        ("level", vec![0.0, 1.0, 2.0], None),
    ];
    for (name, coordinates, expected) in cases {
        let cells = [coordinates.len() as u64];
        // An attribute of that name, left over from another grid, does not count.
        let axis = MemoryArray::floats(name, &[name], &cells, coordinates.clone())
            .with_attributes(json!({"cell_size": 7.0}));
        let cubes = read(json!({}), vec![axis, grid("v", &[name], &cells)]).unwrap();
        let stated = cubes[0].axes[0].field.metadata().get(CELL_SIZE);
        let stated = stated.map(|size| size.parse::<f64>().unwrap());
        match (stated, expected) {
            (Some(stated), Some(expected)) => assert!((stated - expected).abs() < 1e-5, "{stated}"),
            _ => assert_eq!(stated, expected, "{name} {coordinates:?}"),
        }
    }
}

#[test]
fn affine_transformations_are_axes() {
    let attributes = json!({"spatial:transform": [2.0, 0.0, 100.0, 0.0, -4.0, 50.0],
        "spatial:dimensions": ["y", "x"], "proj:code": "EPSG:3035"});
    let cubes = read(attributes, vec![grid("v", &["y", "x"], &[2, 2])]).unwrap();
    let axes = cubes[0].axes.iter().map(|axis| (axis.role, axis.order));
    let expected = [
        (AxisRole::Y, AxisOrder::Descending),
        (AxisRole::X, AxisOrder::Ascending),
    ];
    assert_eq!(axes.collect::<Vec<_>>(), expected);
    assert_eq!(cubes[0].crs.as_ref().unwrap().name, "EPSG:3035");
}

#[test]
fn chunks_must_fit_their_metadata() {
    let stored: ArrayRef = Arc::new(Int16Array::from(vec![1, 2, 3, 4]));
    let array = MemoryArray::new("v", &["x"], &[4], stored.clone());
    let cubes = read(json!({}), vec![array]).unwrap();
    let variable = &cubes[0].variables[0];
    let floats = cast(&stored, &DataType::Float32).unwrap();
    let cases = [
        (stored.slice(0, 2), vec![2], "shape [2] instead of [4]"),
        (stored.slice(0, 2), vec![4], "has 2 values"),
        (stored.clone(), vec![2, 2], "shape [2, 2] instead of [4]"),
        (floats, vec![4], "is declared as Int16"),
    ];
    for (values, shape, expected) in cases {
        let chunk = EncodedChunk {
            bytes_fetched: 0,
            payload: Payload::Values(RawChunk { values, shape }),
        };
        let message = variable.decode(&[0], Some(chunk)).unwrap_err().to_string();
        assert!(
            message.contains(expected) && message.contains("(in v"),
            "{message}"
        );
    }
    let padded = concat(&[&stored, &stored]).unwrap();
    let chunk = EncodedChunk {
        bytes_fetched: 0,
        payload: Payload::Values(RawChunk {
            values: padded,
            shape: vec![8],
        }),
    };
    let block = variable.decode(&[0], Some(chunk)).unwrap();
    assert_eq!(block.shape, [4], "padding goes");
    let cells = block.to_array().unwrap();
    let cells = cells.as_primitive::<Int16Type>().values();
    assert_eq!(cells, &[1, 2, 3, 4]);
}

#[test]
fn an_axis_must_fit_in_memory() {
    let array = grid("v", &["x"], &[2]).with_length(1 << 40);
    let message = read(json!({}), vec![array]).unwrap_err().to_string();
    assert!(message.contains("axis of 1099511627776 cells"), "{message}");
}

/// Every attribute that decoding reads, with values that make no sense, on every stored type: the
/// cube opens and its cells decode, or there is an error, but no panic.
#[test]
fn senseless_attributes_do_no_harm() {
    let names = [
        "_FillValue",
        "missing_value",
        "valid_min",
        "valid_max",
        "valid_range",
        "scale_factor",
        "add_offset",
        "_Unsigned",
        "units",
        "calendar",
        "dtype",
        "bounds",
        "coordinates",
        "grid_mapping",
        "standard_name",
        "axis",
        "positive",
        "flag_values",
        "crs_wkt",
        "spatial_ref",
        "grid_mapping_name",
        "GeoTransform",
        "proj:code",
        "proj:projjson",
        "proj",
        "spatial:transform",
        "spatial:dimensions",
        "cf_role",
        "geometry_type",
    ];
    let senseless = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1e308),
        json!(-1e308),
        json!(0.5),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("x"),
        json!("NaN"),
        json!("-Infinity"),
        json!("true"),
        json!("bool"),
        json!("0x7fc00000"),
        json!("0x"),
        json!("AAAA"),
        json!(":"),
        json!("days since"),
        json!("days since 2000-01-01"),
        json!("360_day"),
        json!("[\"ID[,"),
        json!([]),
        json!([null, "a"]),
        json!([1, 2]),
        json!([2, 1]),
        json!([1, 2, 3, 4, 5, 6]),
        json!(["x", "x"]),
        json!({}),
        json!({"id": [], "code": 1, "proj": 1}),
        json!("é\0"),
    ];
    let numbers: ArrayRef = Arc::new(Int16Array::from(vec![-1, 0, 1, 127]));
    let types = [
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt64,
        DataType::Float16,
        DataType::Float32,
        DataType::Float64,
        DataType::Boolean,
        DataType::Utf8,
    ];
    let mut opened = 0;
    for data_type in types {
        let stored = cast(&numbers, &data_type).unwrap();
        for name in names {
            for value in &senseless {
                let array = |array: &str| {
                    MemoryArray::new(array, &["x"], &[4], stored.clone())
                        .with_attributes(json!({"scale_factor": 0.5, name: value}))
                        .with_fill(value.clone(), &[])
                };
                let group = json!({name: value});
                let Ok(cubes) = read(group, vec![array("x"), array("v")]) else {
                    continue;
                };
                opened += 1;
                for cube in cubes {
                    for variable in 0..cube.variables.len() {
                        assert_eq!(values(&cube, variable).len(), 4);
                    }
                }
            }
        }
    }
    assert!(opened > 1000, "only {opened} cubes opened");
}

/// Units and calendars that no date can be computed from leave the numbers as they are, with their
/// units; what cannot be a date in an honest calendar is missing.
#[test]
fn times_that_are_no_dates() {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let cases = [
        (
            "months since 2000-01-01",
            "",
            DataType::Float64,
            vec![Some(1.0), None],
        ),
        (
            "days since yesterday",
            "",
            DataType::Float64,
            vec![Some(1.0), None],
        ),
        (
            "days since 2000-01-01",
            "none",
            DataType::Float64,
            vec![Some(1.0), None],
        ),
        (
            "days since 2000-01-01",
            "lunar",
            DataType::Float64,
            vec![Some(1.0), None],
        ),
        (
            "days since 2000-02-30",
            "",
            DataType::Float64,
            vec![Some(1.0), None],
        ),
        ("days", "360_day", DataType::Float64, vec![Some(1.0), None]),
        (
            "months since 1970-01-01",
            "360_day",
            DataType::Int64,
            vec![Some(2.592e12), None],
        ),
        (
            "days since 1970-01-01",
            "",
            micros,
            vec![Some(8.64e10), None],
        ),
    ];
    for (units, calendar, data_type, expected) in cases {
        let stored = Float64Array::from(vec![1.0, f64::NAN]);
        let array = MemoryArray::new("v", &["x"], &[2], Arc::new(stored))
            .with_attributes(json!({"units": units, "calendar": calendar}));
        let cubes = read(json!({}), vec![array]).unwrap();
        let field = &cubes[0].variables[0].field;
        assert_eq!(field.data_type(), &data_type, "{units} {calendar}");
        let is_number = data_type == DataType::Float64;
        assert_eq!(field.metadata().contains_key("units"), is_number, "{units}");
        let is_counted = data_type == DataType::Int64;
        assert_eq!(
            field.metadata().contains_key("calendar"),
            is_counted,
            "{units}"
        );
        let numbers = cast(&values(&cubes[0], 0), &DataType::Int64).unwrap();
        let numbers = cast(&numbers, &DataType::Float64).unwrap();
        let numbers = numbers.as_primitive::<Float64Type>();
        assert_eq!(
            numbers.iter().collect::<Vec<_>>(),
            expected,
            "{units} {calendar}"
        );
    }
}

#[test]
fn undeclared_fill_values_are_no_dates() {
    for calendar in ["standard", "noleap", "360_day"] {
        let stored = Float64Array::from(vec![9.969_209_968_386_869e36, 0.0, f64::INFINITY]);
        let array = MemoryArray::new("v", &["x"], &[3], Arc::new(stored))
            .with_attributes(json!({"units": "days since 1970-01-01", "calendar": calendar}));
        let integers = Int64Array::from(vec![i64::MIN, 0, i64::MAX]);
        let exact = MemoryArray::new("w", &["x"], &[3], Arc::new(integers))
            .with_attributes(json!({"units": "days since 1970-01-01", "calendar": calendar}));
        let cubes = read(json!({}), vec![array, exact]).unwrap();
        for variable in 0..2 {
            let times = cast(&values(&cubes[0], variable), &DataType::Int64).unwrap();
            let times = times.as_primitive::<Int64Type>();
            assert_eq!(
                times.iter().collect::<Vec<_>>(),
                [None, Some(0), None],
                "{calendar}"
            );
        }
    }
}
