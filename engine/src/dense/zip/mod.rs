//! Joins of cubes on shared axes, without a hash table: two cubes side by side are a cube.
//!
//! ```text
//!  HashJoinExec(a.time = b.time, …)            DataSourceExec(CubeScan over a with b)
//!    [ProjectionExec] DataSourceExec(a)   ─▶
//!    [ProjectionExec] DataSourceExec(b)
//! ```
//! One cube is the host, whose axes stay; the other is the guest, each of whose axes the join equates
//! with an axis of the host. The guest's cells must have unique keys, so that every cell of the host has
//! at most one partner. What the two scans had to do already is done by the one that replaces them.
//!
//! | join        | host                                           | its cells without a partner |
//! |-------------|------------------------------------------------|-----------------------------|
//! | inner       | either                                         | are not selected            |
//! | semi        | the side that is wanted                        | are not selected            |
//! | left, right | the side that is kept                          | see NULL                    |
//! | full        | neither: the coordinates of both, where the    | see NULL                    |
//! |             | cells of both fill a grid                      |                             |

pub(crate) mod alignment;
mod full;
mod guest;
mod join;
pub(crate) mod mismatch;
pub(crate) mod places;
mod plan;

pub(crate) use join::EqualityJoin;
pub(crate) use plan::{Replacement, Rewritten, chunks_of, table_conjuncts, zip};
