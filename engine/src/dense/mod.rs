//! Dense operators: they compute on blocks as arrays, and make rows only of what is left at the end.
//!
//! ```text
//!  stock plan   AggregateExec(Final) ← AggregateExec(Partial) ← [ProjectionExec] ← CubeScan
//!                                  │ rules::grid_aggregate
//!                                  ▼
//!  dense plan   GridAggregateExec (leaf, holds the scan)
//! ```
//! [`keys`] turns group keys into small integers per axis before any chunk is read; [`aggregate`] reduces
//! blocks into arrays that those integers index. There is no hash table anywhere. [`expressions`] are
//! evaluated on pieces of blocks that stay in the cache.

pub(crate) mod aggregate;
pub(crate) mod expressions;
pub(crate) mod keys;
