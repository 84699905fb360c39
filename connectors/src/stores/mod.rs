//! Stores: where cubes are. One file per kind, each a [`StoreConnector`] on top of object_store.
//!
//! ```text
//!  "s3://bucket/cube.zarr" ── connector_for ──▶ S3Store ── connect(url, options) ──▶ Location
//!                                                 options.rs: names checked, secrets read
//!                                                 crate::http: timeouts, retries, limits
//!                                                 redacted.rs: nothing secret is printed
//! ```
//!
//! Adding a store is a module and a line in [`store_connectors`].

mod address;
mod azure;
#[cfg(test)]
mod cases;
mod endpoint;
mod error;
mod file;
mod gcs;
mod https;
mod memory;
mod options;
mod redacted;
mod s3;

use std::sync::Arc;

use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::StoreConnector;

use crate::nearest::nearest;
pub use error::store_error;
pub(crate) use error::{file_write_error, write_error};

/// Object stores are made for many requests at once.
const MAX_OBJECT_STORE_CONNECTIONS: usize = 64;

/// Every kind of store Graticule connects to.
pub fn store_connectors() -> Vec<Arc<dyn StoreConnector>> {
    vec![
        Arc::new(file::FileStore),
        Arc::new(memory::MemoryStore),
        Arc::new(s3::S3Store),
        Arc::new(https::HttpsStore),
        Arc::new(gcs::GcsStore),
        Arc::new(azure::AzureStore),
    ]
}

/// The connector that answers to the scheme of `url`; a plain path belongs to `file`.
///
/// # Errors
/// No store has this scheme; the error names those that exist.
pub fn connector_for(url: &str) -> CubeResult<Arc<dyn StoreConnector>> {
    let scheme = scheme(url);
    let connectors = store_connectors();
    let schemes: Vec<&str> = connectors
        .iter()
        .flat_map(|connector| connector.schemes().iter().copied())
        .collect();
    let found = connectors
        .into_iter()
        .find(|connector| connector.schemes().contains(&scheme.as_str()));
    found.ok_or_else(|| {
        let choice = match nearest(&scheme, &schemes) {
            Some(near) => format!("did you mean {near}? Schemes: {}", schemes.join(", ")),
            None => format!("use one of: {}", schemes.join(", ")),
        };
        CubeError::unsupported("", format!("no store has the URL scheme {scheme:?}")).remedy(choice)
    })
}

/// The part before `://` in lower case, if it can be a scheme; otherwise `file`.
fn scheme(url: &str) -> String {
    let is_scheme = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    match url.split_once("://") {
        Some((scheme, _)) if is_scheme(scheme) => scheme.to_ascii_lowercase(),
        _ => "file".to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use graticule_engine::source::Options;

    use super::*;

    #[test]
    fn schemes() {
        for (url, expected) in [
            ("cubes/a.zarr", Ok("file")),
            ("/cubes/a.zarr", Ok("file")),
            ("file:///cubes/a.zarr", Ok("file")),
            ("C:\\cubes", Ok("file")),
            ("a b://c", Ok("file")),
            ("memory://x", Ok("memory")),
            ("s3://bucket", Ok("s3")),
            ("S3://bucket", Ok("s3")),
            ("s3a://bucket", Ok("s3")),
            ("https://host", Ok("https")),
            ("http://host", Ok("https")),
            ("gs://bucket", Ok("gcs")),
            ("az://container", Ok("azure")),
            ("abfss://container@account", Ok("azure")),
            ("htps://host", Err("did you mean https?")),
            (
                "redis://host",
                Err("use one of: file, memory, s3, s3a, https, http, gs"),
            ),
        ] {
            let found = connector_for(url);
            match (found, expected) {
                (Ok(connector), Ok(kind)) => assert_eq!(connector.kinds()[0], kind, "{url}"),
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{url}: {error}");
                }
                (found, _) => panic!("{url}: {found:?}"),
            }
        }
    }

    #[test]
    fn places_that_need_not_exist() {
        for (url, expected) in [
            ("memory://new/x.zarr", Ok(())),
            ("s3://bucket/x.zarr", Ok(())),
            (
                "https://host/x.zarr?sig=s3cr3t",
                Err("only read (in https://host/x.zarr)"),
            ),
            (
                "/nonexistent/x/y.zarr",
                Err("the folder /nonexistent/x does not exist"),
            ),
        ] {
            let connector = connector_for(url).unwrap();
            match (connector.connect_new(url, &Options::new()), expected) {
                (Ok(_), Ok(())) => {}
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{url}: {error}");
                }
                (found, _) => panic!("{url}: {found:?}"),
            }
        }
    }

    #[test]
    fn no_two_stores_share_a_scheme_or_a_kind() {
        let connectors = store_connectors();
        for names in [StoreConnector::schemes, StoreConnector::kinds] {
            let mut all: Vec<&str> = connectors
                .iter()
                .flat_map(|c| names(&**c))
                .copied()
                .collect();
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), count, "{all:?}");
        }
    }
}
