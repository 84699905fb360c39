//! Files in memory, put together: what comes out, and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int16Array, Int32Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use futures::executor::block_on;
use serde_json::{Value, json};

use super::rechunked::Rechunked;
use super::*;
use crate::cube::chunks::AxisChunks;
use crate::cube::memory::MemoryArray;
use crate::source::Attributes;
use crate::source::Payload;

/// A file with times, two latitudes, and `sst(time, lat)` counting from 100 × its number.
#[derive(Clone)]
struct File {
    times: Vec<i32>,
    units: &'static str,
    calendar: &'static str,
    latitudes: Vec<f64>,
    sst: Value,
    sst_name: &'static str,
    chunks: [u64; 2],
}

impl Default for File {
    fn default() -> Self {
        Self {
            times: vec![0],
            units: "days since 2017-06-01",
            calendar: "standard",
            latitudes: vec![50.0, 60.0],
            sst: json!({"scale_factor": 0.01, "_FillValue": -1}),
            sst_name: "sst",
            chunks: [1, 2],
        }
    }
}

impl File {
    fn at(times: &[i32]) -> Self {
        Self {
            times: times.to_vec(),
            ..Self::default()
        }
    }

    fn group(&self, number: usize) -> Group {
        let (times, cells) = (self.times.len() as u64, self.latitudes.len() as u64);
        let time = json!({"units": self.units, "calendar": self.calendar, "bounds": "time_bnds"});
        let bounds: Vec<i32> = self.times.iter().flat_map(|t| [*t, t + 1]).collect();
        let first = number as i16 * 100;
        let sst: Vec<i16> = (first..).take((times * cells) as usize).collect();
        let array = |name, dimensions: &[&str], shape: &[u64], values: ArrayRef| {
            MemoryArray::new(name, dimensions, shape, values)
        };
        Group {
            path: String::new(),
            attributes: Attributes::new(),
            arrays: vec![
                array(
                    "time",
                    &["time"],
                    &[times],
                    Arc::new(Int32Array::from(self.times.clone())),
                )
                .with_attributes(time)
                .shared(),
                array(
                    "time_bnds",
                    &["time", "nv"],
                    &[times, 2],
                    Arc::new(Int32Array::from(bounds)),
                )
                .shared(),
                array(
                    "lat",
                    &["lat"],
                    &[cells],
                    Arc::new(Float64Array::from(self.latitudes.clone())),
                )
                .shared(),
                array(
                    "crs",
                    &[],
                    &[],
                    Arc::new(Int32Array::from(vec![number as i32])),
                )
                .shared(),
                array(
                    self.sst_name,
                    &["time", "lat"],
                    &[times, cells],
                    Arc::new(Int16Array::from(sst)),
                )
                .with_attributes(self.sst.clone())
                .with_chunks(&self.chunks)
                .shared(),
            ],
            url: format!("f{number}.nc"),
            format: "memory".to_string(),
            version: number.to_string(),
        }
    }
}

fn put_together(files: &[File], options: &[(&str, &str)]) -> CubeResult<Group> {
    let members = files
        .iter()
        .enumerate()
        .map(|(number, file)| (format!("f{number}.nc"), vec![file.group(number)]));
    let options = options
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    block_on(concatenate(members.collect(), &options)).map(|mut groups| groups.remove(0))
}

fn array<'a>(group: &'a Group, name: &str) -> &'a Arc<dyn ArrayReader> {
    let found = group
        .arrays
        .iter()
        .find(|array| array.description().name == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

/// All values of an array, in C order.
fn values(group: &Group, name: &str) -> Vec<i64> {
    let array = array(group, name);
    let shape = array.description().shape.clone();
    let whole: Vec<AxisChunks> = shape.iter().map(|n| AxisChunks::regular(*n, *n)).collect();
    // No axis is exempt, so that all chunks become one.
    let whole = Rechunked::like(Arc::clone(array), &whole, usize::MAX);
    let index = vec![0; shape.len()];
    let chunk = block_on(whole.fetch(&index)).unwrap().unwrap();
    let raw = chunk.payload.into_values(name).unwrap();
    let raw = match array.description().chunks == whole.description().chunks {
        true => {
            let payload = Payload::Values(raw);
            whole
                .decode(
                    &index,
                    crate::source::EncodedChunk {
                        bytes_fetched: 0,
                        payload,
                    },
                )
                .unwrap()
        }
        false => raw,
    };
    assert_eq!(raw.values.len() as u64, shape.iter().product::<u64>());
    let numbers = cast(&raw.values, &DataType::Int64).unwrap();
    let numbers = numbers.as_any().downcast_ref::<Int64Array>().unwrap();
    numbers.values().to_vec()
}

#[test]
fn files_are_sorted_by_their_coordinates() {
    let files = [File::at(&[4]), File::at(&[1]), File::at(&[2, 3])];
    let group = put_together(&files, &[]).unwrap();
    assert_eq!(values(&group, "time"), [1, 2, 3, 4]);
    assert_eq!(values(&group, "time_bnds"), [1, 2, 2, 3, 3, 4, 4, 5]);
    assert_eq!(values(&group, "sst"), [100, 101, 200, 201, 202, 203, 0, 1]);
    assert_eq!(values(&group, "lat"), [50, 60]);
    assert_eq!(values(&group, "crs"), [1], "the first file's by time");
    let sst = array(&group, "sst").description();
    assert_eq!(sst.shape, [4, 2]);
    assert_eq!(sst.chunks[0], AxisChunks::regular(4, 1));
    assert_eq!(group.url, "f1.nc and 2 more");
}

#[test]
fn a_later_version_of_any_file_is_another_version() {
    let versions = |second: &str| {
        let mut later = File::at(&[1]).group(1);
        later.version = second.to_string();
        let members = vec![
            ("a".to_string(), vec![File::at(&[0]).group(0)]),
            ("b".to_string(), vec![later]),
        ];
        block_on(concatenate(members, &Options::new())).unwrap()[0]
            .version
            .clone()
    };
    assert_eq!(versions("1"), versions("1"));
    assert_ne!(versions("1"), versions("2"));
}

#[test]
fn chunks_keep_the_borders_of_the_files() {
    let month = |days: std::ops::Range<i32>| File {
        chunks: [31, 2],
        ..File::at(&days.collect::<Vec<_>>())
    };
    let group = put_together(&[month(0..31), month(31..59), month(59..90)], &[]).unwrap();
    let sst = array(&group, "sst").description();
    assert_eq!(
        sst.chunks[0],
        AxisChunks::Irregular {
            bounds: vec![0, 31, 59, 90].into()
        }
    );
    let expected: Vec<i64> = (0..62).chain(100..156).chain(200..262).collect();
    assert_eq!(values(&group, "sst"), expected);
}

/// Microseconds since 1970-01-01; from Python's datetime, the last from cftime.
#[test]
fn times_of_different_reference_dates_are_recounted() {
    let file = |units, calendar, times: &[i32]| File {
        units,
        calendar,
        ..File::at(times)
    };
    let day = 86_400_000_000_i64;
    let june_1 = 1_496_275_200_000_000_i64;
    let cases = [
        (
            file("seconds since 2017-06-02", "standard", &[0, 43_200]),
            file("seconds since 2017-06-01", "standard", &[5]),
            vec![june_1 + 5_000_000, june_1 + day, june_1 + day + day / 2],
        ),
        (
            file("days since 2017-06-01", "standard", &[0]),
            file("hours since 2017-06-01", "gregorian", &[36]),
            vec![june_1, june_1 + day + day / 2],
        ),
        (
            file("days since 2000-02-30", "360_day", &[0]),
            file("days since 2000-01-01", "360_day", &[60]),
            // 30 years of 360 days and 59, then 60 days.
            vec![(30 * 360 + 59) * day, (30 * 360 + 60) * day],
        ),
    ];
    for (a, b, expected) in cases {
        let calendar = a.calendar;
        let group = put_together(&[a, b], &[]).unwrap();
        assert_eq!(values(&group, "time"), expected, "{calendar}");
        let bounds = values(&group, "time_bnds");
        let starts: Vec<i64> = bounds.iter().step_by(2).copied().collect();
        assert_eq!(starts, expected, "bounds count as their axis does");
        for name in ["time", "time_bnds"] {
            let attributes = &array(&group, name).description().attributes;
            assert_eq!(
                attributes["units"],
                "microseconds since 1970-01-01 00:00:00"
            );
        }
    }
}

#[test]
fn descending_coordinates_and_other_dimensions() {
    let south = File {
        latitudes: vec![-10.0, -20.0],
        ..File::default()
    };
    let north = File {
        latitudes: vec![20.0, 10.0, 0.0],
        chunks: [1, 3],
        ..File::default()
    };
    let group = put_together(&[south, north], &[]).unwrap();
    assert_eq!(values(&group, "lat"), [20, 10, 0, -10, -20]);
    assert_eq!(values(&group, "sst"), [100, 101, 102, 0, 1]);
    assert_eq!(values(&group, "time"), [0]);
}

#[test]
fn other_chunks_of_the_grid_are_put_together() {
    let file = |time, chunks| File {
        latitudes: vec![0.0, 1.0, 2.0, 3.0, 4.0],
        chunks,
        ..File::at(&[time])
    };
    for (first, second) in [
        ([1, 5], [1, 2]),
        ([1, 2], [1, 5]),
        ([1, 2], [1, 3]),
        ([1, 4], [1, 1]),
    ] {
        let group = put_together(&[file(0, first), file(1, second)], &[]).unwrap();
        let sst = array(&group, "sst").description();
        assert_eq!(sst.chunks[1], AxisChunks::regular(5, first[1]));
        let expected: Vec<i64> = (0..5).chain(100..105).collect();
        assert_eq!(values(&group, "sst"), expected, "{first:?} {second:?}");
    }
}

#[test]
fn files_without_a_cell_are_left_out() {
    let group = put_together(&[File::at(&[]), File::at(&[3]), File::at(&[1])], &[]).unwrap();
    assert_eq!(values(&group, "time"), [1, 3]);
}

#[test]
fn what_is_refused() {
    let other = |change: fn(&mut File)| {
        let mut file = File::at(&[1]);
        change(&mut file);
        file
    };
    /// What is given as second file, the options, and what the message must say.
    type Case = (
        File,
        &'static [(&'static str, &'static str)],
        &'static [&'static str],
    );
    let cases: Vec<Case> = vec![
        (File::at(&[0]), &[], &["do not differ", "f0.nc"]),
        (
            File::at(&[0, 1]),
            &[],
            &["time 2017-06-01T00:00:00", "as well", "f0.nc"],
        ),
        (
            File::at(&[-1, 1]),
            &[],
            &[
                "time starts at 2017-06-01T00:00:00, before",
                "ends at 2017-06-02",
            ],
        ),
        (
            File::at(&[1, 3, 2]),
            &[],
            &["not in order", "f1.nc", "time"],
        ),
        (
            other(|f| f.latitudes[0] = 51.0),
            &[],
            &["axis lat", "f1.nc", "f0.nc"],
        ),
        (
            other(|f| f.latitudes = vec![50.0]),
            &[],
            &["axis lat", "f1.nc"],
        ),
        (
            other(|f| f.sst_name = "other"),
            &[],
            &["variable sst", "missing", "f1.nc"],
        ),
        (
            other(|f| f.sst["scale_factor"] = json!(0.1)),
            &[],
            &[
                "variable sst",
                "scale_factor is 0.1, but 0.01 in f0.nc",
                "f1.nc",
            ],
        ),
        (
            other(|f| f.sst["_FillValue"] = json!(-2)),
            &[],
            &["_FillValue is -2, but -1"],
        ),
        (
            other(|f| f.sst = json!({"scale_factor": 0.01})),
            &[],
            &["_FillValue is absent, but -1"],
        ),
        (
            other(|f| f.sst["units"] = json!("K")),
            &[],
            &["units is \"K\", but absent"],
        ),
        (
            other(|f| f.units = "degrees"),
            &[],
            &["variable time", "units"],
        ),
        (
            other(|f| f.calendar = "360_day"),
            &[],
            &["variable time", "calendar is \"360_day\", but \"standard\""],
        ),
        (
            other(|f| f.calendar = "noleap"),
            &[],
            &["variable time", "calendar is \"noleap\", but \"standard\""],
        ),
        (
            File::at(&[1]),
            &[("concatenate", "depth")],
            &["no dimension 'depth'", "time, nv, lat"],
        ),
        (
            File::at(&[1]),
            &[("concatenate", "lat")],
            &["axis time is not the same", "f1.nc"],
        ),
    ];
    for (second, options, expected) in cases {
        let error = put_together(&[File::at(&[0]), second], options).expect_err(expected[0]);
        let message = error.to_string();
        for part in expected {
            assert!(message.contains(part), "'{part}' is not in: {message}");
        }
    }
}

/// NEMO writes `time_counter` 0 into every file, and the time into an auxiliary coordinate.
#[test]
fn an_auxiliary_time_puts_files_in_order() {
    let file = |number: usize, day: i32| {
        let mut group = File::at(&[0]).group(number);
        let steps = MemoryArray::new("time", &["time"], &[1], Arc::new(Int32Array::from(vec![0])));
        let days = Arc::new(Int32Array::from(vec![day]));
        let centred = MemoryArray::new("centred", &["time"], &[1], days)
            .with_attributes(json!({"units": "days since 2000-01-01"}));
        group.arrays[0] = steps.shared();
        group.arrays[1] = centred.shared();
        (format!("f{number}.nc"), vec![group])
    };
    let members = vec![file(0, 20), file(1, 10)];
    let groups = block_on(concatenate(members, &Options::new())).unwrap();
    assert_eq!(values(&groups[0], "centred"), [10, 20]);
    assert_eq!(values(&groups[0], "time"), [0, 0]);
    assert_eq!(values(&groups[0], "sst"), [100, 101, 0, 1]);
    let error = block_on(concatenate(vec![file(0, 20), file(1, 20)], &Options::new()));
    assert!(error.unwrap_err().to_string().contains("do not differ"));
}

#[test]
fn files_that_run_in_opposite_directions_are_refused() {
    let error = put_together(&[File::at(&[0, 1]), File::at(&[5, 4])], &[]).unwrap_err();
    assert!(error.to_string().contains("run the other way"), "{error}");
}

#[test]
fn variables_that_are_dropped_need_not_agree() {
    let second = File {
        sst: json!({"scale_factor": 2}),
        ..File::at(&[1])
    };
    let group = put_together(&[File::at(&[0]), second], &[("drop_variables", "crs, sst")]).unwrap();
    assert_eq!(group.arrays.len(), 3);
}
