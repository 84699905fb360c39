//! What the user reads when something goes wrong, and the exit code that goes with it.
//!
//! ```text
//!  DataFusionError ─ unwrap Context, Shared, External, Arrow … ─▶ CubeError, or the innermost message
//!       └ span, "at Line: 1, Column: 8", or the offending name ──▶ Excerpt: the line and a caret
//!
//!  error: there is no column chl; did you mean conc_chl?
//!  line 1: SELECT avg(chl) FROM olci.cube
//!                     ^^^
//! ```

use std::error::Error;
use std::fmt;

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use graticule_engine::error::CubeError;

use crate::excerpt::{Excerpt, Target};
use crate::exit_code::ExitCode;
pub(crate) use sqlstate::SqlState;

mod sqlstate;

/// A failure as the user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// How the program ends because of it.
    pub(crate) code: ExitCode,
    /// What clients of the network doors are told beside the message.
    pub(crate) state: SqlState,
    /// Cause, place and remedy in one sentence.
    pub(crate) message: String,
    /// The character of the statement that the message is about, from 1, where known.
    pub(crate) position: Option<usize>,
    /// Seconds after which the same may be asked for again, where it was asked for too often.
    pub(crate) retry_after: Option<u64>,
    /// The place in the statement, where known.
    excerpt: Option<Box<Excerpt>>,
}

impl Failure {
    /// A failure that ends the program with `code`.
    pub(crate) fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self {
            code,
            state: SqlState::from(code),
            message: message.into(),
            position: None,
            retry_after: None,
            excerpt: None,
        }
    }

    /// A failure that has a code of its own.
    pub(crate) fn with_state(state: SqlState, message: impl Into<String>) -> Self {
        Self {
            state,
            ..Self::new(ExitCode::Statement, message)
        }
    }

    /// The user pressed Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self::new(ExitCode::Interrupted, "cancelled")
    }

    /// A query's task ended without an answer: it panicked.
    pub(crate) fn vanished() -> Self {
        let error = DataFusionError::Internal("the query stopped unexpectedly".to_string());
        Self::of_statement(&error, "")
    }

    /// What the engine said about `statement`.
    pub(crate) fn of_statement(error: &DataFusionError, statement: &str) -> Self {
        let (code, explanation) = explain(error);
        let target = diagnosed(error).or(explanation.target);
        let excerpt = target.and_then(|target| Excerpt::find(statement, &target));
        Self {
            code,
            state: match cube_error(error) {
                Some(cube_error) => state_of(cube_error, &explanation.message),
                None => SqlState::from(error.find_root()),
            },
            message: explanation.message,
            position: excerpt.as_ref().map(|excerpt| excerpt.position(statement)),
            retry_after: None,
            excerpt: excerpt.map(Box::new),
        }
    }

    /// Shifts the line numbers: the statement starts `lines` below the start of its script.
    #[must_use]
    pub(crate) fn below(mut self, lines: usize) -> Self {
        if let Some(excerpt) = &mut self.excerpt {
            excerpt.line += lines;
        }
        self
    }

    /// Names the script in front of the message.
    #[must_use]
    pub(crate) fn within(mut self, script: &str) -> Self {
        self.message = format!("{script}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code == ExitCode::Interrupted {
            return f.write_str(&self.message);
        }
        write!(f, "error: {}", self.message)?;
        match &self.excerpt {
            Some(excerpt) => write!(f, "\n{excerpt}"),
            None => Ok(()),
        }
    }
}

impl From<CubeError> for Failure {
    fn from(error: CubeError) -> Self {
        Self {
            state: SqlState::from(error.kind()),
            ..Self::new(ExitCode::from(error.kind()), error.to_string())
        }
    }
}

/// A message for people, and what in the statement it is about.
struct Explanation {
    message: String,
    target: Option<Target>,
}

impl Explanation {
    fn plain(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            target: None,
        }
    }
}

fn explain(error: &DataFusionError) -> (ExitCode, Explanation) {
    if let Some(cube_error) = cube_error(error) {
        let (message, position) = without_position(&cube_error.to_string());
        let target = position.or_else(|| culprit(&message).map(Target::Name));
        return (
            ExitCode::from(cube_error.kind()),
            Explanation { message, target },
        );
    }
    (ExitCode::Statement, explain_root(error.find_root()))
}

/// Clients look for the code of an unknown column, which is no unknown table.
fn state_of(error: &CubeError, message: &str) -> SqlState {
    match message {
        _ if message.starts_with("there is no column ") => SqlState::UNDEFINED_COLUMN,
        _ if message.starts_with("there is no function ") => SqlState::UNDEFINED_FUNCTION,
        _ => SqlState::from(error.kind()),
    }
}

/// The cube's own error, wherever in the chain it is.
fn cube_error(error: &DataFusionError) -> Option<&CubeError> {
    let mut link: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = link {
        if let Some(found) = current.downcast_ref::<CubeError>() {
            return Some(found);
        }
        link = current.source();
    }
    None
}

/// The last part of the name in `there is no column olci."Chl"; did you mean …`.
fn culprit(message: &str) -> Option<String> {
    let rest = message.strip_prefix("there is no ")?;
    let (_, name) = rest.split_once(' ')?;
    let name = name.split(';').next()?.trim_end();
    let last = match name.strip_suffix('"') {
        Some(quoted) => quoted.rsplit('"').next()?,
        None => name.split(' ').next()?.rsplit('.').next()?,
    };
    Some(last.to_string())
}

fn explain_root(root: &DataFusionError) -> Explanation {
    match root {
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => explain(first).1,
            None => Explanation::plain(one_sentence(&root.message())),
        },
        DataFusionError::SQL(error, _) => explain_syntax(error),
        DataFusionError::SchemaError(error, _) => explain_schema(error),
        DataFusionError::Plan(text) => explain_plan(text),
        DataFusionError::NotImplemented(text) => {
            Explanation::plain(format!("not supported: {}", one_sentence(text)))
        }
        DataFusionError::Internal(text) => Explanation::plain(format!(
            "{}; this is a fault in Graticule, please report it together with the statement",
            one_sentence(text)
        )),
        DataFusionError::ResourcesExhausted(text) => Explanation::plain(format!(
            "the query needs more memory than it may use: {}; allow more with --memory, or group or select less",
            // Before it stands a list of everything that holds memory.
            one_sentence(text.rsplit("Error: ").next().unwrap_or(text))
        )),
        DataFusionError::ExecutionJoin(_) => Explanation::plain(
            "a worker of the query stopped unexpectedly; this is a fault in Graticule, please report it together with the statement",
        ),
        DataFusionError::ArrowError(error, _) => Explanation::plain(arrow_message(error)),
        other => Explanation::plain(one_sentence(&other.message())),
    }
}

/// What Arrow says, without the class that its messages begin with.
fn arrow_message(error: &ArrowError) -> String {
    match error {
        ArrowError::DivideByZero => "division by zero".to_string(),
        ArrowError::CastError(text)
        | ArrowError::ComputeError(text)
        | ArrowError::InvalidArgumentError(text)
        | ArrowError::ArithmeticOverflow(text)
        | ArrowError::ParseError(text) => lower_first(&one_sentence(text)),
        other => one_sentence(&other.to_string()),
    }
}

fn explain_syntax(error: &ParserError) -> Explanation {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => "the statement is nested too deeply",
    };
    let (message, target) = without_position(text);
    Explanation {
        message: format!("syntax error: {}", lower_first(&message)),
        target,
    }
}

/// Takes ` at Line: 1, Column: 8`, which parsers write, out of a message: the excerpt shows it better.
fn without_position(message: &str) -> (String, Option<Target>) {
    let Some((before, rest)) = message.split_once(" at Line: ") else {
        return (message.to_string(), None);
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && !", Column:".contains(c));
    let (position, after) = rest.split_at(end.unwrap_or(rest.len()));
    match Target::from_parser(position) {
        Some(target) => (format!("{before}{after}"), Some(target)),
        None => (message.to_string(), None),
    }
}

/// Unknown columns and tables are explained by the engine, which knows what there is instead.
fn explain_schema(error: &SchemaError) -> Explanation {
    let (message, name) = match error {
        SchemaError::AmbiguousReference { field } => (
            format!(
                "column {} is in more than one table; put the table's name in front of it",
                field.name
            ),
            &field.name,
        ),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => (
            format!("two columns are called {name}; rename one with AS"),
            name,
        ),
        SchemaError::FieldNotFound { field, .. } => (one_sentence(&error.to_string()), &field.name),
    };
    Explanation {
        message,
        target: Some(Target::Name(name.clone())),
    }
}

fn explain_plan(text: &str) -> Explanation {
    let quoted_name = text.split('\'').nth(1).map(str::to_string);
    Explanation {
        message: lower_first(&one_sentence(text)),
        target: quoted_name.map(Target::Name),
    }
}

fn diagnosed(error: &DataFusionError) -> Option<Target> {
    let start = error.diagnostic()?.span?.start;
    Some(Target::Position {
        line: start.line,
        column: start.column,
    })
}

/// What DataFusion puts around the messages that it quotes in its own.
const NOISE: [&str; 6] = [
    "Error during planning: ",
    "Internal error: ",
    "Execution error: ",
    "External error: ",
    "This issue was likely caused by a bug in DataFusion's code. ",
    "Please help us to resolve this by filing a bug report in our issue tracker: https://github.com/apache/datafusion/issues",
];

/// Joins the lines of a message, without quoted noise and the full stop at its end.
fn one_sentence(text: &str) -> String {
    let mut text = text
        .split(DataFusionError::BACK_TRACE_SEP)
        .next()
        .unwrap_or(text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for noise in NOISE {
        text = text.replace(noise, "");
    }
    // The last part of a long story about argument types is the one that says what is wrong.
    if let Some(start) = text.find("No function matches the given name") {
        text.drain(..start);
    }
    text.trim_end_matches(['.', ' ']).to_string()
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        // `SQL …` and names in quotes stay as they are.
        Some(first) if !letters.as_str().starts_with(|c: char| c.is_uppercase()) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::sync::Arc;

    use graticule_engine::Engine;

    use super::*;

    #[test]
    fn nested_errors_show_their_innermost_cause() {
        let cube_error = || CubeError::not_found("olci.sst", "the store has no such cube");
        let wrapped: DataFusionError = cube_error().into();
        let in_arrow = ArrowError::ExternalError(Box::new(wrapped.context("while scanning")));
        let cases = [
            (
                DataFusionError::from(cube_error()),
                ExitCode::NotFound,
                "error: the store has no such cube (in olci.sst)",
            ),
            (
                DataFusionError::Shared(Arc::new(DataFusionError::from(in_arrow))),
                ExitCode::NotFound,
                "error: the store has no such cube (in olci.sst)",
            ),
            (
                DataFusionError::Context(
                    "optimizer rule".into(),
                    Box::new(ArrowError::DivideByZero.into()),
                ),
                ExitCode::Statement,
                "error: division by zero",
            ),
            (
                DataFusionError::Plan(
                    "Internal error: f failed to match any signature.\n\
                     No function matches the given name and argument types 'f(Int64)'."
                        .into(),
                ),
                ExitCode::Statement,
                "error: no function matches the given name and argument types 'f(Int64)'",
            ),
            (
                DataFusionError::NotImplemented("MERGE".into()),
                ExitCode::Statement,
                "error: not supported: MERGE",
            ),
        ];
        for (error, code, text) in cases {
            let failure = Failure::of_statement(&error, "");
            assert_eq!((failure.code, failure.to_string().as_str()), (code, text));
        }
    }

    #[test]
    fn names_are_found_in_messages() {
        let cases = [
            (
                "there is no column conc_chk; did you mean conc_chl?",
                Some("conc_chk"),
            ),
            (
                "there is no table olci.\"Cube 1.x\"; SHOW TABLES lists them",
                Some("Cube 1.x"),
            ),
            ("there is no column a.b", Some("b")),
            ("there is no table x (in olci)", Some("x")),
            ("no store answers to it", None),
        ];
        for (message, expected) in cases {
            assert_eq!(culprit(message).as_deref(), expected, "{message}");
        }
    }

    #[tokio::test]
    async fn mistakes_in_statements_are_pointed_at() {
        let cases = [
            (
                "SELECT avg(vaule)\nFROM generate_series(1, 3)",
                "error: there is no column vaule; did you mean value?\n\
                 line 1: SELECT avg(vaule)\n\
                 \u{20}                  ^^^^^",
            ),
            (
                "SELECT 1 FROM nowhere",
                "error: there is no table nowhere; SHOW TABLES lists what there is\n\
                 line 1: SELECT 1 FROM nowhere\n\
                 \u{20}                     ^^^^^^^",
            ),
            (
                "SELECT a FROM (VALUES (1)) AS t(a), (VALUES (1)) AS u(a)",
                "error: column a is in more than one table; put the table's name in front of it",
            ),
            (
                "SELECT 1\nFORM x y",
                "error: expected the end of the statement, found x\n\
                 line 2: FORM x y\n\
                 \u{20}            ^",
            ),
        ];
        let session = Engine::builder().build().unwrap().session();
        for (statement, text) in cases {
            let error = session.run(statement).await.unwrap_err();
            let failure = Failure::of_statement(&error, statement);
            assert_eq!(failure.to_string(), text);
        }
    }
}
