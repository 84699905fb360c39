//! The Graticule engine: cubes are tables, blocks are what flows.

pub mod cube;
pub mod error;
pub mod source;
