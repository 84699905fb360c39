//! Functions of place: longitudes that wrap, boxes, the size of cells, polygons on a grid, and the
//! geometry functions of geodatafusion.

mod geometry;
mod geometry_function;
mod in_box;
mod lon_between;
pub mod zones;

pub use geometry::{geometry_aggregates, geometry_functions};
pub use in_box::in_box;
pub use lon_between::lon_between;
