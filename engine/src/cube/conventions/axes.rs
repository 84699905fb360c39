//! Reads the axes of a group: coordinates, order, role.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::types::Float64Type;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, make_comparator};
use arrow::compute::{SortOptions, cast, concat};
use arrow::datatypes::{DataType, Field};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::classify::{Column, text};
use super::fields;
use super::options::{Longitudes, Reading};
use super::roles::role_of;
use crate::cube::block::BlockValues;
use crate::cube::decoding::Decoding;
use crate::cube::metadata::CELL_SIZE;
use crate::cube::{Axis, AxisOrder, AxisRole, CellBounds, Variable};
use crate::error::{CubeError, CubeResult};
use crate::source::ArrayReader;

/// Chunks of one coordinate that are fetched at the same time.
const CONCURRENT_CHUNKS: usize = 32;

/// Most cells of an axis: its coordinates are in memory as long as the cube is open.
const MAX_CELLS: u64 = 1 << 28;

/// # Errors
/// The axis is so long that its coordinates would not fit in memory.
pub(super) fn check_length(name: &str, length: u64) -> CubeResult<()> {
    if length <= MAX_CELLS {
        return Ok(());
    }
    let cause = format!("an axis of {length} cells is longer than {MAX_CELLS}");
    Err(CubeError::unsupported(name, cause)
        .remedy("leave its variables out with the option drop_variables"))
}

/// The axis named `name` with the coordinates of `column`, one of `arrays`.
///
/// A fill value that masks cells of a coordinate which is in strict order without it is taken for a
/// default of the writer: CF coordinates have no missing values, and Zarr 2 arrays have fill value 0
/// whether they need one or not.
///
/// # Errors
/// The coordinates cannot be read, or there are not `length` of them.
pub(super) async fn read_axis(
    name: &str,
    column: &Column,
    length: u64,
    arrays: &[Arc<dyn ArrayReader>],
    reading: &Reading,
) -> CubeResult<Axis> {
    let description = column.array.description();
    let mut decoding = Decoding::new(description, reading.rules)?;
    let mut coordinates = read_coordinates(name, column, length, &decoding).await?;
    if coordinates.null_count() > 0 {
        let bare = decoding.without_sentinels();
        let unmasked = read_coordinates(name, column, length, &bare).await?;
        if order_of(&unmasked)? != AxisOrder::Unordered {
            (coordinates, decoding) = (unmasked, bare);
        }
    }
    let role = role_of(description);
    if let (Some(range), AxisRole::Longitude) = (reading.longitudes, role) {
        coordinates = map_longitudes(&coordinates, range)?;
    }
    let attributes = &description.attributes;
    let bounds = text(attributes, "bounds").or_else(|| text(attributes, "climatology"));
    let mut field = fields::field(name, &decoding, attributes, reading.rules, None);
    // An attribute of that name may be that of the grid from which this one was made.
    field.metadata_mut().remove(CELL_SIZE);
    if let Some(size) = cell_size(role, &coordinates)? {
        field
            .metadata_mut()
            .insert(CELL_SIZE.to_string(), size.to_string());
    }
    let cell_bounds = bounds.and_then(|bounds| {
        // Bounds of longitudes that were mapped would have to be mapped, too.
        let array = arrays
            .iter()
            .find(|array| array.description().name == bounds)?;
        let is_as_stored = reading.longitudes.is_none() || role != AxisRole::Longitude;
        CellBounds::new(array, &coordinates, attributes, reading.rules).filter(|_| is_as_stored)
    });
    Ok(Axis {
        field: Arc::new(field.with_nullable(coordinates.null_count() > 0)),
        order: order_of(&coordinates)?,
        coordinates,
        role,
        cell_bounds,
        bounds: bounds.map(str::to_string),
    })
}

/// An axis that counts its cells from 0.
pub(super) fn counting_axis(name: &str, length: u64) -> Axis {
    let count = i64::try_from(length).unwrap_or(i64::MAX);
    Axis {
        field: Arc::new(Field::new(name, DataType::Int64, false)),
        coordinates: Arc::new(Int64Array::from_iter_values(0..count)),
        order: AxisOrder::Ascending,
        role: AxisRole::Other,
        bounds: None,
        cell_bounds: None,
    }
}

async fn read_coordinates(
    name: &str,
    column: &Column,
    length: u64,
    decoding: &Decoding,
) -> CubeResult<ArrayRef> {
    let variable = Variable {
        field: Arc::new(Field::new(name, decoding.data_type().clone(), true)),
        axes: vec![0],
        array: Arc::clone(&column.array),
        decoding: decoding.clone(),
        origin: None,
    };
    let chunks = variable.chunks().first().map_or(0, |chunks| chunks.count());
    let parts = stream::iter(0..chunks).map(|chunk| read_chunk(&variable, chunk));
    let parts: Vec<ArrayRef> = parts.buffered(CONCURRENT_CHUNKS).try_collect().await?;
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    let coordinates = match parts.as_slice() {
        [] => arrow::array::new_empty_array(decoding.data_type()),
        parts => concat(parts).map_err(|error| CubeError::corrupt(name, error))?,
    };
    if coordinates.len() as u64 != length {
        let cause = format!("{} coordinates for {length} cells", coordinates.len());
        return Err(CubeError::corrupt(name, cause));
    }
    Ok(coordinates)
}

async fn read_chunk(variable: &Variable, chunk: u64) -> CubeResult<ArrayRef> {
    let cells = variable.region(&[chunk]).into_iter().next().unwrap_or(0..0);
    let cells = (cells.end - cells.start) as usize;
    let encoded = variable.fetch(&[chunk]).await?;
    let block = variable.decode(&[chunk], encoded)?;
    match block.values {
        BlockValues::Array(values) => Ok(values.slice(0, cells)),
        BlockValues::Constant(value) => value
            .to_array_of_size(cells)
            .map_err(|error| CubeError::corrupt(variable.field.name(), error)),
    }
}

fn map_longitudes(coordinates: &ArrayRef, range: Longitudes) -> CubeResult<ArrayRef> {
    let unreadable = |error| CubeError::corrupt("", error);
    let degrees = cast(coordinates, &DataType::Float64).map_err(unreadable)?;
    let degrees: Float64Array = degrees
        .as_primitive::<Float64Type>()
        .unary(|degrees| range.map(degrees));
    cast(&degrees, coordinates.data_type()).map_err(unreadable)
}

/// The distance between neighbouring cells of a horizontal axis, if it is the same all along.
fn cell_size(role: AxisRole, coordinates: &ArrayRef) -> CubeResult<Option<f64>> {
    use AxisRole::{Latitude, Longitude, X, Y};
    if !matches!(role, Latitude | Longitude | X | Y) || !coordinates.data_type().is_numeric() {
        return Ok(None);
    }
    let coordinates = cast(coordinates, &DataType::Float64);
    let coordinates = coordinates.map_err(|error| CubeError::corrupt("", error))?;
    let coordinates: &Float64Array = coordinates.as_primitive();
    let [first, .., last] = coordinates.values().as_ref() else {
        return Ok(None);
    };
    let step = (last - first) / (coordinates.len() - 1) as f64;
    let is_regular = coordinates.iter().enumerate().all(|(cell, place)| {
        let expected = first + step * cell as f64;
        place.is_some_and(|place| (place - expected).abs() <= step.abs() * IRREGULARITY)
    });
    Ok((is_regular && step != 0.0).then(|| step.abs()))
}

/// By how much of a cell's size stored coordinates, rounded to few digits, may be off.
const IRREGULARITY: f64 = 0.01;

/// How the coordinates run. One cell or none is ascending.
pub(in crate::cube) fn order_of(coordinates: &ArrayRef) -> CubeResult<AxisOrder> {
    if coordinates.null_count() > 0 {
        return Ok(AxisOrder::Unordered);
    }
    let compare = make_comparator(coordinates, coordinates, SortOptions::default())
        .map_err(|error| CubeError::unsupported("", error))?;
    let mut steps = (1..coordinates.len()).map(|cell| compare(cell - 1, cell));
    let first = steps.next().unwrap_or(Ordering::Less);
    let steady = steps.all(|step| step == first);
    Ok(match first {
        Ordering::Less if steady => AxisOrder::Ascending,
        Ordering::Greater if steady => AxisOrder::Descending,
        _ => AxisOrder::Unordered,
    })
}
