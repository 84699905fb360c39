//! Dense operators: they compute on blocks as arrays, and make rows only of what is left at the end.
//!
//! ```text
//!  stock plan   AggregateExec(Final) ← AggregateExec(Partial) ← [ProjectionExec] ← CubeScan
//!                                  │ rules::grid_aggregate
//!                                  ▼
//!  dense plan   GridAggregateExec (leaf, holds the scan)
//! ```
//! [`keys`] turns group keys into small integers per axis before any chunk is read; [`aggregate`] reduces
//! blocks into arrays that those integers index. There is no hash table anywhere. [`regions`] joins a
//! cube with a table whose rows select cells.

pub(crate) mod aggregate;
pub(crate) mod joint;
pub(crate) mod keys;
mod once;
pub(crate) mod regions;
