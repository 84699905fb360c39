//! The state of a cube that was opened, of cubes that [`writing`](super::writing) makes: is it still what
//! the cube is?
//!
//! ```text
//!  opened: state 1     state 2 is committed     state 1 is swept away     its chunks are missing: an error
//! ```
//! A chunk that is not stored holds the fill value; but one that is not stored any more does not.

use std::time::Instant;

use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::source::Location;
use tokio::sync::Mutex;

use super::objects::{Objects, version_of};

/// A state of a cube as it was opened.
#[derive(Debug)]
pub(super) struct OpenedState {
    objects: Objects,
    /// The cube.
    location: Location,
    version: String,
    /// When it was last begun to look whether it is still the cube's.
    checked: Mutex<Option<Instant>>,
}

impl OpenedState {
    /// The state of the cube at `location` whose metadata have this `version`.
    pub(super) fn new(location: &Location, version: &str) -> Self {
        Self {
            objects: Objects::of(location),
            location: location.clone(),
            version: version.to_string(),
            checked: Mutex::default(),
        }
    }

    /// Returns when it is known that the cube was still in this state at some time after `moment`. Those who
    /// ask at once share one request.
    ///
    /// # Errors
    /// It is in another one, or the store failed.
    pub(super) async fn check(&self, moment: Instant) -> CubeResult<()> {
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
            "the cube has been changed since it was opened, and a chunk of what it was is not there",
        )
        .remedy("run REFRESH STORE, or open it again, and repeat the query"))
    }
}
