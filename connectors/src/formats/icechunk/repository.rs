//! Opens repositories and finds the version that is meant: [`open`], [`snapshot_of`].

use std::error::Error;
use std::sync::Arc;

use chrono::DateTime;
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::history::AsOf;
use graticule_engine::source::Location;
use icechunk::config::{
    CachingConfig, ManifestConfig, ManifestPreloadCondition, ManifestPreloadConfig,
};
use icechunk::format::SnapshotId;
use icechunk::refs::{Ref, RefErrorKind};
use icechunk::repository::{RepositoryErrorKind, VersionInfo};
use icechunk::session::Session;
use icechunk::{Repository, RepositoryConfig};

use super::storage::RepositoryStorage;

/// The branch that is meant where no version is named.
pub(super) const MAIN: &str = Ref::DEFAULT_BRANCH;

/// What a handle keeps in memory: a handle lives as long as a table, and there may be thousands.
const KEPT_NODES: u64 = 10_000;
const KEPT_CHUNK_REFERENCES: u64 = 1_000_000;

/// Opens the repository at a place.
///
/// # Errors
/// There is none, or the store failed or denied access.
pub(super) async fn open(location: &Location) -> CubeResult<Repository> {
    let config = RepositoryConfig {
        caching: Some(CachingConfig {
            num_snapshot_nodes: Some(KEPT_NODES),
            num_chunk_refs: Some(KEPT_CHUNK_REFERENCES),
            num_transaction_changes: Some(0),
            num_bytes_attributes: Some(0),
            num_bytes_chunks: Some(0),
        }),
        // Nothing is read that no query asked for.
        manifest: Some(ManifestConfig {
            preload: Some(ManifestPreloadConfig {
                max_total_refs: Some(0),
                preload_if: Some(ManifestPreloadCondition::False),
                max_arrays_to_scan: Some(0),
            }),
            ..ManifestConfig::empty()
        }),
        ..RepositoryConfig::default()
    };
    let storage = RepositoryStorage::new(location);
    let open = |storage| Repository::open(Arc::new(storage)).config(config.clone());
    let opened = match open(storage.clone()).execute().await {
        Err(error)
            if matches!(
                error.kind,
                RepositoryErrorKind::ConfigDeserializationError(_)
            ) =>
        {
            open(storage.without_configuration()).execute().await
        }
        opened => opened,
    };
    opened.map_err(|error| match error.kind {
        RepositoryErrorKind::RepositoryDoesntExist => {
            let cause = "there is no Icechunk repository";
            CubeError::not_found(&location.url, cause).remedy("check the path")
        }
        _ => failed(&location.url, &error),
    })
}

/// The snapshot that a location means.
///
/// # Errors
/// There is no such version, or the store failed or denied access.
pub(super) async fn snapshot_of(
    repository: &Repository,
    location: &Location,
) -> CubeResult<SnapshotId> {
    let name = match &location.as_of {
        None => {
            return branch_tip(repository, location, MAIN)
                .await?
                .ok_or_else(|| {
                    let cause = "the repository has no branch main";
                    CubeError::not_found(&location.url, cause)
                        .remedy("name a version: FOR VERSION AS OF '…'")
                });
        }
        Some(AsOf::Version(name)) => name,
        Some(AsOf::Time(micros)) => return snapshot_at(repository, location, *micros).await,
    };
    if let Some(found) = branch_tip(repository, location, name).await? {
        return Ok(found);
    }
    match repository.lookup_tag(name).await {
        Ok(found) => return Ok(found),
        Err(error) if is_unknown(&error.kind) => {}
        Err(error) => return Err(failed(&location.url, &error)),
    }
    if let Ok(id) = SnapshotId::try_from(name.as_str())
        && repository.lookup_snapshot(&id).await.is_ok()
    {
        return Ok(id);
    }
    let cause = format!("there is no branch, tag or version '{name}'");
    Err(CubeError::not_found(&location.url, cause)
        .remedy("SELECT * FROM cube.versions lists what there is"))
}

/// The last snapshot of a branch, if there is such a branch.
///
/// # Errors
/// The store failed or denied access.
pub(super) async fn branch_tip(
    repository: &Repository,
    location: &Location,
    branch: &str,
) -> CubeResult<Option<SnapshotId>> {
    match repository.lookup_branch(branch).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_unknown(&error.kind) => Ok(None),
        Err(error) => Err(failed(&location.url, &error)),
    }
}

async fn snapshot_at(
    repository: &Repository,
    location: &Location,
    micros: i64,
) -> CubeResult<SnapshotId> {
    let outside = || CubeError::invalid(&location.url, "the time is too far from 1970");
    let at = DateTime::from_timestamp_micros(micros).ok_or_else(outside)?;
    let version = VersionInfo::AsOf {
        branch: MAIN.to_string(),
        at,
    };
    repository.resolve_version(&version).await.map_err(|error| {
        if matches!(error.kind, RepositoryErrorKind::InvalidAsOfSpec { .. }) {
            let cause = format!("the cube was not there yet at {at}");
            return CubeError::not_found(&location.url, cause)
                .remedy("SELECT * FROM cube.versions tells when its versions were written");
        }
        failed(&location.url, &error)
    })
}

/// What is in a snapshot.
///
/// # Errors
/// The store failed or denied access.
pub(super) async fn session(
    repository: &Repository,
    location: &Location,
    snapshot: &SnapshotId,
) -> CubeResult<Session> {
    let version = VersionInfo::SnapshotId(snapshot.clone());
    let session = repository.readonly_session(&version).await;
    session.map_err(|error| failed(&location.url, &error))
}

/// Does the error say that there is no such name?
pub(super) fn is_unknown(kind: &RepositoryErrorKind) -> bool {
    use icechunk::format::IcechunkFormatErrorKind as Format;
    matches!(
        kind,
        RepositoryErrorKind::Ref(RefErrorKind::RefNotFound(_) | RefErrorKind::InvalidRefName(_))
            | RepositoryErrorKind::FormatError(
                Format::BranchNotFound { .. } | Format::TagNotFound { .. }
            )
    )
}

/// Icechunk's error about a place: the one of our store that caused it, if one did.
pub(super) fn failed(place: &str, error: &(dyn Error + 'static)) -> CubeError {
    let mut cause = Some(error);
    let mut innermost = error;
    while let Some(found) = cause {
        if let Some(ours) = found.downcast_ref::<CubeError>() {
            return ours.clone();
        }
        innermost = found;
        cause = found.source();
    }
    let text = innermost.to_string();
    // Icechunk adds where in its own code it was.
    let text = text.split("\n\ncontext:").next().unwrap_or_default();
    CubeError::new(
        ErrorKind::Corrupt,
        place,
        format!("the Icechunk repository cannot be read: {text}"),
    )
    .remedy("look at it with icechunk's own tools")
}
