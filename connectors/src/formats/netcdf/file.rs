//! The synchronous library, run over the ranged reads of one stored NetCDF file.
//!
//! The library (netcdf-reader, hdf5-reader) parses metadata: headers, groups, attributes, chunk
//! indexes. It asks for byte ranges and waits for them, so each of its runs has a thread of its
//! own. Data are read without it, see [`super::array`].
//!
//! ```text
//!  async task ──▶ thread: library ──read_range──▶ block cache ──▶ Handle::block_on(get_range)
//!      ▲                    │ panics are caught                        │
//!      └──── outcome ───────┘                                    object store
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use hdf5_reader::storage::DynStorage;
use hdf5_reader::{BlockCacheStorage, Storage, StorageBuffer};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

pub(super) use crate::formats::stored_file::StoredFile;
use crate::formats::stored_file::truncated;

/// Metadata are read in blocks of this many bytes and kept for the duration of one library run.
const BLOCK_BYTES: usize = 64 * 1024;
/// Blocks kept at most: 16 MiB per run.
const BLOCKS_KEPT: usize = 256;
/// Stack of the library's thread: it walks nested groups and trees by recursion.
const STACK_BYTES: usize = 8 * 1024 * 1024;
/// Library runs at a time, over all files of the process.
static RUNS: Semaphore = Semaphore::const_new(32);

impl StoredFile {
    /// Runs the library over the file's bytes from `base` on; returns what `work` returns and the
    /// bytes that were fetched for it.
    ///
    /// The thread is not taken from the runtime's pool of blocking threads: it waits for reads of
    /// the local file system, which need that pool, so that many files opened at once could wait
    /// for each other for ever.
    ///
    /// # Errors
    /// Those of `work`; of the store; and a panic of the library, which is reported as a damaged
    /// file because that is what provokes it.
    pub(super) async fn run_library<T, W>(&self, base: u64, work: W) -> CubeResult<(T, u64)>
    where
        T: Send + 'static,
        W: FnOnce(DynStorage) -> CubeResult<T> + Send + 'static,
    {
        let unavailable =
            |cause: String| CubeError::new(ErrorKind::Unavailable, &self.location.url, cause);
        let permit = RUNS
            .acquire()
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        let interest = Arc::new(());
        let object = Arc::new(ObjectRanges {
            file: self.clone(),
            base,
            runtime: Handle::current(),
            interest: Arc::downgrade(&interest),
            fetched: AtomicU64::new(0),
            failure: Mutex::new(None),
        });
        let storage: DynStorage = Arc::new(BlockCacheStorage::new(
            object.clone(),
            BLOCK_BYTES,
            BLOCKS_KEPT,
        ));
        let (sender, receiver) = oneshot::channel();
        std::thread::Builder::new()
            .name("netcdf".to_string())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| work(storage)));
                drop(permit);
                // Nobody waits any more when the query was cancelled.
                let _ = sender.send(outcome);
            })
            .map_err(|error| unavailable(format!("cannot start a thread: {error}")))?;
        let outcome = receiver
            .await
            .map_err(|_| unavailable("the reader stopped early".to_string()))?;
        drop(interest);
        // A failure of the store is the cause of whatever the library makes of it.
        let failure = object
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match (outcome, failure) {
            (Ok(Ok(value)), _) => Ok((value, object.fetched.load(Ordering::Relaxed))),
            (_, Some(failure)) => Err(failure),
            (Ok(Err(error)), None) => Err(error),
            (Err(_), None) => Err(damaged(&self.location.url, "its metadata make no sense")),
        }
    }
}

/// The file from `base` on, as the library's storage.
struct ObjectRanges {
    file: StoredFile,
    /// Where HDF5 addresses count from: non-zero behind a user block.
    base: u64,
    runtime: Handle,
    /// Gone when the caller does not wait any more.
    interest: Weak<()>,
    fetched: AtomicU64,
    /// The first failure of the store, with its kind; the library would only keep its text.
    failure: Mutex<Option<CubeError>>,
}

impl Storage for ObjectRanges {
    fn len(&self) -> u64 {
        self.file.size.saturating_sub(self.base)
    }

    fn read_range(&self, offset: u64, len: usize) -> hdf5_reader::error::Result<StorageBuffer> {
        let stopped = |cause: String| hdf5_reader::error::Error::Other(cause);
        if self.interest.strong_count() == 0 {
            return Err(stopped("cancelled".to_string()));
        }
        let start = offset.saturating_add(self.base);
        let range = start..start.saturating_add(len as u64);
        match self.runtime.block_on(self.file.read(&[range])) {
            Ok(bytes) => {
                self.fetched.fetch_add(len as u64, Ordering::Relaxed);
                StorageBuffer::from_shared_owner(Arc::new(bytes), 0, len)
            }
            Err(error) => {
                let cause = error.to_string();
                self.failure
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(error);
                Err(stopped(cause))
            }
        }
    }
}

/// What the library's `error` at `place` means.
pub(super) fn library_error(place: &str, error: netcdf_reader::Error) -> CubeError {
    use hdf5_reader::error::Error as Hdf5;
    use netcdf_reader::Error;
    match error {
        Error::UnexpectedEof {
            offset,
            needed,
            available,
        }
        | Error::Hdf5(Hdf5::UnexpectedEof {
            offset,
            needed,
            available,
        }) => truncated(
            place,
            offset.saturating_add(needed),
            offset.saturating_add(available),
        ),
        Error::UnsupportedFeature(cause) => unsupported(place, cause),
        Error::UnsupportedVersion(version) => {
            unsupported(place, format!("version {version} of the NetCDF format"))
        }
        Error::Hdf5(
            error @ (Hdf5::UnsupportedFilter(_)
            | Hdf5::UnsupportedEncoding(_)
            | Hdf5::UnsupportedLayoutClass(_)
            | Hdf5::UnsupportedDatatypeClass(_)),
        ) => unsupported(place, error),
        error => damaged(place, error),
    }
}

fn unsupported(place: &str, cause: impl std::fmt::Display) -> CubeError {
    CubeError::unsupported(place, format!("cannot read the file: {cause}"))
        .remedy("rewrite it with `nccopy -k nc4 -d 1`, which keeps every value")
}

/// The file's bytes contradict themselves.
pub(super) fn damaged(place: &str, cause: impl std::fmt::Display) -> CubeError {
    CubeError::corrupt(place, format!("the file is damaged: {cause}"))
        .remedy("copy it again from its source, and check it with `ncdump -h`")
}
