//! A line of PostgreSQL's text format: values between delimiters, with backslashes before what has another meaning.

use super::fields::Fields;
use crate::postgres::encoding::CopyText;

/// Takes a line apart.
pub(super) fn split(line: &[u8], layout: &CopyText, fields: &mut Fields) {
    let mut rest = line;
    let mut value = line;
    loop {
        let Some((first, behind)) = rest.split_first() else {
            fields.end(value == layout.null.as_bytes());
            return;
        };
        rest = behind;
        if *first == layout.delimiter {
            let raw = &value[..value.len() - rest.len() - 1];
            fields.end(raw == layout.null.as_bytes());
            value = rest;
            continue;
        }
        match *first {
            b'\\' => {
                let (byte, length) = unescaped(rest);
                fields.push(byte);
                rest = &rest[length..];
            }
            byte => fields.push(byte),
        }
    }
}

/// The byte that stands behind a backslash, and in how many it is written.
fn unescaped(rest: &[u8]) -> (u8, usize) {
    let number = |digits: &[u8], radix: u32| {
        let values = digits
            .iter()
            .map_while(|digit| char::from(*digit).to_digit(radix));
        let (mut number, mut length) = (0, 0);
        for value in values {
            number = number * radix + value;
            length += 1;
        }
        // As in C, what does not fit is cut off.
        let [byte, ..] = u32::to_le_bytes(number);
        (byte, length)
    };
    match rest {
        [] => (b'\\', 0),
        [b'b', ..] => (0x08, 1),
        [b'f', ..] => (0x0c, 1),
        [b'n', ..] => (b'\n', 1),
        [b'r', ..] => (b'\r', 1),
        [b't', ..] => (b'\t', 1),
        [b'v', ..] => (0x0b, 1),
        [b'0'..=b'7', ..] => number(&rest[..rest.len().min(3)], 8),
        [b'x', digits @ ..] => match number(&digits[..digits.len().min(2)], 16) {
            (_, 0) => (b'x', 1),
            (byte, length) => (byte, length + 1),
        },
        [other, ..] => (*other, 1),
    }
}
