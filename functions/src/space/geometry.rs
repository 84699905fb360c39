//! The `ST_…` functions, from geodatafusion.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::prelude::SessionContext;

use super::relation::{CONVERSES, Relation};

/// A session with geodatafusion's functions and no others: it offers no list of them.
fn geometry_session() -> SessionContext {
    let session = SessionContext::new_with_state(SessionStateBuilder::new().build());
    geodatafusion::register(&session);
    session
}

/// Every geometry function of one row, sorted by name. The session lists a function under each of
/// its aliases, too.
pub fn geometry_functions() -> Vec<Arc<ScalarUDF>> {
    let state = geometry_session().state();
    let mut functions: BTreeMap<String, Arc<ScalarUDF>> = state
        .scalar_functions()
        .values()
        .map(|function| (function.name().to_string(), Arc::clone(function)))
        .collect();
    let relations: Vec<Arc<ScalarUDF>> = CONVERSES
        .iter()
        .filter_map(|(relation, converse)| {
            Some(Relation {
                relation: Arc::clone(functions.get(*relation)?),
                converse: Arc::clone(functions.get(*converse)?),
            })
        })
        .map(|relation| Arc::new(relation.into()))
        .collect();
    for relation in relations {
        functions.insert(relation.name().to_string(), relation);
    }
    functions.into_values().collect()
}

/// Every geometry aggregate, sorted by name.
pub fn geometry_aggregates() -> Vec<Arc<AggregateUDF>> {
    let state = geometry_session().state();
    let functions: BTreeMap<_, _> = state
        .aggregate_functions()
        .values()
        .map(|function| (function.name().to_string(), Arc::clone(function)))
        .collect();
    functions.into_values().collect()
}
