//! What clients send, read from bytes that nobody vouches for.
//!
//! pgwire's own decoders trust the counts and lengths inside of a message, and panic where one lies. So a message is cut
//! out of the stream by its length first, see [`Wire`](super::wire::Wire), and then read with checks; what the server
//! sends is pgwire's.

use bytes::{Buf, Bytes};

use crate::failure::{Failure, SqlState};

/// A message of a client, once it is let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Query(String),
    Parse {
        name: String,
        statement: String,
        /// Type numbers of the first parameters; 0 where the client leaves it to the server.
        types: Vec<u32>,
    },
    Bind(Bind),
    Describe(Target),
    Execute {
        portal: String,
        /// Rows to send at most; 0: all.
        rows: u32,
    },
    Close(Target),
    Flush,
    Sync,
    Terminate,
    /// Passwords and what SCRAM exchanges.
    Password(Bytes),
    /// A piece of the rows of a `COPY … FROM STDIN`, of any length.
    CopyData(Bytes),
    /// There are no more rows.
    CopyDone,
    /// There will be no more rows, and why.
    CopyFail(String),
}

/// Values for a prepared statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bind {
    pub(super) portal: String,
    pub(super) statement: String,
    pub(super) formats: Formats,
    /// `None`: NULL.
    pub(super) values: Vec<Option<Bytes>>,
    pub(super) result_formats: Formats,
}

/// What `Describe` and `Close` are about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    Statement(String),
    Portal(String),
}

/// Which of several values are binary: none, all, or each for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Formats(Vec<bool>);

impl Formats {
    /// Is the value at `index` binary?
    pub(super) fn is_binary(&self, index: usize) -> bool {
        match self.0.as_slice() {
            [of_all] => *of_all,
            each => each.get(index).copied().unwrap_or(false),
        }
    }
}

impl Incoming {
    /// Is it of the extended protocol, where an error skips everything up to the next `Sync`?
    pub(super) fn is_extended(&self) -> bool {
        !matches!(self, Self::Query(_))
    }

    /// Reads one message.
    ///
    /// # Errors
    /// A kind that clients do not send, or a body that ends too early or too late.
    pub(super) fn read(kind: u8, body: Bytes) -> Result<Self, Failure> {
        let mut body = Body(body);
        let message = match kind {
            b'Q' => Self::Query(body.text()?),
            b'P' => Self::Parse {
                name: body.text()?,
                statement: body.text()?,
                types: body.many(Body::u32)?,
            },
            b'B' => Self::Bind(Bind {
                portal: body.text()?,
                statement: body.text()?,
                formats: body.formats()?,
                values: body.many(Body::value)?,
                result_formats: body.formats()?,
            }),
            b'D' => Self::Describe(body.target()?),
            b'E' => Self::Execute {
                portal: body.text()?,
                rows: body.u32()?,
            },
            b'C' => Self::Close(body.target()?),
            b'H' => Self::Flush,
            b'S' => Self::Sync,
            b'X' => Self::Terminate,
            b'p' => return Ok(Self::Password(body.0)),
            b'd' => return Ok(Self::CopyData(body.0)),
            b'c' => Self::CopyDone,
            b'f' => {
                let reason = body.0.strip_suffix(b"\0").unwrap_or(&body.0);
                return Ok(Self::CopyFail(String::from_utf8_lossy(reason).into_owned()));
            }
            other => {
                let text = format!("clients send no message of the kind {other}");
                return Err(violation(text));
            }
        };
        match body.0.is_empty() {
            true => Ok(message),
            false => Err(violation("a message is longer than what it holds")),
        }
    }
}

/// A message that breaks the protocol.
pub(super) fn violation(cause: impl Into<String>) -> Failure {
    Failure::with_state(SqlState::PROTOCOL_VIOLATION, cause)
}

/// The rest of a message.
pub(super) struct Body(pub(super) Bytes);

impl Body {
    /// Text that ends with a zero.
    pub(super) fn text(&mut self) -> Result<String, Failure> {
        let Some(end) = self.0.iter().position(|byte| *byte == 0) else {
            return Err(violation("a text in a message does not end"));
        };
        let text = self.0.split_to(end);
        self.0.advance(1);
        match std::str::from_utf8(&text) {
            Ok(text) => Ok(text.to_string()),
            Err(_) => Err(Failure::with_state(
                SqlState::INVALID_CHARACTERS,
                "the text is not UTF-8; SET client_encoding TO 'UTF8' in the client",
            )),
        }
    }

    pub(super) fn u32(&mut self) -> Result<u32, Failure> {
        self.0.try_get_u32().map_err(|_| too_short())
    }

    fn u16(&mut self) -> Result<u16, Failure> {
        self.0.try_get_u16().map_err(|_| too_short())
    }

    /// As many as the number in front of them says.
    fn many<T>(
        &mut self,
        read: impl Fn(&mut Self) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let count = self.u16()?;
        (0..count).map(|_| read(self)).collect()
    }

    fn formats(&mut self) -> Result<Formats, Failure> {
        let codes = self.many(Self::u16)?;
        if let Some(unknown) = codes.iter().find(|code| **code > 1) {
            return Err(violation(format!("there is no format {unknown}")));
        }
        Ok(Formats(codes.into_iter().map(|code| code == 1).collect()))
    }

    /// A value with its length, −1 for NULL.
    pub(super) fn value(&mut self) -> Result<Option<Bytes>, Failure> {
        let length = self.u32()?;
        if length == u32::MAX {
            return Ok(None);
        }
        match usize::try_from(length) {
            Ok(length) if length <= self.0.len() => Ok(Some(self.0.split_to(length))),
            _ => Err(too_short()),
        }
    }

    fn target(&mut self) -> Result<Target, Failure> {
        let kind = self.0.try_get_u8().map_err(|_| too_short())?;
        match kind {
            b'S' => Ok(Target::Statement(self.text()?)),
            b'P' => Ok(Target::Portal(self.text()?)),
            _ => Err(violation(
                "only statements and portals are described and closed",
            )),
        }
    }
}

fn too_short() -> Failure {
    violation("a message ends too early")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_or_refused() {
        let read = |kind, body: &'static [u8]| Incoming::read(kind, Bytes::from_static(body));
        assert_eq!(
            read(b'Q', b"SELECT 1\0"),
            Ok(Incoming::Query("SELECT 1".into()))
        );
        let bind = read(
            b'B',
            b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x01x\xff\xff\xff\xff\0\0",
        );
        assert_eq!(
            bind,
            Ok(Incoming::Bind(Bind {
                portal: "p".into(),
                statement: "s".into(),
                formats: Formats(vec![true]),
                values: vec![Some(Bytes::from_static(b"x")), None],
                result_formats: Formats::default(),
            }))
        );
        for (kind, body) in [
            (b'Q', b"no end".as_slice()),
            (b'Q', b"end\0 and more"),
            (b'Q', b"\xff\xfe\0"),
            (b'P', b"a\0b\0\0\x09\0\0\0\x17"),
            (b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xffx"),
            (b'B', b"\0\0\0\x01\0\x07\0\0\0\0"),
            (b'D', b"Xname\0"),
            (b'E', b"\0\0\0"),
            (b'!', b""),
        ] {
            assert!(read(kind, body).is_err(), "{kind} {body:?}");
        }
    }

    #[test]
    fn one_format_stands_for_all() {
        let of = |formats: &[bool]| Formats(formats.to_vec());
        assert!(!of(&[]).is_binary(3));
        assert!(of(&[true]).is_binary(3));
        assert!(of(&[false, true]).is_binary(1));
        assert!(!of(&[false, true]).is_binary(2));
    }
}
