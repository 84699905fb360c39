//! Tells whether a build that was broken off was one of the same statement over the same data.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::partial::PartialVariable;
use super::plan::Layer;
use crate::cube::Cube;
use crate::sink::TargetCube;
use crate::source::Options;

/// A text that differs when a query, its sources, or the way in which the cube is stored differ.
pub(super) fn fingerprint(
    layers: &[Layer],
    partial: &[PartialVariable],
    cube: &TargetCube,
    sources: &[Arc<Cube>],
    options: &Options,
) -> String {
    let mut hasher = DefaultHasher::new();
    for layer in layers {
        let query = layer.query.display_indent_schema().to_string();
        query.hash(&mut hasher);
    }
    for variable in partial {
        variable.hash_query(&mut hasher);
    }
    for array in &cube.arrays {
        format!("{array:?}").hash(&mut hasher);
    }
    for source in sources {
        (&source.url, &source.stored_version()).hash(&mut hasher);
    }
    options.hash(&mut hasher);
    format!("{:016x} by {}", hasher.finish(), env!("CARGO_PKG_VERSION"))
}
