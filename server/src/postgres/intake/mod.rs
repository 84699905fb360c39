//! What clients send for `COPY … FROM STDIN`, read into batches: the inverse of `encoding`.
//!
//! ```text
//!  CopyData, pieces of any length ─▶ Lines ─▶ Fields ─┐
//!                                 └▶ Tuples (binary) ─┴▶ Columns ─▶ RecordBatch
//! ```
//! No more is held than a row that is not complete, and the rows of one batch.

mod binary;
mod columns;
mod csv;
mod fields;
mod lines;
mod text;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use super::copy::{CopyFrom, Header, Layout, TextLayout};
use super::wire::PROGRAM_LIMIT_EXCEEDED;
use crate::failure::{Failure, SqlState};
use binary::Tuples;
use columns::Columns;
use fields::Fields;
use lines::Lines;

/// A row that cannot be taken apart.
const BAD_COPY_FILE_FORMAT: SqlState = SqlState("22P04");

/// The longest row that is waited for.
const LONGEST_ROW: usize = 64 << 20;

/// Rows on their way in.
pub(super) struct Intake {
    /// As the client calls it.
    table: String,
    columns: Columns,
    source: Source,
}

enum Source {
    Text(Box<TextSource>),
    Binary(Tuples),
}

struct TextSource {
    layout: TextLayout,
    lines: Lines,
    fields: Fields,
    /// Which columns are NULL where their value in quotes is that of NULL.
    forced: Vec<bool>,
    /// The first line is still to come, and holds names.
    is_header_due: bool,
}

impl Intake {
    /// `schema`: the columns of the table that rows are sent for.
    ///
    /// # Errors
    /// An option names a column that no values are sent for.
    pub(super) fn new(copy: &CopyFrom, schema: &SchemaRef) -> Result<Self, Failure> {
        let source = match &copy.layout {
            Layout::Binary => Source::Binary(Tuples::new(schema.fields().len())),
            Layout::Text(layout) => {
                let names = schema.fields().iter().map(|field| field.name());
                let forced = names.map(|name| layout.force_null.contains(name));
                let forced: Vec<bool> = forced.collect();
                if forced.iter().filter(|forced| **forced).count() < layout.force_null.len() {
                    let text = "FORCE_NULL names a column that COPY does not; name columns of the table, each once";
                    return Err(Failure::with_state(SqlState::UNDEFINED_COLUMN, text));
                }
                Source::Text(Box::new(TextSource {
                    lines: Lines::new(layout.text.quote),
                    fields: Fields::default(),
                    forced,
                    is_header_due: layout.header != Header::None,
                    layout: layout.clone(),
                }))
            }
        };
        Ok(Self {
            table: copy.table.clone(),
            columns: Columns::new(schema, matches!(copy.layout, Layout::Binary)),
            source,
        })
    }

    /// The columns of the batches.
    pub(super) fn schema(&self) -> &SchemaRef {
        self.columns.schema()
    }

    /// Takes bytes in.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        match &mut self.source {
            Source::Text(source) => source.lines.extend(bytes),
            Source::Binary(tuples) => tuples.extend(bytes),
        }
    }

    /// The next batch; `None` where it takes more bytes, or, where there are no more to come, at the end.
    ///
    /// # Errors
    /// A row that is none, and which one it is.
    pub(super) fn next(&mut self, is_last: bool) -> Result<Option<RecordBatch>, Failure> {
        let outcome = self.read(is_last);
        let placed = |mut failure: Failure, line: u64| {
            failure.message = format!("COPY {}, line {line}{}", self.table, failure.message);
            failure
        };
        match outcome {
            Ok(true) => {
                let batch = self.columns.finish();
                batch
                    .map(Some)
                    .map_err(|(failure, line)| placed(failure, line))
            }
            Ok(false) => Ok(None),
            Err(failure) => {
                let line = self.line();
                // What is wrong in an earlier row comes first.
                let earlier = self.columns.finish().err();
                Err(match earlier {
                    Some((failure, line)) => placed(failure, line),
                    None => placed(failure, line),
                })
            }
        }
    }

    /// Reads rows until a batch is full, or no more can be read. Is there a batch?
    fn read(&mut self, is_last: bool) -> Result<bool, Failure> {
        while !self.columns.is_full() {
            let is_row = match &mut self.source {
                Source::Text(source) => source.row(&mut self.columns, is_last)?,
                Source::Binary(tuples) => tuples.row(&mut self.columns, is_last)?,
            };
            if !is_row {
                return Ok(is_last && !self.columns.is_empty());
            }
        }
        Ok(true)
    }

    /// The line, or row, that is being read.
    fn line(&self) -> u64 {
        match &self.source {
            Source::Text(source) => source.lines.number(),
            Source::Binary(tuples) => tuples.number(),
        }
    }
}

impl TextSource {
    /// Reads one row; `false` where there is none.
    fn row(&mut self, columns: &mut Columns, is_last: bool) -> Result<bool, Failure> {
        loop {
            let Some(line) = self.lines.next(is_last)? else {
                return Ok(false);
            };
            let text = &self.layout.text;
            self.fields.clear();
            match text.quote {
                Some(quote) => csv::split(&line, text, quote, &self.forced, &mut self.fields)?,
                None => text::split(&line, text, &mut self.fields),
            }
            if self.is_header_due {
                self.is_header_due = false;
                if self.layout.header == Header::Match {
                    check_header(&self.fields, columns.schema())?;
                }
                continue;
            }
            columns.push_texts(&self.fields, self.lines.number())?;
            return Ok(true);
        }
    }
}

/// # Errors
/// The names are not those of the columns.
fn check_header(fields: &Fields, schema: &SchemaRef) -> Result<(), Failure> {
    let found: Vec<_> = fields.iter().collect();
    let known = schema.fields().iter().map(|field| field.name().as_bytes());
    match found.iter().copied().eq(known.map(Some)) {
        true => Ok(()),
        false => {
            let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            Err(malformed(format!(
                "the header does not name the columns {}",
                names.join(", ")
            )))
        }
    }
}

/// A row that cannot be taken apart; [`Intake::next`] says which.
fn malformed(cause: impl std::fmt::Display) -> Failure {
    Failure::with_state(BAD_COPY_FILE_FORMAT, format!(": {cause}"))
}

/// # Errors
/// What is waited for is longer than it may be.
fn check_length(length: usize) -> Result<(), Failure> {
    match length <= LONGEST_ROW {
        true => Ok(()),
        false => Err(Failure::with_state(
            PROGRAM_LIMIT_EXCEEDED,
            format!(
                ": the row is longer than {LONGEST_ROW} bytes; see whether a quote does not end"
            ),
        )),
    }
}

#[cfg(test)]
mod tests;
