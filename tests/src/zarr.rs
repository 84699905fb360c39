//! The Zarr reader against zarr-python (`oracle/zarr_matrix.py`): every cell of every array, raw,
//! neither masked nor scaled; and against stores of other kinds: not listable, denied, linked.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayDataBuilder, ArrayRef, BooleanArray, FixedSizeBinaryArray, Float64Builder,
    Int64Array, ListBuilder, StringArray, make_array, new_null_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::compute::{cast, interleave};
use arrow::datatypes::DataType;
use graticule_connectors::formats::icechunk::IcechunkFormat;
use graticule_connectors::formats::levels::LevelsFormat;
use graticule_connectors::formats::netcdf::Netcdf;
use graticule_connectors::formats::zarr::ZarrFormat;
use graticule_engine::error::CubeResult;
use graticule_engine::source::{
    ArrayDescription, ArrayReader, CubeFormat, Group, Location, Options,
};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::netcdf::location;
use crate::oracle;

pub(crate) const SCRIPT: &str = "zarr_matrix.py";

/// Opens the cube at `place`.
pub(crate) fn open(place: &Location, options: &[(&str, &str)]) -> CubeResult<Vec<Group>> {
    let pair = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
    let options: Options = options.iter().map(pair).collect();
    let format: &dyn CubeFormat = match place.url.rsplit_once('.') {
        Some((_, "levels")) => &LevelsFormat,
        Some((_, "nc")) => &Netcdf,
        Some((_, "icechunk")) => &IcechunkFormat,
        _ => &ZarrFormat,
    };
    wait(format.open(place, &options))
}

/// Runs `future` on a runtime of its own.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

/// The array `name` of the group at `path`.
pub(crate) fn array<'a>(
    groups: &'a [Group],
    path: &str,
    name: &str,
) -> Option<&'a dyn ArrayReader> {
    let group = groups.iter().find(|group| group.path == path)?;
    let array = group
        .arrays
        .iter()
        .find(|array| array.description().name == name)?;
    Some(array.as_ref())
}

/// Reads all chunks of an array and puts them together in C order.
pub(crate) async fn read(array: &dyn ArrayReader) -> CubeResult<ArrayRef> {
    let description = array.description();
    let chunks = &description.chunks;
    let counts: Vec<u64> = chunks.iter().map(|axis| axis.count()).collect();
    let mut decoded = vec![fill(description)];
    let mut shapes = vec![vec![]];
    let mut places = Vec::new();
    for number in 0..counts.iter().product() {
        let index = unravel(number, &counts);
        match array.fetch(&index).await? {
            Some(chunk) => {
                let chunk = array.decode(&index, chunk)?;
                assert_eq!(chunk.values.data_type(), &description.data_type);
                places.push(decoded.len());
                decoded.push(chunk.values);
                shapes.push(chunk.shape);
            }
            None => places.push(0),
        }
    }
    let cells = description.shape.iter().product::<u64>();
    let cell = |number| {
        let cell = unravel(number, &description.shape);
        let mut chunk = 0;
        let mut position = 0;
        for (axis, at) in cell.iter().enumerate() {
            chunk = chunk * counts[axis] + chunks[axis].index_of(*at);
        }
        let place = places[chunk as usize];
        for (axis, length) in shapes[place].iter().enumerate() {
            let start = chunks[axis].range(chunks[axis].index_of(cell[axis])).start;
            position = position * length + (cell[axis] - start) as usize;
        }
        (place, position)
    };
    let cells: Vec<(usize, usize)> = (0..cells).map(cell).collect();
    let decoded: Vec<&dyn Array> = decoded.iter().map(AsRef::as_ref).collect();
    Ok(interleave(&decoded, &cells).unwrap())
}

pub(crate) fn unravel(mut number: u64, shape: &[u64]) -> Vec<u64> {
    let mut index = vec![0; shape.len()];
    for (at, length) in index.iter_mut().zip(shape).rev() {
        *at = number % length;
        number /= length;
    }
    index
}

/// One cell of the fill value.
fn fill(description: &ArrayDescription) -> ArrayRef {
    let value = &description.fill_value;
    if value.is_null() {
        return new_null_array(&description.data_type, 1);
    }
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_string);
    match &description.data_type {
        time @ DataType::Timestamp(_, _) => {
            let counts: ArrayRef = Arc::new(Int64Array::from(vec![value.as_i64().unwrap_or(0)]));
            cast(&counts, time).unwrap()
        }
        DataType::FixedSizeBinary(_) => {
            let bytes = [[*text.as_bytes().first().unwrap_or(&0)]];
            Arc::new(FixedSizeBinaryArray::try_from_iter(bytes.iter()).unwrap())
        }
        other => cast(&StringArray::from(vec![text]), other).unwrap(),
    }
}

/// The values that the manifest lists, NULL where it says that there are none.
fn expected(folder: &Path, entry: &Value) -> ArrayRef {
    let values = expected_values(folder, entry);
    let Some(valid) = entry["valid"].as_array() else {
        return values;
    };
    let valid: BooleanBuffer = valid.iter().map(|cell| cell.as_bool().unwrap()).collect();
    let masked = values.to_data().into_builder();
    make_array(masked.nulls(Some(NullBuffer::new(valid))).build().unwrap())
}

fn expected_values(folder: &Path, entry: &Value) -> ArrayRef {
    let name = entry["type"].as_str().unwrap();
    if let Some(lists) = entry["lists"].as_array() {
        let mut builder = ListBuilder::new(Float64Builder::new());
        for list in lists {
            match list.as_array() {
                None => builder.append_null(),
                Some(numbers) => {
                    builder.append_value(numbers.iter().map(|number| number.as_f64()));
                }
            }
        }
        let lists = DataType::new_list(name.parse().unwrap(), false);
        return cast(&builder.finish(), &lists).unwrap();
    }
    if let Some(texts) = entry["texts"].as_array() {
        let texts: Vec<&str> = texts.iter().map(|text| text.as_str().unwrap()).collect();
        return match name {
            "Utf8" => Arc::new(StringArray::from(texts)),
            _ => {
                let bytes = texts
                    .iter()
                    .map(|text| [*text.as_bytes().first().unwrap_or(&0)]);
                Arc::new(FixedSizeBinaryArray::try_from_iter(bytes).unwrap())
            }
        };
    }
    let bytes = fs::read(folder.join(entry["file"].as_str().unwrap())).unwrap();
    let data_type = match name.strip_prefix("Timestamp(") {
        Some(_) => name.parse().unwrap(),
        None if name == "Boolean" => {
            let bits = BooleanBuffer::collect_bool(bytes.len(), |cell| bytes[cell] != 0);
            return Arc::new(BooleanArray::new(bits, None));
        }
        None => name.parse::<DataType>().unwrap(),
    };
    let cells = bytes.len() / data_type.primitive_width().unwrap();
    let values = ArrayDataBuilder::new(data_type).len(cells);
    let values = values
        .add_buffer(Buffer::from_vec(bytes))
        .align_buffers(true);
    make_array(values.build().unwrap())
}

/// Every array of `store` has the values that zarr-python wrote.
fn check_store(store: &str) -> Result<(), Failed> {
    let folder = oracle::oracle(SCRIPT)?;
    let groups = open(&location(&folder.join(store)), &[])?;
    let manifest: Vec<Value> = serde_json::from_slice(&fs::read(folder.join("manifest.json"))?)?;
    let mut wrong = Vec::new();
    let mut compared = 0;
    for entry in manifest.iter().filter(|entry| entry["store"] == store) {
        let (path, name) = (
            entry["group"].as_str().unwrap(),
            entry["name"].as_str().unwrap(),
        );
        let Some(array) = array(&groups, path, name) else {
            wrong.push(format!("{path}/{name} is missing"));
            continue;
        };
        let description = array.description();
        let shape: Vec<u64> = serde_json::from_value(entry["shape"].clone())?;
        match wait(read(array)) {
            Err(error) => wrong.push(format!("{path}/{name}: {error}")),
            Ok(values) => {
                let expected = expected(&folder, entry);
                if description.shape != shape || values.as_ref() != expected.as_ref() {
                    wrong.push(format!(
                        "{path}/{name} {}: {values:?}, not {expected:?}",
                        description.codecs
                    ));
                }
            }
        }
        compared += 1;
    }
    assert!(
        wrong.is_empty(),
        "{} wrong: {}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(compared > 0);
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    let stores = [
        "v2.zarr",
        "v2-separate.zarr",
        "v2-single.zarr",
        "v3.zarr",
        "v3-separate.zarr",
        "v3-single.zarr",
    ];
    let store = |store: &'static str| Trial::test(format!("zarr::{store}"), || check_store(store));
    stores.into_iter().map(store).collect()
}
