//! Splits scripts into statements.

use std::str::CharIndices;

use datafusion::common::Result;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, Tokenizer};

use super::parser::syntax_error;

/// Splits a script at its semicolons. Comments and quoted texts are understood, empty statements left out.
///
/// # Errors
/// A quote or comment that does not end, with its position.
pub(crate) fn split(script: &str) -> Result<Vec<String>> {
    let tokens = Tokenizer::new(&GenericDialect {}, script)
        .tokenize_with_location()
        .map_err(|error| syntax_error(error.to_string()))?;
    let mut offsets = Offsets::new(script);
    let mut statements = Vec::new();
    let mut start = None;
    for token in &tokens {
        match (&token.token, start) {
            (Token::Whitespace(_) | Token::EOF, _) | (Token::SemiColon, None) => {}
            (Token::SemiColon, Some(first)) => {
                let end = offsets.byte(token.span.start);
                statements.push(script.get(first..end).unwrap_or("").trim().to_string());
                start = None;
            }
            (_, None) => start = Some(offsets.byte(token.span.start)),
            (_, Some(_)) => {}
        }
    }
    if let Some(first) = start {
        statements.push(script.get(first..).unwrap_or("").trim().to_string());
    }
    Ok(statements)
}

/// The bytes at which tokens start. They are asked for in their order, so that the script is walked through once.
struct Offsets<'a> {
    characters: CharIndices<'a>,
    /// Where the next character stands.
    line: u64,
    column: u64,
}

impl<'a> Offsets<'a> {
    fn new(script: &'a str) -> Self {
        Self {
            characters: script.char_indices(),
            line: 1,
            column: 1,
        }
    }

    /// The byte at a place that is not before the last one.
    fn byte(&mut self, place: Location) -> usize {
        while (self.line, self.column) < (place.line, place.column) {
            match self.characters.next() {
                Some((_, '\n')) => {
                    self.line += 1;
                    self.column = 1;
                }
                Some(_) => self.column += 1,
                None => break,
            }
        }
        self.characters.offset()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn scripts_split_at_semicolons_that_end_statements() {
        for (script, expected) in [
            ("", vec![]),
            (" ;; -- nothing\n;", vec![]),
            ("SELECT 1", vec!["SELECT 1"]),
            ("SELECT ';';\n SELECT 2 ;", vec!["SELECT ';'", "SELECT 2"]),
            (
                "-- a; b\nSELECT 1; /* c; */ SELECT 2",
                vec!["SELECT 1", "SELECT 2"],
            ),
            (
                "SELECT 'ä;' AS \"ö;\"; SELECT 'ü'",
                vec!["SELECT 'ä;' AS \"ö;\"", "SELECT 'ü'"],
            ),
        ] {
            assert_eq!(split(script).unwrap(), expected, "{script}");
        }
        assert!(split("SELECT 'x").is_err());
        let long = split(&"SELECT 'ö'; ".repeat(20_000)).unwrap();
        assert_eq!(long.len(), 20_000);
        assert!(long.iter().all(|statement| statement == "SELECT 'ö'"));
    }
}
