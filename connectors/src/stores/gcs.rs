//! Google Cloud Storage: `gs://bucket/path`.
//!
//! Requests carry a token when there is a file of credentials: the option `service_account_file`,
//! or, without an `endpoint`, the environment variable `GOOGLE_APPLICATION_CREDENTIALS`. Otherwise,
//! and with `anonymous = true`, they carry none. No metadata service of a virtual machine is ever
//! asked for credentials.

use std::sync::{Arc, LazyLock};

use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{Location, Options, StoreConnector};
use object_store::StaticCredentialProvider;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};

use super::address::Address;
use super::error::setup_error;
use super::options::{HTTP_OPTIONS, OptionDocumentation, StoreOptions, environment};
use super::redacted::RedactedStore;
use super::{MAX_OBJECT_STORE_CONNECTIONS, endpoint};

/// Connects to Google Cloud Storage.
#[derive(Debug)]
pub(super) struct GcsStore;

static OPTIONS: LazyLock<Vec<OptionDocumentation>> = LazyLock::new(|| {
    [
        &[
            (
                "service_account_file",
                "path of a JSON file with credentials",
            ),
            (
                "anonymous",
                "true: requests carry no token, for public buckets",
            ),
            ("endpoint", "URL of a server other than Google's"),
            (
                "allow_http",
                "true: an endpoint without encryption is allowed",
            ),
        ][..],
        HTTP_OPTIONS,
    ]
    .concat()
});

impl StoreConnector for GcsStore {
    fn kinds(&self) -> &'static [&'static str] {
        &["gcs", "gs"]
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["gs", "gcs"]
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
        let policy = options.http_policy(MAX_OBJECT_STORE_CONNECTIONS, allow_http)?;

        let mut builder = GoogleCloudStorageBuilder::new()
            .with_bucket_name(&bucket)
            .with_retry(policy.retries())
            .with_http_connector(policy.connector(None));
        let file = credentials_file(url, &options, endpoint.is_some())?;
        builder = match &file {
            Some(file) => builder.with_application_credentials(file),
            // The empty credentials keep object_store from looking for others.
            None => builder.with_skip_signature(true).with_credentials(Arc::new(
                StaticCredentialProvider::new(GcpCredential {
                    bearer: String::new(),
                }),
            )),
        };
        let root = match endpoint {
            None => format!("gs://{bucket}"),
            Some(server) => {
                let server = server.as_str().trim_end_matches('/');
                builder = builder.with_base_url(server);
                format!("{server}/{bucket}")
            }
        };
        let store = builder.build().map_err(|error| match &file {
            // The reader of the file may quote from it.
            Some(file) => CubeError::invalid(url, format!("{file:?} holds no usable credentials"))
                .remedy("use the JSON file of a service account, as Google hands it out"),
            None => setup_error(url, &error),
        })?;
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

/// The readable file of credentials, or `None` for requests without a token.
fn credentials_file(
    place: &str,
    options: &StoreOptions,
    is_other_provider: bool,
) -> CubeResult<Option<String>> {
    let anonymous = options.flag("anonymous")?;
    let given = options.text("service_account_file").map(String::from);
    let file = match (given, anonymous) {
        (Some(_), Some(true)) => {
            return Err(
                CubeError::invalid(place, "the store is anonymous and has credentials")
                    .remedy("remove anonymous = true, or service_account_file"),
            );
        }
        (Some(file), _) => Some(file),
        (None, Some(true)) => None,
        (None, _) if is_other_provider => None,
        (None, _) => environment("GOOGLE_APPLICATION_CREDENTIALS"),
    };
    match file {
        None if anonymous == Some(false) => Err(CubeError::invalid(
            place,
            "the store is not anonymous, but there are no credentials",
        )
        .remedy("set service_account_file")),
        Some(file) => match std::fs::File::open(&file) {
            Ok(_) => Ok(Some(file)),
            Err(error) => Err(CubeError::invalid(
                place,
                format!("the credentials in {file:?} cannot be read: {error}"),
            )
            .remedy("correct service_account_file, or set anonymous = true")),
        },
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::stores::cases::{Case, check_connections};

    #[test]
    fn connections() {
        const ANONYMOUS: (&str, &str) = ("anonymous", "true");
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("credentials.json");
        std::fs::write(&broken, "{\"type\": \"s3cr3t\"").unwrap();
        let broken = broken.to_str().unwrap();
        check_connections(
            &GcsStore,
            &[
                Case::good(
                    "gs://era5/ar/full.zarr",
                    &[ANONYMOUS],
                    "gs://era5/ar/full.zarr",
                    "ar/full.zarr",
                ),
                Case::good("gcs://era5", &[ANONYMOUS], "gs://era5", ""),
                Case::good(
                    "gs://era5/a",
                    &[("endpoint", "https://storage.example")],
                    "https://storage.example/era5/a",
                    "a",
                ),
                Case::bad("gs:///a", &[], "no bucket"),
                Case::bad(
                    "gs://era5",
                    &[("anonymus", "true")],
                    "did you mean anonymous?",
                ),
                Case::bad(
                    "gs://era5",
                    &[("service_account_file", "/nonexistent")],
                    "/nonexistent",
                ),
                Case::bad(
                    "gs://era5",
                    &[("service_account_file", broken)],
                    "no usable credentials",
                ),
                Case::bad(
                    "gs://era5",
                    &[ANONYMOUS, ("service_account_file", "/nonexistent")],
                    "anonymous and has credentials",
                ),
                Case::bad(
                    "gs://era5",
                    &[
                        ("anonymous", "false"),
                        ("endpoint", "https://storage.example"),
                    ],
                    "no credentials",
                ),
            ],
        );
    }
}
