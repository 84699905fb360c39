//! A line of comma-separated values, as PostgreSQL reads them: quotes may begin and end anywhere in a value.

use super::fields::Fields;
use super::malformed;
use crate::failure::Failure;
use crate::postgres::encoding::{CopyText, Quote};

/// Takes a line apart. `forced`: columns that are NULL also where what stands for it is in quotes.
///
/// # Errors
/// A quote does not end.
pub(super) fn split(
    line: &[u8],
    layout: &CopyText,
    Quote { quote, escape, .. }: Quote,
    forced: &[bool],
    fields: &mut Fields,
) -> Result<(), Failure> {
    let null = layout.null.as_bytes();
    let (mut is_quoted, mut was_quoted) = (false, false);
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if is_quoted {
            let next = bytes.peek().copied();
            match next {
                Some(next) if byte == escape && (next == quote || next == escape) => {
                    fields.push(next);
                    bytes.next();
                }
                _ if byte == quote => is_quoted = false,
                _ => fields.push(byte),
            }
        } else if byte == layout.delimiter {
            end(fields, null, was_quoted, forced);
            was_quoted = false;
        } else if byte == quote {
            (is_quoted, was_quoted) = (true, true);
        } else {
            fields.push(byte);
        }
    }
    if is_quoted {
        return Err(malformed("a value in quotes does not end"));
    }
    end(fields, null, was_quoted, forced);
    Ok(())
}

fn end(fields: &mut Fields, null: &[u8], was_quoted: bool, forced: &[bool]) {
    let may_be_null = !was_quoted || forced.get(fields.len()).is_some_and(|forced| *forced);
    let is_null = may_be_null && fields.current() == null;
    fields.end(is_null);
}
