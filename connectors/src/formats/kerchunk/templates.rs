//! Texts with expressions in them, as reference sets of version 1 have: [`Template`], [`Templates`].
//!
//! ```text
//!  "templates": {"u": "s3://bucket/a", "f": "{{c}}.nc"}
//!  "{{u}}/x.nc"          ─▶ s3://bucket/a/x.nc
//!  "{{f(c='y')}}"        ─▶ y.nc
//!  "{{(i + 1) * 1000}}"  ─▶ 3000                  where i is 2
//! ```
//! Of the language of jinja2 these: names, calls with named texts or numbers, whole numbers, `+ - * // %` and
//! brackets. Anything else is an error. A set may come from anybody, so what a text may cost is bounded.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::iter::Peekable;
use std::str::CharIndices;

/// No text becomes longer than this.
const LONGEST_TEXT: usize = 16 << 10;

/// Templates within templates, and brackets within brackets.
const DEEPEST: usize = 8;

/// Operators of one expression: it is evaluated on the stack.
const MOST_OPERATORS: usize = 32;

/// Names and operators that are evaluated for all texts of a set.
const MOST_STEPS: u64 = 200_000_000;

/// Bytes that are copied in about the time of a step, and those that stand for comparing a name.
const BYTES_OF_STEP: u64 = 256;
const BYTES_OF_NAME: usize = 16;

/// A text with expressions in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Expression(Expression),
}

#[derive(Debug, Clone, PartialEq)]
enum Expression {
    Value(Value),
    Name(String, Vec<(String, Expression)>),
    Operation(Operator, Box<(Expression, Expression)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// What an expression stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(i64),
    Text(String),
}

impl Value {
    /// Bytes that a copy of it takes beside itself.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Number(_) => 0,
            Self::Text(text) => text.len(),
        }
    }
}

/// The templates of a set, by their names.
#[derive(Debug)]
pub(super) struct Templates {
    templates: BTreeMap<String, Template>,
    /// Steps that its texts may still take.
    left: Cell<u64>,
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.contains("{%") {
            return Err(format!("the template {text:?} has a statement"));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (expression, after) = after
                .split_once("}}")
                .ok_or_else(|| format!("the template {text:?} has no end"))?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_string()));
            }
            pieces.push(Piece::Expression(Parser::parse(expression)?));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_string()));
        }
        Ok(Self(pieces))
    }
}

impl Templates {
    pub(super) fn parse(texts: &BTreeMap<String, String>) -> Result<Self, String> {
        let parsed = texts
            .iter()
            .map(|(name, text)| Ok((name.clone(), Template::parse(text)?)));
        Ok(Self {
            templates: parsed.collect::<Result<_, String>>()?,
            left: Cell::new(MOST_STEPS),
        })
    }

    /// Takes a step away from those that are left, and those of copying `length` bytes.
    ///
    /// # Errors
    /// None is left.
    pub(super) fn spend(&self, length: usize) -> Result<(), String> {
        let steps = 1 + length as u64 / BYTES_OF_STEP;
        let left = self.left.get().checked_sub(steps);
        self.left
            .set(left.ok_or("the templates and generators take too many steps")?);
        Ok(())
    }

    /// The text of `template`, in which `names` have these values.
    pub(super) fn render(
        &self,
        template: &Template,
        names: &[(String, Value)],
    ) -> Result<String, String> {
        let scope = Scope {
            templates: self,
            names,
            depth: 0,
        };
        scope.render(template)
    }
}

/// Where an expression is evaluated.
#[derive(Clone, Copy)]
struct Scope<'a> {
    templates: &'a Templates,
    names: &'a [(String, Value)],
    depth: usize,
}

impl Scope<'_> {
    fn render(self, template: &Template) -> Result<String, String> {
        let mut text = String::new();
        for piece in &template.0 {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Expression(expression) => match self.evaluate(expression)? {
                    Value::Text(part) => text.push_str(&part),
                    // Writing to a text cannot fail.
                    Value::Number(number) => {
                        let _ = write!(text, "{number}");
                    }
                },
            }
            if text.len() > LONGEST_TEXT {
                return Err(format!(
                    "a template becomes longer than {LONGEST_TEXT} bytes"
                ));
            }
        }
        self.templates.spend(text.len())?;
        Ok(text)
    }

    fn evaluate(self, expression: &Expression) -> Result<Value, String> {
        match expression {
            Expression::Value(value) => {
                self.templates.spend(value.length())?;
                Ok(value.clone())
            }
            Expression::Operation(operator, sides) => {
                self.templates.spend(0)?;
                let number = |side| match self.evaluate(side)? {
                    Value::Number(number) => Ok(number),
                    Value::Text(text) => text
                        .parse()
                        .map_err(|_| format!("{text:?} in a template is no number")),
                };
                operator
                    .apply(number(&sides.0)?, number(&sides.1)?)
                    .map(Value::Number)
            }
            Expression::Name(name, arguments) => {
                let known = self.names.iter().find(|(known, _)| known == name);
                let copied = known.map_or(0, |(_, value)| value.length());
                let compared = self.names.len() * BYTES_OF_NAME;
                self.templates.spend(copied + compared)?;
                if let (Some((_, value)), true) = (known, arguments.is_empty()) {
                    return Ok(value.clone());
                }
                let template = self
                    .templates
                    .templates
                    .get(name)
                    .ok_or_else(|| format!("there is no template {name:?}"))?;
                if self.depth == DEEPEST {
                    return Err(format!("the template {name:?} leads to itself"));
                }
                let names: Vec<(String, Value)> = arguments
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), self.evaluate(value)?)))
                    .collect::<Result<_, String>>()?;
                let inside = Scope {
                    names: &names,
                    depth: self.depth + 1,
                    ..self
                };
                inside.render(template).map(Value::Text)
            }
        }
    }
}

impl Operator {
    /// As Python does it: quotients are rounded down.
    fn apply(self, left: i64, right: i64) -> Result<i64, String> {
        let divide = |left: i64, right: i64| {
            let quotient = left.checked_div(right)?;
            let is_between = left % right != 0 && (left < 0) != (right < 0);
            quotient.checked_sub(i64::from(is_between))
        };
        let result = match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => divide(left, right),
            Self::Remainder => divide(left, right)
                .and_then(|quotient| left.checked_sub(quotient.checked_mul(right)?)),
        };
        result.ok_or_else(|| "a number of a template has no value".to_string())
    }
}

/// Reads an expression.
struct Parser<'a> {
    text: &'a str,
    characters: Peekable<CharIndices<'a>>,
    depth: usize,
    operators: usize,
}

impl<'a> Parser<'a> {
    fn parse(text: &'a str) -> Result<Expression, String> {
        let mut parser = Self {
            text,
            characters: text.char_indices().peekable(),
            depth: 0,
            operators: 0,
        };
        let expression = parser.sum()?;
        match parser.next_symbol() {
            None => Ok(expression),
            Some(_) => Err(parser.not_known()),
        }
    }

    fn not_known(&self) -> String {
        let text = self.text;
        format!("the expression {text:?} of a template is not understood")
    }

    /// The next character that is no space.
    fn next_symbol(&mut self) -> Option<char> {
        while self
            .characters
            .next_if(|(_, c)| c.is_whitespace())
            .is_some()
        {}
        self.characters.peek().map(|(_, c)| *c)
    }

    fn accept(&mut self, symbol: char) -> bool {
        let is_next = self.next_symbol() == Some(symbol);
        if is_next {
            self.characters.next();
        }
        is_next
    }

    /// The text of the next characters for which `is_part` holds.
    fn take(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let here = |parser: &mut Self| {
            let next = parser.characters.peek();
            next.map_or(parser.text.len(), |(at, _)| *at)
        };
        let start = here(self);
        while self.characters.next_if(|(_, c)| is_part(*c)).is_some() {}
        let end = here(self);
        self.text.get(start..end).unwrap_or_default()
    }

    fn sum(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.not_known());
        }
        let mut left = self.product()?;
        loop {
            let operator = match self.next_symbol() {
                Some('+') => Operator::Add,
                Some('-') => Operator::Subtract,
                _ => break,
            };
            self.characters.next();
            let right = self.product()?;
            left = self.operation(operator, left, right)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn product(&mut self) -> Result<Expression, String> {
        let mut left = self.operand()?;
        loop {
            let operator = match self.next_symbol() {
                Some('*') => Operator::Multiply,
                Some('/') => Operator::Divide,
                Some('%') => Operator::Remainder,
                _ => return Ok(left),
            };
            self.characters.next();
            if operator == Operator::Divide && !self.accept('/') {
                return Err(self.not_known());
            }
            let right = self.operand()?;
            left = self.operation(operator, left, right)?;
        }
    }

    fn operation(
        &mut self,
        operator: Operator,
        left: Expression,
        right: Expression,
    ) -> Result<Expression, String> {
        self.operators += 1;
        match self.operators > MOST_OPERATORS {
            true => Err(self.not_known()),
            false => Ok(Expression::Operation(operator, Box::new((left, right)))),
        }
    }

    fn operand(&mut self) -> Result<Expression, String> {
        match self.next_symbol() {
            Some('(') => {
                self.characters.next();
                let inside = self.sum()?;
                match self.accept(')') {
                    true => Ok(inside),
                    false => Err(self.not_known()),
                }
            }
            Some(quote @ ('"' | '\'')) => {
                self.characters.next();
                let text = self.take(|c| c != quote && c != '\\').to_string();
                match self.characters.next() {
                    Some((_, end)) if end == quote => Ok(Expression::Value(Value::Text(text))),
                    _ => Err(self.not_known()),
                }
            }
            Some('0'..='9') => {
                let number = self.take(|c| c.is_ascii_digit()).parse();
                let number = number.map_err(|_| self.not_known())?;
                Ok(Expression::Value(Value::Number(number)))
            }
            Some(c) if c.is_alphabetic() || c == '_' => {
                let name = self.take(|c| c.is_alphanumeric() || c == '_').to_string();
                let arguments = match self.accept('(') {
                    true => self.arguments()?,
                    false => Vec::new(),
                };
                Ok(Expression::Name(name, arguments))
            }
            _ => Err(self.not_known()),
        }
    }

    fn arguments(&mut self) -> Result<Vec<(String, Expression)>, String> {
        let mut arguments = Vec::new();
        while !self.accept(')') {
            if !arguments.is_empty() && !self.accept(',') {
                return Err(self.not_known());
            }
            self.next_symbol();
            let name = self.take(|c| c.is_alphanumeric() || c == '_').to_string();
            if name.is_empty() || !self.accept('=') {
                return Err(self.not_known());
            }
            arguments.push((name, self.sum()?));
        }
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> Result<String, String> {
        let templates = [
            ("u", "s3://bucket/a"),
            ("f", "{{c}}.nc"),
            ("nested", "{{u}}/{{f(c='z')}}"),
            ("circle", "{{circle}}"),
            ("wide", "{{empty}}{{wide}}{{wide}}"),
            ("empty", ""),
            ("long", "{{l}}{{l}}{{l}}{{l}}"),
            (
                "l",
                "0123456789012345678901234567890123456789{{m}}{{m}}{{m}}",
            ),
            ("m", "{{n}}{{n}}{{n}}{{n}}{{n}}{{n}}{{n}}{{n}}"),
            (
                "n",
                "{{u}}{{u}}{{u}}{{u}}{{u}}{{u}}{{u}}{{u}}{{u}}{{u}}{{u}}{{u}}{{u}}{{u}}",
            ),
        ];
        let texts = templates.map(|(name, text)| (name.to_string(), text.to_string()));
        let templates = Templates::parse(&texts.into())?;
        let names = [
            ("i".to_string(), Value::Number(7)),
            ("s".to_string(), Value::Text("12".to_string())),
        ];
        templates.render(&Template::parse(text)?, &names)
    }

    #[test]
    fn steps_are_of_the_whole_set() {
        let templates = Templates {
            templates: BTreeMap::new(),
            left: Cell::new(5),
        };
        let names = [("i".to_string(), Value::Number(7))];
        let template = Template(vec![Piece::Expression(Expression::Name(
            "i".to_string(),
            Vec::new(),
        ))]);
        let render = || templates.render(&template, &names).is_ok();
        assert_eq!([render(), render(), render()], [true, true, false]);
    }

    #[test]
    fn texts_of_templates() {
        for (text, expected) in [
            ("plain", Ok("plain")),
            ("{{u}}/x.nc", Ok("s3://bucket/a/x.nc")),
            ("{{ u }}{{i}}", Ok("s3://bucket/a7")),
            ("{{f(c='y')}}", Ok("y.nc")),
            ("{{f( c = \"y\" )}}", Ok("y.nc")),
            ("{{f(c=i + 1)}}", Ok("8.nc")),
            ("{{nested}}", Ok("s3://bucket/a/z.nc")),
            ("{{(i + 1) * 1000}}", Ok("8000")),
            ("{{i + 1 * 1000}}", Ok("1007")),
            ("{{i // 2}} {{i % 4}} {{i - 2 - 1}}", Ok("3 3 4")),
            ("{{(1 - i) // 4}} {{(1 - i) % 4}}", Ok("-2 2")),
            ("{{s * 2}}", Ok("24")),
            ("{{v}}", Err("no template \"v\"")),
            ("{{f}}", Err("no template \"c\"")),
            ("{{circle}}", Err("leads to itself")),
            ("{{wide}}", Err("leads to itself")),
            ("{{long}}", Err("longer than")),
            ("{{i", Err("no end")),
            ("{{i / 2}}", Err("not understood")),
            ("{{i // 0}}", Err("no value")),
            ("{{i % 0}}", Err("no value")),
            ("{{9223372036854775807 + i}}", Err("no value")),
            ("{{99999999999999999999}}", Err("not understood")),
            ("{{i | upper}}", Err("not understood")),
            ("{{'a}}", Err("not understood")),
            ("{{u + 1}}", Err("no number")),
            ("{% for x in y %}", Err("statement")),
            ("{{}}", Err("not understood")),
        ] {
            match (rendered(text), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
                (found, expected) => assert_eq!(
                    found,
                    expected.map(str::to_string).map_err(str::to_string),
                    "{text}"
                ),
            }
        }
        let deep = format!("{{{{{}i{}}}}}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(rendered(&deep).is_err());
        let long = format!("{{{{i{}}}}}", " + i".repeat(100_000));
        assert!(rendered(&long).is_err());
    }
}
