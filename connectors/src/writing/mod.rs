//! What the formats that are written share.
//!
//! ```text
//!  values of an object ─ cells, boxes ─▶ bytes of a chunk, padded        CPU
//!  bytes ─ folder ─▶ an object of a store, or ─ disk ─▶ a synced file    I/O
//!  single_file   a cube that is one file: its chunks wait beside it until the commit puts them together
//! ```

pub(crate) mod boxes;
pub(crate) mod cells;
pub(crate) mod conflict;
pub(crate) mod disk;
pub(crate) mod folder;
pub(crate) mod number;
pub(crate) mod single_file;
