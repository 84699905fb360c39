//! Plain web servers: `https://host/path`, without a listing.
//!
//! A query string in the URL (a signature, as Azure and S3 hand out) and the tokens below are sent
//! to that scheme, host and port only, and never shown. See [`crate::http`].

use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{Location, Options, StoreConnector};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{HeaderMap, HeaderValue};
use reqwest::header::{AUTHORIZATION, HeaderName};
use url::Url;

use super::error::setup_error;
use super::options::{HTTP_OPTIONS, OptionDocumentation, StoreOptions, secret};
use super::redacted::RedactedStore;
use crate::http::OriginCredentials;

/// Web servers mind many connections from one client.
const MAX_CONNECTIONS: usize = 16;

/// Connects to plain web servers.
#[derive(Debug)]
pub(super) struct HttpsStore;

static OPTIONS: LazyLock<Vec<OptionDocumentation>> = LazyLock::new(|| {
    [
        &secret!("bearer_token", "token sent as Authorization: Bearer TOKEN")[..],
        &[("username", "user name for basic authentication")],
        &secret!("password", "password for basic authentication"),
        &secret!(
            "headers",
            "further request headers, one NAME: VALUE per line"
        ),
        HTTP_OPTIONS,
    ]
    .concat()
});

impl StoreConnector for HttpsStore {
    fn kinds(&self) -> &'static [&'static str] {
        &["https", "http"]
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["https", "http"]
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        &OPTIONS
    }

    fn connect(&self, url: &str, options: &Options) -> CubeResult<Location> {
        let parsed = parse(url)?;
        let mut shown = parsed.clone();
        shown.set_query(None);
        let place = shown.as_str().trim_end_matches('/');

        let options = StoreOptions::check(self, place, options)?;
        let policy = options.http_policy(MAX_CONNECTIONS, parsed.scheme() == "http")?;
        let credentials = OriginCredentials::new(&parsed, request_headers(place, &options)?);
        let root = parsed.origin().ascii_serialization();
        let store = HttpBuilder::new()
            .with_url(&root)
            .with_retry(policy.retries())
            .with_http_connector(policy.connector(Some(credentials)))
            .build()
            .map_err(|error| setup_error(place, &error))?;
        Ok(Location {
            store: Arc::new(RedactedStore {
                inner: store,
                url: root,
                listable: false,
            }),
            path: Path::from_url_path(parsed.path())
                .map_err(|error| CubeError::invalid(place, error))?,
            url: place.to_string(),
            listable: false,
            missing_is_403: options.missing_is_403()?,
            local: false,
            as_of: None,
        })
    }

    fn connect_new(&self, url: &str, _options: &Options) -> CubeResult<Location> {
        let mut shown = parse(url)?;
        shown.set_query(None);
        Err(
            CubeError::unsupported(shown, "a plain web server is only read")
                .remedy("write to a local folder, or to S3, Google Cloud Storage or Azure"),
        )
    }
}

/// The URL, without a fragment and without a user name. Errors do not repeat what may be a secret.
fn parse(url: &str) -> CubeResult<Url> {
    let shown = url.split(['?', '#']).next().unwrap_or_default();
    let shown = match (shown.split_once("://"), shown.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => shown.to_string(),
    };
    let mut parsed = Url::parse(url)
        .ok()
        .filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| {
            CubeError::invalid(&shown, "the URL is malformed")
                .remedy("write https://HOST/PATH, with spaces as %20")
        })?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(CubeError::invalid(shown, "the URL contains a user name")
            .remedy("use the options username and password_env or password_file"));
    }
    parsed.set_fragment(None);
    Ok(parsed)
}

/// The headers that carry the store's secrets.
fn request_headers(place: &str, options: &StoreOptions) -> CubeResult<HeaderMap> {
    let token = options.secret("bearer_token")?;
    let password = options.secret("password")?;
    let authorization = match (token, options.text("username"), password) {
        (None, None, None) => None,
        (Some(token), None, None) => Some(format!("Bearer {token}")),
        (None, Some(user), password) => {
            let pair = format!("{user}:{}", password.unwrap_or_default());
            Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
        }
        _ => {
            return Err(CubeError::invalid(
                place,
                "a password needs a username, and neither goes with a bearer_token",
            )
            .remedy("give username and password, or bearer_token"));
        }
    };
    let mut headers = HeaderMap::new();
    let mut add = |name: HeaderName, value: &str| -> CubeResult<()> {
        let mut value = HeaderValue::from_str(value).map_err(|_| {
            CubeError::invalid(
                place,
                format!("the value for the header {name} has characters that no header may have"),
            )
            .remedy("remove line ends and control characters from it")
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    };
    if let Some(authorization) = authorization {
        add(AUTHORIZATION, &authorization)?;
    }
    let lines = options.secret("headers")?.unwrap_or_default();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let header = line
            .split_once(':')
            .and_then(|(name, value)| Some((name.trim().parse().ok()?, value.trim())));
        let Some((name, value)) = header else {
            return Err(
                CubeError::invalid(place, "a line of the option headers is malformed")
                    .remedy("write one NAME: VALUE per line"),
            );
        };
        add(name, value)?;
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::stores::cases::{Case, check_connections};

    #[test]
    fn connections() {
        check_connections(
            &HttpsStore,
            &[
                Case::good("https://host", &[], "https://host", ""),
                Case::good(
                    "https://host/a/b.zarr/",
                    &[],
                    "https://host/a/b.zarr",
                    "a/b.zarr",
                ),
                Case::good("http://host:8080/a", &[], "http://host:8080/a", "a"),
                Case::good(
                    "https://host/a%20b/~c",
                    &[],
                    "https://host/a%20b/~c",
                    "a b/~c",
                ),
                Case::good(
                    "https://host/x.nc?sig=s3cr3t",
                    &[],
                    "https://host/x.nc",
                    "x.nc",
                ),
                Case::good("https://host/x#part", &[], "https://host/x", "x"),
                Case::good(
                    "https://host/x",
                    &[("bearer_token", "s3cr3t")],
                    "https://host/x",
                    "x",
                ),
                Case::good(
                    "https://host/x",
                    &[("username", "ada"), ("password", "s3cr3t")],
                    "https://host/x",
                    "x",
                ),
                Case::good(
                    "https://host/x",
                    &[("headers", "X-Api-Key: s3cr3t\nAccept: */*")],
                    "https://host/x",
                    "x",
                ),
                Case::bad("https://", &[], "malformed"),
                Case::bad("ftp://host/x", &[], "malformed"),
                Case::bad("https://ada:s3cr3t@host/x", &[], "user name"),
                Case::bad("https://host/a//b", &[], "empty"),
                Case::bad(
                    "https://host/x",
                    &[("password", "s3cr3t")],
                    "needs a username",
                ),
                Case::bad(
                    "https://host/x",
                    &[("username", "ada"), ("bearer_token", "s3cr3t")],
                    "neither goes with a bearer_token",
                ),
                Case::bad("https://host/x", &[("bearer_token", "s3cr3t\n2")], "header"),
                Case::bad("https://host/x", &[("headers", "s3cr3t")], "NAME: VALUE"),
                Case::bad("https://host/x", &[("region", "s3cr3t")], "unknown option"),
            ],
        );
    }

    #[test]
    fn basic_authentication_is_base64() {
        let options = [("username", "Aladdin"), ("password", "open sesame")]
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .into();
        let options = StoreOptions::check(&HttpsStore, "place", &options).unwrap();
        let headers = request_headers("place", &options).unwrap();
        // The example of RFC 7617.
        assert_eq!(headers[AUTHORIZATION], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{headers:?}").contains("QWxh"));
    }
}
