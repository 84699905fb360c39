//! The `ST_…` functions, from geodatafusion.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::prelude::SessionContext;

use super::geometry_function::{CONVERSES, GeometryFunction};

/// A session with geodatafusion's functions and no others: it offers no list of them.
fn geometry_session() -> SessionContext {
    let session = SessionContext::new_with_state(SessionStateBuilder::new().build());
    geodatafusion::register(&session);
    session
}

/// Every geometry function of one row, sorted by name.
pub fn geometry_functions() -> Vec<Arc<ScalarUDF>> {
    let state = geometry_session().state();
    // The session lists a function under each of its aliases, too.
    let functions: BTreeMap<&str, &Arc<ScalarUDF>> = state
        .scalar_functions()
        .values()
        .map(|function| (function.name(), function))
        .collect();
    let converse_of = |name: &str| {
        let (_, converse) = CONVERSES.iter().find(|(relation, _)| *relation == name)?;
        functions.get(converse).copied().map(Arc::clone)
    };
    functions
        .iter()
        .map(|(name, function)| GeometryFunction {
            function: Arc::clone(function),
            converse: converse_of(name),
        })
        .map(|function| Arc::new(function.into()))
        .collect()
}

/// Every geometry aggregate, sorted by name.
pub fn geometry_aggregates() -> Vec<Arc<AggregateUDF>> {
    let state = geometry_session().state();
    let functions: BTreeMap<&str, &Arc<AggregateUDF>> = state
        .aggregate_functions()
        .values()
        .map(|function| (function.name(), function))
        .collect();
    functions.into_values().cloned().collect()
}
