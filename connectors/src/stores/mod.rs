//! The registry of stores: adding one is a module and a line in [`store_connectors`].

use std::sync::Arc;

use graticule_engine::source::StoreConnector;

/// Every kind of store Graticule connects to.
pub fn store_connectors() -> Vec<Arc<dyn StoreConnector>> {
    vec![]
}
