//! The envelope of commands, `google.protobuf.Any`: a name and the bytes of what is named.
//!
//! Commands themselves are read and written by their crate; only what is around them has no public reader.

use arrow_flight::sql::{Any, Command};
use bytes::Bytes;
use tonic::Status;

/// Fields of the envelope.
const NAME: u64 = 1;
const CONTENT: u64 = 2;

/// How the value of a field is written, the low three bits of its key.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const DELIMITED: u64 = 2;
const FOUR_BYTES: u64 = 5;

/// Takes a command out of its envelope.
///
/// # Errors
/// The bytes are no envelope, or the command inside cannot be read.
pub(super) fn open(bytes: &[u8]) -> Result<Command, Status> {
    let any = any(bytes).ok_or_else(|| {
        Status::invalid_argument("the request holds no command of Flight SQL that can be read")
    })?;
    Command::try_from(any).map_err(|error| {
        Status::invalid_argument(format!(
            "the command of the request cannot be read: {error}"
        ))
    })
}

/// Puts a message into an envelope.
pub(super) fn close(any: &Any) -> Bytes {
    let mut bytes = Vec::with_capacity(any.type_url.len() + any.value.len() + 16);
    for (field, value) in [(NAME, any.type_url.as_bytes()), (CONTENT, &any.value)] {
        put_varint(&mut bytes, field << 3 | DELIMITED);
        put_varint(&mut bytes, value.len() as u64);
        bytes.extend_from_slice(value);
    }
    bytes.into()
}

fn any(mut bytes: &[u8]) -> Option<Any> {
    let mut any = Any::default();
    while !bytes.is_empty() {
        let key = take_varint(&mut bytes)?;
        let length = match key & 7 {
            VARINT => {
                take_varint(&mut bytes)?;
                continue;
            }
            EIGHT_BYTES => 8,
            DELIMITED => usize::try_from(take_varint(&mut bytes)?).ok()?,
            FOUR_BYTES => 4,
            _ => return None,
        };
        let (value, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        match key >> 3 {
            NAME => any.type_url = String::from_utf8(value.to_vec()).ok()?,
            CONTENT => any.value = Bytes::copy_from_slice(value),
            _ => {}
        }
    }
    Some(any)
}

/// Numbers are written in groups of seven bits, the lowest first; the eighth bit says that more follow.
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first < 0x80 {
            return Some(number);
        }
    }
    None
}

fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt};

    use super::*;

    /// The crate's own writer of an envelope is out of reach, but not that of a message with the same fields.
    #[test]
    fn envelopes_are_those_of_the_standard_and_come_back() {
        for length in [0, 1, 127, 128, 20_000] {
            let query = CommandStatementQuery {
                query: "x".repeat(length),
                transaction_id: None,
            };
            let bytes = close(&query.as_any());
            let twin = CommandStatementQuery {
                query: query.as_any().type_url,
                transaction_id: Some(query.as_any().value),
            };
            assert_eq!(bytes, twin.as_any().value);
            assert_eq!(open(&bytes).unwrap(), Command::CommandStatementQuery(query));
        }
    }

    #[test]
    fn damaged_envelopes_are_refused() {
        let whole = close(&CommandStatementQuery::default().as_any());
        for bytes in [
            &whole[..whole.len() - 1],
            b"\x0a\xff",
            b"\xff",
            &[0xff; 11],
            b"\x0b",
        ] {
            assert!(open(bytes).is_err(), "{bytes:?}");
        }
        assert!(matches!(open(b"").unwrap(), Command::Unknown(_)));
    }
}
