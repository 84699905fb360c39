//! `ALTER TABLE t CREATE BRANCH`, `CREATE TAG`, `DROP BRANCH`, `DROP TAG`: names of a cube's versions.
//!
//! ```text
//!  ALTER TABLE lake.t CREATE TAG 'v1'                 the newest version
//!  ALTER TABLE lake.t CREATE BRANCH 'dev' FROM 'v1'   the version that a branch or tag leads to, or an id
//!  INSERT INTO lake.t FOR VERSION AS OF 'dev' …       writes to the branch
//! ```

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::sql::parser::DFParser;
use datafusion::sql::sqlparser::ast::ObjectName;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::changing::{Stored, stored};
use super::parser::{Command, skip_words, unexpected};
use crate::access::Action;
use crate::catalog::opener::keeps_no_versions;
use crate::error::CubeError;
use crate::history::{AsOf, NameKind};
use crate::runtime::{io_handle, run_on};
use crate::session::Session;
use crate::source::{CubeFormat, Location};

/// `ALTER TABLE t CREATE|DROP BRANCH|TAG 'name' [FROM 'version']`; `None` for any other `ALTER TABLE`.
pub(super) fn parse_naming(parser: &mut DFParser<'_>) -> Result<Option<Command>> {
    let token = |at: usize| parser.parser.peek_nth_token(at).token;
    let mut last = 2;
    while token(last + 1) == Token::Period {
        last += 2;
    }
    let word = |at: usize| match token(at) {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
        _ => String::new(),
    };
    let kind = match word(last + 2).as_str() {
        "BRANCH" => NameKind::Branch,
        "TAG" => NameKind::Tag,
        _ => return Ok(None),
    };
    let creates = match word(last + 1).as_str() {
        "CREATE" => true,
        "DROP" => false,
        _ => return Ok(None),
    };
    skip_words(parser, 2);
    let table = parser.parser.parse_object_name(false)?;
    skip_words(parser, 2);
    let name = parse_version(parser, &format!("the name of a {kind}"))?;
    if !creates {
        return Ok(Some(Command::DropName { table, kind, name }));
    }
    let from = match parser.parser.parse_keyword(Keyword::FROM) {
        true => Some(parse_version(parser, "a branch, a tag or a version")?),
        false => None,
    };
    Ok(Some(Command::CreateName {
        table,
        kind,
        name,
        from,
    }))
}

/// A name with or without quotes: of branches, tags and versions, whose case matters.
fn parse_version(parser: &mut DFParser<'_>, expected: &str) -> Result<String> {
    match parser.parser.peek_token().token {
        Token::SingleQuotedString(name) => {
            parser.parser.next_token();
            Ok(name)
        }
        Token::Word(word) => {
            parser.parser.next_token();
            Ok(word.value)
        }
        _ => Err(unexpected(parser, expected)),
    }
}

/// Gives a version of a cube a name.
///
/// # Errors
/// The name is taken, there is no such cube or version, or the format keeps no versions.
pub(super) async fn create_name(
    session: &Session,
    table: &ObjectName,
    kind: NameKind,
    name: String,
    from: Option<String>,
) -> Result<()> {
    let (format, mut location) = cube(session, table).await?;
    if let Some(from) = from {
        location.as_of = Some(AsOf::Version(from));
    }
    let io = io_handle(session.context.state().config());
    let created = run_on(&io, async move {
        match format.history() {
            Some(history) => history.create_name(&location, kind, &name).await,
            None => Err(keeps_no_versions(&location.url, format.name())),
        }
    });
    Ok(created.await?)
}

/// Takes a name away.
///
/// # Errors
/// There is no such cube or name, it has to stay, or the format keeps no versions.
pub(super) async fn drop_name(
    session: &Session,
    table: &ObjectName,
    kind: NameKind,
    name: String,
) -> Result<()> {
    let (format, location) = cube(session, table).await?;
    let io = io_handle(session.context.state().config());
    let dropped = run_on(&io, async move {
        match format.history() {
            Some(history) => history.drop_name(&location, kind, &name).await,
            None => Err(keeps_no_versions(&location.url, format.name())),
        }
    });
    Ok(dropped.await?)
}

/// The cube of a store that a statement names. Tables of it are found anew afterwards.
async fn cube(session: &Session, table: &ObjectName) -> Result<(Arc<dyn CubeFormat>, Location)> {
    let Some(Stored {
        schema,
        sink,
        location,
        ..
    }) = stored(session, table, Action::Change).await?
    else {
        return Err(
            CubeError::not_found("", format!("{table} is no cube of a store")).remedy(
                "names are given to versions of a cube by its name in a store: ATTACH the folder it lies in",
            )
            .into(),
        );
    };
    session.catalog.store(&schema)?.refresh();
    let format = session.engine.opener.format_named(sink.name());
    let format = format.ok_or_else(|| keeps_no_versions(&location.url, sink.name()))?;
    Ok((format, location))
}
