//! The Graticule engine: cells are rows, grids are tables, blocks are what flows.

pub mod access;
pub mod bytes;
pub mod cache;
mod catalog;
pub mod configuration;
pub mod cube;
mod dense;
pub mod engine;
pub mod error;
mod grids;
pub mod history;
mod limits;
pub mod options;
mod overviews;
pub mod progress;
mod queries;
pub mod rules;
pub mod runtime;
pub mod scan;
mod script_file;
mod session;
pub mod sink;
pub mod source;
mod sql;
pub mod statistics;
mod write;

pub use engine::{Engine, EngineBuilder, MemoryUse, Query, Session};
pub use limits::{Limits, UserLimits};
pub use queries::shortened;
pub use sql::depth::refuse_depth;
pub use sql::described::Described;
pub use sql::secrets::as_listed;
