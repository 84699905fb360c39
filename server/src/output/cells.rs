//! Cells as text for people: ISO timestamps, NULL as the user likes it, no control characters.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::textual::Textual;

/// Calls `row` with the text of every cell of each row.
///
/// # Errors
/// A type that has no text, or whatever `row` returns.
pub(crate) fn for_each_row(
    batch: &RecordBatch,
    null: &str,
    mut row: impl FnMut(Vec<String>) -> Result<(), ArrowError>,
) -> Result<(), ArrowError> {
    let options = FormatOptions::new().with_display_error(true);
    let columns = batch
        .columns()
        .iter()
        // The logical nulls: a column of the type Null has no others.
        .map(|column| {
            let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
            Ok((formatter, column.logical_nulls()))
        })
        .collect::<Result<Vec<_>, ArrowError>>()?;
    for index in 0..batch.num_rows() {
        let cells = columns.iter().map(|(formatter, nulls)| {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(index)) {
                null.to_string()
            } else {
                printable(&formatter.value(index).to_string())
            }
        });
        row(cells.collect())?;
    }
    Ok(())
}

/// The text of every cell, row by row; dates of CF calendars are dates.
///
/// # Errors
/// As [`for_each_row`].
pub(crate) fn cell_texts(batch: &RecordBatch, null: &str) -> Result<Vec<Vec<String>>, ArrowError> {
    let batch = Textual::dates(batch.schema_ref()).convert(batch)?;
    let mut rows = Vec::new();
    for_each_row(&batch, null, |row| {
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}

/// Are values of this type read by their magnitude, so that they line up on the right?
pub(crate) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

/// May a value of this type be broken over lines?
pub(crate) fn wraps(data_type: &DataType) -> bool {
    !data_type.is_numeric() && !data_type.is_temporal() && *data_type != DataType::Boolean
}

/// Control characters could move the cursor or recolour the terminal: data must not do that.
pub(crate) fn printable(text: &str) -> String {
    if !text.contains(|c: char| c.is_control() && c != '\n') {
        return text.to_string();
    }
    text.chars()
        .map(|c| match c {
            '\n' => c.to_string(),
            '\t' => "    ".to_string(),
            c if c.is_control() => c.escape_default().to_string(),
            c => c.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn control_characters_are_shown_not_obeyed() {
        let cases = [
            ("plain °C", "plain °C"),
            ("a\tb\nc", "a    b\nc"),
            ("\x1b[31mred\r", "\\u{1b}[31mred\\r"),
        ];
        for (text, expected) in cases {
            assert_eq!(printable(text), expected);
        }
    }
}
