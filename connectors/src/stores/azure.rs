//! Azure Blob Storage: `az://container/path` with the option `account`, or
//! `abfss://container@account.dfs.core.windows.net/path`.
//!
//! Requests are signed with `access_key`, carry the shared access signature `sas_token`, or, with
//! neither, are anonymous. Without an `endpoint`, `AZURE_STORAGE_ACCOUNT_NAME`,
//! `AZURE_STORAGE_ACCOUNT_KEY` and `AZURE_STORAGE_SAS_TOKEN` of the environment stand in for
//! what the options leave out. No metadata service of a virtual machine is ever asked for
//! credentials.

use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{Location, Options, StoreConnector};
use object_store::StaticCredentialProvider;
use object_store::azure::{AzureCredential, MicrosoftAzureBuilder};
use url::form_urlencoded;

use super::address::Address;
use super::error::setup_error;
use super::options::{HTTP_OPTIONS, OptionDocumentation, StoreOptions, environment, secret};
use super::redacted::RedactedStore;
use super::{MAX_OBJECT_STORE_CONNECTIONS, endpoint};

/// Connects to Azure Blob Storage.
#[derive(Debug)]
pub(super) struct AzureStore;

static OPTIONS: LazyLock<Vec<OptionDocumentation>> = LazyLock::new(|| {
    [
        &[(
            "account",
            "name of the storage account, unless the URL has it",
        )][..],
        &secret!("access_key", "key of the account, in base64"),
        &secret!(
            "sas_token",
            "shared access signature: the query string sv=…&sig=…"
        ),
        &[
            (
                "anonymous",
                "true: requests carry no key, for public containers",
            ),
            (
                "endpoint",
                "URL of a server other than https://ACCOUNT.blob.core.windows.net",
            ),
            (
                "allow_http",
                "true: an endpoint without encryption is allowed",
            ),
        ],
        HTTP_OPTIONS,
    ]
    .concat()
});

impl StoreConnector for AzureStore {
    fn kinds(&self) -> &'static [&'static str] {
        &["azure", "az", "abfs"]
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["az", "abfs", "abfss", "azure"]
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        &OPTIONS
    }

    fn connect(&self, url: &str, options: &Options) -> CubeResult<Location> {
        let Address { container, path } = Address::parse(url)?;
        let options = StoreOptions::check(self, url, options)?;
        let (endpoint, allow_http) = endpoint::of(url, &options)?;
        let may_use_environment = endpoint.is_none();
        let (account, container) = account_and_container(url, &container, &options)?;
        let policy = options.http_policy(MAX_OBJECT_STORE_CONNECTIONS, allow_http)?;

        let mut builder = MicrosoftAzureBuilder::new()
            .with_account(&account)
            .with_container_name(&container)
            .with_retry(policy.retries())
            .with_http_connector(policy.connector(None));
        builder = match credentials(url, &options, may_use_environment)? {
            Some(Credentials::AccessKey(key)) => builder.with_access_key(key),
            Some(Credentials::Signature(pairs)) => builder.with_sas_authorization(pairs),
            // The empty credentials keep object_store from looking for others.
            None => builder.with_skip_signature(true).with_credentials(Arc::new(
                StaticCredentialProvider::new(AzureCredential::BearerToken(String::new())),
            )),
        };
        let server = match endpoint {
            Some(server) => server.as_str().trim_end_matches('/').to_string(),
            None => format!("https://{account}.blob.core.windows.net"),
        };
        let root = format!("{server}/{container}");
        let store = builder
            .with_endpoint(server)
            .build()
            .map_err(|error| setup_error(url, &error))?;
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

/// The account and the container of `container`, or of `container@account.host` (Hadoop's form).
fn account_and_container(
    place: &str,
    container: &str,
    options: &StoreOptions,
) -> CubeResult<(String, String)> {
    let (container, account_of_url) = match container.split_once('@') {
        Some((container, host)) => (container, host.split('.').next()),
        None => (container, None),
    };
    let account = account_of_url
        .or_else(|| options.text("account"))
        .map(String::from)
        .or_else(|| environment("AZURE_STORAGE_ACCOUNT_NAME"))
        .ok_or_else(|| {
            CubeError::invalid(place, "the name of the storage account is missing")
                .remedy("set account, or write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH")
        })?;
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-$_".contains(c))
    };
    if !is_name(&account) || !is_name(container) {
        return Err(CubeError::invalid(
            place,
            "the account or the container has characters that Azure does not allow",
        )
        .remedy("use letters, digits and hyphens"));
    }
    Ok((account, container.to_string()))
}

enum Credentials {
    AccessKey(String),
    Signature(Vec<(String, String)>),
}

/// What requests are authorised with; `None` is anonymous.
fn credentials(
    place: &str,
    options: &StoreOptions,
    may_use_environment: bool,
) -> CubeResult<Option<Credentials>> {
    let anonymous = options.flag("anonymous")?;
    let mut key = options.secret("access_key")?;
    let mut signature = options.secret("sas_token")?;
    let invalid = |cause: &str, remedy: &str| Err(CubeError::invalid(place, cause).remedy(remedy));
    if anonymous == Some(true) {
        return match (key, signature) {
            (None, None) => Ok(None),
            _ => invalid(
                "the store is anonymous and has a key or a signature",
                "remove anonymous = true, or the key",
            ),
        };
    }
    if key.is_none() && signature.is_none() && may_use_environment {
        key = environment("AZURE_STORAGE_ACCOUNT_KEY");
        signature = environment("AZURE_STORAGE_SAS_TOKEN").filter(|_| key.is_none());
    }
    match (key, signature) {
        (Some(_), Some(_)) => invalid(
            "both a key and a signature are given",
            "keep either access_key or sas_token",
        ),
        (Some(key), None) if BASE64_STANDARD.decode(&key).is_err() => invalid(
            "the access key is not base64",
            "copy it again from the account's page",
        ),
        (Some(key), None) => Ok(Some(Credentials::AccessKey(key))),
        (None, Some(signature)) => {
            let query = signature.trim_start_matches('?').as_bytes();
            let pairs: Vec<(String, String)> = form_urlencoded::parse(query).into_owned().collect();
            match pairs.iter().any(|(name, _)| name == "sig") {
                true => Ok(Some(Credentials::Signature(pairs))),
                false => invalid(
                    "the shared access signature has no sig=…",
                    "give the whole query string, as in sv=…&sig=…",
                ),
            }
        }
        (None, None) if anonymous == Some(false) => invalid(
            "the store is not anonymous, but there is neither a key nor a signature",
            "set access_key_env or sas_token_env",
        ),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::stores::cases::{Case, check_connections};

    #[test]
    fn connections() {
        const ACCOUNT: (&str, &str) = ("account", "lake");
        const SHOWN: &str = "https://lake.blob.core.windows.net/cubes/a.zarr";
        check_connections(
            &AzureStore,
            &[
                Case::good("az://cubes/a.zarr", &[ACCOUNT], SHOWN, "a.zarr"),
                Case::good("abfs://cubes/a.zarr", &[ACCOUNT], SHOWN, "a.zarr"),
                Case::good(
                    "abfss://cubes@lake.dfs.core.windows.net/a.zarr",
                    &[],
                    SHOWN,
                    "a.zarr",
                ),
                Case::good(
                    "az://cubes/a.zarr",
                    &[ACCOUNT, ("access_key", "czNjcjN0")],
                    SHOWN,
                    "a.zarr",
                ),
                Case::good(
                    "az://cubes/a.zarr",
                    &[ACCOUNT, ("sas_token", "?sv=2024&sig=s3cr3t%3D")],
                    SHOWN,
                    "a.zarr",
                ),
                Case::good(
                    "az://cubes/a",
                    &[
                        ACCOUNT,
                        ("endpoint", "http://azurite:1/x"),
                        ("allow_http", "true"),
                    ],
                    "http://azurite:1/x/cubes/a",
                    "a",
                ),
                Case::bad("az://cubes/a", &[], "account is missing"),
                Case::bad("az://cu.bes/a", &[ACCOUNT], "characters"),
                Case::bad("az://cubes/a", &[("account", "a/b")], "characters"),
                Case::bad(
                    "az://cubes/a",
                    &[ACCOUNT, ("access_key", "s3cr3t!")],
                    "base64",
                ),
                Case::bad(
                    "az://cubes/a",
                    &[ACCOUNT, ("sas_token", "s3cr3t")],
                    "no sig=",
                ),
                Case::bad(
                    "az://cubes/a",
                    &[
                        ACCOUNT,
                        ("sas_token", "sig=s3cr3t"),
                        ("access_key", "czNjcjN0"),
                    ],
                    "both a key and a signature",
                ),
                Case::bad(
                    "az://cubes/a",
                    &[ACCOUNT, ("anonymous", "true"), ("access_key", "czNjcjN0")],
                    "anonymous and has a key",
                ),
                Case::bad(
                    "az://cubes/a",
                    &[ACCOUNT, ("anonymous", "false")],
                    "neither a key",
                ),
                Case::bad(
                    "az://cubes/a",
                    &[ACCOUNT, ("acount", "x")],
                    "did you mean account?",
                ),
            ],
        );
    }
}
