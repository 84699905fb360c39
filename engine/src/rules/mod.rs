//! Rules that Graticule adds to the optimizer.

pub mod distinct_axes;
