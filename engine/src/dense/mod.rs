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
//! [`input`] finds the scan below an operator; [`zip`] makes one scan of two that are joined, [`lookup`]
//! fills variables of a scan with the results of an aggregate before it starts, [`regions`] joins a cube
//! with a table whose rows select cells. [`keys`] turns group keys into small integers per axis before
//! any chunk is read; [`aggregate`] reduces blocks into arrays that those integers index; [`window`]
//! computes along an axis of blocks. There is no hash table anywhere, and no sort. [`expressions`] are
//! evaluated on pieces of blocks that stay in the cache. What does not fit into memory at once is computed
//! in parts ([`cuts`]).

pub(crate) mod aggregate;
pub(crate) mod cuts;
pub(crate) mod expressions;
pub(crate) mod input;
pub(crate) mod joint;
pub(crate) mod keys;
pub(crate) mod lookup;
pub(crate) mod once;
pub(crate) mod regions;
mod tile_grid;
pub(crate) mod window;
pub(crate) mod zip;
