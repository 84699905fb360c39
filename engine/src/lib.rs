//! The Graticule engine: cells are rows, grids are tables, blocks are what flows.

pub mod cube;
pub mod engine;
pub mod error;
pub mod progress;
pub mod source;

pub use engine::{Engine, EngineBuilder, Query, Session};
