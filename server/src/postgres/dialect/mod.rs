//! What only PostgreSQL says: its catalogue, its functions about itself, and forms of SQL that the engine does not know.
//!
//! The tables and rewrites are those of `datafusion-pg-catalog`. The session gets a schema `pg_catalog` of its own, over
//! the catalogue as it sees it.

mod additions;
mod backends;
mod catalogue;
mod functions;
mod rewriting;
mod sizes;

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::prelude::SessionContext;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use datafusion_pg_catalog::pg_catalog::generate_series_arg_coercion::CoerceIntArgsToBigInt;
use datafusion_pg_catalog::pg_catalog::oid_type_planner::PgOidTypePlanner;
use datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, PgCatalogStaticTables};
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use graticule_engine::refuse_depth;
use pgwire::api::Type;

use super::command::Query;
use super::settings::Settings;
use crate::failure::{Failure, SqlState};
use additions::Catalogue;
use catalogue::Tables;
pub(super) use functions::About;

/// The one database.
const DATABASE: &str = "graticule";

/// What a statement holds that may ask for PostgreSQL's catalogue.
const SIGNS: [&str; 4] = ["pg_", "reg", "information_schema", "current_schema"];

/// Whole words of it that do not begin with `pg_`.
const CATALOGUE_WORDS: [&str; 4] = [
    "information_schema",
    "current_schema",
    "current_schemas",
    "to_regclass",
];

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
            let schema = Catalogue::new(Arc::new(schema), about);
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
        match asks_for_types(statement) {
            true => &[Type::OID_ARRAY],
            false => &[],
        }
    }

    /// A statement as it is tried first.
    pub(super) fn first_form(&self, statement: &str) -> Form {
        let rewritten = match asks_for_catalogue(statement) {
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
                // What failed for another reason was understood.
                if failure.state != SqlState::SYNTAX_ERROR {
                    return Err(failure);
                }
                match self.rewritten(&query.text) {
                    Some(text) => Ok(Form::Last(text, Box::new(failure))),
                    None => Err(failure),
                }
            }
            Form::Rewritten(_) => {
                failure.position = None;
                Err(failure)
            }
            // What the engine said about the client's own words is more to the point, but for what no words help with.
            Form::Last(_, first) => match failure.state {
                SqlState::QUERY_CANCELED
                | SqlState::ADMIN_SHUTDOWN
                | SqlState::TOO_MANY_CONNECTIONS
                | SqlState::CONFIGURATION_LIMIT_EXCEEDED => Err(failure),
                _ => Err(*first),
            },
        }
    }

    /// The statement in words that the engine understands; `None` where PostgreSQL would not understand it either.
    fn rewritten(&self, statement: &str) -> Option<String> {
        // The parser prints these texts as other ones, which may end before they should.
        if ["\\''", "\\\"\"", "''''", "\"\"\"\""]
            .iter()
            .any(|odd| statement.contains(odd))
        {
            return None;
        }
        if asks_for_types(statement) {
            return Some(TYPES.to_string());
        }
        // The engine does the same before it parses: a tree that is too deep ends the process.
        refuse_depth(&tokens(statement)?).ok()?;
        let statement = without_function_types(statement);
        let mut statements = self.parser.parse(&statement).ok()?;
        match (statements.pop(), statements.pop()) {
            // Whatever else it is, the engine knows it better.
            (Some(mut only @ Statement::Query(_)), None) => {
                rewriting::rewrite(&mut only);
                Some(only.to_string())
            }
            _ => None,
        }
    }
}

fn tokens(statement: &str) -> Option<Vec<TokenWithSpan>> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, statement).tokenize_with_location();
    tokens.ok()
}

/// Does a statement name something of PostgreSQL's catalogue? Texts and comments do not count.
fn asks_for_catalogue(statement: &str) -> bool {
    let small = statement.to_ascii_lowercase();
    if !SIGNS.iter().any(|sign| small.contains(sign)) {
        return false;
    }
    let mut is_type = false;
    tokens(statement).unwrap_or_default().iter().any(|token| {
        let is_cast = std::mem::take(&mut is_type);
        match &token.token {
            Token::Word(word) => {
                let name = word.value.to_ascii_lowercase();
                name.starts_with("pg_")
                    || (is_cast && name.starts_with("reg"))
                    || CATALOGUE_WORDS.contains(&name.as_str())
            }
            Token::DoubleColon => {
                is_type = true;
                false
            }
            // Between `::` and the type.
            Token::Whitespace(_) => {
                is_type = is_cast;
                false
            }
            _ => false,
        }
    })
}

/// Is it the question of asyncpg for types?
fn asks_for_types(statement: &str) -> bool {
    let is_sign = |token: &TokenWithSpan| matches!(&token.token, Token::Word(word) if word.value == TYPES_SIGN);
    statement.contains(TYPES_SIGN) && tokens(statement).unwrap_or_default().iter().any(is_sign)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn rewritten(statement: &str) -> Option<String> {
        match Dialect::new().unwrap().first_form(statement) {
            Form::Rewritten(text) => Some(text),
            Form::Original(_) | Form::Last(..) => None,
        }
    }

    #[test]
    fn only_questions_about_the_catalogue_are_rewritten() {
        for statement in [
            "SELECT avg(sst) FROM lake.ocean",
            "ATTACH 'pg_x' AS y",
            "SELECT pg_typo(",
            "SELECT 'jpg_url', 'pg_class', '::regclass' FROM t -- pg_class",
            "SELECT jpg_url, region, x::real FROM t",
            "SELECT 'typeinfo_tree' FROM t",
            "SELECT relname FROM pg_class WHERE relname = 'x\\'' OR true --'",
            "SELECT relname FROM pg_class WHERE relname = 'a''''b'",
            "SELECT relname AS \"a\\\"\" FROM x --\" FROM pg_class",
        ] {
            assert_eq!(rewritten(statement), None, "{statement}");
        }
        for (statement, expected) in [
            (
                "SELECT relname FROM pg_class WHERE relkind = ANY($1)",
                "array_contains(CAST($1 AS TEXT[]), relkind)",
            ),
            (
                "SELECT 1 FROM pg_type WHERE typreceive <> 0",
                "typreceive <> '-'",
            ),
            (
                "SELECT 1 FROM pg_type WHERE typinput = 'array_in'::regproc",
                "typinput = 'array_in'",
            ),
            (
                "SELECT 1 FROM pg_class WHERE relname LIKE $1 ESCAPE '/'",
                "LIKE replace($1, '/', '\\')",
            ),
            ("SELECT c.reloptions FROM pg_class c", "NULL AS reloptions"),
            ("SELECT c.relacl FROM pg_class c", "NULL AS relacl"),
            (
                "SELECT typname AS a, typname AS a FROM pg_type",
                "typname AS a, typname AS a_1",
            ),
            (
                "SELECT to_regclass('lake.\"a''b\"')",
                "n.nspname = 'lake' AND c.relname = 'a''b'",
            ),
            (
                "SELECT NOT EXISTS (SELECT 1 FROM pg_class)",
                "SELECT (SELECT count(*) = 0 FROM (SELECT 1 FROM",
            ),
            (
                "SELECT proargtypes::regtype[]::text[] FROM pg_proc",
                "CAST(NULL AS TEXT[])",
            ),
            (
                "SELECT ARRAY(SELECT rolname FROM pg_roles) AS roles",
                "'{}' AS roles",
            ),
        ] {
            let text = rewritten(statement).unwrap();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn long_chains_of_operators_are_not_parsed() {
        let chain = format!("SELECT 1{} FROM pg_class", " + 1".repeat(100_000));
        assert_eq!(rewritten(&chain), None);
        let dialect = Dialect::new().unwrap();
        for state in [SqlState::FEATURE_NOT_SUPPORTED, SqlState::SYNTAX_ERROR] {
            let query = Query {
                text: chain.clone(),
                start: Some(0),
            };
            let first = Form::Original(chain.clone());
            let failure = Failure::with_state(state, "too long");
            let second = dialect.second_form(&query, first, failure);
            assert_eq!(second.err().map(|failure| failure.state), Some(state));
        }
    }

    #[test]
    fn the_first_words_about_a_mistake_are_kept() {
        let dialect = Dialect::new().unwrap();
        let failure = |text: &str| Failure::with_state(SqlState::SYNTAX_ERROR, text);
        let query = Query {
            text: "SELECT 1 COLLATE x".to_string(),
            start: Some(0),
        };
        let first = dialect.first_form(&query.text);
        let second = dialect
            .second_form(&query, first, failure("first"))
            .ok()
            .unwrap();
        assert_eq!(second.as_str(), "SELECT 1");
        let last = dialect.second_form(&query, second, failure("second"));
        assert_eq!(
            last.err().map(|failure| failure.message).as_deref(),
            Some("first")
        );
    }
}
