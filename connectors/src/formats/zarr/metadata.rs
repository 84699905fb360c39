//! What the metadata of an array say: `.zarray` and `.zattrs` of Zarr v2, `zarr.json` of v3.
//!
//! [`ArrayMetadata`] is the same for both. Parsing is ours, not zarrs', so that a cube with one
//! array that cannot be read still opens, and no number is trusted before it is checked.

use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::Attributes;
use serde_json::{Map, Value, json};
use zarrs::array::ChunkKeyEncoding;
use zarrs::metadata::v3::MetadataV3;

use super::codecs::{Codec, objects};
use super::data_type::{ByteOrder, CellType, NOT_A_TIME};
use super::grid::Grid;

/// More dimensions than NumPy allows are a mistake.
const MOST_DIMENSIONS: usize = 64;

/// The metadata of one array.
#[derive(Debug)]
pub(super) struct ArrayMetadata {
    pub(super) shape: Vec<u64>,
    pub(super) dimensions: Vec<String>,
    pub(super) grid: Grid,
    /// `None` where this version has no type for the cells.
    pub(super) cell: Option<CellType>,
    /// The name of the type as stored.
    pub(super) data_type: String,
    /// As stored, see [`CellType::fill_value`].
    pub(super) fill_value: Value,
    pub(super) codecs: Vec<Codec>,
    pub(super) keys: ChunkKeyEncoding,
    pub(super) attributes: Attributes,
    /// What of the array this version does not understand, if anything.
    pub(super) not_understood: Option<String>,
}

impl ArrayMetadata {
    /// Reads `.zarray` and the attributes beside it. `place` names the array in errors.
    pub(super) fn of_v2(
        array: &Map<String, Value>,
        attributes: Attributes,
        place: &str,
    ) -> CubeResult<Self> {
        Self::parse_v2(array, attributes).map_err(|cause| malformed(place, cause))
    }

    /// Reads the `zarr.json` of an array. `place` names the array in errors.
    pub(super) fn of_v3(array: Map<String, Value>, place: &str) -> CubeResult<Self> {
        Self::parse_v3(array).map_err(|cause| malformed(place, cause))
    }

    fn parse_v2(array: &Map<String, Value>, mut attributes: Attributes) -> Result<Self, String> {
        let shape = shape_of(array)?;
        let chunks = numbers(array.get("chunks")).ok_or("the chunks are not a list of numbers")?;
        let dtype = array.get("dtype").cloned().unwrap_or(Value::Null);
        let typed = CellType::of_v2(&dtype, objects(array));
        let order = typed
            .as_ref()
            .map_or(ByteOrder::Little, |(_, order)| *order);
        let fill_value = array.get("fill_value").cloned().unwrap_or(Value::Null);
        let cell = typed.map(|(cell, _)| cell);
        let names = attributes.shift_remove("_ARRAY_DIMENSIONS");
        add_fill_value_of_v2(cell.as_ref(), &fill_value, &mut attributes);
        describe_times(cell.as_ref(), &mut attributes);
        let separator = array.get("dimension_separator").and_then(Value::as_str);
        Ok(Self {
            dimensions: dimension_names(names.as_ref(), shape.len())?,
            grid: Grid::regular(&shape, &chunks)?,
            cell,
            data_type: text_of(&dtype),
            fill_value,
            codecs: Codec::list_of_v2(array, shape.len(), order)?,
            keys: key_encoding(&json!({
                "name": "v2",
                "configuration": {"separator": separator.unwrap_or(".")},
            }))?,
            attributes,
            not_understood: None,
            shape,
        })
    }

    fn parse_v3(mut array: Map<String, Value>) -> Result<Self, String> {
        let shape = shape_of(&array)?;
        let data_type = array.get("data_type").cloned().unwrap_or(Value::Null);
        let cell = CellType::of_v3(&data_type);
        let mut attributes = match array.shift_remove("attributes") {
            Some(Value::Object(attributes)) => attributes,
            _ => Map::new(),
        };
        describe_times(cell.as_ref(), &mut attributes);
        let chunk_grid = array.get("chunk_grid").unwrap_or(&Value::Null);
        let keys = array.get("chunk_key_encoding").cloned();
        Ok(Self {
            dimensions: dimension_names(array.get("dimension_names"), shape.len())?,
            grid: Grid::of_v3(&shape, chunk_grid)?,
            cell,
            data_type: type_text(&data_type),
            fill_value: array.get("fill_value").cloned().unwrap_or(Value::Null),
            codecs: Codec::list_of_v3(array.get("codecs"))?,
            keys: key_encoding(&keys.unwrap_or_else(|| json!("default")))?,
            attributes,
            not_understood: not_understood(&array),
            shape,
        })
    }
}

fn malformed(place: &str, cause: String) -> CubeError {
    CubeError::corrupt(
        place,
        format!("the metadata of the array are wrong: {cause}"),
    )
    .remedy("correct the metadata, or open the other arrays by name with the option variables")
}

fn shape_of(array: &Map<String, Value>) -> Result<Vec<u64>, String> {
    let shape = numbers(array.get("shape")).ok_or("the shape is not a list of numbers")?;
    if shape.len() > MOST_DIMENSIONS {
        return Err(format!("the array has {} dimensions", shape.len()));
    }
    let cells = shape
        .iter()
        .try_fold(1_u64, |cells, length| cells.checked_mul(*length));
    match cells {
        Some(cells) if i64::try_from(cells).is_ok() => Ok(shape),
        _ => Err(format!("the shape {shape:?} has too many cells to count")),
    }
}

fn numbers(list: Option<&Value>) -> Option<Vec<u64>> {
    list?.as_array()?.iter().map(Value::as_u64).collect()
}

/// The names where there are enough of them, else `dim_0`, `dim_1`, …
fn dimension_names(names: Option<&Value>, rank: usize) -> Result<Vec<String>, String> {
    let names = match names {
        None | Some(Value::Null) => &[],
        Some(Value::Array(names)) => names.as_slice(),
        Some(_) => return Err("the dimension names are not a list".to_string()),
    };
    if !names.is_empty() && names.len() != rank {
        return Err(format!(
            "the array has {rank} dimensions and {} dimension names",
            names.len()
        ));
    }
    let name = |axis: usize| match names.get(axis).and_then(Value::as_str) {
        Some(name) if !name.is_empty() => name.to_string(),
        _ => format!("dim_{axis}"),
    };
    Ok((0..rank).map(name).collect())
}

/// In Zarr v2 the fill value means "missing", as xarray reads it, unless the attributes say
/// otherwise. The defaults of logical values and texts mean nothing.
fn add_fill_value_of_v2(cell: Option<&CellType>, stored: &Value, attributes: &mut Attributes) {
    let Some(cell) = cell else { return };
    let fill_value = cell.fill_value(stored);
    let is_default = *cell == CellType::Boolean || fill_value == "";
    if !fill_value.is_null() && !is_default && !attributes.contains_key("_FillValue") {
        attributes.insert("_FillValue".to_string(), fill_value);
    }
}

/// NumPy's times have a "not a time", and its durations have units.
fn describe_times(cell: Option<&CellType>, attributes: &mut Attributes) {
    let cell = cell.map(CellType::of_values);
    let (Some(CellType::Time { .. }) | Some(CellType::Duration { .. })) = cell else {
        return;
    };
    attributes.insert("_FillValue".to_string(), json!(NOT_A_TIME));
    if let Some(CellType::Duration { unit, .. }) = cell {
        attributes.insert("units".to_string(), json!(unit));
    }
}

fn key_encoding(metadata: &Value) -> Result<ChunkKeyEncoding, String> {
    let metadata: MetadataV3 = serde_json::from_value(metadata.clone())
        .map_err(|error| format!("the chunk keys are not understood: {error}"))?;
    ChunkKeyEncoding::from_metadata(&metadata)
        .map_err(|error| format!("the chunk keys are not understood: {error}"))
}

/// Zarr v3 lets metadata say what a reader must understand.
fn not_understood(array: &Map<String, Value>) -> Option<String> {
    const KNOWN: [&str; 11] = [
        "zarr_format",
        "node_type",
        "shape",
        "data_type",
        "chunk_grid",
        "chunk_key_encoding",
        "fill_value",
        "codecs",
        "attributes",
        "dimension_names",
        "consolidated_metadata",
    ];
    if let Some(Value::Array(transformers)) = array.get("storage_transformers")
        && let Some(first) = transformers.first()
    {
        return Some(format!("the storage transformer {}", text_of(first)));
    }
    let may_be_ignored = |value: &Value| value.get("must_understand") == Some(&json!(false));
    array
        .iter()
        .find(|(key, value)| {
            !KNOWN.contains(&key.as_str())
                && key.as_str() != "storage_transformers"
                && !may_be_ignored(value)
        })
        .map(|(key, _)| format!("the extension {key:?}"))
}

/// A type of Zarr v3 for people, with the type that it wraps, if it does.
fn type_text(data_type: &Value) -> String {
    let name = text_of(data_type);
    let wrapped = data_type.get("configuration");
    match wrapped.filter(|wrapped| wrapped.get("name").is_some()) {
        Some(wrapped) => format!("{name} of {}", type_text(wrapped)),
        None => name,
    }
}

/// A name, or the name of an object, or the JSON itself.
fn text_of(value: &Value) -> String {
    match value.as_str().or_else(|| value.get("name")?.as_str()) {
        Some(name) => name.to_string(),
        None => value.to_string(),
    }
}
