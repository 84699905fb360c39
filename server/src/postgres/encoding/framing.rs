//! Rows on their way: as messages of a result, or as what `COPY` makes of them.

use bytes::{BufMut, BytesMut};

use super::cells::{Cells, with_length};
use crate::postgres::messages::Formats;

/// What begins a binary copy: its signature, flags, and the length of nothing more.
const BINARY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What rows are sent as.
#[derive(Debug, Clone)]
pub(in crate::postgres) enum Framing {
    /// The result of a query.
    Rows(Formats),
    CopyText(CopyText),
    /// Its header is sent in one message with the first row, because there are clients that expect it there.
    CopyBinary {
        is_begun: bool,
    },
}

/// How `COPY` writes text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::postgres) struct CopyText {
    pub(in crate::postgres) delimiter: u8,
    pub(in crate::postgres) null: String,
    pub(in crate::postgres) has_header: bool,
    /// Comma-separated values with this quote and escape; else lines with backslashes.
    pub(in crate::postgres) quote: Option<Quote>,
}

/// How values of CSV are quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) struct Quote {
    pub(in crate::postgres) quote: u8,
    pub(in crate::postgres) escape: u8,
    /// Quote everything but NULL.
    pub(in crate::postgres) always: bool,
}

impl Framing {
    /// What comes before the first row.
    pub(in crate::postgres) fn begin<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        output: &mut BytesMut,
    ) {
        match self {
            Self::CopyText(options) if options.has_header => message(b'd', output, |output| {
                for (index, name) in names.enumerate() {
                    options.delimit(index, output);
                    let start = output.len();
                    output.put_slice(name.as_bytes());
                    options.protect(start, output);
                }
                output.put_u8(b'\n');
            }),
            Self::CopyText(_) | Self::CopyBinary { .. } | Self::Rows(_) => {}
        }
    }

    /// One row.
    pub(in crate::postgres) fn row(
        &mut self,
        columns: &[Cells],
        row: usize,
        output: &mut BytesMut,
    ) {
        let count = u16::try_from(columns.len()).unwrap_or(u16::MAX);
        match self {
            Self::Rows(formats) => message(b'D', output, |output| {
                output.put_u16(count);
                for (index, column) in columns.iter().enumerate() {
                    column.write(row, formats.is_binary(index), output);
                }
            }),
            Self::CopyBinary { is_begun } => message(b'd', output, |output| {
                begin_binary(is_begun, output);
                output.put_u16(count);
                for column in columns {
                    column.write(row, true, output);
                }
            }),
            Self::CopyText(options) => message(b'd', output, |output| {
                for (index, column) in columns.iter().enumerate() {
                    options.delimit(index, output);
                    if column.is_null(row) {
                        output.put_slice(options.null.as_bytes());
                        continue;
                    }
                    let start = output.len();
                    column.write_text(row, output);
                    options.protect(start, output);
                }
                output.put_u8(b'\n');
            }),
        }
    }

    /// What comes behind the last row.
    pub(in crate::postgres) fn end(&mut self, output: &mut BytesMut) {
        if let Self::CopyBinary { is_begun } = self {
            message(b'd', output, |output| {
                begin_binary(is_begun, output);
                output.put_i16(-1);
            });
        }
    }
}

fn begin_binary(is_begun: &mut bool, output: &mut BytesMut) {
    if !*is_begun {
        output.put_slice(BINARY_HEADER);
        *is_begun = true;
    }
}

impl CopyText {
    fn delimit(&self, index: usize, output: &mut BytesMut) {
        if index > 0 {
            output.put_u8(self.delimiter);
        }
    }

    /// Escapes or quotes the value that begins at `start`, where it would be read as something else.
    fn protect(&self, start: usize, output: &mut BytesMut) {
        let value = &output[start..];
        let is_safe = match self.quote {
            Some(quote) => !self.is_quoted(quote, value),
            None => value.iter().all(|byte| self.letter(*byte).is_none()),
        };
        if is_safe {
            return;
        }
        let value = value.to_vec();
        output.truncate(start);
        match self.quote {
            Some(quote) => quote.put(&value, output),
            None => self.escaped(&value, output),
        }
    }

    fn escaped(&self, value: &[u8], output: &mut BytesMut) {
        for byte in value {
            match self.letter(*byte) {
                Some(letter) => output.put_slice(&[b'\\', letter]),
                None => output.put_u8(*byte),
            }
        }
    }

    /// What stands behind a backslash in place of a byte that has a meaning of its own.
    fn letter(&self, byte: u8) -> Option<u8> {
        match byte {
            b'\\' => Some(b'\\'),
            b'\n' => Some(b'n'),
            b'\r' => Some(b'r'),
            b'\t' => Some(b't'),
            0x08 => Some(b'b'),
            0x0b => Some(b'v'),
            0x0c => Some(b'f'),
            byte => (byte == self.delimiter).then_some(byte),
        }
    }

    fn is_quoted(&self, quote: Quote, value: &[u8]) -> bool {
        let is_special = |byte: &u8| {
            *byte == self.delimiter || *byte == quote.quote || *byte == b'\n' || *byte == b'\r'
        };
        // A value that looks like NULL, or like the end of the data, must not be taken for it.
        quote.always
            || value == self.null.as_bytes()
            || value == b"\\."
            || value.iter().any(is_special)
    }
}

impl Quote {
    /// Writes a value in quotes.
    fn put(self, value: &[u8], output: &mut BytesMut) {
        output.put_u8(self.quote);
        for byte in value {
            if *byte == self.quote || *byte == self.escape {
                output.put_u8(self.escape);
            }
            output.put_u8(*byte);
        }
        output.put_u8(self.quote);
    }
}

/// A message: its kind, its length that counts itself, and its body.
fn message(kind: u8, output: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    output.put_u8(kind);
    let start = output.len();
    with_length(output, write);
    let length = i32::try_from(output.len() - start).unwrap_or(i32::MAX);
    output[start..start + 4].copy_from_slice(&length.to_be_bytes());
}
