//! Gaussian latitudes: [`latitudes`], the roots of a Legendre polynomial.

use std::f64::consts::PI;

use graticule_engine::error::{CubeError, CubeResult};

/// The most rows between a pole and the equator; the finest model of ECMWF has 2560.
const MOST_ROWS: u64 = 4_000;

/// The latitudes of a global grid with `half` rows between a pole and the equator, from north to south.
///
/// # Errors
/// No rows, or more than any model has.
pub(super) fn latitudes(half: u64) -> CubeResult<Vec<f64>> {
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

/// The rows of [`latitudes`] from `first` to `last`, `count` of them.
///
/// # Errors
/// The global grid has no such rows.
pub(super) fn rows(half: u64, first: f64, last: f64, count: u64) -> CubeResult<Vec<f64>> {
    let mut all = latitudes(half)?;
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
}
