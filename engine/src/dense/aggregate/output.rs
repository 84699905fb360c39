//! Turns states into the columns of the result.

use std::sync::Arc;

use arrow::array::ArrowPrimitiveType;
use arrow::array::types::{Float32Type, Float64Type, Int64Type, UInt64Type};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, PrimitiveArray, UInt32Array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, internal_err};
use graticule_functions::kernels::{Element, Needs};

use crate::dense::aggregate::groups::InputState;
use crate::dense::aggregate::layout::Extent;
use crate::dense::aggregate::plan::{ElementType, GridAggregatePlan, Kind};
use crate::dense::aggregate::state::State;
use crate::statistics::summary::ChunkSummary;

impl InputState {
    /// Adds `count` values to a group, of which nothing but the bounds is known.
    pub(crate) fn add_known(
        &mut self,
        group: usize,
        count: u64,
        bounds: Option<&ChunkSummary>,
    ) -> Result<()> {
        let is_needed = |needs: Needs| needs.extremes && count > 0;
        let bounds = |wanted: bool| match bounds.filter(|_| wanted) {
            Some(bounds) => {
                let pair = [bounds.minimum.clone(), bounds.maximum.clone()];
                ScalarValue::iter_to_array(pair).map(Some)
            }
            None => Ok(None),
        };
        match self {
            Self::Float32(state) => match bounds(is_needed(state.needs()))? {
                Some(bounds) => state.add_known(group, count, flat::<Float32Type>(&bounds)?),
                None => state.add_known(group, count, &[]),
            },
            Self::Float64(state) => match bounds(is_needed(state.needs()))? {
                Some(bounds) => {
                    let bounds = as_elements(&bounds, ElementType::Float64)?;
                    state.add_known(group, count, flat::<Float64Type>(&bounds)?);
                }
                None => state.add_known(group, count, &[]),
            },
            Self::Int64(state) => match bounds(is_needed(state.needs()))? {
                Some(bounds) => {
                    let bounds = as_elements(&bounds, ElementType::Int64)?;
                    state.add_known(group, count, flat::<Int64Type>(&bounds)?);
                }
                None => state.add_known(group, count, &[]),
            },
            Self::Bits(_) => return internal_err!("bits of values that were not read"),
        }
        Ok(())
    }

    /// One aggregate of all groups, of type `returns`.
    pub(crate) fn column(&self, kind: Kind, returns: &DataType) -> Result<ArrayRef> {
        match (self, kind) {
            (_, Kind::Count) => {
                let counts = self.counts().iter().map(|count| *count as i64);
                Ok(Arc::new(Int64Array::from_iter_values(counts)))
            }
            (Self::Float32(state), _) => match kind {
                Kind::Minimum => extremes::<Float32Type>(&state.count, &state.minimum, returns),
                Kind::Maximum => extremes::<Float32Type>(&state.count, &state.maximum, returns),
                _ => float_column(state, kind),
            },
            (Self::Float64(state), _) => match kind {
                Kind::Minimum => extremes::<Float64Type>(&state.count, &state.minimum, returns),
                Kind::Maximum => extremes::<Float64Type>(&state.count, &state.maximum, returns),
                _ => float_column(state, kind),
            },
            (Self::Int64(state), Kind::Minimum) => {
                extremes::<Int64Type>(&state.count, &state.minimum, returns)
            }
            (Self::Int64(state), Kind::Maximum) => {
                extremes::<Int64Type>(&state.count, &state.maximum, returns)
            }
            (Self::Int64(state), Kind::Sum) => {
                let groups = 0..state.count.len();
                let sums: Vec<i64> = groups.map(|group| state.integer_sum(group)).collect();
                let nulls = at_least(&state.count, 1);
                Ok(match returns {
                    DataType::UInt64 => {
                        let sums: Vec<u64> = sums.into_iter().map(i64::cast_unsigned).collect();
                        Arc::new(PrimitiveArray::<UInt64Type>::try_new(sums.into(), nulls)?)
                    }
                    _ => Arc::new(Int64Array::try_new(sums.into(), nulls)?),
                })
            }
            (Self::Bits(state), Kind::Bits(operation)) => {
                let words = state.groups.iter().map(|group| operation.of(group));
                let nulls = at_least(state.counts(), 1);
                let words = Int64Array::try_new(words.collect(), nulls)?;
                match returns {
                    DataType::UInt64 => {
                        Ok(Arc::new(words.unary::<_, UInt64Type>(i64::cast_unsigned)))
                    }
                    _ => Ok(cast(&words, returns)?),
                }
            }
            (Self::Bits(_) | Self::Int64(_), kind) => {
                internal_err!("no kernel for {kind:?} of integers")
            }
        }
    }
}

fn float_column<E: Element<Sum = f64>>(state: &State<E>, kind: Kind) -> Result<ArrayRef> {
    let groups = 0..state.count.len();
    let (values, least): (Vec<f64>, u64) = match kind {
        Kind::Sum => (groups.map(|group| state.float_sum(group)).collect(), 1),
        Kind::Average => (groups.map(|group| state.mean(group)).collect(), 1),
        Kind::Variance { population, root } => {
            let less = u64::from(!population);
            let variance = |group: usize| {
                let degrees = state.count[group].saturating_sub(less) as f64;
                let variance = state.squared_distances(group) / degrees;
                if root { variance.sqrt() } else { variance }
            };
            (groups.map(variance).collect(), 1 + less)
        }
        kind => return internal_err!("no kernel for {kind:?} of floats"),
    };
    let nulls = at_least(&state.count, least);
    Ok(Arc::new(Float64Array::try_new(values.into(), nulls)?))
}

/// Which groups have at least `least` valid cells; `None` when all have.
fn at_least(counts: &[u64], least: u64) -> Option<NullBuffer> {
    let valid = BooleanBuffer::collect_bool(counts.len(), |group| counts[group] >= least);
    let valid = NullBuffer::new(valid);
    (valid.null_count() > 0).then_some(valid)
}

fn extremes<T: ArrowPrimitiveType>(
    counts: &[u64],
    values: &[T::Native],
    returns: &DataType,
) -> Result<ArrayRef> {
    let values = ScalarBuffer::from(values.to_vec());
    let values = PrimitiveArray::<T>::try_new(values, at_least(counts, 1))?;
    if values.data_type() == returns {
        return Ok(Arc::new(values));
    }
    Ok(cast(&values, returns)?)
}

/// The group columns for the codes `planes` of the first axis, in the order of groups.
pub(crate) fn key_columns(
    plan: &GridAggregatePlan,
    extent: &Extent,
    planes: &[usize],
) -> Result<Vec<ArrayRef>> {
    let keys = &plan.keys;
    let rank = keys.axes.len();
    let has_planes = rank > 1;
    let indices = |axis: usize| -> UInt32Array {
        let low = extent.low[axis] as u32;
        let each: usize = extent.sizes[axis + 1..].iter().product();
        if axis == 0 && has_planes {
            let codes = planes.iter().map(|plane| low + *plane as u32);
            return codes
                .flat_map(|code| std::iter::repeat_n(code, each))
                .collect::<Vec<_>>()
                .into();
        }
        let first = usize::from(has_planes);
        let outer: usize = extent.sizes[first..axis].iter().product();
        let size = extent.sizes[axis] as u32;
        let repeats = outer * planes.len();
        let mut all = Vec::with_capacity(repeats * extent.sizes[axis] * each);
        for _ in 0..repeats {
            for code in low..low + size {
                all.resize(all.len() + each, code);
            }
        }
        all.into()
    };
    keys.columns
        .iter()
        .map(|column| Ok(take(&column.values, &indices(column.axis), None)?))
        .collect()
}

/// The groups among `counts` that have a row.
pub(crate) fn present(counts: &[u64]) -> BooleanArray {
    let present = BooleanBuffer::collect_bool(counts.len(), |group| counts[group] > 0);
    BooleanArray::new(present, None)
}

/// Arrays of values for kernels, see [`ElementType`].
pub(crate) fn as_elements(values: &ArrayRef, element: ElementType) -> Result<ArrayRef> {
    let wanted = match element {
        ElementType::Float32 => DataType::Float32,
        ElementType::Float64 => DataType::Float64,
        ElementType::Int64 | ElementType::Bits => DataType::Int64,
    };
    if *values.data_type() == wanted {
        return Ok(Arc::clone(values));
    }
    if element == ElementType::Bits
        && let Some(unsigned) = values.as_primitive_opt::<UInt64Type>()
    {
        return Ok(Arc::new(unsigned.unary::<_, Int64Type>(u64::cast_signed)));
    }
    Ok(cast(values, &wanted)?)
}

/// The flat values of a primitive array.
pub(crate) fn flat<T: ArrowPrimitiveType>(values: &ArrayRef) -> Result<&[T::Native]> {
    match values.as_primitive_opt::<T>() {
        Some(values) => Ok(values.values()),
        None => internal_err!("{} where {} was planned", values.data_type(), T::DATA_TYPE),
    }
}
