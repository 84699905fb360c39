//! The state of a cube that was opened, of cubes that [`writing`](super::writing) makes: is it still what
//! the cube is?
//!
//! ```text
//!  opened: state 1     state 2 is committed     state 1 is swept away     its chunks are missing: an error
//!                                               state 3 takes its names   they are newer: an error
//! ```
//! A chunk that is not stored holds the fill value; but one that is not stored any more does not. And objects
//! of a state are written before its metadata: what is written later is of a later one, unless the cube was
//! copied. So what is missing, or newer than all that is known to be of this state, makes it look at the cube.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use chrono::{DateTime, Utc};

use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::source::Location;
use tokio::sync::Mutex;

use super::hierarchy::Hierarchy;
use super::objects::{Objects, version_of};

/// A state of a cube as it was opened.
#[derive(Debug)]
pub(super) struct OpenedState {
    objects: Objects,
    /// The cube.
    location: Location,
    version: String,
    /// What was written until then is of this state: by the clock of the store, in microseconds.
    written: AtomicI64,
    /// When it was last begun to look whether it is still the cube's.
    checked: Mutex<Option<Instant>>,
}

impl OpenedState {
    /// The state of the cube at `location` that has these metadata.
    pub(super) fn new(location: &Location, metadata: &Hierarchy) -> Self {
        Self {
            objects: Objects::of(location),
            location: location.clone(),
            version: metadata.version.clone(),
            written: AtomicI64::new(metadata.written),
            checked: Mutex::default(),
        }
    }

    /// Is an object of this state that was written at this time and has just been read, or was not there?
    ///
    /// # Errors
    /// Perhaps not: the cube is in another state. Or the store failed.
    pub(super) async fn confirm(&self, written: Option<DateTime<Utc>>) -> CubeResult<()> {
        let written = written.map(|written| written.timestamp_micros());
        if written.is_some_and(|written| written <= self.written.load(Ordering::Relaxed)) {
            return Ok(());
        }
        self.check(Instant::now()).await?;
        if let Some(written) = written {
            self.written.fetch_max(written, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Returns when it is known that the cube was still in this state at some time after `moment`. Those who
    /// ask at once share one request.
    ///
    /// # Errors
    /// It is in another one, or the store failed.
    async fn check(&self, moment: Instant) -> CubeResult<()> {
        let mut checked = self.checked.lock().await;
        if checked.is_some_and(|checked| checked >= moment) {
            return Ok(());
        }
        let begin = Instant::now();
        let root = self.location.child("zarr.json");
        let meta = self.objects.meta(&root.path, &root.url).await?;
        if meta.as_ref().map(version_of).as_ref() == Some(&self.version) {
            *checked = Some(begin);
            return Ok(());
        }
        Err(CubeError::new(
            ErrorKind::Conflict,
            &self.location.url,
            "the cube has been changed since it was opened, and a chunk of what it was is not there any more",
        )
        .remedy("run REFRESH STORE, or open it again, and repeat the query"))
    }
}
