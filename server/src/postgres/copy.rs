//! `COPY … TO STDOUT` and `COPY … FROM STDIN`: what is copied, and how it is written.

use datafusion::sql::sqlparser::tokenizer::Token;

use super::command::{Command, Query};
use super::encoding::{CopyText, Framing, Quote};
use super::words::Words;
use crate::failure::{Failure, SqlState};

/// Rows that a client sends: where they go, and how they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CopyFrom {
    /// The table, as it is written in the statement.
    pub(super) table: String,
    /// The columns that there are values for; all of the table where none is named.
    pub(super) columns: Vec<String>,
    pub(super) layout: Layout,
}

/// How rows are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    Text(TextLayout),
    Binary,
}

/// How rows of text are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextLayout {
    pub(super) text: CopyText,
    pub(super) header: Header,
    /// Columns that are NULL also where what stands for it is in quotes.
    pub(super) force_null: Vec<String>,
}

/// What the first line is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Header {
    /// A row.
    #[default]
    None,
    /// Names that nobody reads.
    Skip,
    /// The names of the columns.
    Match,
}

/// The options of a copy as they are said.
#[derive(Default)]
struct Options {
    format: Option<String>,
    header: Header,
    delimiter: Option<String>,
    null: Option<String>,
    quote: Option<String>,
    escape: Option<String>,
    force_quote: bool,
    force_null: Vec<String>,
}

/// Reads what comes behind `COPY`; `None` where the statement is the engine's, because it copies to or from files.
///
/// # Errors
/// Rows are to come from the client, or an option makes no sense.
pub(super) fn parse(words: &mut Words<'_>) -> Result<Option<Command>, Failure> {
    let is_binary = words.take("binary");
    let query = match words.in_brackets() {
        Some((text, start)) => Query {
            text,
            start: Some(start),
        },
        None => {
            let mark = words.mark();
            if words.dotted_name().is_none() {
                return Ok(None);
            }
            let (table, _) = words.since(mark);
            let columns = words.in_brackets();
            if words.take_all(&["from", "stdin"]) {
                let columns = columns.map(|(columns, _)| columns);
                let options = Options::read(words, is_binary)?;
                let copy = CopyFrom {
                    table,
                    columns: columns.map_or(Ok(vec![]), |columns| names(&columns))?,
                    layout: options.layout()?,
                };
                return Ok(Some(Command::CopyFrom(copy)));
            }
            let columns = columns.as_ref().map_or("*", |(columns, _)| columns);
            Query {
                text: format!("SELECT {columns} FROM {table}"),
                start: None,
            }
        }
    };
    if !words.take_all(&["to", "stdout"]) {
        return Ok(None);
    }
    let options = Options::read(words, is_binary)?;
    if options.header == Header::Match || !options.force_null.is_empty() {
        return Err(invalid(
            "HEADER match and FORCE_NULL are options of COPY … FROM",
        ));
    }
    let framing = options.framing()?;
    Ok(Some(Command::Copy { query, framing }))
}

/// Names between commas.
fn names(list: &str) -> Result<Vec<String>, Failure> {
    let unreadable = || {
        let text = format!("({list}) is no list of columns; name them with commas between them");
        Failure::with_state(SqlState::SYNTAX_ERROR, text)
    };
    let mut words = Words::of(list).ok_or_else(unreadable)?;
    let mut names = vec![words.name().ok_or_else(unreadable)?];
    while words.sign(&Token::Comma) {
        names.push(words.name().ok_or_else(unreadable)?);
    }
    match words.is_end() {
        true => Ok(names),
        false => Err(unreadable()),
    }
}

impl Options {
    fn read(words: &mut Words<'_>, is_binary: bool) -> Result<Self, Failure> {
        let mut options = Self {
            format: is_binary.then(|| "binary".to_string()),
            ..Self::default()
        };
        words.take("with");
        match words.sign(&Token::LParen) {
            true => options.read_list(words)?,
            false => options.read_words(words)?,
        }
        Ok(options)
    }

    /// `(FORMAT csv, HEADER true, …)`
    fn read_list(&mut self, words: &mut Words<'_>) -> Result<(), Failure> {
        loop {
            let Some(name) = words.name() else {
                return Err(unknown());
            };
            match name.as_str() {
                "format" => self.format = words.value().map(|format| format.to_lowercase()),
                "header" => self.header = header(words)?,
                "delimiter" => self.delimiter = words.value(),
                "null" => self.null = words.value(),
                "quote" => self.quote = words.value(),
                "escape" => self.escape = words.value(),
                "force_quote" => self.read_force_quote(words)?,
                "force_null" => self.read_force_null(words)?,
                "encoding" => check_encoding(words)?,
                _ => return Err(unknown()),
            }
            if words.sign(&Token::RParen) {
                break;
            }
            if !words.sign(&Token::Comma) {
                return Err(unknown());
            }
        }
        match words.is_end() {
            true => Ok(()),
            false => Err(unknown()),
        }
    }

    /// `CSV HEADER DELIMITER AS ','`, the older way.
    fn read_words(&mut self, words: &mut Words<'_>) -> Result<(), Failure> {
        while let Some(name) = words.name() {
            match name.as_str() {
                "csv" | "binary" => self.format = Some(name),
                "header" => self.header = Header::Skip,
                "force" if words.take("quote") => self.read_force_quote(words)?,
                "force" if words.take("null") => {
                    self.force_null.extend(words.name());
                    while words.sign(&Token::Comma) {
                        self.force_null.extend(words.name());
                    }
                }
                "delimiter" | "null" | "quote" | "escape" => {
                    words.take("as");
                    let value = words.value();
                    match name.as_str() {
                        "delimiter" => self.delimiter = value,
                        "null" => self.null = value,
                        "quote" => self.quote = value,
                        _ => self.escape = value,
                    }
                }
                "encoding" => check_encoding(words)?,
                _ => return Err(unknown()),
            }
        }
        match words.is_end() {
            true => Ok(()),
            false => Err(unknown()),
        }
    }

    fn read_force_quote(&mut self, words: &mut Words<'_>) -> Result<(), Failure> {
        self.force_quote = words.sign(&Token::Mul);
        match self.force_quote {
            true => Ok(()),
            false => Err(refused(
                "FORCE_QUOTE is supported for all columns only; say FORCE_QUOTE *",
            )),
        }
    }

    fn read_force_null(&mut self, words: &mut Words<'_>) -> Result<(), Failure> {
        let (list, _) = words.in_brackets().ok_or_else(unknown)?;
        self.force_null = names(&list)?;
        Ok(())
    }

    /// How rows of a client are written.
    fn layout(self) -> Result<Layout, Failure> {
        if self.force_quote {
            return Err(invalid("FORCE_QUOTE is an option of COPY … TO"));
        }
        let (header, force_null) = (self.header, self.force_null.clone());
        match self.framing()? {
            Framing::CopyText(text) => Ok(Layout::Text(TextLayout {
                text,
                header,
                force_null,
            })),
            Framing::CopyBinary { .. } | Framing::Rows(_) => Ok(Layout::Binary),
        }
    }

    fn framing(self) -> Result<Framing, Failure> {
        let format = self.format.as_deref().unwrap_or("text");
        let of_text = [&self.delimiter, &self.null];
        let of_csv = [&self.quote, &self.escape];
        let is_csv = format == "csv";
        let is_forced = self.force_quote || !self.force_null.is_empty();
        if !is_csv && (of_csv.iter().any(|option| option.is_some()) || is_forced) {
            return Err(invalid(
                "QUOTE, ESCAPE, FORCE_QUOTE and FORCE_NULL are options of the format csv",
            ));
        }
        let has_header = self.header != Header::None;
        match format {
            "binary" if has_header || of_text.iter().any(|option| option.is_some()) => Err(
                invalid("the format binary has no HEADER, DELIMITER or NULL"),
            ),
            "binary" => Ok(Framing::CopyBinary { is_begun: false }),
            "text" | "csv" => {
                let delimiter = character(self.delimiter, if is_csv { b',' } else { b'\t' })?;
                let quote = character(self.quote, b'"')?;
                if is_csv && delimiter == quote {
                    return Err(invalid("DELIMITER and QUOTE must differ"));
                }
                let null = self.null.unwrap_or_else(|| match is_csv {
                    true => String::new(),
                    false => "\\N".to_string(),
                });
                let has_meaning = matches!(delimiter, b'\\' | b'.' | b'a'..=b'z' | b'0'..=b'9');
                if !is_csv && has_meaning {
                    return Err(invalid(
                        "DELIMITER cannot be a backslash, a point, a small letter or a digit, which have another meaning",
                    ));
                }
                if is_csv && null.as_bytes().contains(&quote) {
                    return Err(invalid("NULL cannot hold the quote"));
                }
                if null.contains(['\n', '\r']) || null.as_bytes().contains(&delimiter) {
                    return Err(invalid(
                        "NULL cannot hold the delimiter or the end of a line",
                    ));
                }
                Ok(Framing::CopyText(CopyText {
                    delimiter,
                    null,
                    has_header,
                    quote: is_csv.then_some(Quote {
                        quote,
                        escape: character(self.escape, quote)?,
                        always: self.force_quote,
                    }),
                }))
            }
            other => Err(invalid(&format!(
                "there is no format {other}; say text, csv or binary"
            ))),
        }
    }
}

fn header(words: &mut Words<'_>) -> Result<Header, Failure> {
    match words.value().as_deref().map(str::to_lowercase).as_deref() {
        None | Some("true" | "on" | "1") => Ok(Header::Skip),
        Some("false" | "off" | "0") => Ok(Header::None),
        Some("match") => Ok(Header::Match),
        Some(_) => Err(invalid("HEADER is true, false or match")),
    }
}

fn check_encoding(words: &mut Words<'_>) -> Result<(), Failure> {
    match words.value().as_deref().map(str::to_lowercase).as_deref() {
        Some("utf8" | "utf-8") => Ok(()),
        _ => Err(invalid("rows are read and written in UTF8 only")),
    }
}

/// An option of one byte.
fn character(option: Option<String>, default: u8) -> Result<u8, Failure> {
    match option.as_deref().map(str::as_bytes) {
        None => Ok(default),
        Some([byte]) if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(*byte),
        Some(_) => Err(invalid(
            "DELIMITER, QUOTE and ESCAPE are single characters of one byte",
        )),
    }
}

fn unknown() -> Failure {
    invalid(
        "an option of COPY is unknown; say FORMAT, HEADER, DELIMITER, NULL, QUOTE, ESCAPE, FORCE_QUOTE, FORCE_NULL or ENCODING",
    )
}

fn invalid(text: &str) -> Failure {
    Failure::with_state(SqlState::INVALID_PARAMETER_VALUE, text)
}

fn refused(text: &str) -> Failure {
    Failure::with_state(SqlState::FEATURE_NOT_SUPPORTED, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_from_clients_are_read() {
        let read = |text: &str| match Command::of(text) {
            Ok(Some(Command::CopyFrom(copy))) => copy,
            other => panic!("{text}: {other:?}"),
        };
        let copy = read("COPY lake.\"Points\" (Lon, \"Lat\") FROM STDIN WITH (FORMAT binary)");
        assert_eq!(copy.table, "lake.\"Points\"");
        assert_eq!(copy.columns, ["lon", "Lat"]);
        assert_eq!(copy.layout, Layout::Binary);
        let copy =
            read("COPY t FROM STDIN (FORMAT csv, HEADER match, FORCE_NULL (a, b), NULL 'x')");
        let Layout::Text(layout) = copy.layout else {
            panic!("{copy:?}");
        };
        assert_eq!(
            (layout.header, layout.text.null.as_str()),
            (Header::Match, "x")
        );
        assert_eq!(layout.force_null, ["a", "b"]);
        assert_eq!(
            read("COPY t FROM STDIN CSV HEADER FORCE NULL a, b").columns,
            [""; 0]
        );
    }

    #[test]
    fn copies_are_read() {
        for (text, query, framing) in [
            (
                "COPY (SELECT ')' FROM (VALUES (1)) t) TO STDOUT",
                "SELECT ')' FROM (VALUES (1)) t",
                "CopyText(CopyText { delimiter: 9, null: \"\\\\N\", has_header: false, quote: None })",
            ),
            (
                "copy olci.\"Cube\" (a, b) to stdout (format binary)",
                "SELECT a, b FROM olci.\"Cube\"",
                "CopyBinary { is_begun: false }",
            ),
            (
                "COPY t TO STDOUT WITH CSV HEADER DELIMITER AS ';' NULL 'x'",
                "SELECT * FROM t",
                "CopyText(CopyText { delimiter: 59, null: \"x\", has_header: true, \
                 quote: Some(Quote { quote: 34, escape: 34, always: false }) })",
            ),
        ] {
            match Command::of(text) {
                Ok(Some(Command::Copy {
                    query: found,
                    framing: written,
                })) => {
                    assert_eq!(found.text, query);
                    assert_eq!(format!("{written:?}"), framing);
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        for text in [
            "COPY t (a,) FROM STDIN",
            "COPY t FROM STDIN (FORCE_NULL (a))",
            "COPY t FROM STDIN (FORMAT csv, FORCE_QUOTE *)",
            "COPY t FROM STDIN WHERE a > 1",
            "COPY t TO STDOUT (HEADER match)",
            "COPY t TO STDOUT (FORMAT xml)",
            "COPY t TO STDOUT (DELIMITER 'ab')",
            "COPY t TO STDOUT (DELIMITER '\\')",
            "COPY t TO STDOUT (DELIMITER '.')",
            "COPY t TO STDOUT (DELIMITER 'n')",
            "COPY t TO STDOUT (DELIMITER '7')",
            "COPY t TO STDOUT (DELIMITER E'\\n')",
            "COPY t TO STDOUT (NULL 'a\tb')",
            "COPY t TO STDOUT (FORMAT csv, NULL '\"')",
            "COPY t TO STDOUT (FORMAT csv, QUOTE ',')",
            "COPY t TO STDOUT (QUOTE '\"')",
            "COPY t TO STDOUT (FORMAT binary, HEADER)",
            "COPY t TO STDOUT (OIDS)",
        ] {
            assert!(Command::of(text).is_err(), "{text}");
        }
    }
}
