//! What there is to ask: the tables of the schema `cube`, as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use datafusion::common::ScalarValue;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::authentication::Caller;
use super::body::Encoder;
use super::problem::Problem;
use super::router::Shared;
use crate::arguments::Format;
use crate::failure::Failure;
use crate::serve::Client;

const TABLES: &str = "SELECT table_schema AS schema, table_name AS \"table\", table_type AS type, dims, shape, error \
                      FROM cube.tables WHERE table_schema <> 'cube' ORDER BY 1, 2";
const TABLE: &str = "SELECT table_schema AS schema, table_name AS \"table\", table_type AS type, dims, shape, \
                     chunk_shape, cells, bytes, crs, time_start, time_end, format, error \
                     FROM cube.tables WHERE table_schema = $1 AND table_name = $2";
const DIMENSIONS: &str = "SELECT dimension AS name, role, size, data_type AS type, units, first, last, step, direction \
                          FROM cube.dimensions WHERE table_schema = $1 AND table_name = $2 ORDER BY position";
const VARIABLES: &str = "SELECT variable AS name, dims, shape, data_type AS type, units, long_name, standard_name, \
                         chunk_shape, bytes FROM cube.variables WHERE table_schema = $1 AND table_name = $2 ORDER BY 1";

/// Lists the tables.
#[utoipa::path(
    get, path = "/tables", tag = "catalogue", operation_id = "list_tables",
    responses(
        (status = 200, description = "An object per table: schema, table, type, dims, shape and error", body = Vec<Value>),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn tables(
    State(http): State<Shared>,
    Caller(identity): Caller,
) -> Result<Json<Vec<Value>>, Problem> {
    Ok(Json(objects(&http.client(&identity)?, TABLES, &[]).await?))
}

/// Describes one table.
#[utoipa::path(
    get, path = "/tables/{schema}/{table}", tag = "catalogue", operation_id = "describe_table",
    params(("schema" = String, Path, description = "The store"), ("table" = String, Path, description = "The table")),
    responses(
        (status = 200, description = "The table with its dimensions and variables, which are its columns", body = Value),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn table(
    State(http): State<Shared>,
    Caller(identity): Caller,
    Path((schema, table)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let client = http.client(&identity)?;
    let names = [&schema, &table].map(|name| ScalarValue::from(name.as_str()));
    let mut found = objects(&client, TABLE, &names).await?;
    let Some(mut found) = found.pop() else {
        let detail = format!("there is no table {schema}.{table}; /tables lists what there is");
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    };
    found["dimensions"] = json!(objects(&client, DIMENSIONS, &names).await?);
    found["variables"] = json!(objects(&client, VARIABLES, &names).await?);
    Ok(Json(found))
}

/// The rows of a small result as objects.
async fn objects(
    client: &Client,
    sql: &str,
    parameters: &[ScalarValue],
) -> Result<Vec<Value>, Failure> {
    let stop = CancellationToken::new();
    let mut execution = client.run(sql, parameters.to_vec(), stop, None).await?;
    let mut batches = vec![];
    while let Some(batch) = execution.next().await? {
        batches.push(batch);
    }
    let encoded = Encoder::new(Format::Json, &Arc::clone(&execution.schema))
        .and_then(|encoder| encoder.all(&batches));
    let encoded = encoded.map_err(|error| Failure::of_statement(&error.into(), sql))?;
    serde_json::from_slice(&encoded).map_err(|_| Failure::vanished())
}
