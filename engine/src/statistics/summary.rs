//! The summary of one chunk: smallest and largest value, and how many there are.
//!
//! Values are compared as SQL compares them here: floats in total order, where −0.0 is less than 0.0
//! and NaN more than every number. A chunk in which a value *is* NaN although it is not missing (a scale
//! of infinity can do that) has no bounds: no comparison with a bound would say anything of it.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::compute;
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::common::{Result, ScalarValue};
use graticule_functions::kernels::Bits;
use graticule_functions::kernels::order::extremes;

/// What is known of the values of a chunk.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChunkSummary {
    /// The smallest value; NULL of the variable's type where there is none, or it is not known.
    pub(crate) minimum: ScalarValue,
    /// The largest value, likewise.
    pub(crate) maximum: ScalarValue,
    /// Values that are not missing.
    pub(crate) valid: u64,
}

impl ChunkSummary {
    /// The summary of no cells.
    pub(crate) fn none(data_type: &DataType) -> Result<Self> {
        let null = ScalarValue::try_from(data_type)?;
        Ok(Self {
            minimum: null.clone(),
            maximum: null,
            valid: 0,
        })
    }

    /// The summary of `cells` times the same value.
    pub(crate) fn constant(value: &ScalarValue, cells: u64) -> Result<Self> {
        if value.is_null() || cells == 0 {
            return Self::none(&value.data_type());
        }
        let one = Self::of(&value.to_array_of_size(1)?)?;
        Ok(Self {
            valid: cells,
            ..one
        })
    }

    /// The summary of all values. One pass over them for each bound.
    pub(crate) fn of(values: &ArrayRef) -> Result<Self> {
        let missing = values.logical_null_count();
        let (minimum, maximum) = bounds(values)?;
        Ok(Self {
            minimum,
            maximum,
            valid: (values.len() - missing) as u64,
        })
    }

    /// Is there a value, and do the bounds say where it lies?
    pub(crate) fn is_bounded(&self) -> bool {
        self.valid == 0 || !self.minimum.is_null()
    }

    /// The smallest value as a number; `None` where there is none, and for times, truths and texts.
    pub(crate) fn minimum_number(&self) -> Option<f64> {
        number(&self.minimum)
    }

    /// The largest value as a number, likewise.
    pub(crate) fn maximum_number(&self) -> Option<f64> {
        number(&self.maximum)
    }

    /// Adds the cells of another chunk.
    pub(crate) fn add(&mut self, other: &Self) -> Result<()> {
        let is_bounded = self.is_bounded() && other.is_bounded();
        self.valid += other.valid;
        if !is_bounded {
            let null = ScalarValue::try_from(&self.minimum.data_type())?;
            (self.minimum, self.maximum) = (null.clone(), null);
            return Ok(());
        }
        // Scalars compare floats in total order. NULL is no value here.
        let is_better = |new: &ScalarValue, old: &ScalarValue, wanted| {
            !new.is_null() && (old.is_null() || new.partial_cmp(old) == Some(wanted))
        };
        if is_better(&other.minimum, &self.minimum, std::cmp::Ordering::Less) {
            self.minimum = other.minimum.clone();
        }
        if is_better(&other.maximum, &self.maximum, std::cmp::Ordering::Greater) {
            self.maximum = other.maximum.clone();
        }
        Ok(())
    }

    /// The one value that all `cells` cells have, missing ones included.
    pub(crate) fn constant_value(&self, cells: u64) -> Option<&ScalarValue> {
        let is_missing = self.valid == 0;
        let is_one_value =
            self.valid == cells && !self.minimum.is_null() && self.minimum == self.maximum;
        (is_missing || is_one_value).then_some(&self.minimum)
    }
}

fn number(bound: &ScalarValue) -> Option<f64> {
    if !bound.data_type().is_numeric() {
        return None;
    }
    match bound.cast_to(&DataType::Float64).ok()? {
        ScalarValue::Float64(number) => number,
        _ => None,
    }
}

fn bounds(values: &ArrayRef) -> Result<(ScalarValue, ScalarValue)> {
    macro_rules! numbers {
        ($type:ty) => {{
            let numbers = values.as_primitive::<$type>();
            let scalar = |value| ScalarValue::new_primitive::<$type>(value, values.data_type());
            (
                scalar(compute::min(numbers))?,
                scalar(compute::max(numbers))?,
            )
        }};
    }
    macro_rules! floats {
        ($type:ty) => {{
            let numbers = values.as_primitive::<$type>();
            let valid = numbers.nulls().map(NullBuffer::inner).map(Bits::new);
            // NaN would be at one of the ends.
            let both = extremes(numbers.values(), valid);
            let both = both.filter(|(minimum, maximum)| !minimum.is_nan() && !maximum.is_nan());
            let scalar = |value| ScalarValue::new_primitive::<$type>(value, values.data_type());
            (
                scalar(both.map(|(minimum, _)| minimum))?,
                scalar(both.map(|(_, maximum)| maximum))?,
            )
        }};
    }
    Ok(match values.data_type() {
        DataType::Float32 => floats!(Float32Type),
        DataType::Float64 => floats!(Float64Type),
        DataType::Int8 => numbers!(Int8Type),
        DataType::Int16 => numbers!(Int16Type),
        DataType::Int32 => numbers!(Int32Type),
        DataType::Int64 => numbers!(Int64Type),
        DataType::UInt8 => numbers!(UInt8Type),
        DataType::UInt16 => numbers!(UInt16Type),
        DataType::UInt32 => numbers!(UInt32Type),
        DataType::UInt64 => numbers!(UInt64Type),
        DataType::Timestamp(TimeUnit::Microsecond, _) => numbers!(TimestampMicrosecondType),
        DataType::Boolean => {
            let truths = values.as_boolean();
            (
                ScalarValue::Boolean(compute::min_boolean(truths)),
                ScalarValue::Boolean(compute::max_boolean(truths)),
            )
        }
        // Texts may be long, and are rarely asked for by their order.
        other => {
            let null = ScalarValue::try_from(other)?;
            (null.clone(), null)
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow::array::{BooleanArray, Float32Array, Float64Array, Int16Array, StringArray};

    use super::*;

    fn check(values: ArrayRef, expected: (ScalarValue, ScalarValue, u64)) {
        let found = ChunkSummary::of(&values).unwrap();
        let (minimum, maximum, valid) = expected;
        let expected = ChunkSummary {
            minimum,
            maximum,
            valid,
        };
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{values:?}");
    }

    #[test]
    fn bounds_are_in_total_order() {
        let f64s = |values: Vec<Option<f64>>| Arc::new(Float64Array::from(values)) as ArrayRef;
        let double = |value| ScalarValue::Float64(value);
        let cases = [
            (vec![], None, 0),
            (vec![None, None], None, 0),
            (vec![Some(1.5), None, Some(-2.0)], Some((-2.0, 1.5)), 2),
            (vec![Some(0.0), Some(-0.0)], Some((-0.0, 0.0)), 2),
            (vec![Some(-0.0)], Some((-0.0, -0.0)), 1),
            (
                vec![Some(f64::INFINITY), Some(3.0)],
                Some((3.0, f64::INFINITY)),
                2,
            ),
            // A value that is NaN, whatever its sign: nothing is known.
            (vec![Some(f64::NAN), Some(3.0)], None, 2),
            (vec![Some(-f64::NAN), Some(3.0)], None, 2),
        ];
        for (values, bounds, valid) in cases {
            let (minimum, maximum) = bounds.unzip();
            check(f64s(values), (double(minimum), double(maximum), valid));
        }
        check(
            Arc::new(Float32Array::from(vec![Some(-0.0f32), None, Some(0.0)])),
            (
                ScalarValue::Float32(Some(-0.0)),
                ScalarValue::Float32(Some(0.0)),
                2,
            ),
        );
        check(
            Arc::new(Int16Array::from(vec![Some(i16::MAX), Some(i16::MIN), None])),
            (
                ScalarValue::Int16(Some(i16::MIN)),
                ScalarValue::Int16(Some(i16::MAX)),
                2,
            ),
        );
        check(
            Arc::new(BooleanArray::from(vec![Some(true), None])),
            (
                ScalarValue::Boolean(Some(true)),
                ScalarValue::Boolean(Some(true)),
                1,
            ),
        );
        check(
            Arc::new(StringArray::from(vec![Some("a"), None])),
            (ScalarValue::Utf8(None), ScalarValue::Utf8(None), 1),
        );
    }

    #[test]
    fn chunks_add_up() {
        let of = |values: Vec<Option<f64>>| {
            ChunkSummary::of(&(Arc::new(Float64Array::from(values)) as ArrayRef)).unwrap()
        };
        let mut total = ChunkSummary::none(&DataType::Float64).unwrap();
        total.add(&of(vec![None])).unwrap();
        total.add(&of(vec![Some(0.0)])).unwrap();
        total.add(&of(vec![Some(-0.0), Some(-0.0)])).unwrap();
        assert_eq!(
            format!("{total:?}"),
            format!("{:?}", of(vec![Some(0.0), Some(-0.0), Some(0.0)]))
        );
        assert_eq!(total.constant_value(3), None);
        total.add(&of(vec![Some(f64::NAN)])).unwrap();
        total.add(&of(vec![Some(7.0)])).unwrap();
        assert!(!total.is_bounded() && total.valid == 5);
        assert_eq!(
            of(vec![None]).constant_value(1),
            Some(&ScalarValue::Float64(None))
        );
        assert_eq!(of(vec![Some(2.0), None]).constant_value(2), None);
        assert_eq!(
            of(vec![Some(2.0); 2]).constant_value(2),
            Some(&ScalarValue::Float64(Some(2.0)))
        );
    }
}
