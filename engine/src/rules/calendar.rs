//! Lets queries write dates of a model's calendar as dates.
//!
//! A time column of `360_day` or `all_leap` is an integer that counts microseconds in its calendar.
//! This rule turns what queries compare it with into such integers, and casts to text into text of
//! that calendar:
//!
//! ```text
//!  time >= '2010-02-30'             time >= 1248393600000000
//!  time BETWEEN '2010-01' AND …  →  time BETWEEN 1244160000000000 AND …
//!  time = TIMESTAMP '2010-02-30'    time = 1248393600000000
//!  CAST(time AS VARCHAR)            calendar_text(time)
//! ```
//! It stands before type coercion, which would compare numbers with text as text.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, BinaryExpr, InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF, lit};
use datafusion::optimizer::AnalyzerRule;
use graticule_functions::calendar::{Calendar, CalendarResult, CivilTime, parse_civil};
use graticule_functions::metadata::calendar_of;
use graticule_functions::time::calendar_text;

use crate::error::CubeError;

/// Reads dates that stand beside times of a model's calendar in that calendar.
#[derive(Debug, Default)]
pub struct CalendarDates;

impl AnalyzerRule for CalendarDates {
    fn name(&self) -> &str {
        "calendar_dates"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(rewrite_plan)?.data)
    }
}

fn rewrite_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = &plan {
        let columns = scan.source.schema();
        schema.merge(&DFSchema::try_from_qualified_schema(
            scan.table_name.clone(),
            &columns,
        )?);
    }
    if let LogicalPlan::Join(join) = &plan {
        for (left, right) in &join.on {
            shared_calendar(&[left, right], &schema)?;
        }
    }
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let rewritten = expr.transform_up(|expr| rewrite(expr, &schema))?;
        Ok(rewritten.update_data(|expr| name.restore(expr)))
    })?
    .map_data(LogicalPlan::recompute_schema)
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(mut binary) if is_comparison(binary.op) => {
            let changed = read_dates([&mut *binary.left, &mut *binary.right], schema)?;
            Ok(Transformed::new_transformed(
                Expr::BinaryExpr(binary),
                changed,
            ))
        }
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::StringConcat,
            right,
        }) => {
            let (left, right) = (text_of(*left, schema), text_of(*right, schema));
            let changed = left.transformed || right.transformed;
            let both = Expr::BinaryExpr(BinaryExpr::new(
                Box::new(left.data),
                Operator::StringConcat,
                Box::new(right.data),
            ));
            Ok(Transformed::new_transformed(both, changed))
        }
        Expr::Between(mut between) => {
            let Between {
                expr, low, high, ..
            } = &mut between;
            let changed = read_dates([&mut **expr, &mut **low, &mut **high], schema)?;
            Ok(Transformed::new_transformed(
                Expr::Between(between),
                changed,
            ))
        }
        Expr::InList(mut in_list) => {
            let InList { expr, list, .. } = &mut in_list;
            let operands = std::iter::once(&mut **expr).chain(list);
            let changed = read_dates(operands, schema)?;
            Ok(Transformed::new_transformed(Expr::InList(in_list), changed))
        }
        Expr::Like(mut like) => {
            let text = text_of(*like.expr, schema);
            like.expr = Box::new(text.data);
            Ok(Transformed::new_transformed(
                Expr::Like(like),
                text.transformed,
            ))
        }
        Expr::Cast(cast) => rewrite_cast(cast, schema),
        other => Ok(Transformed::no(other)),
    }
}

fn is_comparison(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(
        operator,
        Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom
    )
}

/// A cast to text becomes text in the calendar. A cast to a timestamp has no meaning.
fn rewrite_cast(cast: Cast, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Some(calendar) = calendar_of_expr(&cast.expr, schema) else {
        return Ok(Transformed::no(Expr::Cast(cast)));
    };
    let target = cast.field.data_type();
    if target.is_string() {
        let text = text_of(*cast.expr, schema).data;
        return Ok(Transformed::yes(Expr::Cast(Cast {
            expr: Box::new(text),
            field: cast.field,
        })));
    }
    if target.is_temporal() {
        let cause = format!("a date of the {calendar} calendar is no {target}");
        return Err(CubeError::invalid(cast.expr.to_string(), cause)
            .remedy("compare it with dates as text, or cast it to VARCHAR")
            .into());
    }
    Ok(Transformed::no(Expr::Cast(cast)))
}

/// Replaces each date among operands of a comparison by the integer that it is in the calendar of
/// the others. Returns whether there was any.
fn read_dates<'a>(
    operands: impl IntoIterator<Item = &'a mut Expr>,
    schema: &DFSchema,
) -> Result<bool> {
    let mut operands: Vec<&mut Expr> = operands.into_iter().collect();
    let shared: Vec<&Expr> = operands.iter().map(|operand| &**operand).collect();
    let Some((calendar, column)) = shared_calendar(&shared, schema)? else {
        return Ok(false);
    };
    let mut changed = false;
    for operand in &mut operands {
        let Some(date) = date_of(operand) else {
            continue;
        };
        let micros = date.and_then(|(civil, ahead)| Ok(calendar.micros(&civil)? - ahead));
        let micros = micros.map_err(|error| CubeError::invalid(&column, error))?;
        **operand = lit(micros);
        changed = true;
    }
    Ok(changed)
}

/// The one calendar of expressions that are compared, and an expression that has it.
fn shared_calendar(expressions: &[&Expr], schema: &DFSchema) -> Result<Option<(Calendar, String)>> {
    let mut shared: Option<(Calendar, String)> = None;
    for expression in expressions {
        let Some(calendar) = calendar_of_expr(expression, schema) else {
            continue;
        };
        match &shared {
            Some((other, column)) if *other != calendar => {
                let cause = format!(
                    "{column} is a time of the {other} calendar, {expression} one of {calendar}"
                );
                return Err(CubeError::invalid(column, cause)
                    .remedy("compare them as text: CAST(… AS VARCHAR)")
                    .into());
            }
            Some(_) => {}
            None => shared = Some((calendar, expression.to_string())),
        }
    }
    Ok(shared)
}

/// The calendar in which an expression counts time.
fn calendar_of_expr(expr: &Expr, schema: &DFSchema) -> Option<Calendar> {
    // Expressions that do not resolve here fail where they are planned, with a better message.
    let (_, field) = expr.to_field(schema).ok()?;
    calendar_of(&field)
}

/// The date that a literal states, as text or as a timestamp, and how far its zone is ahead of UTC.
fn date_of(expr: &Expr) -> Option<CalendarResult<(CivilTime, i64)>> {
    match expr {
        Expr::Literal(literal, _) if literal.data_type().is_temporal() => {
            let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
            match literal.cast_to(&timestamp).ok()? {
                ScalarValue::TimestampMicrosecond(Some(micros), _) => {
                    Some(Ok((Calendar::ProlepticGregorian.civil(micros), 0)))
                }
                _ => None,
            }
        }
        Expr::Literal(literal, _) => literal.try_as_str().flatten().map(parse_civil),
        // DATE '2010-02-30' is a cast until constants are folded.
        Expr::Cast(cast) if cast.field.data_type().is_temporal() => date_of(&cast.expr),
        _ => None,
    }
}

/// The text of a time in its calendar; anything else as it is.
fn text_of(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    static CALENDAR_TEXT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(calendar_text()));
    if calendar_of_expr(&expr, schema).is_none() {
        return Transformed::no(expr);
    }
    let function = Arc::clone(&CALENDAR_TEXT);
    Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(
        function,
        vec![expr],
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::collections::HashMap;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
    use arrow::datatypes::{Field, Schema};
    use arrow::util::display::array_value_to_string;
    use datafusion::execution::SessionStateBuilder;
    use datafusion::optimizer::Analyzer;
    use datafusion::prelude::SessionContext;
    use graticule_functions::metadata::CALENDAR;
    use graticule_functions::registry::{aggregate_functions, expr_planners, scalar_functions};

    use super::*;

    fn table(session: &SessionContext, name: &str, calendar: Calendar, dates: &[&str]) {
        let micros = |date: &&str| calendar.micros(&parse_civil(date).unwrap().0).unwrap();
        let times: Int64Array = dates.iter().map(micros).map(Some).collect();
        let rows: Float64Array = (1..=dates.len()).map(|row| Some(row as f64)).collect();
        let metadata = HashMap::from([(CALENDAR.to_string(), calendar.name().to_string())]);
        let fields = vec![
            Field::new("time", DataType::Int64, true).with_metadata(metadata),
            Field::new("row", DataType::Float64, true),
        ];
        let columns: Vec<ArrayRef> = vec![Arc::new(times), Arc::new(rows)];
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        session.register_batch(name, batch).unwrap();
    }

    fn session() -> SessionContext {
        let mut rules = Analyzer::new().rules;
        rules.insert(0, Arc::new(CalendarDates));
        let state = SessionStateBuilder::new()
            .with_expr_planners(expr_planners())
            .with_default_features()
            .with_analyzer_rules(rules)
            .build();
        let session = SessionContext::new_with_state(state);
        for function in scalar_functions() {
            session.register_udf(function.as_ref().clone());
        }
        for function in aggregate_functions() {
            session.register_udaf(function.as_ref().clone());
        }
        let dates = ["2010-01-30", "2010-02-29 06:00", "2010-02-30", "2010-03-01"];
        table(&session, "model", Calendar::Day360, &dates);
        table(
            &session,
            "leap",
            Calendar::AllLeap,
            &["2010-02-29", "2010-03-01"],
        );
        session
    }

    /// The first column of the answer, rows separated by spaces.
    async fn answer(session: &SessionContext, query: &str) -> Result<String> {
        let batches = session.sql(query).await?.collect().await?;
        let rows = batches.iter().flat_map(|batch| {
            (0..batch.num_rows()).map(|row| array_value_to_string(batch.column(0), row).unwrap())
        });
        Ok(rows.collect::<Vec<_>>().join(" "))
    }

    #[tokio::test]
    async fn dates_are_read_in_the_calendar() {
        let session = session();
        let cases = [
            ("time = '2010-02-30'", "3.0"),
            ("'2010-02-30' = time", "3.0"),
            ("time <> '2010-02-30'", "1.0 2.0 4.0"),
            ("time < '2010-02-30'", "1.0 2.0"),
            ("time <= '2010-02-30 00:00:00'", "1.0 2.0 3.0"),
            ("time > '2010-02-29T06:00'", "3.0 4.0"),
            ("time >= '2010-02-29T06:00'", "2.0 3.0 4.0"),
            ("time >= '2010-03'", "4.0"),
            ("time BETWEEN '2010-02-01' AND '2010-02-30'", "2.0 3.0"),
            ("time NOT BETWEEN '2010-02-01' AND '2010-02-30'", "1.0 4.0"),
            ("'2010-02-30' BETWEEN time AND time", "3.0"),
            ("time IN ('2010-01-30', '2010-02-30')", "1.0 3.0"),
            ("time NOT IN ('2010-01-30', '2010-02-30')", "2.0 4.0"),
            ("time IS NOT DISTINCT FROM '2010-02-30'", "3.0"),
            ("time = TIMESTAMP '2010-02-30'", "3.0"),
            ("time >= DATE '2010-03-01'", "4.0"),
            ("time = CAST('2010-02-30' AS TIMESTAMP)", "3.0"),
            ("date_trunc('month', time) = '2010-02-01'", "2.0 3.0"),
            (
                "time = '2010-02-30' OR (row = 1 AND time < '2010-02-30')",
                "1.0 3.0",
            ),
            (
                "time = (SELECT max(time) FROM model WHERE time < '2010-03-01')",
                "3.0",
            ),
            (
                "EXISTS (SELECT 1 FROM leap WHERE model.time = '2010-02-30')",
                "3.0",
            ),
            ("time::text = '2010-02-30T00:00:00'", "3.0"),
            ("time LIKE '2010-02-%'", "2.0 3.0"),
            ("time > 0 AND row = '2'", "2.0"),
            ("time = NULL", ""),
        ];
        for (predicate, expected) in cases {
            let query = format!("SELECT row FROM model WHERE {predicate} ORDER BY row");
            let answer = answer(&session, &query).await;
            let answer = answer.unwrap_or_else(|error| panic!("{predicate}: {error}"));
            assert_eq!(answer, expected, "{predicate}");
        }
    }

    #[tokio::test]
    async fn times_are_written_in_the_calendar() {
        let session = session();
        let cases = [
            (
                "SELECT CAST(time AS VARCHAR) FROM model WHERE row = 3",
                "2010-02-30T00:00:00",
            ),
            (
                "SELECT time::text FROM leap",
                "2010-02-29T00:00:00 2010-03-01T00:00:00",
            ),
            (
                "SELECT 'at ' || time FROM model WHERE row = 3",
                "at 2010-02-30T00:00:00",
            ),
            (
                "SELECT time >= '2010-02-30' FROM model ORDER BY row",
                "false false true true",
            ),
            (
                "SELECT CASE WHEN time < '2010-02-30' THEN 'a' ELSE 'b' END FROM model ORDER BY row",
                "a a b b",
            ),
            (
                "SELECT count(*) FROM model GROUP BY time::text ORDER BY time::text",
                "1 1 1 1",
            ),
            (
                "SELECT count(*) FILTER (WHERE time < '2010-02-30') FROM model",
                "2",
            ),
            (
                "SELECT count(*) FROM model a JOIN model b ON a.time = b.time AND b.time < '2010-02-30'",
                "2",
            ),
            ("SELECT max(time)::text FROM model", "2010-03-01T00:00:00"),
            (
                "SELECT max(row) FROM model GROUP BY row HAVING max(time) = '2010-02-30'",
                "3.0",
            ),
            (
                "SELECT (time + INTERVAL '1 day')::text FROM model WHERE row = 3",
                "2010-03-01T00:00:00",
            ),
            (
                "SELECT row FROM model WHERE time + INTERVAL '1 day' = '2010-03-01'",
                "3.0",
            ),
            ("SELECT time FROM model WHERE row = 1", "1246665600000000"),
        ];
        for (query, expected) in cases {
            let answer = answer(&session, query).await;
            let answer = answer.unwrap_or_else(|error| panic!("{query}: {error}"));
            assert_eq!(answer, expected, "{query}");
        }
    }

    #[tokio::test]
    async fn refusals_say_why() {
        let session = session();
        let cases = [
            (
                "SELECT * FROM model WHERE time = '2010-02-31'",
                "the month 2010-02 has 30 days",
            ),
            (
                "SELECT * FROM model WHERE time IN ('2010-01-31')",
                "does not exist in the 360_day calendar",
            ),
            (
                "SELECT * FROM model WHERE time = 'yesterday'",
                "'yesterday' is not a date",
            ),
            (
                "SELECT * FROM leap WHERE time < TIMESTAMP '2010-02-30'",
                "does not exist in the all_leap calendar",
            ),
            (
                "SELECT CAST(time AS TIMESTAMP) FROM model",
                "a date of the 360_day calendar is no Timestamp",
            ),
            (
                "SELECT time::date FROM model",
                "compare it with dates as text",
            ),
            (
                "SELECT 1 FROM model JOIN leap ON model.time = leap.time",
                "one of all_leap",
            ),
            (
                "SELECT 1 FROM model JOIN leap ON model.time < leap.time",
                "one of all_leap",
            ),
        ];
        for (query, expected) in cases {
            let error = answer(&session, query).await.expect_err(query).to_string();
            assert!(error.contains(expected), "{query}: {error}");
        }
    }

    #[tokio::test]
    async fn the_predicate_is_an_integer_comparison() {
        let query = "SELECT row FROM model WHERE time >= '2010-02-30'";
        let plan = session()
            .sql(query)
            .await
            .unwrap()
            .into_optimized_plan()
            .unwrap();
        let plan = plan.to_string();
        assert!(plan.contains("model.time >= Int64("), "{plan}");
    }
}
