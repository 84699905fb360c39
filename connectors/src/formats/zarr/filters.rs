//! The numeric filters of numcodecs, undone with the arithmetic of NumPy: [`Filter`].
//!
//! | filter | stored | decoded |
//! |---|---|---|
//! | `delta` | differences of neighbours | their running sum |
//! | `fixedscaleoffset` | packed numbers | `stored / scale + offset` |
//! | `astype`, `quantize`, `bitround` | numbers of another type, or rounded | the same in the array's type |
//!
//! zarrs has no `delta`, and its `fixedscaleoffset` computes with 32-bit floats, which is not what
//! the writer meant. In Zarr v3 the same filters are called `numcodecs.delta` and so on.

use std::num::NonZeroU64;

use serde_json::{Map, Value};
use zarrs::array::DataType;

use super::data_type::ByteOrder;
use super::decode_only::Undo;
use super::numbers::Numbers;

/// One numeric filter.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    operation: Operation,
    /// The types of the numbers before and after decoding; `None` where the filter keeps the type.
    types: Option<(Numbers, Numbers)>,
    /// The byte order of the stored numbers, where the filter says so.
    order: Option<ByteOrder>,
}

#[derive(Debug, Clone, Copy)]
enum Operation {
    Sum,
    Unpack { scale: f64, offset: f64 },
    Convert,
}

impl Filter {
    /// The filter that numcodecs calls `name`, if it is one of those. The error is its cause in words.
    pub(super) fn of(
        name: &str,
        configuration: &Map<String, Value>,
    ) -> Option<Result<Self, String>> {
        let number = |key: &str| {
            let value = configuration.get(key).and_then(Value::as_f64);
            value.ok_or_else(|| format!("the filter {name:?} has no number {key:?}"))
        };
        let operation = match name {
            "delta" => Ok(Operation::Sum),
            "astype" | "quantize" | "bitround" => Ok(Operation::Convert),
            "fixedscaleoffset" => number("scale").and_then(|scale| {
                number("offset").map(|offset| Operation::Unpack { scale, offset })
            }),
            _ => return None,
        };
        Some(operation.and_then(|operation| Self::new(name, operation, configuration)))
    }

    fn new(
        name: &str,
        operation: Operation,
        configuration: &Map<String, Value>,
    ) -> Result<Self, String> {
        let (decoded, stored) = match name {
            "bitround" => {
                return Ok(Self {
                    operation,
                    types: None,
                    order: None,
                });
            }
            "astype" => ("decode_dtype", "encode_dtype"),
            _ => ("dtype", "astype"),
        };
        let type_of = |key: &str| configuration.get(key).filter(|value| !value.is_null());
        let wrong = |value: Option<&Value>| {
            let value = value.unwrap_or(&Value::Null);
            format!("the filter {name:?} works on numbers, not on {value}")
        };
        let decoded = type_of(decoded);
        let stored = type_of(stored).or(decoded);
        let (decoded, _) = Numbers::parse(decoded).ok_or_else(|| wrong(decoded))?;
        let (stored, order) = Numbers::parse(stored).ok_or_else(|| wrong(stored))?;
        Ok(Self {
            operation,
            types: Some((stored, decoded)),
            order: Some(order),
        })
    }

    /// The byte order of the stored numbers, where the filter says so.
    pub(super) fn order(&self) -> Option<ByteOrder> {
        self.order
    }

    fn decoded(&self, stored: &[u8]) -> Vec<u8> {
        use Numbers::{F32, F64};
        let Some((from, to)) = self.types else {
            return stored.to_vec();
        };
        match (self.operation, from, to) {
            (Operation::Convert, _, _) if from == to => stored.to_vec(),
            (Operation::Convert, F32 | F64, _) | (Operation::Convert, _, F32 | F64) => {
                to.bytes_of_floats(from.floats(stored))
            }
            (Operation::Convert, _, _) => to.bytes_of_integers(from.integers(stored)),
            (Operation::Unpack { scale, offset }, F32, _) => {
                // NumPy keeps single precision here.
                let (scale, offset) = (scale as f32, offset as f32);
                let singles = from.floats(stored);
                let unpack = |value| f64::from(value as f32 / scale + offset);
                to.bytes_of_floats(singles.map(unpack))
            }
            (Operation::Unpack { scale, offset }, _, _) => {
                to.bytes_of_floats(from.floats(stored).map(|value| value / scale + offset))
            }
            (Operation::Sum, _, F32) => {
                let sums = from.floats(stored).scan(0.0_f32, |sum, difference| {
                    *sum += difference as f32;
                    Some(f64::from(*sum))
                });
                to.bytes_of_floats(sums)
            }
            (Operation::Sum, _, F64) => {
                let sums = from.floats(stored).scan(0.0_f64, |sum, difference| {
                    *sum += difference;
                    Some(*sum)
                });
                to.bytes_of_floats(sums)
            }
            (Operation::Sum, _, _) => {
                let sums = from.integers(stored).scan(0_i64, |sum, difference| {
                    *sum = sum.wrapping_add(difference);
                    Some(*sum)
                });
                to.bytes_of_integers(sums)
            }
        }
    }
}

impl Undo for Filter {
    fn stored_type(&self, data_type: &DataType) -> Result<DataType, String> {
        match self.types {
            None => Ok(data_type.clone()),
            Some((stored, filtered)) if filtered.data_type() == *data_type => {
                Ok(stored.data_type())
            }
            Some((_, filtered)) => Err(format!(
                "a filter gives numbers of type {filtered:?}, which the array does not have"
            )),
        }
    }

    fn undo(&self, stored: &[u8], _shape: &[NonZeroU64]) -> Result<Vec<u8>, String> {
        Ok(self.decoded(stored))
    }
}
