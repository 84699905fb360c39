//! The registries of formats: adding one is a module and a line in [`formats`], for one that is written
//! another in [`sinks`]; tables of zones have a registry of their own, [`vector::table_formats`].

mod blosc;
pub mod geotiff;
pub mod grib;
pub mod icechunk;
pub mod jpeg2000;
pub mod kerchunk;
pub mod levels;
pub mod netcdf;
mod stored_file;
pub mod vector;
pub mod zarr;

use std::sync::Arc;

use graticule_engine::sink::CubeSink;
use graticule_engine::source::CubeFormat;

use crate::writing::single_file::FileSink;

/// Every format Graticule reads, in the order in which a listing asks them.
pub fn formats() -> Vec<Arc<dyn CubeFormat>> {
    vec![
        Arc::new(zarr::ZarrFormat),
        Arc::new(icechunk::IcechunkFormat),
        Arc::new(levels::LevelsFormat),
        Arc::new(netcdf::Netcdf),
        Arc::new(geotiff::reading::GeoTiff),
        Arc::new(jpeg2000::Jpeg2000),
        Arc::new(kerchunk::KerchunkFormat),
        Arc::new(kerchunk::KerchunkFolder),
        Arc::new(grib::Grib),
    ]
}

/// Every format Graticule writes, the one that is written where nobody says which first.
pub fn sinks() -> Vec<Arc<dyn CubeSink>> {
    vec![
        Arc::new(zarr::writing::ZarrSink),
        Arc::new(icechunk::writing::IcechunkSink),
        Arc::new(FileSink(netcdf::writing::NetcdfFile)),
        Arc::new(levels::writing::LevelsSink),
        Arc::new(FileSink(geotiff::writing::GeoTiffFile)),
        Arc::new(FileSink(geotiff::writing::StepsFile)),
    ]
}
