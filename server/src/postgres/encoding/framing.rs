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
                    options.value(name.as_bytes(), output);
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
                let mut value = BytesMut::new();
                for (index, column) in columns.iter().enumerate() {
                    options.delimit(index, output);
                    if column.is_null(row) {
                        output.put_slice(options.null.as_bytes());
                        continue;
                    }
                    value.clear();
                    column.write_text(row, &mut value);
                    options.value(&value, output);
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

    fn value(&self, value: &[u8], output: &mut BytesMut) {
        match self.quote {
            Some(quote) => self.quoted(quote, value, output),
            None => self.escaped(value, output),
        }
    }

    fn escaped(&self, value: &[u8], output: &mut BytesMut) {
        for byte in value {
            let letter = match byte {
                b'\\' => b'\\',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x08 => b'b',
                0x0b => b'v',
                0x0c => b'f',
                byte if *byte == self.delimiter => *byte,
                byte => {
                    output.put_u8(*byte);
                    continue;
                }
            };
            output.put_slice(&[b'\\', letter]);
        }
    }

    fn quoted(&self, quote: Quote, value: &[u8], output: &mut BytesMut) {
        let is_special = |byte: &u8| {
            *byte == self.delimiter || *byte == quote.quote || *byte == b'\n' || *byte == b'\r'
        };
        // A value that looks like NULL, or like the end of the data, must not be taken for it.
        let is_needed = quote.always
            || value == self.null.as_bytes()
            || value == b"\\."
            || value.iter().any(is_special);
        if !is_needed {
            output.put_slice(value);
            return;
        }
        output.put_u8(quote.quote);
        for byte in value {
            if *byte == quote.quote || *byte == quote.escape {
                output.put_u8(quote.escape);
            }
            output.put_u8(*byte);
        }
        output.put_u8(quote.quote);
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
