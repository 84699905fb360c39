//! What must not be shown or kept: what addresses say to their server alone, and the values of secret options.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Whitespace};

/// Words in the names of options whose values must not be written down.
const SECRET_WORDS: [&str; 7] = [
    "secret",
    "password",
    "token",
    "key",
    "credential",
    "sas",
    "headers",
];

/// Is the value of an option of this name a secret?
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// A text without what addresses in it say to the server alone: names, passwords, query strings.
///
/// ```text
///  FROM 'https://me:secret@host/x.zarr?sig=…'  ──▶  FROM 'https://host/x.zarr'
/// ```
pub(crate) fn without_secrets(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, address) = rest.split_at(start + 3);
        let end = address.find(|c: char| c.is_whitespace() || "'\"`;)".contains(c));
        let (address, after) = address.split_at(end.unwrap_or(address.len()));
        let is_web = ["http://", "https://"].iter().any(|scheme| {
            let start = before.len().checked_sub(scheme.len());
            let found = start.and_then(|start| before.get(start..));
            found.is_some_and(|found| found.eq_ignore_ascii_case(scheme))
        });
        let host_end = address.find('/').unwrap_or(address.len());
        let (host, path) = address.split_at(host_end);
        let host = host.rsplit('@').next().unwrap_or_default();
        clean.push_str(before);
        // In the paths of other stores `?` stands for any character.
        let visible = |part: &'_ str| match part.split_once('?') {
            Some((visible, _)) if is_web => visible.to_string(),
            _ => part.to_string(),
        };
        clean.push_str(&visible(host));
        if !(is_web && host.contains('?')) {
            clean.push_str(&visible(path));
        }
        rest = after;
    }
    clean.push_str(rest);
    clean
}

/// A statement as lists show it: [`without_secrets`], without comments, and without texts that follow the name of a
/// secret option. Of one whose quotes do not end only the first word is told.
///
/// ```text
///  ATTACH 's3://b' AS lake (secret_access_key 'abc')  ──▶  ATTACH 's3://b' AS lake (secret_access_key '***')
/// ```
pub fn as_listed(statement: &str) -> String {
    // Texts stay as they are written, with two quotes for one.
    let mut tokenizer = Tokenizer::new(&GenericDialect {}, statement).with_unescape(false);
    let Ok(tokens) = tokenizer.tokenize() else {
        let word = statement.trim_start().chars();
        let word: String = word.take_while(|letter| letter.is_alphabetic()).collect();
        return format!("{word} …").trim_start().to_string();
    };
    let mut listed = String::with_capacity(statement.len());
    let mut follows_secret = false;
    // Values of options need no quotes.
    let mut first_word = None;
    let mut last_word = String::new();
    let mut in_options = false;
    let mut is_about_users = false;
    for token in tokens {
        let text = text_of(&token);
        let is_bare = in_options && matches!(token, Token::Word(_) | Token::Number(..));
        match &token {
            Token::Whitespace(Whitespace::SingleLineComment { .. }) => listed.push('\n'),
            Token::Whitespace(Whitespace::MultiLineComment(_)) => listed.push(' '),
            // A text may go on in the next one.
            _ if is_about_users && text.is_some() => listed.push_str("'***'"),
            _ if follows_secret && (text.is_some() || is_bare) => listed.push_str("'***'"),
            _ => listed.push_str(&token.to_string()),
        }
        match &token {
            Token::Word(word) => {
                let word = word.value.to_uppercase();
                is_about_users |= ["USER", "ROLE"].contains(&word.as_str())
                    && ["CREATE", "ALTER", "REPLACE"].contains(&last_word.as_str());
                in_options |= is_about_users;
                last_word = word;
                first_word.get_or_insert_with(|| last_word.clone());
            }
            Token::LParen => {
                let is_attached = first_word.as_deref() == Some("ATTACH");
                in_options = is_attached || ["OPTIONS", "WITH"].contains(&last_word.as_str());
            }
            Token::RParen => in_options = false,
            _ => {}
        }
        follows_secret = match (&token, text) {
            (Token::Whitespace(_) | Token::Eq | Token::DoubleEq, _)
            | (Token::RArrow | Token::Colon | Token::Assignment, _) => follows_secret,
            (Token::Word(word), None) => is_secret(&word.value),
            (_, Some(text)) => follows_secret || is_secret(text),
            (_, None) => false,
        };
    }
    without_secrets(&listed)
}

/// What stands between quotes, of whatever kind.
fn text_of(token: &Token) -> Option<&str> {
    match token {
        Token::Word(word) => word.quote_style.map(|_| word.value.as_str()),
        Token::DollarQuotedString(text) => Some(&text.value),
        Token::QuoteDelimitedStringLiteral(text)
        | Token::NationalQuoteDelimitedStringLiteral(text) => Some(&text.value),
        Token::SingleQuotedString(text)
        | Token::DoubleQuotedString(text)
        | Token::TripleSingleQuotedString(text)
        | Token::TripleDoubleQuotedString(text)
        | Token::SingleQuotedByteStringLiteral(text)
        | Token::DoubleQuotedByteStringLiteral(text)
        | Token::TripleSingleQuotedByteStringLiteral(text)
        | Token::TripleDoubleQuotedByteStringLiteral(text)
        | Token::SingleQuotedRawStringLiteral(text)
        | Token::DoubleQuotedRawStringLiteral(text)
        | Token::TripleSingleQuotedRawStringLiteral(text)
        | Token::TripleDoubleQuotedRawStringLiteral(text)
        | Token::NationalStringLiteral(text)
        | Token::EscapedStringLiteral(text)
        | Token::UnicodeStringLiteral(text)
        | Token::HexStringLiteral(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_out() {
        let cases = [
            ("FROM 'https://u:p@h/a?sig=1' x", "FROM 'https://h/a' x"),
            ("HTTPS://h?sig=1", "HTTPS://h"),
            (
                "s3://bucket/a?.zarr, http://h:80/b",
                "s3://bucket/a?.zarr, http://h:80/b",
            ),
            ("s3://key:secret@bucket/a", "s3://bucket/a"),
            ("('https://h/a?x=/b/c')", "('https://h/a')"),
            ("a ? b", "a ? b"),
            ("https://h/a@v1?q", "https://h/a@v1"),
            ("://", "://"),
        ];
        for (text, expected) in cases {
            assert_eq!(without_secrets(text), expected);
        }
    }

    #[test]
    fn values_of_secret_options_are_not_listed() {
        for (statement, expected) in [
            (
                "ATTACH 's3://b' AS lake (region 'eu', secret_access_key 'a''b')",
                "ATTACH 's3://b' AS lake (region 'eu', secret_access_key '***')",
            ),
            (
                "COPY t TO 'x' OPTIONS ('sas_token' 'abc', 'codec' 'zstd')",
                "COPY t TO 'x' OPTIONS ('sas_token' '***', 'codec' 'zstd')",
            ),
            (
                "SELECT f(password => 'x'), 'y'",
                "SELECT f(password => '***'), 'y'",
            ),
            (
                "CREATE USER ada WITH PASSWORD 'SCRAM-SHA-256$4096:a'",
                "CREATE USER ada WITH PASSWORD '***'",
            ),
            (
                "alter user ada password E'a' -- b",
                "alter user ada password '***' \n",
            ),
            (
                "CREATE OR REPLACE USER ada PASSWORD $$a$$",
                "CREATE OR REPLACE USER ada PASSWORD '***'",
            ),
            (
                "CREATE USER ada IDENTIFIED BY 'abc'",
                "CREATE USER ada IDENTIFIED BY '***'",
            ),
            (
                "CREATE USER ada PASSWORD unquoted",
                "CREATE USER ada PASSWORD '***'",
            ),
            ("SELECT 'it''s', 'key' AS k", "SELECT 'it''s', 'key' AS k"),
            (
                "ATTACH 's3://b' AS lake (\"secret_access_key\" 'abc', region 'eu')",
                "ATTACH 's3://b' AS lake (\"secret_access_key\" '***', region 'eu')",
            ),
            (
                "ATTACH 's3://b' AS lake (secret_access_key \"abc\")",
                "ATTACH 's3://b' AS lake (secret_access_key '***')",
            ),
            (
                "ATTACH 's3://key' AS lake (secret_access_key abc, password = 5)",
                "ATTACH 's3://key' AS lake (secret_access_key '***', password = '***')",
            ),
            ("SELECT key FROM t", "SELECT key FROM t"),
            ("SET my.password = E'a\\'bc'", "SET my.password = '***'"),
            ("SET my.password = $$abc$$", "SET my.password = '***'"),
            ("x (token 'abc' 'def')", "x (token '***' '***')"),
            (
                "x -- it's\n(token /* isn't */ 'abc')",
                "x \n(token   '***')",
            ),
            (
                "SELECT 'https://u:p@h/a?sig=1' -- 'abc'",
                "SELECT 'https://h/a' \n",
            ),
            ("ATTACH 's3://b' (token 'abc", "ATTACH …"),
            ("'abc", "…"),
        ] {
            assert_eq!(as_listed(statement), expected);
        }
    }
}
