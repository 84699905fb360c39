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
//! | join                | host           | cells of the host without a partner  |
//! |---------------------|----------------|--------------------------------------|
//! | inner, semi         | either, kept   | are not selected                     |
//! | left, right         | the kept side  | see NULL                             |

pub(crate) mod alignment;
mod join;
pub(crate) mod places;
mod plan;

pub(crate) use join::EqualityJoin;
pub(crate) use plan::{Rewritten, has_schema, predicate, table_conjuncts, zip};
