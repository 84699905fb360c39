//! Results as aligned columns.
//!
//! ```text
//!  time                |  lat | name
//! ---------------------+------+-------
//!  2017-01-16T10:09:21 | 52.5 | buoy 7
//! ```
//!
//! Widths are measured on the first [`MEASURED_ROWS`] rows; later rows are written as they come,
//! and a longer cell among them pushes its neighbours aside rather than being cut.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::cells::{for_each_row, is_number, wraps};
use super::layout::{Column, GAP, Shown, fit};
use super::textual::Textual;
use super::{ResultWriter, Sink};

/// How tables look.
#[derive(Debug, Clone, Default)]
pub(crate) struct TableStyle {
    /// Characters in a line; `None` where there is no terminal.
    pub(crate) width: Option<usize>,
    /// Rows shown; `None` is all.
    pub(crate) rows: Option<usize>,
    /// What NULL looks like.
    pub(crate) null: String,
    /// One cell a line, as psql's `\x`.
    pub(crate) expanded: bool,
}

const MEASURED_ROWS: usize = 1000;

/// Writes a table.
pub(crate) struct TableWriter<'a> {
    sink: Sink<'a>,
    textual: Textual,
    style: TableStyle,
    headers: Vec<String>,
    numbers: Vec<bool>,
    /// Rows that wait for the widths.
    waiting: Vec<Vec<String>>,
    /// Set once the header is written.
    shown: Option<Vec<Shown>>,
    rows: usize,
}

impl<'a> TableWriter<'a> {
    pub(crate) fn new(schema: &SchemaRef, style: &TableStyle, sink: Sink<'a>) -> Self {
        let textual = Textual::dates(schema);
        let fields = textual.schema().fields();
        Self {
            sink,
            style: style.clone(),
            headers: fields
                .iter()
                .map(|f| super::cells::printable(f.name()))
                .collect(),
            numbers: fields.iter().map(|f| is_number(f.data_type())).collect(),
            textual,
            waiting: Vec::new(),
            shown: None,
            rows: 0,
        }
    }

    fn start(&mut self) -> Result<(), ArrowError> {
        let wraps = self
            .textual
            .schema()
            .fields()
            .iter()
            .map(|f| wraps(f.data_type()));
        let columns: Vec<Column> = self
            .headers
            .iter()
            .zip(wraps)
            .enumerate()
            .map(|(index, (header, wraps))| {
                let cells = self.waiting.iter().filter_map(|row| row.get(index));
                let widest = cells.map(|cell| width_of(cell)).max().unwrap_or(0);
                Column {
                    width: widest.max(header.width()),
                    header: header.width(),
                    wraps,
                }
            })
            .collect();
        let shown = fit(&columns, self.style.width);
        self.write_row(&shown, &self.headers.clone())?;
        self.write_rule(&shown)?;
        for row in std::mem::take(&mut self.waiting) {
            self.write_row(&shown, &row)?;
        }
        self.shown = Some(shown);
        Ok(())
    }

    fn write_rule(&mut self, shown: &[Shown]) -> Result<(), ArrowError> {
        let parts: Vec<String> = shown
            .iter()
            .map(|column| match column {
                Shown::Column { width, .. } => "-".repeat(width + 2),
                Shown::Gap => "-".repeat(GAP + 2),
            })
            .collect();
        writeln!(self.sink, "{}", parts.join("+"))?;
        Ok(())
    }

    fn write_row(&mut self, shown: &[Shown], row: &[String]) -> Result<(), ArrowError> {
        let wrapped: Vec<Vec<String>> = shown
            .iter()
            .map(|column| match column {
                Shown::Column { index, width } => {
                    // On a terminal the line is a limit; elsewhere only line breaks of the data count.
                    let limit = self.style.width.map_or(usize::MAX, |_| *width);
                    wrap(row.get(*index).map_or("", String::as_str), limit)
                }
                Shown::Gap => vec!["…".to_string()],
            })
            .collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let mut text = String::new();
            for (position, (column, cell)) in shown.iter().zip(&wrapped).enumerate() {
                if position > 0 {
                    text.push('|');
                }
                let content = cell.get(line).map_or("", String::as_str);
                let (width, right) = match column {
                    Shown::Column { index, width } => {
                        (*width, self.numbers.get(*index).copied().unwrap_or(false))
                    }
                    Shown::Gap => (GAP, false),
                };
                let space = " ".repeat(width.saturating_sub(content.width()));
                let (before, after) = if right {
                    (space.as_str(), "")
                } else {
                    ("", space.as_str())
                };
                text.push(' ');
                text.push_str(before);
                text.push_str(content);
                text.push_str(after);
                text.push(' ');
            }
            writeln!(self.sink, "{}", text.trim_end())?;
        }
        Ok(())
    }

    fn write_gap_note(&mut self) -> Result<(), ArrowError> {
        let Some(shown) = &self.shown else {
            return Ok(());
        };
        let visible: Vec<usize> = shown
            .iter()
            .filter_map(|column| match column {
                Shown::Column { index, .. } => Some(*index),
                Shown::Gap => None,
            })
            .collect();
        let hidden: Vec<&str> = self
            .headers
            .iter()
            .enumerate()
            .filter(|(index, _)| !visible.contains(index))
            .map(|(_, header)| header.as_str())
            .collect();
        if hidden.is_empty() {
            return Ok(());
        }
        let noun = if hidden.len() == 1 {
            "column"
        } else {
            "columns"
        };
        let note = format!(
            "({} {noun} not shown for lack of width: {}; \\x shows them below each other)",
            hidden.len(),
            hidden.join(", ")
        );
        for line in wrap(&note, self.style.width.unwrap_or(usize::MAX)) {
            writeln!(self.sink, "{line}")?;
        }
        Ok(())
    }
}

impl ResultWriter for TableWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let room = self.style.rows.map_or(usize::MAX, |rows| rows - self.rows);
        let batch = self
            .textual
            .convert(&batch.slice(0, batch.num_rows().min(room)))?;
        let null = self.style.null.clone();
        for_each_row(&batch, &null, |row| {
            self.rows += 1;
            match self.shown.take() {
                Some(shown) => {
                    self.write_row(&shown, &row)?;
                    self.shown = Some(shown);
                }
                None => {
                    self.waiting.push(row);
                    if self.waiting.len() == MEASURED_ROWS {
                        self.start()?;
                    }
                }
            }
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>) -> Result<(), ArrowError> {
        if self.shown.is_none() {
            self.start()?;
        }
        self.write_gap_note()
    }
}

/// Width of the widest line.
fn width_of(cell: &str) -> usize {
    cell.lines().map(UnicodeWidthStr::width).max().unwrap_or(0)
}

/// Cuts `text` into lines of at most `limit` characters, at spaces where there are any. What is cut
/// off keeps the indentation of its line, for plans are read by it.
pub(crate) fn wrap(text: &str, limit: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.trim_end_matches('\n').split('\n') {
        let depth = line.len() - line.trim_start_matches(' ').len();
        let depth = if depth < limit / 2 { depth } else { 0 };
        let (indentation, mut rest) = line.split_at(depth);
        let limit = (limit - depth).max(1);
        while rest.width() > limit {
            let (head, tail) = rest.split_at(break_point(rest, limit));
            if tail.is_empty() {
                break;
            }
            lines.push(format!("{indentation}{}", head.trim_end()));
            rest = tail.strip_prefix(' ').unwrap_or(tail);
        }
        lines.push(format!("{indentation}{rest}"));
    }
    lines
}

/// The byte at which a line too long is best cut.
fn break_point(text: &str, limit: usize) -> usize {
    let mut width = 0;
    let mut space = None;
    for (index, c) in text.char_indices() {
        width += c.width().unwrap_or(0);
        if width > limit && c == ' ' {
            return index;
        }
        if width > limit {
            // A space in the first half would waste more than it is worth, and so would indentation.
            let cut = space.filter(|space| space * 2 >= index || index < 8);
            return match cut.unwrap_or(index) {
                // Not even one character fits: it must go somewhere.
                0 => c.len_utf8(),
                cut => cut,
            };
        }
        if c == ' ' {
            space = Some(index);
        }
    }
    text.len()
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
