//! A database of SQLite in memory, made of the bytes of a file that may come from anybody: [`Database`].
//!
//! Nothing that the file says is run: no views, no triggers, no functions beyond those that do no harm, and no text or row
//! longer than the file.

use std::cell::Cell;

use bytes::Buf;
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, MAIN_DB, OptionalExtension, Params, Row};

/// What a file starts with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Bytes before the first page's own content.
const HEADER: usize = 100;

/// Where the header says how changes are kept: 1 in a journal, 2 in a log beside the file, which is not here.
const KEEPING: std::ops::Range<usize> = 18..20;

/// How often the bytes of a file may be counted: those that are the default of a column stand there once.
const MOST_TIMES: usize = 4;

/// Bytes that all rows of a file can still have: pages of a broken file may be counted several times.
#[derive(Debug)]
pub(super) struct Budget(Cell<usize>);

impl Budget {
    /// Of a file of `size` bytes.
    fn of(size: usize) -> Self {
        Self(Cell::new(size.saturating_mul(MOST_TIMES)))
    }

    /// A row has at least one byte.
    pub(super) fn row(&self) -> Result<(), &'static str> {
        self.spend(1)
    }

    /// A value has one that says what it is, a NULL too, and texts and blobs are as long as they are stored.
    pub(super) fn value(&self, value: ValueRef<'_>) -> Result<(), &'static str> {
        match value {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => self.spend(1 + bytes.len()),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => self.spend(1),
        }
    }

    fn spend(&self, length: usize) -> Result<(), &'static str> {
        let left = self.0.get().checked_sub(length);
        self.0
            .set(left.ok_or("there are more rows than the file has bytes for")?);
        Ok(())
    }
}

/// An opened database.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) connection: Connection,
    /// Of all its tables together.
    pub(super) budget: Budget,
    url: String,
}

impl Database {
    pub(super) fn open(bytes: &[u8], url: &str) -> CubeResult<Self> {
        let header = bytes.first_chunk::<HEADER>();
        let Some(header) = header.filter(|header| header.starts_with(MAGIC)) else {
            return Err(CubeError::corrupt(
                url,
                "the file is no GeoPackage: it is no database of SQLite",
            )
            .remedy("copy it again from its source"));
        };
        let Ok(length) = i32::try_from(bytes.len()) else {
            let cause = "the file has more than two gigabytes";
            return Err(CubeError::new(ErrorKind::Limit, url, cause).remedy("split it"));
        };
        let mut header = *header;
        if let Some(keeping) = header.get_mut(KEEPING) {
            keeping.fill(1);
        }
        let opened = || -> rusqlite::Result<Connection> {
            let mut connection = Connection::open_in_memory()?;
            let rest = bytes.get(HEADER..).unwrap_or_default();
            let file = header.as_slice().chain(rest).reader();
            connection.deserialize_read_exact(MAIN_DB, file, bytes.len(), true)?;
            for (setting, value) in [
                (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
                (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
                (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
                (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
            ] {
                connection.set_db_config(setting, value)?;
            }
            connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, length)?;
            connection.pragma_update(None, "cell_size_check", true)?;
            Ok(connection)
        };
        let connection = opened().map_err(|error| failed(url, &error))?;
        Ok(Self {
            connection,
            budget: Budget::of(bytes.len()),
            url: url.to_string(),
        })
    }

    /// Checks that `name` is a table whose rows are stored, not one that is computed.
    pub(super) fn check_is_table(&self, name: &str) -> CubeResult<()> {
        let query = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 \
                     COLLATE NOCASE AND rootpage > 0";
        let found: rusqlite::Result<Option<i64>> = self
            .connection
            .query_row(query, [name], |row| row.get(0))
            .optional();
        match found.map_err(|error| self.failed(&error))? {
            Some(_) => Ok(()),
            None => {
                let cause = format!("the layer {name:?} is no table that is stored");
                Err(CubeError::unsupported(&self.url, cause)
                    .remedy("store it as a table, for example with ogr2ogr"))
            }
        }
    }

    /// All rows of a query about the contents of the file.
    pub(super) fn all<T>(
        &self,
        query: &str,
        parameters: impl Params,
        mut row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> CubeResult<Vec<T>> {
        let failed = |error: rusqlite::Error| self.failed(&error);
        let too_many = |cause: &str| self.corrupt(format!("in its own tables {cause}"));
        let mut statement = self.connection.prepare(query).map_err(failed)?;
        let columns = statement.column_count();
        let mut rows = statement.query(parameters).map_err(failed)?;
        let mut all = Vec::new();
        while let Some(found) = rows.next().map_err(failed)? {
            self.budget.row().map_err(too_many)?;
            for at in 0..columns {
                let value = found.get_ref(at).map_err(failed)?;
                self.budget.value(value).map_err(too_many)?;
            }
            all.push(row(found).map_err(failed)?);
        }
        Ok(all)
    }

    pub(super) fn failed(&self, error: &rusqlite::Error) -> CubeError {
        failed(&self.url, error)
    }

    pub(super) fn corrupt(&self, cause: String) -> CubeError {
        CubeError::corrupt(&self.url, cause)
            .remedy("write the file again, for example with ogr2ogr")
    }
}

fn failed(url: &str, error: &rusqlite::Error) -> CubeError {
    CubeError::corrupt(
        url,
        format!("the file cannot be read as GeoPackage: {error}"),
    )
    .remedy("copy it again from its source")
}

/// A name in a statement.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
