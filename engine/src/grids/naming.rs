//! Calls of grid functions become names of tables: [`into_names`].
//!
//! ```text
//!  WITH a AS (SELECT …) SELECT * FROM reproject(a, crs => 'EPSG:3035') r
//!                   ▼
//!  WITH a AS (SELECT …) SELECT * FROM grid_functions."reproject((WITH a AS (SELECT …) SELECT * FROM a), crs => 'EPSG:3035')" r
//! ```
//! Planning asks the catalogue for names alone, and waits only there; so all of a call must be in its name. Calls within
//! calls are part of the name of the outer one.

use std::fmt;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as SqlStatement;
use datafusion::sql::sqlparser::ast::{
    Cte, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Query, SetExpr,
    TableAlias, TableFactor, Value, Visit, Visitor, VisitorMut,
};

use super::functions::{GridFunction, function};
use super::schema::GRID_SCHEMA;
use crate::sql::parser::fold;
use crate::sql::visiting::visit;

/// Puts a name into the place of each call.
pub(crate) fn into_names(statement: &mut SqlStatement) {
    visit(statement, &mut Calls::default());
}

/// Files and addresses that calls name, `reproject('x.zarr', …)`, become queries of them: so they stand where tables stand,
/// and whoever looks for those finds them.
pub(crate) fn read_places(statement: &mut SqlStatement) {
    visit(statement, &mut Places);
}

struct Places;

impl VisitorMut for Places {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        let Some(function) = called(table) else {
            return ControlFlow::Continue(());
        };
        for (position, argument) in arguments(table).iter_mut().enumerate() {
            let name = match argument {
                FunctionArg::Unnamed(_) if position == 0 || function.takes_many() => None,
                FunctionArg::Unnamed(_) => function.second().map(str::to_string),
                FunctionArg::Named { name, .. } => Some(fold(name)),
                _ => continue,
            };
            let is_relation = match &name {
                None => position == 0 || function.takes_many(),
                Some(name) => function.relations().contains(&name.as_str()),
            };
            let Some(expression) = value_of(argument).filter(|_| is_relation) else {
                continue;
            };
            let query = match &*expression {
                Expr::Value(value) => match &value.value {
                    Value::SingleQuotedString(place) => {
                        query_of(&Ident::with_quote('"', place.clone()))
                    }
                    _ => None,
                },
                // A call in a call is a table, too.
                Expr::Function(_) => query_of(expression),
                _ => None,
            };
            if let Some(query) = query {
                *expression = Expr::Subquery(Box::new(query));
            }
        }
        ControlFlow::Continue(())
    }
}

/// The arguments of a call.
fn arguments(table: &mut TableFactor) -> &mut [FunctionArg] {
    match table {
        TableFactor::Table {
            args: Some(arguments),
            ..
        } => &mut arguments.args,
        TableFactor::Function { args, .. } => args,
        _ => &mut [],
    }
}

/// What an argument is.
fn value_of(argument: &mut FunctionArg) -> Option<&mut Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression))
        | FunctionArg::Named {
            arg: FunctionArgExpr::Expr(expression),
            ..
        } => Some(expression),
        _ => None,
    }
}

/// The calls of a statement, and what is around them.
#[derive(Default)]
struct Calls {
    /// The common table expressions of the queries around, outermost first.
    ctes: Vec<Vec<Cte>>,
    /// How many calls are around: these are named as a whole.
    depth: usize,
}

impl VisitorMut for Calls {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let ctes = query.with.as_ref().map(|with| with.cte_tables.clone());
        self.ctes.push(ctes.unwrap_or_default());
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.ctes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        self.depth += usize::from(called(table).is_some());
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        let Some(function) = called(table) else {
            return ControlFlow::Continue(());
        };
        self.depth -= 1;
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        self.write_out_ctes(table);
        let (TableFactor::Table { alias, .. } | TableFactor::Function { alias, .. }) = table else {
            return ControlFlow::Continue(());
        };
        let alias = alias.take().unwrap_or_else(|| TableAlias {
            explicit: true,
            name: Ident::new(function.name()),
            columns: Vec::new(),
            at: None,
        });
        let name = [GRID_SCHEMA.to_string(), table.to_string()];
        let name = name.map(|part| ObjectNamePart::Identifier(Ident::with_quote('"', part)));
        *table = TableFactor::Table {
            name: ObjectName(name.to_vec()),
            alias: Some(alias),
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        };
        ControlFlow::Continue(())
    }
}

impl Calls {
    /// Arguments that name, or read, a common table expression carry it along.
    fn write_out_ctes(&self, table: &mut TableFactor) {
        let ctes: Vec<Cte> = self.ctes.iter().flatten().cloned().collect();
        if ctes.is_empty() {
            return;
        }
        for argument in arguments(table) {
            let Some(expression) = value_of(argument) else {
                continue;
            };
            let query = match expression {
                Expr::Subquery(query) => query.as_ref().clone(),
                Expr::Identifier(name) if ctes.iter().any(|cte| is_called(cte, name)) => {
                    let Some(query) = query_of(name) else {
                        continue;
                    };
                    query
                }
                _ => continue,
            };
            let mut read = Read {
                ctes: &ctes,
                is_read: vec![false; ctes.len()],
            };
            let _done: ControlFlow<()> = query.visit(&mut read);
            let is_read = read.is_read;
            let kept = ctes.iter().zip(&is_read).filter(|(_, is_read)| **is_read);
            let kept: Vec<Cte> = kept.map(|(cte, _)| cte.clone()).collect();
            *expression = Expr::Subquery(Box::new(with_ctes(query, kept)));
        }
    }
}

/// Finds out which of some common table expressions a query reads, directly or through others.
struct Read<'a> {
    ctes: &'a [Cte],
    is_read: Vec<bool>,
}

impl Visitor for Read<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let [ObjectNamePart::Identifier(name)] = relation.0.as_slice() else {
            return ControlFlow::Continue(());
        };
        for (at, cte) in self.ctes.iter().enumerate() {
            if is_called(cte, name) && !std::mem::replace(&mut self.is_read[at], true) {
                cte.query.visit(self)?;
            }
        }
        ControlFlow::Continue(())
    }
}

fn is_called(cte: &Cte, name: &Ident) -> bool {
    fold(&cte.alias.name) == fold(name)
}

fn with_ctes(mut query: Query, ctes: Vec<Cte>) -> Query {
    if ctes.is_empty() {
        return query;
    }
    match &mut query.with {
        Some(with) => {
            with.cte_tables.splice(0..0, ctes);
        }
        None => {
            query.with = Some(datafusion::sql::sqlparser::ast::With {
                with_token:
                    datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
                recursive: false,
                cte_tables: ctes,
            });
        }
    }
    query
}

/// `SELECT * FROM table`
fn query_of(table: &impl fmt::Display) -> Option<Query> {
    let sql = format!("SELECT * FROM {table}");
    let dialect = datafusion::sql::sqlparser::dialect::GenericDialect {};
    let parser = datafusion::sql::sqlparser::parser::Parser::new(&dialect);
    let query = parser.try_with_sql(&sql).ok()?.parse_query().ok()?;
    matches!(*query.body, SetExpr::Select(_)).then(|| *query)
}

/// The grid function that a relation calls.
fn called(table: &TableFactor) -> Option<&'static dyn GridFunction> {
    let name = match table {
        TableFactor::Table {
            name,
            args: Some(_),
            ..
        }
        | TableFactor::Function { name, .. } => name,
        _ => return None,
    };
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => function(&fold(name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::sql::parser::{Statement, parse};

    #[test]
    fn calls_become_names() {
        for (sql, expected) in [
            (
                "SELECT * FROM reproject(lake.t, crs => 'EPSG:3035')",
                r#"SELECT * FROM "grid_functions"."reproject(lake.t, crs => 'EPSG:3035')" AS reproject"#,
            ),
            (
                "SELECT * FROM reproject(reproject(t, size => 3), size => 4) AS a",
                r#"SELECT * FROM "grid_functions"."reproject((SELECT * FROM reproject(t, size => 3)), size => 4)" AS a"#,
            ),
            (
                "WITH a AS (SELECT 1), b AS (SELECT * FROM a), c AS (SELECT 2) SELECT * FROM Reproject(b, like => (SELECT * FROM d)) AS r",
                r#"WITH a AS (SELECT 1), b AS (SELECT * FROM a), c AS (SELECT 2) SELECT * FROM "grid_functions"."Reproject((WITH a AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b), like => (SELECT * FROM d))" AS r"#,
            ),
            (
                "WITH p AS (SELECT 1) SELECT * FROM sample(t, p, method => 'linear')",
                r#"WITH p AS (SELECT 1) SELECT * FROM "grid_functions"."sample(t, (WITH p AS (SELECT 1) SELECT * FROM p), method => 'linear')" AS sample"#,
            ),
            (
                "SELECT * FROM sample('a.zarr', 'b.csv') JOIN transect(t, 'LINESTRING(0 0, 1 1)')",
                r#"SELECT * FROM "grid_functions"."sample((SELECT * FROM ""a.zarr""), (SELECT * FROM ""b.csv""))" AS sample JOIN "grid_functions"."transect(t, 'LINESTRING(0 0, 1 1)')" AS transect"#,
            ),
            ("SELECT * FROM other(t, 3)", "SELECT * FROM other(t, 3)"),
        ] {
            match parse(sql).unwrap() {
                Statement::Sql(mut found) => {
                    into_names(&mut found);
                    assert_eq!(found.to_string(), expected);
                }
                Statement::Command(command) => panic!("{sql} became {command:?}"),
            }
        }
    }
}
