//! Keeps statistics: in memory, and in one small file per variable where there is a folder for them.
//!
//! ```text
//!  <folder>/<cube>.zarr-<hash of its address>/<variable>-<hash>.statistics
//! ```
//! A file is replaced at once, so that several processes may write and read; of two that write at the
//! same time the last one wins, which costs knowledge and never truth. A file that is damaged, of
//! another cube or of another version of this program is ignored, and [`StatisticsStore::of`] says why.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use datafusion::common::{Result, ScalarValue};

use super::file::{Subject, checksum, decode, encode};
use super::{ChunkGrid, SharedStatistics};
use crate::cube::{Cube, Variable};
use crate::error::{CubeError, ErrorKind};
use crate::source::ChunkVersion;

/// Statistics of variables that nobody has asked for lately are forgotten beyond this many bytes; their
/// files stay.
const KEPT_BYTES: usize = 256 << 20;

/// A side file larger than this is none of ours.
const LARGEST_FILE: u64 = 4 << 30;

/// Keeps the statistics of all variables. Shared by all sessions of an engine.
#[derive(Debug, Default)]
pub struct StatisticsStore {
    folder: Option<PathBuf>,
    kept: Mutex<HashMap<Subject, Kept>>,
    clock: AtomicU64,
}

/// What is in memory of one variable.
#[derive(Debug, Clone)]
struct Kept {
    /// The file that it was read from, or written to; `None` without a folder or a file.
    stamp: Option<Stamp>,
    outcome: Result<SharedStatistics, Ignored>,
    /// When it was last asked for, by [`StatisticsStore::clock`].
    used: u64,
}

/// Why there are no statistics: `None` when nobody has made any.
type Ignored = Option<String>;

/// Tells one file from what another process puts in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    size: u64,
    #[cfg(unix)]
    inode: u64,
}

/// The range that the values of a variable are in, for colours: as recorded, perhaps of an earlier
/// version of some chunks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueRange {
    /// Smallest value, in the variable's decoded units.
    pub minimum: f64,
    /// Largest value.
    pub maximum: f64,
    /// Chunks that are known, of all chunks of the variable.
    pub known_chunks: u64,
    /// Chunks of the variable.
    pub chunks: u64,
}

/// What is known of the variables of one scan.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownVariables {
    /// By the variable's index in the cube.
    pub(crate) statistics: BTreeMap<usize, SharedStatistics>,
    /// Files that were ignored, and why.
    pub(crate) notices: Vec<String>,
}

/// A chunk whose cells all have the same value, or none, if its statistics are still true.
#[derive(Debug)]
pub(crate) struct ConstantChunk {
    statistics: SharedStatistics,
    number: u64,
    value: ScalarValue,
}

impl ConstantChunk {
    /// The value, if the chunk is still the one that the statistics are of.
    pub(crate) async fn confirmed(
        self,
        cube: &Cube,
        variable: usize,
        index: &[u64],
    ) -> Option<ScalarValue> {
        let asked = cube.variables[variable].versions(&[index.to_vec()]).await;
        let version = asked.ok()?.into_iter().next()?;
        self.statistics
            .is_of(self.number, &version)
            .then_some(self.value)
    }
}

impl KnownVariables {
    /// The chunk at `index`, if all its cells have the same value, or none, as far as is known.
    pub(crate) fn constant(
        &self,
        cube: &Cube,
        variable: usize,
        index: &[u64],
    ) -> Option<ConstantChunk> {
        let statistics = self.statistics.get(&variable)?;
        let number = statistics.grid.number(index);
        let cells = statistics.grid.cells(index);
        let value = statistics.chunk(number)?.constant_value(cells)?.clone();
        // Chunks that are not stored cost nothing anyway.
        let is_stored = !statistics.is_of(number, &ChunkVersion::Missing);
        let is_whole = cube.variables[variable].axes.len() == index.len();
        (is_stored && is_whole).then(|| ConstantChunk {
            statistics: Arc::clone(statistics),
            number,
            value,
        })
    }
}

impl StatisticsStore {
    /// Keeps statistics in `folder`, which need not exist.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
            ..Self::default()
        }
    }

    /// What is known of `variables` of a cube. Files are read when they are new or have changed.
    pub(crate) async fn of(
        self: &Arc<Self>,
        cube: &Arc<Cube>,
        variables: Vec<usize>,
    ) -> KnownVariables {
        if self.folder.is_none() && self.lock().is_empty() {
            return KnownVariables::default();
        }
        let (store, cube) = (Arc::clone(self), Arc::clone(cube));
        let look = move || {
            let mut known = KnownVariables::default();
            for variable in variables {
                match store.look_up(&cube, variable) {
                    Ok(statistics) => {
                        known.statistics.insert(variable, statistics);
                    }
                    Err(notice) => known.notices.extend(notice),
                }
            }
            known
        };
        if self.folder.is_none() {
            return look();
        }
        // It fails only when the runtime is shutting down.
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    /// What is known of one variable. Reads a file.
    pub(crate) fn look_up(
        &self,
        cube: &Cube,
        variable: usize,
    ) -> Result<SharedStatistics, Ignored> {
        let variable = cube.variables.get(variable).ok_or(None)?;
        let subject = subject(cube, variable);
        let stamp = self.path(&subject).and_then(|path| stamp(&path));
        let used = self.clock.fetch_add(1, Relaxed);
        if let Some(kept) = self.lock().get_mut(&subject)
            && kept.stamp == stamp
        {
            kept.used = used;
            return on_grid(&kept.outcome, variable);
        }
        let outcome = match (self.path(&subject), stamp) {
            (Some(path), Some(stamp)) => read(&path, stamp, &subject, variable),
            _ => Err(None),
        };
        let answer = on_grid(&outcome, variable);
        self.keep(
            subject,
            Kept {
                stamp,
                outcome,
                used,
            },
        );
        answer
    }

    /// Keeps the statistics of a variable for all who ask from now on. Writes a file.
    ///
    /// # Errors
    /// The folder cannot be written to. They are kept in memory all the same.
    pub(crate) fn record(
        &self,
        cube: &Cube,
        variable: usize,
        statistics: SharedStatistics,
    ) -> Result<()> {
        let Some(variable) = cube.variables.get(variable) else {
            return Ok(());
        };
        let subject = subject(cube, variable);
        let written = match self.path(&subject) {
            Some(path) => write(&path, &encode(&subject, &statistics)?)
                .map(|()| stamp(&path))
                .map_err(|error| unwritable(&path, &error)),
            None => Ok(None),
        };
        let kept = Kept {
            stamp: *written.as_ref().unwrap_or(&None),
            outcome: Ok(statistics),
            used: self.clock.fetch_add(1, Relaxed),
        };
        self.keep(subject, kept);
        written?;
        Ok(())
    }

    /// The range that the values of `variable` are in, as far as its chunks are known; `None` where
    /// nothing is known, and for values that are no numbers. Asks no store: for colours, not for answers.
    pub fn value_range(&self, cube: &Cube, variable: &str) -> Option<ValueRange> {
        let named = |other: &Variable| other.field.name() == variable;
        let statistics = self
            .look_up(cube, cube.variables.iter().position(named)?)
            .ok()?;
        let total = statistics.total().ok()?;
        Some(ValueRange {
            minimum: total.minimum_number()?,
            maximum: total.maximum_number()?,
            known_chunks: statistics.known(),
            chunks: statistics.grid.count(),
        })
    }

    fn keep(&self, subject: Subject, kept: Kept) {
        let mut all = self.lock();
        all.insert(subject, kept);
        let bytes = |kept: &Kept| kept.outcome.as_ref().map_or(0, |known| known.bytes());
        let mut total: usize = all.values().map(bytes).sum();
        // Without files, memory is all there is.
        while self.folder.is_some() && total > KEPT_BYTES && all.len() > 1 {
            let oldest = all.iter().min_by_key(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(subject, _)| subject.clone()) else {
                return;
            };
            total -= all.remove(&oldest).map_or(0, |kept| bytes(&kept));
        }
    }

    fn path(&self, subject: &Subject) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        let last = subject.address.rsplit('/').next().unwrap_or_default();
        let cube = file_name(last, &subject.address);
        let variable = file_name(&subject.variable, &subject.variable);
        Some(folder.join(cube).join(format!("{variable}.statistics")))
    }

    /// A poisoned lock only means that another query's task panicked; the map itself is whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<Subject, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that people recognise and that no other name has.
fn file_name(readable: &str, unique: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || "._-".contains(*c);
    let readable: String = readable.chars().filter(is_plain).take(60).collect();
    format!("{readable}-{:016x}", checksum(unique.as_bytes()))
}

/// Whose statistics those of a variable are. Two readings of one array that give other values are two
/// subjects.
fn subject(cube: &Cube, variable: &Variable) -> Subject {
    let stored = variable.array.description();
    let decoding = format!(
        "{:?} {:?} {} {}",
        variable.decoding, stored.data_type, stored.fill_value, stored.codecs
    );
    Subject {
        address: cube.url.clone(),
        variable: stored.name.clone(),
        decoding: format!("{:016x}", checksum(decoding.as_bytes())),
    }
}

fn on_grid(
    outcome: &Result<SharedStatistics, Ignored>,
    variable: &Variable,
) -> Result<SharedStatistics, Ignored> {
    let statistics = outcome.as_ref().map_err(Clone::clone)?;
    let grid = ChunkGrid::of(variable);
    if statistics.grid == grid {
        return Ok(Arc::clone(statistics));
    }
    if grid.count() > super::MOST_CHUNKS {
        return Err(None);
    }
    match statistics.on(grid) {
        Ok(moved) => Ok(Arc::new(moved)),
        Err(error) => Err(Some(error.to_string())),
    }
}

fn read(
    path: &Path,
    stamp: Stamp,
    subject: &Subject,
    variable: &Variable,
) -> Result<SharedStatistics, Ignored> {
    let ignored = |reason: String| {
        Some(format!(
            "statistics of {} ignored: {reason} ({})",
            variable.field.name(),
            path.display()
        ))
    };
    if stamp.size > LARGEST_FILE {
        return Err(ignored(format!("the file has {} bytes", stamp.size)));
    }
    let bytes = fs::read(path).map_err(|error| ignored(error.to_string()))?;
    decode(&bytes, subject, variable.field.data_type())
        .map(Arc::new)
        .map_err(ignored)
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some(Stamp {
        modified: metadata.modified().ok()?,
        size: metadata.len(),
        #[cfg(unix)]
        inode: std::os::unix::fs::MetadataExt::ino(&metadata),
    })
}

/// Replaces a file at once: nobody sees half of it.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    static WRITINGS: AtomicU64 = AtomicU64::new(0);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let number = WRITINGS.fetch_add(1, Relaxed);
    let beside = path.with_extension(format!("{}-{number}.new", std::process::id()));
    let written = File::create(&beside)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The error that counts is the first one; a leftover is only untidy.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn unwritable(path: &Path, error: &std::io::Error) -> CubeError {
    let kind = match error.kind() {
        std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
        _ => ErrorKind::Unavailable,
    };
    CubeError::new(
        kind,
        path.display().to_string(),
        format!("the statistics cannot be written: {error}"),
    )
    .remedy("make the folder writable, or name another one as statistics in graticule.toml")
}
