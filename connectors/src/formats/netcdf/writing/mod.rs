//! Writes NetCDF-4: [`NetcdfFile`], a cube as one HDF5 file that netCDF, HDF5, xarray and GDAL read.
//!
//! ```text
//!  [ superblock ][ group: attributes, links ][ a header per array ][ heap ][ indexes ][ chunk ][ chunk ]…
//!                  │                           messages: type, shape, chunks, filters, attributes
//!                  └ header                    │          │
//!                                              │          └─▶ index: where each chunk is
//!                                              └─▶ DIMENSION_LIST ─▶ heap ─▶ headers of dimension scales
//! ```
//! The structures are those that the oldest readers know: a superblock of version 2, object headers of
//! version 2, and B-trees of version 1 as indexes of chunks (HDF5 File Format Specification 3.0, The HDF
//! Group). Dimensions are dimension scales, as the NetCDF-4 format specification says. All is in the byte
//! order of this machine, which the types tell.

mod attributes;
mod checksum;
mod encoding;
mod file;
mod header;
mod index;
mod texts;
mod types;

use std::sync::Arc;

use graticule_engine::error::CubeResult;
use graticule_engine::sink::TargetCube;
use graticule_engine::source::Options;

use crate::writing::single_file::{FileFormat, FilePlan};
use file::Hdf5Plan;
use texts::TEXT_BYTES;

/// NetCDF-4 as a target.
#[derive(Debug)]
pub(crate) struct NetcdfFile;

impl FileFormat for NetcdfFile {
    fn name(&self) -> &'static str {
        "NETCDF"
    }

    fn suffix(&self) -> &'static str {
        ".nc"
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        &[(
            TEXT_BYTES,
            "Bytes of a text in variables of texts, at most: default 64",
        )]
    }

    fn plan(
        &self,
        cube: &TargetCube,
        options: &Options,
        _name: &str,
    ) -> CubeResult<Arc<dyn FilePlan>> {
        Ok(Arc::new(Hdf5Plan::new(cube, options)?))
    }
}
