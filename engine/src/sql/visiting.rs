//! Walks over everything in a statement that a query can stand in: [`visit`].

use std::ops::ControlFlow;

use datafusion::sql::parser::{CopyToSource, Statement as SqlStatement};
use datafusion::sql::sqlparser::ast::{VisitMut, VisitorMut};

/// Shows the queries, tables and expressions of a statement to `visitor`, which may change them.
pub(crate) fn visit(statement: &mut SqlStatement, visitor: &mut impl VisitorMut<Break = ()>) {
    let _done: ControlFlow<()> = match statement {
        SqlStatement::Statement(statement) => VisitMut::visit(statement, visitor),
        SqlStatement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => VisitMut::visit(query, visitor),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        SqlStatement::Explain(explain) => {
            visit(&mut explain.statement, visitor);
            ControlFlow::Continue(())
        }
        SqlStatement::CreateExternalTable(_) | SqlStatement::Reset(_) => ControlFlow::Continue(()),
    };
}
