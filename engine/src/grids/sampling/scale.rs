//! Where points lie along one axis: [`Scale`], [`Position`].
//!
//! ```text
//!  centres   2     4     6     8
//!                  ├──·──┤            Position: cell 1, next 2, weight of the next 0.4
//!       ·│                   │·       outside: farther than half a cell from the outermost centre
//! ```

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::Result;

use super::Method;
use crate::cube::Axis;
use crate::error::CubeError;
use crate::grids::system::CIRCLE;

/// How far a point may lie beside a centre, or beyond an edge, to count as being on it, in steps: files keep coordinates
/// in 32 bits.
const ROUNDING: f64 = 1e-4;

/// Where a point lies along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::grids) struct Position {
    /// The cell whose centre lies at or below the point.
    pub(super) cell: u32,
    /// The cell with the next larger coordinate; the same one where the point lies on the centre.
    pub(super) next: u32,
    /// The share of the next cell, below 1.
    pub(super) weight: f64,
}

impl Position {
    /// That of a point which has no place on the axis.
    pub(in crate::grids) const ABSENT: Self = Self {
        cell: u32::MAX,
        next: u32::MAX,
        weight: 0.0,
    };

    /// That of a point on the centre of `cell`.
    pub(in crate::grids) fn on(cell: u32) -> Self {
        Self {
            cell,
            next: cell,
            weight: 0.0,
        }
    }

    /// That of a point between the centres of two cells, `weight` of the way to the next.
    pub(in crate::grids) fn between(cell: u32, next: u32, weight: f64) -> Self {
        Self { cell, next, weight }
    }

    pub(super) fn is_absent(self) -> bool {
        self.cell == u32::MAX
    }

    /// The cell whose centre is nearest; of two that are as near that with the larger coordinate.
    pub(in crate::grids) fn nearest(self) -> u32 {
        match self.weight < 0.5 {
            true => self.cell,
            false => self.next,
        }
    }
}

/// The cells of an axis by their coordinates.
#[derive(Debug)]
pub(super) enum Scale {
    Numbers(Numbers),
    Texts(HashMap<String, u32>),
}

/// Cells with numbers or times.
#[derive(Debug)]
pub(super) struct Numbers {
    /// The centres, ascending.
    centres: Vec<f64>,
    /// The cell of each.
    cells: Vec<u32>,
    /// The time from which centres are counted, so that they keep their digits.
    zero: i64,
    /// Are these longitudes, which go round?
    goes_round: bool,
}

impl Scale {
    /// The scale of `axis`; the coordinates of one that `goes_round` are in degrees.
    ///
    /// # Errors
    /// Coordinates of a type that has no distances, or a linear method without an order of cells.
    pub(super) fn of(axis: &Axis, goes_round: bool, method: Method) -> Result<Self> {
        if is_text(axis.coordinates.data_type()) {
            let names = cast(&axis.coordinates, &DataType::Utf8)?;
            let names = names.as_string::<i32>().iter().zip(0..);
            let named = names.filter_map(|(name, cell)| Some((name?.to_string(), cell)));
            return Ok(Self::Texts(named.collect()));
        }
        let zero = first_time(&axis.coordinates)?;
        let numbers = as_numbers(&axis.coordinates, zero)?;
        let mut order: Vec<(f64, u32)> = numbers.into_iter().zip(0..).collect();
        let is_ordered = order.windows(2).all(|pair| pair[0].0 < pair[1].0)
            || order.windows(2).all(|pair| pair[0].0 > pair[1].0);
        if method == Method::Linear && !is_ordered {
            let name = axis.field.name();
            let cause = format!(
                "the coordinates of axis {name} are not in order, so that nothing lies between its cells"
            );
            return Err(CubeError::unsupported("", cause)
                .remedy("leave method => 'linear' out")
                .into());
        }
        order.retain(|(centre, _)| centre.is_finite());
        order.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (centres, cells) = order.into_iter().unzip();
        Ok(Self::Numbers(Numbers {
            centres,
            cells,
            zero,
            goes_round,
        }))
    }

    /// The positions of points with these coordinates, which are of the axis' type. A point `may_lie_outside` where
    /// something else says how far.
    ///
    /// # Errors
    /// The coordinates have no numbers.
    pub(super) fn positions(
        &self,
        coordinates: &ArrayRef,
        method: Method,
        may_lie_outside: bool,
    ) -> Result<Vec<Position>> {
        match self {
            Self::Texts(cells) => {
                let names = cast(coordinates, &DataType::Utf8)?;
                let cell = |name: Option<&str>| cells.get(name?).copied();
                let positions = names.as_string::<i32>().iter().map(cell);
                Ok(positions
                    .map(|cell| cell.map_or(Position::ABSENT, Position::on))
                    .collect())
            }
            Self::Numbers(numbers) => {
                let points = as_numbers(coordinates, numbers.zero)?;
                let position = |point: &f64| match method {
                    Method::Nearest => numbers.nearest(*point, may_lie_outside),
                    Method::Linear => numbers.between(*point),
                };
                Ok(points.iter().map(position).collect())
            }
        }
    }

    /// The coordinates of points as numbers that can be compared with [`Scale::centre`].
    ///
    /// # Errors
    /// They have no numbers.
    pub(super) fn numbers(&self, coordinates: &ArrayRef) -> Result<Vec<f64>> {
        match self {
            Self::Texts(_) => Ok(vec![f64::NAN; coordinates.len()]),
            Self::Numbers(numbers) => as_numbers(coordinates, numbers.zero),
        }
    }
}

impl Numbers {
    /// The centres at or below a point and above it, each with its place among the centres, and the point in the turn
    /// that begins with the first centre.
    fn around(&self, point: f64) -> Option<(f64, Option<(usize, f64)>, Option<(usize, f64)>)> {
        let first = *self.centres.first()?;
        if !point.is_finite() {
            return None;
        }
        let turned = |point: f64| first + (point - first).rem_euclid(CIRCLE);
        let point = if self.goes_round {
            turned(point)
        } else {
            point
        };
        let above = self.centres.partition_point(|centre| *centre <= point);
        let at = |place: usize| self.centres.get(place).map(|centre| (place, *centre));
        let low = above.checked_sub(1).and_then(at);
        let high = at(above).or_else(|| self.goes_round.then_some((0, first + CIRCLE)));
        Some((point, low, high))
    }

    fn nearest(&self, point: f64, may_lie_outside: bool) -> Position {
        let Some((point, low, high)) = self.around(point) else {
            return Position::ABSENT;
        };
        let (place, away) = match (low, high) {
            (Some((_, low)), Some((high_place, high))) if high - point <= point - low => {
                (high_place, high - point)
            }
            (Some((place, low)), _) => (place, point - low),
            (None, Some((place, high))) => (place, high - point),
            (None, None) => return Position::ABSENT,
        };
        match may_lie_outside || away <= self.reach(place) {
            true => Position::on(self.cells[place]),
            false => Position::ABSENT,
        }
    }

    /// How far from a centre points may lie for which it is the nearest: to the edge with its farther neighbour.
    fn reach(&self, place: usize) -> f64 {
        let to = |other: Option<usize>| {
            let other = other.and_then(|other| self.centres.get(other));
            other.map_or(0.0, |other| (other - self.centres[place]).abs() / 2.0)
        };
        let reach = to(place.checked_sub(1)).max(to(Some(place + 1)));
        match reach > 0.0 {
            true => reach * (1.0 + ROUNDING),
            false => f64::INFINITY,
        }
    }

    fn between(&self, point: f64) -> Position {
        let Some((point, low, high)) = self.around(point) else {
            return Position::ABSENT;
        };
        let step = |place: usize| {
            let reach = self.reach(place);
            if reach.is_finite() { 2.0 * reach } else { 0.0 }
        };
        let is_on = |(place, centre): (usize, f64)| {
            let away = (centre - point).abs();
            away <= ROUNDING * step(place)
        };
        let is_only = |low: f64, high: f64| {
            // Over the seam only where the last cell touches the first.
            let last = self.centres.last().copied().unwrap_or(low);
            low >= last && high - low > step(0).max(step(self.centres.len() - 1)) * (1.0 + 0.01)
        };
        match (low, high) {
            (Some((low_place, low)), Some((high_place, high))) if !is_only(low, high) => {
                let weight = (point - low) / (high - low);
                Position {
                    cell: self.cells[low_place],
                    next: self.cells[high_place],
                    weight,
                }
            }
            (Some(low), _) if is_on(low) => Position::on(self.cells[low.0]),
            (_, Some(high)) if is_on(high) => Position::on(self.cells[high.0]),
            _ => Position::ABSENT,
        }
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// The first of some times as a number; 0 of anything else.
fn first_time(coordinates: &ArrayRef) -> Result<i64> {
    if !coordinates.data_type().is_temporal() || coordinates.is_empty() {
        return Ok(0);
    }
    let first = cast(&coordinates.slice(0, 1), &DataType::Int64)?;
    Ok(first.as_primitive::<Int64Type>().value(0))
}

/// Numbers as they are, times counted from `zero`; missing ones are no number.
fn as_numbers(coordinates: &ArrayRef, zero: i64) -> Result<Vec<f64>> {
    if coordinates.data_type().is_temporal() {
        let whole = cast(coordinates, &DataType::Int64)?;
        let since = |time: Option<i64>| {
            // The difference may need a bit more than 64.
            time.map_or(f64::NAN, |time| {
                (i128::from(time) - i128::from(zero)) as f64
            })
        };
        let whole = whole.as_primitive::<Int64Type>();
        return Ok(whole.iter().map(since).collect());
    }
    let numbers = cast(coordinates, &DataType::Float64)?;
    let numbers = numbers.as_primitive::<Float64Type>();
    Ok(numbers
        .iter()
        .map(|number| number.unwrap_or(f64::NAN))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(stored: &[f64], goes_round: bool) -> Numbers {
        let mut order: Vec<(f64, u32)> = stored.iter().copied().zip(0..).collect();
        order.sort_by(|one, other| one.0.total_cmp(&other.0));
        let (centres, cells) = order.into_iter().unzip();
        Numbers {
            centres,
            cells,
            zero: 0,
            goes_round,
        }
    }

    #[test]
    fn nearest_cells() {
        let (up, down) = ([2.0, 4.0, 6.0], [6.0, 4.0, 2.0]);
        let (globe, part) = ([0.0, 90.0, 180.0, 270.0], [-30.0, -20.0, -10.0]);
        for (stored, goes_round, point, expected) in [
            (&up[..], false, 4.9, Some(1)),
            (&up, false, 5.0, Some(2)),
            (&up, false, 7.0, Some(2)),
            (&up, false, 7.01, None),
            (&up, false, 0.9, None),
            (&up, false, f64::NAN, None),
            (&down, false, 4.9, Some(1)),
            (&down, false, 5.0, Some(0)),
            (&globe, true, -80.0, Some(3)),
            (&globe, true, -40.0, Some(0)),
            (&globe, true, 710.0, Some(0)),
            (&part, true, 336.0, Some(1)),
            (&part, true, 355.0, Some(2)),
            (&part, true, -4.0, None),
            (&part, true, -34.9, Some(0)),
            (&[5.0], false, 100.0, Some(0)),
            (&[], false, 1.0, None),
        ] {
            let found = numbers(stored, goes_round).nearest(point, false);
            let expected = expected.map_or(Position::ABSENT, Position::on);
            assert_eq!(found, expected, "{stored:?} {point}");
        }
    }

    #[test]
    fn between_cells() {
        let (down, globe) = ([6.0, 4.0, 2.0], [0.0, 90.0, 180.0, 270.0]);
        let at = |cell, next, weight| Position { cell, next, weight };
        for (stored, goes_round, point, expected) in [
            (&down[..], false, 3.0, at(2, 1, 0.5)),
            (&down, false, 6.0, Position::on(0)),
            (&down, false, 6.1, Position::ABSENT),
            (&down, false, 1.9, Position::ABSENT),
            (&globe, true, -45.0, at(3, 0, 0.5)),
            (&globe[..3], true, -45.0, Position::ABSENT),
            (&globe[..3], true, -1e-9, Position::on(0)),
            (&[5.0], false, 5.0, Position::on(0)),
            (&[5.0], false, 5.1, Position::ABSENT),
        ] {
            let found = numbers(stored, goes_round).between(point);
            assert_eq!(found, expected, "{stored:?} {point}");
        }
    }
}
