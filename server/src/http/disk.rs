//! The disk that grids take while they are made and sent, all together: [`Disk`], of which each has a [`Share`].

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;

use super::problem::Problem;

/// What grids may take.
#[derive(Debug)]
pub(super) struct Disk {
    most: u64,
    taken: Mutex<u64>,
}

/// What one grid takes, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    disk: Arc<Disk>,
    bytes: u64,
}

impl Disk {
    /// So many bytes.
    pub(super) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self {
            most,
            taken: Mutex::default(),
        })
    }

    /// A grid of which nothing is there yet.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share {
            disk: Arc::clone(self),
            bytes: 0,
        }
    }

    /// Some give back what others take.
    fn change(&self, given: u64, wanted: u64) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let others = taken.saturating_sub(given);
        let fits = wanted <= self.most.saturating_sub(others);
        if fits {
            *taken = others + wanted;
        }
        fits
    }
}

impl Share {
    /// The grid has so many bytes now.
    ///
    /// # Errors
    /// They are too many: for one grid, or with those of others.
    pub(super) fn resize(&mut self, bytes: u64) -> Result<(), Problem> {
        let most = self.disk.most;
        if bytes > most {
            let detail = format!(
                "the file has more than {most} bytes, which is what the server keeps of files that it sends \
                 (grid_files in [server]); select less, or cells that are larger"
            );
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        if !self.disk.change(self.bytes, bytes) {
            let detail = format!(
                "the files that the server is sending have {most} bytes together, which is all that it keeps \
                 (grid_files in [server]); try again when some have been sent"
            );
            return Err(Problem::new(StatusCode::INSUFFICIENT_STORAGE, detail));
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.disk.change(self.bytes, 0);
    }
}

/// The bytes of a file, or of all files in a folder.
pub(super) fn size(path: &Path) -> io::Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        bytes += size(&entry?.path())?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn status(outcome: Result<(), Problem>) -> Option<StatusCode> {
        outcome.err().map(|problem| problem.code())
    }

    #[test]
    fn what_is_given_back_can_be_taken() {
        let disk = Disk::new(10);
        let (mut one, mut other) = (disk.share(), disk.share());
        assert_eq!(status(one.resize(6)), None);
        assert_eq!(
            status(other.resize(5)),
            Some(StatusCode::INSUFFICIENT_STORAGE)
        );
        assert_eq!(
            status(other.resize(11)),
            Some(StatusCode::PAYLOAD_TOO_LARGE)
        );
        assert_eq!(status(other.resize(4)), None);
        // What does not fit changes nothing.
        assert_eq!(
            status(one.resize(7)),
            Some(StatusCode::INSUFFICIENT_STORAGE)
        );
        assert_eq!(status(one.resize(2)), None);
        assert_eq!(status(other.resize(8)), None);
        drop(other);
        assert_eq!(status(one.resize(10)), None);
        drop(one);
        assert_eq!(*disk.taken.lock().unwrap(), 0);
    }
}
