//! Grid functions: relations in `FROM` that put a cube, or a query, on another grid, or take values of it at points.
//!
//! ```text
//!  FROM reproject((SELECT …), crs => 'EPSG:3035', resolution => 300)
//!        │ naming     the call becomes a name, "reproject((SELECT …), …)", in the schema `grid_functions`
//!        ▼
//!  GridSchema.table(name) ─ call: arguments ─ input: a cube, or a query seen as one
//!        │ functions    one file or folder each: `reproject`, `rectify`, `coarsen`, `nearest`, `rasterize`,
//!        │              `at_times`, `mosaic`, `transect`; `sample`
//!        ▼
//!  a Cube whose arrays compute their chunks when they are asked for them
//! ```
//! What comes is a cube like any other: predicates, joins, aggregates, windows, writing and the next grid function need not
//! know where it comes from, and only the chunks that a query needs are computed. `sample` alone gives rows: those of a table of
//! points, which a cube of values at the points stands beside.

mod at_times;
mod call;
mod coarsen;
mod functions;
mod identity;
mod input;
mod mosaic;
pub(crate) mod naming;
mod nearest;
mod rasterize;
mod rectify;
mod reproject;
mod sample;
mod sampling;
mod schema;
mod system;
mod transect;
mod warp;

pub(crate) use functions::{Described, described};
pub(crate) use reproject::{Target, coarser_centres};
pub(crate) use schema::{GRID_SCHEMA, GridSchema, planning_session, while_planning};
pub(crate) use system::Horizontal;
pub(crate) use warp::{Resampling, SourceChunks, Way, is_resampled, planes, warped};
