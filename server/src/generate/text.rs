//! Names, literals and options as SQL writes them.

use datafusion::sql::sqlparser::keywords::ALL_KEYWORDS;

/// Keywords that need no quotes to be names.
const PLAIN_KEYWORDS: [&str; 3] = ["time", "input", "output"];

/// A name, in quotes where it needs them.
pub(super) fn identifier(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let is_keyword = || {
        let word = name.to_ascii_uppercase();
        !PLAIN_KEYWORDS.contains(&name) && ALL_KEYWORDS.binary_search(&word.as_str()).is_ok()
    };
    match is_plain && !is_keyword() {
        true => name.to_string(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// A text in single quotes.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `value` where the alias says the same, else `value AS name`.
pub(super) fn column(value: &str, name: &str) -> String {
    let name = identifier(name);
    match value == name {
        true => name,
        false => format!("{value} AS {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        let cases = [
            ("time", "time"),
            ("conc_chl", "conc_chl"),
            ("B04", "\"B04\""),
            ("input", "input"),
            ("order", "\"order\""),
            ("2m_temperature", "\"2m_temperature\""),
            ("a\"b", "\"a\"\"b\""),
            ("", "\"\""),
        ];
        for (name, expected) in cases {
            assert_eq!(identifier(name), expected);
        }
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(column("latitude", "lat"), "latitude AS lat");
        assert_eq!(column("lat", "lat"), "lat");
    }
}
