//! Numbers of any length in PostgreSQL's binary form: digits to the base of ten thousand.

use bytes::{BufMut, BytesMut};

const NEGATIVE: u16 = 0x4000;

/// The most digits behind the point, as in PostgreSQL.
const MAXIMUM_SCALE: usize = 16_383;

/// The most groups of digits before the point, or of zeros behind it: far more than any type here holds. A few bytes
/// may ask for all of them.
const MAXIMUM_WEIGHT: i32 = 4096;

/// Writes a decimal number, such as `-12.50`.
pub(super) fn write(decimal: &str, output: &mut BytesMut) {
    let (sign, decimal) = match decimal.strip_prefix('-') {
        Some(rest) => (NEGATIVE, rest),
        None => (0, decimal),
    };
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let mut digits = groups(&"0".repeat((4 - whole.len() % 4) % 4), whole);
    let before = digits.len();
    let padding = "0".repeat((4 - fraction.len() % 4) % 4);
    digits.extend(groups(fraction, &padding));
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    let trailing = digits[leading..]
        .iter()
        .rev()
        .take_while(|digit| **digit == 0);
    let end = digits.len() - trailing.count();
    let digits = &digits[leading..end];
    let (sign, weight) = match digits.is_empty() {
        true => (0, 0),
        // Numbers here have at most a hundred digits.
        false => (
            sign,
            i16::try_from(before).unwrap_or(i16::MAX) - i16::try_from(leading).unwrap_or(0) - 1,
        ),
    };
    output.put_u16(u16::try_from(digits.len()).unwrap_or(u16::MAX));
    output.put_i16(weight);
    output.put_u16(sign);
    output.put_u16(u16::try_from(fraction.len()).unwrap_or(u16::MAX));
    for digit in digits {
        output.put_u16(*digit);
    }
}

/// The digits of two texts, one behind the other, four at a time.
fn groups(first: &str, second: &str) -> Vec<u16> {
    let digits: Vec<u16> = [first, second]
        .iter()
        .flat_map(|text| text.bytes().map(|byte| u16::from(byte.wrapping_sub(b'0'))))
        .collect();
    let value = |group: &[u16]| group.iter().fold(0, |value, digit| value * 10 + digit);
    digits.chunks(4).map(value).collect()
}

/// Reads what [`write`] writes, as text; `None` where it is no number, or one that nothing here holds.
pub(in crate::postgres) fn read(mut value: &[u8]) -> Option<String> {
    use bytes::Buf;
    let count = value.try_get_u16().ok()?;
    let weight = i32::from(value.try_get_i16().ok()?);
    let sign = value.try_get_u16().ok()?;
    let scale = usize::from(value.try_get_u16().ok()?);
    let is_too_long = scale > MAXIMUM_SCALE || weight.abs() > MAXIMUM_WEIGHT;
    if is_too_long || (sign != 0 && sign != NEGATIVE) {
        return None;
    }
    let digits: Vec<u16> = (0..count)
        .map(|_| value.try_get_u16().ok().filter(|digit| *digit < 10_000))
        .collect::<Option<_>>()?;
    let digit = |place: i32| {
        let index = usize::try_from(weight - place).ok();
        index
            .and_then(|index| digits.get(index))
            .copied()
            .unwrap_or(0)
    };
    let whole: String = (0..=weight.max(0))
        .rev()
        .flat_map(|place| letters(digit(place)))
        .collect();
    let places = i32::try_from(scale.div_ceil(4)).ok()?;
    let fraction: String = (1..=places)
        .flat_map(|place| letters(digit(-place)))
        .collect();
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let sign = if sign == NEGATIVE { "-" } else { "" };
    Some(match fraction.get(..scale) {
        Some("") | None => format!("{sign}{whole}"),
        Some(fraction) => format!("{sign}{whole}.{fraction}"),
    })
}

/// The four letters of a digit to the base of ten thousand.
fn letters(digit: u16) -> [char; 4] {
    [1000, 100, 10, 1].map(|unit| char::from_digit(u32::from(digit / unit % 10), 10).unwrap_or('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_postgresql_does_and_read_back() {
        // From PostgreSQL's numeric_send.
        for (decimal, expected) in [
            ("0", [0_u16, 0, 0, 0].as_slice()),
            ("12.50", &[2, 0, 0, 2, 12, 5000]),
            ("-10000", &[1, 1, NEGATIVE, 0, 1]),
            ("0.0001", &[1, 0xffff, 0, 4, 1]),
            ("123456.789", &[3, 1, 0, 3, 12, 3456, 7890]),
        ] {
            let mut output = BytesMut::new();
            write(decimal, &mut output);
            let words: Vec<u16> = output
                .chunks(2)
                .map(|word| u16::from_be_bytes([word[0], word[1]]))
                .collect();
            assert_eq!(words, expected, "{decimal}");
            assert_eq!(read(&output).as_deref(), Some(decimal));
        }
        assert_eq!(read(&[0, 1]), None);
        // Ten bytes that ask for many zeros.
        for (weight, scale) in [(i16::MAX, 0), (i16::MIN, 0), (0, u16::MAX)] {
            let mut value = BytesMut::new();
            value.put_u16(1);
            value.put_i16(weight);
            value.put_u16(0);
            value.put_u16(scale);
            value.put_u16(1);
            assert_eq!(read(&value), None, "{weight} {scale}");
        }
    }
}
