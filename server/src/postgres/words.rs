//! A statement as words, for the few that the door itself understands.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

/// The words of a statement that are still to be read.
pub(super) struct Words<'a> {
    text: &'a str,
    tokens: Vec<TokenWithSpan>,
    next: usize,
}

impl<'a> Words<'a> {
    /// `None` where the text cannot be taken apart; the engine says what is wrong with it.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        let dialect = PostgreSqlDialect {};
        let mut tokens = Tokenizer::new(&dialect, text)
            .tokenize_with_location()
            .ok()?;
        tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
        while matches!(tokens.last(), Some(last) if last.token == Token::SemiColon) {
            tokens.pop();
        }
        Some(Self {
            text,
            tokens,
            next: 0,
        })
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|token| &token.token)
    }

    /// Is nothing left?
    pub(super) fn is_end(&self) -> bool {
        self.peek().is_none()
    }

    /// Takes this word, if it comes next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let is_next = match self.peek() {
            Some(Token::Word(next)) => {
                next.quote_style.is_none() && next.value.eq_ignore_ascii_case(word)
            }
            _ => false,
        };
        self.next += usize::from(is_next);
        is_next
    }

    /// Takes these words, if all of them come next.
    pub(super) fn take_all(&mut self, words: &[&str]) -> bool {
        let start = self.next;
        let is_next = words.iter().all(|word| self.take(word));
        if !is_next {
            self.next = start;
        }
        is_next
    }

    /// Takes one of these words.
    pub(super) fn take_any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.take(word))
    }

    /// Takes a sign such as `(`.
    pub(super) fn sign(&mut self, sign: &Token) -> bool {
        let is_next = self.peek() == Some(sign);
        self.next += usize::from(is_next);
        is_next
    }

    /// Takes a name, in small letters unless it is quoted.
    pub(super) fn name(&mut self) -> Option<String> {
        let Some(Token::Word(word)) = self.peek() else {
            return None;
        };
        let name = match word.quote_style {
            Some(_) => word.value.clone(),
            None => word.value.to_lowercase(),
        };
        self.next += 1;
        Some(name)
    }

    /// Takes a name with dots in it.
    pub(super) fn dotted_name(&mut self) -> Option<String> {
        let mut name = self.name()?;
        while self.sign(&Token::Period) {
            name = format!("{name}.{}", self.name()?);
        }
        Some(name)
    }

    /// Takes whatever comes next.
    pub(super) fn skip(&mut self) {
        self.next += 1;
    }

    /// Takes a value: a text, a number or a word.
    pub(super) fn value(&mut self) -> Option<String> {
        let negative = self.sign(&Token::Minus);
        let value = match self.peek()? {
            Token::SingleQuotedString(text)
            | Token::EscapedStringLiteral(text)
            | Token::UnicodeStringLiteral(text)
            | Token::NationalStringLiteral(text) => text.clone(),
            Token::DollarQuotedString(text) => text.value.clone(),
            Token::Number(number, _) => number.clone(),
            Token::Word(word) => word.value.clone(),
            _ => return None,
        };
        self.next += 1;
        Some(if negative { format!("-{value}") } else { value })
    }

    /// Takes a whole number.
    pub(super) fn number(&mut self) -> Option<i64> {
        let start = self.next;
        let number = self.value().and_then(|value| value.parse().ok());
        if number.is_none() {
            self.next = start;
        }
        number
    }

    /// The text up to the word or sign that comes next.
    fn offset(&self) -> usize {
        match self.tokens.get(self.next) {
            Some(token) => offset(self.text, token.span.start),
            None => self.text.len(),
        }
    }

    /// All that is left, and where it starts, in characters.
    pub(super) fn rest(&mut self) -> (String, usize) {
        let start = self.offset();
        self.next = self.tokens.len();
        self.piece(start, self.text.len())
    }

    /// What stands in the brackets that come next, and where it starts, in characters.
    pub(super) fn in_brackets(&mut self) -> Option<(String, usize)> {
        if !self.sign(&Token::LParen) {
            return None;
        }
        let start = self.offset();
        let mut depth = 1;
        while depth > 0 {
            depth += match self.peek()? {
                Token::LParen => 1,
                Token::RParen => -1,
                _ => 0,
            };
            if depth == 0 {
                // Only here, because every offset is counted from the start of the text.
                let end = self.offset();
                self.next += 1;
                return Some(self.piece(start, end));
            }
            self.next += 1;
        }
        None
    }

    /// The text from where `mark` was to what comes next.
    pub(super) fn since(&self, mark: usize) -> (String, usize) {
        self.piece(mark, self.offset())
    }

    /// Where the next word starts.
    pub(super) fn mark(&self) -> usize {
        self.offset()
    }

    fn piece(&self, start: usize, end: usize) -> (String, usize) {
        let piece = self.text.get(start..end).unwrap_or_default();
        let before = self.text.get(..start).unwrap_or_default();
        (piece.trim_end().to_string(), before.chars().count())
    }
}

/// The highest number of a parameter, `$1` and so on; 0 where the statement has none.
pub(super) fn highest_parameter(text: &str) -> usize {
    let number = |token: &Token| match token {
        Token::Placeholder(name) => name.strip_prefix('$')?.parse::<usize>().ok(),
        _ => None,
    };
    let words = Words::of(text);
    let tokens = words.iter().flat_map(|words| &words.tokens);
    tokens
        .filter_map(|token| number(&token.token))
        .max()
        .unwrap_or(0)
}

/// The byte at a line and a column, both counted from 1, the column in characters.
fn offset(text: &str, place: Location) -> usize {
    let lines = usize::try_from(place.line.saturating_sub(1)).unwrap_or(usize::MAX);
    let characters = usize::try_from(place.column.saturating_sub(1)).unwrap_or(usize::MAX);
    let start: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    let found = rest.char_indices().nth(characters);
    start + found.map_or(rest.len(), |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted() {
        for (text, expected) in [
            ("SELECT 1", 0),
            ("INSERT INTO t SELECT $2, $1", 2),
            ("SELECT '$7' -- $8", 0),
        ] {
            assert_eq!(highest_parameter(text), expected, "{text}");
        }
    }
}
