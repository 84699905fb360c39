//! Views, external tables and functions on disk: one readable SQL script beside the configuration file.
//!
//! ```sql
//! -- Views, external tables and functions of Graticule. …
//!
//! CREATE VIEW warm AS SELECT * FROM olci."cube-1-250-250" WHERE sst > 20;
//! ```
//! The file is the truth: every change reads it again, so that two processes rarely overwrite each
//! other, and replaces it at once, so that nobody sees half of it.

use std::fs::{self, File};
use std::io::{ErrorKind as IoErrorKind, Write};
use std::path::{Path, PathBuf};

use datafusion::common::{DataFusionError, Result};

use super::definition::Definition;
use crate::error::{CubeError, ErrorKind};
use crate::sql::parser::split;

const HEADER: &str = "-- Views, external tables and functions of Graticule. Statements may be edited by hand;\n\
                      -- CREATE and DROP rewrite the file and keep comments inside statements only.\n";

/// The script, or nothing where the catalogue lives as long as the process.
#[derive(Debug, Clone)]
pub(crate) struct DefinitionsFile {
    path: PathBuf,
}

impl DefinitionsFile {
    /// The file at `path`. It need not exist.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// All definitions in the order of the file. Parses only; nothing is resolved.
    ///
    /// # Errors
    /// The file cannot be read, or a statement in it cannot be parsed or makes something else.
    pub(crate) fn read(&self) -> Result<Vec<Definition>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(self.error("read", &error)),
        };
        let refuse = |cause: String| -> DataFusionError {
            CubeError::invalid(self.path.display().to_string(), cause)
                .remedy("correct or remove the statement")
                .into()
        };
        let mut definitions = Vec::new();
        for statement in split(&text).map_err(|error| refuse(error.to_string()))? {
            let definition =
                Definition::parse(&statement).map_err(|error| refuse(error.to_string()))?;
            definitions.push(definition.ok_or_else(|| {
                refuse(format!(
                    "only CREATE VIEW, CREATE EXTERNAL TABLE and CREATE FUNCTION may stand here, not: {statement}"
                ))
            })?);
        }
        Ok(definitions)
    }

    /// Replaces the file: written beside it, synchronised, renamed over it.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub(crate) fn write<'a>(
        &self,
        definitions: impl IntoIterator<Item = &'a Definition>,
    ) -> Result<()> {
        let mut text = HEADER.to_string();
        for definition in definitions {
            text.push('\n');
            text.push_str(&definition.text);
            text.push_str(";\n");
        }
        self.replace(&text)
            .map_err(|error| self.error("write", &error))
    }

    fn replace(&self, text: &str) -> std::io::Result<()> {
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let beside = self
            .path
            .with_extension(format!("{}.new", std::process::id()));
        let written = File::create(&beside)
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

    fn error(&self, verb: &str, error: &std::io::Error) -> DataFusionError {
        let kind = match error.kind() {
            IoErrorKind::PermissionDenied => ErrorKind::Denied,
            _ => ErrorKind::Unavailable,
        };
        CubeError::new(
            kind,
            self.path.display().to_string(),
            format!("cannot {verb} the catalogue: {error}"),
        )
        .into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = DefinitionsFile::new(folder.path().join("catalogue.sql"));
        assert_eq!(file.read().unwrap(), vec![]);
        let texts = [
            "CREATE VIEW warm AS SELECT ';' AS semicolon, * FROM olci.\"cube-1\" -- hot\n WHERE sst > 20",
            "CREATE EXTERNAL TABLE \"Ostia\" STORED AS NETCDF LOCATION 'ostia/2017*.nc'",
        ];
        let definitions: Vec<Definition> = texts
            .iter()
            .map(|text| Definition::parse(text).unwrap().unwrap())
            .collect();
        file.write(&definitions).unwrap();
        assert_eq!(file.read().unwrap(), definitions);
        assert_eq!(definitions[1].name, "Ostia");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn other_statements_are_refused_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalogue.sql");
        for text in [
            "DROP VIEW warm;",
            "CREATE VIEW",
            "CREATE VIEW v AS SELECT 'x",
        ] {
            fs::write(&path, text).unwrap();
            let error = DefinitionsFile::new(path.clone()).read().unwrap_err();
            assert!(error.to_string().contains("catalogue.sql"), "{error}");
        }
    }
}
