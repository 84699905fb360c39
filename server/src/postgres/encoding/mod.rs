//! Values of a batch as PostgreSQL sends them: as text and in binary.
//!
//! ```text
//!  RecordBatch ─▶ plain: no dictionaries, runs, views, halves ─▶ one Cells per column ─▶ framing: DataRow, COPY
//! ```

mod arrays;
mod cells;
mod digits;
mod float;
mod framing;
mod numeric;
mod plain;
mod text;
mod types;

pub(super) use cells::Cells;
pub(super) use framing::{CopyText, Framing, Quote};
pub(super) use numeric::read as read_numeric;
pub(super) use types::{array_of, description, type_of};
