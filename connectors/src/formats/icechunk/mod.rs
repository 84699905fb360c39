//! Icechunk: cubes that keep all the states they have been in, with branches and tags: [`IcechunkFormat`].
//!
//! ```text
//!  cube.icechunk/   refs/ or repo          branches and tags: which snapshot they lead to
//!                   snapshots/ manifests/  which groups and arrays, and where each chunk is
//!                   chunks/                the chunks
//!
//!  as_of ─▶ repository ─▶ snapshot ─▶ SnapshotObjects ─▶ the Zarr reader      zarr.json, sst/c/0/1
//!               storage: our stores as Icechunk wants them
//! ```
//! A snapshot is a Zarr cube whose objects are looked up in manifests instead of by their names, so there is
//! no second reader of Zarr. Bytes of chunks come from the store directly; the crate icechunk reads and writes
//! everything else. Chunks that are parts of files outside (virtual ones) are asked of the stores of these, by the rules for
//! [sets of references](super::kerchunk). Versions 1 and 2 of the format are read.

use async_trait::async_trait;
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::history::CubeHistory;
use graticule_engine::source::{CubeFormat, Group, Location, Options};

use super::kerchunk::targets::OPTIONS;
use super::zarr::ZarrFormat;
use crate::writing::conflict::{being_written, has_notes};
use repository::{open, session, snapshot_of};
use writing::NOTES;

mod history;
mod repository;
mod snapshot;
mod storage;
pub mod writing;

/// Reads Icechunk repositories. Takes the options of sets of references, too, for chunks in files outside.
#[derive(Debug)]
pub struct IcechunkFormat;

#[async_trait]
impl CubeFormat for IcechunkFormat {
    fn name(&self) -> &'static str {
        "ICECHUNK"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".icechunk"]
    }

    fn is_directory(&self) -> bool {
        true
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        OPTIONS
    }

    async fn open(&self, location: &Location, options: &Options) -> CubeResult<Vec<Group>> {
        match self.open_version(location, options).await {
            Err(error)
                if error.kind() == ErrorKind::NotFound
                    && location.as_of.is_none()
                    && has_notes(location, NOTES).await =>
            {
                Err(being_written(&location.url))
            }
            opened => opened,
        }
    }

    fn history(&self) -> Option<&dyn CubeHistory> {
        Some(self)
    }
}

impl IcechunkFormat {
    async fn open_version(&self, location: &Location, options: &Options) -> CubeResult<Vec<Group>> {
        let repository = open(location).await?;
        let snapshot = snapshot_of(&repository, location).await?;
        let session = session(&repository, location, &snapshot).await?;
        let cube = snapshot::as_cube(session, location, options);
        let groups = ZarrFormat.open(&cube, options).await.map_err(|error| {
            if error.kind() == ErrorKind::NotFound {
                let cause = "there is no cube in this version of the repository";
                return CubeError::not_found(&location.url, cause)
                    .remedy("SELECT * FROM cube.versions lists what there is");
            }
            error
        })?;
        let groups = groups.into_iter().map(|group| Group {
            format: format!("icechunk, {}", group.format),
            version: snapshot.to_string(),
            ..group
        });
        Ok(groups.collect())
    }
}
