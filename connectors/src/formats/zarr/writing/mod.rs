//! Writes Zarr, versions 3 and 2: [`ZarrSink`].
//!
//! ```text
//!  ZarrSink ── open ──▶ writer    ZarrWriter: put, carry, commit
//!                        ├ encoder    values ─▶ bytes          compression; crate::writing has cells and boxes
//!                        ├ keys       names of objects: two states share none
//!                        ├ metadata   the documents            as zarr-python writes them
//!                        └ folder     objects and files        crate::writing: synced, whole or not at all
//!           ── sweep, remove ──▶ removal
//!                        └ state      what readers see now
//! ```
//!
//! # States
//!
//! A cube goes from state to state, and readers see one or the other. The objects of a state have other
//! names than those of the state before, because they make them in another way from the numbers of
//! chunks: `c/0/0` in one state, `c.0.0` in the next, see [`keys`]. What makes a state visible is one
//! object, the `zarr.json` of the cube with the metadata of all arrays. It is replaced under the
//! condition that nobody else did. Where only attributes change, the new state has the objects of the old one.
//!
//! Zarr v2 has too few names for that: its arrays of one dimension know only `0`, `1`, …. A cube of Zarr v2
//! is written once.

use std::sync::Arc;

use async_trait::async_trait;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::sink::{
    CubeDescriber, CubeSink, CubeWriter, OverviewKeeper, StoredCube, TargetArray, TargetCube,
};
use graticule_engine::source::{Location, Options};

use super::{NOTES, OVERVIEWS};
use crate::writing::folder::{CubeFolder, version_of};
use encoder::ArrayEncoder;
use state::VisibleState;
use writer::Objects;
pub(crate) use writer::ZarrWriter;

/// The option that chooses the version of Zarr.
pub(crate) const VERSION: &str = "zarr_version";

mod compression;
mod encoder;
mod keys;
mod metadata;
mod overviews;
pub(crate) mod plain;
mod removal;
mod state;
mod stored;
mod writer;

/// Writes Zarr. Option `zarr_version`: `3` or `2`.
#[derive(Debug)]
pub struct ZarrSink;

/// Which Zarr is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ZarrVersion {
    V2,
    V3,
}

impl ZarrVersion {
    fn of(options: &Options) -> CubeResult<Self> {
        match options.get(VERSION).map(|version| version.trim()) {
            None | Some("3") => Ok(Self::V3),
            Some("2") => Ok(Self::V2),
            Some(other) => Err(CubeError::invalid(
                "option zarr_version",
                format!("there is no version {other:?} of Zarr"),
            )
            .remedy("write '3' or '2'")),
        }
    }
}

/// A writer of a new cube at `location`.
///
/// # Errors
/// What [`CubeSink::open`] refuses.
pub(crate) async fn new_writer(
    location: &Location,
    cube: &TargetCube,
    options: &Options,
) -> CubeResult<ZarrWriter> {
    let (version, encoders) = encoders(cube, options)?;
    ZarrWriter::open(location, cube, version, encoders, None, Objects::Replaced).await
}

/// The version and an encoder per array.
fn encoders(cube: &TargetCube, options: &Options) -> CubeResult<(ZarrVersion, Vec<ArrayEncoder>)> {
    let version = ZarrVersion::of(options)?;
    let mut encoders = Vec::new();
    for (number, array) in cube.arrays.iter().enumerate() {
        let others = cube.arrays.iter().take(number);
        let invalid = |cause: String| CubeError::invalid(format!("array {:?}", array.name), cause);
        check_name(array, others)
            .map_err(|cause| invalid(cause).remedy("give the column another name"))?;
        if version == ZarrVersion::V2 && array.shards.is_some() {
            return Err(invalid("Zarr 2 has no shards".to_string())
                .remedy("leave shards out, or write zarr_version = '3'"));
        }
        encoders.push(ArrayEncoder::new(array).map_err(invalid)?);
    }
    match encoders.is_empty() {
        true => Err(CubeError::invalid(
            "",
            "a cube without arrays cannot be written",
        )),
        false => Ok((version, encoders)),
    }
}

/// Names are those of folders. The error is its cause in words.
fn check_name<'a>(
    array: &TargetArray,
    mut others: impl Iterator<Item = &'a TargetArray>,
) -> Result<(), String> {
    let name = array.name.as_str();
    let is_reserved = name.starts_with("__")
        || [
            NOTES,
            OVERVIEWS,
            "zarr.json",
            ".zgroup",
            ".zattrs",
            ".zarray",
            ".zmetadata",
        ]
        .contains(&name);
    if name.is_empty() || name.chars().all(|c| c == '.') {
        return Err("the name is empty or only dots".to_string());
    }
    if name.contains('/') || name.chars().any(|c| c.is_ascii_control()) {
        return Err("the name has a slash or a control character".to_string());
    }
    if is_reserved {
        return Err("the name has a meaning in Zarr, or here".to_string());
    }
    match others.any(|other| other.name == name) {
        true => Err("two arrays have the name".to_string()),
        false => Ok(()),
    }
}

#[async_trait]
impl CubeSink for ZarrSink {
    fn name(&self) -> &'static str {
        "ZARR"
    }

    fn suffix(&self) -> &'static str {
        ".zarr"
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        &[(
            VERSION,
            "version of Zarr that is written, 3 or 2: default 3",
        )]
    }

    fn has_shards(&self, options: &Options) -> bool {
        options.get(VERSION).is_none_or(|version| version != "2")
    }

    fn check(&self, cube: &TargetCube, options: &Options) -> CubeResult<()> {
        encoders(cube, options).map(|_| ())
    }

    async fn version(&self, location: &Location) -> CubeResult<Option<String>> {
        let folder = CubeFolder::new(location);
        folder.check_is_folder(true)?;
        let root = VisibleState::root(&folder).await?;
        Ok(root.map(|(_, meta)| version_of(&meta)))
    }

    async fn stored(&self, location: &Location) -> CubeResult<Option<StoredCube>> {
        stored::stored(&CubeFolder::new(location)).await
    }

    async fn open(
        &self,
        location: &Location,
        cube: &TargetCube,
        options: &Options,
        over: Option<&str>,
    ) -> CubeResult<Arc<dyn CubeWriter>> {
        let (version, encoders) = encoders(cube, options)?;
        let objects = Objects::Replaced;
        let writer = ZarrWriter::open(location, cube, version, encoders, over, objects).await?;
        Ok(Arc::new(writer))
    }

    fn describer(&self) -> Option<&dyn CubeDescriber> {
        Some(self)
    }

    fn overviews(&self) -> Option<&dyn OverviewKeeper> {
        Some(self)
    }

    fn notes(&self, location: &Location) -> Location {
        location.child(NOTES)
    }

    async fn clear(&self, location: &Location) -> CubeResult<()> {
        let notes = CubeFolder::new(&location.child(NOTES));
        notes.remove_empty_folders().await
    }

    fn cube_of_folder<'a>(&self, folder: &'a str) -> Option<&'a str> {
        folder.strip_suffix(self.suffix())
    }

    async fn remove(&self, location: &Location) -> CubeResult<()> {
        removal::remove(location).await
    }

    async fn sweep(&self, location: &Location) -> CubeResult<(u64, u64)> {
        removal::sweep(location).await
    }
}

#[async_trait]
impl CubeDescriber for ZarrSink {
    async fn describe(
        &self,
        location: &Location,
        cube: &TargetCube,
        options: &Options,
        over: &str,
    ) -> CubeResult<String> {
        let (version, encoders) = encoders(cube, options)?;
        let (over, objects) = (Some(over), Objects::Stay);
        let writer = ZarrWriter::open(location, cube, version, encoders, over, objects).await?;
        writer.commit().await
    }
}
