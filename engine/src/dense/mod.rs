//! Dense operators: they compute on blocks as arrays, and make rows only of what is left at the end.
//!
//! ```text
//!  stock plan   AggregateExec(Final) ← AggregateExec(Partial) ← [ProjectionExec] ← CubeScan
//!                                  │ rules::grid_aggregate
//!                                  ▼
//!  dense plan   GridAggregateExec (leaf, holds the scan)
//! ```
//! The same for windows: `WindowAggExec ← [ProjectionExec] ← CubeScan` becomes `GridWindowExec`.
//!
//! [`keys`] turns group keys into small integers per axis before any chunk is read; [`aggregate`] reduces
//! blocks into arrays that those integers index; [`window`] computes along an axis of blocks. There is no
//! hash table anywhere, and no sort.

pub(crate) mod aggregate;
pub(crate) mod keys;
mod tile_grid;
pub(crate) mod window;
