//! GeoTIFF: [`reading`] and [`writing`] it.

pub mod reading;
pub(crate) mod writing;
