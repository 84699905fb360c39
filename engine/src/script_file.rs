//! Statements on disk that say what there is: one readable SQL script, see [`ScriptFile`].
//!
//! The file is the truth: every change reads it again, so that two processes rarely overwrite each
//! other, and replaces it at once, so that nobody sees half of it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind as IoErrorKind, Write};
use std::path::{Path, PathBuf};

use datafusion::common::{DataFusionError, Result};

use crate::error::{CubeError, ErrorKind};
use crate::sql::parser::split;

/// A script of statements, each of which makes something.
#[derive(Debug, Clone)]
pub(crate) struct ScriptFile {
    path: PathBuf,
    /// The comment at its beginning.
    header: &'static str,
    /// What it holds, for errors.
    content: &'static str,
    is_private: bool,
}

impl ScriptFile {
    /// The file at `path`. It need not exist.
    pub(crate) fn new(path: PathBuf, header: &'static str, content: &'static str) -> Self {
        Self {
            path,
            header,
            content,
            is_private: false,
        }
    }

    /// The same file, which nobody but its owner may read.
    pub(crate) fn private(mut self) -> Self {
        self.is_private = true;
        self
    }

    /// All statements in the order of the file. Parses nothing.
    ///
    /// # Errors
    /// The file cannot be read, or a quote or comment in it does not end.
    pub(crate) fn statements(&self) -> Result<Vec<String>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => split(&text).map_err(|error| self.refuse(error.to_string())),
            Err(error) if error.kind() == IoErrorKind::NotFound => Ok(vec![]),
            Err(error) => Err(self.error("read", &error)),
        }
    }

    /// Replaces the file: written beside it, synchronised, renamed over it.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub(crate) fn write(
        &self,
        statements: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<()> {
        let mut text = self.header.to_string();
        for statement in statements {
            text.push('\n');
            text.push_str(statement.as_ref());
            text.push_str(";\n");
        }
        self.replace(&text)
            .map_err(|error| self.error("write", &error))
    }

    /// The error of a statement that may not stand in the file.
    pub(crate) fn refuse(&self, cause: String) -> DataFusionError {
        CubeError::invalid(self.path.display().to_string(), cause)
            .remedy("correct or remove the statement")
            .into()
    }

    fn replace(&self, text: &str) -> std::io::Result<()> {
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let beside = self
            .path
            .with_extension(format!("{}.new", std::process::id()));
        let written = self
            .create(&beside)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&beside, &self.path));
        if written.is_err() {
            // The error that counts is the first one; a leftover is only untidy.
            let _ = fs::remove_file(&beside);
        }
        written?;
        File::open(folder)?.sync_all()
    }

    fn create(&self, path: &Path) -> std::io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        if self.is_private {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        options.open(path)
    }

    fn error(&self, verb: &str, error: &std::io::Error) -> DataFusionError {
        let kind = match error.kind() {
            IoErrorKind::PermissionDenied => ErrorKind::Denied,
            _ => ErrorKind::Unavailable,
        };
        CubeError::new(
            kind,
            self.path.display().to_string(),
            format!("cannot {verb} the {}: {error}", self.content),
        )
        .into()
    }
}
