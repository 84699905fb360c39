//! Makes SQL's own time syntax reach the functions that know calendars.
//!
//! | SQL                              | becomes                              |
//! |----------------------------------|--------------------------------------|
//! | `extract(month FROM time)`       | `date_part('month', time)`, ours     |
//! | `time + INTERVAL '1 month'`      | `calendar_add(time, INTERVAL …)`, where the time has a calendar of its own |

use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::sqlparser::ast::BinaryOperator;
use datafusion::logical_expr::{Expr, ExprSchemable, ScalarUDF};

use crate::metadata::calendar_of;

/// Plans SQL's syntax of time with functions that know calendars. It has to stand before DataFusion's
/// planners, which name stock functions.
#[derive(Debug)]
pub struct CalendarPlanner;

impl ExprPlanner for CalendarPlanner {
    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        static DATE_PART: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(super::date_part()));
        Ok(PlannerResult::Planned(call(&DATE_PART, args)))
    }

    fn plan_binary_op(
        &self,
        binary: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        static CALENDAR_ADD: LazyLock<Arc<ScalarUDF>> =
            LazyLock::new(|| Arc::new(super::calendar_add()));
        let is_time = |expr: &Expr| {
            let field = expr.to_field(schema);
            field.is_ok_and(|(_, field)| calendar_of(&field).is_some())
        };
        let is_interval = |expr: &Expr| matches!(expr.get_type(schema), Ok(DataType::Interval(_)));
        let RawBinaryExpr { op, left, right } = binary;
        let (time, interval) = match op {
            BinaryOperator::Plus if is_time(&left) && is_interval(&right) => (left, right),
            BinaryOperator::Plus if is_interval(&left) && is_time(&right) => (right, left),
            BinaryOperator::Minus if is_time(&left) && is_interval(&right) => {
                (left, Expr::Negative(Box::new(right)))
            }
            _ => return Ok(PlannerResult::Original(RawBinaryExpr { op, left, right })),
        };
        Ok(PlannerResult::Planned(call(
            &CALENDAR_ADD,
            vec![time, interval],
        )))
    }
}

fn call(function: &Arc<ScalarUDF>, args: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), args))
}
