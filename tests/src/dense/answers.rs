//! The answer to a statement as cells, and where two answers differ by more than they may.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::SessionContext;

use super::statements::{Statement, Tolerance};

/// A value of a result.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Missing,
    Float(f64),
    Text(String),
}

/// The rows in the order of their keys as text, each with its values.
pub(super) type Answer = Vec<(Vec<String>, Vec<Cell>)>;

/// Runs a statement.
pub(super) async fn answer(
    context: &SessionContext,
    statement: &Statement,
) -> Result<Answer, String> {
    let frame = context.sql(&statement.sql).await;
    let frame = frame.map_err(|error| error.to_string())?;
    let batches = frame.collect().await.map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    for batch in &batches {
        let (keys, values) = batch.columns().split_at(statement.keys);
        let keys: Vec<Vec<String>> = keys.iter().map(texts).collect();
        let values: Vec<Vec<Cell>> = values.iter().map(cells).collect();
        for row in 0..batch.num_rows() {
            answer.push((
                keys.iter().map(|column| column[row].clone()).collect(),
                values.iter().map(|column| column[row].clone()).collect(),
            ));
        }
    }
    answer.sort_by(|(first, _): &(Vec<String>, _), (second, _)| first.cmp(second));
    Ok(answer)
}

fn texts(column: &ArrayRef) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let formatter = ArrayFormatter::try_new(column, &options).unwrap();
    (0..column.len())
        .map(|row| formatter.value(row).to_string())
        .collect()
}

fn cells(column: &ArrayRef) -> Vec<Cell> {
    let values: Vec<Cell> = match column.data_type() {
        DataType::Float32 | DataType::Float64 => {
            let floats = cast(column, &DataType::Float64).unwrap();
            let floats = floats.as_primitive::<Float64Type>();
            floats.values().iter().copied().map(Cell::Float).collect()
        }
        _ => texts(column).into_iter().map(Cell::Text).collect(),
    };
    let valid = |row: &usize| column.is_valid(*row);
    let rows = (0..column.len()).zip(values);
    rows.map(|(row, cell)| if valid(&row) { cell } else { Cell::Missing })
        .collect()
}

/// The first difference that is none of rounding, in words.
pub(super) fn difference(
    expected: &Answer,
    found: &Answer,
    statement: &Statement,
) -> Option<String> {
    for ((keys, expected), (other_keys, found)) in expected.iter().zip(found) {
        if keys != other_keys {
            return Some(format!("a group {other_keys:?}, where {keys:?} is next"));
        }
        let columns = expected.iter().zip(found).zip(&statement.tolerances);
        for (number, ((expected, found), tolerance)) in columns.enumerate() {
            if !agree(expected, found, *tolerance) {
                return Some(format!(
                    "value{number} of {keys:?} is {found:?}, not {expected:?} ({tolerance:?})"
                ));
            }
        }
    }
    let (found, expected) = (found.len(), expected.len());
    (found != expected).then(|| format!("{found} groups, not {expected}"))
}

fn agree(expected: &Cell, found: &Cell, tolerance: Tolerance) -> bool {
    if let (Tolerance::Estimate(allowed), Cell::Text(expected), Cell::Text(found)) =
        (tolerance, expected, found)
    {
        let numbers = (expected.parse::<f64>(), found.parse::<f64>());
        return matches!(numbers, (Ok(expected), Ok(found)) if (expected - found).abs() <= allowed);
    }
    let (Cell::Float(expected), Cell::Float(found)) = (expected, found) else {
        return expected == found;
    };
    let (expected, found) = (*expected, *found);
    if expected == found || expected.is_nan() && found.is_nan() {
        return true;
    }
    let close = |expected: f64, found: f64, allowed: f64| {
        expected.is_finite() && (expected - found).abs() <= allowed + 1e-12 * expected.abs()
    };
    match tolerance {
        Tolerance::Exact => false,
        Tolerance::Absolute(allowed) | Tolerance::Estimate(allowed) => {
            close(expected, found, allowed)
        }
        Tolerance::OfSquares(allowed) => close(expected * expected, found * found, allowed),
    }
}

/// Two values that a column with this tolerance may or may not have, and whether they agree.
const CASES: &[(Cell, Cell, Tolerance, bool)] = &[
    (Cell::Missing, Cell::Missing, Tolerance::Exact, true),
    (
        Cell::Missing,
        Cell::Float(0.0),
        Tolerance::Absolute(1.0),
        false,
    ),
    (
        Cell::Float(f64::NAN),
        Cell::Missing,
        Tolerance::Absolute(1.0),
        false,
    ),
    (
        Cell::Float(f64::NAN),
        Cell::Float(f64::NAN),
        Tolerance::Exact,
        true,
    ),
    (
        Cell::Float(f64::NAN),
        Cell::Float(1.0),
        Tolerance::Absolute(1.0),
        false,
    ),
    (
        Cell::Float(f64::INFINITY),
        Cell::Float(1.0),
        Tolerance::Absolute(1.0),
        false,
    ),
    (Cell::Float(0.0), Cell::Float(-0.0), Tolerance::Exact, true),
    (
        Cell::Float(1.0),
        Cell::Float(1.0 + 1e-15),
        Tolerance::Exact,
        false,
    ),
    (
        Cell::Float(1.0),
        Cell::Float(1.1),
        Tolerance::Absolute(0.2),
        true,
    ),
    (
        Cell::Float(1.0),
        Cell::Float(1.3),
        Tolerance::Absolute(0.2),
        false,
    ),
    (
        Cell::Float(0.0),
        Cell::Float(1e-3),
        Tolerance::OfSquares(1e-5),
        true,
    ),
    (
        Cell::Float(1.0),
        Cell::Float(1.001),
        Tolerance::OfSquares(1e-5),
        false,
    ),
];

/// The comparison finds what is wrong.
pub(super) fn differences_are_found() {
    for (expected, found, tolerance, agrees) in CASES {
        assert_eq!(
            agree(expected, found, *tolerance),
            *agrees,
            "{expected:?} {found:?} {tolerance:?}"
        );
    }
}
