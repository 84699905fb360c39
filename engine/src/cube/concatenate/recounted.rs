//! Times that files count from different dates, counted from one date.
//!
//! A file per day often counts seconds since its own midnight. Stored numbers of such files do not
//! belong in one array, so they become microseconds since 1970-01-01, in which every time that the
//! engine knows is exact.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use async_trait::async_trait;
use serde_json::Value;

use super::axis::{RULES, fill_cells};
use crate::cube::decoding::Decoding;
use crate::error::{CubeError, CubeResult};
use crate::source::{ArrayDescription, ArrayReader, Attributes, EncodedChunk, Payload, RawChunk};

/// The number that stands for a missing time.
const MISSING: i64 = i64::MIN;
/// What the numbers count.
const UNITS: &str = "microseconds since 1970-01-01 00:00:00";
/// Attributes that the recounted numbers do not have any more.
const SPENT: &[&str] = &[
    "scale_factor",
    "add_offset",
    "missing_value",
    "valid_min",
    "valid_max",
    "valid_range",
    "_Unsigned",
    "actual_range",
];

/// An array of times as microseconds since 1970-01-01 in its calendar.
#[derive(Debug)]
pub(super) struct Recounted {
    inner: Arc<dyn ArrayReader>,
    decoding: Decoding,
    description: ArrayDescription,
}

/// The description with the units and the calendar of `parent` where it has none of its own: bounds
/// count as their axis does (CF 1.11, section 7.1).
pub(super) fn with_units(
    description: &ArrayDescription,
    parent: Option<&Attributes>,
) -> ArrayDescription {
    let mut description = description.clone();
    for name in ["units", "calendar"] {
        if let (false, Some(value)) = (
            description.attributes.contains_key(name),
            parent.and_then(|parent| parent.get(name)),
        ) {
            description
                .attributes
                .insert(name.to_string(), value.clone());
        }
    }
    description
}

impl Recounted {
    /// Recounts `inner`, whose description with units is `described`.
    ///
    /// # Errors
    /// The fill value is no value of the array's type.
    pub(super) fn new(
        inner: Arc<dyn ArrayReader>,
        described: &ArrayDescription,
    ) -> CubeResult<Self> {
        let decoding = Decoding::new(described, RULES)?;
        let calendar = match decoding.calendar() {
            Some(calendar) => calendar.name(),
            None => "proleptic_gregorian",
        };
        let mut description = described.clone();
        description
            .attributes
            .retain(|name, _| !SPENT.contains(&name.as_str()));
        for (name, value) in [
            ("units", Value::from(UNITS)),
            ("calendar", Value::from(calendar)),
            ("_FillValue", Value::from(MISSING)),
        ] {
            description.attributes.insert(name.to_string(), value);
        }
        description.data_type = DataType::Int64;
        description.fill_value = Value::from(MISSING);
        Ok(Self {
            inner,
            decoding,
            description,
        })
    }
}

#[async_trait]
impl ArrayReader for Recounted {
    fn description(&self) -> &ArrayDescription {
        &self.description
    }

    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let fetched = self.inner.fetch(index).await?;
        if fetched.is_some() || self.decoding.fill().is_null() {
            return Ok(fetched);
        }
        // The time of cells that are not stored is another one in every file.
        let stored = self.inner.description();
        let shape: Vec<usize> = stored
            .chunks
            .iter()
            .zip(index)
            .map(|(chunks, i)| chunks.range(*i))
            .map(|cells| (cells.end - cells.start) as usize)
            .collect();
        Ok(Some(EncodedChunk {
            bytes_fetched: 0,
            payload: Payload::Values(RawChunk {
                values: fill_cells(stored, shape.iter().product())?,
                shape,
            }),
        }))
    }

    fn decode(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk> {
        let raw = match chunk.payload {
            Payload::Values(raw) => raw,
            payload => {
                let chunk = EncodedChunk { payload, ..chunk };
                self.inner.decode(index, chunk)?
            }
        };
        let (values, shape) = self.decoding.apply(raw)?;
        Ok(RawChunk {
            values: microseconds(&values)?,
            shape,
        })
    }
}

/// Decoded times as plain numbers.
pub(super) fn microseconds(times: &ArrayRef) -> CubeResult<ArrayRef> {
    let numbers = cast(times, &DataType::Int64).map_err(|error| CubeError::corrupt("", error))?;
    let numbers: Int64Array = numbers
        .as_primitive::<Int64Type>()
        .iter()
        .map(|time| Some(time.unwrap_or(MISSING)))
        .collect();
    Ok(Arc::new(numbers))
}
