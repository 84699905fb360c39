//! A view, an external table or a function: a name and the statement that makes it. Nothing is resolved before it is used.

use datafusion::common::Result;
use datafusion::sql::parser::{CreateExternalTable, Statement as SqlStatement};
use datafusion::sql::sqlparser::ast::{
    CreateFunction, CreateView, ObjectName, Statement as AstStatement,
};

use crate::error::CubeError;
use crate::sql::names::{CATALOG, PUBLIC_SCHEMA, quoted};
use crate::sql::parser::{Statement, fold, parse};

/// The noun of functions.
pub(crate) const FUNCTION: &str = "function";

/// A view, an external table or a function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Definition {
    /// Name in the schema `public`.
    pub(crate) name: String,
    /// The statement as it was written, without its semicolon.
    pub(crate) text: String,
    /// What it makes.
    pub(crate) made: Made,
}

/// What a [`Definition`] makes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Made {
    /// A view.
    View(Box<CreateView>),
    /// A table over cubes or other files.
    ExternalTable(Box<CreateExternalTable>),
    /// A function of SQL.
    Function(Box<CreateFunction>),
}

impl Definition {
    /// Reads a definition. `None` when the statement makes something else.
    ///
    /// # Errors
    /// A syntax error, or a name in another schema than `public`.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>> {
        let Statement::Sql(statement) = parse(text)? else {
            return Ok(None);
        };
        Self::of(*statement, text)
    }

    /// The definition in a parsed statement, see [`Definition::parse`].
    ///
    /// # Errors
    /// A name in another schema than `public`.
    pub(crate) fn of(statement: SqlStatement, text: &str) -> Result<Option<Self>> {
        let (name, made) = match statement {
            SqlStatement::CreateExternalTable(table) => (
                public_name(&table.name)?,
                Made::ExternalTable(Box::new(table)),
            ),
            SqlStatement::Statement(statement) => match *statement {
                AstStatement::CreateView(view) => {
                    (public_name(&view.name)?, Made::View(Box::new(view)))
                }
                AstStatement::CreateFunction(function) => (
                    public_name(&function.name)?,
                    Made::Function(Box::new(function)),
                ),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let text = text.trim().trim_end_matches(';').trim_end().to_string();
        Ok(Some(Self { name, text, made }))
    }

    /// Does the statement say `OR REPLACE`?
    pub(crate) fn replaces(&self) -> bool {
        match &self.made {
            Made::View(view) => view.or_replace,
            Made::ExternalTable(table) => table.or_replace,
            Made::Function(function) => function.or_replace,
        }
    }

    /// Does the statement say `IF NOT EXISTS`?
    pub(crate) fn only_if_new(&self) -> bool {
        match &self.made {
            Made::View(view) => view.if_not_exists,
            Made::ExternalTable(table) => table.if_not_exists,
            Made::Function(function) => function.if_not_exists,
        }
    }

    /// Is it a function, which is no table?
    pub(crate) fn is_function(&self) -> bool {
        matches!(self.made, Made::Function(_))
    }

    /// What it is known by.
    pub(crate) fn key(&self) -> Key {
        Key::of(&self.name, self.noun())
    }

    /// `view`, `table` or `function`, for messages.
    pub(crate) fn noun(&self) -> &'static str {
        match self.made {
            Made::View(_) => "view",
            Made::ExternalTable(_) => "table",
            Made::Function(_) => FUNCTION,
        }
    }
}

/// What a [`Definition`] is known by: a table and a function may have the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    name: String,
    is_function: bool,
}

impl Key {
    /// That of a definition of this name and noun.
    pub(crate) fn of(name: &str, noun: &str) -> Self {
        Self {
            name: name.to_string(),
            is_function: noun == FUNCTION,
        }
    }

    /// That of a view or an external table.
    pub(crate) fn of_table(name: &str) -> Self {
        Self {
            name: name.to_string(),
            is_function: false,
        }
    }
}

/// The name of something in the schema `public`, where views and external tables live.
///
/// # Errors
/// The name stands in another schema.
pub(crate) fn public_name(name: &ObjectName) -> Result<String> {
    let parts: Vec<String> = name
        .0
        .iter()
        .filter_map(|part| part.as_ident())
        .map(fold)
        .collect();
    match parts.as_slice() {
        [table] => Ok(table.clone()),
        [schema, table] if schema == PUBLIC_SCHEMA => Ok(table.clone()),
        [catalog, schema, table] if catalog == CATALOG && schema == PUBLIC_SCHEMA => {
            Ok(table.clone())
        }
        [.., table] => Err(
            CubeError::invalid("", format!("{name} is not in the schema public"))
                .remedy(format!(
                    "views, external tables and functions live there; write {}",
                    quoted(table)
                ))
                .into(),
        ),
        [] => Err(CubeError::invalid("", "a name is missing").into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn tables_and_functions_have_keys_of_their_own() {
        let key = |text: &str| Definition::parse(text).unwrap().unwrap().key();
        let function = key("CREATE FUNCTION f(x DOUBLE) RETURNS DOUBLE RETURN x");
        for table in ["f", "f()"] {
            let view = key(&format!("CREATE VIEW \"{table}\" AS SELECT 1 AS a"));
            assert_eq!(view, Key::of_table(table));
            assert_ne!(view, function);
        }
        assert_eq!(function, Key::of("f", FUNCTION));
    }
}
