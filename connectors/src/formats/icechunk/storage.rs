//! Our stores as Icechunk wants them: [`RepositoryStorage`], a [`Storage`] over a [`Location`].
//!
//! ```text
//!  icechunk ── "refs/branch.main/ref.json" ──▶ RepositoryStorage ──▶ object store of the location
//!                                                 reads: retries, timeouts, credentials as everywhere
//!                                                 writes: CubeFolder, durable and under conditions
//! ```
//! The stores that come with Icechunk are another version of object_store, and know nothing of ours.

use std::fmt;
use std::num::NonZeroU16;
use std::ops::Range;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::source::Location;
use icechunk::storage::{
    DeleteObjectsResult, ETag, Generation, GetModifiedResult, ListInfo, RetriesSettings, Settings,
    Storage, StorageContext, StorageError, StorageErrorKind, StorageInfo, StorageResult,
    VersionInfo, VersionedUpdateResult,
};
use icechunk_storage::sealed::Sealed;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectMeta};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};
use tokio::io::AsyncBufRead;
use tokio_util::io::StreamReader;

use crate::stores::store_error;
use crate::writing::folder::{CubeFolder, version_of};

/// The objects of one repository.
#[derive(Debug, Clone)]
pub(super) struct RepositoryStorage {
    folder: CubeFolder,
    hides_configuration: bool,
}

/// What a repository of version 1 says of itself: among others, in which stores its virtual chunks are.
const CONFIGURATION: &str = "config.yaml";

impl RepositoryStorage {
    pub(super) fn new(location: &Location) -> Self {
        Self {
            folder: CubeFolder::new(location),
            hides_configuration: false,
        }
    }

    /// The repository as if it had no configuration: one that names stores which are not known here cannot be read,
    /// and nothing depends on it but chunks in those stores.
    pub(super) fn without_configuration(self) -> Self {
        Self {
            hides_configuration: true,
            ..self
        }
    }

    fn location(&self) -> &Location {
        self.folder.location()
    }

    /// The store's error at an object, or that the object does not exist.
    fn failed(&self, object: &Location, error: &Error) -> StorageError {
        match error {
            Error::NotFound { .. } => StorageError::capture(StorageErrorKind::ObjectNotFound),
            Error::PermissionDenied { .. } if self.location().missing_is_403 => {
                StorageError::capture(StorageErrorKind::ObjectNotFound)
            }
            error => ours(store_error(&object.url, error)),
        }
    }

    async fn get(
        &self,
        path: &str,
        options: GetOptions,
    ) -> StorageResult<(BoxStream<'static, Result<Bytes, StorageError>>, VersionInfo)> {
        if self.hides_configuration && path == CONFIGURATION {
            return Err(StorageError::capture(StorageErrorKind::ObjectNotFound));
        }
        let object = self.location().child(path);
        let found = object.store.get_opts(&object.path, options).await;
        let found = found.map_err(|error| self.failed(&object, &error))?;
        let version = version_info(&found.meta);
        let url = object.url;
        let bytes = found.into_stream();
        let bytes = bytes.map_err(move |error| ours(store_error(&url, &error)));
        Ok((bytes.boxed(), version))
    }

    /// The version that a conditional write expects, as a store describes objects.
    fn described(&self, path: &str, version: &VersionInfo) -> ObjectMeta {
        ObjectMeta {
            location: self.location().child(path).path,
            last_modified: DateTime::UNIX_EPOCH,
            size: 0,
            e_tag: version.etag().cloned(),
            version: version.generation().cloned(),
        }
    }
}

/// One of our errors on its way through Icechunk; [`super::repository::failed`] takes it out again.
fn ours(error: CubeError) -> StorageError {
    StorageError::capture(StorageErrorKind::ObjectStore(Box::new(error)))
}

fn version_info(meta: &ObjectMeta) -> VersionInfo {
    VersionInfo {
        etag: Some(ETag(version_of(meta))),
        generation: meta.version.clone().map(Generation),
    }
}

impl fmt::Display for RepositoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.folder.url())
    }
}

/// Icechunk can send sessions to other processes; what they hold of us cannot be sent.
const STAYS_HERE: &str = "a store stays in its process";

impl Serialize for RepositoryStorage {
    fn serialize<S: Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(STAYS_HERE))
    }
}

impl<'de> Deserialize<'de> for RepositoryStorage {
    fn deserialize<D: Deserializer<'de>>(_deserializer: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(STAYS_HERE))
    }
}

impl Sealed for RepositoryStorage {}

#[async_trait]
#[typetag::serde(name = "graticule")]
impl Storage for RepositoryStorage {
    fn storage_info(&self) -> StorageInfo {
        StorageInfo {
            backend_type: "graticule",
            fields: vec![("url", self.folder.url().to_string())],
        }
    }

    async fn can_write(&self) -> StorageResult<bool> {
        Ok(self.location().listable)
    }

    async fn get_object_range(
        &self,
        _context: &StorageContext<'_>,
        path: &str,
        range: Option<&Range<u64>>,
    ) -> StorageResult<(
        Pin<Box<dyn Stream<Item = Result<Bytes, StorageError>> + Send>>,
        VersionInfo,
    )> {
        let options = GetOptions {
            range: range.cloned().map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let (bytes, version) = self.get(path, options).await?;
        Ok((bytes, version))
    }

    async fn get_object_conditional(
        &self,
        _context: &StorageContext<'_>,
        path: &str,
        previous: Option<&VersionInfo>,
    ) -> StorageResult<GetModifiedResult> {
        let (bytes, new_version) = self.get(path, GetOptions::default()).await?;
        if previous == Some(&new_version) {
            return Ok(GetModifiedResult::OnLatestVersion);
        }
        let data: Pin<Box<dyn AsyncBufRead + Send>> =
            Box::pin(StreamReader::new(bytes.map_err(std::io::Error::other)));
        Ok(GetModifiedResult::Modified { data, new_version })
    }

    async fn put_object(
        &self,
        _context: &StorageContext<'_>,
        path: &str,
        bytes: Bytes,
        _content_type: Option<&str>,
        _metadata: Vec<(String, String)>,
        previous: Option<&VersionInfo>,
    ) -> StorageResult<VersionedUpdateResult> {
        let Some(previous) = previous else {
            self.folder.put(path, bytes).await.map_err(ours)?;
            let new_version = VersionInfo::for_creation();
            return Ok(VersionedUpdateResult::Updated { new_version });
        };
        let before = (!previous.is_create()).then(|| self.described(path, previous));
        let published = self.folder.publish(path, bytes, before.as_ref()).await;
        Ok(match published.map_err(ours)? {
            Some(version) => VersionedUpdateResult::Updated {
                new_version: VersionInfo::from_etag_only(version),
            },
            None => VersionedUpdateResult::NotOnLatestVersion,
        })
    }

    async fn copy_object(
        &self,
        _context: &StorageContext<'_>,
        from: &str,
        to: &str,
        _content_type: Option<&str>,
        version: &VersionInfo,
    ) -> StorageResult<VersionedUpdateResult> {
        let copied = self.folder.copy(from, to).await.map_err(ours)?;
        self.folder.settle().await.map_err(ours)?;
        match copied {
            true => Ok(VersionedUpdateResult::Updated {
                new_version: version.clone(),
            }),
            false => Err(StorageError::capture(StorageErrorKind::ObjectNotFound)),
        }
    }

    async fn list_objects<'a>(
        &'a self,
        _context: &StorageContext<'_>,
        prefix: &str,
    ) -> StorageResult<BoxStream<'a, StorageResult<ListInfo<String>>>> {
        if !self.location().listable {
            let cause = "a plain web server does not tell which objects it has";
            return Err(ours(CubeError::unsupported(self.folder.url(), cause)));
        }
        let folder = self.location().child(prefix);
        let listing = folder.store.list(Some(&folder.path));
        let listed = listing.map(move |object| match object {
            Ok(object) => Ok(ListInfo {
                id: below(&folder.path, &object.location),
                created_at: object.last_modified,
                size_bytes: object.size,
            }),
            Err(error) => Err(ours(store_error(&folder.url, &error))),
        });
        Ok(listed.boxed())
    }

    async fn delete_batch(
        &self,
        _context: &StorageContext<'_>,
        prefix: &str,
        batch: Vec<(String, u64)>,
    ) -> StorageResult<DeleteObjectsResult> {
        let folder = self.location().child(prefix);
        let paths = batch.iter().map(|(id, _)| folder.child(id).path);
        self.folder.delete(paths.collect()).await.map_err(ours)?;
        Ok(DeleteObjectsResult {
            deleted_objects: batch.len() as u64,
            deleted_bytes: batch.iter().map(|(_, size)| size).sum(),
        })
    }

    async fn get_object_last_modified(
        &self,
        _context: &StorageContext<'_>,
        path: &str,
    ) -> StorageResult<DateTime<Utc>> {
        let meta = self.folder.meta(path).await.map_err(ours)?;
        match meta {
            Some(meta) => Ok(meta.last_modified),
            None => Err(StorageError::capture(StorageErrorKind::ObjectNotFound)),
        }
    }

    async fn default_settings(&self) -> StorageResult<Settings> {
        Ok(Settings {
            // The store retries by itself.
            retries: Some(RetriesSettings {
                max_tries: NonZeroU16::new(1),
                ..RetriesSettings::default()
            }),
            ..Settings::default()
        })
    }
}

/// The name of an object below a folder.
fn below(folder: &Path, object: &Path) -> String {
    let name = object.as_ref().strip_prefix(folder.as_ref());
    let name = name.unwrap_or_default().trim_start_matches('/');
    name.to_string()
}

/// Is there a repository at the place? One object tells, or one more.
pub(super) async fn is_repository(location: &Location) -> CubeResult<bool> {
    let folder = CubeFolder::new(location);
    for name in ["repo", "refs/branch.main/ref.json"] {
        match folder.meta(name).await {
            Ok(Some(_)) => return Ok(true),
            Ok(None) => {}
            // Some file systems say so of what is below a file.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
