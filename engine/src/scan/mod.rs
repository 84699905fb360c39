//! Reading a cube as rows: only the chunks that are needed, only the cells that match.
//!
//! ```text
//!  CubeTable ── WHERE ──▶ predicate: one axis → AxisSelection · two axes → plane mask · the rest → on values
//!      │
//!      ▼
//!  CubeScan (DataSource in DataSourceExec)   projection as expressions, limit, order, statistics
//!      │ open
//!      ▼
//!  ScanGrid → queue of units (a unit: the cells of one chunk of the widest-chunked variable)
//!      │ Knowledge: units that statistics rule out, or answer
//!      │
//!      ▼
//!  stream: fetch ahead (I/O runtime) → decode → assemble (cut the unit's cells out of the chunks)
//!          → predicate on values → rows (pieces of a batch's size, coordinates added last) → projection
//! ```
//! Nothing here lists chunks: units are computed from the axes when a partition asks for the next one.

pub(crate) mod assemble;
mod bounds;
mod envelope;
mod fetch;
pub(crate) mod grid;
mod knowledge;
pub(crate) mod matching;
mod metrics;
mod order;
mod part;
pub(crate) mod predicate;
pub(crate) mod queue;
pub(crate) mod rows;
mod sample;
pub(crate) mod selection;
pub(crate) mod skipping;
mod source;
mod stream;
mod table;
mod tightening;
pub(crate) mod units;
mod variants;

pub(crate) use assemble::whole_chunk;
pub(crate) use fetch::over_budget;
pub use sample::{Sample, SampleMethod};
pub use source::CubeScan;
pub use table::CubeTable;
