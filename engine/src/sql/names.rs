//! Names as people write them: quoted only where SQL says so.

use datafusion::common::TableReference;
use datafusion::sql::sqlparser::keywords::{
    ALL_KEYWORDS, ALL_KEYWORDS_INDEX, RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_IDENTIFIER,
    RESERVED_FOR_TABLE_ALIAS,
};

use super::versions::parts;

/// The schema of views and external tables, where unqualified names are looked up.
pub(crate) const PUBLIC_SCHEMA: &str = "public";
/// The one catalogue.
pub(crate) const CATALOG: &str = "graticule";

/// `name` as it must stand in SQL; the version of a table after it.
pub(crate) fn quoted(name: &str) -> String {
    if let Some((table, version)) = parts(name) {
        return quoted(table) + version;
    }
    let is_plain = name
        .chars()
        .enumerate()
        .all(|(at, c)| c == '_' || c.is_ascii_lowercase() || (at > 0 && c.is_ascii_digit()));
    if is_plain && !name.is_empty() && !is_reserved(name) {
        name.to_string()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A table as it must stand after `FROM`: the default schema is left out.
pub(crate) fn qualified(schema: &str, table: &str) -> String {
    match schema {
        PUBLIC_SCHEMA => quoted(table),
        _ => format!("{}.{}", quoted(schema), quoted(table)),
    }
}

/// What people wrote, without the catalogue.
pub(crate) fn display(reference: &TableReference) -> String {
    match reference.schema() {
        Some(schema) => qualified(schema, reference.table()),
        None => quoted(reference.table()),
    }
}

fn is_reserved(name: &str) -> bool {
    let upper = name.to_uppercase();
    ALL_KEYWORDS
        .binary_search(&upper.as_str())
        .ok()
        .and_then(|at| ALL_KEYWORDS_INDEX.get(at))
        .is_some_and(|keyword| {
            RESERVED_FOR_COLUMN_ALIAS.contains(keyword)
                || RESERVED_FOR_IDENTIFIER.contains(keyword)
                || RESERVED_FOR_TABLE_ALIAS.contains(keyword)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_need_quotes_get_them() {
        for (name, expected) in [
            ("conc_chl", "conc_chl"),
            ("time", "time"),
            ("t2m", "t2m"),
            ("2t", "\"2t\""),
            ("cube-1-250-250", "\"cube-1-250-250\""),
            ("A1B_north_america", "\"A1B_north_america\""),
            ("select", "\"select\""),
            ("sub/dir", "\"sub/dir\""),
            ("a\"b", "\"a\"\"b\""),
            ("t FOR VERSION AS OF 'v1'", "t FOR VERSION AS OF 'v1'"),
            (
                "a/b FOR VERSION AS OF 'v1'",
                "\"a/b\" FOR VERSION AS OF 'v1'",
            ),
            ("", "\"\""),
        ] {
            assert_eq!(quoted(name), expected, "{name}");
        }
    }
}
