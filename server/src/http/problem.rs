//! What went wrong, as `application/problem+json` (RFC 9457).
//!
//! ```json
//! {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "there is no column v; did you mean u?",
//!  "sqlstate": "42703", "position": 8, "line": 1, "column": 8}
//! ```

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::failure::Failure;

/// Seconds after which a server that is too busy may be asked again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Says no more than the status: `about:blank`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The name of the status.
    title: String,
    /// The status of HTTP.
    status: u16,
    /// Cause, place and remedy in one sentence.
    detail: String,
    /// The code of the SQL standard, where the problem is that of a statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    sqlstate: Option<&'static str>,
    #[serde(flatten)]
    place: Option<Box<Place>>,
    /// Seconds, for the header `Retry-After`.
    #[serde(skip)]
    retry_after: Option<u64>,
}

/// Where in the statement the problem is. All are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
struct Place {
    /// The character of the text as it was sent.
    position: usize,
    /// Its line.
    line: usize,
    /// Its character in this line.
    column: usize,
}

impl Problem {
    /// A request that makes no sense.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default().to_string(),
            status: status.as_u16(),
            detail: detail.into(),
            sqlstate: None,
            place: None,
            retry_after: None,
        }
    }

    /// A request that makes no sense, as a rule because of what it says.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Points at the place in `text`, of which `statement` is the only statement.
    #[must_use]
    pub(super) fn of(failure: Failure, statement: &str, text: &str) -> Self {
        let before = text.find(statement).and_then(|start| text.get(..start));
        let place = failure.position.map(|position| {
            let before = before.unwrap_or_default().chars().count();
            Box::new(Place::at(text, before + position))
        });
        Self {
            place,
            ..Self::from(failure)
        }
    }

    /// The status of HTTP.
    pub(super) fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl Place {
    /// The place of a character, counted from 1.
    fn at(text: &str, position: usize) -> Self {
        let above = text.chars().take(position.saturating_sub(1));
        let (line, column) = above.fold((1, 1), |(line, column), character| match character {
            '\n' => (line + 1, 1),
            _ => (line, column + 1),
        });
        Self {
            position,
            line,
            column,
        }
    }
}

impl From<Failure> for Problem {
    /// The problem without a place.
    fn from(failure: Failure) -> Self {
        let status = match failure.retry_after {
            Some(_) => Ok(StatusCode::TOO_MANY_REQUESTS),
            None => StatusCode::from_u16(failure.state.http_status()),
        };
        Self {
            sqlstate: Some(failure.state.0),
            retry_after: failure.retry_after,
            ..Self::new(
                status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                failure.message,
            )
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.code(), self.retry_after);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, kind);
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        } else if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, RETRY_SECONDS);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_the_text_as_it_was_sent() {
        let text = "\n -- ä\n SELECT a,\n b";
        for (position, line, column) in [(1, 3, 2), (8, 3, 9), (12, 4, 2)] {
            let mut failure = Failure::with_state(crate::failure::SqlState::SYNTAX_ERROR, "");
            failure.position = Some(position);
            let place = Problem::of(failure, "SELECT a,\n b", text).place;
            let found = place.map(|place| (place.line, place.column));
            assert_eq!(found, Some((line, column)), "{position}");
        }
    }
}
