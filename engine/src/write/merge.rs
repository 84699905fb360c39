//! The axis of a cube that is changed: its coordinates before, and those that come in or stay.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array, make_comparator};
use arrow::compute::{SortOptions, cast, concat, take};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;

use crate::cube::{Axis, AxisOrder};
use crate::error::CubeError;

/// New coordinates that differ from one that is there by less than this part of a step are a mistake.
const TOO_NEAR: f64 = 1e-3;

/// An axis of the changed cube.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) coordinates: ArrayRef,
    /// Per cell, the cell of the axis before.
    pub(super) before: Vec<Option<u64>>,
    /// Per cell: does the query have it?
    pub(super) is_inserted: Vec<bool>,
    /// Bounds of the cells, see [`super::metadata::TargetAxis`].
    pub(super) bounds: Option<ArrayRef>,
}

impl Merged {
    /// Which cells were there before?
    pub(super) fn was_there(&self) -> Vec<bool> {
        self.before.iter().map(Option::is_some).collect()
    }

    /// Is there a cell that was there and is inserted again?
    pub(super) fn may_conflict(&self) -> bool {
        let mut cells = self.before.iter().zip(&self.is_inserted);
        cells.any(|(before, is_inserted)| before.is_some() && *is_inserted)
    }

    /// The axis of which only `coordinates` stay.
    pub(super) fn remaining(axis: &Axis, coordinates: ArrayRef) -> Result<Self> {
        let before = positions(&coordinates, &axis.coordinates, axis.order)?;
        Ok(Self {
            is_inserted: vec![false; before.len()],
            before,
            coordinates,
            bounds: None,
        })
    }
}

/// Puts the coordinates `inserted`, which run as those of the axis, among them.
///
/// # Errors
/// One of them is almost, but not quite, one that is there.
pub(super) fn merge(axis: &Axis, inserted: &ArrayRef) -> Result<Merged> {
    let there = positions(inserted, &axis.coordinates, axis.order)?;
    let fresh: Vec<u64> = (0..inserted.len() as u64)
        .filter(|at| there[*at as usize].is_none())
        .collect();
    let fresh = take(inserted, &UInt64Array::from(fresh), None)?;
    check_distance(axis, &fresh)?;
    let all = concat(&[axis.coordinates.as_ref(), fresh.as_ref()])?;
    let length = axis.coordinates.len() as u64;
    let mut order: Vec<u64> = (0..all.len() as u64).collect();
    if axis.order != AxisOrder::Unordered || axis.coordinates.len() < 2 {
        let options = SortOptions {
            descending: axis.order == AxisOrder::Descending,
            nulls_first: false,
        };
        let compare = make_comparator(&all, &all, options)?;
        order.sort_by(|one, other| compare(*one as usize, *other as usize));
    }
    let coordinates = take(&all, &UInt64Array::from(order.clone()), None)?;
    let before: Vec<Option<u64>> = order
        .iter()
        .map(|at| (*at < length).then_some(*at))
        .collect();
    let mut is_again = vec![false; axis.coordinates.len()];
    for at in there.into_iter().flatten() {
        is_again[at as usize] = true;
    }
    let is_inserted = before
        .iter()
        .map(|before| before.is_none_or(|at| is_again[at as usize]))
        .collect();
    Ok(Merged {
        coordinates,
        before,
        is_inserted,
        bounds: None,
    })
}

/// Where each of `wanted` stands among `coordinates`.
pub(super) fn positions(
    wanted: &ArrayRef,
    coordinates: &ArrayRef,
    order: AxisOrder,
) -> Result<Vec<Option<u64>>> {
    let compare = make_comparator(coordinates, wanted, SortOptions::default())?;
    let find = |at: usize| match order {
        AxisOrder::Unordered => (0..coordinates.len()).find(|cell| compare(*cell, at).is_eq()),
        _ => {
            let (mut low, mut high) = (0, coordinates.len());
            while low < high {
                let middle = low + (high - low) / 2;
                let found = match order {
                    AxisOrder::Descending => compare(middle, at).reverse(),
                    _ => compare(middle, at),
                };
                match found {
                    Ordering::Less => low = middle + 1,
                    Ordering::Equal => return Some(middle),
                    Ordering::Greater => high = middle,
                }
            }
            None
        }
    };
    Ok((0..wanted.len())
        .map(|at| find(at).map(|cell| cell as u64))
        .collect())
}

/// A latitude of 50.000001 beside one of 50 is no new row of cells.
fn check_distance(axis: &Axis, fresh: &ArrayRef) -> Result<()> {
    if !fresh.data_type().is_floating() || axis.coordinates.len() < 2 {
        return Ok(());
    }
    let numbers = |array: &ArrayRef| cast(array, &DataType::Float64);
    let (there, fresh) = (numbers(&axis.coordinates)?, numbers(fresh)?);
    let there = there.as_primitive::<Float64Type>().values();
    let step = (there[there.len() - 1] - there[0]).abs() / (there.len() - 1) as f64;
    for value in fresh.as_primitive::<Float64Type>().values() {
        let near = there
            .iter()
            .find(|known| (*known - value).abs() < step * TOO_NEAR);
        if let Some(known) = near {
            let name = axis.field.name();
            let cause = format!(
                "{name} = {value} differs from {known}, which the cube has, by {:e} only",
                (known - value).abs()
            );
            return Err(CubeError::invalid("", cause)
                .remedy(format!(
                    "round {name}, or join with the coordinates of the cube"
                ))
                .into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow::array::Float64Array;
    use arrow::datatypes::Field;

    use super::*;
    use crate::cube::AxisRole;

    fn axis(order: AxisOrder, coordinates: &[f64]) -> Axis {
        Axis {
            field: Arc::new(Field::new("lat", DataType::Float64, true)),
            coordinates: Arc::new(Float64Array::from(coordinates.to_vec())),
            order,
            role: AxisRole::Latitude,
            bounds: None,
            cell_bounds: None,
        }
    }

    #[test]
    fn coordinates_come_where_they_belong() {
        let axis = axis(AxisOrder::Descending, &[50.0, 30.0, 20.0]);
        let inserted: ArrayRef = Arc::new(Float64Array::from(vec![60.0, 40.0, 30.0]));
        let merged = merge(&axis, &inserted).unwrap();
        assert_eq!(
            merged.coordinates.as_primitive::<Float64Type>().values(),
            &[60.0, 50.0, 40.0, 30.0, 20.0]
        );
        assert_eq!(merged.before, [None, Some(0), None, Some(1), Some(2)]);
        assert_eq!(merged.is_inserted, [true, false, true, true, false]);
        assert!(merged.may_conflict());
    }

    #[test]
    fn coordinates_that_are_almost_there_are_a_mistake() {
        let axis = axis(AxisOrder::Ascending, &[50.0, 51.0]);
        let inserted: ArrayRef = Arc::new(Float64Array::from(vec![50.000001]));
        let error = merge(&axis, &inserted).unwrap_err().to_string();
        assert!(error.contains("differs from 50"), "{error}");
    }
}
