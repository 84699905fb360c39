//! One privilege as it is written, in the configuration file and after `GRANT`: [`Grant`].
//!
//! ```text
//!  SELECT ON STORE lake
//!  SELECT (sst, lat, lon, time) ON lake.ocean WHERE lat > 50 AND time < now() - INTERVAL '30 days'
//!  INSERT ON lake.ocean        ALL ON STORE lake        FILES        WRITE FILES        ADMIN
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName, visit_expressions};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::error::{CubeError, CubeResult};
use crate::sql::names::{CATALOG, PUBLIC_SCHEMA, quoted};
use crate::sql::parser::fold;

/// What may be done with tables. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Privilege {
    /// Reading.
    Select,
    /// Making tables and adding to them, too. Who writes may read: a change is laid over what is there.
    Insert,
    /// Everything, removing included.
    All,
}

/// What a privilege is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// All tables of a store, or of the schema `public`.
    Store(String),
    /// One table.
    Table {
        /// Its store, or `public`.
        schema: String,
        /// Its name.
        name: String,
    },
}

/// One privilege.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// Everything.
    Admin,
    /// Reading files and URLs that stand in `FROM`, and making tables of them.
    Files,
    /// Writing files and URLs, with `COPY … TO`.
    WriteFiles,
    /// Something with tables.
    On {
        /// What.
        privilege: Privilege,
        /// With which.
        object: Object,
        /// The columns that may be read; `None` for all.
        columns: Option<BTreeSet<String>>,
        /// The condition on axes that cells fulfil which may be read.
        condition: Option<String>,
    },
}

const FORMS: &str = "write SELECT [(columns)] ON [STORE] name [WHERE condition], INSERT ON [STORE] name, \
                     ALL ON [STORE] name, FILES, WRITE FILES or ADMIN";

impl Grant {
    /// Reads a grant.
    ///
    /// # Errors
    /// It is none, or restricts what cannot be restricted.
    pub fn parse(text: &str) -> CubeResult<Self> {
        let refuse =
            |cause: String| CubeError::invalid("", format!("{text} is no privilege: {cause}"));
        let wrong = |error: ParserError| refuse(cause_of(&error)).remedy(FORMS);
        let mut parser = Parser::new(&GenericDialect {})
            .try_with_sql(text)
            .map_err(wrong)?;
        let grant = read(&mut parser, None).map_err(wrong)?;
        parser.expect_token(&Token::EOF).map_err(wrong)?;
        grant.check().map_err(refuse)?;
        Ok(grant)
    }

    /// Reads a grant that stands in a statement, and leaves what comes after it: a comma, or `end` and names.
    ///
    /// # Errors
    /// See [`Grant::parse`].
    pub(crate) fn take(parser: &mut Parser<'_>, end: Keyword) -> CubeResult<Self> {
        let grant = read(parser, Some(end))
            .map_err(|error| CubeError::invalid("", cause_of(&error)).remedy(FORMS))?;
        grant
            .check()
            .map_err(|cause| CubeError::invalid("", cause))?;
        Ok(grant)
    }

    /// Does the word begin a grant?
    pub(crate) fn begins_with(word: &str) -> bool {
        ["ADMIN", "FILES", "WRITE", "SELECT", "INSERT", "ALL"]
            .iter()
            .any(|first| first.eq_ignore_ascii_case(word))
    }

    /// The word, or words, that come first.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Admin => "ADMIN",
            Self::Files => "FILES",
            Self::WriteFiles => "WRITE FILES",
            Self::On { privilege, .. } => match privilege {
                Privilege::Select => "SELECT",
                Privilege::Insert => "INSERT",
                Privilege::All => "ALL",
            },
        }
    }

    fn check(&self) -> Result<(), String> {
        let Self::On {
            privilege,
            object,
            columns,
            condition,
        } = self
        else {
            return Ok(());
        };
        let is_partial = columns.is_some() || condition.is_some();
        if is_partial && *privilege != Privilege::Select {
            return Err("columns and WHERE go with SELECT only".to_string());
        }
        if is_partial && matches!(object, Object::Store(_)) {
            return Err("columns and WHERE go with one table, not with a store".to_string());
        }
        let (Some(columns), Some(condition)) = (columns, condition) else {
            return Ok(());
        };
        // Else EXPLAIN and errors would name a column that the user does not know.
        match columns_of(condition).find(|column| !columns.contains(column)) {
            Some(column) => Err(format!(
                "its condition reads {column}, which is not granted"
            )),
            None => Ok(()),
        }
    }
}

/// As [`Grant::parse`] reads it.
impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        let Self::On {
            object,
            columns,
            condition,
            ..
        } = self
        else {
            return Ok(());
        };
        if let Some(columns) = columns {
            let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
            write!(f, " ({})", columns.join(", "))?;
        }
        write!(f, " ON {object}")?;
        match condition {
            // In parentheses, so that what follows is no part of it.
            Some(condition) => write!(f, " WHERE ({condition})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(name) => write!(f, "STORE {}", quoted(name)),
            Self::Table { schema, name } => write!(f, "{}.{}", quoted(schema), quoted(name)),
        }
    }
}

fn read(parser: &mut Parser<'_>, end: Option<Keyword>) -> Result<Grant, ParserError> {
    if takes_word(parser, "ADMIN") {
        return Ok(Grant::Admin);
    }
    if takes_word(parser, "FILES") {
        return Ok(Grant::Files);
    }
    if takes_word(parser, "WRITE") {
        return match takes_word(parser, "FILES") {
            true => Ok(Grant::WriteFiles),
            false => parser.expected_ref("FILES", parser.peek_token_ref()),
        };
    }
    let privileges = [
        ("SELECT", Privilege::Select),
        ("INSERT", Privilege::Insert),
        ("ALL", Privilege::All),
    ];
    let found = privileges
        .into_iter()
        .find(|(word, _)| takes_word(parser, word));
    let Some((_, privilege)) = found else {
        return parser.expected_ref("the name of a privilege", parser.peek_token_ref());
    };
    let columns = match parser.peek_token_ref().token {
        Token::LParen => {
            let columns = parser.parse_parenthesized_column_list(
                datafusion::sql::sqlparser::parser::IsOptional::Mandatory,
                false,
            )?;
            Some(columns.iter().map(fold).collect())
        }
        _ => None,
    };
    parser.expect_keyword(Keyword::ON)?;
    let object = match takes_word(parser, "STORE") {
        true => Object::Store(fold(&parser.parse_identifier()?)),
        false => table(&parser.parse_object_name(false)?)?,
    };
    let condition = match parser.parse_keyword(Keyword::WHERE) {
        true => Some(condition(parser, end)?),
        false => None,
    };
    Ok(Grant::On {
        privilege,
        object,
        columns,
        condition,
    })
}

/// Takes a condition. To SQL what comes after it may be a part of it, as in `INTERVAL '1' YEAR TO MONTH`, so that it is
/// the longest one before a comma, or an `end`, that is not in parentheses.
fn condition(parser: &mut Parser<'_>, end: Option<Keyword>) -> Result<String, ParserError> {
    let mut tokens = Vec::new();
    let mut lengths = Vec::new();
    let mut depth = 0_usize;
    loop {
        let token = parser.peek_nth_token_ref(tokens.len()).clone();
        match &token.token {
            Token::EOF | Token::SemiColon => break,
            Token::Comma if depth == 0 => lengths.push(tokens.len()),
            Token::Word(word) if depth == 0 && Some(word.keyword) == end => {
                lengths.push(tokens.len());
            }
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        tokens.push(token);
    }
    if end.is_none() {
        lengths.push(tokens.len());
    }
    let parsed = |length: usize| {
        let tokens = tokens.iter().take(length).cloned().collect();
        let mut alone = Parser::new(&GenericDialect {}).with_tokens_with_locations(tokens);
        let condition = alone.parse_expr()?;
        alone.expect_token(&Token::EOF).map(|_| (length, condition))
    };
    let longest = lengths.iter().rev().find_map(|length| parsed(*length).ok());
    let first = || parsed(lengths.first().copied().unwrap_or(tokens.len()));
    let (length, mut condition) = longest.map_or_else(first, Ok)?;
    for _ in 0..length {
        parser.next_token();
    }
    // The same condition, whether it stands in parentheses or not.
    while let Expr::Nested(inner) = condition {
        condition = *inner;
    }
    Ok(condition.to_string())
}

/// Takes a word that is no name in quotes, whether SQL knows it or not.
fn takes_word(parser: &mut Parser<'_>, expected: &str) -> bool {
    let is_next = matches!(&parser.peek_token_ref().token, Token::Word(word)
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected));
    // A table may be called like a word that opens a clause: `ON store`.
    let is_name = expected == "STORE"
        && matches!(
            parser.peek_nth_token_ref(1).token,
            Token::EOF | Token::Period | Token::Comma
        );
    let takes = is_next && !is_name;
    if takes {
        parser.next_token();
    }
    takes
}

fn table(name: &ObjectName) -> Result<Object, ParserError> {
    let parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
    let (schema, name) = match parts.as_slice() {
        [name] => (PUBLIC_SCHEMA.to_string(), fold(name)),
        [schema, name] => (fold(schema), fold(name)),
        [catalog, schema, name] if fold(catalog) == CATALOG => (fold(schema), fold(name)),
        _ => {
            return Err(ParserError::ParserError(format!(
                "{name} is no name of a table"
            )));
        }
    };
    Ok(Object::Table { schema, name })
}

/// The columns that a condition reads.
fn columns_of(condition: &str) -> impl Iterator<Item = String> {
    let parsed = Parser::new(&GenericDialect {})
        .try_with_sql(condition)
        .and_then(|mut parser| parser.parse_expr());
    let mut columns = Vec::new();
    if let Ok(expression) = parsed {
        let _ = visit_expressions(&expression, |part| {
            match part {
                Expr::Identifier(name) => columns.push(fold(name)),
                Expr::CompoundIdentifier(names) => columns.extend(names.last().map(fold)),
                _ => {}
            }
            ControlFlow::<()>::Continue(())
        });
    }
    columns.into_iter()
}

fn cause_of(error: &ParserError) -> String {
    match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text.clone(),
        ParserError::RecursionLimitExceeded => "it is nested too deeply".to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn on(privilege: Privilege, object: Object) -> Grant {
        Grant::On {
            privilege,
            object,
            columns: None,
            condition: None,
        }
    }

    fn named(schema: &str, name: &str) -> Object {
        Object::Table {
            schema: schema.to_string(),
            name: name.to_string(),
        }
    }

    #[test]
    fn what_is_written_is_granted() {
        let store = |name: &str| Object::Store(name.to_string());
        for (text, expected) in [
            ("ADMIN", Grant::Admin),
            ("files", Grant::Files),
            ("WRITE FILES", Grant::WriteFiles),
            ("SELECT ON STORE olci", on(Privilege::Select, store("olci"))),
            ("all on store \"Lake\"", on(Privilege::All, store("Lake"))),
            (
                "INSERT ON graticule.lake.\"cube-1\"",
                on(Privilege::Insert, named("lake", "cube-1")),
            ),
            (
                "SELECT ON Places",
                on(Privilege::Select, named("public", "places")),
            ),
            (
                "SELECT ON store.t",
                on(Privilege::Select, named("store", "t")),
            ),
            (
                "SELECT ON store",
                on(Privilege::Select, named("public", "store")),
            ),
            (
                "SELECT (sst, \"Lat\") ON lake.ocean WHERE \"Lat\" > 50",
                Grant::On {
                    privilege: Privilege::Select,
                    object: named("lake", "ocean"),
                    columns: Some(["Lat".to_string(), "sst".to_string()].into()),
                    condition: Some("\"Lat\" > 50".to_string()),
                },
            ),
        ] {
            let grant = Grant::parse(text).unwrap();
            assert_eq!(grant, expected, "{text}");
            assert_eq!(
                Grant::parse(&grant.to_string()).unwrap(),
                expected,
                "{grant}"
            );
        }
    }

    #[test]
    fn what_grants_nothing_clear_is_refused() {
        for (text, cause) in [
            ("", "name of a privilege"),
            ("DROP ON lake.t", "name of a privilege"),
            ("SELECT ON", "identifier"),
            ("SELECT lake.t", "ON"),
            ("SELECT ON lake.t WHERE", "expression"),
            ("SELECT ON lake.t; ADMIN", "EOF"),
            ("ADMIN ON STORE lake", "EOF"),
            ("ALL ON lake.t WHERE lat > 0", "SELECT only"),
            ("INSERT (sst) ON lake.t", "SELECT only"),
            ("SELECT (sst) ON STORE lake", "one table"),
            ("SELECT (sst) ON lake.t WHERE lat > 0", "reads lat"),
            ("SELECT (sst) ON lake.t WHERE f(lat) > 0", "reads lat"),
            ("SELECT ON a.b.c", "no name of a table"),
        ] {
            let error = Grant::parse(text).unwrap_err().to_string();
            assert!(error.contains(cause), "{text}: {error}");
        }
    }
}
