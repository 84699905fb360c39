//! Floating-point numbers as the shortest text that reads back as the same value, laid out as PostgreSQL does.
//!
//! ```text
//!  value ─▶ scaled to as many digits as its type keeps ─▶ the fewest of them that lie near enough ─▶ Decimal ─▶ text
//!                     └─ in doubt, very large, very small ─▶ the standard library's, which is slower ─▶ ┘
//! ```
//! Measured values have few digits, or are of four bytes. Both are decided in the arithmetic of eight bytes, where
//! rounding is far smaller than what is asked for.

use std::fmt::{self, LowerExp, Write};
use std::str::FromStr;

use bytes::{BufMut, BytesMut};

use super::digits;

/// Powers of ten that eight bytes hold without rounding.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Places behind the point up to which a number of four bytes is multiplied without rounding.
const EXACT: usize = 12;

/// Digits that tell all numbers of four bytes apart.
const OF_SINGLE: i32 = 9;

/// Digits that numbers of eight bytes always keep: two such decimals are never the same number.
const OF_DOUBLE: i32 = 15;

/// A number above zero: `digits × 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decimal {
    digits: u64,
    scale: i32,
}

/// Writes a number of four bytes; with an exponent outside of `1e-4` to `1e6`.
pub(super) fn single(value: f32, output: &mut BytesMut) {
    let positive = value.abs();
    match positive > 0.0 && positive.is_finite() {
        true => {
            let slowly = || shortest(positive, Binary::of_single(positive));
            let decimal = of_single(positive).unwrap_or_else(slowly);
            decimal.write(value < 0.0, 6, output);
        }
        false => special(f64::from(value), output),
    }
}

/// Writes a number of eight bytes; with an exponent outside of `1e-4` to `1e15`.
pub(super) fn double(value: f64, output: &mut BytesMut) {
    let positive = value.abs();
    match positive > 0.0 && positive.is_finite() {
        true => {
            let slowly = || shortest(positive, Binary::of_double(positive));
            let decimal = of_double(positive).unwrap_or_else(slowly);
            decimal.write(value < 0.0, 15, output);
        }
        false => special(value, output),
    }
}

fn special(value: f64, output: &mut BytesMut) {
    output.put_slice(match (value.is_nan(), value.is_sign_negative()) {
        (true, _) => b"NaN",
        (false, sign) => match (value == 0.0, sign) {
            (true, false) => b"0",
            (true, true) => b"-0",
            (false, false) => b"Infinity",
            (false, true) => b"-Infinity",
        },
    });
}

/// The number times a power of ten, so that it has `count` digits before the point; and the power.
fn scaled(value: f64, count: i32) -> Option<(f64, usize)> {
    // The logarithm from that of two: it may be too small by one.
    let exponent = i32::try_from(value.to_bits() >> 52).ok()? - 1023;
    let places = usize::try_from(count - 1 - ((exponent * 1233) >> 12)).ok()?;
    let all = TENS.get(usize::try_from(count).ok()?)?;
    let scaled = value * TENS.get(places)?;
    match scaled < *all {
        true => Some((scaled, places)),
        false => {
            let places = places.checked_sub(1)?;
            Some((value * TENS.get(places)?, places))
        }
    }
}

/// A number that is a decimal of few digits. There is one such decimal at most, so it is the shortest.
fn of_double(value: f64) -> Option<Decimal> {
    let (scaled, places) = scaled(value, OF_DOUBLE)?;
    let digits = rounded(scaled);
    // Both are exact, so the quotient is what the decimal reads as.
    let is_same = scaled < TENS[15] - 1.0 && as_float(digits) / TENS[places] == value;
    is_same.then(|| Decimal::new(digits, places, 1))
}

/// The number with the fewest digits, and the nearest among those, that is nearer to `value` than to its neighbours.
/// All arithmetic here is exact.
fn of_single(value: f32) -> Option<Decimal> {
    let bits = value.to_bits();
    // Below a power of two its neighbours are nearer.
    if bits.trailing_zeros() >= f32::MANTISSA_DIGITS - 1 {
        return None;
    }
    let (scaled, places) = scaled(f64::from(value), OF_SINGLE)?;
    if places > EXACT {
        return None;
    }
    let gap = f64::from(f32::from_bits(bits + 1)) - f64::from(value);
    let near = gap * TENS[places] / 2.0;
    for unit in [1000, 100, 10, 1] {
        let step = as_float(unit);
        let digits = rounded(scaled / step);
        let distance = (scaled - as_float(digits) * step).abs();
        if distance * 2.0 > step {
            // The quotient was rounded.
            return None;
        }
        if distance < near {
            // In the middle between two decimals the even one.
            let is_odd_half = distance * 2.0 == step && !digits.is_multiple_of(2);
            return Some(Decimal::new(digits - u64::from(is_odd_half), places, unit));
        }
    }
    None
}

fn rounded(value: f64) -> u64 {
    (value + 0.5) as u64
}

fn as_float(integer: u64) -> f64 {
    integer as f64
}

/// What the standard library says, where PostgreSQL does not want another decimal that is as short or as near.
fn shortest<T>(value: T, binary: Binary) -> Decimal
where
    T: LowerExp + FromStr + PartialEq,
{
    let mut decimal = Decimal::read(format_args!("{value:e}"));
    let mut places = 0;
    while binary.has_edge(decimal) {
        // It may read as the neighbour.
        places = places.max(digits::of(decimal.digits, &mut [0; digits::MOST]).len());
        decimal = Decimal::read(format_args!("{value:.places$e}"));
        places += 1;
    }
    if decimal.digits % 2 == 1 && binary.is_half_below(decimal) {
        // The library takes the larger of two decimals that are equally near.
        let even = Decimal {
            digits: decimal.digits - 1,
            ..decimal
        };
        let text = format!("{}e{}", even.digits, even.scale);
        if text.parse::<T>().is_ok_and(|read| read == value) {
            return even;
        }
    }
    decimal
}

/// A number above zero as it is stored: `mantissa × 2^power`.
#[derive(Debug, Clone, Copy)]
struct Binary {
    mantissa: u64,
    power: i32,
    /// A power of two: the number below it is nearer than the one above.
    is_power: bool,
}

impl Binary {
    fn of_single(value: f32) -> Self {
        Self::new(value.to_bits().into(), 23, 150)
    }

    fn of_double(value: f64) -> Self {
        Self::new(value.to_bits(), 52, 1075)
    }

    fn new(bits: u64, width: u32, bias: i32) -> Self {
        let exponent = i32::try_from(bits >> width).unwrap_or_default();
        let fraction = bits & ((1 << width) - 1);
        Self {
            mantissa: fraction | u64::from(exponent > 0) << width,
            power: exponent.max(1) - bias,
            is_power: fraction == 0,
        }
    }

    /// Does a decimal lie in the middle between the number and one of its neighbours? Only that of a large whole number can:
    /// other numbers are shorter themselves.
    fn has_edge(self, decimal: Decimal) -> bool {
        let twice = 2 * u128::from(self.mantissa);
        let is = |mantissa, power| decimal.is(mantissa, power);
        is(twice + 1, self.power - 1)
            || match self.is_power {
                true => is(2 * twice - 1, self.power - 2),
                false => is(twice - 1, self.power - 1),
            }
    }

    /// Is the number smaller than its nearest decimal by exactly half of the last place?
    fn is_half_below(self, decimal: Decimal) -> bool {
        let zeros = self.mantissa.trailing_zeros().cast_signed();
        match self.power + zeros < 0 {
            // It has so many digits behind the point, of which the last one is 5.
            true => decimal.scale == self.power + zeros + 1,
            false => {
                let below = Decimal {
                    digits: 2 * decimal.digits - 1,
                    ..decimal
                };
                below.is(self.mantissa.into(), self.power + 1)
            }
        }
    }
}

/// A few letters that need no memory of their own.
#[derive(Default)]
struct Text {
    letters: [u8; 32],
    length: usize,
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let room = self.letters.get_mut(self.length..end);
        room.ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl Decimal {
    /// `digits × unit / 10^places`, without zeros at the end.
    fn new(mut digits: u64, places: usize, mut unit: u64) -> Self {
        let mut scale = -i32::try_from(places).unwrap_or_default();
        while unit > 1 {
            unit /= 10;
            scale += 1;
        }
        for (power, zeros) in [(100_000_000, 8), (10_000, 4), (100, 2), (10, 1)] {
            if digits.is_multiple_of(power) {
                digits /= power;
                scale += zeros;
            }
        }
        Self { digits, scale }
    }

    /// `d.ddde-7`, as the standard library writes it.
    fn read(text: fmt::Arguments<'_>) -> Self {
        let mut written = Text::default();
        // It fits.
        let _ = written.write_fmt(text);
        let mut decimal = Self {
            digits: 0,
            scale: 0,
        };
        let mut letters = written.letters[..written.length].iter();
        let mut is_fraction = false;
        for letter in letters.by_ref() {
            match letter {
                b'.' => is_fraction = true,
                b'e' => break,
                digit => {
                    decimal.digits = decimal.digits * 10 + u64::from(digit.wrapping_sub(b'0'));
                    decimal.scale -= i32::from(is_fraction);
                }
            }
        }
        let exponent = std::str::from_utf8(letters.as_slice()).unwrap_or_default();
        decimal.scale += exponent.parse::<i32>().unwrap_or_default();
        decimal
    }

    /// Is it `mantissa × 2^power`? Asked of whole numbers.
    fn is(self, mantissa: u128, power: i32) -> bool {
        let fives = u32::try_from(self.scale)
            .ok()
            .and_then(|scale| 5_u128.checked_pow(scale));
        let Some(odd) = fives.and_then(|fives| fives.checked_mul(self.digits.into())) else {
            return false;
        };
        let (twos, zeros) = (odd.trailing_zeros(), mantissa.trailing_zeros());
        odd >> twos == mantissa >> zeros
            && self.scale + twos.cast_signed() == power + zeros.cast_signed()
    }

    /// Writes it as PostgreSQL does, with an exponent below `1e-4` and from `10^exponent_from` on.
    fn write(self, is_negative: bool, exponent_from: i32, output: &mut BytesMut) {
        const ZEROS: &[u8; 16] = b"0000000000000000";
        let mut room = [0; digits::MOST];
        let digits = digits::of(self.digits, &mut room);
        let count = i32::try_from(digits.len()).unwrap_or_default();
        let exponent = self.scale + count - 1;
        if is_negative {
            output.put_u8(b'-');
        }
        if !(-4..exponent_from).contains(&exponent) {
            let (first, rest) = digits.split_at(1);
            output.put_slice(first);
            if !rest.is_empty() {
                output.put_u8(b'.');
                output.put_slice(rest);
            }
            output.put_slice(if exponent < 0 { b"e-" } else { b"e+" });
            digits::padded(exponent.unsigned_abs().into(), 2, output);
            return;
        }
        let zeros = |count: i32| &ZEROS[..usize::try_from(count).unwrap_or_default()];
        if exponent < 0 {
            output.put_slice(b"0.");
            output.put_slice(zeros(-exponent - 1));
            output.put_slice(digits);
        } else if self.scale >= 0 {
            output.put_slice(digits);
            output.put_slice(zeros(self.scale));
        } else {
            let whole = usize::try_from(exponent + 1).unwrap_or_default();
            let (whole, fraction) = digits.split_at(whole);
            output.put_slice(whole);
            output.put_u8(b'.');
            output.put_slice(fraction);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn text(write: impl FnOnce(&mut BytesMut)) -> String {
        let mut output = BytesMut::new();
        write(&mut output);
        String::from_utf8(output.to_vec()).unwrap()
    }

    /// What PostgreSQL 15 writes for the same values.
    #[test]
    fn numbers_read_as_in_postgresql() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (-273.15, "-273.15"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (999_999_999_999_999.9, "999999999999999.9"),
            (1.25e100, "1.25e+100"),
            (0.1 + 0.2, "0.30000000000000004"),
            // No decimal that lies in the middle between two numbers.
            (1e23, "9.999999999999999e+22"),
            (9_007_199_254_740_992.0, "9.007199254740992e+15"),
            // Of two that are equally near, the even one.
            (2.0_f64.powi(-25), "2.9802322387695312e-08"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text(|output| double(value, output)), expected);
        }
        for (value, expected) in [
            (123_456.0_f32, "123456"),
            (1_234_567.0, "1.234567e+06"),
            (271.345_2, "271.3452"),
            (-0.1, "-0.1"),
            (1e-5, "1e-05"),
            (256.0 + 49.0 / 64.0, "256.76562"),
            (2.0_f32.powi(-12), "0.00024414062"),
            (13_961_938.0 * 256.0, "3.5742561e+09"),
            (16_777_216.0, "1.6777216e+07"),
            (f32::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text(|output| single(value, output)), expected);
        }
    }

    /// The quick ways say what the standard library says, over all sizes and lengths.
    #[test]
    fn quick_ways_are_right() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let (mut singles, mut doubles) = (0, 0);
        for _ in 0..20_000 {
            let bits = u32::try_from(random() >> 33).unwrap();
            // All exponents, and those of measured values.
            for bits in [bits, (bits & 0x07ff_ffff) + 0x3c00_0000] {
                let value = f32::from_bits(bits);
                if let Some(decimal) = of_single(value).filter(|_| value.is_finite()) {
                    assert_eq!(
                        decimal,
                        shortest(value, Binary::of_single(value)),
                        "{value:e}"
                    );
                    singles += 1;
                }
            }
            let count = random() % 1_000_000_000_000_000;
            let decimal = as_float(count) / TENS[usize::try_from(random() % 20).unwrap()];
            for value in [decimal, decimal.next_up(), f64::from_bits(random() >> 1)] {
                let found = of_double(value).filter(|_| value > 0.0 && value.is_finite());
                if let Some(found) = found {
                    assert_eq!(
                        found,
                        shortest(value, Binary::of_double(value)),
                        "{value:e}"
                    );
                    doubles += 1;
                }
            }
        }
        assert!(singles > 10_000 && doubles > 10_000, "{singles} {doubles}");
    }
}
