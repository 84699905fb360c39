//! Who asks: `Authorization: Bearer KEY`, where the key may be a token, or `Basic` with a user and a password.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::router::Shared;
use crate::access::Identity;
use crate::failure::Failure;
use crate::serve::Credentials;

/// How a client can prove who it is.
const CHALLENGE: HeaderValue = HeaderValue::from_static(
    "Bearer realm=\"graticule\", Basic realm=\"graticule\", charset=\"UTF-8\"",
);

/// Who has sent the request. Where no users are configured everybody is the same one.
pub(super) struct Caller(pub(super) Arc<Identity>);

/// The request proves nothing.
pub(super) struct Stranger(Failure);

impl FromRequestParts<Shared> for Caller {
    type Rejection = Stranger;

    async fn from_request_parts(parts: &mut Parts, http: &Shared) -> Result<Self, Stranger> {
        let proof = parts.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let credentials = Credentials::of(proof).map_err(Stranger)?;
        let identity = credentials.identity(&http.service).await;
        identity.map(Self).map_err(Stranger)
    }
}

impl IntoResponse for Stranger {
    fn into_response(self) -> Response {
        let mut response = Problem::from(self.0).into_response();
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
        }
        response
    }
}
