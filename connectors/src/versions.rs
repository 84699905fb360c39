//! Which version of its bytes an object has, asked without reading it.
//!
//! | store | asked by | a token is made of |
//! |---|---|---|
//! | this machine's files | the metadata of each file: microseconds | times of the last change of content and of status, size, inode |
//! | others, few objects | one HEAD each, several at a time | entity tag and size, else time and size |
//! | others, many objects | one listing per 1000 objects below the folder | the same |
//!
//! The time of the last change of *status* cannot be set back by a program, as that of the content can
//! (`touch -d`, `rsync -t`, `cp -p`). What nobody can tell from outside: a change that leaves the
//! entity tag of a store, or on systems without a status time the time, size and inode of a file, as
//! they were.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::{StreamExt, TryStreamExt, stream};
use graticule_engine::error::CubeResult;
use graticule_engine::source::{ChunkVersion, Location};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore};

use crate::stores::store_error;

/// Requests at a time.
const CONCURRENT_REQUESTS: usize = 16;

/// Objects in one answer to a listing.
const LISTED_AT_ONCE: u64 = 1000;

/// Clocks of file systems tick at least this often, or else in whole seconds.
const TICK: Duration = Duration::from_millis(40);
const COARSE_TICK: Duration = Duration::from_millis(2100);

/// Asks a store for versions.
#[derive(Debug, Clone)]
pub(crate) struct Versions {
    store: Arc<dyn ObjectStore>,
    listable: bool,
    missing_is_403: bool,
    local: bool,
}

impl Versions {
    pub(crate) fn of(location: &Location) -> Self {
        Self {
            store: Arc::clone(&location.store),
            listable: location.listable,
            missing_is_403: location.missing_is_403,
            local: location.local,
        }
    }

    /// The versions of the objects at `paths`, one each; a path may stand there several times. All
    /// are below `folder`, in which about `total` objects are.
    pub(crate) async fn ask(
        &self,
        folder: &Path,
        total: u64,
        paths: &[Path],
    ) -> CubeResult<Vec<ChunkVersion>> {
        let wanted: HashSet<&Path> = paths.iter().collect();
        let known = if self.local {
            of_files(wanted.into_iter().cloned().collect()).await
        } else {
            let by_head = (wanted.len() as u64).div_ceil(CONCURRENT_REQUESTS as u64);
            let by_listing = total.div_ceil(LISTED_AT_ONCE);
            let listed = match self.listable && by_listing < by_head {
                // A store may allow reading and forbid listing.
                true => self.list(folder, &wanted).await.ok(),
                false => None,
            };
            match listed {
                Some(listed) => listed,
                None => self.heads(&wanted).await?,
            }
        };
        let version = |path| known.get(path).cloned().unwrap_or(ChunkVersion::Missing);
        Ok(paths.iter().map(version).collect())
    }

    /// The version of an object that the store has just described.
    pub(crate) async fn known(&self, object: &ObjectMeta) -> ChunkVersion {
        if !self.local {
            return version_of(object);
        }
        let mut version = of_files(vec![object.location.clone()]).await;
        version
            .remove(&object.location)
            .unwrap_or(ChunkVersion::Unknown)
    }

    async fn list(
        &self,
        folder: &Path,
        wanted: &HashSet<&Path>,
    ) -> object_store::Result<HashMap<Path, ChunkVersion>> {
        let mut found = HashMap::new();
        let mut listing = self.store.list(Some(folder));
        while let Some(object) = listing.try_next().await? {
            if wanted.contains(&object.location) {
                let version = version_of(&object);
                found.insert(object.location, version);
            }
        }
        Ok(found)
    }

    async fn heads(&self, wanted: &HashSet<&Path>) -> CubeResult<HashMap<Path, ChunkVersion>> {
        let wanted: Vec<Path> = wanted.iter().map(|path| (*path).clone()).collect();
        stream::iter(wanted)
            .map(|path| async move {
                let options = GetOptions {
                    head: true,
                    ..GetOptions::default()
                };
                let version = match self.store.get_opts(&path, options).await {
                    Ok(result) => version_of(&result.meta),
                    Err(object_store::Error::NotFound { .. }) => ChunkVersion::Missing,
                    Err(object_store::Error::PermissionDenied { .. }) if self.missing_is_403 => {
                        ChunkVersion::Missing
                    }
                    Err(error) => return Err(store_error(path.as_ref(), &error)),
                };
                Ok((path, version))
            })
            .buffer_unordered(CONCURRENT_REQUESTS)
            .try_collect()
            .await
    }
}

/// A token of bytes that are not an object of their own: FNV-1a, the same in every process, so that statistics recognise
/// the bytes again.
pub(crate) fn token_of_bytes(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// What a store's description of an object says of its version.
fn version_of(object: &ObjectMeta) -> ChunkVersion {
    let size = object.size;
    match &object.e_tag {
        // Listings and answers to HEAD may differ in quotes.
        Some(tag) => ChunkVersion::Stored {
            token: format!("{} {size}", tag.trim_matches('"')),
            settled: true,
        },
        None => {
            let changed = SystemTime::from(object.last_modified);
            ChunkVersion::Stored {
                token: format!("{} {size}", object.last_modified.timestamp_micros()),
                settled: is_older(changed, COARSE_TICK),
            }
        }
    }
}

async fn of_files(paths: Vec<Path>) -> HashMap<Path, ChunkVersion> {
    let ask = move || {
        let files = LocalFileSystem::new();
        let version = |path: &Path| match files.path_to_filesystem(path) {
            Ok(file) => of_file(&file),
            Err(_) => ChunkVersion::Unknown,
        };
        paths
            .into_iter()
            .map(|path| (path.clone(), version(&path)))
            .collect()
    };
    // It fails only when the runtime is shutting down.
    let asked = tokio::task::spawn_blocking(ask).await;
    asked.unwrap_or_default()
}

fn of_file(file: &std::path::Path) -> ChunkVersion {
    let metadata = match std::fs::metadata(file) {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return ChunkVersion::Missing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return ChunkVersion::Missing,
        Err(_) => return ChunkVersion::Unknown,
    };
    let Ok(modified) = metadata.modified() else {
        return ChunkVersion::Unknown;
    };
    let size = metadata.len();
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (seconds, nanoseconds) = (metadata.ctime(), metadata.ctime_nsec());
        let status = match (u64::try_from(seconds), u32::try_from(nanoseconds)) {
            (Ok(seconds), Ok(nanoseconds)) => {
                SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds)
            }
            _ => modified,
        };
        let (content, content_nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
        let inode = metadata.ino();
        ChunkVersion::Stored {
            token: format!(
                "{content}.{content_nanoseconds:09} {seconds}.{nanoseconds:09} {size} {inode}"
            ),
            settled: is_older(status, tick(status)),
        }
    }
    #[cfg(not(unix))]
    {
        let since = modified
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        ChunkVersion::Stored {
            token: format!("{}.{:09} {size}", since.as_secs(), since.subsec_nanos()),
            settled: is_older(modified, tick(modified)),
        }
    }
}

/// How often the clock ticks that gave `time`.
fn tick(time: SystemTime) -> Duration {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) if since.subsec_nanos() != 0 => TICK,
        _ => COARSE_TICK,
    }
}

fn is_older(time: SystemTime, age: Duration) -> bool {
    SystemTime::now()
        .duration_since(time)
        .is_ok_and(|since| since > age)
}

#[cfg(test)]
mod tests {
    // The clock of the file system has to tick.
    #![allow(clippy::unwrap_used, clippy::disallowed_methods)]

    use std::fs;

    use object_store::memory::InMemory;
    use object_store::{ObjectStoreExt, PutPayload};

    use super::*;

    fn token(version: &ChunkVersion) -> Option<&str> {
        match version {
            ChunkVersion::Stored { token, .. } => Some(token),
            _ => None,
        }
    }

    /// What is written, and whether the version tells it from what was there before.
    #[test]
    fn files_that_change_get_another_version() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("0.0");
        assert_eq!(of_file(&file), ChunkVersion::Missing);
        assert_eq!(of_file(folder.path()), ChunkVersion::Missing);
        fs::write(&file, "abc").unwrap();
        let first = of_file(&file);
        assert!(matches!(first, ChunkVersion::Stored { settled: false, .. }));
        std::thread::sleep(TICK * 2);
        let settled = of_file(&file);
        assert!(matches!(
            settled,
            ChunkVersion::Stored { settled: true, .. }
        ));
        assert_eq!(token(&first), token(&settled));

        let modified = fs::metadata(&file).unwrap().modified().unwrap();
        let set_back = || {
            let opened = fs::File::options().write(true).open(&file).unwrap();
            opened.set_modified(modified).unwrap();
        };
        let mut seen = HashSet::from([token(&first).unwrap().to_string()]);
        let changes: [&dyn Fn(); 3] = [
            &|| fs::write(&file, "abd").unwrap(),
            &|| {
                fs::write(&file, "abe").unwrap();
                set_back();
            },
            &|| {
                fs::write(folder.path().join("new"), "abf").unwrap();
                fs::rename(folder.path().join("new"), &file).unwrap();
                set_back();
            },
        ];
        for (number, change) in changes.iter().enumerate() {
            change();
            let now = of_file(&file);
            let is_new = seen.insert(token(&now).unwrap().to_string());
            assert!(is_new, "change {number}: {now:?}");
            std::thread::sleep(TICK * 2);
        }
    }

    #[tokio::test]
    async fn listings_and_single_questions_agree() {
        let store = InMemory::new();
        let folder = Path::from("cube.zarr/v");
        let paths: Vec<Path> = (0..40)
            .map(|number| folder.clone().join(format!("{number}")))
            .collect();
        for path in &paths[..30] {
            store
                .put(path, PutPayload::from_static(b"x"))
                .await
                .unwrap();
        }
        let mut versions = Versions {
            store: Arc::new(store),
            listable: true,
            missing_is_403: false,
            local: false,
        };
        let listed = versions.ask(&folder, 40, &paths).await.unwrap();
        versions.listable = false;
        assert_eq!(versions.ask(&folder, 40, &paths).await.unwrap(), listed);
        assert!(listed[..30].iter().all(|version| token(version).is_some()));
        assert_eq!(listed[30..], vec![ChunkVersion::Missing; 10]);
    }
}
