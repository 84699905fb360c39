//! Coordinates that are meant to be equal but are not, because one of two cubes was rounded: SQL drops
//! their rows without a word.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;

use super::mismatch::{Difference, Remedy, remedies, rounded};
use crate::error::{CubeError, CubeResult};

/// Coordinates nearer to each other than this part of a step are meant to be equal.
const NEAR: f64 = 1e-3;

/// What to do about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alignment {
    /// What SQL does: they are different. `EXPLAIN` tells. But an inner join of grids that lie beside each other, without
    /// one coordinate in common, fails where all of a query rests on it: its only answer is no row.
    Exact,
    /// Fail.
    Error,
    /// Take the nearest one for equal.
    Nearest,
    /// What SQL does, even where no row can come of it.
    Sql,
}

impl Alignment {
    /// The value of `cube.grid_alignment`.
    ///
    /// # Errors
    /// There is no such value.
    pub(crate) fn parse(text: &str) -> CubeResult<Self> {
        match text.to_ascii_lowercase().as_str() {
            "exact" => Ok(Self::Exact),
            "error" => Ok(Self::Error),
            "nearest" => Ok(Self::Nearest),
            "sql" => Ok(Self::Sql),
            _ => {
                let cause = format!("cube.grid_alignment is '{text}'");
                Err(CubeError::invalid("", cause)
                    .remedy("use 'exact', 'error', 'nearest' or 'sql'"))
            }
        }
    }

    /// How far the coordinates of the host that found no equal one are from those of the guest, when
    /// some are near. `found` holds per coordinate of the host its cell among `guest_cells`, and gets
    /// the nearest one where that is wanted.
    ///
    /// # Errors
    /// Coordinates that are no numbers after all.
    pub(crate) fn compare(
        self,
        host: &ArrayRef,
        guest: &ArrayRef,
        guest_cells: &[u64],
        found: &mut [Option<usize>],
    ) -> Result<Option<Near>> {
        let data_type = host.data_type();
        let is_time = matches!(data_type, DataType::Timestamp(..));
        if !(data_type.is_floating() || is_time) || found.iter().all(Option::is_some) {
            return Ok(None);
        }
        let numbers = |keys: &ArrayRef| -> Result<Vec<Option<f64>>> {
            let keys = match is_time {
                true => cast(keys, &DataType::Int64)?,
                false => keys.clone(),
            };
            let keys = cast(&keys, &DataType::Float64)?;
            Ok(keys.as_primitive::<Float64Type>().iter().collect())
        };
        let guest = numbers(guest)?;
        let mut sorted: Vec<(f64, u64)> = std::iter::zip(guest, guest_cells)
            .filter_map(|(number, cell)| Some((number?, *cell)))
            .collect();
        sorted.sort_by(|(first, _), (second, _)| first.total_cmp(second));
        let (Some((first, _)), Some((last, _))) = (sorted.first(), sorted.last()) else {
            return Ok(None);
        };
        let step = (last - first) / sorted.len().saturating_sub(1).max(1) as f64;
        let mut largest: f64 = 0.0;
        for (found, number) in std::iter::zip(found, numbers(host)?) {
            let (None, Some(number)) = (*found, number) else {
                continue;
            };
            let after = sorted.partition_point(|(other, _)| *other < number);
            let around = sorted[after.saturating_sub(1)..sorted.len().min(after + 1)].iter();
            let nearest = around
                .map(|(other, cell)| ((other - number).abs(), *cell))
                .min_by(|(first, _), (second, _)| first.total_cmp(second));
            if let Some((distance, cell)) = nearest
                && distance < NEAR * step
            {
                largest = largest.max(distance);
                if self == Self::Nearest {
                    *found = Some(cell as usize);
                }
            }
        }
        Ok((largest > 0.0).then_some(Near {
            largest,
            step,
            is_time,
        }))
    }
}

/// How far near coordinates are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Near {
    largest: f64,
    step: f64,
    is_time: bool,
}

impl Near {
    /// That the coordinates of the axis called `axis` are near.
    pub(crate) fn difference(self, axis: &str, is_disjoint: bool) -> Difference {
        let Self {
            largest,
            step,
            is_time,
        } = self;
        let (unit, scale) = match is_time {
            true => (" s", 1e-6),
            false => ("", 1.0),
        };
        let words = format!(
            "{axis} differs by up to {:.2e}{unit}, {:.1e} of a step of {}{unit}",
            largest * scale,
            largest / step,
            rounded(step * scale)
        );
        Difference {
            words,
            remedy: Remedy::TakeNearest,
            is_disjoint,
        }
    }
}

/// All differences in one line, and what is to be done about them.
pub(crate) fn in_words(differences: &[Difference]) -> String {
    format!("{}; {}", listed(differences), remedies(differences))
}

fn listed(differences: &[Difference]) -> String {
    let words: Vec<&str> = differences
        .iter()
        .map(|difference| difference.words.as_str())
        .collect();
    words.join(", ")
}

/// The error about cubes whose coordinates should be equal.
pub(crate) fn misaligned(cubes: &str, differences: &[Difference]) -> CubeError {
    let cause = format!(
        "the coordinates of joined cubes differ: {}",
        listed(differences)
    );
    CubeError::invalid(cubes, cause).remedy(remedies(differences))
}

/// The error about an inner join that gives no row, because the cubes lie beside each other.
pub(crate) fn apart(cubes: &str, differences: &[Difference]) -> CubeError {
    let cause = format!(
        "no cell of one cube has a partner in the other, because their coordinates differ: {}",
        listed(differences)
    );
    CubeError::invalid(cubes, cause).remedy(format!(
        "{}; SET cube.grid_alignment = 'sql' joins them to no row",
        remedies(differences)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Float64Array;
    use std::sync::Arc;

    #[test]
    fn finds_coordinates_that_were_rounded() {
        let guest: ArrayRef = Arc::new(Float64Array::from(vec![0.0, 0.25, 0.5, 0.75]));
        let cases: &[(&[f64], [Option<usize>; 2], Option<f64>)] = &[
            (&[0.25, 0.5000001], [Some(1), Some(2)], Some(1e-7)),
            (&[0.25, 0.6], [Some(1), None], None),
            (&[-1e-5, 0.75], [Some(0), Some(3)], Some(1e-5)),
            (&[0.7499999, 0.7500001], [Some(3), Some(3)], Some(1e-7)),
        ];
        for (host, expected, largest) in cases {
            let keys: ArrayRef = Arc::new(Float64Array::from(host.to_vec()));
            let equal = |number: &f64| (0..4).find(|cell| f64::from(*cell) * 0.25 == *number);
            let mut found: Vec<Option<usize>> = host
                .iter()
                .map(|number| equal(number).map(|cell| cell as usize))
                .collect();
            let before = found.clone();
            let compare = |alignment: Alignment, found: &mut [Option<usize>]| {
                alignment
                    .compare(&keys, &guest, &[0, 1, 2, 3], found)
                    .unwrap()
            };
            let near = compare(Alignment::Exact, &mut found);
            assert_eq!(found, before, "{host:?}");
            assert_eq!(near.is_some(), largest.is_some(), "{host:?}");
            if let (Some(near), Some(largest)) = (near, largest) {
                assert!((near.largest - largest).abs() < 1e-12, "{host:?}");
            }
            compare(Alignment::Nearest, &mut found);
            assert_eq!(found, expected, "{host:?}");
        }
    }
}
