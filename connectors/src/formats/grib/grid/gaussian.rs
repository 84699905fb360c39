//! Gaussian latitudes: [`Latitudes`], the roots of Legendre polynomials.

use std::collections::HashMap;
use std::f64::consts::PI;
use std::sync::Arc;

use graticule_engine::error::{CubeError, CubeResult};

/// The most rows between a pole and the equator; the finest model of ECMWF has 2560.
const MOST_ROWS: u64 = 4_000;
/// The most that a file may let be computed: the sum of the squares of these rows, as time grows with them.
const MOST_WORK: u64 = 4 * MOST_ROWS * MOST_ROWS;

/// The latitudes of global grids by their rows between a pole and the equator. Finding roots takes long, and a file may
/// have many grids with the same ones.
#[derive(Debug, Default)]
pub(in crate::formats::grib) struct Latitudes(HashMap<u64, Arc<Vec<f64>>>);

impl Latitudes {
    fn global(&mut self, half: u64) -> CubeResult<Arc<Vec<f64>>> {
        if let Some(known) = self.0.get(&half) {
            return Ok(Arc::clone(known));
        }
        let work: u64 = self.0.keys().map(|half| half * half).sum();
        if work > MOST_WORK {
            let cause = "the file has Gaussian grids of too many resolutions";
            return Err(CubeError::unsupported("", cause).remedy("split it"));
        }
        let found = Arc::new(latitudes(half)?);
        self.0.insert(half, Arc::clone(&found));
        Ok(found)
    }

    /// The `count` rows from `first` on, in the direction of `last`, of the grid with `half` rows between a pole and the
    /// equator.
    ///
    /// # Errors
    /// The global grid has no such rows.
    pub(super) fn rows(
        &mut self,
        half: u64,
        first: f64,
        last: f64,
        count: u64,
    ) -> CubeResult<Vec<f64>> {
        let mut all = self.global(half)?.to_vec();
        if first < last {
            all.reverse();
        }
        let nearest = |wanted: f64| {
            let distance = |row: &usize| (all[*row] - wanted).abs();
            (0..all.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))
        };
        let start = nearest(first).unwrap_or_default();
        let found = usize::try_from(count).ok();
        let found = found.and_then(|count| all.get(start..start.checked_add(count)?));
        found.map(<[f64]>::to_vec).ok_or_else(|| {
            super::damaged(format!(
                "its grid has {count} rows from latitude {first} on, more than the Gaussian grid"
            ))
        })
    }
}

/// The latitudes of a global grid with `half` rows between a pole and the equator, from north to south.
///
/// # Errors
/// No rows, or more than any model has.
fn latitudes(half: u64) -> CubeResult<Vec<f64>> {
    if half == 0 || half > MOST_ROWS {
        let cause = format!("its Gaussian grid has {half} rows between a pole and the equator");
        return Err(CubeError::unsupported("", cause).remedy("regrid it first"));
    }
    let rows = 2 * half;
    let north: Vec<f64> = (0..half)
        .map(|row| root(rows, row).asin().to_degrees())
        .collect();
    let south = north.iter().rev().map(|latitude| -latitude);
    Ok(north.iter().copied().chain(south).collect())
}

/// The root number `row`, the largest first, of the Legendre polynomial of degree `degree`, by Newton's method.
fn root(degree: u64, row: u64) -> f64 {
    let n = degree as f64;
    // Abramowitz and Stegun, 22.16.6, to first order: near enough to converge to this root.
    let mut x = (PI * (row as f64 + 0.75) / (n + 0.5)).cos();
    for _ in 0..10 {
        let (mut before, mut value) = (1.0, x);
        for k in 2..=degree {
            let k = k as f64;
            (before, value) = (
                value,
                ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k,
            );
        }
        let slope = n * (before - x * value) / (1.0 - x * x);
        let step = value / slope;
        x -= step;
        if step.abs() < 1e-15 {
            break;
        }
    }
    x
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn roots_of_low_degrees() {
        // P2 has ±√(1/3); P4 has ±√(3/7 ± 2/7·√(6/5)).
        let degrees = |x: f64| x.sqrt().asin().to_degrees();
        let found = latitudes(1).unwrap();
        assert!((found[0] - degrees(1.0 / 3.0)).abs() < 1e-12);
        let found = latitudes(2).unwrap();
        let root = |sign: f64| degrees(3.0 / 7.0 + sign * 2.0 / 7.0 * (1.2_f64).sqrt());
        for (found, expected) in found
            .iter()
            .zip([root(1.0), root(-1.0), -root(-1.0), -root(1.0)])
        {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert!(latitudes(0).is_err() && latitudes(1 << 40).is_err());
    }

    #[test]
    fn roots_are_found_once() {
        let mut known = Latitudes::default();
        let found = known.global(2).unwrap();
        assert!(Arc::ptr_eq(&found, &known.global(2).unwrap()));
        let cases = [
            (60.0, -60.0, 4, Some(found.to_vec())),
            (60.0, 0.0, 2, Some(found[..2].to_vec())),
            (-60.0, 0.0, 2, Some(vec![found[3], found[2]])),
            (0.0, -60.0, 4, None),
        ];
        for (first, last, count, expected) in cases {
            let rows = known.rows(2, first, last, count).ok();
            assert_eq!(rows, expected, "{first} to {last}");
        }
        assert_eq!(known.0.len(), 1);
    }

    #[test]
    fn resolutions_are_limited() {
        let none = Arc::new(Vec::new());
        let all = (0..5).map(|less| (MOST_ROWS - less, Arc::clone(&none)));
        let mut known = Latitudes(all.collect());
        assert!(known.global(MOST_ROWS).is_ok());
        let error = known.global(2).unwrap_err().to_string();
        assert!(error.contains("too many resolutions"), "{error}");
    }
}
