//! Redirects of GET and HEAD requests, without giving our secrets away.
//!
//! To the same origin, the request is repeated as it was. To another one it carries only the
//! headers that say which part of the object is wanted: an allow list, because every service
//! invents its own header for tokens (`x-amz-security-token`, `X-Api-Key`, …).

use object_store::client::{HttpError, HttpRequest, HttpRequestBody, HttpResponse, HttpService};
use reqwest::header::{
    ACCEPT, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LOCATION,
    RANGE,
};
use reqwest::{Method, StatusCode};
use url::Url;

use super::credentials::origin;
use super::service::Refusal;

const MOST_REDIRECTS: usize = 10;

/// What another origin may know of a request.
const HARMLESS_HEADERS: &[HeaderName] = &[
    ACCEPT,
    RANGE,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
];

/// Sends `request`, and again wherever the server points to.
///
/// # Errors
/// The transport failed, more than ten redirects, a redirect from https to http, or a bucket in
/// another region than the one we asked.
pub(super) async fn follow(
    client: &reqwest::Client,
    mut request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return client.call(request).await;
    }
    for _ in 0..=MOST_REDIRECTS {
        let mut next = HttpRequest::new(HttpRequestBody::empty());
        *next.method_mut() = request.method().clone();
        *next.headers_mut() = request.headers().clone();
        let from = request.uri().to_string();
        let response = client.call(request).await?;
        let Some(to) = target(&from, &response)? else {
            return Ok(response);
        };
        if origin(&from) != origin(to.as_str()) {
            let mut harmless = object_store::HeaderMap::new();
            for name in HARMLESS_HEADERS {
                if let Some(value) = next.headers().get(name) {
                    harmless.insert(name, value.clone());
                }
            }
            *next.headers_mut() = harmless;
        }
        *next.uri_mut() = to
            .as_str()
            .parse()
            .map_err(|_| Refusal::of("the server redirects to a malformed address"))?;
        request = next;
    }
    Err(Refusal::of(format!(
        "the server redirects more than {MOST_REDIRECTS} times"
    )))
}

/// Where `response` to a request to `from` points, if it is a redirect.
fn target(from: &str, response: &HttpResponse) -> Result<Option<Url>, HttpError> {
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    if !is_redirect {
        return Ok(None);
    }
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        value.to_str().ok()
    };
    let Some(location) = header(LOCATION.as_str()) else {
        return match header("x-amz-bucket-region") {
            Some(region) => Err(Refusal::of(format!(
                "the bucket is in the region {region}: set region = '{region}'"
            ))),
            None => Ok(None),
        };
    };
    let from = Url::parse(from).map_err(|error| Refusal::of(error.to_string()))?;
    let to = from
        .join(location)
        .map_err(|_| Refusal::of("the server redirects to a malformed address"))?;
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(Refusal::of(
            "the server redirects from https to an address without encryption",
        ));
    }
    Ok(Some(to))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn targets() {
        let https = "https://host/a/b?sig=x";
        for (from, status, name, value, expected) in [
            (https, 302, "location", "c", Ok(Some("https://host/a/c"))),
            (https, 308, "location", "/d", Ok(Some("https://host/d"))),
            (
                https,
                301,
                "location",
                "https://cdn/e",
                Ok(Some("https://cdn/e")),
            ),
            (
                https,
                307,
                "location",
                "http://host/a/b",
                Err("without encryption"),
            ),
            (https, 303, "location", "https://", Err("malformed")),
            (https, 200, "location", "c", Ok(None)),
            (https, 304, "location", "c", Ok(None)),
            (https, 301, "server", "x", Ok(None)),
            (
                https,
                301,
                "x-amz-bucket-region",
                "eu-west-1",
                Err("set region = 'eu-west-1'"),
            ),
            (
                "http://host/a",
                302,
                "location",
                "https://host/a",
                Ok(Some("https://host/a")),
            ),
        ] {
            let mut response = HttpResponse::new(String::new().into());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value.parse().unwrap());
            match (target(from, &response), expected) {
                (Ok(found), Ok(expected)) => {
                    assert_eq!(found.as_ref().map(Url::as_str), expected);
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, _) => panic!("{status} {value}: {found:?}"),
            }
        }
    }
}
