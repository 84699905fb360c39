//! Lines of text, or of comma-separated values, cut out of pieces of any length: [`Lines`].
//!
//! The first line says how all of them end: with a newline, a carriage return, or both.

use bytes::{Buf, Bytes, BytesMut};

use super::{check_length, malformed};
use crate::failure::Failure;
use crate::postgres::encoding::Quote;

/// A line that ends the data before it ends.
const END: &[u8] = b"\\.";

/// Bytes that have come in, and have not been cut into lines.
pub(super) struct Lines {
    input: BytesMut,
    /// So many of them have been looked at.
    seen: usize,
    /// Of comma-separated values; else backslashes have a meaning.
    quote: Option<Quote>,
    is_quoted: bool,
    is_escaped: bool,
    ending: Option<Ending>,
    /// The number of the last line that was cut out, and of line ends in quotes since.
    number: u64,
    inside: u64,
    is_ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Newline,
    Return,
    Both,
}

/// What comes next.
enum Found {
    /// A line of so many bytes, and as many behind it that end it.
    Line(usize, usize),
    /// It takes more bytes to know.
    Nothing,
}

impl Lines {
    pub(super) fn new(quote: Option<Quote>) -> Self {
        Self {
            input: BytesMut::new(),
            seen: 0,
            quote,
            is_quoted: false,
            is_escaped: false,
            ending: None,
            number: 0,
            inside: 0,
            is_ended: false,
        }
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        if !self.is_ended {
            self.input.extend_from_slice(bytes);
        }
    }

    /// The number of the line that was cut out last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line, without its end. `is_last`: no more bytes will come.
    ///
    /// # Errors
    /// A line that ends in another way than those before, or that is too long.
    pub(super) fn next(&mut self, is_last: bool) -> Result<Option<Bytes>, Failure> {
        if self.is_ended {
            return Ok(None);
        }
        let found = self.find(is_last).inspect_err(|_| self.number += 1)?;
        let (length, end) = match found {
            Found::Line(length, end) => (length, end),
            Found::Nothing if is_last && !self.input.is_empty() => (self.input.len(), 0),
            Found::Nothing => {
                check_length(self.input.len()).inspect_err(|_| self.number += 1)?;
                return Ok(None);
            }
        };
        let line = self.input.split_to(length).freeze();
        self.input.advance(end);
        self.seen = 0;
        self.number += 1 + std::mem::take(&mut self.inside);
        if line == END {
            self.is_ended = true;
            self.input.clear();
            return Ok(None);
        }
        Ok(Some(line))
    }

    /// Looks for the end of a line.
    fn find(&mut self, is_last: bool) -> Result<Found, Failure> {
        while let Some(byte) = self.input.get(self.seen).copied() {
            match self.quote {
                Some(quote) => self.look_at_quotes(byte, quote),
                // What stands behind a backslash belongs to it, the end of a line, too.
                None if byte == b'\\' => match self.input.get(self.seen + 1) {
                    Some(_) => {
                        self.seen += 2;
                        continue;
                    }
                    None if is_last => {}
                    None => return Ok(Found::Nothing),
                },
                None => {}
            }
            if self.is_quoted {
                // As PostgreSQL counts: before the first line has ended it is not known what ends one.
                let end = match self.ending {
                    Some(Ending::Newline) => b'\n',
                    _ => b'\r',
                };
                self.inside += u64::from(byte == end);
            } else if byte == b'\n' || byte == b'\r' {
                let behind = self.input.get(self.seen + 1).copied();
                if byte == b'\r' && behind.is_none() && !is_last {
                    // The newline may come with the next piece; what has been seen of quotes stays true.
                    return Ok(Found::Nothing);
                }
                let ending = match (byte, behind) {
                    (b'\n', _) => Ending::Newline,
                    (_, Some(b'\n')) => Ending::Both,
                    _ => Ending::Return,
                };
                return self.ended(ending);
            }
            self.seen += 1;
        }
        Ok(Found::Nothing)
    }

    fn look_at_quotes(&mut self, byte: u8, Quote { quote, escape, .. }: Quote) {
        if self.is_quoted && byte == escape && escape != quote {
            self.is_escaped = !self.is_escaped;
            return;
        }
        if byte == quote && !self.is_escaped {
            self.is_quoted = !self.is_quoted;
        }
        self.is_escaped = false;
    }

    fn ended(&mut self, found: Ending) -> Result<Found, Failure> {
        let ending = *self.ending.get_or_insert(found);
        let length = self.seen;
        match (ending, found) {
            (Ending::Both, Ending::Both) => Ok(Found::Line(length, 2)),
            (Ending::Return, Ending::Return | Ending::Both)
            | (Ending::Newline, Ending::Newline) => Ok(Found::Line(length, 1)),
            (_, Ending::Newline) => Err(stray("newline", "\\n", self.quote)),
            _ => Err(stray("carriage return", "\\r", self.quote)),
        }
    }
}

fn stray(what: &str, written: &str, quote: Option<Quote>) -> Failure {
    let remedy = match quote {
        Some(_) => "put the value in quotes".to_string(),
        None => format!("write it as {written}"),
    };
    malformed(format!("a {what} is not how the first line ends; {remedy}"))
}
