//! Whole numbers as digits, written without memory of their own.

use bytes::{BufMut, BytesMut};

/// The most digits of a number.
pub(super) const MOST: usize = 20;

/// Two digits for each number below a hundred.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        // Below a hundred, so each fits a byte.
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// The two digits of a number below a hundred.
pub(super) fn pair(number: u32) -> [u8; 2] {
    let pair = usize::try_from(number).ok().and_then(|at| PAIRS.get(at));
    pair.copied().unwrap_or(*b"??")
}

/// The digits of a number, at the end of `room`.
pub(super) fn of(mut number: u64, room: &mut [u8; MOST]) -> &[u8] {
    let mut start = MOST;
    while number >= 100 {
        start -= 2;
        room[start..start + 2].copy_from_slice(&PAIRS[below_hundred(number % 100)]);
        number /= 100;
    }
    let last = PAIRS[below_hundred(number)];
    let count = if number < 10 { 1 } else { 2 };
    room[start - count..start].copy_from_slice(&last[2 - count..]);
    &room[start - count..]
}

fn below_hundred(number: u64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

/// Writes a number with a minus where it is below zero.
pub(super) fn signed(number: i64, output: &mut BytesMut) {
    if number < 0 {
        output.put_u8(b'-');
    }
    output.put_slice(of(number.unsigned_abs(), &mut [0; MOST]));
}

/// Writes a number with zeros before it, so that there are `width` digits or more.
pub(super) fn padded(number: u64, width: usize, output: &mut BytesMut) {
    let mut room = [0; MOST];
    let digits = of(number, &mut room);
    for _ in digits.len()..width {
        output.put_u8(b'0');
    }
    output.put_slice(digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_digits() {
        for number in [0, 7, 10, 99, 100, 1234, 98_765, u64::MAX] {
            assert_eq!(of(number, &mut [0; MOST]), number.to_string().as_bytes());
        }
        let mut output = BytesMut::new();
        signed(i64::MIN, &mut output);
        padded(7, 3, &mut output);
        padded(1234, 3, &mut output);
        assert_eq!(&output[..], b"-92233720368547758080071234");
    }
}
