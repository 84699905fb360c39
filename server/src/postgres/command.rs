//! Statements of PostgreSQL that the door answers itself: what they say. What they do is in `commands.rs`.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::copy::{self, CopyFrom};
use super::encoding::Framing;
use super::settings::{READ_ONLY, READ_ONLY_BY_DEFAULT};
use super::words::Words;
use crate::failure::{Failure, SqlState};

/// One of them.
#[derive(Debug, Clone)]
pub(super) enum Command {
    /// Whether it may read only, where that is said.
    Begin(Option<bool>),
    Commit,
    Rollback,
    /// `SAVEPOINT`, `RELEASE`, and going back to one: nothing is kept that could be undone.
    Savepoint(&'static str),
    RollbackToSavepoint,
    /// `value` is `None` for the default.
    Set {
        name: String,
        value: Option<String>,
        is_local: bool,
    },
    /// Who the client wants to be; `None`: who it is.
    SetUser(Option<String>),
    /// Something that changes nothing here: its tag.
    Accepted(&'static str),
    Show(String),
    Reset(String),
    ResetAll,
    Discard(Discard),
    /// `None`: all.
    Deallocate(Option<String>),
    Copy {
        query: Query,
        framing: Framing,
    },
    /// Rows come from the client.
    CopyFrom(CopyFrom),
    Declare {
        cursor: String,
        query: Query,
    },
    Fetch {
        cursor: String,
        /// `None`: all that are left.
        rows: Option<u64>,
        /// Rows are skipped, not sent.
        is_move: bool,
    },
    /// `None`: all.
    Close(Option<String>),
}

/// A query inside of another statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) text: String,
    /// Characters of the statement before it; `None` where it is not written in it.
    pub(super) start: Option<usize>,
}

/// What `DISCARD` throws away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Discard {
    All,
    Nothing(&'static str),
}

/// Words that such statements begin with.
const FIRST_WORDS: [&str; 22] = [
    "abort",
    "begin",
    "close",
    "commit",
    "copy",
    "deallocate",
    "declare",
    "discard",
    "end",
    "fetch",
    "listen",
    "lock",
    "move",
    "notify",
    "release",
    "reset",
    "rollback",
    "savepoint",
    "set",
    "show",
    "start",
    "unlisten",
];

impl Command {
    /// The command that `text` is; `None` where it is the engine's.
    ///
    /// # Errors
    /// It asks for what does not exist here.
    pub(super) fn of(text: &str) -> Result<Option<Self>, Failure> {
        let first = first_word(text).to_ascii_lowercase();
        if !FIRST_WORDS.contains(&first.as_str()) {
            return Ok(None);
        }
        let Some(mut words) = Words::of(text) else {
            return Ok(None);
        };
        words.take(&first);
        Ok(match first.as_str() {
            "begin" | "start" => Some(Self::Begin(read_only(&mut words))),
            "commit" | "end" => Some(Self::Commit),
            "rollback" | "abort" => Some(rollback(&mut words)),
            "savepoint" => Some(Self::Savepoint("SAVEPOINT")),
            "release" => Some(Self::Savepoint("RELEASE")),
            "listen" => Some(Self::Accepted("LISTEN")),
            "unlisten" => Some(Self::Accepted("UNLISTEN")),
            "notify" => Some(Self::Accepted("NOTIFY")),
            "lock" => Some(Self::Accepted("LOCK TABLE")),
            "set" => set(&mut words),
            "show" => show(&mut words),
            "reset" if words.take("role") || words.take_all(&["session", "authorization"]) => {
                Some(Self::Accepted("RESET"))
            }
            "reset" => match words.take("all") && words.is_end() {
                true => Some(Self::ResetAll),
                false => words.dotted_name().map(Self::Reset),
            },
            "discard" => discard(&mut words),
            "deallocate" => {
                words.take("prepare");
                match words.take("all") {
                    true => Some(Self::Deallocate(None)),
                    false => words.name().map(|name| Self::Deallocate(Some(name))),
                }
            }
            "copy" => copy::parse(&mut words)?,
            "declare" => declare(&mut words)?,
            "fetch" => fetch(&mut words, false)?,
            "move" => fetch(&mut words, true)?,
            _ => match words.take("all") {
                true => Some(Self::Close(None)),
                false => words.name().map(|name| Self::Close(Some(name))),
            },
        })
    }
}

/// The first word of a statement, behind spaces and comments.
pub(super) fn first_word(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        rest = match (rest.strip_prefix("--"), rest.strip_prefix("/*")) {
            (Some(comment), _) => comment.split_once('\n').map_or("", |(_, rest)| rest),
            (_, Some(comment)) => comment.split_once("*/").map_or("", |(_, rest)| rest),
            (None, None) => break,
        }
        .trim_start();
    }
    let end = rest.find(|c: char| !c.is_ascii_alphabetic());
    &rest[..end.unwrap_or(rest.len())]
}

fn rollback(words: &mut Words<'_>) -> Command {
    words.take_any(&["work", "transaction"]);
    match words.take("to") {
        true => Command::RollbackToSavepoint,
        false => Command::Rollback,
    }
}

fn set(words: &mut Words<'_>) -> Option<Command> {
    let is_session = words.take("session");
    if is_session && words.take("characteristics") {
        return Some(set_access(words, READ_ONLY_BY_DEFAULT));
    }
    let is_local = !is_session && words.take("local");
    if words.take("transaction") {
        return Some(set_access(words, READ_ONLY));
    }
    if words.take("constraints") {
        return Some(Command::Accepted("SET"));
    }
    let is_user = words.take_any(&["role", "session_authorization"])
        || words.take_all(&["session", "authorization"])
        || (is_session && words.take("authorization"));
    if is_user {
        return set_user(words);
    }
    let name = if words.take_all(&["time", "zone"]) {
        "TimeZone".to_string()
    } else if words.take("names") {
        "client_encoding".to_string()
    } else {
        let name = words.dotted_name()?;
        if !words.sign(&Token::Eq) && !words.take("to") {
            return None;
        }
        name
    };
    let value = match words.take("default") {
        true => None,
        false => {
            let mut value = words.value()?;
            while words.sign(&Token::Comma) {
                value = format!("{value}, {}", words.value()?);
            }
            Some(value)
        }
    };
    words.is_end().then_some(Command::Set {
        name,
        value,
        is_local,
    })
}

/// `READ ONLY` or `READ WRITE` among what is said of a transaction; the last counts.
fn read_only(words: &mut Words<'_>) -> Option<bool> {
    let mut found = None;
    while !words.is_end() {
        if words.take_all(&["read", "only"]) {
            found = Some(true);
        } else if words.take_all(&["read", "write"]) {
            found = Some(false);
        } else {
            words.skip();
        }
    }
    found
}

/// What is said of transactions, as a setting. Their isolation changes nothing.
fn set_access(words: &mut Words<'_>, name: &str) -> Command {
    match read_only(words) {
        Some(is_read_only) => Command::Set {
            name: name.to_string(),
            value: Some(if is_read_only { "on" } else { "off" }.to_string()),
            is_local: false,
        },
        None => Command::Accepted("SET"),
    }
}

/// `[= | TO] name`, where `NONE` and `DEFAULT` stand for who the client is.
fn set_user(words: &mut Words<'_>) -> Option<Command> {
    if !words.sign(&Token::Eq) {
        words.take("to");
    }
    let user = match words.take_any(&["none", "default"]) {
        true => None,
        false => match words.name() {
            Some(name) => Some(name),
            None => Some(words.value()?).filter(|name| name != "none"),
        },
    };
    words.is_end().then_some(Command::SetUser(user))
}

fn show(words: &mut Words<'_>) -> Option<Command> {
    let name = if words.take_all(&["time", "zone"]) {
        "TimeZone".to_string()
    } else if words.take_all(&["transaction", "isolation", "level"]) {
        "transaction_isolation".to_string()
    } else {
        words.dotted_name()?
    };
    words.is_end().then_some(Command::Show(name))
}

fn discard(words: &mut Words<'_>) -> Option<Command> {
    Some(Command::Discard(match words.name()?.as_str() {
        "all" => Discard::All,
        "plans" => Discard::Nothing("DISCARD PLANS"),
        "sequences" => Discard::Nothing("DISCARD SEQUENCES"),
        "temp" | "temporary" => Discard::Nothing("DISCARD TEMP"),
        _ => return None,
    }))
}

fn declare(words: &mut Words<'_>) -> Result<Option<Command>, Failure> {
    let Some(cursor) = words.name() else {
        return Ok(None);
    };
    while words.take_any(&["binary", "asensitive", "insensitive"])
        || words.take_all(&["no", "scroll"])
    {}
    if words.take("scroll") {
        return Err(forward_only());
    }
    if !words.take("cursor") {
        return Ok(None);
    }
    words.take_any(&["with", "without"]);
    words.take("hold");
    if !words.take("for") {
        return Ok(None);
    }
    let (text, start) = words.rest();
    let start = Some(start);
    Ok(Some(Command::Declare {
        cursor,
        query: Query { text, start },
    }))
}

fn fetch(words: &mut Words<'_>, is_move: bool) -> Result<Option<Command>, Failure> {
    if words.take_any(&["prior", "first", "last", "absolute", "relative", "backward"]) {
        return Err(forward_only());
    }
    let is_forward = words.take("forward");
    let rows = if words.take("all") {
        None
    } else if !is_forward && words.take("next") {
        Some(1)
    } else {
        match words.number().map(u64::try_from) {
            Some(Ok(count)) => Some(count),
            Some(Err(_)) => return Err(forward_only()),
            None => Some(1),
        }
    };
    words.take_any(&["from", "in"]);
    Ok(words.name().map(|cursor| Command::Fetch {
        cursor,
        rows,
        is_move,
    }))
}

fn forward_only() -> Failure {
    Failure::with_state(
        SqlState::FEATURE_NOT_SUPPORTED,
        "cursors move forward only; declare it NO SCROLL, and FETCH FORWARD",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn statements_are_told_apart() {
        for (text, expected) in [
            ("BEGIN ISOLATION LEVEL REPEATABLE READ", "Begin(None)"),
            (
                "BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY",
                "Begin(Some(true))",
            ),
            ("START TRANSACTION READ WRITE", "Begin(Some(false))"),
            ("-- x\n/* y */ commit;", "Commit"),
            ("ROLLBACK TO SAVEPOINT a", "RollbackToSavepoint"),
            (
                "SET search_path TO olci, public",
                "Set { name: \"search_path\", value: Some(\"olci, public\"), is_local: false }",
            ),
            (
                "SET LOCAL cube.x = -1",
                "Set { name: \"cube.x\", value: Some(\"-1\"), is_local: true }",
            ),
            (
                "SET TIME ZONE DEFAULT",
                "Set { name: \"TimeZone\", value: None, is_local: false }",
            ),
            (
                "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
                "Accepted(\"SET\")",
            ),
            (
                "SET TRANSACTION READ ONLY",
                "Set { name: \"transaction_read_only\", value: Some(\"on\"), is_local: false }",
            ),
            (
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
                "Set { name: \"default_transaction_read_only\", value: Some(\"off\"), is_local: false }",
            ),
            ("SET ROLE NONE", "SetUser(None)"),
            ("SET LOCAL ROLE = 'Eve'", "SetUser(Some(\"Eve\"))"),
            ("SET SESSION AUTHORIZATION DEFAULT", "SetUser(None)"),
            (
                "SET SESSION SESSION AUTHORIZATION eve",
                "SetUser(Some(\"eve\"))",
            ),
            ("RESET ROLE", "Accepted(\"RESET\")"),
            (
                "SHOW transaction isolation level",
                "Show(\"transaction_isolation\")",
            ),
            ("SHOW TABLES IN olci", "engine"),
            ("SHOW tables", "Show(\"tables\")"),
            ("DISCARD ALL", "Discard(All)"),
            ("DEALLOCATE \"_pg3_0\"", "Deallocate(Some(\"_pg3_0\"))"),
            (
                "DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 'é' ;",
                "Declare { cursor: \"c\", query: Query { text: \"SELECT 'é' ;\", start: Some(41) } }",
            ),
            (
                "FETCH FORWARD 5 FROM c",
                "Fetch { cursor: \"c\", rows: Some(5), is_move: false }",
            ),
            (
                "FETCH c",
                "Fetch { cursor: \"c\", rows: Some(1), is_move: false }",
            ),
            (
                "MOVE ALL IN c",
                "Fetch { cursor: \"c\", rows: None, is_move: true }",
            ),
            ("CLOSE ALL", "Close(None)"),
            ("SELECT 1", "engine"),
            ("COPY t TO 'file.parquet'", "engine"),
            ("SET x", "engine"),
        ] {
            let command = Command::of(text).unwrap();
            let written = command.map_or("engine".to_string(), |command| format!("{command:?}"));
            assert_eq!(written, expected, "{text}");
        }
        assert!(Command::of("FETCH -1 FROM c").is_err());
        assert!(Command::of("FETCH LAST FROM c").is_err());
    }
}
