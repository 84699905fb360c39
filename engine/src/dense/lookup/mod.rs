//! Joins of a cube with an aggregate by what the aggregate is grouped by: the anomaly from a climatology,
//! a share of a total.
//!
//! ```text
//!  HashJoinExec(month(a.time) = c.month, …)      GridLookupExec
//!    AggregateExec … AS c               ─▶         AggregateExec … AS c        the build
//!    DataSourceExec(a)                             DataSourceExec(a with c)    the grid
//! ```
//! The keys of a join with a cube are numbers along its axes, so what belongs to each cell is a place in
//! an array, not in a hash table. The results of the build become variables of the cube, on the axes that
//! the keys read, before the grid reads its first chunk; the grid may be any operator over the scan.

mod build;
mod exec;
mod plan;

pub(crate) use exec::GridLookupExec;
pub(crate) use plan::look_up;
