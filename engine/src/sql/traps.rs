//! Clauses that parse but that DataFusion drops without a word: here they are errors.
//!
//! What stands in `FROM` is judged in [`super::relations`].

use std::ops::ControlFlow;

use datafusion::common::Result;
use datafusion::sql::parser::{CopyToSource, Statement as SqlStatement};
use datafusion::sql::sqlparser::ast::{GroupByExpr, Query, Select, Visit, Visitor};

use crate::error::CubeError;

/// Refuses clauses that would be ignored.
///
/// # Errors
/// The clause and, where there is one, another way.
pub(crate) fn refuse_ignored_clauses(statement: &SqlStatement) -> Result<()> {
    let mut traps = Traps;
    let flow = match statement {
        SqlStatement::Statement(statement) => statement.visit(&mut traps),
        SqlStatement::CopyTo(copy) => match &copy.source {
            CopyToSource::Query(query) => query.visit(&mut traps),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        SqlStatement::Explain(explain) => return refuse_ignored_clauses(&explain.statement),
        SqlStatement::CreateExternalTable(_) | SqlStatement::Reset(_) => ControlFlow::Continue(()),
    };
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error.into()),
    }
}

struct Traps;

impl Visitor for Traps {
    type Break = CubeError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<CubeError> {
        refuse(
            !query.locks.is_empty(),
            "FOR UPDATE or FOR SHARE",
            "leave it out: nothing is ever locked",
        )?;
        refuse(
            query.for_clause.is_some(),
            "FOR XML, JSON or BROWSE",
            "leave it out",
        )?;
        refuse(
            query.settings.is_some(),
            "SETTINGS",
            "say SET name = value before the query",
        )?;
        refuse(
            query.format_clause.is_some(),
            "FORMAT",
            "choose the format where you run the query, or say COPY (…) TO 'file'",
        )
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<CubeError> {
        refuse(select.prewhere.is_some(), "PREWHERE", "say WHERE")?;
        refuse(
            !select.connect_by.is_empty(),
            "CONNECT BY",
            "say WITH RECURSIVE",
        )?;
        refuse(
            select.value_table_mode.is_some(),
            "AS STRUCT or AS VALUE",
            "say struct(…)",
        )?;
        refuse(
            select.select_modifiers.is_some(),
            "a modifier of SELECT",
            "leave it out",
        )?;
        let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) =
            &select.group_by;
        refuse(
            !modifiers.is_empty(),
            "GROUP BY … WITH ROLLUP, CUBE or TOTALS",
            "say GROUP BY ROLLUP (…) or GROUP BY CUBE (…)",
        )
    }
}

fn refuse(is_there: bool, clause: &str, remedy: &str) -> ControlFlow<CubeError> {
    match is_there {
        true => ControlFlow::Break(ignored(clause).remedy(remedy)),
        false => ControlFlow::Continue(()),
    }
}

/// The error for a clause that nothing would come of.
pub(super) fn ignored(clause: &str) -> CubeError {
    CubeError::unsupported("", format!("{clause} is not supported"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::sql::parser::DFParser;

    use super::*;

    #[test]
    fn clauses_that_would_be_dropped_are_refused() {
        for (sql, clause) in [
            ("SELECT a FROM t FOR UPDATE", Some("FOR UPDATE")),
            ("SELECT a FROM t SETTINGS max_threads = 1", Some("SETTINGS")),
            ("SELECT a FROM t FORMAT CSV", Some("FORMAT")),
            ("SELECT a FROM t PREWHERE b > 1", Some("PREWHERE")),
            ("SELECT a FROM t GROUP BY a WITH ROLLUP", Some("ROLLUP")),
            (
                "SELECT * FROM (SELECT a FROM t FOR SHARE) s",
                Some("FOR UPDATE"),
            ),
            ("EXPLAIN SELECT a FROM t FOR UPDATE", Some("FOR UPDATE")),
            (
                "COPY (SELECT a FROM t FOR UPDATE) TO 'x.csv'",
                Some("FOR UPDATE"),
            ),
            ("SELECT a FROM t GROUP BY ROLLUP (a)", None),
            ("SELECT a FROM t ORDER BY a LIMIT 1 OFFSET 2", None),
        ] {
            let statement = DFParser::parse_sql(sql).unwrap().pop_front().unwrap();
            let refused = refuse_ignored_clauses(&statement).err();
            match clause {
                Some(clause) => assert!(refused.unwrap().to_string().contains(clause), "{sql}"),
                None => assert!(refused.is_none(), "{sql}"),
            }
        }
    }
}
