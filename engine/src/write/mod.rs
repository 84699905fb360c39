//! Making cubes: `CREATE TABLE … AS SELECT` and its relatives.
//!
//! ```text
//!  statement ─▶ options ─▶ plan: dimensions, coordinates, layout, arrays, boxes      nothing is written yet
//!                 │              derivation · coordinates · layout · metadata · boxes
//!                 ▼
//!               build ─▶ claim: one writer ─▶ boxes, each: query ─▶ place ─▶ encode ─▶ put ─▶ note
//!                 │                                                    CubeWriter of the format
//!                 └────▶ commit: what readers see changes at once
//! ```
//! A cube is computed box by box: the query of a box is the statement's own with the box as a condition,
//! and everything that makes queries of part of a cube cheap makes this cheap. So memory is bounded by
//! the boxes in work, boxes run in parallel and in any order, and a build that was broken off goes on with
//! the boxes that are missing.

pub(crate) mod amend;
mod axis_places;
mod box_query;
mod boxes;
pub(crate) mod build;
mod carry;
mod claim;
mod conflict;
mod coordinates;
pub(crate) mod derivation;
pub(crate) mod describe;
pub(crate) mod dims;
mod durable;
mod explain;
mod fingerprint;
mod fit;
pub(crate) mod jobs;
mod layout;
mod merge;
pub(crate) mod metadata;
pub(crate) mod new_cube;
mod notes;
mod objects;
pub(crate) mod options;
pub(crate) mod overviews;
mod partial;
mod place;
pub(crate) mod plan;
pub(crate) mod query_cube;
mod scanned;
pub(crate) mod statistics;
pub(crate) mod vacuum;
