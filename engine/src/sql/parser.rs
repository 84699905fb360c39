//! Parses statements: Graticule's own commands first, everything else is DataFusion's.
//!
//! [`Statement`] wraps DataFusion's closed enum the way DataFusion wraps sqlparser's.

use datafusion::common::{DataFusionError, Result};
use datafusion::sql::parser::{DFParser, DFParserBuilder, Statement as SqlStatement};
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, Value};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::depth::refuse_depth;
use super::granting::parse_granting;
use super::naming::parse_naming;
use super::overviews;
pub(crate) use super::splitting::split;
use super::versions;
use crate::access::Change;
use crate::error::CubeError;
use crate::grids::naming::read_places;
use crate::history::NameKind;
use crate::source::Options;

/// A parsed statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Statement {
    /// Plain SQL.
    Sql(Box<SqlStatement>),
    /// One of our commands.
    Command(Command),
}

/// The commands that plain SQL does not have, or whose stock form tells people too little.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// `ATTACH [DATABASE] [IF NOT EXISTS] 'url' [AS name] [(TYPE s3, option value, …)]`
    Attach {
        url: String,
        name: Option<String>,
        if_not_exists: bool,
        options: Options,
    },
    /// `DETACH [DATABASE] [IF EXISTS] name`
    Detach { name: String, if_exists: bool },
    /// `REFRESH STORE name`: list and open again.
    RefreshStore { name: String },
    /// `REFRESH TABLE name`: open an external table again.
    RefreshTable { name: ObjectName },
    /// `SHOW TABLES [FROM schema] [LIKE 'pattern']`
    ShowTables {
        schema: Option<String>,
        pattern: Option<String>,
    },
    /// `SHOW STORES`, `SHOW SCHEMAS`
    ShowStores,
    /// `DESCRIBE t`, `SHOW COLUMNS FROM t`
    Describe { table: ObjectName },
    /// `ANALYZE [TABLE] t [(variable, …)]`: statistics of the chunks.
    Analyze {
        table: ObjectName,
        /// All variables when there is none.
        variables: Vec<String>,
    },
    /// `VACUUM [store[.table]]`: removes what dead writers and old states left.
    Vacuum {
        schema: Option<String>,
        table: Option<String>,
    },
    /// `ALTER TABLE t CREATE BRANCH 'name' [FROM 'version']`, `CREATE TAG`: gives a state of a cube a name.
    CreateName {
        table: ObjectName,
        kind: NameKind,
        name: String,
        /// The newest state when there is none.
        from: Option<String>,
    },
    /// `ALTER TABLE t DROP BRANCH 'name'`, `DROP TAG`.
    DropName {
        table: ObjectName,
        kind: NameKind,
        name: String,
    },
    /// `[EXPLAIN] CREATE OVERVIEWS ON t [WITH (…)]`
    CreateOverviews {
        table: ObjectName,
        options: Options,
        is_explained: bool,
    },
    /// `DROP OVERVIEWS ON t`
    DropOverviews { table: ObjectName },
    /// `CANCEL JOB number`: stops making a cube.
    CancelJob { number: u64 },
    /// `CANCEL QUERY number`: stops a statement of any session.
    CancelQuery { number: u64 },
    /// `USE schema`
    Use { schema: String },
    /// `GRANT`, `REVOKE`, `CREATE ROLE`, …
    ChangeAccess(Change),
    /// `SHOW GRANTS [FOR name]`
    ShowGrants { of: Option<String> },
    /// `SHOW cube.name`: one of our settings. DataFusion shows its own.
    ShowSetting { name: String },
}

/// How deep expressions may nest.
const RECURSION_LIMIT: usize = 50;

/// Parses exactly one statement.
///
/// # Errors
/// No statement, more than one, or a syntax error with its position.
pub(crate) fn parse(text: &str) -> Result<Statement> {
    let tokens = Tokenizer::new(&GenericDialect {}, text)
        .tokenize_with_location()
        .map_err(|error| syntax_error(error.to_string()))?;
    refuse_depth(&tokens)?;
    let mut parser = DFParserBuilder::new(text)
        .with_recursion_limit(RECURSION_LIMIT)
        .build()?;
    if let Some(tokens) = versions::into_names(&tokens)? {
        let untouched = std::mem::replace(&mut parser.parser, Parser::new(&GenericDialect {}));
        parser.parser = untouched.with_tokens_with_locations(tokens);
    }
    while parser.parser.consume_token(&Token::SemiColon) {}
    if parser.parser.peek_token() == Token::EOF {
        return Err(syntax_error("there is no statement"));
    }
    let statement = match parse_command(&mut parser)? {
        Some(command) => Statement::Command(command),
        None => {
            let mut statement = parser.parse_statement()?;
            versions::name_tables(&mut statement);
            read_places(&mut statement);
            Statement::Sql(Box::new(statement))
        }
    };
    while parser.parser.consume_token(&Token::SemiColon) {}
    match parser.parser.peek_token().token {
        Token::EOF => Ok(statement),
        _ => Err(unexpected(&parser, "the end of the statement")),
    }
}

/// Names fold to lower case unless they are quoted, as everywhere in SQL.
pub(crate) fn fold(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

fn parse_command(parser: &mut DFParser<'_>) -> Result<Option<Command>> {
    let word =
        |parser: &DFParser<'_>, position: usize| match parser.parser.peek_nth_token(position).token
        {
            Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
            _ => String::new(),
        };
    let (first, second) = (word(parser, 0), word(parser, 1));
    match (first.as_str(), second.as_str()) {
        ("ATTACH", _) => {
            parser.parser.next_token();
            parse_attach(parser).map(Some)
        }
        ("DETACH", _) => {
            parser.parser.next_token();
            skip_keyword(parser, &[Keyword::DATABASE]);
            let if_exists = parser
                .parser
                .parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
            let name = parse_name(parser)?;
            Ok(Some(Command::Detach { name, if_exists }))
        }
        ("REFRESH", "STORE" | "SCHEMA") => {
            skip_words(parser, 2);
            let name = parse_name(parser)?;
            Ok(Some(Command::RefreshStore { name }))
        }
        ("REFRESH", "TABLE") => {
            skip_words(parser, 2);
            let name = parser.parser.parse_object_name(false)?;
            Ok(Some(Command::RefreshTable { name }))
        }
        ("SHOW", "TABLES") => {
            skip_words(parser, 2);
            parse_show_tables(parser).map(Some)
        }
        ("SHOW", "STORES" | "SCHEMAS" | "DATABASES") => {
            skip_words(parser, 2);
            Ok(Some(Command::ShowStores))
        }
        ("SHOW", "CUBE") if parser.parser.peek_nth_token(2) == Token::Period => {
            skip_words(parser, 3);
            let name = parse_name(parser)?;
            Ok(Some(Command::ShowSetting { name }))
        }
        ("SHOW", "COLUMNS") => {
            skip_words(parser, 2);
            if parser
                .parser
                .parse_one_of_keywords(&[Keyword::FROM, Keyword::IN])
                .is_none()
            {
                return Err(unexpected(parser, "FROM and a table"));
            }
            let table = parser.parser.parse_object_name(false)?;
            Ok(Some(Command::Describe { table }))
        }
        ("DESCRIBE" | "DESC", _) => {
            skip_words(parser, 1);
            skip_keyword(parser, &[Keyword::TABLE]);
            let table = parser.parser.parse_object_name(false)?;
            Ok(Some(Command::Describe { table }))
        }
        ("ANALYZE", _) => {
            skip_words(parser, 1);
            skip_keyword(parser, &[Keyword::TABLE]);
            parse_analyze(parser).map(Some)
        }
        ("CREATE", "OVERVIEWS") => {
            skip_words(parser, 2);
            overviews::parse_creation(parser, false).map(Some)
        }
        ("EXPLAIN", "CREATE") if word(parser, 2) == "OVERVIEWS" => {
            skip_words(parser, 3);
            overviews::parse_creation(parser, true).map(Some)
        }
        ("DROP", "OVERVIEWS") => {
            skip_words(parser, 2);
            overviews::parse_removal(parser).map(Some)
        }
        ("ALTER", "TABLE") => parse_naming(parser),
        ("CANCEL", "JOB") => {
            skip_words(parser, 2);
            let number = parser.parser.parse_literal_uint()?;
            Ok(Some(Command::CancelJob { number }))
        }
        ("CANCEL", "QUERY") => {
            skip_words(parser, 2);
            let number = parser.parser.parse_literal_uint()?;
            Ok(Some(Command::CancelQuery { number }))
        }
        ("VACUUM", _) => {
            skip_words(parser, 1);
            if matches!(
                parser.parser.peek_token().token,
                Token::EOF | Token::SemiColon
            ) {
                return Ok(Some(Command::Vacuum {
                    schema: None,
                    table: None,
                }));
            }
            let schema = Some(parse_name(parser)?);
            let table = match parser.parser.consume_token(&Token::Period) {
                true => Some(parse_name(parser)?),
                false => None,
            };
            Ok(Some(Command::Vacuum { schema, table }))
        }
        ("USE", _) => {
            skip_words(parser, 1);
            skip_keyword(parser, &[Keyword::SCHEMA, Keyword::DATABASE]);
            let schema = parse_name(parser)?;
            Ok(Some(Command::Use { schema }))
        }
        words => parse_granting(parser, words),
    }
}

fn parse_attach(parser: &mut DFParser<'_>) -> Result<Command> {
    skip_keyword(parser, &[Keyword::DATABASE]);
    let if_not_exists = parser
        .parser
        .parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let Token::SingleQuotedString(url) = parser.parser.peek_token().token else {
        return Err(unexpected(parser, "the URL of a store in single quotes"));
    };
    parser.parser.next_token();
    let name = match parser.parser.parse_keyword(Keyword::AS) {
        true => Some(parse_name(parser)?),
        false => None,
    };
    let options = parse_options(parser)?;
    Ok(Command::Attach {
        url,
        name,
        if_not_exists,
        options,
    })
}

/// Options in parentheses; none where there are no parentheses.
pub(super) fn parse_options(parser: &mut DFParser<'_>) -> Result<Options> {
    let mut options = Options::new();
    if parser.parser.consume_token(&Token::LParen) {
        while !parser.parser.consume_token(&Token::RParen) {
            let (key, value) = parse_option(parser)?;
            if options.insert(key.clone(), value).is_some() {
                return Err(syntax_error(format!("option {key} stands twice")));
            }
            let is_separated = parser.parser.consume_token(&Token::Comma);
            if !is_separated && parser.parser.peek_token() != Token::RParen {
                return Err(unexpected(parser, "a comma or )"));
            }
        }
    }
    Ok(options)
}

fn parse_analyze(parser: &mut DFParser<'_>) -> Result<Command> {
    let table = parser.parser.parse_object_name(false)?;
    let mut variables = Vec::new();
    if parser.parser.consume_token(&Token::LParen) {
        loop {
            variables.push(parse_name(parser)?);
            if parser.parser.consume_token(&Token::RParen) {
                break;
            }
            if !parser.parser.consume_token(&Token::Comma) {
                return Err(unexpected(parser, "a comma or )"));
            }
        }
    }
    Ok(Command::Analyze { table, variables })
}

/// `name value`, `name = value` or `name => value`; the value may be quoted.
fn parse_option(parser: &mut DFParser<'_>) -> Result<(String, String)> {
    let key = match parser.parser.peek_token().token {
        Token::Word(word) => word.value,
        Token::SingleQuotedString(text) => text,
        _ => return Err(unexpected(parser, "the name of an option")),
    };
    parser.parser.next_token();
    let _is_assigned =
        parser.parser.consume_token(&Token::Eq) || parser.parser.consume_token(&Token::RArrow);
    let sign = match parser.parser.consume_token(&Token::Minus) {
        true => "-",
        false => "",
    };
    let value = match parser.parser.peek_token().token {
        Token::Word(word) => word.value,
        Token::SingleQuotedString(text) => text,
        Token::Number(number, _) => format!("{sign}{number}"),
        _ => return Err(unexpected(parser, &format!("a value for option {key}"))),
    };
    parser.parser.next_token();
    Ok((key.to_lowercase(), value))
}

fn parse_show_tables(parser: &mut DFParser<'_>) -> Result<Command> {
    let schema = match parser
        .parser
        .parse_one_of_keywords(&[Keyword::FROM, Keyword::IN])
    {
        Some(_) => Some(parse_name(parser)?),
        None => None,
    };
    let pattern = match parser.parser.parse_keyword(Keyword::LIKE) {
        true => match parser.parser.peek_token().token {
            Token::SingleQuotedString(pattern) => {
                parser.parser.next_token();
                Some(pattern)
            }
            _ => return Err(unexpected(parser, "a pattern in single quotes")),
        },
        false => None,
    };
    Ok(Command::ShowTables { schema, pattern })
}

pub(super) fn parse_name(parser: &mut DFParser<'_>) -> Result<String> {
    Ok(fold(&parser.parser.parse_identifier()?))
}

/// Noise words that may be left out.
fn skip_keyword(parser: &mut DFParser<'_>, keywords: &[Keyword]) {
    let _found = parser.parser.parse_one_of_keywords(keywords);
}

pub(super) fn skip_words(parser: &mut DFParser<'_>, count: usize) {
    for _ in 0..count {
        parser.parser.next_token();
    }
}

pub(super) fn unexpected(parser: &DFParser<'_>, expected: &str) -> DataFusionError {
    let found = parser.parser.peek_token();
    syntax_error(format!(
        "expected {expected}, found {found}{}",
        found.span.start
    ))
}

pub(super) fn syntax_error(cause: impl std::fmt::Display) -> DataFusionError {
    CubeError::invalid("", cause).into()
}

/// The text of an option's value in `OPTIONS (…)`.
pub(crate) fn option_text(value: &Value) -> String {
    match value {
        Value::SingleQuotedString(text)
        | Value::DoubleQuotedString(text)
        | Value::EscapedStringLiteral(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[test]
    fn commands_are_understood() {
        let options = |pairs: &[(&str, &str)]| -> Options {
            pairs
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect()
        };
        let attach = |url: &str, name: Option<&str>, if_not_exists, pairs: &[(&str, &str)]| {
            Command::Attach {
                url: url.to_string(),
                name: name.map(str::to_string),
                if_not_exists,
                options: options(pairs),
            }
        };
        for (text, expected) in [
            (
                "ATTACH 's3://b/p' AS lake (TYPE s3, anon true, endpoint = 'http://h:1', max_depth => 2)",
                attach(
                    "s3://b/p",
                    Some("lake"),
                    false,
                    &[
                        ("type", "s3"),
                        ("anon", "true"),
                        ("endpoint", "http://h:1"),
                        ("max_depth", "2"),
                    ],
                ),
            ),
            (
                "attach database 'data' as D;",
                attach("data", Some("d"), false, &[]),
            ),
            (
                "ATTACH IF NOT EXISTS 'x.zarr'",
                attach("x.zarr", None, true, &[]),
            ),
            (
                "DETACH IF EXISTS \"My Lake\"",
                Command::Detach {
                    name: "My Lake".to_string(),
                    if_exists: true,
                },
            ),
            (
                "REFRESH STORE lake",
                Command::RefreshStore {
                    name: "lake".to_string(),
                },
            ),
            (
                "SHOW TABLES FROM lake LIKE 'a%'",
                Command::ShowTables {
                    schema: Some("lake".to_string()),
                    pattern: Some("a%".to_string()),
                },
            ),
            (
                "ALTER TABLE lake.t CREATE TAG 'V1' FROM 'dev'",
                Command::CreateName {
                    table: ObjectName::from(vec![Ident::new("lake"), Ident::new("t")]),
                    kind: NameKind::Tag,
                    name: "V1".to_string(),
                    from: Some("dev".to_string()),
                },
            ),
            (
                "alter table t drop branch dev",
                Command::DropName {
                    table: ObjectName::from(vec![Ident::new("t")]),
                    kind: NameKind::Branch,
                    name: "dev".to_string(),
                },
            ),
            (
                "USE lake",
                Command::Use {
                    schema: "lake".to_string(),
                },
            ),
        ] {
            match parse(text).unwrap() {
                Statement::Command(command) => assert_eq!(command, expected, "{text}"),
                Statement::Sql(sql) => panic!("{text} became {sql}"),
            }
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (text, expected) in [
            ("", "there is no statement"),
            (
                "ATTACH lake",
                "expected the URL of a store in single quotes, found lake at Line: 1, Column: 8",
            ),
            ("ATTACH 'x' AS y (a 1, a 2)", "option a stands twice"),
            ("SELECT 1 SELECT 2", "Column: 10"),
            (
                "SELECT 1; SELECT 2",
                "expected the end of the statement, found SELECT at Line: 1, Column: 11",
            ),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
