//! PostgreSQL's binary format: a signature, then rows of values with their lengths: [`Tuples`].

use bytes::{Buf, BytesMut};

use super::columns::Columns;
use super::{check_length, malformed};
use crate::failure::Failure;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Bits of the flags that nobody may ignore.
const CRITICAL: u32 = 0xffff_0000;

/// Bytes that have come in, and have not been read.
pub(super) struct Tuples {
    input: BytesMut,
    /// Values of a row.
    width: usize,
    is_begun: bool,
    is_ended: bool,
    /// Rows that have been read.
    count: u64,
}

impl Tuples {
    pub(super) fn new(width: usize) -> Self {
        Self {
            input: BytesMut::new(),
            width,
            is_begun: false,
            is_ended: false,
            count: 0,
        }
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The row that is being read, from 1.
    pub(super) fn number(&self) -> u64 {
        self.count + 1
    }

    /// Reads one row; `false` where there is none.
    ///
    /// # Errors
    /// It is none, or the data end in it.
    pub(super) fn row(&mut self, columns: &mut Columns, is_last: bool) -> Result<bool, Failure> {
        let is_row = self.read(columns)?;
        if is_row {
            self.count += 1;
        } else if is_last && (!self.is_begun || !self.input.is_empty()) {
            return Err(malformed("the data end too early"));
        } else {
            check_length(self.input.len())?;
        }
        Ok(is_row)
    }

    fn read(&mut self, columns: &mut Columns) -> Result<bool, Failure> {
        if !self.is_begun && !self.begin()? {
            return Ok(false);
        }
        if self.is_ended {
            return match self.input.is_empty() {
                true => Ok(false),
                false => Err(malformed("there are data behind their end")),
            };
        }
        let mut rest = &self.input[..];
        let Ok(width) = rest.try_get_i16() else {
            return Ok(false);
        };
        if width == -1 {
            self.is_ended = true;
            self.input.advance(2);
            return self.read(columns);
        }
        if usize::try_from(width) != Ok(self.width) {
            return Err(malformed(format!(
                "the row has {width} values instead of {}",
                self.width
            )));
        }
        let mut values = Vec::with_capacity(self.width);
        for _ in 0..self.width {
            let Ok(length) = rest.try_get_i32() else {
                return Ok(false);
            };
            if length == -1 {
                values.push(None);
                continue;
            }
            let length = usize::try_from(length)
                .map_err(|_| malformed("a value says that it is shorter than nothing"))?;
            check_length(length)?;
            let Some((value, behind)) = rest.split_at_checked(length) else {
                return Ok(false);
            };
            values.push(Some(value));
            rest = behind;
        }
        columns.push_binary(&values, self.count + 1)?;
        let used = self.input.len() - rest.len();
        self.input.advance(used);
        Ok(true)
    }

    /// Reads what comes before the first row; `false` where it is not all there.
    fn begin(&mut self) -> Result<bool, Failure> {
        let known = self.input.len().min(SIGNATURE.len());
        if self.input[..known] != SIGNATURE[..known] {
            return Err(malformed(
                "this is not PostgreSQL's binary format; say FORMAT text or csv if it is text",
            ));
        }
        let Some(mut rest) = self.input.get(SIGNATURE.len()..) else {
            return Ok(false);
        };
        let (Ok(flags), Ok(length)) = (rest.try_get_u32(), rest.try_get_u32()) else {
            return Ok(false);
        };
        if flags & CRITICAL != 0 {
            return Err(malformed("the data ask for what is not known here"));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        check_length(length)?;
        if rest.len() < length {
            return Ok(false);
        }
        self.input.advance(SIGNATURE.len() + 8 + length);
        self.is_begun = true;
        Ok(true)
    }
}
