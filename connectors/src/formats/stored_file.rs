//! Cubes that are one file: [`StoredFile`], ranged reads of the very file that was opened, and its version.

use std::ops::Range;

use bytes::Bytes;
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::source::{ChunkVersion, Location};
use object_store::{
    GetOptions, OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, ObjectStoreExt,
    coalesce_ranges,
};

use crate::stores::store_error;
use crate::versions::Versions;

/// A file in an object store, known to exist with a given size.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    pub(crate) location: Location,
    pub(crate) size: u64,
    /// Entity tag, or modification time and size.
    pub(crate) version: String,
    /// What the store said of the file when it was opened.
    found: ObjectMeta,
    /// The same, as far as statistics are concerned.
    opened: ChunkVersion,
}

impl StoredFile {
    /// Asks the store for the file's size and version.
    pub(crate) async fn find(location: &Location) -> CubeResult<Self> {
        let object = location
            .store
            .head(&location.path)
            .await
            .map_err(|error| store_error(&location.url, &error))?;
        let version = object.e_tag.clone().unwrap_or_else(|| {
            format!(
                "{}-{}",
                object.last_modified.timestamp_micros(),
                object.size
            )
        });
        Ok(Self {
            opened: Versions::of(location).known(&object).await,
            location: location.clone(),
            size: object.size,
            version,
            found: object,
        })
    }

    /// The version of the file, if it is still the one that was opened.
    pub(crate) async fn version_now(&self) -> CubeResult<ChunkVersion> {
        let path = &self.location.path;
        let versions = Versions::of(&self.location);
        let now = versions.ask(path, 1, std::slice::from_ref(path)).await?;
        let is_same = |now: &ChunkVersion| match (now, &self.opened) {
            (ChunkVersion::Stored { token, .. }, ChunkVersion::Stored { token: opened, .. }) => {
                token == opened
            }
            _ => false,
        };
        Ok(now
            .into_iter()
            .find(is_same)
            .unwrap_or(ChunkVersion::Unknown))
    }

    /// Reads `ranges` and joins them. Neighbouring ranges are merged into one request.
    ///
    /// # Errors
    /// A range past the end of the file (it is truncated), a file that is not the one that was
    /// opened any more, or a failure of the store.
    pub(crate) async fn read(&self, ranges: &[Range<u64>]) -> CubeResult<Bytes> {
        if let Some(range) = ranges.iter().find(|range| range.end > self.size) {
            return Err(truncated(&self.location.url, range.end, self.size));
        }
        let expected: u64 = ranges.iter().map(|range| range.end - range.start).sum();
        let gap = OBJECT_STORE_COALESCE_DEFAULT;
        let parts = coalesce_ranges(ranges, |range| self.read_range(range), gap).await?;
        let bytes = match <[Bytes; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => Bytes::from(parts.concat()),
        };
        if bytes.len() as u64 != expected {
            return Err(CubeError::new(
                ErrorKind::Unavailable,
                &self.location.url,
                format!("the store sent {} of {expected} bytes", bytes.len()),
            )
            .remedy("try again; if it persists, the file changed while it was read"));
        }
        Ok(bytes)
    }

    /// Reads one range of the very file that was opened: offsets mean nothing in another one.
    async fn read_range(&self, range: Range<u64>) -> CubeResult<Bytes> {
        let failed = |error: object_store::Error| match error {
            object_store::Error::Precondition { .. } => changed(&self.location.url),
            error => store_error(&self.location.url, &error),
        };
        let tag = self.found.e_tag.as_ref();
        let options = GetOptions {
            range: Some(range.into()),
            // A weak tag never matches (RFC 9110, section 13.1.1).
            if_match: tag.filter(|tag| !tag.starts_with("W/")).cloned(),
            ..GetOptions::default()
        };
        let store = &self.location.store;
        let got = store.get_opts(&self.location.path, options).await;
        let got = got.map_err(failed)?;
        // Not every server minds the condition, and not every one gives a tag.
        match is_same(&self.found, &got.meta) {
            true => got.bytes().await.map_err(failed),
            false => Err(changed(&self.location.url)),
        }
    }
}

/// Is it the same file, as far as the store tells? Tags are compared weakly, as RFC 9110 says.
fn is_same(before: &ObjectMeta, now: &ObjectMeta) -> bool {
    let tag = |object: &ObjectMeta| {
        let tag = object.e_tag.as_ref()?;
        Some(tag.trim_start_matches("W/").to_string())
    };
    before.size == now.size
        && match (tag(before), tag(now)) {
            (Some(before), Some(now)) => before == now,
            _ => before.last_modified == now.last_modified,
        }
}

fn changed(place: &str) -> CubeError {
    CubeError::new(
        ErrorKind::Unavailable,
        place,
        "the file changed since it was opened",
    )
    .remedy("REFRESH STORE or REFRESH TABLE opens it again")
}

/// The file ends at byte `size`, before byte `needed`.
pub(crate) fn truncated(place: &str, needed: u64, size: u64) -> CubeError {
    CubeError::corrupt(
        place,
        format!("the file is truncated: it has {size} bytes and needs at least {needed}"),
    )
    .remedy("copy it again from its source")
}
