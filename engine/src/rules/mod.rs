//! Rules that Graticule adds to the optimizer.

pub mod calendar;
pub mod distinct_axes;
pub mod grid_aggregate;
