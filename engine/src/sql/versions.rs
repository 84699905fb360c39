//! `FOR VERSION AS OF` and its relatives: a state of a cube as a table of its own.
//!
//! ```text
//!  FROM lake.t FOR VERSION AS OF 'v1' ──▶ FROM lake."t FOR VERSION AS OF 'v1'" AS t
//!                                              └ a name like any other, that the catalogue takes apart
//! ```
//! The parser knows no versions where we need them (`INSERT INTO t FOR VERSION AS OF …`) and planning asks
//! the catalogue for names alone. So the tokens of the clause become part of the name before they are parsed.

use std::ops::ControlFlow;

use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use datafusion::common::Result;
use datafusion::sql::parser::Statement as SqlStatement;
use datafusion::sql::sqlparser::ast::{Ident, ObjectNamePart, TableAlias, TableFactor, VisitorMut};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::names::quoted;
use super::parser::fold;
use super::visiting::visit;
use crate::error::{CubeError, CubeResult};
use crate::history::AsOf;

/// What stands between a table's name and the version, and after it.
const OF_VERSION: &str = " FOR VERSION AS OF '";
const OF_TIME: &str = " FOR TIMESTAMP AS OF '";
const END: &str = "'";

/// The name of a table, and the clause that names a version of it.
pub(crate) fn parts(name: &str) -> Option<(&str, &str)> {
    let begin = name.find(OF_VERSION).or_else(|| name.find(OF_TIME))?;
    name.ends_with(END).then(|| name.split_at(begin))
}

/// The name of a table with that of a version taken off.
///
/// # Errors
/// The version is a time that cannot be read.
pub(crate) fn split(name: &str) -> CubeResult<(&str, Option<AsOf>)> {
    let part = |marker| {
        let (table, version) = name.split_once(marker)?;
        Some((table, version.strip_suffix(END)?))
    };
    if let Some((table, version)) = part(OF_VERSION) {
        return Ok((table, Some(AsOf::Version(version.to_string()))));
    }
    let Some((table, time)) = part(OF_TIME) else {
        return Ok((name, None));
    };
    let nanos = string_to_timestamp_nanos(time).map_err(|error| {
        CubeError::invalid(
            "",
            format!("FOR TIMESTAMP AS OF '{time}' is no time: {error}"),
        )
        .remedy("write it as '2026-11-30T12:00:00'; without a zone it is UTC")
    })?;
    Ok((table, Some(AsOf::Time(nanos.div_euclid(1000)))))
}

/// Refuses a version where there is none to choose.
///
/// # Errors
/// The name is that of a version.
pub(super) fn refuse(name: &str, statement: &str, remedy: &str) -> CubeResult<()> {
    match split(name)? {
        (_, None) => Ok(()),
        (table, Some(_)) => Err(CubeError::unsupported(
            "",
            format!(
                "{statement} takes the table {}, not a version of it",
                quoted(table)
            ),
        )
        .remedy(remedy)),
    }
}

/// Puts each clause into the name of the table before it. `None` when there is no clause.
///
/// # Errors
/// Something else than a text in single quotes stands after `AS OF`.
pub(super) fn into_names(tokens: &[TokenWithSpan]) -> Result<Option<Vec<TokenWithSpan>>> {
    let is_first = |at: usize| is_word(&tokens[at].token, "FOR");
    if !(0..tokens.len()).any(is_first) {
        return Ok(None);
    }
    let mut written: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut changed = false;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let found = clause(tokens, at)?;
        let table = found.and_then(|found| Some((found, last_name(&mut written)?)));
        match table {
            Some((found, table)) => {
                named_as_of(table, &found);
                at = found.end;
                changed = true;
            }
            None => {
                written.push(token.clone());
                at += 1;
            }
        }
    }
    Ok(changed.then_some(written))
}

/// A clause among the tokens.
#[derive(Debug, Clone)]
struct Clause {
    marker: &'static str,
    version: String,
    /// The token after it.
    end: usize,
}

/// The clause that begins with the token `at`, if one does.
fn clause(tokens: &[TokenWithSpan], at: usize) -> Result<Option<Clause>> {
    let mut rest = tokens
        .iter()
        .enumerate()
        .skip(at)
        .filter(|(_, token)| !matches!(token.token, Token::Whitespace(_)));
    let mut next = || rest.next().map(|(at, token)| (at, &token.token));
    let mut next_is = |word: &str| next().is_some_and(|(_, token)| is_word(token, word));
    if !next_is("FOR") {
        return Ok(None);
    }
    let marker = match next() {
        Some((_, token)) if is_word(token, "VERSION") => OF_VERSION,
        Some((_, token)) if is_word(token, "TIMESTAMP") || is_word(token, "SYSTEM_TIME") => OF_TIME,
        _ => return Ok(None),
    };
    let mut next_is = |word: &str| next().is_some_and(|(_, token)| is_word(token, word));
    if !next_is("AS") || !next_is("OF") {
        return Ok(None);
    }
    let mut value = next();
    if marker == OF_TIME && value.is_some_and(|(_, token)| is_word(token, "TIMESTAMP")) {
        value = next();
    }
    match value {
        Some((last, Token::SingleQuotedString(version))) => Ok(Some(Clause {
            marker,
            version: version.clone(),
            end: last + 1,
        })),
        _ => Err(
            CubeError::invalid("", "after AS OF a text in single quotes is expected")
                .remedy(
                    "write FOR VERSION AS OF 'a branch, a tag or a version', \
                     or FOR TIMESTAMP AS OF '2026-11-30T12:00:00'",
                )
                .into(),
        ),
    }
}

fn is_word(token: &Token, expected: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none()
        && word.value.eq_ignore_ascii_case(expected))
}

/// The last token that is no whitespace, if it can be the name of a table; what follows it is dropped.
fn last_name(written: &mut Vec<TokenWithSpan>) -> Option<&mut Token> {
    let is_blank = |token: &TokenWithSpan| matches!(token.token, Token::Whitespace(_));
    let last = written.iter().rposition(|token| !is_blank(token))?;
    let is_name = matches!(
        written[last].token,
        Token::Word(_) | Token::SingleQuotedString(_)
    );
    if !is_name {
        return None;
    }
    written.truncate(last + 1);
    written.last_mut().map(|token| &mut token.token)
}

fn named_as_of(table: &mut Token, clause: &Clause) {
    let suffix = [clause.marker, &clause.version, END].concat();
    match table {
        Token::SingleQuotedString(name) => name.push_str(&suffix),
        Token::Word(word) => {
            let name = fold(&Ident {
                value: word.value.clone(),
                quote_style: word.quote_style,
                span: datafusion::sql::sqlparser::tokenizer::Span::empty(),
            });
            *word = Word {
                value: name + &suffix,
                quote_style: Some('"'),
                keyword: Keyword::NoKeyword,
            };
        }
        _ => {}
    }
}

/// Tables at a version are called as they are called without it, so that `t.a` finds its table.
pub(super) fn name_tables(statement: &mut SqlStatement) {
    visit(statement, &mut TableNames);
}

struct TableNames;

impl VisitorMut for TableNames {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name,
            alias: alias @ None,
            ..
        } = table
            && let Some(ObjectNamePart::Identifier(last)) = name.0.last()
            && let Ok((plain, Some(_))) = split(&last.value)
        {
            *alias = Some(TableAlias {
                explicit: true,
                name: Ident::with_quote('"', plain),
                columns: Vec::new(),
                at: None,
            });
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::super::parser::{Statement, parse};
    use super::*;

    #[test]
    fn clauses_become_part_of_names() {
        for (sql, expected) in [
            (
                "SELECT t.a FROM lake.T for version as of 'v1' WHERE a > 1",
                "SELECT t.a FROM lake.\"t FOR VERSION AS OF 'v1'\" AS \"t\" WHERE a > 1",
            ),
            (
                "SELECT * FROM \"A b\" FOR TIMESTAMP AS OF TIMESTAMP '2020-01-01' AS x",
                "SELECT * FROM \"A b FOR TIMESTAMP AS OF '2020-01-01'\" AS x",
            ),
            (
                "SELECT * FROM a FOR SYSTEM_TIME AS OF '2020-01-01' JOIN b FOR VERSION AS OF 'x' USING (c)",
                "SELECT * FROM \"a FOR TIMESTAMP AS OF '2020-01-01'\" AS \"a\" \
                 JOIN \"b FOR VERSION AS OF 'x'\" AS \"b\" USING(c)",
            ),
            (
                "INSERT INTO a FOR VERSION AS OF 'dev' SELECT * FROM b",
                "INSERT INTO \"a FOR VERSION AS OF 'dev'\" SELECT * FROM b",
            ),
            (
                "SELECT substring(a FROM 1 FOR 2) FROM 'x.zarr'",
                "SELECT SUBSTRING(a FROM 1 FOR 2) FROM 'x.zarr'",
            ),
        ] {
            match parse(sql).unwrap() {
                Statement::Sql(found) => assert_eq!(found.to_string(), expected),
                Statement::Command(command) => panic!("{sql} became {command:?}"),
            }
        }
        let error = parse("SELECT * FROM a FOR VERSION AS OF 3").unwrap_err();
        assert!(error.to_string().contains("single quotes"), "{error}");
    }

    #[test]
    fn names_are_taken_apart() {
        let version = |name: &str| Some(AsOf::Version(name.to_string()));
        for (name, expected) in [
            ("t", ("t", None)),
            ("t/g FOR VERSION AS OF 'v1'", ("t/g", version("v1"))),
            (
                "t FOR TIMESTAMP AS OF '1970-01-01T00:00:01Z'",
                ("t", Some(AsOf::Time(1_000_000))),
            ),
        ] {
            assert_eq!(split(name).unwrap(), expected);
        }
        assert!(split("t FOR TIMESTAMP AS OF 'yesterday'").is_err());
        assert!(refuse("t FOR VERSION AS OF 'v1'", "DROP TABLE", "").is_err());
    }
}
