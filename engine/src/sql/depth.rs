//! Refuses statements that would be trees too deep for the recursion that plans, copies and frees them.
//!
//! What nests in brackets is bounded by the parser. What it reads in a loop is bounded here, before it
//! becomes a tree: `1 + 1 + 1 …` is as deep as it is long.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{CubeError, CubeResult};

/// Operators that may follow each other in one expression, or queries in one chain of unions.
const MAXIMUM_OPERATORS: usize = 500;

/// Refuses `EXPLAIN` of `EXPLAIN`, and long chains of operators.
///
/// # Errors
/// Which of the two, and another way.
pub fn refuse_depth(tokens: &[TokenWithSpan]) -> CubeResult<()> {
    if explains_twice(tokens) {
        return Err(
            CubeError::unsupported("", "EXPLAIN of EXPLAIN is not supported")
                .remedy("say EXPLAIN once"),
        );
    }
    let mut outer = Vec::new();
    let mut level = Level::default();
    for token in tokens.iter().map(|token| &token.token) {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                // `a[1][1]` goes one level deeper each time.
                level.operators += usize::from(*token == Token::LBracket);
                outer.push(std::mem::take(&mut level));
            }
            Token::RParen | Token::RBracket | Token::RBrace => level = level.close(outer.pop()),
            Token::Comma | Token::SemiColon => level.end_element(),
            Token::Word(_) if is_one_of(token, &["CASE"]) => {
                let case = Level {
                    is_case: true,
                    ..Level::default()
                };
                outer.push(std::mem::replace(&mut level, case));
            }
            Token::Word(_) if level.is_case && is_one_of(token, &["END"]) => {
                level = level.close(outer.pop());
            }
            Token::Word(_) if is_one_of(token, &["WHEN", "THEN", "ELSE"]) => level.end_element(),
            _ => level.operators += usize::from(is_operator(token)),
        }
        if level.operators + level.inner > MAXIMUM_OPERATORS {
            let cause = format!("more than {MAXIMUM_OPERATORS} operators in a row");
            return Err(CubeError::unsupported("", cause)
                .remedy("say a IN (…) for many OR, or make it shorter by views"));
        }
    }
    Ok(())
}

/// What stands between one pair of brackets, or between `CASE` and `END`.
#[derive(Default)]
struct Level {
    /// Operators of the element that is being read; commas separate elements.
    operators: usize,
    /// Depth of the deepest brackets in this element.
    inner: usize,
    /// Depth of the deepest element before.
    deepest: usize,
    is_case: bool,
}

impl Level {
    fn end_element(&mut self) {
        self.deepest = self.deepest.max(self.operators + self.inner);
        self.operators = 0;
        self.inner = 0;
    }

    /// The level around this one, after its bracket is closed.
    fn close(mut self, outer: Option<Level>) -> Level {
        self.end_element();
        let mut outer = outer.unwrap_or_default();
        outer.inner = outer.inner.max(self.deepest);
        outer
    }
}

/// Does `EXPLAIN`, with its options, stand before another one?
fn explains_twice(tokens: &[TokenWithSpan]) -> bool {
    let mut rest = tokens
        .iter()
        .map(|token| &token.token)
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .skip_while(|token| **token == Token::SemiColon);
    if !rest
        .next()
        .is_some_and(|token| is_one_of(token, &["EXPLAIN"]))
    {
        return false;
    }
    let mut depth = 0_usize;
    while let Some(token) = rest.next() {
        match token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ if depth > 0 || is_one_of(token, &["ANALYZE", "VERBOSE"]) => {}
            _ if is_one_of(token, &["FORMAT"]) => {
                rest.next();
            }
            token => return is_one_of(token, &["EXPLAIN"]),
        }
    }
    false
}

fn is_operator(token: &Token) -> bool {
    const WORDS: [&str; 19] = [
        "AND",
        "OR",
        "XOR",
        "IS",
        "LIKE",
        "ILIKE",
        "RLIKE",
        "REGEXP",
        "SIMILAR",
        "BETWEEN",
        "IN",
        "DIV",
        "AT",
        "COLLATE",
        "UNION",
        "INTERSECT",
        "EXCEPT",
        "MINUS",
        "JOIN",
    ];
    match token {
        Token::Word(_) => is_one_of(token, &WORDS),
        Token::EOF
        | Token::Whitespace(_)
        | Token::Number(..)
        | Token::Char(_)
        | Token::Period
        | Token::Placeholder(_) => false,
        // Texts of all kinds begin with a letter or a quote, as they are displayed.
        _ => !token
            .to_string()
            .starts_with(|first: char| first.is_ascii_alphabetic() || "'\"$".contains(first)),
    }
}

fn is_one_of(token: &Token, words: &[&str]) -> bool {
    match token {
        Token::Word(word) if word.quote_style.is_none() => words
            .iter()
            .any(|known| word.value.eq_ignore_ascii_case(known)),
        _ => false,
    }
}
