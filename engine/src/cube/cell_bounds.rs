//! The bounds of the cells of an axis, as the data state them: [`CellBounds`].
//!
//! ```text
//!  lat(lat)  bounds: lat_bnds        lat_bnds(lat, 2)   lower and upper, or upper and lower, of each cell
//! ```
//! They are read when somebody asks for them (CF 1.11 §7.1): most queries need none.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt64Array};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};

use super::decoding::{Decoding, DecodingRules};
use crate::error::{CubeError, CubeResult};
use crate::source::{ArrayDescription, ArrayReader, Attributes};

/// What bounds take from the coordinates where they do not say it themselves (CF 1.11 §7.1).
const TAKEN: [&str; 2] = ["units", "calendar"];

/// Bounds that are stored as an array of two numbers per cell.
#[derive(Debug, Clone)]
pub struct CellBounds {
    array: Arc<dyn ArrayReader>,
    decoding: Decoding,
    /// Those of all cells of the array, in its order.
    coordinates: ArrayRef,
}

impl CellBounds {
    /// The bounds in `array` of the cells with these coordinates, whose array has these `attributes`. `None` where
    /// there are not two per cell.
    pub(super) fn new(
        array: &Arc<dyn ArrayReader>,
        coordinates: &ArrayRef,
        attributes: &Attributes,
        rules: DecodingRules,
    ) -> Option<Self> {
        let stored = array.description();
        let has_pairs =
            stored.shape == [coordinates.len() as u64, 2] && stored.chunks[1].count() == 1;
        let mut described = ArrayDescription {
            attributes: stored.attributes.clone(),
            ..stored.clone()
        };
        for name in TAKEN {
            if let (None, Some(value)) = (described.attributes.get(name), attributes.get(name)) {
                described.attributes.insert(name.to_string(), value.clone());
            }
        }
        let decoding = Decoding::new(&described, rules).ok()?;
        has_pairs.then(|| Self {
            array: Arc::clone(array),
            // A fill value that is a bound is a default of the writer, as it is for coordinates.
            decoding: decoding.without_sentinels(),
            coordinates: Arc::clone(coordinates),
        })
    }

    /// The bounds of the cells at `coordinates`, one after the other: twice as many, of their type. `None` where
    /// one of them is none of the array's cells, or has no bounds.
    ///
    /// # Errors
    /// The array cannot be read.
    pub(crate) async fn of(&self, coordinates: &ArrayRef) -> CubeResult<Option<ArrayRef>> {
        let wanted = coordinates.data_type();
        let unreadable =
            |error: ArrowError| CubeError::corrupt(&self.array.description().name, error);
        let known = cast(&self.coordinates, wanted).map_err(unreadable)?;
        let Some(cells) = positions(&known, coordinates).map_err(unreadable)? else {
            return Ok(None);
        };
        let Some(all) = self.read().await? else {
            return Ok(None);
        };
        let pairs = cells.into_iter().flat_map(|cell| [2 * cell, 2 * cell + 1]);
        let picked = take(&all, &UInt64Array::from_iter_values(pairs), None).map_err(unreadable)?;
        let picked = cast(&picked, wanted).map_err(unreadable)?;
        Ok((picked.null_count() == 0).then_some(picked))
    }

    /// All bounds. `None` where the format stores more than two numbers side by side.
    async fn read(&self) -> CubeResult<Option<ArrayRef>> {
        let description = self.array.description();
        let mut parts = Vec::new();
        for chunk in 0..description.chunks[0].count() {
            let cells = description.chunks[0].range(chunk);
            let count = 2 * (cells.end - cells.start) as usize;
            let Some(encoded) = self.array.fetch(&[chunk, 0]).await? else {
                return Ok(None);
            };
            let raw = self.array.decode(&[chunk, 0], encoded)?;
            let (values, shape) = self.decoding.apply(raw)?;
            if shape.last() != Some(&2) || values.len() < count {
                return Ok(None);
            }
            parts.push(values.slice(0, count));
        }
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        let joined = concat(&parts);
        joined
            .map(Some)
            .map_err(|error| CubeError::corrupt(&description.name, error))
    }
}

/// Where each of `wanted` stands in `known`; `None` where one does not.
fn positions(known: &ArrayRef, wanted: &ArrayRef) -> Result<Option<Vec<u64>>, ArrowError> {
    if matches!(known.data_type(), DataType::Null) {
        return Ok(None);
    }
    let converter = RowConverter::new(vec![SortField::new(known.data_type().clone())])?;
    let known = converter.convert_columns(&[Arc::clone(known)])?;
    let wanted = converter.convert_columns(&[Arc::clone(wanted)])?;
    let at: HashMap<_, u64> = known.iter().zip(0..).collect();
    Ok(wanted.iter().map(|row| at.get(&row).copied()).collect())
}
