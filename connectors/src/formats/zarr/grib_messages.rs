//! Chunks that are messages of GRIB, the codec `grib` of kerchunk: [`GribMessages`].
//!
//! ```text
//!  {"id": "grib", "var": "t2m"}          the values of the message, in the order in which they are stored
//!  {"id": "grib", "var": "latitude"}     where its points lie
//! ```

use std::num::NonZeroU64;

use arrow::datatypes::ToByteSlice;
use bytes::Bytes;
use serde_json::{Map, Value};
use zarrs::array::DataType;
use zarrs::array::codec::api::ArrayBytes;

use super::decode_only::{Unpack, cells, cells_of};
use super::numbers::Numbers;
use crate::formats::grib::message::Message;

/// Reads what a message says of a variable.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GribMessages {
    variable: String,
}

impl GribMessages {
    /// The codec, as its configuration describes it. The error is its cause in words.
    pub(super) fn of(configuration: &Map<String, Value>) -> Result<Self, String> {
        match configuration.get("var") {
            Some(Value::String(variable)) => Ok(Self {
                variable: variable.clone(),
            }),
            _ => Err("the codec grib does not say which variable it reads".to_string()),
        }
    }
}

impl Unpack for GribMessages {
    fn unpack(
        &self,
        encoded: &[u8],
        shape: &[NonZeroU64],
        data_type: &DataType,
    ) -> Result<ArrayBytes<'static>, String> {
        let count = cells_of(shape);
        let fits = |found: u64| match found == count {
            true => Ok(()),
            false => Err(format!(
                "the GRIB message has {found} values for the {count} cells of a chunk"
            )),
        };
        let message = Message::of(Bytes::copy_from_slice(encoded));
        let message = message.map_err(|error| error.to_string())?;
        let values = match self.variable.as_str() {
            name @ ("latitude" | "longitude") => message.coordinates(name, count),
            _ => {
                // A few bytes may state a grid that fills the memory.
                fits(message.points())?;
                message.values()
            }
        };
        let values = values.map_err(|error| error.to_string())?;
        fits(values.len() as u64)?;
        Ok(cells(match Numbers::of(data_type) {
            Some(Numbers::F32) => {
                let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
                values.to_byte_slice().to_vec()
            }
            Some(Numbers::F64) => values.to_byte_slice().to_vec(),
            _ => {
                return Err(
                    "values of GRIB are numbers of 32 or 64 bits with a decimal point".to_string(),
                );
            }
        }))
    }
}
