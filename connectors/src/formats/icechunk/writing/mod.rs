//! Writes Icechunk: [`IcechunkSink`].
//!
//! ```text
//!  put      chunks/<name that tells which chunk it is>     nobody refers to it yet      chunks
//!  carry    a note: which chunk of the snapshot before is which one of the new        writer
//!  commit   documents and references of all chunks in one session, then the branch moves on
//! ```
//! A build that was broken off goes on with the objects that are there. Snapshots are never changed, so
//! readers of any of them are not disturbed, and the last step is a conditional write of one object: who comes
//! second has a conflict. What no snapshot refers to is removed by [`CubeSink::sweep`] a day later, because
//! other writers of the repository may be about to refer to it.

use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::history::AsOf;
use graticule_engine::sink::{CubeDescriber, CubeSink, CubeWriter, StoredCube, TargetCube};
use graticule_engine::source::{Location, Options};
use icechunk::Repository;
use icechunk::format::Path as NodePath;
use icechunk::format::SnapshotId;
use icechunk::format::format_constants::SpecVersionBin;
use icechunk::format::snapshot::NodeType;
use icechunk::ops::gc::{GCConfig, garbage_collect};
use object_store::ObjectMeta;

use super::repository::{MAIN, branch_tip, failed, open, session};
use super::snapshot::as_cube;
use super::storage::is_repository;
use crate::formats::zarr::writing::plain::{PlainZarr, stored_cube};
use crate::writing::folder::CubeFolder;
use writer::{IcechunkWriter, forget};

mod chunks;
mod writer;

/// The option that chooses the version of Icechunk's format.
const VERSION: &str = "icechunk_version";

/// The folder in a repository for notes about writing it.
pub(super) const NOTES: &str = ".graticule";

/// Objects without a reference are left alone for so long.
const KEPT_FOR: TimeDelta = TimeDelta::days(1);

/// Writes Icechunk. Option `icechunk_version`: `1` or `2`.
#[derive(Debug)]
pub struct IcechunkSink;

fn format_version(options: &Options) -> CubeResult<SpecVersionBin> {
    match options.get(VERSION).map(|version| version.trim()) {
        None | Some("1") => Ok(SpecVersionBin::V1),
        Some("2") => Ok(SpecVersionBin::V2),
        Some(other) => Err(CubeError::invalid(
            format!("option {VERSION}"),
            format!("there is no version {other:?} of Icechunk"),
        )
        .remedy("write '1' or '2'")),
    }
}

/// The branch that is written to.
fn branch_of(location: &Location) -> CubeResult<&str> {
    match &location.as_of {
        None => Ok(MAIN),
        Some(AsOf::Version(name)) => Ok(name),
        Some(AsOf::Time(_)) => Err(CubeError::unsupported(
            &location.url,
            "a version of the past is not written to",
        )
        .remedy("name a branch: FOR VERSION AS OF 'branch'")),
    }
}

/// The repository and the last snapshot of the branch that is written to, if there is a cube in it.
async fn visible(location: &Location) -> CubeResult<Option<(Repository, SnapshotId)>> {
    if !is_repository(location).await? {
        return Ok(None);
    }
    let repository = open(location).await?;
    let branch = branch_of(location)?;
    let tip = branch_tip(&repository, location, branch).await?;
    let tip = tip.ok_or_else(|| {
        let cause = format!("there is no branch '{branch}'");
        CubeError::not_found(&location.url, cause).remedy(
            "only branches are written to, not tags and versions: ALTER TABLE … CREATE BRANCH makes one",
        )
    })?;
    match has_arrays(&repository, location, &tip).await? {
        true => Ok(Some((repository, tip))),
        false => Ok(None),
    }
}

async fn has_arrays(
    repository: &Repository,
    location: &Location,
    snapshot: &SnapshotId,
) -> CubeResult<bool> {
    let session = session(repository, location, snapshot).await?;
    let nodes = session.list_nodes(&NodePath::root()).await;
    let mut nodes = nodes.map_err(|error| failed(&location.url, &error))?;
    Ok(nodes.any(|node| node.is_ok_and(|node| node.node_type() == NodeType::Array)))
}

#[async_trait]
impl CubeSink for IcechunkSink {
    fn name(&self) -> &'static str {
        "ICECHUNK"
    }

    fn suffix(&self) -> &'static str {
        ".icechunk"
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        &[(
            VERSION,
            "version of Icechunk's format that is written, 1 or 2: default 1, which all readers know",
        )]
    }

    fn has_shards(&self, _options: &Options) -> bool {
        true
    }

    fn check(&self, cube: &TargetCube, options: &Options) -> CubeResult<()> {
        format_version(options)?;
        PlainZarr::new(cube)?;
        writer::check(cube)
    }

    async fn version(&self, location: &Location) -> CubeResult<Option<String>> {
        CubeFolder::new(location).check_is_folder(true)?;
        let visible = visible(location).await?;
        Ok(visible.map(|(_, snapshot)| snapshot.to_string()))
    }

    async fn stored(&self, location: &Location) -> CubeResult<Option<StoredCube>> {
        let Some((repository, snapshot)) = visible(location).await? else {
            return Ok(None);
        };
        let session = session(&repository, location, &snapshot).await?;
        Ok(Some(StoredCube {
            cube: stored_cube(&as_cube(session, location, &Options::new())).await?,
            options: Options::new(),
            version: snapshot.to_string(),
        }))
    }

    async fn open(
        &self,
        location: &Location,
        cube: &TargetCube,
        options: &Options,
        over: Option<&str>,
    ) -> CubeResult<Arc<dyn CubeWriter>> {
        let writer = self.writer(location, cube, options, over).await?;
        Ok(Arc::new(writer))
    }

    fn describer(&self) -> Option<&dyn CubeDescriber> {
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
        let folder = CubeFolder::new(location);
        if !is_repository(location).await? && !folder.has_any(NOTES).await? {
            let cause = "there is no Icechunk repository";
            return Err(CubeError::not_found(&location.url, cause).remedy("check the path"));
        }
        // At first what makes it visible; notes last: a folder with notes is known to be ours.
        let rank = |object: &ObjectMeta| {
            let name = folder.name(&object.location);
            match name {
                "repo" => 0,
                _ if name.starts_with("refs/") => 0,
                _ if name.starts_with(NOTES) => 2,
                _ => 1,
            }
        };
        let objects = folder.list().await?;
        for step in 0..3 {
            let objects = objects.iter().filter(|object| rank(object) == step);
            let paths = objects.map(|object| object.location.clone());
            folder.delete(paths.collect()).await?;
        }
        folder.remove_folder().await
    }

    async fn sweep(&self, location: &Location) -> CubeResult<(u64, u64)> {
        let repository = open(location).await?;
        let before = Utc::now() - KEPT_FOR;
        let few = NonZeroU16::MIN.saturating_add(15);
        let memory = NonZeroUsize::MIN.saturating_add(256 << 20);
        let config = GCConfig::clean_all(
            before,
            before,
            None,
            few,
            memory,
            memory,
            few,
            few,
            few,
            Some(few),
            false,
        );
        let swept = garbage_collect(
            Arc::clone(repository.asset_manager()),
            &config,
            None,
            repository.config().num_updates_per_repo_info_file(),
        );
        let swept = swept.await.map_err(|error| failed(&location.url, &error))?;
        forget(location).await?;
        let folder = CubeFolder::new(location);
        let leftovers = folder.remove_leftovers(NOTES).await?;
        let objects = swept.chunks_deleted
            + swept.manifests_deleted
            + swept.snapshots_deleted
            + swept.attributes_deleted
            + swept.transaction_logs_deleted;
        Ok((objects + leftovers.0, swept.bytes_deleted + leftovers.1))
    }
}

impl IcechunkSink {
    async fn writer(
        &self,
        location: &Location,
        cube: &TargetCube,
        options: &Options,
        over: Option<&str>,
    ) -> CubeResult<IcechunkWriter> {
        writer::check(cube)?;
        let writer = IcechunkWriter {
            zarr: PlainZarr::new(cube)?,
            cube: cube.clone(),
            format_version: format_version(options)?,
            branch: branch_of(location)?.to_string(),
            location: location.clone(),
            folder: CubeFolder::new(location),
            over: over.map(str::to_string),
            names: Default::default(),
        };
        writer
            .check_can_begin(self.version(location).await?)
            .await?;
        Ok(writer)
    }
}

#[async_trait]
impl CubeDescriber for IcechunkSink {
    async fn describe(
        &self,
        location: &Location,
        cube: &TargetCube,
        options: &Options,
        over: &str,
    ) -> CubeResult<String> {
        let writer = self.writer(location, cube, options, Some(over)).await?;
        writer.describe().await
    }
}
