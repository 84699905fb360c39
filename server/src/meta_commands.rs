//! The shell's own commands, those that begin with a backslash.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::arguments::{Format, parse_rows};
use crate::nearest::nearest;

/// A command of the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MetaCommand {
    /// A statement that shows something.
    Query(String),
    /// Report rows, time and what was read, or not; without a value the other way round.
    Timing(Option<bool>),
    /// One cell a line, or a table.
    Expanded(Option<bool>),
    /// Rows shown of a table.
    Rows(Option<usize>),
    /// What NULL looks like.
    Null(String),
    /// How results are written.
    Format(Format),
    /// Run a script.
    Include(PathBuf),
    /// List the commands.
    Help,
    /// Leave.
    Quit,
}

/// Name, arguments and purpose of every command, as `\?` shows them.
pub(crate) const COMMANDS: [(&str, &str, &str); 12] = [
    ("\\d", "[TABLE]", "tables, or the columns of a table"),
    ("\\dt", "", "tables"),
    (
        "\\df",
        "[TEXT]",
        "functions, or those whose name contains TEXT",
    ),
    ("\\dn", "", "schemas: one per attached store"),
    (
        "\\timing",
        "[on|off]",
        "rows, time and what was read after each result",
    ),
    ("\\x", "[on|off]", "one cell a line, for wide rows"),
    ("\\rows", "N|all", "rows shown of a result"),
    ("\\null", "TEXT", "what NULL looks like"),
    ("\\format", "NAME", "table, csv, json or ndjson"),
    ("\\i", "FILE", "run the statements in a file"),
    ("\\?", "", "this list"),
    ("\\q", "", "leave (also Ctrl-D, or Ctrl-C twice)"),
];

impl MetaCommand {
    /// Reads a line that begins with a backslash.
    ///
    /// # Errors
    /// An unknown command or a wrong argument, for people.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim().trim_end_matches(';').trim_end();
        let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let argument = argument.trim();
        match name {
            "\\d" if !argument.is_empty() => Ok(Self::Query(format!("DESCRIBE {argument}"))),
            "\\d" | "\\dt" => Ok(Self::Query("SHOW TABLES".to_string())),
            "\\dn" => Ok(Self::Query(SCHEMAS.to_string())),
            "\\df" => Ok(Self::Query(functions(argument))),
            "\\timing" => switch(name, argument).map(Self::Timing),
            "\\x" => switch(name, argument).map(Self::Expanded),
            "\\rows" => parse_rows(argument)
                .map(|limit| Self::Rows(limit.0))
                .map_err(|mistake| format!("{mistake}, as in \\rows 100")),
            "\\null" => Ok(Self::Null(argument.trim_matches('\'').to_string())),
            "\\format" => match Format::from_str(argument, true) {
                Ok(format) if !format.is_binary() => Ok(Self::Format(format)),
                _ => Err("\\format takes table, csv, json or ndjson".to_string()),
            },
            "\\i" if argument.is_empty() => Err("\\i takes the path of a script".to_string()),
            "\\i" => Ok(Self::Include(PathBuf::from(argument.trim_matches('\'')))),
            "\\?" | "\\h" | "\\help" => Ok(Self::Help),
            "\\q" | "\\quit" => Ok(Self::Quit),
            _ => {
                let names = COMMANDS.iter().map(|(command, _, _)| *command);
                let hint = nearest(name, names)
                    .map_or(String::new(), |near| format!("did you mean {near}? "));
                Err(format!("there is no command {name}; {hint}\\? lists them"))
            }
        }
    }
}

/// The text of `\?`.
pub(crate) fn help() -> String {
    let mut text = String::from("Statements end with `;` and may span lines.\n");
    for (name, arguments, purpose) in COMMANDS {
        let usage = format!("{name} {arguments}");
        text.push_str(&format!("  {usage:<18} {purpose}\n"));
    }
    text
}

const SCHEMAS: &str = "SELECT schema_name AS schema FROM information_schema.schemata \
    WHERE schema_name <> 'information_schema' ORDER BY 1";

fn functions(part: &str) -> String {
    let pattern = part.replace('\'', "''").to_lowercase();
    format!(
        "SELECT DISTINCT routine_name AS function, function_type AS kind, description \
         FROM information_schema.routines WHERE strpos(routine_name, '{pattern}') > 0 \
         OR '{pattern}' = '' ORDER BY 1"
    )
}

fn switch(name: &str, argument: &str) -> Result<Option<bool>, String> {
    match argument {
        "" => Ok(None),
        "on" => Ok(Some(true)),
        "off" => Ok(Some(false)),
        _ => Err(format!("{name} takes on or off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_commands() {
        let query = |text: &str| Ok(MetaCommand::Query(text.to_string()));
        let cases = [
            ("\\d", query("SHOW TABLES")),
            ("\\dt;", query("SHOW TABLES")),
            ("\\d olci.\"cube-1\" ", query("DESCRIBE olci.\"cube-1\"")),
            ("\\timing", Ok(MetaCommand::Timing(None))),
            ("\\x off", Ok(MetaCommand::Expanded(Some(false)))),
            ("\\x maybe", Err("\\x takes on or off".to_string())),
            ("\\rows all", Ok(MetaCommand::Rows(None))),
            ("\\rows 12", Ok(MetaCommand::Rows(Some(12)))),
            ("\\null '-'", Ok(MetaCommand::Null("-".to_string()))),
            ("\\format csv", Ok(MetaCommand::Format(Format::Csv))),
            (
                "\\i my file.sql",
                Ok(MetaCommand::Include("my file.sql".into())),
            ),
            ("\\q", Ok(MetaCommand::Quit)),
            (
                "\\timin",
                Err(
                    "there is no command \\timin; did you mean \\timing? \\? lists them"
                        .to_string(),
                ),
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(MetaCommand::parse(line), expected, "{line}");
        }
    }
}
