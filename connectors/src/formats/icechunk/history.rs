//! The versions of a cube and their names: snapshots, branches and tags.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::SecondsFormat;
use futures::{StreamExt, TryStreamExt, stream};
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::history::{CubeHistory, CubeVersion, NameKind};
use graticule_engine::source::Location;
use icechunk::Repository;
use icechunk::format::SnapshotId;
use icechunk::format::snapshot::SnapshotInfo;
use icechunk::repository::{RepositoryResult, VersionInfo};

use super::IcechunkFormat;
use super::repository::{MAIN, branch_tip, failed, is_unknown, open, snapshot_of};

/// Branches and tags that are looked up at once.
const CONCURRENT_LOOKUPS: usize = 16;

/// Which snapshots branches and tags lead to.
struct Names {
    branches: BTreeMap<String, SnapshotId>,
    tags: BTreeMap<String, SnapshotId>,
}

impl Names {
    async fn of(repository: &Repository) -> RepositoryResult<Self> {
        let branches = repository.list_branches().await?;
        let tags = repository.list_tags().await?;
        Ok(Self {
            branches: stream::iter(branches)
                .map(|name| async move {
                    let tip = repository.lookup_branch(&name).await?;
                    RepositoryResult::Ok((name, tip))
                })
                .buffered(CONCURRENT_LOOKUPS)
                .try_collect()
                .await?,
            tags: stream::iter(tags)
                .map(|name| async move {
                    let snapshot = repository.lookup_tag(&name).await?;
                    RepositoryResult::Ok((name, snapshot))
                })
                .buffered(CONCURRENT_LOOKUPS)
                .try_collect()
                .await?,
        })
    }

    /// The snapshots that any name leads to, each once.
    fn snapshots(&self) -> BTreeSet<&SnapshotId> {
        self.branches.values().chain(self.tags.values()).collect()
    }
}

fn leading_to(names: &BTreeMap<String, SnapshotId>, snapshot: &SnapshotId) -> Vec<String> {
    let leading = names.iter().filter(|(_, leads_to)| *leads_to == snapshot);
    leading.map(|(name, _)| name.clone()).collect()
}

/// All snapshots that are led to, or that those were made of.
async fn reachable(repository: &Repository, names: &Names) -> RepositoryResult<Vec<SnapshotInfo>> {
    let mut found: BTreeMap<SnapshotId, SnapshotInfo> = BTreeMap::new();
    for snapshot in names.snapshots() {
        let version = VersionInfo::SnapshotId(snapshot.clone());
        let mut ancestry = Box::pin(repository.ancestry(&version).await?);
        while let Some(info) = ancestry.try_next().await? {
            // What lies behind it is known, too.
            if found.insert(info.id.clone(), info).is_some() {
                break;
            }
        }
    }
    let mut snapshots: Vec<SnapshotInfo> = found.into_values().collect();
    snapshots.sort_by_key(|snapshot| Reverse(snapshot.flushed_at));
    Ok(snapshots)
}

#[async_trait]
impl CubeHistory for IcechunkFormat {
    async fn versions(&self, location: &Location) -> CubeResult<Vec<CubeVersion>> {
        let repository = open(location).await?;
        let read = async {
            let names = Names::of(&repository).await?;
            let snapshots = reachable(&repository, &names).await?;
            RepositoryResult::Ok((names, snapshots))
        };
        let (names, snapshots) = read.await.map_err(|error| failed(&location.url, &error))?;
        let version = |info: SnapshotInfo| CubeVersion {
            branches: leading_to(&names.branches, &info.id),
            tags: leading_to(&names.tags, &info.id),
            id: info.id.to_string(),
            parent: info.parent_id.map(|parent| parent.to_string()),
            time: info.flushed_at.to_rfc3339_opts(SecondsFormat::Micros, true),
            message: info.message,
        };
        Ok(snapshots.into_iter().map(version).collect())
    }

    async fn create_name(&self, location: &Location, kind: NameKind, name: &str) -> CubeResult<()> {
        let place = &location.url;
        check_name(place, kind, name)?;
        let repository = open(location).await?;
        let snapshot = snapshot_of(&repository, location).await?;
        let is_taken = match kind {
            NameKind::Branch => branch_tip(&repository, location, name).await?.is_some(),
            NameKind::Tag => repository.lookup_tag(name).await.is_ok(),
        };
        if is_taken {
            return Err(taken(place, kind, name));
        }
        let created = match kind {
            NameKind::Branch => repository.create_branch(name, &snapshot).await,
            NameKind::Tag => repository.create_tag(name, &snapshot).await,
        };
        created.map_err(|error| match is_taken_error(&error) {
            true => taken(place, kind, name),
            false => failed(place, &error),
        })
    }

    async fn drop_name(&self, location: &Location, kind: NameKind, name: &str) -> CubeResult<()> {
        let place = &location.url;
        if kind == NameKind::Branch && name == MAIN {
            let cause = "the branch main cannot be dropped: it is what the table is";
            return Err(CubeError::unsupported(place, cause).remedy("say DROP TABLE to drop all"));
        }
        let repository = open(location).await?;
        let dropped = match kind {
            NameKind::Branch => repository.delete_branch(name).await,
            NameKind::Tag => repository.delete_tag(name).await,
        };
        dropped.map_err(|error| match is_unknown(&error.kind) {
            true => CubeError::not_found(place, format!("there is no {kind} '{name}'"))
                .remedy("SELECT * FROM cube.versions lists what there is"),
            false => failed(place, &error),
        })
    }
}

/// Names become names of objects.
fn check_name(place: &str, kind: NameKind, name: &str) -> CubeResult<()> {
    let is_plain = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "-_.+ ".contains(c))
        && !name.starts_with('.');
    match is_plain {
        true => Ok(()),
        false => Err(
            CubeError::invalid(place, format!("'{name}' cannot be the name of a {kind}"))
                .remedy("take letters, digits, -, _ and ."),
        ),
    }
}

fn taken(place: &str, kind: NameKind, name: &str) -> CubeError {
    let remedy = match kind {
        NameKind::Branch => "drop it first, or take another name",
        NameKind::Tag => {
            "take another name: what a tag leads to never changes, even after it is dropped"
        }
    };
    CubeError::new(
        ErrorKind::Conflict,
        place,
        format!("the {kind} '{name}' is there already, or was"),
    )
    .remedy(remedy)
}

/// Someone else was faster; or a tag of this name has been dropped.
fn is_taken_error(error: &icechunk::repository::RepositoryError) -> bool {
    use icechunk::format::IcechunkFormatErrorKind as Format;
    use icechunk::refs::RefErrorKind;
    use icechunk::repository::RepositoryErrorKind as Kind;
    matches!(
        error.kind,
        Kind::Conflict { .. }
            | Kind::Ref(RefErrorKind::TagAlreadyExists(_))
            | Kind::FormatError(
                Format::TagAlreadyExists { .. }
                    | Format::TagPreviouslyDeleted { .. }
                    | Format::BranchAlreadyExists { .. }
            )
    )
}
