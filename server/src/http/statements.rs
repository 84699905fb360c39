//! `POST /sql`, `GET /sql` and `DELETE /sql/{id}`: one statement, its result as the response.
//!
//! Nothing is answered before the first rows are there, so that most errors have a status. What goes wrong later breaks
//! the transfer.

use std::sync::Arc;

use arrow::array::RecordBatch;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use datafusion::common::ScalarValue;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::authentication::Caller;
use super::body::{Encoder, rows, streams};
use super::disk::Disk;
use super::formats::Sent;
use super::grids;
use super::origins::QUERY_ID;
use super::parameters::values;
use super::problem::Problem;
use super::request::SqlRequest;
use super::router::Shared;
use super::running::Listed;
use crate::failure::Failure;
use crate::serve::{Client, Execution, Parent};

/// What stands behind `?` when a statement is posted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PostQuery {
    /// The format of the result; wins over `Accept`.
    format: Option<String>,
}

/// What stands behind `?` when a result is got.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct GetQuery {
    /// One statement that only reads.
    sql: String,
    /// The values of `$1`, `$2`, …, as an array of JSON.
    params: Option<String>,
    /// How long it may take.
    timeout: Option<String>,
    /// The format of the result; wins over `Accept`.
    format: Option<String>,
}

/// A statement that can be run.
pub(super) struct Prepared {
    /// The session that it runs in.
    pub(super) client: Client,
    /// The text of the request.
    pub(super) text: String,
    /// Its statement.
    pub(super) statement: String,
    /// The values that it takes.
    pub(super) parameters: Vec<ScalarValue>,
    /// The span of the client.
    pub(super) parent: Option<Parent>,
}

impl Prepared {
    /// Finds the statement of a request, and the values that it takes. A statement that `must_read` is refused where it
    /// changes something.
    ///
    /// # Errors
    /// There is not one statement, it makes no sense, or a value does not fit.
    pub(super) async fn of(
        mut client: Client,
        request: SqlRequest,
        must_read: bool,
        parent: Option<Parent>,
    ) -> Result<Self, Problem> {
        client.timeout = request.timeout(client.timeout)?;
        let text = request.sql;
        let mut statements = client
            .split(&text)
            .map_err(|failure| Problem::of(failure, &text, &text))?;
        let statement = match (statements.pop(), statements.len()) {
            (Some(statement), 0) => statement,
            (None, _) => return Err(Problem::bad_request("the request has no statement")),
            (Some(_), others) => {
                let count = others + 1;
                let detail = format!("the request has {count} statements; send one at a time");
                return Err(Problem::bad_request(detail));
            }
        };
        let mut parameters = vec![];
        if must_read || !request.params.is_empty() {
            let described = client.describe(&statement).await;
            let described = described.map_err(|failure| Problem::of(failure, &statement, &text))?;
            if must_read && !described.is_read {
                let detail = "the statement changes something; send it with POST";
                return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail));
            }
            parameters = values(&request.params, &described.parameters)?;
        }
        Ok(Self {
            client,
            text,
            statement,
            parameters,
            parent,
        })
    }

    /// Points at the place of a failure in the text of the request.
    pub(super) fn problem(&self, failure: Failure) -> Problem {
        Problem::of(failure, &self.statement, &self.text)
    }

    async fn respond(
        self,
        sent: Sent,
        disk: &Arc<Disk>,
        listed: Listed,
    ) -> Result<Response, Problem> {
        let number = listed.id.clone();
        let body = match sent {
            Sent::Grid(grid) => Some(grids::body(&self, grid, disk.share(), listed).await?),
            Sent::Rows(format) => {
                let parameters = self.parameters.clone();
                let (stop, parent) = (listed.stop.clone(), self.parent.clone());
                let running = self.client.run(&self.statement, parameters, stop, parent);
                let mut execution = running.await.map_err(|failure| self.problem(failure))?;
                let mut first = self.next(&mut execution).await?;
                if execution.schema.fields().is_empty() {
                    // There is nothing to send, and all is done when there are no more rows without columns.
                    while first.is_some() {
                        first = self.next(&mut execution).await?;
                    }
                    None
                } else {
                    let encoder = Encoder::new(format, &execution.schema).map_err(|error| {
                        self.problem(Failure::of_statement(&error.into(), &self.statement))
                    })?;
                    Some(rows(execution, encoder, first, listed))
                }
            }
        };
        Ok(response(sent, body, &number))
    }

    async fn next(&self, execution: &mut Execution) -> Result<Option<RecordBatch>, Problem> {
        let next = execution.next().await;
        next.map_err(|failure| self.problem(failure))
    }
}

fn response(sent: Sent, body: Option<Body>, number: &str) -> Response {
    let mut response = match body {
        Some(body) => body.into_response(),
        // The statement has no result.
        None => StatusCode::NO_CONTENT.into_response(),
    };
    let has_result = response.status() == StatusCode::OK;
    let headers = response.headers_mut();
    let mut add = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.append(name, value);
        }
    };
    add(QUERY_ID, number);
    if has_result {
        add(CONTENT_TYPE, sent.media_type());
        add(VARY, "accept, authorization");
        if let Some(name) = sent.file_name() {
            let disposition = format!("attachment; filename=\"{name}\"");
            add(CONTENT_DISPOSITION, &disposition);
        }
    }
    response
}

/// Runs a statement.
#[utoipa::path(
    post, path = "/sql", tag = "statements", operation_id = "run_statement", params(PostQuery),
    request_body(description = "The statement alone, or with values and a timeout", content(
        (String = "application/sql"), (String = "text/plain"), (SqlRequest = "application/json"),
    )),
    responses(
        (status = 200, description = "The rows, or the grid, in the wanted format", headers(("X-Query-Id" = String))),
        (status = 202, description = "With `Prefer: respond-async`: the job is at the address in Location", body = super::job::Report),
        (status = 204, description = "Done; the statement has no result"),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn post(
    State(http): State<Shared>,
    Caller(identity): Caller,
    query: Result<Query<PostQuery>, QueryRejection>,
    version: Version,
    headers: HeaderMap,
    request: SqlRequest,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(unread)?;
    let prepared = Prepared::of(http.client(&identity)?, request, false, parent(&headers));
    if prefers_async(&headers) {
        return Ok(http.jobs.start(prepared.await?)?.into_response());
    }
    streams(version)?;
    let sent = Sent::wanted(query.format.as_deref(), &headers)?;
    let listed = http.running.list(chosen(&headers), &identity)?;
    let prepared = listed.unless_cancelled(prepared).await?;
    prepared.respond(sent, &http.disk, listed).await
}

/// Runs a statement that changes nothing.
#[utoipa::path(
    get, path = "/sql", tag = "statements", operation_id = "read", params(GetQuery),
    responses(
        (status = 200, description = "The rows, or the grid, in the wanted format", headers(("X-Query-Id" = String))),
        (status = 405, description = "The statement changes something", body = Problem, content_type = "application/problem+json"),
        (status = "default", description = "What went wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(
    State(http): State<Shared>,
    Caller(identity): Caller,
    query: Result<Query<GetQuery>, QueryRejection>,
    version: Version,
    headers: HeaderMap,
) -> Response {
    let outcome = async {
        let Query(query) = query.map_err(unread)?;
        let params = query
            .params
            .as_deref()
            .map(serde_json::from_str::<Vec<Value>>);
        let params = params.transpose().map_err(|error| {
            Problem::bad_request(format!("params is no array of JSON: {error}"))
        })?;
        let request = SqlRequest {
            sql: query.sql,
            params: params.unwrap_or_default(),
            timeout: query.timeout,
        };
        streams(version)?;
        let sent = Sent::wanted(query.format.as_deref(), &headers)?;
        let listed = http.running.list(chosen(&headers), &identity)?;
        let prepared = Prepared::of(http.client(&identity)?, request, true, parent(&headers));
        let prepared = listed.unless_cancelled(prepared).await?;
        prepared.respond(sent, &http.disk, listed).await
    };
    let outcome: Result<Response, Problem> = outcome.await;
    let mut response = outcome.into_response();
    let status = response.status();
    let headers = response.headers_mut();
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("POST"));
    }
    // The data may change at any time, and not everybody may see them.
    let asks_again = HeaderValue::from_static("private, no-cache");
    headers.insert(CACHE_CONTROL, asks_again);
    response
}

/// What stands behind `?` makes no sense.
fn unread(rejection: QueryRejection) -> Problem {
    Problem::bad_request(rejection.body_text())
}

/// Cancels a statement that runs.
#[utoipa::path(
    delete, path = "/sql/{id}", tag = "statements", operation_id = "cancel_statement",
    params(("id" = String, Path, description = "The number in X-Query-Id")),
    responses(
        (status = 204, description = "It will end soon"),
        (status = 404, description = "No statement of this user with this number runs", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel(
    State(http): State<Shared>,
    Caller(identity): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    http.running.cancel(&id, &identity.name)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The number that the client has chosen for its statement.
fn chosen(headers: &HeaderMap) -> Option<&str> {
    let number = headers.get(QUERY_ID)?;
    // One that is no text is refused later.
    Some(number.to_str().unwrap_or_default())
}

/// The span that the client says the statement belongs to.
fn parent(headers: &HeaderMap) -> Option<Parent> {
    Parent::in_headers(|name| headers.get(name)?.to_str().ok())
}

/// Does the client ask not to wait (RFC 7240)?
fn prefers_async(headers: &HeaderMap) -> bool {
    let wishes = headers.get_all("prefer").iter();
    let mut wishes = wishes
        .filter_map(|wish| wish.to_str().ok())
        .flat_map(|wish| wish.split(','));
    wishes.any(|wish| {
        let name = wish.split([';', '=']).next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("respond-async")
    })
}
