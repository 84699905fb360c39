//! What a client asks to be run: JSON, or the statement alone.
//!
//! ```json
//! {"sql": "SELECT avg(sst) FROM ocean.sst WHERE lat > $1", "params": [60], "timeout": "30s"}
//! ```

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::problem::Problem;
use super::router::Shared;
use crate::configuration::parse_duration;
use crate::nearest::nearest;

/// Bytes of a request. A polygon of ten thousand corners has half as many.
pub(super) const LIMIT: usize = 1 << 20;

/// How long a client may take to send them.
const PATIENCE: Duration = Duration::from_secs(30);

/// One statement and what it needs.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
pub(super) struct SqlRequest {
    /// One statement.
    pub(super) sql: String,
    /// The values of `$1`, `$2`, …: numbers, texts, `true`, `false` and `null`.
    #[serde(default)]
    pub(super) params: Vec<Value>,
    /// How long it may take, such as `500ms`, `30s` or `10min`; never longer than the server allows.
    #[serde(default)]
    pub(super) timeout: Option<String>,
}

const FIELDS: [&str; 3] = ["sql", "params", "timeout"];

impl SqlRequest {
    fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, Problem> {
        let media_type = headers.get(CONTENT_TYPE).and_then(|t| t.to_str().ok());
        let media_type = media_type.unwrap_or("text/plain").split(';').next();
        match media_type.unwrap_or_default().trim() {
            "application/json" => Self::from_json(body),
            // The last one is what curl says unless it is told otherwise.
            "text/plain" | "application/sql" | "application/x-www-form-urlencoded" => {
                let sql = std::str::from_utf8(body).map_err(|error| {
                    Problem::bad_request(format!("the statement is not UTF-8: {error}"))
                })?;
                Ok(Self {
                    sql: sql.to_string(),
                    params: vec![],
                    timeout: None,
                })
            }
            other => {
                let detail = format!(
                    "statements are not sent as {other}; send application/sql or application/json"
                );
                Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
            }
        }
    }

    fn from_json(body: &[u8]) -> Result<Self, Problem> {
        let wrong = |error: serde_json::Error| {
            Problem::bad_request(format!(
                "the request makes no sense: {error}; send {{\"sql\": \"SELECT …\"}}"
            ))
        };
        let fields: Map<String, Value> = serde_json::from_slice(body).map_err(wrong)?;
        if let Some(unknown) = fields.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            let remedy = match nearest(unknown, FIELDS.into_iter()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are {}", FIELDS.join(", ")),
            };
            let detail = format!("the request has no field {unknown}; {remedy}");
            return Err(Problem::bad_request(detail));
        }
        serde_json::from_value(Value::Object(fields)).map_err(wrong)
    }

    /// How long the statement may take: what the request says, and no longer than the server allows.
    ///
    /// # Errors
    /// The request says no time.
    pub(super) fn timeout(&self, allowed: Option<Duration>) -> Result<Option<Duration>, Problem> {
        let Some(text) = &self.timeout else {
            return Ok(allowed);
        };
        let asked = parse_duration(text).ok_or_else(|| {
            Problem::bad_request(
                "timeout is a time such as \"500ms\", \"30s\", \"10min\" or \"2h\"",
            )
        })?;
        // As in PostgreSQL, nothing is no limit.
        if asked.is_zero() {
            return Ok(allowed);
        }
        Ok(Some(allowed.map_or(asked, |allowed| asked.min(allowed))))
    }
}

impl FromRequest<Shared> for SqlRequest {
    type Rejection = Problem;

    async fn from_request(request: Request, http: &Shared) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, http);
        let body = tokio::time::timeout(PATIENCE, body).await.map_err(|_| {
            let detail = "the request did not arrive in time";
            Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
        })?;
        let body = body.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let detail = format!("a request has at most {LIMIT} bytes");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
            }
            status => Problem::new(status, "the request cannot be read"),
        })?;
        Self::read(&headers, &body)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn fields_that_nobody_reads_are_refused() {
        let detail = |body: &str| {
            let problem = SqlRequest::from_json(body.as_bytes()).unwrap_err();
            serde_json::to_value(problem).unwrap()["detail"].to_string()
        };
        assert!(detail(r#"{"sql": "", "param": []}"#).contains("did you mean params?"));
        assert!(detail(r#"{"query": ""}"#).contains("there are sql, params, timeout"));
        assert!(detail(r#"{"sql": 1}"#).contains("invalid type"));
        assert!(detail("[1]").contains("invalid type"));
    }

    #[test]
    fn nobody_gets_more_time_than_is_allowed() {
        let request = |timeout: Option<&str>| SqlRequest {
            sql: String::new(),
            params: vec![],
            timeout: timeout.map(str::to_string),
        };
        let second = Duration::from_secs(1);
        for (asked, allowed, expected) in [
            (None, None, None),
            (None, Some(second), Some(second)),
            (Some("1h"), Some(second), Some(second)),
            (Some("5ms"), Some(second), Some(Duration::from_millis(5))),
            (Some("1s"), None, Some(second)),
            (Some("0"), Some(second), Some(second)),
            (Some("0s"), None, None),
        ] {
            assert_eq!(request(asked).timeout(allowed), Ok(expected), "{asked:?}");
        }
        assert!(request(Some("soon")).timeout(None).is_err());
    }
}
