//! CF decoding: what turns the stored numbers of a variable into values with a mask.
//!
//! ```text
//!  stored ─▶ reinterpret (_Unsigned) ─▶ mask (_FillValue, missing_value, valid_*, NaN) ─▶ transform
//!                                                                        keep · scale · time · text
//! ```
//! Missing values are recognised among the stored numbers, before scaling (CF 1.11 §2.5.1, §8.1).
//! A variable that only needs a mask shares the buffer of its stored numbers.
//!
//! Where this differs from xarray, on purpose: integers without scaling stay integers and get NULLs
//! (xarray turns them into floats), `valid_min`, `valid_max` and `valid_range` are applied (xarray
//! leaves that to the reader), and booleans have no fill value.

pub(super) mod characters;
mod missing;
pub(super) mod number;
mod recipe;
mod time;

use std::sync::Arc;

use arrow::array::types::{Float32Type, Float64Type, Int64Type};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, make_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use graticule_functions::calendar::{Calendar, TimeUnits};

use self::missing::Missing;
use self::number::{Stored, with_number_type};
use crate::error::{CubeError, CubeResult};
use crate::source::RawChunk;

pub use self::recipe::DecodingRules;
pub(super) use self::recipe::stored_scalar;

/// How the stored numbers of one variable become values. Made by [`Decoding::new`] from the
/// attributes, applied to every chunk.
#[derive(Debug, Clone)]
pub struct Decoding {
    /// Type in which the values are stored.
    stored: DataType,
    /// Type with the same width by which they are read, see `_Unsigned`.
    read_as: DataType,
    missing: Missing,
    transform: Transform,
    data_type: DataType,
    calendar: Option<Calendar>,
    fill: ScalarValue,
}

/// What happens to the numbers that are not missing.
#[derive(Debug, Clone, PartialEq)]
enum Transform {
    /// They stay as they are, in the same buffer.
    Keep,
    /// They are values already, mask and all; a NaN is one.
    Decoded,
    /// `value × scale + offset`, in 64 bits, rounded once to the decoded type.
    Scale { scale: f64, offset: f64 },
    /// `units: days since …`, after scaling.
    Time {
        units: TimeUnits,
        scale: f64,
        offset: f64,
    },
    /// Any number but 0 is true.
    Truth,
    /// Characters are joined along the last dimension.
    Text,
    /// Arrow converts, for example nanoseconds to microseconds.
    Cast,
}

/// Runs `$body` with `$array` as the primitive array that `$values` is.
macro_rules! with_numbers {
    ($values:expr, $array:ident => $body:expr, otherwise $other:expr) => {
        with_number_type!($values.data_type(), NumberType => {
            let $array = $values.as_primitive::<NumberType>();
            $body
        }, otherwise $other)
    };
}

impl Decoding {
    /// The decoding of an array that holds values of `data_type` already; what is not stored is NULL.
    ///
    /// # Errors
    /// There is no NULL of this type.
    pub(crate) fn of_values(data_type: &DataType) -> CubeResult<Decoding> {
        Ok(Decoding {
            stored: data_type.clone(),
            read_as: data_type.clone(),
            missing: Missing::default(),
            transform: Transform::Decoded,
            data_type: data_type.clone(),
            calendar: None,
            fill: ScalarValue::try_from(data_type).map_err(undecodable)?,
        })
    }

    /// Type of the decoded values.
    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    /// The CF calendar that the column names: that in which integer time counts microseconds since
    /// 1970-01-01, or `noleap` for timestamps that have its dates.
    pub fn calendar(&self) -> Option<Calendar> {
        self.calendar
    }

    /// The decoded value of cells whose chunk is not stored; NULL when it means "missing".
    pub fn fill(&self) -> &ScalarValue {
        &self.fill
    }

    /// Does the last stored dimension count the characters of a text?
    pub fn joins_characters(&self) -> bool {
        self.transform == Transform::Text
    }

    /// Are the values times, so that the units of the stored numbers do not hold for them?
    pub(super) fn is_time(&self) -> bool {
        matches!(self.transform, Transform::Time { .. })
    }

    /// The same decoding, but no stored number means "missing", apart from NaN.
    pub(super) fn without_sentinels(&self) -> Decoding {
        Decoding {
            missing: Missing::default(),
            ..self.clone()
        }
    }

    /// Decodes a chunk. Returns the values and their shape, which has one dimension less than the
    /// chunk's when characters are joined to texts.
    ///
    /// # Errors
    /// The chunk's values are of another type than the array declares.
    pub fn apply(&self, raw: RawChunk) -> CubeResult<(ArrayRef, Vec<usize>)> {
        if raw.values.data_type() != &self.stored {
            let (found, declared) = (raw.values.data_type(), &self.stored);
            let cause = format!("the chunk holds {found}, its array is declared as {declared}");
            return Err(CubeError::corrupt("", cause));
        }
        match &self.transform {
            Transform::Text => characters::texts(&raw),
            _ => Ok((self.decode(raw.values)?, raw.shape)),
        }
    }

    fn decode(&self, stored: ArrayRef) -> CubeResult<ArrayRef> {
        let stored = if self.read_as == self.stored {
            stored
        } else if self.read_as.is_integer() {
            reinterpret(&stored, &self.read_as)?
        } else {
            convert(&stored, &self.read_as)?
        };
        match &self.transform {
            Transform::Keep => self.masked(&stored),
            Transform::Decoded => Ok(stored),
            Transform::Cast => convert(&self.masked(&stored)?, &self.data_type),
            Transform::Scale { scale, offset } => self.scaled(&stored, *scale, *offset),
            Transform::Time {
                units,
                scale,
                offset,
            } => self.times(&stored, units, *scale, *offset),
            Transform::Truth => self.truths(&stored),
            Transform::Text => Err(CubeError::corrupt("", "characters without a length")),
        }
    }

    /// The cells that have a value: the format says so, and their numbers do not mean "missing".
    fn validity<T: ArrowPrimitiveType>(&self, stored: &PrimitiveArray<T>) -> Option<NullBuffer>
    where
        T::Native: Stored,
    {
        let nulls = self.missing.validity(stored.values());
        NullBuffer::union(stored.nulls(), nulls.as_ref())
    }

    /// The same buffer of values with a mask.
    fn masked(&self, stored: &ArrayRef) -> CubeResult<ArrayRef> {
        let nulls = with_numbers!(stored, array => self.missing.validity(array.values()),
            otherwise self.other_validity(stored)?);
        with_nulls(stored, nulls)
    }

    /// The mask of values that are no numbers.
    fn other_validity(&self, stored: &ArrayRef) -> CubeResult<Option<NullBuffer>> {
        match stored.data_type() {
            DataType::Timestamp(_, _) | DataType::Duration(_) => {
                // NumPy's "not a time" is the lowest integer.
                let integers = reinterpret(stored, &DataType::Int64)?;
                let integers = integers.as_primitive::<Int64Type>();
                Ok(missing::pack(integers.values(), |value| value != i64::MIN))
            }
            _ => Ok(None),
        }
    }

    fn scaled(&self, stored: &ArrayRef, scale: f64, offset: f64) -> CubeResult<ArrayRef> {
        with_numbers!(stored, array => {
            let nulls = self.validity(array);
            let values = array.values().iter().map(|value| value.to_f64() * scale + offset);
            if self.data_type == DataType::Float32 {
                let values: Vec<f32> = values.map(|value| value as f32).collect();
                primitive::<Float32Type>(values, nulls)
            } else {
                primitive::<Float64Type>(values.collect(), nulls)
            }
        }, otherwise Err(self.not_numbers(stored)))
    }

    fn times(
        &self,
        stored: &ArrayRef,
        units: &TimeUnits,
        scale: f64,
        offset: f64,
    ) -> CubeResult<ArrayRef> {
        with_numbers!(stored, array => {
            let nulls = self.validity(array);
            let times = time::decode(units, array.values(), nulls.as_ref(), scale, offset);
            let times = PrimitiveArray::<Int64Type>::from(times);
            reinterpret(&(Arc::new(times) as ArrayRef), &self.data_type)
        }, otherwise Err(self.not_numbers(stored)))
    }

    fn truths(&self, stored: &ArrayRef) -> CubeResult<ArrayRef> {
        with_numbers!(stored, array => {
            let nulls = self.validity(array);
            let truths = array.values().iter().map(|value| value.to_f64() != 0.0);
            let truths = BooleanArray::new(truths.collect(), nulls);
            Ok(Arc::new(truths) as ArrayRef)
        }, otherwise Err(self.not_numbers(stored)))
    }

    fn not_numbers(&self, stored: &ArrayRef) -> CubeError {
        let cause = format!("values of type {} cannot be scaled", stored.data_type());
        CubeError::unsupported("", cause)
    }
}

fn primitive<T: ArrowPrimitiveType>(
    values: Vec<T::Native>,
    nulls: Option<NullBuffer>,
) -> CubeResult<ArrayRef> {
    let array = PrimitiveArray::<T>::try_new(values.into(), nulls);
    Ok(Arc::new(array.map_err(undecodable)?))
}

/// The same bits read as a type of the same width.
fn reinterpret(values: &ArrayRef, data_type: &DataType) -> CubeResult<ArrayRef> {
    let data = values.to_data().into_builder().data_type(data_type.clone());
    Ok(make_array(data.build().map_err(undecodable)?))
}

fn convert(values: &ArrayRef, data_type: &DataType) -> CubeResult<ArrayRef> {
    cast(values, data_type).map_err(undecodable)
}

/// `values` with `nulls` in addition to their own; the buffer is shared.
fn with_nulls(values: &ArrayRef, nulls: Option<NullBuffer>) -> CubeResult<ArrayRef> {
    if nulls.is_none() {
        return Ok(Arc::clone(values));
    }
    let nulls = NullBuffer::union(values.nulls(), nulls.as_ref());
    let data = values.to_data().into_builder().nulls(nulls);
    Ok(make_array(data.build().map_err(undecodable)?))
}

fn undecodable(error: impl std::fmt::Display) -> CubeError {
    CubeError::corrupt("", error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use arrow::array::{Int16Array, TimestampNanosecondArray};
    use serde_json::{Value, json};

    use super::*;
    use crate::cube::memory::MemoryArray;

    /// What a format marks as missing stays missing, beside the numbers that mean it, whatever becomes
    /// of the others.
    #[test]
    fn cells_that_are_missing_as_stored_stay_missing() {
        let numbers = || Arc::new(Int16Array::from(vec![Some(1), None, Some(-1), Some(2)]));
        let nanoseconds = vec![Some(1_000), None, Some(i64::MIN), Some(2_000)];
        let cases: [(ArrayRef, Value, DataType); 5] = [
            (numbers(), json!({}), DataType::Int16),
            (
                numbers(),
                json!({"scale_factor": 0.5, "add_offset": 3}),
                DataType::Float64,
            ),
            (
                numbers(),
                json!({"units": "days since 2000-01-01"}),
                DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None),
            ),
            (numbers(), json!({"dtype": "bool"}), DataType::Boolean),
            (
                Arc::new(TimestampNanosecondArray::from(nanoseconds)),
                json!({}),
                DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None),
            ),
        ];
        for (stored, mut attributes, data_type) in cases {
            attributes["_FillValue"] = json!(-1);
            let array = MemoryArray::new("v", &["x"], &[4], Arc::clone(&stored));
            let array = array.with_attributes(attributes.clone()).shared();
            let rules = DecodingRules {
                mask_and_scale: true,
                times: true,
            };
            let decoding = Decoding::new(array.description(), rules).unwrap();
            let shape = vec![4];
            let raw = RawChunk {
                values: stored,
                shape,
            };
            let (values, _) = decoding.apply(raw).unwrap();
            assert_eq!(values.data_type(), &data_type, "{attributes}");
            let valid: Vec<bool> = (0..4).map(|cell| values.is_valid(cell)).collect();
            assert_eq!(valid, [true, false, false, true], "{attributes}");
        }
    }
}
