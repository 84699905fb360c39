//! Roles, users and privileges in SQL, see [`crate::access`].
//!
//! ```text
//!  CREATE ROLE analyst                           DROP ROLE [IF EXISTS] analyst
//!  CREATE USER ada [WITH PASSWORD 'SCRAM-…']     ALTER USER ada PASSWORD '…'     DROP USER [IF EXISTS] ada
//!  GRANT SELECT ON lake.ocean TO analyst         REVOKE SELECT ON lake.ocean FROM analyst
//!  GRANT analyst, FILES TO ada, bob              REVOKE analyst, FILES FROM ada, bob
//!  SHOW GRANTS [FOR analyst]
//! ```
//! A word that begins a privilege is one, and a name in quotes is a role: `GRANT "admin" TO ada`.

use datafusion::common::Result;
use datafusion::sql::parser::DFParser;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::parser::{Command, parse_name, skip_words};
use crate::access::{Change, Given, Grant, Holder, PasswordVerifier};
use crate::error::{CubeError, CubeResult};
use crate::session::Session;

/// One of our statements about roles and users, by its first two words; `None` for any other.
pub(super) fn parse_granting(
    parser: &mut DFParser<'_>,
    words: (&str, &str),
) -> Result<Option<Command>> {
    let change = match words {
        ("CREATE", "ROLE") => {
            skip_words(parser, 2);
            let name = parse_name(parser)?;
            Change::CreateRole { name }
        }
        ("CREATE", "USER") => {
            skip_words(parser, 2);
            let name = parse_name(parser)?;
            let has_more = !matches!(
                parser.parser.peek_token_ref().token,
                Token::EOF | Token::SemiColon
            );
            let verifier = has_more.then(|| parse_password(parser)).transpose()?;
            Change::CreateUser { name, verifier }
        }
        ("ALTER", "USER") => {
            skip_words(parser, 2);
            let name = parse_name(parser)?;
            let verifier = parse_password(parser)?;
            Change::AlterUser { name, verifier }
        }
        ("ALTER", "ROLE") => {
            let error = CubeError::unsupported("", "there is nothing of a role to alter");
            return Err(error.remedy("GRANT and REVOKE change what it has").into());
        }
        ("DROP", kind @ ("ROLE" | "USER")) => {
            skip_words(parser, 2);
            let if_exists = parser
                .parser
                .parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
            let name = parse_name(parser)?;
            let holder = match kind {
                "ROLE" => Holder::Role(name),
                _ => Holder::User(name),
            };
            Change::Drop { holder, if_exists }
        }
        ("GRANT", _) => {
            skip_words(parser, 1);
            let given = parse_list(parser, |parser| parse_given(parser, Keyword::TO))?;
            parser.parser.expect_keyword(Keyword::TO)?;
            let to = parse_list(parser, parse_name)?;
            Change::Grant { given, to }
        }
        ("REVOKE", _) => {
            skip_words(parser, 1);
            let given = parse_list(parser, |parser| parse_given(parser, Keyword::FROM))?;
            parser.parser.expect_keyword(Keyword::FROM)?;
            let from = parse_list(parser, parse_name)?;
            Change::Revoke { given, from }
        }
        ("SHOW", "GRANTS") => {
            skip_words(parser, 2);
            let of = match parser.parser.parse_keyword(Keyword::FOR) {
                true => Some(parse_name(parser)?),
                false => None,
            };
            return Ok(Some(Command::ShowGrants { of }));
        }
        _ => return Ok(None),
    };
    Ok(Some(Command::ChangeAccess(change)))
}

/// One or more, with commas between.
fn parse_list<T>(
    parser: &mut DFParser<'_>,
    parse: fn(&mut DFParser<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut list = vec![parse(parser)?];
    while parser.parser.consume_token(&Token::Comma) {
        list.push(parse(parser)?);
    }
    Ok(list)
}

/// A privilege or a role, before a comma or `end`.
fn parse_given(parser: &mut DFParser<'_>, end: Keyword) -> Result<Given> {
    let is_privilege = matches!(&parser.parser.peek_token_ref().token, Token::Word(word)
        if word.quote_style.is_none() && Grant::begins_with(&word.value));
    match is_privilege {
        true => Ok(Given::Privilege(Grant::take(&mut parser.parser, end)?)),
        false => Ok(Given::Role(parse_name(parser)?)),
    }
}

/// `[WITH] PASSWORD 'verifier'`. No error shows what stands there.
fn parse_password(parser: &mut DFParser<'_>) -> Result<PasswordVerifier> {
    let _noise = parser.parser.parse_keyword(Keyword::WITH);
    if !parser.parser.parse_keyword(Keyword::PASSWORD) {
        let error = CubeError::invalid("", "PASSWORD stands behind the name of the user");
        return Err(error.remedy("write PASSWORD 'SCRAM-SHA-256$…'").into());
    }
    match parser.parser.next_token().token {
        Token::SingleQuotedString(text) => Ok(PasswordVerifier::parse(&text)?),
        _ => Ok(PasswordVerifier::parse("")?),
    }
}

/// Does what an administrator says of roles and users.
pub(super) fn change(session: &Session, change: Change) -> Result<()> {
    let whole = session.catalog.administered("to change roles and users")?;
    whole.directory.change(change)
}

/// The query that `SHOW GRANTS` is.
///
/// # Errors
/// There is nobody of this name, or nobody of whom the user may know.
pub(super) fn listing(session: &Session, of: Option<&str>) -> CubeResult<String> {
    let condition = match of {
        Some(name) => {
            let holder = session.catalog.holder(name)?;
            let name = holder.name().replace('\'', "''");
            format!("WHERE grantee = '{name}' AND kind = '{}'", holder.kind())
        }
        None => String::new(),
    };
    Ok(format!("SELECT * FROM cube.grants {condition}"))
}
