//! Tells gap functions where their rows lie: `interpolate(v) OVER (… ORDER BY time)` is planned as
//! `interpolate(v, time) OVER (… ORDER BY time)`.

use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawWindowExpr};
use datafusion::logical_expr::{Expr, WindowFunctionDefinition};

use super::{GapFunction, Limit, gap_function};

/// Plans `fill` and `interpolate`.
#[derive(Debug)]
pub struct GapPlanner;

impl ExprPlanner for GapPlanner {
    fn plan_window(&self, window: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        let function = match &window.func_def {
            WindowFunctionDefinition::WindowUDF(function) => gap_function(function),
            WindowFunctionDefinition::AggregateUDF(_) => None,
        };
        let Some(function) = function else {
            return Ok(PlannerResult::Original(window));
        };
        let name = window.func_def.name().to_string();
        if window.distinct || window.filter.is_some() || window.null_treatment.is_some() {
            return plan_err!(
                "{name} takes neither DISTINCT nor FILTER nor IGNORE NULLS; leave them out"
            );
        }
        let Some(key) = window.order_by.first() else {
            return plan_err!(
                "{name} needs to know the order of the rows; write {name}(…) OVER (PARTITION BY … ORDER BY time)"
            );
        };
        let key = key.expr.clone();
        let written = expression(window.clone());
        let mut planned = window;
        let given = planned.args.split_off(1.min(planned.args.len()));
        let mut axis = None;
        let mut limit = None;
        for argument in given {
            let is_constant = argument.column_refs().is_empty();
            let place = if is_constant { &mut limit } else { &mut axis };
            if place.replace(argument).is_some() {
                return plan_err!("{name} takes a value, at most one axis and at most one limit");
            }
        }
        if function == GapFunction::Fill && axis.is_some() {
            return plan_err!(
                "fill takes a value and a constant limit; the order of the rows is that of ORDER BY"
            );
        }
        if let Some(Expr::Literal(value, _)) = &limit {
            Limit::new(value)?;
        }
        planned.args.push(axis.unwrap_or(key));
        planned.args.extend(limit);
        let name = written.schema_name().to_string();
        Ok(PlannerResult::Planned(expression(planned).alias(name)))
    }
}

fn expression(window: RawWindowExpr) -> Expr {
    Expr::from(WindowFunction {
        fun: window.func_def,
        params: WindowFunctionParams {
            args: window.args,
            partition_by: window.partition_by,
            order_by: window.order_by,
            window_frame: window.window_frame,
            filter: window.filter,
            null_treatment: window.null_treatment,
            distinct: window.distinct,
        },
    })
}
