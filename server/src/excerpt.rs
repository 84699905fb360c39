//! The line of a statement that an error is about, with carets under the culprit.

use std::fmt;

/// What an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A place, both counted from 1.
    Position { line: u64, column: u64 },
    /// A name, to be looked for.
    Name(String),
}

impl Target {
    /// Reads the end of the parser's messages: `1, Column: 8`.
    pub(crate) fn from_parser(position: &str) -> Option<Self> {
        let (line, column) = position.split_once(", Column: ")?;
        Some(Self::Position {
            line: line.trim().parse().ok()?,
            column: column.trim().parse().ok()?,
        })
    }
}

/// A line of a statement with its culprit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// Line in the script, from 1.
    pub(crate) line: usize,
    text: String,
    /// First marked character of the text, from 0.
    start: usize,
    /// Characters of the line that the text leaves out before.
    skipped: usize,
    /// Marked characters, at least 1.
    length: usize,
}

/// Longer lines are cut around the culprit.
const WIDTH: usize = 100;

impl Excerpt {
    /// Looks `target` up in `statement`. A name that occurs more than once is not pointed at, for
    /// the wrong one might be.
    pub(crate) fn find(statement: &str, target: &Target) -> Option<Self> {
        match target {
            Target::Position { line, column } => {
                let index = usize::try_from(*line).ok()?.checked_sub(1)?;
                let start = usize::try_from(*column).ok()?.checked_sub(1)?;
                let text = statement.lines().nth(index)?;
                Some(Self::new(index, text, start, word_length(text, start)))
            }
            Target::Name(name) => {
                let mut found = statement.lines().enumerate().flat_map(|(index, text)| {
                    occurrences(text, name).map(move |start| (index, text, start))
                });
                let (index, text, start) = found.next()?;
                found
                    .next()
                    .is_none()
                    .then(|| Self::new(index, text, start, name.chars().count()))
            }
        }
    }

    /// The first marked character of `statement`, from 1.
    pub(crate) fn position(&self, statement: &str) -> usize {
        let above = statement.split_inclusive('\n').take(self.line - 1);
        let above: usize = above.map(|line| line.chars().count()).sum();
        above + self.skipped + self.start + 1
    }

    fn new(index: usize, text: &str, start: usize, length: usize) -> Self {
        let text = masked(text);
        let skipped = if text.chars().count() > WIDTH {
            start.saturating_sub(WIDTH / 2)
        } else {
            0
        };
        Self {
            line: index + 1,
            // A tab has no width of its own that carets could be aligned with.
            text: text
                .chars()
                .skip(skipped)
                .take(WIDTH)
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect(),
            start: start - skipped,
            skipped,
            length: length.clamp(1, WIDTH),
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = format!("line {}: ", self.line);
        let indent = " ".repeat(label.len() + self.start);
        write!(
            f,
            "{label}{}\n{indent}{}",
            self.text,
            "^".repeat(self.length)
        )
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Characters of the word that starts at character `start`.
fn word_length(text: &str, start: usize) -> usize {
    let length = text.chars().skip(start).take_while(|c| is_word(*c)).count();
    length.max(1)
}

/// The characters at which `name` stands as a whole word, in any case.
fn occurrences<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let letters: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let wanted: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    let last = letters.len().saturating_sub(wanted.len());
    (0..=last).filter(move |start| {
        let end = start + wanted.len();
        !wanted.is_empty()
            && letters.get(*start..end) == Some(wanted.as_slice())
            && !start
                .checked_sub(1)
                .and_then(|i| letters.get(i))
                .is_some_and(|c| is_word(*c))
            && !letters.get(end).is_some_and(|c| is_word(*c))
    })
}

/// The text with a star for every character of an address's query string, which may be a signature.
fn masked(text: &str) -> String {
    let ends = |c: char| c == '\'' || c == '"' || c.is_whitespace();
    let mask = |word: &str| match word.split_once('?') {
        Some((address, query)) if address.to_lowercase().contains("http") => {
            let star = |c: char| if ends(c) { c } else { '*' };
            format!("{address}?{}", query.chars().map(star).collect::<String>())
        }
        _ => word.to_string(),
    };
    text.split_inclusive(ends).map(mask).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Excerpt, Target};

    #[test]
    fn query_strings_are_masked() {
        for (text, expected) in [
            (
                "SELECT a FROM 'https://h/x.nc?sig=1' b",
                "SELECT a FROM 'https://h/x.nc?*****' b",
            ),
            (
                "SELECT 'a?b' FROM '2017?.nc'",
                "SELECT 'a?b' FROM '2017?.nc'",
            ),
        ] {
            assert_eq!(super::masked(text), expected);
        }
    }

    #[test]
    fn points_at_the_culprit() {
        let name = |text: &str| Target::Name(text.to_string());
        let long = format!("SELECT {} AS y, culprit", "1 + ".repeat(60));
        let cases = [
            ("SELECT lat, x\nFROM t", name("x"), Some((1, 12, 1))),
            ("SELECT x.lat\nFROM t AS lat", name("lat"), None),
            ("SELECT latitude FROM t", name("lat"), None),
            ("SELECT \"Lat\" FROM t", name("lat"), Some((1, 8, 3))),
            (
                "a\nSELECT foo(1)",
                Target::Position { line: 2, column: 8 },
                Some((2, 7, 3)),
            ),
            ("a", Target::Position { line: 9, column: 1 }, None),
            (
                "a",
                Target::Position {
                    line: 1,
                    column: 40,
                },
                Some((1, 39, 1)),
            ),
            (long.as_str(), name("culprit"), Some((1, 50, 7))),
        ];
        for (statement, target, expected) in cases {
            let found = Excerpt::find(statement, &target);
            let place = found.as_ref().map(|e| (e.line, e.start, e.length));
            assert_eq!(place, expected, "{statement}");
        }
    }

    #[test]
    fn positions_count_characters_of_the_statement() {
        let long = format!("-- Größe\nSELECT {} AS y, culprit", "1 + ".repeat(60));
        for (statement, name) in [("SELECT lat, x\nFROM t", "x"), (&long, "culprit")] {
            let target = Target::Name(name.to_string());
            let position = Excerpt::find(statement, &target)
                .unwrap()
                .position(statement);
            let found: String = statement.chars().skip(position - 1).collect();
            assert!(found.starts_with(name), "{position} in {statement}");
        }
    }

    #[test]
    fn reads_the_parser_s_positions() {
        let target = Target::from_parser("3, Column: 12");
        assert_eq!(
            target,
            Some(Target::Position {
                line: 3,
                column: 12
            })
        );
        assert_eq!(Target::from_parser("soon"), None);
    }
}
