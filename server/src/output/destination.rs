//! Where results go: standard output, or a file that appears under its name only when complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// An open destination.
pub(crate) struct Destination {
    writer: BufWriter<Box<dyn Write + Send>>,
    /// The file to become, and the file that is being written.
    file: Option<(PathBuf, PathBuf)>,
    reader_is_gone: bool,
}

impl Destination {
    /// Standard output.
    pub(crate) fn standard_output() -> Self {
        Self {
            writer: BufWriter::new(Box::new(io::stdout())),
            file: None,
            reader_is_gone: false,
        }
    }

    /// The file at `path`, which stays untouched until [`Destination::commit`].
    ///
    /// # Errors
    /// The folder does not exist or cannot be written to.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial)?;
        Ok(Self {
            writer: BufWriter::new(Box::new(file)),
            file: Some((path.to_path_buf(), partial)),
            reader_is_gone: false,
        })
    }

    /// Is this a file rather than standard output?
    pub(crate) fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// Will a person read it as it is written?
    pub(crate) fn is_terminal(&self) -> bool {
        !self.is_file() && io::stdout().is_terminal()
    }

    /// Has the program at the other end of the pipe, such as `head`, seen enough?
    pub(crate) fn reader_is_gone(&self) -> bool {
        self.reader_is_gone
    }

    /// Gives the file its name. Without it the file is removed when the destination is dropped.
    ///
    /// # Errors
    /// The disk is full, or the file cannot be renamed.
    pub(crate) fn commit(&mut self) -> io::Result<()> {
        self.flush()?;
        match self.file.take() {
            Some((path, partial)) => fs::rename(partial, path),
            None => Ok(()),
        }
    }

    fn watch<T>(&mut self, outcome: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &outcome {
            self.reader_is_gone |= error.kind() == io::ErrorKind::BrokenPipe;
        }
        outcome
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let outcome = self.writer.write(bytes);
        self.watch(outcome)
    }

    fn flush(&mut self) -> io::Result<()> {
        let outcome = self.writer.flush();
        self.watch(outcome)
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        if let Some((_, partial)) = &self.file {
            // The failure that left the file unfinished is what the user needs to know.
            let _ = fs::remove_file(partial);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_appears_when_complete_or_never() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.csv");
        for (complete, files) in [(false, 0), (true, 1)] {
            let mut destination = Destination::create(&path).unwrap();
            destination.write_all(b"x\n1\n").unwrap();
            assert!(!path.exists());
            if complete {
                destination.commit().unwrap();
            }
            drop(destination);
            assert_eq!(path.exists(), complete);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), files);
        }
    }
}
