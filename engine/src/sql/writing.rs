//! The statements that write cubes, told from all others: [`Writing`].

use datafusion::common::Result;
use datafusion::sql::parser::Statement as SqlStatement;
use datafusion::sql::sqlparser::ast::{AlterTable, Delete, Insert, Statement as AstStatement};

use super::altering::alter;
use super::changing::{delete, insert};
use super::creating::Creation;
use super::planned::Planned;
use crate::session::Session;

/// A statement that writes a cube.
#[derive(Debug)]
pub(super) enum Writing {
    /// `CREATE TABLE … AS`, `COPY … TO`.
    Create(Creation),
    /// `INSERT INTO`.
    Insert(Insert),
    /// `DELETE FROM`.
    Delete(Delete),
    /// `ALTER TABLE`.
    Alter(AlterTable),
}

impl Writing {
    /// The statement, if it is one of these.
    ///
    /// # Errors
    /// Clauses that nothing would come of.
    pub(super) fn of(statement: &SqlStatement, session: &Session) -> Result<Option<Self>> {
        if let Some(creation) = Creation::of(statement, session)? {
            return Ok(Some(Self::Create(creation)));
        }
        let SqlStatement::Statement(statement) = statement else {
            return Ok(None);
        };
        Ok(match statement.as_ref() {
            AstStatement::Insert(rows) => Some(Self::Insert(rows.clone())),
            AstStatement::Delete(rows) => Some(Self::Delete(rows.clone())),
            AstStatement::AlterTable(table) => Some(Self::Alter(table.clone())),
            _ => None,
        })
    }

    /// Plans it. `None` when there is nothing to do.
    ///
    /// # Errors
    /// Whatever can be wrong with it: nothing has been written yet.
    pub(super) async fn plan(self, session: &Session, text: &str) -> Result<Option<Planned>> {
        match self {
            Self::Create(creation) => creation.plan(session, text).await,
            Self::Insert(rows) => insert(session, &rows, text).await.map(Some),
            Self::Delete(rows) => delete(session, &rows, text).await.map(Some),
            Self::Alter(table) => alter(session, &table, text).await.map(Some),
        }
    }
}
