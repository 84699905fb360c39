//! Writes xcube's multi-resolution cubes: [`LevelsSink`].
//!
//! ```text
//!  while the cube is made   cube.levels/0.zarr   chunks, as those of a Zarr cube; nobody sees it
//!  commit                   1.zarr   a tile ◀─ halve ─ 2 × 2 tiles of level 0      pyramid, reduce
//!                           2.zarr   a tile ◀─ halve ─ 2 × 2 tiles of level 1
//!                           .zlevels
//!                           0.zarr   becomes visible, and with it all of them
//! ```
//! Coarser levels are computed from the tiles that were written, each from four of the level below: in memory
//! are a few tiles, whatever the size of the cube. A cube of levels is written once: readers could not be
//! switched from the levels of one state to those of another at once.

mod pyramid;
mod reduce;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::sink::{CubeSink, CubeWriter, StoredCube, TargetCube};
use graticule_engine::source::{Location, Options};

use super::super::zarr::writing::{VERSION, ZarrSink, new_writer};
use crate::writing::folder::CubeFolder;
use pyramid::Pyramid;
use writer::LevelsWriter;

/// The option that says how many levels there are.
const LEVELS: &str = "levels";

/// The option that says how four cells become one.
const METHODS: &str = "agg_methods";

/// What tells readers how many levels there are.
const DOCUMENT: &str = ".zlevels";

/// Sides of tiles are multiples of this many cells, so that halves of them fit together.
const TILE_UNIT: u64 = 16;

/// Writes `.levels` folders.
#[derive(Debug)]
pub(crate) struct LevelsSink;

/// The place of a level.
fn level(location: &Location, number: usize) -> Location {
    location.child(&format!("{number}.zarr"))
}

fn written_once(place: &str) -> CubeError {
    CubeError::unsupported(place, "a cube of several levels is written once")
        .remedy("drop it and make it anew; or keep a cube that changes as Zarr")
}

/// Removes the coarser levels and what tells of them; gives the number of objects and bytes.
async fn remove_coarser(location: &Location) -> CubeResult<(u64, u64)> {
    let folder = CubeFolder::new(location);
    let mut objects = folder.list().await?;
    objects.retain(|object| {
        let name = folder.name(&object.location);
        let of_level = name.split_once(".zarr/").map(|(level, _)| level);
        let is_coarser = of_level.is_some_and(|level| level.parse().is_ok_and(|n: u64| n > 0));
        is_coarser || name == DOCUMENT
    });
    let (count, bytes) = (
        objects.len() as u64,
        objects.iter().map(|object| object.size).sum(),
    );
    let paths = objects.into_iter().map(|object| object.location);
    folder.delete(paths.collect()).await?;
    Ok((count, bytes))
}

#[async_trait]
impl CubeSink for LevelsSink {
    fn name(&self) -> &'static str {
        "LEVELS"
    }

    fn suffix(&self) -> &'static str {
        ".levels"
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (
                LEVELS,
                "Number of levels; by default as many as it takes until the map is one tile",
            ),
            (
                METHODS,
                "How four cells become one: first, mean, min or max, for all variables or as 'chl=mean,flags=first'; \
                 by default the mean of floats and packed values, else the first",
            ),
            (
                VERSION,
                "Version of Zarr that is written, 3 or 2: default 3",
            ),
        ]
    }

    fn has_shards(&self, _options: &Options) -> bool {
        false
    }

    fn tile_unit(&self) -> Option<u64> {
        Some(TILE_UNIT)
    }

    fn replaces(&self) -> bool {
        false
    }

    fn check(&self, cube: &TargetCube, options: &Options) -> CubeResult<()> {
        Pyramid::plan(cube, options)?;
        ZarrSink.check(cube, options)
    }

    async fn version(&self, location: &Location) -> CubeResult<Option<String>> {
        let folder = CubeFolder::new(location);
        folder.check_is_folder(true)?;
        if folder.meta("0.link").await?.is_some() {
            let cause = "there are levels whose first one is a link to another cube";
            return Err(CubeError::new(ErrorKind::Conflict, &location.url, cause)
                .remedy("choose another name, or remove the folder"));
        }
        ZarrSink.version(&level(location, 0)).await
    }

    async fn stored(&self, location: &Location) -> CubeResult<Option<StoredCube>> {
        Err(written_once(&location.url))
    }

    async fn open(
        &self,
        location: &Location,
        cube: &TargetCube,
        options: &Options,
        over: Option<&str>,
    ) -> CubeResult<Arc<dyn CubeWriter>> {
        if over.is_some() {
            return Err(written_once(&location.url));
        }
        Ok(Arc::new(LevelsWriter {
            pyramid: Pyramid::plan(cube, options)?,
            base: new_writer(&level(location, 0), cube, options).await?,
            location: location.clone(),
            options: options.clone(),
        }))
    }

    fn notes(&self, location: &Location) -> Location {
        ZarrSink.notes(&level(location, 0))
    }

    async fn clear(&self, location: &Location) -> CubeResult<()> {
        ZarrSink.clear(&level(location, 0)).await
    }

    fn cube_of_folder<'a>(&self, folder: &'a str) -> Option<&'a str> {
        folder.strip_suffix(self.suffix())
    }

    async fn remove(&self, location: &Location) -> CubeResult<()> {
        // First the level that makes the others visible.
        ZarrSink.remove(&level(location, 0)).await?;
        remove_coarser(location).await?;
        CubeFolder::new(location).remove_empty_folders().await
    }

    async fn sweep(&self, location: &Location) -> CubeResult<(u64, u64)> {
        let base = level(location, 0);
        let swept = ZarrSink.sweep(&base).await?;
        if ZarrSink.version(&base).await?.is_some() {
            return Ok(swept);
        }
        let coarser = remove_coarser(location).await?;
        Ok((swept.0 + coarser.0, swept.1 + coarser.1))
    }
}
