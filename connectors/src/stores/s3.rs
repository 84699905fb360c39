//! S3 and everything that speaks its protocol: `s3://bucket/path`.
//!
//! | option | who answers | how the bucket is named |
//! |---|---|---|
//! | none | Amazon, in `region` | in the host, unless its name has a `.` or `:` |
//! | `endpoint` | that server | in the path, unless `path_style = false` |
//!
//! Requests are signed when the options name keys, or, without an `endpoint`, when the environment
//! has `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`: the keys of one provider are not shown to
//! another. Otherwise, and with `anonymous = true`, requests are not signed. No metadata service of
//! a virtual machine is ever asked for credentials.

use std::sync::{Arc, LazyLock};

use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{Location, Options, StoreConnector};
use object_store::aws::AmazonS3Builder;

use super::address::Address;
use super::error::setup_error;
use super::options::{HTTP_OPTIONS, OptionDocumentation, StoreOptions, environment, secret};
use super::redacted::RedactedStore;
use super::{MAX_OBJECT_STORE_CONNECTIONS, endpoint};

/// The region that Amazon assumes, and that other servers rarely look at.
const DEFAULT_REGION: &str = "us-east-1";

/// Connects to S3.
#[derive(Debug)]
pub(super) struct S3Store;

static OPTIONS: LazyLock<Vec<OptionDocumentation>> =
    LazyLock::new(|| {
        [
        &[
            ("endpoint", "URL of a server other than Amazon's"),
            ("region", "region of the bucket: default AWS_REGION, or us-east-1"),
            ("anonymous", "true: requests are not signed, for public buckets"),
        ][..],
        &secret!("access_key_id", "identifier of the key that signs requests"),
        &secret!("secret_access_key", "key that signs requests"),
        &secret!("session_token", "token that goes with temporary keys"),
        &[
            (
                "path_style",
                "true: the bucket is in the path, not in the host name; default with an endpoint",
            ),
            ("allow_http", "true: an endpoint without encryption is allowed"),
            ("request_payer", "true: we pay for the transfer from a requester-pays bucket"),
        ],
        HTTP_OPTIONS,
    ]
    .concat()
    });

impl StoreConnector for S3Store {
    fn kinds(&self) -> &'static [&'static str] {
        &["s3"]
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["s3", "s3a"]
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        &OPTIONS
    }

    fn connect(&self, url: &str, options: &Options) -> CubeResult<Location> {
        let Address {
            container: bucket,
            path,
        } = Address::parse(url)?;
        let options = StoreOptions::check(self, url, options)?;
        let (endpoint, allow_http) = endpoint::of(url, &options)?;
        let in_path = options
            .flag("path_style")?
            .unwrap_or(endpoint.is_some() || bucket.contains(['.', ':']));
        let region = options.text("region").map(String::from);
        let region = region
            .or_else(|| environment("AWS_REGION"))
            .unwrap_or_else(|| DEFAULT_REGION.to_string());
        if !region
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-')
        {
            return Err(CubeError::invalid(url, "the region is not a name")
                .remedy("use letters, digits and hyphens, as in eu-central-1"));
        }
        let policy = options.http_policy(MAX_OBJECT_STORE_CONNECTIONS, allow_http)?;

        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&bucket)
            .with_region(region)
            .with_virtual_hosted_style_request(!in_path)
            .with_request_payer(options.flag("request_payer")?.unwrap_or(false))
            .with_retry(policy.retries())
            .with_http_connector(policy.connector(None));
        builder = match keys(url, &options, endpoint.is_some())? {
            None => builder.with_skip_signature(true),
            Some(keys) => {
                let builder = builder
                    .with_access_key_id(keys.access_key_id)
                    .with_secret_access_key(keys.secret_access_key);
                match keys.session_token {
                    Some(token) => builder.with_token(token),
                    None => builder,
                }
            }
        };
        if !in_path && bucket.contains(':') {
            return Err(
                CubeError::invalid(url, format!("{bucket} cannot be part of a host name"))
                    .remedy("set path_style = true"),
            );
        }
        let root = match &endpoint {
            None => format!("s3://{bucket}"),
            Some(server) => {
                let server = server.as_str().trim_end_matches('/');
                builder = builder.with_endpoint(match in_path {
                    true => server.to_string(),
                    false => server.replacen("://", &format!("://{bucket}."), 1),
                });
                // Two servers may have buckets of the same name: their cubes must not look alike.
                format!("{server}/{bucket}")
            }
        };
        let store = builder.build().map_err(|error| setup_error(url, &error))?;
        Ok(Location {
            url: format!("{root}/{path}").trim_end_matches('/').to_string(),
            store: Arc::new(RedactedStore {
                inner: store,
                url: root,
                listable: true,
            }),
            path,
            listable: true,
            missing_is_403: options.missing_is_403()?,
            local: false,
            as_of: None,
        })
    }
}

struct Keys {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

/// The keys that sign requests, or `None` for requests without a signature.
fn keys(place: &str, options: &StoreOptions, is_other_provider: bool) -> CubeResult<Option<Keys>> {
    let anonymous = options.flag("anonymous")?;
    let given = (
        options.secret("access_key_id")?,
        options.secret("secret_access_key")?,
    );
    let session_token = options.secret("session_token")?;
    let invalid = |cause: &str, remedy: &str| Err(CubeError::invalid(place, cause).remedy(remedy));
    match given {
        (Some(_), Some(_)) | (Some(_), None) | (None, Some(_)) if anonymous == Some(true) => {
            invalid(
                "the store is anonymous and has keys",
                "remove anonymous = true, or the keys",
            )
        }
        (Some(access_key_id), Some(secret_access_key)) => Ok(Some(Keys {
            access_key_id,
            secret_access_key,
            session_token,
        })),
        (None, None) if session_token.is_some() => invalid(
            "there is a session_token, but no key",
            "set access_key_id and secret_access_key as well",
        ),
        (None, None) if anonymous == Some(true) => Ok(None),
        (None, None) => {
            let environment_keys = || {
                Some(Keys {
                    access_key_id: environment("AWS_ACCESS_KEY_ID")?,
                    secret_access_key: environment("AWS_SECRET_ACCESS_KEY")?,
                    session_token: environment("AWS_SESSION_TOKEN"),
                })
            };
            let found = if is_other_provider {
                None
            } else {
                environment_keys()
            };
            match found {
                None if anonymous == Some(false) => invalid(
                    "the store is not anonymous, but there are no keys",
                    "set access_key_id_env and secret_access_key_env",
                ),
                found => Ok(found),
            }
        }
        _ => invalid(
            "a key has two parts and only one is given",
            "set both access_key_id and secret_access_key",
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::stores::cases::{Case, check_connections};

    #[test]
    fn connections() {
        const KEYS: &[(&str, &str)] = &[("access_key_id", "AK"), ("secret_access_key", "s3cr3t")];
        const MINIO: (&str, &str) = ("endpoint", "https://minio:9000/");
        check_connections(
            &S3Store,
            &[
                Case::good("s3://era5/a.zarr", &[], "s3://era5/a.zarr", "a.zarr"),
                Case::good("s3a://era5/a.zarr/", &[], "s3://era5/a.zarr", "a.zarr"),
                Case::good("s3://era5", KEYS, "s3://era5", ""),
                Case::good("s3://era5", &[("region", "eu-west-1")], "s3://era5", ""),
                Case::good("s3://era5", &[("anonymous", "true")], "s3://era5", ""),
                Case::good("s3://era5/a", &[MINIO], "https://minio:9000/era5/a", "a"),
                Case::good(
                    "s3://tenant:era5/a",
                    &[MINIO],
                    "https://minio:9000/tenant:era5/a",
                    "a",
                ),
                Case::good(
                    "s3://era5/a",
                    &[MINIO, ("path_style", "false")],
                    "https://minio:9000/era5/a",
                    "a",
                ),
                Case::good(
                    "s3://era5/a",
                    &[("endpoint", "http://minio:9000"), ("allow_http", "true")],
                    "http://minio:9000/era5/a",
                    "a",
                ),
                Case::bad("s3://", &[], "no bucket"),
                Case::bad("s3://era5/a?sig=s3cr3t", &[], "query string"),
                Case::bad("s3://era5", &[("regoin", "x")], "did you mean region?"),
                Case::bad("s3://era5", &[("endpoint", "minio:9000")], "endpoint"),
                Case::bad(
                    "s3://era5",
                    &[("endpoint", "https://u:s3cr3t@minio")],
                    "endpoint",
                ),
                Case::bad("s3://era5", &[("endpoint", "http://minio")], "allow_http"),
                Case::bad("s3://era5", &[("access_key_id", "AK")], "only one is given"),
                Case::bad(
                    "s3://era5",
                    &[("secret_access_key", "s3cr3t")],
                    "only one is given",
                ),
                Case::bad(
                    "s3://era5",
                    &[("anonymous", "true"), ("secret_access_key", "s3cr3t")],
                    "anonymous and has keys",
                ),
                Case::bad("s3://era5", &[MINIO, ("anonymous", "false")], "no keys"),
                Case::bad("s3://era5", &[("anonymous", "maybe")], "true or false"),
                Case::bad(
                    "s3://era5",
                    &[
                        ("secret_access_key_env", "GRATICULE_NO_SUCH"),
                        ("access_key_id", "AK"),
                    ],
                    "GRATICULE_NO_SUCH",
                ),
                Case::bad(
                    "s3://tenant:era5",
                    &[MINIO, ("path_style", "false")],
                    "path_style = true",
                ),
                Case::bad(
                    "s3://tenant:era5",
                    &[("path_style", "false")],
                    "path_style = true",
                ),
                Case::bad("s3://era5", &[("region", "a b/c")], "region is not a name"),
                Case::bad("s3://era5", &[("session_token", "s3cr3t")], "no key"),
            ],
        );
    }
}
