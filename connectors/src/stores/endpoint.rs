//! The `endpoint` of an object store: the URL of a server other than the provider's own.

use graticule_engine::error::{CubeError, CubeResult};
use url::Url;

use super::options::StoreOptions;

/// The server of the options `endpoint` and `allow_http`, if any, and whether encryption may be
/// missing.
///
/// # Errors
/// Not an http(s) URL, one with a user name or a query, or `http` without `allow_http`.
pub(super) fn of(place: &str, options: &StoreOptions) -> CubeResult<(Option<Url>, bool)> {
    let allow_http = options.flag("allow_http")?.unwrap_or(false);
    let Some(text) = options.text("endpoint") else {
        return Ok((None, allow_http));
    };
    let is_plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let Some(url) = Url::parse(text).ok().filter(is_plain) else {
        return Err(
            CubeError::invalid(place, "the endpoint is not the URL of a server")
                .remedy("write https://HOST or https://HOST:PORT; keys are options of their own"),
        );
    };
    if url.scheme() == "http" && !allow_http {
        return Err(CubeError::invalid(place, "the endpoint has no encryption")
            .remedy("use https, or set allow_http = true"));
    }
    Ok((Some(url), allow_http))
}
