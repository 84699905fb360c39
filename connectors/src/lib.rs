//! Stores and formats, one file or folder each, behind the traits of [`graticule_engine::source`]
//! and [`graticule_engine::sink`].
//!
//! This is the only crate that names a file format's library or an object store's protocol.

pub mod formats;
pub mod http;
mod nearest;
pub mod stores;
mod versions;
mod writing;

pub use formats::vector::table_formats;
pub use formats::{formats, sinks};
pub use stores::store_connectors;
