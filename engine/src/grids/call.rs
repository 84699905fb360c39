//! A call of a grid function with its arguments: [`Call`].

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::compute::kernels::cast_utils::parse_interval_month_day_nano;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, TableFactor, UnaryOperator, Value,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::functions::{GridFunction, function};
use super::input;
use crate::catalog::visible::VisibleCatalog;
use crate::error::{CubeError, CubeResult};
use crate::scan::CubeTable;
use crate::sql::parser::fold;
use crate::sql::suggestions::with_nearest;

/// A call: the cube that it reads, and how.
pub(crate) struct Call {
    /// The call as it was written.
    pub(crate) text: String,
    /// What is called.
    pub(crate) function: &'static dyn GridFunction,
    /// The session for which it is planned.
    pub(crate) state: SessionState,
    /// Where its tables are.
    pub(super) catalog: Arc<VisibleCatalog>,
    input: Expr,
    /// The relations behind the first one.
    more: Vec<Expr>,
    named: BTreeMap<String, Expr>,
}

impl Call {
    /// Reads the text of a call.
    ///
    /// # Errors
    /// It is no call of a grid function, an argument is unknown or there twice, or there is no input.
    pub(super) fn parse(
        text: &str,
        state: SessionState,
        catalog: Arc<VisibleCatalog>,
    ) -> Result<Self> {
        let mut parser = Parser::new(&GenericDialect {}).try_with_sql(text)?;
        let table = parser.parse_table_factor()?;
        let (name, arguments) = match table {
            TableFactor::Table {
                name,
                args: Some(arguments),
                ..
            } => (name, arguments.args),
            TableFactor::Function { name, args, .. } => (name, args),
            _ => return Err(no_call(text)),
        };
        let name = name.to_string().to_ascii_lowercase();
        let function = function(&name).ok_or_else(|| no_call(text))?;
        let second = function.second();
        let mut input = None;
        let mut more = Vec::new();
        let mut named = BTreeMap::new();
        for argument in arguments {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) if input.is_none() => {
                    input = Some(expression);
                }
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression))
                    if function.takes_many() && named.is_empty() =>
                {
                    more.push(expression);
                }
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression))
                    if second.is_some_and(|second| !named.contains_key(second)) =>
                {
                    named.insert(second.unwrap_or_default().to_string(), expression);
                }
                FunctionArg::Named {
                    name: argument,
                    arg: FunctionArgExpr::Expr(expression),
                    ..
                } => {
                    let argument = fold(&argument);
                    check_argument(function, &argument)?;
                    if named.insert(argument.clone(), expression).is_some() {
                        let cause = format!("{name} is given {argument} twice");
                        return Err(CubeError::invalid("", cause)
                            .remedy("leave one of them out")
                            .into());
                    }
                }
                other => {
                    let cause = format!("{name} does not understand the argument {other}");
                    return Err(CubeError::invalid("", cause)
                        .remedy(format!(
                            "one table or query in parentheses comes first, the others have names: {name}(t, {} => …)",
                            function.arguments().first().map_or("", |(name, _)| name)
                        ))
                        .into());
                }
            }
        }
        let input = input.ok_or_else(|| {
            CubeError::invalid("", format!("{name} needs a table or a query"))
                .remedy(format!("write {name}(t, …) or {name}((SELECT …), …)"))
        })?;
        Ok(Self {
            text: text.to_string(),
            function,
            state,
            catalog,
            input,
            more,
            named,
        })
    }

    /// The relation that is put on another grid, as a cube.
    ///
    /// # Errors
    /// It cannot be planned, or it has no grid.
    pub(super) async fn input(&self) -> Result<CubeTable> {
        input::open(&self.input, self).await
    }

    /// All relations without a name, in their order, as cubes.
    ///
    /// # Errors
    /// One cannot be planned, or it has no grid.
    pub(super) async fn inputs(&self) -> Result<Vec<CubeTable>> {
        let mut inputs = vec![self.input().await?];
        for expression in &self.more {
            inputs.push(input::open(expression, self).await?);
        }
        Ok(inputs)
    }

    /// The rows of the relation that comes first.
    ///
    /// # Errors
    /// It cannot be planned.
    pub(super) async fn input_rows(&self) -> Result<LogicalPlan> {
        input::rows(&self.input, self).await
    }

    /// The argument `name`, where it is a relation.
    ///
    /// # Errors
    /// It cannot be planned, or it has no grid.
    pub(super) async fn relation(&self, name: &str) -> Result<Option<CubeTable>> {
        match self.named.get(name) {
            Some(expression) => input::open(expression, self).await.map(Some),
            None => Ok(None),
        }
    }

    /// The rows of the argument `name`, where it is a relation and no text or list.
    ///
    /// # Errors
    /// It cannot be planned.
    pub(super) async fn rows(&self, name: &str) -> Result<Option<LogicalPlan>> {
        match self.named.get(name) {
            Some(Expr::Value(_) | Expr::Array(_) | Expr::Tuple(_)) | None => Ok(None),
            Some(expression) => input::rows(expression, self).await.map(Some),
        }
    }

    /// The names of the arguments.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }

    /// The argument `name` as values of a type: numbers and texts, one or a list.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn places(&self, name: &str, data_type: &DataType) -> CubeResult<Vec<ScalarValue>> {
        let place = |part: &Expr| {
            let written = text(part).or_else(|| Some(number(part)?.to_string()));
            ScalarValue::try_from_string(written?, data_type).ok()
        };
        let places = self.named.get(name).map(parts).unwrap_or_default();
        let places: Option<Vec<ScalarValue>> = places.iter().map(place).collect();
        match places {
            Some(places) if !places.is_empty() => Ok(places),
            _ => Err(self.wrong(name, "a place on that axis, or a list of places, such as 7.5 or ['2020-01-01', '2020-02-01']")),
        }
    }

    /// Is there an argument `name`?
    pub(super) fn has(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }

    /// The argument `name`, where it is a text.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn text_argument(&self, name: &str) -> CubeResult<Option<String>> {
        match self.named.get(name) {
            None => Ok(None),
            Some(expression) => match text(expression) {
                Some(text) => Ok(Some(text)),
                None => Err(self.wrong(name, "a text in single quotes")),
            },
        }
    }

    /// The argument `name`, where it is a text or a list of texts.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn texts(&self, name: &str) -> CubeResult<Option<Vec<String>>> {
        let Some(expression) = self.named.get(name) else {
            return Ok(None);
        };
        let texts: Option<Vec<String>> = parts(expression).iter().map(text).collect();
        match texts {
            Some(texts) if !texts.is_empty() => Ok(Some(texts)),
            _ => Err(self.wrong(name, "a text in single quotes, or a list of such texts")),
        }
    }

    /// The argument `name`, where it is true or false.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn flag(&self, name: &str) -> CubeResult<bool> {
        match self.named.get(name) {
            None => Ok(false),
            Some(Expr::Value(value)) if matches!(value.value, Value::Boolean(_)) => {
                Ok(value.value == Value::Boolean(true))
            }
            Some(_) => Err(self.wrong(name, "true or false")),
        }
    }

    /// The argument `name` in seconds, where it is a time that passes.
    ///
    /// # Errors
    /// It is something else, or a number of months, which are not equally long.
    pub(super) fn seconds(&self, name: &str) -> CubeResult<Option<f64>> {
        let Some(expression) = self.named.get(name) else {
            return Ok(None);
        };
        let passed = duration(expression).and_then(|text| {
            let parts = parse_interval_month_day_nano(&text).ok()?;
            let seconds = f64::from(parts.days) * 86_400.0 + parts.nanoseconds as f64 / 1e9;
            (parts.months == 0 && seconds >= 0.0).then_some(seconds)
        });
        let expected = "a time in days or shorter units, such as INTERVAL '3 hours' or '3 hours'";
        passed.map(Some).ok_or_else(|| self.wrong(name, expected))
    }

    /// The argument `name` as places, where it is a list.
    ///
    /// # Errors
    /// It is a list of something else.
    pub(super) fn pairs(&self, name: &str) -> CubeResult<Option<Vec<(f64, f64)>>> {
        let Some(list @ (Expr::Array(_) | Expr::Tuple(_))) = self.named.get(name) else {
            return Ok(None);
        };
        let pair = |part: &Expr| match parts(part).as_slice() {
            [x, y] => Some((number(x)?, number(y)?)),
            _ => None,
        };
        let places: Option<Vec<(f64, f64)>> = parts(list).iter().map(pair).collect();
        let expected = "a list of places, such as [[5, 54], [8, 55]]";
        places.map(Some).ok_or_else(|| self.wrong(name, expected))
    }

    /// The argument `name`, where it is a list of `counts` numbers; a number alone is a list of one.
    ///
    /// # Errors
    /// It is something else.
    pub(super) fn numbers(&self, name: &str, counts: &[usize]) -> CubeResult<Option<Vec<f64>>> {
        let Some(expression) = self.named.get(name) else {
            return Ok(None);
        };
        let parts = parts(expression);
        let numbers: Option<Vec<f64>> = parts.iter().map(number).collect();
        match numbers {
            Some(numbers) if counts.contains(&numbers.len()) => Ok(Some(numbers)),
            _ => {
                let expected = match counts {
                    [1] => "a number",
                    [4] => "a list of four numbers, such as [0, 40, 10, 50]",
                    [2] => "a list of two numbers, such as [360, 180]",
                    _ => "a number, or a list of two, such as [300, 200]",
                };
                Err(self.wrong(name, expected))
            }
        }
    }

    /// The error of an argument that is not what it should be.
    pub(super) fn wrong(&self, name: &str, expected: &str) -> CubeError {
        let given = self.named.get(name).map(ToString::to_string);
        let function = self.function.name();
        CubeError::invalid(
            "",
            format!(
                "{name} of {function} should be {expected}, not {}",
                given.unwrap_or_default()
            ),
        )
    }
}

/// The parts of a list, or what is none as the only one.
fn parts(expression: &Expr) -> Vec<Expr> {
    match expression {
        Expr::Array(list) => list.elem.clone(),
        Expr::Tuple(list) => list.clone(),
        Expr::Nested(inner) => vec![inner.as_ref().clone()],
        other => vec![other.clone()],
    }
}

fn check_argument(function: &dyn GridFunction, argument: &str) -> CubeResult<()> {
    let known = || function.arguments().iter().map(|(name, _)| *name);
    match function.takes_axes() || known().any(|name| name == argument) {
        true => Ok(()),
        false => {
            let cause = format!("{} has no argument {argument}", function.name());
            let error = CubeError::invalid("", cause);
            Err(with_nearest(error, argument, known(), "it takes"))
        }
    }
}

fn no_call(text: &str) -> DataFusionError {
    CubeError::invalid("", format!("{text} is no call of a grid function")).into()
}

/// The text of a literal.
fn text(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// The text of a time that passes: `'3 hours'`, `INTERVAL '3 hours'`, `INTERVAL 3 HOURS`.
fn duration(expression: &Expr) -> Option<String> {
    let Expr::Interval(interval) = expression else {
        return text(expression);
    };
    let value = &interval.value;
    let amount = text(value).or_else(|| Some(number(value)?.to_string()))?;
    let unit = interval.leading_field.as_ref();
    Some(unit.map_or(amount.clone(), |unit| format!("{amount} {unit}")))
}

fn number(expression: &Expr) -> Option<f64> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite()),
            _ => None,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => number(expr).map(|number| -number),
        Expr::UnaryOp {
            op: UnaryOperator::Plus,
            expr,
        }
        | Expr::Nested(expr) => number(expr),
        _ => None,
    }
}
