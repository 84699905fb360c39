//! The metadata of a cube as JSON: those of Zarr v3 and of v2.
//!
//! ```text
//!  v3   zarr.json            group, with the documents of all arrays: consolidated
//!       sst/zarr.json        array, with its attributes
//!  v2   .zmetadata           all that follow: consolidated
//!       .zgroup  .zattrs     group
//!       sst/.zarray, .zattrs
//! ```
//!
//! What is missing is said twice, because readers differ. Zarr v2's fill value means "missing", so
//! it is that of `_FillValue`, or null. In v3 it does not, and the attribute `_FillValue` says it, of
//! floats in base64 as xarray writes and reads it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use graticule_engine::sink::{TargetArray, TargetCube};
use graticule_engine::source::Attributes;
use serde_json::{Map, Value, json};

use super::super::data_type::CellType;
use super::encoder::{ArrayEncoder, stored_fill_value};
use super::keys::ChunkKeys;

/// The attribute that says which value means "missing".
const FILL_VALUE: &str = "_FillValue";

/// An object with metadata: its path below the cube, and what it says.
pub(super) type Document = (String, Value);

/// `zarr.json` of an array.
pub(super) fn array_v3(array: &TargetArray, encoder: &ArrayEncoder, keys: ChunkKeys) -> Value {
    let cell = encoder.cell();
    let bytes = match cell {
        CellType::Text => json!({"name": "vlen-utf8", "configuration": {}}),
        _ if encoder.width() == 1 => json!({"name": "bytes"}),
        _ => json!({"name": "bytes", "configuration": {"endian": "little"}}),
    };
    let compressor = encoder.compression().of_v3(encoder.width());
    let mut codecs: Vec<Value> = std::iter::once(bytes).chain(compressor).collect();
    if array.shards.is_some() {
        codecs = vec![json!({"name": "sharding_indexed", "configuration": {
            "chunk_shape": array.chunks,
            "codecs": codecs,
            "index_codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "crc32c"},
            ],
            "index_location": "end",
        }})];
    }
    json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": array.shape,
        "data_type": cell.zarrs_metadata(),
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": array.object_shape()},
        },
        "chunk_key_encoding": keys.metadata(),
        "fill_value": stored_fill_value(array),
        "codecs": codecs,
        "attributes": attributes_v3(array),
        "dimension_names": array.dimensions,
        "storage_transformers": [],
    })
}

/// `zarr.json` of the cube. `state` is unlike that of any other state, so that two states never have
/// the same document and therefore the same version.
pub(super) fn group_v3(attributes: &Attributes, arrays: &[(String, Value)], state: &str) -> Value {
    let arrays: Map<String, Value> = arrays.iter().cloned().collect();
    json!({
        "zarr_format": 3,
        "node_type": "group",
        "attributes": attributes,
        "consolidated_metadata": {
            "kind": "inline",
            "must_understand": false,
            "state": state,
            "metadata": arrays,
        },
    })
}

/// The attributes of an array of Zarr v3.
fn attributes_v3(array: &TargetArray) -> Attributes {
    let mut attributes = array.attributes.clone();
    if !array.data_type.is_floating() {
        return attributes;
    }
    if let Some(value) = attributes.get_mut(FILL_VALUE)
        && let Some(number) = float(value)
    {
        *value = json!(BASE64_STANDARD.encode(number.to_le_bytes()));
    }
    // "Not a number" is missing without being said, and xarray does not read it as text.
    if attributes
        .get("missing_value")
        .and_then(float)
        .is_some_and(f64::is_nan)
    {
        attributes.shift_remove("missing_value");
    }
    attributes
}

/// A float as attributes have it: a number, a word for what JSON lacks, or in base64.
fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => {
                let bytes = BASE64_STANDARD.decode(text).ok()?;
                bytes.try_into().ok().map(f64::from_le_bytes)
            }
        },
        _ => None,
    }
}

/// The fill value of Zarr v2, from the attribute that says what is missing.
fn fill_value_v2(missing: Value, cell: &CellType) -> Value {
    match (cell, float(&missing)) {
        (CellType::Number(number), Some(value)) if number.is_floating() => match value {
            value if value.is_nan() => json!("NaN"),
            f64::INFINITY => json!("Infinity"),
            f64::NEG_INFINITY => json!("-Infinity"),
            value => json!(value),
        },
        _ => missing,
    }
}

/// Must chunks of nothing but the fill value be stored, because the metadata of Zarr v2 cannot say
/// that it is their value and not a missing one?
pub(super) fn stores_all_in_v2(array: &TargetArray) -> bool {
    array
        .attributes
        .get(FILL_VALUE)
        .is_none_or(|missing| !is_same(missing, &array.fill_value))
}

fn is_same(left: &Value, right: &Value) -> bool {
    match (float(left), float(right)) {
        (Some(left), Some(right)) => left == right || (left.is_nan() && right.is_nan()),
        _ => left == right,
    }
}

/// The documents of a cube of Zarr v2, and `.zmetadata`, which has them all.
pub(super) fn documents_v2(
    cube: &TargetCube,
    encoders: &[&ArrayEncoder],
) -> (Vec<Document>, Value) {
    let mut documents = Vec::new();
    for (array, encoder) in cube.arrays.iter().zip(encoders) {
        let mut attributes = array.attributes.clone();
        let missing = attributes.shift_remove(FILL_VALUE);
        attributes.insert("_ARRAY_DIMENSIONS".to_string(), json!(array.dimensions));
        let name = &array.name;
        documents.push((format!("{name}/.zarray"), array_v2(array, encoder, missing)));
        documents.push((format!("{name}/.zattrs"), Value::Object(attributes)));
    }
    documents.push((".zattrs".to_string(), json!(cube.attributes)));
    documents.push((".zgroup".to_string(), json!({"zarr_format": 2})));
    let metadata: Map<String, Value> = documents.iter().cloned().collect();
    let consolidated = json!({"metadata": metadata, "zarr_consolidated_format": 1});
    (documents, consolidated)
}

fn array_v2(array: &TargetArray, encoder: &ArrayEncoder, missing: Option<Value>) -> Value {
    let filters = match encoder.cell() {
        CellType::Text => json!([{"id": "vlen-utf8"}]),
        _ => Value::Null,
    };
    json!({
        "zarr_format": 2,
        "shape": array.shape,
        "chunks": array.chunks,
        "dtype": dtype_v2(encoder.cell(), encoder.width()),
        "compressor": encoder.compression().of_v2(),
        "fill_value": missing.map(|missing| fill_value_v2(missing, encoder.cell())),
        "order": "C",
        "filters": filters,
        "dimension_separator": ".",
    })
}

/// NumPy's name of a type.
fn dtype_v2(cell: &CellType, width: usize) -> String {
    let kind = match cell {
        CellType::Boolean => 'b',
        CellType::Number(number) if number.is_floating() => 'f',
        CellType::Number(number) if number.is_signed_integer() => 'i',
        CellType::Number(_) => 'u',
        _ => return "|O".to_string(),
    };
    let order = if width == 1 { '|' } else { '<' };
    format!("{order}{kind}{width}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::datatypes::DataType;

    use super::*;

    fn array(data_type: DataType, fill_value: Value, attributes: Value) -> TargetArray {
        TargetArray {
            name: "v".to_string(),
            dimensions: vec!["x".to_string()],
            shape: vec![3],
            chunks: vec![2],
            shards: Some(vec![4]),
            data_type,
            fill_value,
            codec: Some("zstd:3".to_string()),
            attributes: attributes.as_object().unwrap().clone(),
        }
    }

    #[test]
    fn an_array_of_version_3() {
        let array = array(
            DataType::Float32,
            json!("NaN"),
            json!({"_FillValue": "NaN"}),
        );
        let encoder = ArrayEncoder::new(&array).unwrap();
        let expected = json!({
            "zarr_format": 3,
            "node_type": "array",
            "shape": [3],
            "data_type": "float32",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
            "fill_value": "NaN",
            "codecs": [{"name": "sharding_indexed", "configuration": {
                "chunk_shape": [2],
                "codecs": [
                    {"name": "bytes", "configuration": {"endian": "little"}},
                    {"name": "zstd", "configuration": {"level": 3, "checksum": false}},
                ],
                "index_codecs": [
                    {"name": "bytes", "configuration": {"endian": "little"}},
                    {"name": "crc32c"},
                ],
                "index_location": "end",
            }}],
            "attributes": {"_FillValue": "AAAAAAAA+H8="},
            "dimension_names": ["x"],
            "storage_transformers": [],
        });
        assert_eq!(
            array_v3(&array, &encoder, ChunkKeys::Default('.')),
            expected
        );
    }

    /// Type, fill value and attributes; attributes of v3; fill value of v2, and is every chunk stored?
    #[test]
    fn what_is_missing_is_said_as_readers_expect_it() {
        let cases = [
            (
                DataType::Float32,
                json!(0),
                json!({}),
                json!({}),
                json!(null),
                true,
            ),
            (
                DataType::Float64,
                json!("NaN"),
                json!({"_FillValue": "NaN", "missing_value": "NaN"}),
                json!({"_FillValue": "AAAAAAAA+H8="}),
                json!("NaN"),
                false,
            ),
            (
                DataType::Float32,
                json!(-9.5),
                json!({"_FillValue": -9.5, "missing_value": -9.5}),
                json!({"_FillValue": "AAAAAAAAI8A=", "missing_value": -9.5}),
                json!(-9.5),
                false,
            ),
            (
                DataType::Float32,
                json!(0),
                json!({"_FillValue": "AAAAAAAA+H8="}),
                json!({"_FillValue": "AAAAAAAA+H8="}),
                json!("NaN"),
                true,
            ),
            (
                DataType::Int16,
                json!(-1),
                json!({"_FillValue": -1}),
                json!({"_FillValue": -1}),
                json!(-1),
                false,
            ),
            (
                DataType::Int16,
                json!(0),
                json!({"_FillValue": -1}),
                json!({"_FillValue": -1}),
                json!(-1),
                true,
            ),
        ];
        for (data_type, fill_value, attributes, in_v3, in_v2, stores_all) in cases {
            let array = array(data_type, fill_value, attributes);
            let encoder = ArrayEncoder::new(&array).unwrap();
            assert_eq!(json!(attributes_v3(&array)), in_v3, "{array:?}");
            assert_eq!(stores_all_in_v2(&array), stores_all, "{array:?}");
            let cube = TargetCube {
                arrays: vec![array],
                attributes: Attributes::new(),
                images: None,
            };
            let (documents, _) = documents_v2(&cube, &[&encoder]);
            assert_eq!(documents[0].1["fill_value"], in_v2, "{documents:?}");
            assert_eq!(documents[1].1.get("_FillValue"), None);
        }
    }
}
