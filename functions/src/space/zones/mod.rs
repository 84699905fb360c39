//! Polygons on a grid: which cells a zone contains, and how much of each cell it covers.
//!
//! ```text
//!  geometry column ── geometries ──▶ Geometry per zone ─┬─ ZoneRuns   cells whose centre lies inside, as runs
//!                                                       └─ ZoneCover  fraction of each cell that is covered
//!  x and y of the cells' centres ──▶ Plane ─────────────┘
//! ```
//! A run is a stretch of neighbouring cells of one row, so a zone costs as much as its boundary is
//! long and not as much as its area is large. Edges are straight lines in the coordinates of the grid.

mod burnt;
mod cover;
mod crs;
mod edges;
mod geometry;
mod plane;
mod run;
mod runs;

pub use burnt::{AlongAxis, burnt};
pub use cover::{Measure, PartialCell, ZoneCover};
pub use crs::{crs_name, crs_of, is_geographic};
pub use geo_types::Geometry;
pub use geometry::{envelope, geometries, is_area};
pub use plane::{Plane, ZoneError, midpoints};
pub use run::Run;
pub use runs::{EdgeRule, ZoneRuns, runs_of};
