//! A polygon test prunes like a box first: `ST_Contains(geometry, ST_Point(lon, lat))` implies
//! that lon and lat lie in the geometry's envelope, and those are predicates on one axis each.

use datafusion::catalog::Session;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, and};

/// Predicates that only hold when the two geometries meet, so the envelopes must meet as well.
const MEETING: [&str; 6] = [
    "st_contains",
    "st_within",
    "st_intersects",
    "st_covers",
    "st_coveredby",
    "st_equals",
];

/// The box that `filter` implies, or `None` when it is no test of a point of the grid against a
/// constant geometry.
pub(crate) fn implied_box(session: &dyn Session, filter: &Expr) -> Option<Expr> {
    let test = function(filter)?;
    if !MEETING.contains(&test.name()) {
        return None;
    }
    let [left, right] = test.args.as_slice() else {
        return None;
    };
    let (geometry, point) = if is_constant(left) {
        (left, function(right)?)
    } else {
        (right, function(left)?)
    };
    if !is_constant(geometry) || point.name() != "st_point" {
        return None;
    }
    let [x, y, ..] = point.args.as_slice() else {
        return None;
    };
    let edge = |name: &str| {
        let edge_of = session.scalar_functions().get(name)?;
        Some(edge_of.call(vec![geometry.clone()]))
    };
    Some(and(
        x.clone().between(edge("st_xmin")?, edge("st_xmax")?),
        y.clone().between(edge("st_ymin")?, edge("st_ymax")?),
    ))
}

fn function(expression: &Expr) -> Option<&ScalarFunction> {
    match expression {
        Expr::ScalarFunction(function) => Some(function),
        _ => None,
    }
}

fn is_constant(expression: &Expr) -> bool {
    expression.column_refs().is_empty() && !expression.is_volatile()
}
