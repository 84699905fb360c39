//! Addresses of the form `scheme://container/path`, as the object stores write them.
//!
//! They look like URLs but are not: a bucket may hold characters that no host name may (the `:` of
//! Ceph tenants), and the path is the object's key as it stands, without percent-encoding.

use graticule_engine::error::{CubeError, CubeResult};
use object_store::path::Path;

/// A bucket (S3, Google), a container (Azure) or a name (memory), and a path in it.
#[derive(Debug, PartialEq)]
pub(super) struct Address {
    /// The part between `://` and the next `/`.
    pub(super) container: String,
    /// The rest, without leading or trailing `/`.
    pub(super) path: Path,
}

impl Address {
    /// Reads `address`.
    ///
    /// # Errors
    /// No scheme, no container or one with odd characters, a query string (which may be a secret, so
    /// it is not repeated), or a path with empty segments or `..`.
    pub(super) fn parse(address: &str) -> CubeResult<Self> {
        let shown = address.split('?').next().unwrap_or_default();
        let invalid = |cause: String| {
            CubeError::invalid(shown, cause)
                .remedy("write SCHEME://BUCKET/PATH, for example s3://era5/monthly.zarr")
        };
        if shown.len() != address.len() {
            return Err(invalid(
                "a query string has no meaning in this address".into(),
            ));
        }
        let (_, rest) = address
            .split_once("://")
            .ok_or_else(|| invalid("the address has no scheme".into()))?;
        let (container, path) = rest.split_once('/').unwrap_or((rest, ""));
        if container.is_empty() {
            return Err(invalid("the address has no bucket or name".into()));
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.:@$".contains(c);
        if !container.chars().all(is_name) {
            return Err(invalid(
                "the bucket has characters that no bucket may have".into(),
            ));
        }
        let path = Path::parse(path).map_err(|error| invalid(error.to_string()))?;
        Ok(Self {
            container: container.to_string(),
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn addresses() {
        for (address, expected) in [
            ("s3://bucket", Ok(("bucket", ""))),
            ("s3://bucket/", Ok(("bucket", ""))),
            ("s3://bucket/a/b.zarr/", Ok(("bucket", "a/b.zarr"))),
            (
                "s3://tenant:bucket/a b%20c",
                Ok(("tenant:bucket", "a b%20c")),
            ),
            ("gs://b.c-d_e/x~y=1", Ok(("b.c-d_e", "x~y=1"))),
            ("s3:///key", Err("no bucket")),
            ("s3://a b/key", Err("characters")),
            ("s3://bücket", Err("characters")),
            ("bucket/key", Err("no scheme")),
            ("s3://bucket/a//b", Err("empty")),
            ("s3://bucket/../b", Err("..")),
            ("s3://bucket/a?sig=s3cr3t", Err("query string")),
        ] {
            match (Address::parse(address), expected) {
                (Ok(found), Ok((container, path))) => {
                    assert_eq!(found.container, container, "{address}");
                    assert_eq!(found.path.as_ref(), path, "{address}");
                }
                (Err(error), Err(part)) => {
                    let text = error.to_string();
                    assert!(text.contains(part), "{address}: {text}");
                    assert!(!text.contains("s3cr3t"), "{text}");
                }
                (found, _) => panic!("{address}: {found:?}"),
            }
        }
    }
}
