//! Makes sure that a file outlives a power failure: object stores do, the local file system must be asked.

use std::fs::File;
use std::path::PathBuf;

use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::source::Location;

/// Returns when the object at `place`, and its name, have reached the disk.
///
/// # Errors
/// The disk failed.
pub(super) async fn durable(place: &Location) -> CubeResult<()> {
    if !place.local {
        return Ok(());
    }
    let path = PathBuf::from(format!("/{}", place.path.as_ref()));
    let synced = tokio::task::spawn_blocking(move || {
        File::open(&path)?.sync_all()?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    });
    let failed = |error: &dyn std::fmt::Display| {
        CubeError::new(ErrorKind::Unavailable, &place.url, error)
            .remedy("check the disk, and run the statement again")
    };
    match synced.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}
