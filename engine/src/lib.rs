//! The Graticule engine: cells are rows, grids are tables, blocks are what flows.

pub mod cache;
pub mod cube;
pub mod engine;
pub mod error;
pub mod options;
pub mod progress;
pub mod rules;
pub mod runtime;
pub mod scan;
pub mod source;

pub use engine::{Engine, EngineBuilder, Query, Session};
