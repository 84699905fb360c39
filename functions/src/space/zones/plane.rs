//! The grid that zones are laid on: the coordinates of its cells along x and y.

use thiserror::Error;

/// Why zones cannot be laid on a grid.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ZoneError {
    /// Coordinates of an axis are no axis.
    #[error(
        "coordinate {index} of the {axis} axis is {value}, but coordinates must rise or fall from cell to cell; select the cells of one pass along the axis"
    )]
    Axis {
        /// `x` or `y`.
        axis: &'static str,
        /// The first cell that is out of order.
        index: usize,
        /// Its coordinate.
        value: f64,
    },
    /// More cells along an axis than a run can number.
    #[error(
        "the {axis} axis has {length} cells; at most 4294967295 can be searched at once, so select fewer"
    )]
    Length {
        /// `x` or `y`.
        axis: &'static str,
        /// How many.
        length: usize,
    },
    /// A period that no longitude has.
    #[error("the period {0} is not a positive number; longitudes in degrees have the period 360")]
    Period(f64),
    /// A polygon has a coordinate that is not a number.
    #[error("zone {zone} has a vertex at ({x}, {y}); every coordinate must be a finite number")]
    Vertex {
        /// Which zone, counted from 0.
        zone: usize,
        /// Coordinates of the vertex.
        x: f64,
        /// See `x`.
        y: f64,
    },
    /// A polygon goes around the globe too many times to be meant.
    #[error(
        "zone {zone} reaches from {west:?} to {east:?} in longitude; check its units and its coordinate reference system"
    )]
    Turns {
        /// Which zone, counted from 0.
        zone: usize,
        /// Its least longitude.
        west: f64,
        /// Its greatest longitude.
        east: f64,
    },
    /// Bounds of cells that no latitude has.
    #[error(
        "cells reach from {south} to {north} in latitude, beyond a pole; are they latitudes in degrees?"
    )]
    Pole {
        /// Least latitude.
        south: f64,
        /// Greatest latitude.
        north: f64,
    },
    /// A column that holds no geometries.
    #[error("column {column} cannot be read as geometries: {cause}")]
    Column {
        /// Its name.
        column: String,
        /// What is wrong.
        cause: String,
    },
}

/// Whole turns by which a polygon may have to be moved, at most.
const MAX_TURNS: f64 = 64.0;

/// Centres of cells along x and y, and the period of x.
///
/// ```text
///  period 360, cells 0 … 359, polygon -10 … 10:   ┊███├──────────────────┤███┊
///                                               -10   0                360  370
///  is laid on the grid twice, a whole turn apart, and contains cells at both ends
/// ```
#[derive(Debug, Clone)]
pub struct Plane {
    pub(super) x: Coordinates,
    pub(super) y: Coordinates,
    period: Option<f64>,
}

impl Plane {
    /// Centres of the cells along each axis, rising or falling, with any spacing.
    ///
    /// With a `period`, 360 for longitudes in degrees, a polygon is moved along x by whole periods so
    /// that it falls on the grid, several times if need be.
    ///
    /// # Errors
    /// Coordinates that neither rise nor fall, too many of them, or a period that is not positive.
    pub fn new(x: &[f64], y: &[f64], period: Option<f64>) -> Result<Self, ZoneError> {
        if let Some(period) = period
            && !(period.is_finite() && period > 0.0)
        {
            return Err(ZoneError::Period(period));
        }
        Ok(Plane {
            x: Coordinates::new("x", x)?,
            y: Coordinates::new("y", y)?,
            period,
        })
    }

    /// After what x comes back to where it was.
    pub(super) fn period(&self) -> Option<f64> {
        self.period
    }

    /// The distances by which a polygon between `west` and `east` is moved to fall on cells between
    /// `first` and `last`.
    pub(super) fn shifts(
        &self,
        zone: usize,
        [west, east]: [f64; 2],
        [first, last]: [f64; 2],
    ) -> Result<Vec<f64>, ZoneError> {
        let Some(period) = self.period else {
            return Ok(vec![0.0]);
        };
        // One turn more at each end, because the division rounds; where it falls on no cell it costs nothing.
        let from = ((first - east) / period).ceil() - 1.0;
        let to = ((last - west) / period).floor() + 1.0;
        if to - from > MAX_TURNS {
            return Err(ZoneError::Turns { zone, west, east });
        }
        let turns = std::iter::successors(Some(from), |turn| Some(turn + 1.0));
        Ok(turns
            .take_while(|turn| *turn <= to)
            .map(|turn| turn * period)
            .filter(|shift| east + shift >= first && west + shift <= last)
            .collect())
    }
}

/// The coordinates of one axis in rising order, whatever order they are stored in.
#[derive(Debug, Clone)]
pub(super) struct Coordinates {
    pub(super) rising: Vec<f64>,
    falling: bool,
    cells_per_unit: f64,
}

impl Coordinates {
    pub(super) fn new(axis: &'static str, stored: &[f64]) -> Result<Self, ZoneError> {
        if u32::try_from(stored.len()).is_err() {
            let length = stored.len();
            return Err(ZoneError::Length { axis, length });
        }
        let falling = matches!(stored, [first, second, ..] if first > second);
        let ordered = |pair: &[f64]| match falling {
            true => pair[0] > pair[1],
            false => pair[0] < pair[1],
        };
        let broken = match stored.iter().position(|value| !value.is_finite()) {
            Some(index) => Some(index),
            None => stored
                .windows(2)
                .position(|pair| !ordered(pair))
                .map(|at| at + 1),
        };
        if let Some(index) = broken {
            let value = stored[index];
            return Err(ZoneError::Axis { axis, index, value });
        }
        let mut rising = stored.to_vec();
        if falling {
            rising.reverse();
        }
        let cells_per_unit = match rising.as_slice() {
            [first, .., last] => (rising.len() - 1) as f64 / (last - first),
            _ => 1.0,
        };
        Ok(Coordinates {
            rising,
            falling,
            cells_per_unit,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.rising.len()
    }

    /// Index in rising order of the first coordinate that is not below `value`.
    pub(super) fn first_at_least(&self, value: f64) -> usize {
        let Some(first) = self.rising.first() else {
            return 0;
        };
        // Most axes are regular, so that the place can be reckoned.
        let reckoned = ((value - first) * self.cells_per_unit).ceil() as usize;
        let mut at = reckoned.min(self.len());
        for _ in 0..4 {
            if at > 0 && self.rising[at - 1] >= value {
                at -= 1;
            } else if at < self.len() && self.rising[at] < value {
                at += 1;
            } else {
                return at;
            }
        }
        self.rising
            .partition_point(|coordinate| *coordinate < value)
    }

    /// Index in rising order of the first coordinate above `value`.
    pub(super) fn first_above(&self, value: f64) -> usize {
        let at = self.first_at_least(value);
        match self.rising.get(at) {
            Some(coordinate) if *coordinate == value => at + 1,
            _ => at,
        }
    }

    /// A range of indices in rising order as it is stored.
    pub(super) fn stored(&self, start: u32, end: u32) -> (u32, u32) {
        match self.falling {
            // The length fits, see `new`.
            true => (self.len() as u32 - end, self.len() as u32 - start),
            false => (start, end),
        }
    }

    /// The same where the coordinates are bounds of cells, of which there is one less.
    pub(super) fn stored_cells(&self, start: u32, end: u32) -> (u32, u32) {
        let cells = (self.len() as u32).saturating_sub(1);
        match self.falling {
            true => (cells - end, cells - start),
            false => (start, end),
        }
    }

    /// See [`Coordinates::stored_cells`].
    pub(super) fn stored_cell(&self, cell: u32) -> u32 {
        self.stored_cells(cell, cell + 1).0
    }

    pub(super) fn ends(&self) -> Option<[f64; 2]> {
        Some([*self.rising.first()?, *self.rising.last()?])
    }
}

/// Bounds of cells halfway between their centres, one more than there are cells; the outermost cells
/// reach as far out as in. `None` for less than two cells, whose size nothing tells.
///
/// Latitudes end at the poles: give `Some([-90.0, 90.0])` as `limits`.
#[must_use]
pub fn midpoints(centres: &[f64], limits: Option<[f64; 2]>) -> Option<Vec<f64>> {
    let [first, second, ..] = centres else {
        return None;
    };
    let [.., before, last] = centres else {
        return None;
    };
    let inner = centres
        .windows(2)
        .map(|pair| pair[0] + (pair[1] - pair[0]) / 2.0);
    let bounds = std::iter::once(first - (second - first) / 2.0)
        .chain(inner)
        .chain(std::iter::once(last + (last - before) / 2.0));
    Some(match limits {
        Some([least, greatest]) => bounds.map(|bound| bound.max(least).min(greatest)).collect(),
        None => bounds.collect(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn coordinates_are_found() {
        let axes: [&[f64]; 5] = [
            &[0.0, 1.0, 2.0, 3.0],
            &[-3.0, -1.0, 0.5, 100.0, 100.5, 1e9],
            &[7.0],
            &[],
            &[3.0, 2.0, 1.0],
        ];
        for axis in axes {
            let coordinates = Coordinates::new("x", axis).unwrap();
            let around = axis.iter().flat_map(|x| [x - 0.25, *x, x + 0.25]);
            for value in around.chain([-1e300, 1e300, 50.0]) {
                let not_below = coordinates.rising.iter().filter(|x| **x < value).count();
                let above = coordinates.rising.iter().filter(|x| **x <= value).count();
                assert_eq!(
                    coordinates.first_at_least(value),
                    not_below,
                    "{value} in {axis:?}"
                );
                assert_eq!(coordinates.first_above(value), above, "{value} in {axis:?}");
            }
        }
    }

    #[test]
    fn axes_rise_or_fall() {
        for (axis, index) in [
            (vec![0.0, 1.0, 1.0], 2),
            (vec![0.0, 0.0], 1),
            (vec![2.0, 1.0, 3.0], 2),
            (vec![0.0, f64::NAN, 2.0], 1),
            (vec![f64::INFINITY], 0),
        ] {
            match Plane::new(&[0.0], &axis, None) {
                Err(ZoneError::Axis {
                    axis: "y",
                    index: found,
                    ..
                }) => assert_eq!(found, index),
                other => assert!(other.is_err(), "{axis:?}"),
            }
        }
        for period in [0.0, -360.0, f64::NAN, f64::INFINITY] {
            assert!(Plane::new(&[0.0], &[0.0], Some(period)).is_err());
        }
    }

    #[test]
    fn bounds_are_halfway() {
        let cases: [(&[f64], Option<[f64; 2]>, Option<Vec<f64>>); 5] = [
            (&[0.5, 1.5], None, Some(vec![0.0, 1.0, 2.0])),
            (
                &[90.0, 89.0, 87.0],
                Some([-90.0, 90.0]),
                Some(vec![90.0, 89.5, 88.0, 86.0]),
            ),
            (&[1.0, 2.0, 4.0], None, Some(vec![0.5, 1.5, 3.0, 5.0])),
            (&[1.0], None, None),
            (&[], None, None),
        ];
        for (centres, limits, bounds) in cases {
            assert_eq!(midpoints(centres, limits), bounds);
        }
    }
}
