//! Files of this machine, written so that a failure of power loses nothing: the local half of
//! [`CubeFolder`](super::folder::CubeFolder).
//!
//! ```text
//!  write   sst/c/0/0#7 ─▶ bytes ─▶ sync ─▶ rename to sst/c/0/0
//!  settle  sync sst/c/0 and the folders above it, each once for all files that came into it
//! ```
//!
//! All of it blocks. Names that end in `#` and a number are files in the making; object_store, which
//! reads these files, leaves them out of listings.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known of the names of files: they reach the disk with the folder that they are in.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    /// Folders whose own names have reached the disk.
    folders: Mutex<HashSet<PathBuf>>,
    /// Folders with names that may not have.
    unsettled: Mutex<HashSet<PathBuf>>,
    /// Held by who settles.
    turn: Mutex<()>,
}

/// Writes `file` and waits until its bytes are on the disk; its name is left to [`Durable`]. Readers see the
/// file as it was before, or as it is now.
///
/// # Errors
/// `AlreadyExists` when the file `must_be_new` and is not.
pub(crate) fn write(file: &Path, bytes: &[u8], must_be_new: bool) -> io::Result<()> {
    let (mut opened, staged) = stage(file)?;
    let written = opened
        .write_all(bytes)
        .and_then(|()| opened.sync_all())
        .and_then(|()| match must_be_new {
            true => rename_to_new(&staged, file),
            false => fs::rename(&staged, file),
        });
    if let Err(error) = written {
        // It may never have come to be, and a leftover is swept later.
        let _ = fs::remove_file(&staged);
        return Err(error);
    }
    Ok(())
}

/// A part of a file that is put together.
#[derive(Debug)]
pub(crate) enum Part {
    Bytes(bytes::Bytes),
    /// All of another file.
    File(PathBuf),
}

/// A file that is whole and on the disk, beside the one it becomes.
#[derive(Debug)]
pub(crate) struct Staged(PathBuf);

/// Puts a file together beside `file`, and waits for the disk.
pub(crate) fn assemble(file: &Path, parts: &[Part]) -> io::Result<Staged> {
    let (opened, staged) = stage(file)?;
    let staged = Staged(staged);
    let mut writer = io::BufWriter::with_capacity(1 << 20, opened);
    let write = |part: &Part| match part {
        Part::Bytes(bytes) => writer.write_all(bytes),
        Part::File(part) => io::copy(&mut File::open(part)?, &mut writer).map(|_| ()),
    };
    let written = parts.iter().try_for_each(write);
    let synced = written.and_then(|()| {
        writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()
    });
    match synced {
        Ok(()) => Ok(staged),
        Err(error) => {
            // The first error is the one to tell.
            let _ = staged.forget();
            Err(error)
        }
    }
}

impl Staged {
    /// Readers see the file as it was before, or as it is now.
    pub(crate) fn publish(self, file: &Path) -> io::Result<()> {
        fs::rename(self.0, file)
    }

    /// Removes it.
    pub(crate) fn forget(self) -> io::Result<()> {
        fs::remove_file(self.0)
    }
}

fn rename_to_new(staged: &Path, file: &Path) -> io::Result<()> {
    match fs::hard_link(staged, file) {
        Ok(()) => fs::remove_file(staged),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // Not every file system has hard links.
        Err(_) if !file.try_exists()? => fs::rename(staged, file),
        Err(_) => Err(io::ErrorKind::AlreadyExists.into()),
    }
}

/// A new file beside `file`, and its name.
fn stage(file: &Path) -> io::Result<(File, PathBuf)> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut staged = file.as_os_str().to_owned();
        staged.push(format!("#{number}"));
        let staged = PathBuf::from(staged);
        match File::create_new(&staged) {
            Ok(opened) => return Ok((opened, staged)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let Some(folder) = file.parent() else {
                    return Err(error);
                };
                fs::create_dir_all(folder)?;
            }
            Err(error) => return Err(error),
        }
    }
}

impl Durable {
    /// Remembers that the name of `file` has to reach the disk.
    pub(crate) fn later(&self, file: &Path) {
        if let Some(folder) = file.parent() {
            locked(&self.unsettled).insert(folder.to_path_buf());
        }
    }

    /// Waits until the names of all files that were written, and of the folders above them up to `root`, are
    /// on the disk.
    pub(crate) fn settle(&self, root: &Path) -> io::Result<()> {
        // Who comes second waits for what the first one took, which may be its own.
        let _turn = locked(&self.turn);
        let unsettled = std::mem::take(&mut *locked(&self.unsettled));
        let synced = self.sync_all(&unsettled, root);
        if synced.is_err() {
            locked(&self.unsettled).extend(unsettled);
        }
        synced
    }

    fn sync_all(&self, unsettled: &HashSet<PathBuf>, root: &Path) -> io::Result<()> {
        let known = locked(&self.folders).clone();
        let mut folders: HashSet<&Path> = HashSet::new();
        for folder in unsettled {
            folders.insert(folder);
            let new = folder.ancestors();
            let new = new.take_while(|below| below.starts_with(root) && !known.contains(*below));
            folders.extend(new.filter_map(Path::parent));
        }
        folders.iter().try_for_each(|folder| sync_folder(folder))?;
        let below_root = folders
            .into_iter()
            .filter(|folder| folder.starts_with(root));
        locked(&self.folders).extend(below_root.map(Path::to_path_buf));
        Ok(())
    }

    /// Forgets what is known, because folders may have been removed.
    pub(crate) fn forget(&self) {
        locked(&self.folders).clear();
        locked(&self.unsettled).retain(|folder| folder.is_dir());
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Only Unix opens folders as files.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Keeps others who ask for it away from the metadata in `folder`, until it is dropped. `None` where the
/// file system has no locks.
pub(crate) fn lock(folder: &Path) -> Option<File> {
    let opened = File::open(folder).ok()?;
    opened.lock().ok().map(|()| opened)
}

/// Removes files in the making and empty folders below `folder`, but for what is in `kept`, and tells how
/// many files and bytes that were.
pub(crate) fn remove_leftovers(folder: &Path, kept: &Path) -> io::Result<(u64, u64)> {
    let mut removed = (0, 0);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(removed),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if path == kept {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let below = remove_leftovers(&path, kept)?;
            removed = (removed.0 + below.0, removed.1 + below.1);
            // It fails when the folder is not empty.
            let _ = fs::remove_dir(&path);
        } else if is_in_the_making(&path) {
            let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
            fs::remove_file(&path)?;
            removed = (removed.0 + 1, removed.1 + bytes);
        }
    }
    Ok(removed)
}

fn is_in_the_making(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.rsplit_once('#').is_some_and(|(_, number)| {
        !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

/// Removes `folder` and the folders in it, as far as they are empty.
pub(crate) fn remove_empty_folders(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty_folders(&entry.path());
        }
    }
    // It fails when the folder is not empty.
    let _ = fs::remove_dir(folder);
}

/// Removes `folder` and all in it. It need not exist.
pub(crate) fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        removed => removed?,
    }
    folder.parent().map_or(Ok(()), sync_folder)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_come_to_be_whole_and_leave_nothing_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("x.zarr");
        let file = root.join("a/c/0/0");
        write(&file, b"one", true).unwrap();
        let again = write(&file, b"two", true).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&file).unwrap(), b"one");
        write(&file, b"two", false).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn names_settle_together_or_are_kept_for_later() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("x.zarr");
        let durable = Durable::default();
        for name in ["a/c/0/0", "a/c/0/1", "a/c/1/0"] {
            let file = root.join(name);
            write(&file, b"one", true).unwrap();
            durable.later(&file);
        }
        let away = folder.path().join("away");
        fs::rename(&root, &away).unwrap();
        let error = durable.settle(&root).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(locked(&durable.unsettled).len(), 2);
        assert!(locked(&durable.folders).is_empty());
        fs::rename(&away, &root).unwrap();
        durable.settle(&root).unwrap();
        assert!(locked(&durable.unsettled).is_empty());
        for known in ["", "a", "a/c", "a/c/0", "a/c/1"] {
            assert!(
                locked(&durable.folders).contains(&root.join(known)),
                "{known}"
            );
        }
        assert!(!locked(&durable.folders).contains(folder.path()));
        durable.settle(&root).unwrap();
    }

    #[test]
    fn leftovers_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["a/c/0/0", "a/c/0/1#3", "b#x", "notes/n#1", "e/f/g#12", "c#"] {
            let file = root.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "12").unwrap();
        }
        let removed = remove_leftovers(root, &root.join("notes")).unwrap();
        assert_eq!(removed, (2, 4));
        for (name, expected) in [
            ("a/c/0/0", true),
            ("a/c/0/1#3", false),
            ("b#x", true),
            ("c#", true),
            ("notes/n#1", true),
            ("e", false),
        ] {
            assert_eq!(root.join(name).exists(), expected, "{name}");
        }
        remove_folder(&root.join("a")).unwrap();
        remove_folder(&root.join("a")).unwrap();
        assert!(!root.join("a").exists());
    }
}
