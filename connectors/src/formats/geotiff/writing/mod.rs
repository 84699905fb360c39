//! Writes GeoTIFF: [`GeoTiffFile`], a cube as one tiled file with a band per variable and step.
//!
//! ```text
//!  [ header ][ directory ][ values of it: offsets of tiles, geo keys, names of bands, … ][ tile ][ tile ]…
//!
//!  sst(time=3, lat, lon), ice(time=3, lat, lon)  ─▶  bands  sst t0 · sst t1 · sst t2 · ice t0 · ice t1 · ice t2
//!
//!  maps.vrt ─▶ maps.steps/2010-01.tif  sst · ice       the same bands in a file per step, held together by
//!           ─▶ maps.steps/2010-02.tif  sst · ice       a document: steps
//! ```
//! A chunk of the cube is a tile of one band (planar configuration 2). The file is a classic TIFF where it is
//! small enough, else a BigTIFF. Tiles of nothing but the fill value are one tile, to which all of them point,
//! so that every reader finds them.
//!
//! Sources: TIFF 6.0 (Adobe, 1992) and its technical notes on predictor 3; BigTIFF as in LibTIFF; OGC GeoTIFF
//! 1.1 (19-008r4); the tags `GDAL_METADATA` and `GDAL_NODATA` as GDAL's driver GTiff documents them.

mod directory;
mod keys;
mod metadata;
mod plan;
mod steps;
mod tile;

use std::sync::Arc;

use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::sink::TargetCube;
use graticule_engine::source::Options;

use crate::writing::single_file::{FileFormat, FilePlan};
use plan::TiffPlan;
pub(crate) use steps::StepsFile;

/// Sides of tiles are multiples of this many cells (TIFF 6.0, section 15).
const TILE_UNIT: u64 = 16;

/// The option that names the coordinate reference system.
const CRS: &str = "crs";

/// The option that asks for a BigTIFF.
const BIG: &str = "bigtiff";

const OPTIONS: &[(&str, &str)] = &[
    (
        CRS,
        "The code of the coordinate reference system, such as EPSG:3035, where the cube states none",
    ),
    (
        BIG,
        "true for a BigTIFF; by default files of more than 4 GiB are",
    ),
];

/// GeoTIFF as a target.
#[derive(Debug)]
pub(crate) struct GeoTiffFile;

impl FileFormat for GeoTiffFile {
    fn name(&self) -> &'static str {
        "GEOTIFF"
    }

    fn suffix(&self) -> &'static str {
        ".tif"
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        OPTIONS
    }

    fn tile_unit(&self) -> Option<u64> {
        Some(TILE_UNIT)
    }

    fn keeps_dimensions(&self) -> bool {
        false
    }

    fn plan(
        &self,
        cube: &TargetCube,
        options: &Options,
        _name: &str,
    ) -> CubeResult<Arc<dyn FilePlan>> {
        Ok(Arc::new(tiff(cube, options)?))
    }
}

/// A plan for one file of all of the cube.
fn tiff(cube: &TargetCube, options: &Options) -> CubeResult<TiffPlan> {
    let crs = options.get(CRS).map(String::as_str);
    let is_big = match options.get(BIG).map(|text| text.to_lowercase()).as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            let cause = format!("option {BIG} = '{other}' makes no sense");
            return Err(CubeError::invalid("", cause).remedy("say true or false"));
        }
    };
    TiffPlan::new(cube, crs, is_big)
}
