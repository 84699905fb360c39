//! Notes of a build beside the cube, so that the same statement run again goes on where it was broken off:
//! [`BuildNotes`].
//!
//! ```text
//!  x.zarr/.graticule/build.json   what is being built: a fingerprint of the query, the target, the sources
//!                    done/17      an empty object: box 17 is written
//!                    claim.1      who is at it, see claim.rs
//! ```
//! A box is noted when all of its objects are in the store, so what is noted is there.

use bytes::Bytes;
use datafusion::object_store::{Error as StoreError, ObjectStoreExt, PutPayload};
use futures::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use super::durable::{durable, remove_unfinished};
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::source::Location;

const BUILD: &str = "build.json";
const DONE: &str = "done";

/// What is being built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Build {
    /// Of the query, the target and the versions of its sources.
    pub(super) fingerprint: String,
    /// The SQL text, for people.
    pub(super) statement: String,
    /// Cells of a box per dimension: boxes of a resumed build are those of the first one.
    pub(super) box_shape: Vec<u64>,
    /// The version of the cube that the new state replaces.
    pub(super) over: Option<String>,
}

/// The notes in the folder of one cube.
#[derive(Debug, Clone)]
pub(super) struct BuildNotes {
    folder: Location,
}

impl BuildNotes {
    pub(super) fn new(folder: Location) -> Self {
        Self { folder }
    }

    pub(super) fn folder(&self) -> &Location {
        &self.folder
    }

    /// The build that was begun and neither committed nor given up, if there is one.
    pub(super) async fn begun(&self) -> CubeResult<Option<Build>> {
        let place = self.folder.child(BUILD);
        match place.store.get(&place.path).await {
            Ok(found) => {
                let bytes = found
                    .bytes()
                    .await
                    .map_err(|error| failed(&place, &error))?;
                // Notes that cannot be read are notes of nothing that can be continued.
                Ok(serde_json::from_slice(&bytes).ok())
            }
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&place, &error)),
        }
    }

    pub(super) async fn begin(&self, build: &Build) -> CubeResult<()> {
        let place = self.folder.child(BUILD);
        let text = serde_json::to_vec_pretty(build)
            .map_err(|error| CubeError::invalid(&place.url, error))?;
        self.put(&place, Bytes::from(text)).await
    }

    /// Numbers of the boxes that are written.
    pub(super) async fn done(&self) -> CubeResult<BTreeSet<u64>> {
        let folder = self.folder.child(DONE);
        let objects: Vec<_> = folder
            .store
            .list(Some(&folder.path))
            .try_collect()
            .await
            .map_err(|error| failed(&folder, &error))?;
        let names = objects
            .iter()
            .filter_map(|object| object.location.filename());
        Ok(names.filter_map(|name| name.parse().ok()).collect())
    }

    pub(super) async fn finish_box(&self, number: u64) -> CubeResult<()> {
        let place = self.folder.child(DONE).child(&number.to_string());
        self.put(&place, Bytes::new()).await
    }

    /// Forgets the build, at first that there is one.
    pub(super) async fn forget(&self) -> CubeResult<()> {
        let build = self.folder.child(BUILD);
        remove(&build).await?;
        let done = self.folder.child(DONE);
        let objects: Vec<_> = done
            .store
            .list(Some(&done.path))
            .try_collect()
            .await
            .map_err(|error| failed(&done, &error))?;
        for object in objects {
            let place = Location {
                path: object.location,
                ..done.clone()
            };
            remove(&place).await?;
        }
        remove_unfinished(&done).await?;
        remove_unfinished(&self.folder).await
    }

    /// Are there any?
    pub(super) async fn exist(&self) -> CubeResult<bool> {
        let first = self.folder.store.list(Some(&self.folder.path)).next().await;
        let first = first.transpose();
        let first = first.map_err(|error| failed(&self.folder, &error))?;
        Ok(first.is_some())
    }

    /// Objects below a place but for the notes, and their bytes.
    pub(super) async fn size_of(&self, place: &Location) -> CubeResult<(u64, u64)> {
        let mut objects: Vec<_> = place
            .store
            .list(Some(&place.path))
            .try_collect()
            .await
            .map_err(|error| failed(place, &error))?;
        objects.retain(|object| !object.location.prefix_matches(&self.folder.path));
        let bytes = objects.iter().map(|object| object.size).sum();
        Ok((objects.len() as u64, bytes))
    }

    async fn put(&self, place: &Location, bytes: Bytes) -> CubeResult<()> {
        place
            .store
            .put(&place.path, PutPayload::from_bytes(bytes))
            .await
            .map_err(|error| failed(place, &error))?;
        durable(place).await
    }
}

pub(super) async fn remove(place: &Location) -> CubeResult<()> {
    match place.store.delete(&place.path).await {
        Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
        Err(error) => Err(failed(place, &error)),
    }
}

/// The error of a store, at the place of a note.
pub(super) fn failed(place: &Location, error: &StoreError) -> CubeError {
    let kind = match error {
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
            ErrorKind::Denied
        }
        _ => ErrorKind::Unavailable,
    };
    let remedy = match kind {
        ErrorKind::Denied => {
            "writing a cube needs the permission to write, list and delete below it"
        }
        _ => "run the statement again: it goes on where it stopped",
    };
    CubeError::new(kind, &place.url, error).remedy(remedy)
}
