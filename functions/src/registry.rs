//! Every function that a session gains, one line each.
//!
//! ```text
//!  SessionStateBuilder::new().with_expr_planners(expr_planners()).with_default_features().build()
//!  then register scalar_functions(), aggregate_functions() and window_functions(): some replace stock functions
//! ```
//! The planners have to stand before the default ones.

use std::sync::Arc;

use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

use crate::{flags, gaps, space, time, trends};

/// Our own functions of one row. Each has a documented and tested example.
pub fn own_functions() -> Vec<ScalarUDF> {
    vec![
        time::calendar_add(),
        time::calendar_text(),
        time::date_bin(),
        time::date_part(),
        time::date_trunc(),
        time::season(),
        time::time_bucket(),
        time::to_char(),
        time::year_fraction(),
        space::cell_area(),
        space::cell_fraction(),
        space::st_transform(),
        space::in_box(),
        space::lat_weight(),
        space::lon_between(),
        flags::flag_names(),
        flags::has_flag(),
    ]
}

/// All functions of one row: our own, and those of geometry.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    let mut functions = space::geometry_functions();
    functions.extend(own_functions().into_iter().map(Arc::new));
    functions
}

/// Our own aggregates. Each has a documented and tested example.
pub fn own_aggregates() -> Vec<AggregateUDF> {
    vec![
        space::area_avg(),
        trends::longest_run(),
        trends::mann_kendall(),
        trends::sens_slope(),
    ]
}

/// All aggregates: our own, `min` and `max` that keep a time's calendar, and those of geometry.
pub fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    let mut functions = space::geometry_aggregates();
    let own = own_aggregates().into_iter();
    functions.extend(own.chain([time::max(), time::min()]).map(Arc::new));
    functions
}

/// All window functions: those that close gaps.
pub fn window_functions() -> Vec<Arc<WindowUDF>> {
    gaps::window_functions()
}

/// What makes SQL's own syntax reach our functions.
pub fn expr_planners() -> Vec<Arc<dyn ExprPlanner>> {
    vec![
        Arc::new(time::CalendarPlanner),
        Arc::new(space::AreaPlanner),
        Arc::new(gaps::GapPlanner),
    ]
}

#[cfg(test)]
pub(crate) mod tests;
