//! One attempt of one request, by the rules of [`crate::http`].

use async_trait::async_trait;
use object_store::client::{HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService};

use super::body::{self, Expected};
use super::credentials::OriginCredentials;
use super::host::Host;
use super::redirect;

/// Sends requests through a shared client.
#[derive(Debug, Clone)]
pub(super) struct PolicyService {
    client: reqwest::Client,
    max_connections: usize,
    credentials: Option<OriginCredentials>,
}

impl PolicyService {
    pub(super) fn new(
        client: reqwest::Client,
        max_connections: usize,
        credentials: Option<OriginCredentials>,
    ) -> Self {
        Self {
            client,
            max_connections,
            credentials,
        }
    }
}

#[async_trait]
impl HttpService for PolicyService {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let host = Host::of(&request, self.max_connections);
        let connection = host.admit().await?;
        if let Some(credentials) = &self.credentials {
            credentials.add_to(&mut request)?;
        }
        let expected = Expected::by(&request);
        let response = redirect::follow(&self.client, request).await?;
        host.heed(&response);
        body::complete(expected, response, connection).await
    }
}

/// Why we do not go on, in a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refusal(String);

impl Refusal {
    /// An error that object_store does not retry.
    pub(super) fn of(reason: impl Into<String>) -> HttpError {
        HttpError::new(HttpErrorKind::Unknown, Refusal(reason.into()))
    }
}
