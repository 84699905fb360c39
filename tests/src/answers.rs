//! Questions in SQL with answers that an oracle gave: `questions.json`, written by a Python script.
//!
//! ```json
//! {"questions": [{"name": "…", "sql": "SELECT … FROM {cube}", "rows": [[1, null, 2.5, "text"]], "tolerance": 1e-9}]}
//! ```
//! Numbers agree within a relative tolerance (1e-9 where the question names none), times as ISO text.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use libtest_mimic::Failed;
use serde_json::Value;

use crate::client::Client;

/// Relative difference of numbers that count as equal.
const TOLERANCE: f64 = 1e-9;

/// Asks every question of `questions` about `cube` and reports all wrong answers together.
pub(crate) async fn compare(client: &Client, questions: &Value, cube: &str) -> Result<(), Failed> {
    let questions = questions["questions"]
        .as_array()
        .ok_or("questions.json holds no questions")?;
    let mut wrong = Vec::new();
    for question in questions {
        let sql = question["sql"]
            .as_str()
            .unwrap_or_default()
            .replace("{cube}", cube);
        let outcome = match client.run(&sql).await {
            Ok((_, batches)) => difference(&batches, question),
            Err(error) => Some(error.to_string()),
        };
        if let Some(difference) = outcome {
            wrong.push(format!("{}: {difference}\n    {sql}", question["name"]));
        }
    }
    match (questions.len(), wrong.len()) {
        (0, _) => Err("the oracle asked nothing".into()),
        (_, 0) => Ok(()),
        (all, some) => Err(format!("{some} of {all} answers differ:\n{}", wrong.join("\n")).into()),
    }
}

fn difference(batches: &[RecordBatch], question: &Value) -> Option<String> {
    let expected = question["rows"].as_array()?;
    let tolerance = question["tolerance"].as_f64().unwrap_or(TOLERANCE);
    let found: Vec<(&RecordBatch, usize)> = batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)))
        .collect();
    if found.len() != expected.len() {
        return Some(format!("{} rows, not {}", found.len(), expected.len()));
    }
    for (number, ((batch, row), expected)) in found.into_iter().zip(expected).enumerate() {
        let cells = expected.as_array().map_or(&[] as &[Value], Vec::as_slice);
        if batch.num_columns() != cells.len() {
            return Some(format!(
                "{} columns, not {}",
                batch.num_columns(),
                cells.len()
            ));
        }
        for (column, expected) in batch.columns().iter().zip(cells) {
            if !agrees(column, row, expected, tolerance) {
                return Some(format!(
                    "row {number}: {}, not {expected}",
                    text(column, row)
                ));
            }
        }
    }
    None
}

fn agrees(column: &ArrayRef, row: usize, expected: &Value, tolerance: f64) -> bool {
    match expected {
        Value::Null => column.is_null(row),
        Value::Number(expected) => {
            let (Some(expected), Ok(column)) =
                (expected.as_f64(), cast(column, &DataType::Float64))
            else {
                return false;
            };
            let found = arrow::array::AsArray::as_primitive::<Float64Type>(column.as_ref());
            found.is_valid(row)
                && (found.value(row) - expected).abs()
                    <= tolerance * expected.abs().max(f64::MIN_POSITIVE)
        }
        Value::String(expected) => column.is_valid(row) && text(column, row) == *expected,
        Value::Bool(expected) => text(column, row) == expected.to_string(),
        _ => false,
    }
}

fn text(column: &ArrayRef, row: usize) -> String {
    let options = FormatOptions::default().with_null("NULL");
    ArrayFormatter::try_new(column, &options).map_or_else(
        |error| error.to_string(),
        |cells| cells.value(row).to_string(),
    )
}
