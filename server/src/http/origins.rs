//! Which pages of the web may talk to the server: its own, and those of `[server] origins`.
//!
//! A browser sends some requests of any page to any server, and names the page in the header `Origin`; what such a page
//! asks for is not done. A page may also give its own name the address of the server; so a server that anybody may ask
//! without saying who they are answers only to addresses, to `localhost`, and to names of `origins`.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{
    CONTENT_TYPE, HOST, HeaderName, LOCATION, ORIGIN, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::cors::CorsLayer;

use super::problem::Problem;
use super::router::Shared;

/// The header with the number of a statement.
pub(super) const QUERY_ID: HeaderName = HeaderName::from_static("x-query-id");

/// What browsers are told of the pages that may talk to the server.
pub(super) fn layer(origins: &[HeaderValue]) -> CorsLayer {
    let prefer = HeaderName::from_static("prefer");
    let authorization = axum::http::header::AUTHORIZATION;
    CorsLayer::new()
        .allow_origin(origins.to_vec())
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([authorization, CONTENT_TYPE, prefer, QUERY_ID])
        .expose_headers([QUERY_ID, LOCATION])
}

/// Refuses what pages of others ask for.
pub(super) async fn guard(State(http): State<Shared>, request: Request, next: Next) -> Response {
    let origins = &http.service.origins;
    let refusal = match host(&request) {
        Some(host) if http.service.access().has_anonymous() && !is_ours(host, origins) => {
            Some(format!(
                "the server lets in whoever asks and does not answer to the name {host}; name it in origins of [server]"
            ))
        }
        host => foreign(request.headers(), host, origins).map(|origin| {
            format!("pages of {origin} may not use this server; name it in origins of [server]")
        }),
    };
    let mut response = match refusal {
        Some(detail) => Problem::new(StatusCode::FORBIDDEN, detail).into_response(),
        None => next.run(request).await,
    };
    let sniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, sniff);
    response
}

/// The name that the client has for the server, and its port.
fn host(request: &Request) -> Option<&str> {
    let of_address = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let header = request.headers().get(HOST);
    of_address.or_else(|| header.and_then(|host| host.to_str().ok()))
}

/// The page that asks, where it is neither the server's own nor one of `origins`.
fn foreign(headers: &HeaderMap, host: Option<&str>, origins: &[HeaderValue]) -> Option<String> {
    let origin = headers.get(ORIGIN)?;
    let text = origin.to_str().unwrap_or("null");
    let authority = text.split_once("://").map(|(_, authority)| authority);
    let is_known = origins.contains(origin) || (authority.is_some() && authority == host);
    (!is_known).then(|| text.to_string())
}

/// Is this a name that nobody else can give: an address, `localhost`, or the host of one of `origins`?
fn is_ours(host: &str, origins: &[HeaderValue]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let of_origin = |origin: &HeaderValue| {
        let origin = origin.to_str().ok();
        origin.is_some_and(|origin| {
            origin
                .split_once("://")
                .is_some_and(|(_, rest)| rest == host)
        })
    };
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || origins.iter().any(of_origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_not_ours() {
        let origins = [HeaderValue::from_static("https://data.example.org")];
        for (host, expected) in [
            ("127.0.0.1:8080", true),
            ("[::1]:8080", true),
            ("localhost", true),
            ("LocalHost:1", true),
            ("data.example.org", true),
            ("evil.example.org:8080", false),
            ("localhost.example.org", false),
        ] {
            assert_eq!(is_ours(host, &origins), expected, "{host}");
        }
    }

    #[test]
    fn pages_of_others_are_foreign() {
        let origins = [HeaderValue::from_static("https://a.org")];
        for (origin, expected) in [
            (None, false),
            (Some("https://a.org"), false),
            (Some("http://127.0.0.1:8080"), false),
            (Some("https://b.org"), true),
            (Some("null"), true),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            let found = foreign(&headers, Some("127.0.0.1:8080"), &origins).is_some();
            assert_eq!(found, expected, "{origin:?}");
        }
    }
}
