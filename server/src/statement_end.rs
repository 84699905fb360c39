//! Whether what was typed is a whole statement, or another line must follow.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Whitespace};

/// Does `text` end with a `;` that is part of no literal, name or comment? A text of nothing but
/// spaces and comments is whole, too.
pub(crate) fn is_complete(text: &str) -> bool {
    let tokens = match Tokenizer::new(&PostgreSqlDialect {}, text).tokenize() {
        Ok(tokens) => tokens,
        Err(error) => {
            // An open quote or comment waits for its end; the parser complains about the rest.
            let open = ["nterminated", "EOF"]
                .iter()
                .any(|sign| error.message.contains(sign));
            return !open && text.trim_end().ends_with(';');
        }
    };
    let unfinished_comment = matches!(
        tokens.last(),
        Some(Token::Whitespace(Whitespace::SingleLineComment { .. }))
    );
    let last = tokens
        .iter()
        .rfind(|token| !matches!(token, Token::Whitespace(_)));
    match last {
        None => !unfinished_comment,
        Some(token) => *token == Token::SemiColon,
    }
}

#[cfg(test)]
mod tests {
    use super::is_complete;

    #[test]
    fn a_semicolon_ends_a_statement_unless_quoted() {
        let cases = [
            ("", true),
            ("  ", true),
            ("SELECT 1", false),
            ("SELECT 1;", true),
            ("SELECT 1; ", true),
            ("SELECT 1; -- done", true),
            ("SELECT ';", false),
            ("SELECT ';'", false),
            ("SELECT 'it''s';", true),
            ("SELECT \"a;", false),
            ("SELECT 1 /* ; ", false),
            ("SELECT 1; SELECT 2", false),
            ("SELECT $$a;", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_complete(text), expected, "{text}");
        }
    }
}
