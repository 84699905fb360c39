//! Only complete bodies, and only of the range that was asked for. See [`crate::http`].

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use object_store::HeaderMap;
use object_store::client::{HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody};
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, HeaderValue, RANGE, TRANSFER_ENCODING,
};
use reqwest::{Method, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use super::service::Refusal;

/// Bodies that cannot be resumed and are larger than this are streamed all the same, so that
/// memory stays bounded; a break is then an error.
const LARGEST_WHOLE_BODY: u64 = 256 * 1024 * 1024;

/// What the request asked for.
pub(super) enum Expected {
    /// No body of an object: not a GET.
    Nothing,
    /// A whole object, or a listing.
    Whole,
    /// The first and last byte; one of them may be open.
    Range(Option<u64>, Option<u64>),
}

impl Expected {
    pub(super) fn by(request: &HttpRequest) -> Self {
        if request.method() != Method::GET {
            return Self::Nothing;
        }
        let range = text(request.headers(), RANGE).and_then(|range| {
            let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
            Some(Self::Range(first.parse().ok(), last.parse().ok()))
        });
        range.unwrap_or(Self::Whole)
    }
}

/// Checks that the answer is what was asked for, and makes its body complete or an error.
/// `connection` is given back when the body has been read.
pub(super) async fn complete(
    expected: Expected,
    response: HttpResponse,
    connection: OwnedSemaphorePermit,
) -> Result<HttpResponse, HttpError> {
    let (mut parts, body) = response.into_parts();
    let status = parts.status;
    if status.is_success() {
        if let Expected::Range(first, last) = expected {
            check_range(status, &parts.headers, first, last)?;
        }
        let length: Option<u64> =
            text(&parts.headers, CONTENT_LENGTH).and_then(|length| length.parse().ok());
        // A length, or chunks that end with a mark: otherwise the end of the connection would be
        // the only sign of the end, and look the same when it comes early.
        let has_end = length.is_some() || parts.headers.contains_key(TRANSFER_ENCODING);
        let can_resume = text(&parts.headers, ETAG).is_some_and(|tag| !tag.starts_with("W/"))
            && length.is_some();
        let is_small = length.is_none_or(|length| length <= LARGEST_WHOLE_BODY);
        if !matches!(expected, Expected::Nothing) && has_end && !can_resume && is_small {
            let bytes = body.bytes().await.map_err(interrupted)?;
            parts
                .headers
                .insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            return Ok(HttpResponse::from_parts(parts, bytes.into()));
        }
    }
    let body = HttpResponseBody::new(Connected {
        body,
        connection: Some(connection),
    });
    Ok(HttpResponse::from_parts(parts, body))
}

/// A break in the middle of a body; repeated like a broken connection.
fn interrupted(error: HttpError) -> HttpError {
    HttpError::new(HttpErrorKind::Interrupted, error)
}

fn check_range(
    status: StatusCode,
    headers: &HeaderMap,
    first: Option<u64>,
    last: Option<u64>,
) -> Result<(), HttpError> {
    if status != StatusCode::PARTIAL_CONTENT {
        return Err(Refusal::of(
            "the server ignores byte ranges and would send the whole object for every part of it",
        ));
    }
    let answered = text(headers, CONTENT_RANGE).and_then(content_range);
    let length = text(headers, CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let is_right = answered.is_some_and(|(start, end)| {
        first.is_none_or(|first| start == first)
            && (first.is_none() || last.is_none_or(|last| end <= last))
            && length.is_none_or(|length| Some(length) == (end - start).checked_add(1))
    });
    if is_right {
        return Ok(());
    }
    Err(Refusal::of(
        "the server sent another byte range than the one asked for",
    ))
}

/// First and last byte of `bytes FIRST-LAST/TOTAL`.
fn content_range(value: &str) -> Option<(u64, u64)> {
    let (range, _) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// A body that occupies a connection of its host until it is read or dropped.
struct Connected {
    body: HttpResponseBody,
    connection: Option<OwnedSemaphorePermit>,
}

impl Body for Connected {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.connection = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::sync::Arc;

    use object_store::client::HttpRequestBody;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn ranges_are_checked() {
        let right = "bytes 10-19/100";
        for (asked, status, answered, length, expected) in [
            ("bytes=10-19", 206, Some(right), 10, Ok(())),
            ("bytes=10-200", 206, Some("bytes 10-99/100"), 90, Ok(())),
            ("bytes=90-", 206, Some("bytes 90-99/100"), 10, Ok(())),
            ("bytes=-10", 206, Some("bytes 90-99/100"), 10, Ok(())),
            (
                "bytes=10-19",
                206,
                Some("bytes 0-9/100"),
                10,
                Err("another"),
            ),
            (
                "bytes=10-19",
                206,
                Some("bytes 10-29/100"),
                20,
                Err("another"),
            ),
            ("bytes=10-19", 206, Some(right), 5, Err("another")),
            (
                "bytes=10-19",
                206,
                Some("bytes 19-10/100"),
                10,
                Err("another"),
            ),
            (
                "bytes=10-19",
                206,
                Some("pages 10-19/100"),
                10,
                Err("another"),
            ),
            ("bytes=10-19", 206, None, 10, Err("another")),
            ("bytes=10-19", 200, None, 100, Err("ignores byte ranges")),
            ("bytes=10-19", 416, None, 10, Ok(())),
        ] {
            let mut request = HttpRequest::new(HttpRequestBody::empty());
            let headers = request.headers_mut();
            headers.insert(RANGE, HeaderValue::from_static(asked));
            let mut response = HttpResponse::new(vec![7; length].into());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            let headers = response.headers_mut();
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            if let Some(answered) = answered {
                headers.insert(CONTENT_RANGE, HeaderValue::from_static(answered));
            }
            let connection = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
            let outcome = complete(Expected::by(&request), response, connection).await;
            match (outcome, expected) {
                (Ok(response), Ok(())) => {
                    assert_eq!(response.into_body().bytes().await.unwrap().len(), length);
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (outcome, _) => panic!("{asked} {answered:?}: {outcome:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_connection_is_given_back_when_the_body_is_read() {
        let connections = Arc::new(Semaphore::new(1));
        for (tag, free_before_reading) in [(Some("\"strong\""), 0), (Some("W/\"x\""), 1), (None, 1)]
        {
            let request = HttpRequest::new(HttpRequestBody::empty());
            let mut response = HttpResponse::new(vec![7; 3].into());
            let headers = response.headers_mut();
            headers.insert(CONTENT_LENGTH, HeaderValue::from(3));
            if let Some(tag) = tag {
                headers.insert(ETAG, HeaderValue::from_static(tag));
            }
            let connection = Arc::clone(&connections).acquire_owned().await.unwrap();
            let response = complete(Expected::by(&request), response, connection).await;
            assert_eq!(connections.available_permits(), free_before_reading);
            let bytes = response.unwrap().into_body().bytes().await.unwrap();
            assert_eq!(bytes.len(), 3);
            assert_eq!(connections.available_permits(), 1);
        }
    }
}
