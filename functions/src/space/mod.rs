//! Functions of place: longitudes that wrap, boxes, the size of cells, polygons on a grid, coordinates in
//! another reference system, and the geometry functions of geodatafusion.

mod area_avg;
mod cell_area;
mod cell_fraction;
mod cell_size;
pub mod datum_grids;
mod geodesic;
mod geometry;
mod geometry_function;
pub mod grid_mapping;
mod grid_paths;
mod in_box;
mod lon_between;
mod proj_defaults;
mod proj_files;
mod projection;
mod st_transform;
pub mod vertices;
pub mod zones;

pub use area_avg::{AreaPlanner, area_avg};
pub use cell_area::{cell_area, lat_weight};
pub use cell_fraction::cell_fraction;
pub use cell_size::share_of_band;
pub use geodesic::{GeodesicEdge, geodesic_distance, great_circle_distance};
pub use geometry::{geometry_aggregates, geometry_functions};
pub use in_box::in_box;
pub use lon_between::lon_between;
pub use projection::{ProjectionError, Transformation, wkt_of};
pub use st_transform::st_transform;
