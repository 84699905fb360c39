//! Statements of clients, prepared and on the way.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use pgwire::api::Type;

use super::command::{Command, first_word};
use super::messages::Formats;
use super::rows::Rows;
use crate::failure::Failure;

/// What a statement asks for.
#[derive(Debug, Clone)]
pub(super) enum Wish {
    /// There is no statement, only spaces and comments.
    Nothing,
    /// The door answers it itself.
    Command(Command),
    /// The engine answers it.
    Sql,
}

impl Wish {
    /// Reads a statement as far as the door needs to.
    ///
    /// # Errors
    /// It is a statement of the door that asks for what does not exist.
    pub(super) fn of(text: &str) -> Result<Self, Failure> {
        match Command::of(text)? {
            Some(command) => Ok(Self::Command(command)),
            None if is_empty(text) => Ok(Self::Nothing),
            None => Ok(Self::Sql),
        }
    }

    /// Does it end a transaction, so that it is allowed in one that has failed?
    pub(super) fn ends_transaction(&self) -> bool {
        matches!(
            self,
            Self::Command(Command::Commit | Command::Rollback | Command::RollbackToSavepoint)
        )
    }
}

fn is_empty(text: &str) -> bool {
    first_word(text).is_empty() && {
        let without = text.trim_matches(|c: char| c == ';' || c.is_whitespace());
        without.is_empty() || without.starts_with("--") || without.starts_with("/*")
    }
}

/// A statement with its parameters and columns.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) text: String,
    pub(super) wish: Wish,
    /// What clients send for `$1`, `$2`, …
    pub(super) types: Vec<Type>,
    /// What the statement wants for them, where it says.
    pub(super) wanted: Vec<Option<DataType>>,
    pub(super) columns: SchemaRef,
    /// The client may have been told of the columns.
    pub(super) is_described: bool,
}

impl Prepared {
    /// A statement that is not described.
    pub(super) fn new(text: String, wish: Wish) -> Self {
        Self {
            text,
            wish,
            types: vec![],
            wanted: vec![],
            columns: Arc::new(Schema::empty()),
            is_described: false,
        }
    }
}

/// A statement with its values, whose rows may be sent little by little.
pub(super) struct Portal {
    pub(super) prepared: Arc<Prepared>,
    pub(super) values: Vec<ScalarValue>,
    /// How long the values were when they came.
    pub(super) bytes: usize,
    pub(super) formats: Formats,
    pub(super) progress: Progress,
    /// It is a cursor, which lives as long as its transaction.
    pub(super) is_cursor: bool,
}

/// How far a portal is.
pub(super) enum Progress {
    Ready,
    Running(Box<Rows>),
    Done,
}

/// What a client is told when a statement is done.
pub(super) fn tag(text: &str, has_columns: bool, rows: u64) -> String {
    let mut words = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty());
    let first = first_word(text).to_ascii_uppercase();
    if has_columns {
        return match first.as_str() {
            "SHOW" | "EXPLAIN" => first,
            _ => format!("SELECT {rows}"),
        };
    }
    match first.as_str() {
        "INSERT" => format!("INSERT 0 {rows}"),
        "CREATE" | "DROP" | "ALTER" => {
            let mut skipped = words
                .by_ref()
                .skip_while(|word| !word.eq_ignore_ascii_case(&first));
            skipped.next();
            let is_noise = |word: &&str| {
                ["OR", "REPLACE", "EXTERNAL", "TEMPORARY", "TEMP"]
                    .iter()
                    .any(|noise| word.eq_ignore_ascii_case(noise))
            };
            match skipped.find(|word| !is_noise(word)) {
                Some(noun) => format!("{first} {}", noun.to_ascii_uppercase()),
                None => first,
            }
        }
        "SELECT" | "WITH" | "VALUES" | "TABLE" => format!("SELECT {rows}"),
        "DELETE" | "UPDATE" | "MERGE" => format!("{first} {rows}"),
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn statements_are_answered_by_whom_they_concern() {
        for (text, expected) in [
            ("", "Nothing"),
            (" ; -- nothing\n", "Nothing"),
            ("/* nothing */", "Nothing"),
            ("SELECT 1", "Sql"),
            ("(SELECT 1)", "Sql"),
            ("/* x */ BEGIN", "Command(Begin(None))"),
        ] {
            assert_eq!(format!("{:?}", Wish::of(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn tags_name_what_was_done() {
        for (text, has_columns, expected) in [
            ("select 1", true, "SELECT 3"),
            (
                "-- create view\nCREATE OR REPLACE VIEW v AS SELECT 1",
                false,
                "CREATE VIEW",
            ),
            ("ATTACH 'x' AS y", false, "ATTACH"),
            ("SHOW TABLES", true, "SHOW"),
            ("INSERT INTO t SELECT 1", false, "INSERT 0 3"),
            ("SELECT", false, "SELECT 3"),
        ] {
            assert_eq!(tag(text, has_columns, 3), expected, "{text}");
        }
    }
}
