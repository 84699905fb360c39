//! The registry of formats: adding one is a module and a line in [`formats`].

use std::sync::Arc;

use graticule_engine::source::CubeFormat;

mod levels;
mod zarr;

pub use levels::LevelsFormat;
pub use zarr::ZarrFormat;

/// Every format Graticule reads, in the order in which a listing asks them.
pub fn formats() -> Vec<Arc<dyn CubeFormat>> {
    vec![Arc::new(ZarrFormat), Arc::new(LevelsFormat)]
}
