//! Addresses of web servers in statements. Their query strings are signatures: they reach the server,
//! but no name, plan, message or file.
//!
//! ```text
//!  FROM 'https://h/x.nc?sig=…' ── take_queries ──▶ FROM 'https://h/x.nc'    the name in plans and errors
//!                                      └─────────▶ Signed, while planning ──▶ whole_address: what is opened
//! ```

use std::collections::BTreeMap;
use std::future::Future;
use std::ops::ControlFlow;

use datafusion::common::DataFusionError;
use datafusion::sql::parser::{CopyToSource, Statement as SqlStatement};
use datafusion::sql::sqlparser::ast::{ObjectName, ObjectNamePart, visit_relations_mut};

use crate::error::{CubeError, CubeResult};

/// Whole addresses by their names without query strings.
pub(crate) type Signed = BTreeMap<String, String>;

tokio::task_local! {
    /// The addresses of the statement that is being planned.
    static SIGNED: Signed;
}

/// An address of a web server without its query string; everything else as it is, because in a path
/// `?` stands for any character.
pub(crate) fn without_query(url: &str) -> &str {
    let is_web = ["http://", "https://"].iter().any(|scheme| {
        url.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    match url.split_once('?') {
        Some((address, _)) if is_web => address,
        _ => url,
    }
}

/// Takes the query strings out of the tables that a statement names.
///
/// # Errors
/// One address stands there with two query strings.
pub(crate) fn take_queries(statement: &mut SqlStatement) -> CubeResult<Signed> {
    let mut signed = Signed::new();
    let mut take = |name: &mut ObjectName| match take_query(name, &mut signed) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    };
    let mut inner = statement;
    while let SqlStatement::Explain(explain) = inner {
        inner = &mut explain.statement;
    }
    let flow = match inner {
        SqlStatement::Statement(statement) => visit_relations_mut(statement.as_mut(), &mut take),
        SqlStatement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => visit_relations_mut(query.as_mut(), &mut take),
            CopyToSource::Relation(name) => take(name),
        },
        _ => ControlFlow::Continue(()),
    };
    match flow {
        ControlFlow::Continue(()) => Ok(signed),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Takes the query string out of one table's name.
///
/// # Errors
/// The address is known with another query string.
pub(crate) fn take_query(name: &mut ObjectName, signed: &mut Signed) -> CubeResult<()> {
    let [ObjectNamePart::Identifier(part)] = name.0.as_mut_slice() else {
        return Ok(());
    };
    let address = without_query(&part.value).to_string();
    let whole = std::mem::replace(&mut part.value, address.clone());
    if whole == address {
        return Ok(());
    }
    match signed.insert(address.clone(), whole.clone()) {
        Some(other) if other != whole => Err(CubeError::unsupported(
            address,
            "the address stands there with two query strings",
        )
        .remedy("use one of them for both")),
        _ => Ok(()),
    }
}

/// Runs what plans a statement so that [`whole_address`] knows its addresses.
pub(crate) async fn with_signed<F: Future>(signed: Signed, planning: F) -> F::Output {
    SIGNED.scope(signed, planning).await
}

/// The address that a table's name stands for.
pub(crate) fn whole_address(name: &str) -> String {
    SIGNED
        .try_with(|signed| signed.get(name).cloned())
        .ok()
        .flatten()
        .unwrap_or_else(|| name.to_string())
}

/// The error without the query strings of the statement that caused it: a parser repeats what it
/// does not understand.
pub(crate) fn without_queries(error: DataFusionError, statement: &str) -> DataFusionError {
    let queries: Vec<&str> = statement
        .split(|c: char| c == '\'' || c == '"' || c.is_whitespace())
        .filter_map(|word| word.strip_prefix(without_query(word)))
        .filter(|query| !query.is_empty())
        .collect();
    let text = error.to_string();
    match queries.iter().any(|query| text.contains(query)) {
        true => CubeError::invalid(
            "",
            queries
                .iter()
                .fold(text, |text, query| text.replace(query, "")),
        )
        .into(),
        false => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_servers_have_query_strings() {
        for (url, expected) in [
            ("https://h/x.nc?sig=a", "https://h/x.nc"),
            ("HTTP://h/x.zarr/?a/b", "HTTP://h/x.zarr/"),
            ("https://h/x.nc", "https://h/x.nc"),
            ("data/2017?.nc", "data/2017?.nc"),
            ("s3://b/2017?.nc", "s3://b/2017?.nc"),
        ] {
            assert_eq!(without_query(url), expected);
        }
    }
}
