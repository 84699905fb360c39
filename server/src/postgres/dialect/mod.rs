//! What only PostgreSQL says: its catalogue, its functions about itself, and forms of SQL that the engine does not know.
//!
//! The tables and rewrites are those of `datafusion-pg-catalog`. The session gets a schema `pg_catalog` of its own, over
//! the catalogue as it sees it.

mod catalogue;
mod functions;
mod rewriting;

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::prelude::SessionContext;
use datafusion_pg_catalog::pg_catalog::generate_series_arg_coercion::CoerceIntArgsToBigInt;
use datafusion_pg_catalog::pg_catalog::oid_type_planner::PgOidTypePlanner;
use datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, PgCatalogStaticTables};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;

use pgwire::api::Type;

use super::command::Query;
use super::settings::Settings;
use crate::failure::{Failure, SqlState};
use catalogue::Tables;
pub(super) use functions::About;

/// The one database.
const DATABASE: &str = "graticule";

/// What a statement holds that asks for PostgreSQL's catalogue.
const SIGNS: [&str; 4] = ["pg_", "::reg", "information_schema", "current_schema"];

/// What asyncpg calls the table in which it looks for types, recursively, for there may be composite ones.
const TYPES_SIGN: &str = "typeinfo_tree";

/// The same where there are types and arrays of them only.
const TYPES: &str = "SELECT oid, 'pg_catalog' AS ns, typname AS name, typtype AS kind, CAST(NULL AS int) AS basetype, \
                     typelem AS elemtype, typdelim AS elemdelim, CAST(NULL AS int) AS range_subtype, \
                     NULL AS attrtypoids, NULL AS attrnames, 0 AS depth, NULL AS basetype_name, \
                     substr(typname, 2) AS elemtype_name, NULL AS range_subtype_name \
                     FROM pg_catalog.pg_type WHERE array_has($1, oid)";

/// PostgreSQL's catalogue and grammar, for all sessions.
pub(super) struct Dialect {
    parser: PostgresCompatibilityParser,
    tables: Arc<PgCatalogStaticTables>,
}

impl Dialect {
    /// Reads the tables that never change.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn new() -> Result<Self, Failure> {
        let tables = PgCatalogStaticTables::try_new();
        let tables = tables.map_err(|error| Failure::of_statement(&error, ""))?;
        Ok(Self {
            parser: PostgresCompatibilityParser::new(),
            tables: Arc::new(tables),
        })
    }

    /// Gives a session the catalogue and the functions.
    ///
    /// # Errors
    /// The session does not take them.
    pub(super) fn install(
        &self,
        context: &SessionContext,
        settings: &Settings,
        about: &About,
    ) -> Result<(), DataFusionError> {
        let catalogs = Arc::clone(context.state().catalog_list());
        let schema = PgCatalogSchemaProvider::try_new(
            Tables::of(&catalogs),
            Arc::clone(&self.tables),
            about.clone(),
        )?;
        if let Some(catalog) = catalogs.catalog(DATABASE) {
            catalog.register_schema("pg_catalog", Arc::new(schema))?;
        }
        functions::register(context, &self.tables, settings, about);
        let state = context.state_ref();
        let with_types = {
            let state = state.read().clone();
            datafusion::execution::SessionStateBuilder::new_from_existing(state)
                .with_type_planner(Arc::new(PgOidTypePlanner))
                .build()
        };
        *state.write() = with_types;
        CoerceIntArgsToBigInt::widen(context);
        Ok(())
    }

    /// The types of parameters of a statement that says them in a way that the engine does not understand.
    pub(super) fn parameters_of(&self, statement: &str) -> &'static [Type] {
        match statement.contains(TYPES_SIGN) {
            true => &[Type::OID_ARRAY],
            false => &[],
        }
    }

    /// A statement as it is tried first.
    pub(super) fn first_form(&self, statement: &str) -> Form {
        let small = statement.to_ascii_lowercase();
        let rewritten = match SIGNS.iter().any(|sign| small.contains(sign)) {
            true => self.rewritten(statement),
            false => None,
        };
        match rewritten {
            Some(text) => Form::Rewritten(text),
            None => Form::Original(statement.to_string()),
        }
    }

    /// A statement as it is tried after `failure`.
    ///
    /// # Errors
    /// There is nothing more to be tried: the failure, where it concerns the statement that the client wrote.
    pub(super) fn second_form(
        &self,
        query: &Query,
        tried: Form,
        mut failure: Failure,
    ) -> Result<Form, Failure> {
        match tried {
            Form::Original(_) => {
                let place = failure.position.zip(query.start);
                failure.position = place.map(|(place, start)| place + start);
                match self.rewritten(&query.text) {
                    Some(text) if failure.state == SqlState::SYNTAX_ERROR => {
                        Ok(Form::Last(text, Box::new(failure)))
                    }
                    _ => Err(failure),
                }
            }
            Form::Rewritten(_) => {
                failure.position = None;
                Err(failure)
            }
            // What the engine said about the client's own words is more to the point.
            Form::Last(_, first) => Err(*first),
        }
    }

    /// The statement in words that the engine understands; `None` where PostgreSQL would not understand it either.
    fn rewritten(&self, statement: &str) -> Option<String> {
        if statement.contains(TYPES_SIGN) {
            return Some(TYPES.to_string());
        }
        let statement = without_function_types(statement);
        let mut statements = self.parser.parse(&statement).ok()?;
        match (statements.pop(), statements.pop()) {
            (Some(mut only), None) => {
                rewriting::rewrite(&mut only);
                Some(only.to_string())
            }
            _ => None,
        }
    }
}

/// Names of functions stay names: the columns that they are compared with hold names, too.
fn without_function_types(statement: &str) -> String {
    let mut parts = statement.split("::regproc");
    let mut text = parts.next().unwrap_or_default().to_string();
    for part in parts {
        if part.starts_with(|c: char| c.is_alphanumeric()) {
            text.push_str("::regproc");
        }
        text.push_str(part);
    }
    text
}

/// The words of a statement that are tried.
pub(super) enum Form {
    /// Those of the client.
    Original(String),
    /// Those that it means, because it asks for PostgreSQL's catalogue.
    Rewritten(String),
    /// Those that it may mean, because the engine did not understand its own, and said why.
    Last(String, Box<Failure>),
}

impl Form {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Original(text) | Self::Rewritten(text) | Self::Last(text, _) => text,
        }
    }
}
