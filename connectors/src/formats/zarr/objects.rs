//! Reading objects of a store: whole, a range, or the end of one.
//!
//! [`Objects`] wraps the store of a cube and decides what "does not exist" means there: 404
//! everywhere, also 403 where the store is declared so. Retries and timeouts are the store's. Objects
//! of a cube that goes from state to state are those of the state that was opened, or an error.

use std::sync::Arc;

use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::source::Location;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};

use super::opened_state::OpenedState;
use crate::stores::store_error;

/// No object, and no part of one, larger than this is read into memory.
pub(crate) const LARGEST_READ: u64 = 2 << 30;

/// The objects of one store.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    missing_is_403: bool,
    state: Option<Arc<OpenedState>>,
}

/// What a read brought.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The bytes of the object or the part that was asked for.
    pub(crate) bytes: Bytes,
    /// The whole object: its size and what identifies its version.
    pub(crate) meta: ObjectMeta,
}

/// The version of a cube whose metadata are one object: that of the object.
pub(crate) fn version_of(meta: &ObjectMeta) -> String {
    meta.e_tag
        .clone()
        .unwrap_or_else(|| format!("{}-{}", meta.last_modified.timestamp_millis(), meta.size))
}

impl Objects {
    pub(crate) fn of(location: &Location) -> Self {
        Self {
            store: Arc::clone(&location.store),
            missing_is_403: location.missing_is_403,
            state: None,
        }
    }

    /// The same objects, of one state of a cube.
    pub(super) fn of_state(self, state: Option<Arc<OpenedState>>) -> Self {
        Self { state, ..self }
    }

    /// Reads the object at `path`, or its `range`. `None` when it does not exist. `place` names it
    /// in errors.
    pub(crate) async fn get(
        &self,
        path: &Path,
        range: Option<GetRange>,
        place: &str,
    ) -> CubeResult<Option<Fetched>> {
        let fetched = self.get_now(path, range, place).await?;
        if let Some(state) = &self.state {
            let written = fetched.as_ref().map(|fetched| fetched.meta.last_modified);
            state.confirm(written).await?;
        }
        Ok(fetched)
    }

    async fn get_now(
        &self,
        path: &Path,
        range: Option<GetRange>,
        place: &str,
    ) -> CubeResult<Option<Fetched>> {
        let options = GetOptions {
            range: range.clone(),
            ..GetOptions::default()
        };
        let result = match self.store.get_opts(path, options).await {
            Ok(result) => result,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(object_store::Error::PermissionDenied { .. }) if self.missing_is_403 => {
                return Ok(None);
            }
            // Some stores have no suffix ranges: ask for the size, then for that range.
            Err(object_store::Error::NotSupported { .. })
                if matches!(range, Some(GetRange::Suffix(_))) =>
            {
                return Box::pin(self.get_suffix_by_size(path, range, place)).await;
            }
            Err(error) => return Err(store_error(place, &error)),
        };
        let announced = result.range.end.saturating_sub(result.range.start);
        if announced > LARGEST_READ {
            return Err(CubeError::new(
                ErrorKind::Limit,
                place,
                format!("the object has {announced} bytes, the most that is read at once is {LARGEST_READ}"),
            )
            .remedy("rewrite the cube with smaller chunks"));
        }
        let meta = result.meta.clone();
        let bytes = result
            .bytes()
            .await
            .map_err(|error| store_error(place, &error))?;
        if bytes.len() as u64 != announced {
            return Err(CubeError::new(
                ErrorKind::Unavailable,
                place,
                format!(
                    "the store announced {announced} bytes and sent {}",
                    bytes.len()
                ),
            )
            .remedy("try again; if it happens again, the store is broken"));
        }
        Ok(Some(Fetched { bytes, meta }))
    }

    /// What the store says of an object, if it exists.
    pub(crate) async fn meta(&self, path: &Path, place: &str) -> CubeResult<Option<ObjectMeta>> {
        let head = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        match self.store.get_opts(path, head).await {
            Ok(result) => Ok(Some(result.meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(object_store::Error::PermissionDenied { .. }) if self.missing_is_403 => Ok(None),
            Err(error) => Err(store_error(place, &error)),
        }
    }

    async fn get_suffix_by_size(
        &self,
        path: &Path,
        range: Option<GetRange>,
        place: &str,
    ) -> CubeResult<Option<Fetched>> {
        let Some(GetRange::Suffix(length)) = range else {
            return Ok(None);
        };
        let Some(meta) = self.meta(path, place).await? else {
            return Ok(None);
        };
        let range = GetRange::Bounded(meta.size.saturating_sub(length)..meta.size);
        self.get_now(path, Some(range), place).await
    }

    /// The names of the folders directly below `path`, sorted.
    pub(crate) async fn folders(&self, path: &Path, place: &str) -> CubeResult<Vec<String>> {
        let listing = self
            .store
            .list_with_delimiter(Some(path))
            .await
            .map_err(|error| store_error(place, &error))?;
        let mut names: Vec<String> = listing
            .common_prefixes
            .iter()
            .filter_map(|folder| folder.filename().map(str::to_string))
            .collect();
        names.sort();
        Ok(names)
    }
}
