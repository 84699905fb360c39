//! Positions along an axis: [`CellAxis`].

/// How far coordinates may lie from equal steps, in steps, to count as such: files keep them in 32 bits.
const EVEN: f64 = 1e-3;

/// An axis of cells, of which coordinates become positions.
#[derive(Debug, Clone, PartialEq)]
pub struct CellAxis {
    cells: usize,
    scale: Scale,
    /// Positions after which the axis comes back to where it was: a circle of longitudes.
    period: Option<f64>,
}

#[derive(Debug, Clone, PartialEq)]
enum Scale {
    /// Equal steps: the first coordinate, and the step.
    Even { first: f64, step: f64 },
    /// The coordinates, ascending, and whether they were turned round for that.
    Uneven {
        ascending: Vec<f64>,
        is_reversed: bool,
    },
}

impl CellAxis {
    /// The axis with these centres of cells, strictly ascending or descending; `circle` is the length of a full circle
    /// in their units where they are longitudes. `None` where there is no order, or fewer than two cells and no step.
    #[must_use]
    pub fn new(centres: &[f64], circle: Option<f64>) -> Option<Self> {
        let (first, last) = (*centres.first()?, *centres.last()?);
        let cells = centres.len();
        let step = (last - first) / (cells.checked_sub(1).filter(|steps| *steps > 0)? as f64);
        let is_ordered = |pair: &[f64]| (pair[1] - pair[0]) * step > 0.0;
        if !step.is_finite() || !centres.windows(2).all(is_ordered) {
            return None;
        }
        let off = |(cell, centre): (usize, &f64)| (first + step * cell as f64 - centre).abs();
        let is_even = centres
            .iter()
            .enumerate()
            .all(|place| off(place) <= EVEN * step.abs());
        let scale = match is_even {
            true => Scale::Even { first, step },
            false => {
                let mut ascending = centres.to_vec();
                if step < 0.0 {
                    ascending.reverse();
                }
                Scale::Uneven {
                    ascending,
                    is_reversed: step < 0.0,
                }
            }
        };
        // A circle that is closed but for the rounding of its coordinates is closed.
        let period = circle.map(|circle| circle / step.abs());
        let period = period.map(|period| match (period - cells as f64).abs() < 0.01 {
            true => cells as f64,
            false => period,
        });
        Some(Self {
            cells,
            scale,
            period,
        })
    }

    /// Number of cells.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Does the last cell touch the first?
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.period == Some(self.cells as f64)
    }

    /// Positions after which the axis comes back to where it was.
    #[must_use]
    pub fn period(&self) -> Option<f64> {
        self.period
    }

    /// The position of a coordinate, beyond the cells as if the outermost step went on.
    #[must_use]
    pub fn position(&self, coordinate: f64) -> f64 {
        match &self.scale {
            Scale::Even { first, step } => (coordinate - first) / step,
            Scale::Uneven {
                ascending,
                is_reversed,
            } => {
                let after = ascending.partition_point(|centre| *centre <= coordinate);
                let before = after.clamp(1, ascending.len() - 1) - 1;
                let (low, high) = (ascending[before], ascending[before + 1]);
                let position = before as f64 + (coordinate - low) / (high - low);
                match is_reversed {
                    true => (self.cells - 1) as f64 - position,
                    false => position,
                }
            }
        }
    }

    /// The same position within half a period of `near`.
    #[must_use]
    pub fn unrolled(&self, position: f64, near: f64) -> f64 {
        match self.period {
            Some(period) => position - period * ((position - near) / period).round(),
            None => position,
        }
    }

    /// The middle of the cells: what positions of an axis that is not closed are unrolled around.
    #[must_use]
    pub fn middle(&self) -> f64 {
        (self.cells as f64 - 1.0) / 2.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn coordinates_become_positions() {
        let even = CellAxis::new(&[10.0, 8.0, 6.0], None).unwrap();
        let uneven = CellAxis::new(&[0.0, 1.0, 3.0, 7.0], None).unwrap();
        let turned = CellAxis::new(&[7.0, 3.0, 1.0, 0.0], None).unwrap();
        for (axis, coordinate, position) in [
            (&even, 10.0, 0.0),
            (&even, 5.0, 2.5),
            (&even, 11.0, -0.5),
            (&uneven, 2.0, 1.5),
            (&uneven, 9.0, 3.5),
            (&uneven, -1.0, -1.0),
            (&turned, 2.0, 1.5),
            (&turned, 9.0, -0.5),
        ] {
            assert_eq!(axis.position(coordinate), position, "{axis:?} {coordinate}");
        }
    }

    #[test]
    fn circles_close() {
        let globe: Vec<f64> = (0..1440)
            .map(|cell| f64::from(cell as f32 * 0.25))
            .collect();
        let axis = CellAxis::new(&globe, Some(360.0)).unwrap();
        assert!(axis.is_closed());
        assert_eq!(axis.unrolled(axis.position(-0.25), 0.0), -1.0);
        assert_eq!(axis.unrolled(axis.position(-0.25), 1400.0), 1439.0);
        let half = CellAxis::new(&globe[..720], Some(360.0)).unwrap();
        assert!(!half.is_closed());
        assert_eq!(half.unrolled(half.position(370.0), half.middle()), 40.0);
        assert_eq!(CellAxis::new(&[0.0, 1.0, 1.0], None), None);
        assert_eq!(CellAxis::new(&[0.0], None), None);
    }
}
