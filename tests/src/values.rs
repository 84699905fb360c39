//! Results as text that is the same on every machine: what `.slt` files compare.
//!
//! Doubles are rounded to [`DIGITS`] significant digits, so that the order of a parallel sum does
//! not show. NULL is `NULL`, an empty text is `(empty)`. A value of several lines, such as a plan,
//! becomes several rows.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Float16Type, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use libtest_mimic::Trial;
use sqllogictest::ColumnType;

/// Significant digits of a double.
const DIGITS: usize = 12;

/// The type of a result column, one letter in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Boolean,
    Date,
    Integer,
    Timestamp,
    Real,
    Text,
    Other,
}

const LETTERS: &[(char, Column)] = &[
    ('B', Column::Boolean),
    ('D', Column::Date),
    ('I', Column::Integer),
    ('P', Column::Timestamp),
    ('R', Column::Real),
    ('T', Column::Text),
    ('?', Column::Other),
];

impl ColumnType for Column {
    fn from_char(letter: char) -> Option<Self> {
        LETTERS
            .iter()
            .find(|(known, _)| *known == letter)
            .map(|(_, column)| *column)
    }

    fn to_char(&self) -> char {
        LETTERS
            .iter()
            .find(|(_, column)| column == self)
            .map_or('?', |(letter, _)| *letter)
    }
}

impl From<&FieldRef> for Column {
    fn from(field: &FieldRef) -> Self {
        match field.data_type() {
            DataType::Boolean => Column::Boolean,
            DataType::Date32 | DataType::Date64 => Column::Date,
            DataType::Timestamp(_, _) => Column::Timestamp,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Column::Text,
            integer if integer.is_integer() => Column::Integer,
            number if number.is_numeric() => Column::Real,
            _ => Column::Other,
        }
    }
}

/// All rows of `batches` as text.
pub(crate) fn rows(batches: &[RecordBatch]) -> Result<Vec<Vec<String>>, ArrowError> {
    let mut rows = Vec::new();
    for batch in batches {
        let columns = batch
            .columns()
            .iter()
            .map(texts)
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|column| column[row].clone()).collect();
            rows.extend(lines(cells));
        }
    }
    Ok(rows)
}

fn texts(array: &ArrayRef) -> Result<Vec<String>, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options)?;
    let nulls = array.logical_nulls();
    (0..array.len())
        .map(|row| {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                return Ok("NULL".to_string());
            }
            let text = match array.data_type() {
                DataType::Float64 => real(array.as_primitive::<Float64Type>().value(row)),
                DataType::Float32 => array.as_primitive::<Float32Type>().value(row).to_string(),
                DataType::Float16 => array.as_primitive::<Float16Type>().value(row).to_string(),
                _ => formatter.value(row).try_to_string()?,
            };
            Ok(if text.is_empty() {
                "(empty)".to_string()
            } else {
                text
            })
        })
        .collect()
}

/// A double with [`DIGITS`] significant digits at most, exponents only where plain digits are long.
fn real(value: f64) -> String {
    let rounded: f64 = format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value);
    let plain = rounded == 0.0 || !rounded.is_finite() || (1e-5..1e15).contains(&rounded.abs());
    if plain {
        rounded.to_string()
    } else {
        format!("{rounded:e}")
    }
}

/// A row with line breaks in its last value becomes one row per line.
fn lines(mut cells: Vec<String>) -> Vec<Vec<String>> {
    let Some(last) = cells.pop() else {
        return Vec::new();
    };
    let mut lines = last.lines();
    cells.push(lines.next().unwrap_or_default().to_string());
    let mut rows = vec![cells];
    rows.extend(lines.map(|line| vec![line.to_string()]));
    rows
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("values::doubles_are_rounded", || {
        let cases = [
            (0.1 + 0.2, "0.3"),
            (-0.0, "-0"),
            (1.0 / 3.0, "0.333333333333"),
            (123_456_789_012_345.0, "123456789012000"),
            (1e15, "1e15"),
            (1.5e-7, "1.5e-7"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (value, expected) in cases {
            assert_eq!(real(value), expected);
        }
        Ok(())
    })]
}
