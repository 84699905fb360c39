//! What there is: catalogues, schemas, tables and their columns, as clients that browse ask for it.
//!
//! Answers come from the session's own queries on the schema `cube`, so that nobody sees more here than in SQL.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow_flight::error::FlightError;
use arrow_flight::sql::{Command, CommandGetTables};
use datafusion::common::ScalarValue;
use tonic::Status;

use super::sessions::Session;
use super::{information, keys, types};
use crate::failure::Failure;
use crate::random::random_bytes;

/// The one catalogue.
const CATALOG: &str = "graticule";

const TABLE: &str = "TABLE";
const VIEW: &str = "VIEW";
const SYSTEM_TABLE: &str = "SYSTEM TABLE";

/// Schemas of stores, empty ones too, and those of the system.
const SCHEMAS: &str = "\
    SELECT schema_name FROM information_schema.schemata \
    UNION SELECT 'information_schema'";

/// Tables whose schema and name are like `$1` and `$2`.
const TABLES: &str = "\
    SELECT table_schema, table_name, table_type FROM (\
        SELECT table_schema, table_name, \
            CASE table_type WHEN 'VIEW' THEN 'VIEW' ELSE 'TABLE' END AS table_type \
        FROM cube.tables \
        UNION ALL \
        SELECT table_schema, table_name, 'SYSTEM TABLE' FROM information_schema.tables \
        WHERE table_schema IN ('cube', 'information_schema')) \
    WHERE table_schema LIKE $1 AND table_name LIKE $2";

/// The columns of the answer to a command; `None`: it does not browse.
pub(super) fn columns(command: &Command) -> Option<SchemaRef> {
    Some(match command.clone() {
        Command::CommandGetCatalogs(command) => command.into_builder().schema(),
        Command::CommandGetDbSchemas(command) => command.into_builder().schema(),
        Command::CommandGetTables(command) => command.into_builder().schema(),
        Command::CommandGetTableTypes(command) => command.into_builder().schema(),
        Command::CommandGetSqlInfo(_) => information::columns(),
        Command::CommandGetXdbcTypeInfo(_) => types::columns().ok()?,
        Command::CommandGetPrimaryKeys(_) => keys::primary(),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => keys::foreign(),
        _ => return None,
    })
}

/// The answer to a command that [`columns`] knows.
///
/// # Errors
/// What the queries say.
pub(super) async fn rows(session: &Arc<Session>, command: Command) -> Result<RecordBatch, Status> {
    let built = match command {
        Command::CommandGetCatalogs(command) => {
            let mut builder = command.into_builder();
            builder.append(CATALOG);
            builder.build()
        }
        Command::CommandGetDbSchemas(command) => {
            let mut builder = command.into_builder();
            for [schema] in texts(session, SCHEMAS, vec![]).await? {
                builder.append(CATALOG, schema);
            }
            builder.build()
        }
        Command::CommandGetTables(command) => return tables(session, command).await,
        Command::CommandGetTableTypes(command) => {
            let mut builder = command.into_builder();
            for name in [TABLE, VIEW, SYSTEM_TABLE] {
                builder.append(name);
            }
            builder.build()
        }
        Command::CommandGetSqlInfo(command) => information::rows(command),
        Command::CommandGetXdbcTypeInfo(command) => types::rows(command),
        command => {
            let schema = columns(&command).unwrap_or_else(|| Arc::new(Schema::empty()));
            Ok(RecordBatch::new_empty(schema))
        }
    };
    built.map_err(failed)
}

async fn tables(session: &Arc<Session>, command: CommandGetTables) -> Result<RecordBatch, Status> {
    let pattern = |pattern: &Option<String>| {
        let pattern = pattern.clone().unwrap_or_else(|| "%".to_string());
        ScalarValue::Utf8(Some(pattern))
    };
    let patterns = vec![
        pattern(&command.db_schema_filter_pattern),
        pattern(&command.table_name_filter_pattern),
    ];
    let (kinds, has_columns) = (command.table_types.clone(), command.include_schema);
    let mut builder = command.into_builder();
    for [schema, table, kind] in texts(session, TABLES, patterns).await? {
        if !kinds.is_empty() && !kinds.contains(&kind) {
            continue;
        }
        let columns = match has_columns {
            true => columns_of(session, &schema, &table).await,
            false => Arc::new(Schema::empty()),
        };
        let appended = builder.append(CATALOG, schema, table, kind, &columns);
        appended.map_err(failed)?;
    }
    builder.build().map_err(failed)
}

/// The columns of a table; none where it cannot be opened: one broken file must not hide all other tables.
async fn columns_of(session: &Session, schema: &str, table: &str) -> SchemaRef {
    let statement = format!("SELECT * FROM {}.{}", quoted(schema), quoted(table));
    match session.client.describe(&statement).await {
        Ok(described) => described.columns,
        Err(_) => Arc::new(Schema::empty()),
    }
}

/// The rows of a query all of whose columns are text.
async fn texts<const N: usize>(
    session: &Arc<Session>,
    query: &str,
    parameters: Vec<ScalarValue>,
) -> Result<Vec<[String; N]>, Status> {
    let running = session.begin(random_bytes()?);
    let stop = running.stop.clone();
    let mut execution = session.client.run(query, parameters, stop, None).await?;
    let mut rows = Vec::new();
    while let Some(batch) = execution.next().await? {
        let columns = batch.columns().iter();
        let columns = columns.map(|column| cast(column, &DataType::Utf8));
        let columns = columns.collect::<Result<Vec<_>, _>>();
        let columns = columns.map_err(|error| Failure::of_statement(&error.into(), query))?;
        for row in 0..batch.num_rows() {
            rows.push(std::array::from_fn(|column| {
                columns[column].as_string::<i32>().value(row).to_string()
            }));
        }
    }
    Ok(rows)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn failed(error: FlightError) -> Status {
    match error {
        FlightError::Arrow(error) => Failure::of_statement(&error.into(), "").into(),
        error => Status::internal(error.to_string()),
    }
}
