//! Results with one cell a line, for wide rows; psql's `\x`.
//!
//! ```text
//! -[ row 1 ]------
//! time | 2017-01-16T10:09:21
//! lat  | 52.5
//! ```

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use unicode_width::UnicodeWidthStr;

use super::cells::{for_each_row, printable};
use super::table::{TableStyle, wrap};
use super::textual::Textual;
use super::{ResultWriter, Sink};

/// Writes rows below each other.
pub(crate) struct ExpandedWriter<'a> {
    sink: Sink<'a>,
    textual: Textual,
    style: TableStyle,
    headers: Vec<String>,
    rows: usize,
}

impl<'a> ExpandedWriter<'a> {
    pub(crate) fn new(schema: &SchemaRef, style: &TableStyle, sink: Sink<'a>) -> Self {
        let headers: Vec<String> = schema
            .fields()
            .iter()
            .map(|f| printable(f.name()))
            .collect();
        let widest = headers
            .iter()
            .map(|header| header.width())
            .max()
            .unwrap_or(0);
        Self {
            sink,
            textual: Textual::dates(schema),
            style: style.clone(),
            headers: headers
                .into_iter()
                .map(|header| format!("{header}{}", " ".repeat(widest - header.width())))
                .collect(),
            rows: 0,
        }
    }
}

impl ResultWriter for ExpandedWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let room = self.style.rows.map_or(usize::MAX, |rows| rows - self.rows);
        let batch = self
            .textual
            .convert(&batch.slice(0, batch.num_rows().min(room)))?;
        let name_width = self.headers.first().map_or(0, |header| header.width());
        let limit = self
            .style
            .width
            .map(|width| width.saturating_sub(name_width + 3));
        for_each_row(&batch, &self.style.null, |row| {
            self.rows += 1;
            writeln!(self.sink, "{:-<40}", format!("-[ row {} ]", self.rows))?;
            for (header, cell) in self.headers.iter().zip(row) {
                for (index, line) in wrap(&cell, limit.unwrap_or(usize::MAX)).iter().enumerate() {
                    let name = if index == 0 { header.as_str() } else { "" };
                    let space = " ".repeat(name_width - name.width());
                    writeln!(
                        self.sink,
                        "{}",
                        format!("{name}{space} | {line}").trim_end()
                    )?;
                }
            }
            Ok(())
        })
    }

    fn finish(self: Box<Self>) -> Result<(), ArrowError> {
        Ok(())
    }
}
