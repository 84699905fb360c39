//! Makes SQL's own time syntax reach the functions that know calendars.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult};

/// Plans `extract(part FROM time)` as the calendar-aware `date_part`. It has to stand before
/// DataFusion's planners, which name the stock function.
#[derive(Debug)]
pub struct CalendarPlanner;

impl ExprPlanner for CalendarPlanner {
    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        let date_part = Arc::new(super::date_part());
        Ok(PlannerResult::Planned(Expr::ScalarFunction(
            ScalarFunction::new_udf(date_part, args),
        )))
    }
}
