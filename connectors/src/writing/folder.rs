//! The objects of a cube that is written: [`CubeFolder`].
//!
//! | | this machine's files | object stores |
//! |---|---|---|
//! | `put` | written beside, synced, renamed, name synced | one PUT, or several parts when it is large |
//! | `put_unsettled`, `settle` | the same, names synced together | the same, nothing |
//! | `publish` | a lock, a comparison, a rename | a PUT with a condition (`If-None-Match`, `If-Match`) |
//! | `copy` | a hard link | by the server |
//!
//! Retries are the store's. Names are relative to the cube, with `/` between folders.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::source::Location;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Error, GetRange, ObjectMeta, ObjectStoreExt, PutMode, PutPayload, UpdateVersion, WriteMultipart,
};

use super::disk::{self, Durable};
use crate::formats::zarr::objects::Objects;
pub(crate) use crate::formats::zarr::objects::version_of;
use crate::stores::{file_write_error, store_error, write_error};

/// Objects larger than this are stored in parts, and that is the size of a part.
const LARGEST_REQUEST: usize = 64 << 20;
const PART: usize = 16 << 20;

/// Parts of an object that are on their way at once.
const CONCURRENT_PARTS: usize = 4;

/// A part of an object that is put together.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Bytes(Bytes),
    /// All of another object.
    Object(Location),
}

/// The objects of one cube.
#[derive(Debug, Clone)]
pub(crate) struct CubeFolder {
    location: Location,
    durable: Arc<Durable>,
}

impl CubeFolder {
    pub(crate) fn new(location: &Location) -> Self {
        Self {
            location: location.clone(),
            durable: Arc::default(),
        }
    }

    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// What people see.
    pub(crate) fn url(&self) -> &str {
        &self.location.url
    }

    /// Is what lies at the cube's place, if anything does, a folder or, with `wanted` false, a file? Only file
    /// systems have to choose.
    ///
    /// # Errors
    /// It is the other of the two.
    pub(crate) fn check_is_folder(&self, wanted: bool) -> CubeResult<()> {
        if !self.location.local {
            return Ok(());
        }
        let found = std::fs::metadata(self.file(&self.location.path)?);
        match found.map(|found| found.is_dir()) {
            Ok(is_folder) if is_folder != wanted => {
                let what = if is_folder { "folder" } else { "file" };
                let cause = format!("there is a {what} of this name");
                Err(
                    CubeError::new(ErrorKind::Conflict, &self.location.url, cause)
                        .remedy(format!("choose another name, or remove the {what}")),
                )
            }
            _ => Ok(()),
        }
    }

    /// The name below the cube of an object of the store.
    pub(crate) fn name<'a>(&self, path: &'a Path) -> &'a str {
        let name = path.as_ref().strip_prefix(self.location.path.as_ref());
        name.unwrap_or_default().trim_start_matches('/')
    }

    /// Stores an object. When it returns, the bytes are on the disk, or the store has them.
    pub(crate) async fn put(&self, name: &str, bytes: Bytes) -> CubeResult<()> {
        self.put_unsettled(name, bytes).await?;
        self.settle().await
    }

    /// Stores an object that may be gone after a failure of power until [`CubeFolder::settle`] has returned.
    pub(crate) async fn put_unsettled(&self, name: &str, bytes: Bytes) -> CubeResult<()> {
        let object = self.location.child(name);
        if self.location.local {
            return self.write_file(&object, bytes, false).await;
        }
        let stored = match bytes.len() > LARGEST_REQUEST {
            true => self.put_parts(&object.path, bytes).await,
            false => {
                let payload = PutPayload::from_bytes(bytes);
                self.location
                    .store
                    .put(&object.path, payload)
                    .await
                    .map(|_| ())
            }
        };
        stored.map_err(|error| write_error(&object.url, &error))
    }

    /// Waits until all that was stored outlives a failure of power.
    pub(crate) async fn settle(&self) -> CubeResult<()> {
        if !self.location.local {
            return Ok(());
        }
        let root = self.file(&self.location.path)?;
        let durable = Arc::clone(&self.durable);
        blocking(move || durable.settle(&root), &self.location.url).await
    }

    async fn put_parts(&self, path: &Path, bytes: Bytes) -> object_store::Result<()> {
        let upload = self.location.store.put_multipart(path).await?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Err(error) = parts.wait_for_capacity(CONCURRENT_PARTS).await {
                // The first error is the one to tell.
                let _ = parts.abort().await;
                return Err(error);
            }
            let part = rest.split_to(PART.min(rest.len()));
            parts.put(part);
        }
        // It aborts the upload when a part fails.
        parts.finish().await.map(|_| ())
    }

    async fn write_file(
        &self,
        object: &Location,
        bytes: Bytes,
        must_be_new: bool,
    ) -> CubeResult<()> {
        let file = self.file(&object.path)?;
        let durable = Arc::clone(&self.durable);
        let write = move || {
            disk::write(&file, &bytes, must_be_new)?;
            durable.later(&file);
            Ok(())
        };
        blocking(write, &object.url).await
    }

    /// Where an object is on this machine.
    fn file(&self, path: &Path) -> CubeResult<PathBuf> {
        LocalFileSystem::new()
            .path_to_filesystem(path)
            .map_err(|error| write_error(&self.location.url, &error))
    }

    /// Puts an object in the place of the one that was there `before`, or of none. Gives its version, or
    /// `None` when the store has another one by now; then nothing is changed.
    pub(crate) async fn publish(
        &self,
        name: &str,
        bytes: Bytes,
        before: Option<&ObjectMeta>,
    ) -> CubeResult<Option<String>> {
        let object = self.location.child(name);
        if self.location.local {
            // What it makes visible comes first.
            self.settle().await?;
            let root = self.file(&self.location.path)?;
            let lock = blocking(move || Ok(disk::lock(&root)), &object.url).await?;
            let published = self.publish_after_comparison(name, bytes, before).await;
            drop(lock);
            self.settle().await?;
            return published;
        }
        let mode = match before {
            None => PutMode::Create,
            Some(before) => PutMode::Update(UpdateVersion {
                e_tag: before.e_tag.clone(),
                version: before.version.clone(),
            }),
        };
        let payload = PutPayload::from_bytes(bytes.clone());
        let stored = self
            .location
            .store
            .put_opts(&object.path, payload, mode.into())
            .await;
        let error = match stored {
            Ok(stored) => match stored.e_tag {
                Some(version) => return Ok(Some(version)),
                None => return Ok(self.meta(name).await?.as_ref().map(version_of)),
            },
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
                return self.publish_after_comparison(name, bytes, before).await;
            }
            Err(error) => error,
        };
        // The store may have done it, although its answer was lost.
        if let Some((found, version)) = self.get(name).await?
            && found == bytes
        {
            return Ok(Some(version));
        }
        match error {
            Error::AlreadyExists { .. } | Error::Precondition { .. } => Ok(None),
            error => Err(write_error(&object.url, &error)),
        }
    }

    async fn publish_after_comparison(
        &self,
        name: &str,
        bytes: Bytes,
        before: Option<&ObjectMeta>,
    ) -> CubeResult<Option<String>> {
        let now = self.get(name).await?;
        if let Some((found, version)) = &now
            && *found == bytes
        {
            return Ok(Some(version.clone()));
        }
        if now.map(|(_, version)| version) != before.map(version_of) {
            return Ok(None);
        }
        let object = self.location.child(name);
        match self.location.local {
            true => match self.write_file(&object, bytes, before.is_none()).await {
                Err(error) if error.kind() == ErrorKind::Conflict => return Ok(None),
                written => written?,
            },
            false => self.put(name, bytes).await?,
        }
        Ok(self.meta(name).await?.as_ref().map(version_of))
    }

    /// Copies an object; [`CubeFolder::settle`] makes it last. `false` when it does not exist.
    pub(crate) async fn copy(&self, from: &str, to: &str) -> CubeResult<bool> {
        let object = self.location.child(to);
        let from = self.location.child(from).path;
        match self.location.store.copy(&from, &object.path).await {
            Ok(()) => {}
            Err(Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(write_error(&object.url, &error)),
        }
        if self.location.local {
            self.durable.later(&self.file(&object.path)?);
        }
        Ok(true)
    }

    /// The bytes of an object and its version, if it exists.
    pub(crate) async fn get(&self, name: &str) -> CubeResult<Option<(Bytes, String)>> {
        let object = self.location.child(name);
        let objects = Objects::of(&self.location);
        let fetched = objects.get(&object.path, None, &object.url).await?;
        Ok(fetched.map(|fetched| (fetched.bytes, version_of(&fetched.meta))))
    }

    /// What the store says of an object, if it exists.
    pub(crate) async fn meta(&self, name: &str) -> CubeResult<Option<ObjectMeta>> {
        let object = self.location.child(name);
        let objects = Objects::of(&self.location);
        objects.meta(&object.path, &object.url).await
    }

    /// All objects of the cube, notes included.
    pub(crate) async fn list(&self) -> CubeResult<Vec<ObjectMeta>> {
        let listing = self.location.store.list(Some(&self.location.path));
        let listed = listing.try_collect().await;
        listed.map_err(|error| store_error(&self.location.url, &error))
    }

    /// Is there any object below `name`, a folder or (empty) the cube itself?
    pub(crate) async fn has_any(&self, name: &str) -> CubeResult<bool> {
        let folder = self.location.child(name);
        let mut listing = self.location.store.list(Some(&folder.path));
        match listing.next().await {
            None => Ok(false),
            Some(Ok(_)) => Ok(true),
            // A bucket that does not exist is told here.
            Some(Err(error)) => Err(write_error(&folder.url, &error)),
        }
    }

    /// Removes objects, in any order. Those that do not exist are removed already.
    pub(crate) async fn delete(&self, paths: Vec<Path>) -> CubeResult<()> {
        let paths = stream::iter(paths).map(Ok).boxed();
        let mut deleted = self.location.store.delete_stream(paths);
        while let Some(deleted) = deleted.next().await {
            match deleted {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(write_error(&self.location.url, &error)),
            }
        }
        Ok(())
    }

    /// Removes what only file systems have: files in the making and empty folders, but for those in the folder
    /// `kept`. Tells how many files and bytes.
    pub(crate) async fn remove_leftovers(&self, kept: &'static str) -> CubeResult<(u64, u64)> {
        if !self.location.local {
            return Ok((0, 0));
        }
        let root = self.file(&self.location.path)?;
        self.durable.forget();
        let remove = move || disk::remove_leftovers(&root, &root.join(kept));
        blocking(remove, &self.location.url).await
    }

    /// Removes this folder and those in it, as far as they are empty, where they are those of a file system.
    pub(crate) async fn remove_empty_folders(&self) -> CubeResult<()> {
        if !self.location.local {
            return Ok(());
        }
        let root = self.file(&self.location.path)?;
        blocking(
            move || {
                disk::remove_empty_folders(&root);
                Ok(())
            },
            &self.location.url,
        )
        .await
    }

    /// The first bytes of an object, at most `length`; `None` when it does not exist.
    pub(crate) async fn beginning(&self, name: &str, length: u64) -> CubeResult<Option<Bytes>> {
        let object = self.location.child(name);
        let range = Some(GetRange::Bounded(0..length));
        let objects = Objects::of(&self.location);
        let fetched = objects.get(&object.path, range, &object.url).await?;
        Ok(fetched.map(|fetched| fetched.bytes))
    }

    /// Puts an object made of `parts` in the place of the one with the version `over`, or of none. Gives its
    /// version, or `None` when there is another one by now; then nothing is changed. A store is asked for the
    /// version before a large object is completed, not in the same moment.
    pub(crate) async fn assemble(
        &self,
        name: &str,
        parts: Vec<Part>,
        over: Option<&str>,
    ) -> CubeResult<Option<String>> {
        let object = self.location.child(name);
        if self.location.local {
            let file = self.file(&object.path)?;
            let files: CubeResult<Vec<disk::Part>> = parts
                .into_iter()
                .map(|part| match part {
                    Part::Bytes(bytes) => Ok(disk::Part::Bytes(bytes)),
                    Part::Object(object) => Ok(disk::Part::File(self.file(&object.path)?)),
                })
                .collect();
            let (target, files) = (file.clone(), files?);
            let staged = blocking(move || disk::assemble(&target, &files), &object.url).await?;
            let root = self.file(&self.location.path)?;
            let folder = root.clone();
            let lock = blocking(move || Ok(disk::lock(&folder)), &object.url).await?;
            let now = self.meta(name).await?.as_ref().map(version_of);
            if now.as_deref() != over {
                return blocking(move || staged.forget().map(|()| None), &object.url).await;
            }
            let durable = Arc::clone(&self.durable);
            let publish = move || {
                staged.publish(&file)?;
                durable.later(&file);
                durable.settle(&root)
            };
            blocking(publish, &object.url).await?;
            drop(lock);
            return Ok(self.meta(name).await?.as_ref().map(version_of));
        }
        let upload = self.location.store.put_multipart(&object.path).await;
        let upload = upload.map_err(|error| write_error(&object.url, &error))?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART);
        for part in parts {
            let bytes = match part {
                Part::Bytes(bytes) => Ok(bytes),
                Part::Object(chunk) => self.get_whole(&chunk).await,
            };
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(error) => {
                    // The first error is the one to tell.
                    let _ = writer.abort().await;
                    return Err(error);
                }
            };
            if let Err(error) = writer.wait_for_capacity(CONCURRENT_PARTS).await {
                let _ = writer.abort().await;
                return Err(write_error(&object.url, &error));
            }
            writer.put(bytes);
        }
        let now = self.meta(name).await?.as_ref().map(version_of);
        if now.as_deref() != over {
            let _ = writer.abort().await;
            return Ok(None);
        }
        let finished = writer.finish().await;
        finished.map_err(|error| write_error(&object.url, &error))?;
        Ok(self.meta(name).await?.as_ref().map(version_of))
    }

    async fn get_whole(&self, object: &Location) -> CubeResult<Bytes> {
        let fetched = Objects::of(object)
            .get(&object.path, None, &object.url)
            .await?;
        let fetched = fetched.ok_or_else(|| {
            CubeError::not_found(&object.url, "a chunk that was written is gone")
                .remedy("run the statement again")
        })?;
        Ok(fetched.bytes)
    }

    /// Removes all that is left of the cube, where it is a folder of a file system.
    pub(crate) async fn remove_folder(&self) -> CubeResult<()> {
        if !self.location.local {
            return Ok(());
        }
        let root = self.file(&self.location.path)?;
        blocking(move || disk::remove_folder(&root), &self.location.url).await
    }
}

/// Does work that blocks where that holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    place: &str,
) -> CubeResult<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| file_write_error(place, &error)),
        Err(error) => Err(CubeError::new(ErrorKind::Unavailable, place, error)
            .remedy("the program is about to end; run the statement again")),
    }
}
