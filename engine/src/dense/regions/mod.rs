//! Joins of a cube with regions: tables whose rows each select cells of some of the cube's axes.
//!
//! ```text
//!  ST_Contains(z.geometry, ST_Point(c.lon, c.lat))            the cells of a polygon
//!  c.lat BETWEEN z.south AND z.north AND c.lon BETWEEN …      a product of cells of two axes
//!  c.lat = z.lat AND c.lon = z.lon                            one cell
//!  c.time >= z.start                                          cells of one axis
//! ```
//! All are one thing: a condition that reads some axes and a region's columns selects a set of cells,
//! whatever the other axes. So it is decided once per region on the coordinates and not for every pair
//! of rows, and chunks that no region touches are not read.
//!
//! ```text
//!  join        a join of DataFusion's, understood: sides, conditions, columns          (while planning)
//!  conditions  what a conjunct of its condition selects
//!  gather      the table of regions in memory                                          (executing, once)
//!  place       conditions ─▶ cells of each region
//!  boxes       cells of regions, as boxes
//!  map         which boxes lie in a unit, and where in its rows
//!  exec        RegionJoinExec: the join's rows, made by `stream`
//! ```
//! [`crate::dense::aggregate`] reduces cells per region without making rows.

mod boxes;
mod conditions;
mod exec;
mod gather;
mod join;
mod map;
mod place;
mod stream;

pub(crate) use exec::RegionJoinExec;
pub(crate) use gather::Regions;
pub(crate) use join::{JoinKind, RegionJoin};
pub(crate) use map::RegionMap;
