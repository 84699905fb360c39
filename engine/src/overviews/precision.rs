//! How many bits the means of overviews keep: [`Precision`].
//!
//! ```text
//!  8.369912147521973  0000101111010110010100100000000000000000000000000000  a cell of the cube
//!  8.601495107014975  0001001100111111011100101010101010101010101010101011  a mean of three
//!  8.601493835449219  0001001100111111011100000000000000000000000000000000  that keeps 20 bits
//!                     └──── 20 bits ─────┘
//! ```
//! Means have digits that no cell of the cube has, and compress worse than what they are made of. So they are rounded
//! to the nearest number with fewer digits, ties to the even one (BitRound: Klöwer et al. 2021, `nsb` in CF 1.12). With 20
//! bits a mean is off by at most 2⁻²¹ of itself, a two-millionth: 300 K by 0.00015 K.

use arrow::datatypes::DataType;
use graticule_functions::warp::Method;

use crate::error::{CubeError, CubeResult};

/// The attribute of variables that says how many bits they keep, as the NetCDF library writes it.
pub(crate) const ATTRIBUTE: &str = "_QuantizeBitRoundNumberOfSignificantBits";

/// Bits that means keep where nobody says how many.
const USUAL: u8 = 20;

/// Explicit bits of the significand of a number of 64 bits.
const ALL: u8 = 52;

/// Those of numbers of a type, none where they are no floats.
fn bits_of(stored: &DataType) -> u8 {
    match stored {
        DataType::Float16 => 10,
        DataType::Float32 => 23,
        DataType::Float64 => ALL,
        _ => 0,
    }
}

/// The bits that means and root mean squares keep; all other values are those of the cube, or sums of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Precision(Option<u8>);

impl Default for Precision {
    fn default() -> Self {
        Self(Some(USUAL))
    }
}

impl Precision {
    /// Reads a number of bits, or `full`.
    ///
    /// # Errors
    /// It is neither.
    pub(crate) fn parse(text: &str) -> CubeResult<Self> {
        if text.eq_ignore_ascii_case("full") {
            return Ok(Self(None));
        }
        let bits = text.parse().ok().filter(|bits| (1..=ALL).contains(bits));
        let wrong = || {
            CubeError::invalid("", format!("precision = {text} is no number of bits"))
                .remedy(format!("write a number from 1 to {ALL}, or full"))
        };
        Ok(Self(Some(bits.ok_or_else(wrong)?)))
    }

    /// The bits of values that `method` makes, in an array that stores them as `stored`; `None` for all.
    pub(crate) fn of(self, method: Method, stored: &DataType) -> Option<u8> {
        let bits = self.0.filter(|_| method.weighs_counts());
        bits.filter(|bits| *bits < bits_of(stored))
    }
}

/// The number nearest to `value` that has `bits` explicit bits, fewer than all; of two the even one.
pub(crate) fn rounded(value: f64, bits: u8) -> f64 {
    let dropped = u32::from(ALL.saturating_sub(bits).max(1));
    let exact = value.to_bits();
    let half = (1_u64 << (dropped - 1)) - 1 + (exact >> dropped & 1);
    let rounded = f64::from_bits((exact.wrapping_add(half) >> dropped) << dropped);
    match value.is_finite() && rounded.is_finite() {
        true => rounded,
        false => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_number_with_fewer_bits() {
        for (value, bits, expected) in [
            (1.0, 1, 1.0),
            (1.2, 1, 1.0),
            // Ties go to the even one.
            (1.25, 1, 1.0),
            (1.75, 1, 2.0),
            (-1.3, 1, -1.5),
            (0.0, 5, 0.0),
            (1000.4, 9, 1000.0),
            (1001.4, 9, 1001.0),
            (1.0 + 2f64.powi(-20), 20, 1.0 + 2f64.powi(-20)),
            (1.0 + 2f64.powi(-22), 20, 1.0),
            (f64::MAX, 4, f64::MAX),
            (f64::INFINITY, 4, f64::INFINITY),
        ] {
            assert_eq!(rounded(value, bits), expected, "{value} to {bits} bits");
        }
        assert!(rounded(f64::NAN, 20).is_nan());
        assert!(rounded(f64::from_bits(u64::MAX), 20).is_nan());
    }

    #[test]
    fn an_error_is_half_of_the_last_bit_at_most() {
        for at in 1..2000 {
            let value = f64::from(at).powf(1.7) / 7.0;
            let off = (rounded(value, 20) - value).abs() / value;
            assert!(off <= 2f64.powi(-21), "{value}: {off}");
            // What has 20 bits is a number of 32, too.
            let narrow = rounded(value, 20) as f32;
            assert_eq!(f64::from(narrow), rounded(value, 20));
        }
    }

    #[test]
    fn means_are_rounded_and_values_are_not() {
        let usual = Precision::default();
        let float = DataType::Float64;
        assert_eq!(usual.of(Method::Average, &float), Some(20));
        assert_eq!(
            usual.of(Method::RootMeanSquare, &DataType::Float32),
            Some(20)
        );
        // Packed numbers are rounded as they are packed.
        assert_eq!(usual.of(Method::Average, &DataType::Int16), None);
        for method in [Method::Maximum, Method::Mode, Method::Sum] {
            assert_eq!(usual.of(method, &float), None, "{method}");
        }
        let of = |text: &str| Precision::parse(text).map(|known| known.of(Method::Average, &float));
        assert_eq!(of("12").ok(), Some(Some(12)));
        assert_eq!(of("FULL").ok(), Some(None));
        assert_eq!(of("52").ok(), Some(None));
        for wrong in ["0", "53", "-1", "all", ""] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
