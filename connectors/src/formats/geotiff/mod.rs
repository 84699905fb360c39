//! GeoTIFF, which is written and not read yet.

pub(crate) mod writing;
