//! Views, external tables and functions on disk: one readable SQL script beside the configuration file.
//!
//! ```sql
//! -- Views, external tables and functions of Graticule. …
//!
//! CREATE VIEW warm AS SELECT * FROM olci."cube-1-250-250" WHERE sst > 20;
//! ```
//! Every change reads it again, see [`ScriptFile`].

use std::path::PathBuf;

use datafusion::common::Result;

use super::definition::Definition;
use crate::script_file::ScriptFile;

const HEADER: &str = "-- Views, external tables and functions of Graticule. Statements may be edited by hand;\n\
                      -- CREATE and DROP rewrite the file and keep comments inside statements only.\n";

/// The script, or nothing where the catalogue lives as long as the process.
#[derive(Debug, Clone)]
pub(crate) struct DefinitionsFile(ScriptFile);

impl DefinitionsFile {
    /// The file at `path`. It need not exist.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(ScriptFile::new(path, HEADER, "catalogue"))
    }

    /// All definitions in the order of the file. Parses only; nothing is resolved.
    ///
    /// # Errors
    /// The file cannot be read, or a statement in it cannot be parsed or makes something else.
    pub(crate) fn read(&self) -> Result<Vec<Definition>> {
        let mut definitions = Vec::new();
        for statement in self.0.statements()? {
            let definition =
                Definition::parse(&statement).map_err(|error| self.0.refuse(error.to_string()))?;
            definitions.push(definition.ok_or_else(|| {
                self.0.refuse(format!(
                    "only CREATE VIEW, CREATE EXTERNAL TABLE and CREATE FUNCTION may stand here, not: {statement}"
                ))
            })?);
        }
        Ok(definitions)
    }

    /// Replaces the file at once.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub(crate) fn write<'a>(
        &self,
        definitions: impl IntoIterator<Item = &'a Definition>,
    ) -> Result<()> {
        self.0
            .write(definitions.into_iter().map(|definition| &definition.text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

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
