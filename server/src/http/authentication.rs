//! Who asks: `Authorization: Bearer KEY`, where the key may be a token, or `Basic` with a user and a password.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::problem::Problem;
use super::router::Shared;
use crate::access::Identity;
use crate::failure::{Failure, SqlState};
use crate::serve::Service;

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
        let service = &http.service;
        if service.access.is_open() {
            return Ok(Self(service.access.anonymous()));
        }
        let proof = parts.headers.get(AUTHORIZATION);
        let proof = proof.and_then(|proof| proof.to_str().ok());
        let identity = identity(service, proof.unwrap_or_default()).await;
        identity.map(Self).map_err(Stranger)
    }
}

async fn identity(service: &Arc<Service>, proof: &str) -> Result<Arc<Identity>, Failure> {
    let access = &service.access;
    let (scheme, proof) = proof.split_once(' ').unwrap_or((proof, ""));
    let proof = proof.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => service.bearer(proof).await,
        "basic" => match user_and_password(proof) {
            Some((user, password)) => service.password(user, password).await,
            None => Err(refused(
                "the header Authorization is not in the form of Basic",
            )),
        },
        "" if access.has_anonymous() => Ok(access.anonymous()),
        "" => Err(refused(
            "say who you are: send the header Authorization with Bearer and a key, or with Basic",
        )),
        _ => Err(refused("the header Authorization takes Bearer and Basic")),
    }
}

fn user_and_password(proof: &str) -> Option<(String, String)> {
    let text = String::from_utf8(BASE64_STANDARD.decode(proof).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_string(), password.to_string()))
}

fn refused(cause: &str) -> Failure {
    Failure::with_state(SqlState::INVALID_PASSWORD, cause)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn passwords_may_hold_colons() {
        let proof = BASE64_STANDARD.encode("ada:a:b");
        let expected = ("ada".to_string(), "a:b".to_string());
        assert_eq!(user_and_password(&proof), Some(expected));
        for proof in ["YQ==", "%", ""] {
            assert_eq!(user_and_password(proof), None, "{proof}");
        }
    }
}
