//! Rows that a client sends become rows of a cube: `INSERT INTO` whose rows are no query.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::sql::sqlparser::ast::ObjectName;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::changing::{before, change_of};
use super::parser::syntax_error;
use super::suggestions::nearest;
use crate::access::Action;
use crate::cube::Cube;
use crate::engine::Query;
use crate::error::{CubeError, CubeResult};
use crate::received::Received;
use crate::session::Session;
use crate::write::amend::{Change, OnConflict};

/// See [`Session::insertable`].
///
/// # Errors
/// As there.
pub(crate) async fn insertable(
    session: &Session,
    table: &str,
    columns: &[String],
) -> Result<SchemaRef> {
    let found = before(session, &name_of(table)?, Action::Insert).await?;
    Ok(chosen(&found.before.cube, columns)?)
}

/// See [`Session::insert`].
///
/// # Errors
/// As there.
pub(crate) async fn insert(
    session: &Session,
    statement: &str,
    table: &str,
    rows: Received,
) -> Result<Query> {
    let found = before(session, &name_of(table)?, Action::Insert).await?;
    let change = Change::Insert {
        query: rows.query()?,
        on_conflict: OnConflict::Error,
    };
    let planned = change_of(session, found, change, statement).await?;
    Ok(planned.start(session))
}

fn name_of(table: &str) -> Result<ObjectName> {
    let parser = Parser::new(&GenericDialect {}).try_with_sql(table);
    let name = parser.and_then(|mut parser| parser.parse_object_name(false));
    name.map_err(syntax_error)
}

/// The columns of `cube` of these names, or all where there is none.
fn chosen(cube: &Cube, names: &[String]) -> CubeResult<SchemaRef> {
    let fields = cube.schema.fields();
    if names.is_empty() {
        return Ok(Arc::clone(&cube.schema));
    }
    let mut chosen = Vec::with_capacity(names.len());
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            let cause = format!("the column {name} is named twice");
            return Err(CubeError::invalid("", cause).remedy("name it once"));
        }
        let found = fields.iter().find(|field| field.name() == name);
        let found = found.ok_or_else(|| {
            let error = CubeError::not_found("", format!("there is no column {name}"));
            let known = fields.iter().map(|field| field.name().as_str());
            match nearest(name, known).first() {
                Some(near) => error.remedy(format!("did you mean {near}?")),
                None => error,
            }
        })?;
        chosen.push(Arc::clone(found));
    }
    for axis in &cube.axes {
        let name = axis.field.name();
        if !names.contains(name) {
            let cause = format!("the column {name} is missing, which says where a cell lies");
            return Err(CubeError::invalid("", cause).remedy("name all dimensions of the cube"));
        }
    }
    Ok(Arc::new(Schema::new(chosen)))
}
