//! Secrets of a plain web server: headers and a signed query, bound to one origin.
//!
//! They are added at the last moment, so that neither the object store above nor its errors and
//! debug output ever see them.

use std::fmt;

use object_store::HeaderMap;
use object_store::client::{HttpError, HttpRequest};
use url::{Origin, Url};

use super::service::Refusal;

/// Headers and a query string for the requests to one origin (scheme, host and port).
#[derive(Clone)]
pub struct OriginCredentials {
    origin: Origin,
    headers: HeaderMap,
    query: Option<String>,
}

impl OriginCredentials {
    /// Credentials for the origin of `url`: its query string, and `headers`.
    pub fn new(url: &Url, headers: HeaderMap) -> Self {
        Self {
            origin: url.origin(),
            headers,
            query: url.query().map(String::from),
        }
    }

    /// Adds the credentials, if the request goes to their origin.
    pub(super) fn add_to(&self, request: &mut HttpRequest) -> Result<(), HttpError> {
        let uri = request.uri().to_string();
        if origin(&uri).as_ref() != Some(&self.origin) {
            return Ok(());
        }
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        if let Some(query) = &self.query {
            let separator = if uri.contains('?') { '&' } else { '?' };
            *request.uri_mut() = format!("{uri}{separator}{query}")
                .parse()
                .map_err(|_| Refusal::of("the query string of the store's URL is malformed"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for OriginCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OriginCredentials")
            .field("origin", &self.origin.ascii_serialization())
            .finish_non_exhaustive()
    }
}

/// Scheme, host and port of a URI; a default port counts as given.
pub(super) fn origin(uri: &str) -> Option<Origin> {
    Url::parse(uri).ok().map(|url| url.origin())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use object_store::client::HttpRequestBody;
    use reqwest::header::{AUTHORIZATION, HeaderValue};

    use super::*;

    #[test]
    fn only_their_origin_gets_them() {
        let url = Url::parse("https://host/data?sig=s3cr3t").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer s3cr3t"));
        let credentials = OriginCredentials::new(&url, headers);
        assert!(!format!("{credentials:?}").contains("s3cr3t"));

        for (uri, sent) in [
            ("https://host/a", Some("https://host/a?sig=s3cr3t")),
            (
                "https://HOST:443/a?b=1",
                Some("https://HOST:443/a?b=1&sig=s3cr3t"),
            ),
            ("http://host/a", None),
            ("https://host:8443/a", None),
            ("https://host.example/a", None),
        ] {
            let mut request = HttpRequest::new(HttpRequestBody::empty());
            *request.uri_mut() = uri.parse().unwrap();
            credentials.add_to(&mut request).unwrap();
            assert_eq!(request.uri().to_string(), sent.unwrap_or(uri));
            assert_eq!(
                request.headers().contains_key(AUTHORIZATION),
                sent.is_some()
            );
        }
    }
}
