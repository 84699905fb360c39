//! What the local file system must be asked for and object stores do by themselves: that notes outlive a
//! power failure, and that nothing is left of those whose writer died.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use super::claim::CLAIM;
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
    let sync = move || {
        File::open(&path)?.sync_all()?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    blocking(place, sync).await
}

/// Removes the notes in `folder` that were in the making when a process died: stores do not list them.
/// Not those of claims, which someone may be about to make.
///
/// # Errors
/// The disk failed, or denied access.
pub(super) async fn remove_unfinished(folder: &Location) -> CubeResult<()> {
    if !folder.local {
        return Ok(());
    }
    let path = PathBuf::from(format!("/{}", folder.path.as_ref()));
    let remove = move || {
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.contains('#') && !name.starts_with(CLAIM) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    blocking(folder, remove).await
}

async fn blocking(
    place: &Location,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> CubeResult<()> {
    let failed = |error: &dyn std::fmt::Display| {
        CubeError::new(ErrorKind::Unavailable, &place.url, error)
            .remedy("check the disk, and run the statement again")
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}
