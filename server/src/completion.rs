//! What Tab offers: names of tables, columns and functions, keywords, commands, files.
//!
//! ```text
//!  SELECT avg(conc_c⇥        names and keywords that begin so
//!  FROM olci.cube⇥           olci."cube-1-250-250": quotes are put where SQL needs them
//!  FROM 'data/⇥              files
//!  \d⇥                       commands
//! ```

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use graticule_engine::Session;
use rustyline::Context;
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use tokio::runtime::Handle;

use crate::meta_commands::COMMANDS;
use crate::statement_end::is_complete;

/// A slow store must not make the shell seem dead.
const PATIENCE: Duration = Duration::from_secs(2);

/// Completes and validates what is typed into the shell.
pub(crate) struct ShellHelper {
    session: Arc<Session>,
    runtime: Handle,
    files: FilenameCompleter,
    /// Asked for when first needed after each statement, for a statement may change them.
    names: RefCell<Option<Vec<String>>>,
}

impl ShellHelper {
    pub(crate) fn new(session: Arc<Session>, runtime: Handle) -> Self {
        Self {
            session,
            runtime,
            files: FilenameCompleter::new(),
            names: RefCell::new(None),
        }
    }

    /// The tables may be others now.
    pub(crate) fn forget_names(&self) {
        self.names.replace(None);
    }

    fn names_like(&self, word: &str) -> Vec<Pair> {
        let mut cached = self.names.borrow_mut();
        let names = cached.get_or_insert_with(|| {
            let session = Arc::clone(&self.session);
            let asked = async move { tokio::time::timeout(PATIENCE, session.completions()).await };
            self.runtime.block_on(asked).unwrap_or_default()
        });
        candidates(names, word)
    }
}

/// The names and keywords that begin with `word`, in any case and with or without quotes. Keywords
/// are offered in the case of the word, and not before there is one.
fn candidates(names: &[String], word: &str) -> Vec<Pair> {
    let wanted = plain(word);
    let lower = word.chars().any(char::is_lowercase);
    let mut found: Vec<String> = names
        .iter()
        .filter(|name| plain(name).starts_with(&wanted))
        .filter(|name| !(wanted.is_empty() && is_keyword(name)))
        .map(|name| match lower && is_keyword(name) {
            true => name.to_lowercase(),
            false => name.clone(),
        })
        .collect();
    found.sort();
    found.dedup();
    found.into_iter().map(pair).collect()
}

/// Names with capitals are quoted, so that what is not is a keyword.
fn is_keyword(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

fn pair(text: String) -> Pair {
    Pair {
        display: text.clone(),
        replacement: text,
    }
}

fn plain(name: &str) -> String {
    name.replace('"', "").to_lowercase()
}

/// What is being typed at the end of a line.
#[derive(Debug, PartialEq, Eq)]
enum Typing {
    /// A command; the word starts at the byte.
    Command(usize),
    /// A file; its path starts at the byte.
    File(usize),
    /// A name or keyword; it starts at the byte.
    Name(usize),
}

fn typing(line: &str) -> Typing {
    if line.starts_with('\\') {
        return match line.find(char::is_whitespace) {
            None => Typing::Command(0),
            Some(end) if line.get(..end) == Some("\\i") => {
                let path = line.len() - line.get(end..).unwrap_or_default().trim_start().len();
                Typing::File(path)
            }
            Some(_) => Typing::Name(name_start(line)),
        };
    }
    match open_quote(line) {
        Some(quote) => Typing::File(quote + 1),
        None => Typing::Name(name_start(line)),
    }
}

/// The byte of the `'` that is still open.
fn open_quote(line: &str) -> Option<usize> {
    let mut open: Option<(usize, char)> = None;
    for (index, c) in line.char_indices() {
        match (open, c) {
            (None, '\'' | '"') => open = Some((index, c)),
            (Some((_, quote)), c) if c == quote => open = None,
            _ => {}
        }
    }
    open.filter(|(_, quote)| *quote == '\'')
        .map(|(index, _)| index)
}

/// The byte at which the name at the end of `line` starts; a quoted part may hold any character.
fn name_start(line: &str) -> usize {
    let mut start = line.len();
    let mut quoted = line.matches('"').count() % 2 == 1;
    for (index, c) in line.char_indices().rev() {
        if c == '"' {
            quoted = !quoted;
        } else if !(quoted || c.is_alphanumeric() || c == '_' || c == '.') {
            break;
        }
        start = index;
    }
    start
}

impl Completer for ShellHelper {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let line = line.get(..position).unwrap_or(line);
        let from = |start: usize| line.get(start..).unwrap_or_default();
        match typing(line) {
            Typing::Command(start) => {
                let commands = COMMANDS
                    .iter()
                    .filter(|(name, _, _)| name.starts_with(from(start)));
                Ok((
                    start,
                    commands
                        .map(|(name, _, _)| pair((*name).to_string()))
                        .collect(),
                ))
            }
            Typing::File(start) => {
                let path = from(start);
                let (offset, found) = self.files.complete_path(path, path.len())?;
                Ok((start + offset, found))
            }
            Typing::Name(start) => Ok((start, self.names_like(from(start)))),
        }
    }
}

impl Validator for ShellHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let word = text.trim();
        let command = word.starts_with('\\') || matches!(word, "exit" | "quit" | "help");
        Ok(if command || is_complete(text) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

impl Hinter for ShellHelper {
    type Hint = String;
}

impl Highlighter for ShellHelper {}

impl rustyline::Helper for ShellHelper {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_is_being_typed() {
        let cases = [
            ("", Typing::Name(0)),
            ("SELECT av", Typing::Name(7)),
            ("SELECT avg(conc", Typing::Name(11)),
            ("FROM olci.cub", Typing::Name(5)),
            ("FROM olci.\"cube-1 x", Typing::Name(5)),
            ("FROM olci.\"cube-1\"", Typing::Name(5)),
            ("FROM 'data/", Typing::File(6)),
            ("WHERE a = 'x' AND l", Typing::Name(18)),
            ("\\ti", Typing::Command(0)),
            ("\\d oc", Typing::Name(3)),
            ("\\i  my sc", Typing::File(4)),
        ];
        for (line, expected) in cases {
            assert_eq!(typing(line), expected, "{line}");
        }
    }

    #[test]
    fn offers_names_and_keywords() {
        let names = [
            "lat",
            "olci.\"cube-1\"",
            "avg",
            "grouping",
            "GROUP",
            "LIMIT",
        ]
        .map(String::from);
        let cases: [(&str, &[&str]); 7] = [
            ("olci.cu", &["olci.\"cube-1\""]),
            ("olci.\"cu", &["olci.\"cube-1\""]),
            ("LA", &["lat"]),
            ("gro", &["group", "grouping"]),
            ("GRO", &["GROUP", "grouping"]),
            ("", &["avg", "grouping", "lat", "olci.\"cube-1\""]),
            ("xyz", &[]),
        ];
        for (word, expected) in cases {
            let found: Vec<String> = candidates(&names, word)
                .into_iter()
                .map(|pair| pair.replacement)
                .collect();
            assert_eq!(found, expected, "{word}");
        }
    }
}
