//! Who calls: a handshake trades a name and a password for a token; every other call shows a token, a key or a JWT.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use tonic::metadata::MetadataMap;

use super::sessions::random;
use crate::access::Identity;
use crate::failure::{Failure, SqlState};
use crate::serve::Service;

/// The header that shows who calls.
pub(super) const AUTHORIZATION: &str = "authorization";

/// Clients in Go send no padding, others do.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a call shows.
pub(super) enum Credentials<'a> {
    Nothing,
    Bearer(&'a str),
    Password { user: String, password: String },
}

impl<'a> Credentials<'a> {
    /// Reads the header of a call.
    ///
    /// # Errors
    /// It says something else than `Basic` and `Bearer`.
    pub(super) fn of(metadata: &'a MetadataMap) -> Result<Self, Failure> {
        let Some(header) = metadata.get(AUTHORIZATION) else {
            return Ok(Self::Nothing);
        };
        let read = |header: &'a str| {
            let (scheme, value) = header.split_once(' ')?;
            let value = value.trim();
            if scheme.eq_ignore_ascii_case("bearer") {
                return Some(Self::Bearer(value));
            }
            if !scheme.eq_ignore_ascii_case("basic") {
                return None;
            }
            let text = String::from_utf8(BASE64.decode(value).ok()?).ok()?;
            let (user, password) = text.split_once(':')?;
            Some(Self::Password {
                user: user.to_string(),
                password: password.to_string(),
            })
        };
        header.to_str().ok().and_then(read).ok_or_else(|| {
            denied("the header authorization says neither Basic nor Bearer, and what follows them")
        })
    }

    /// What its session is found by, on one connection.
    pub(super) fn secret(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Bearer(token) => format!("Bearer {token}"),
            Self::Password { user, password } => format!("Basic {user}:{password}"),
        }
    }

    /// Who it is.
    ///
    /// # Errors
    /// Nobody who may come in.
    pub(super) async fn identity(self, service: &Arc<Service>) -> Result<Arc<Identity>, Failure> {
        if service.access.is_open() {
            return Ok(service.access.anonymous());
        }
        match self {
            Self::Nothing if service.access.has_anonymous() => Ok(service.access.anonymous()),
            Self::Nothing => Err(denied(
                "nobody comes in without a name and a password, a key or a token; \
                 shake hands first, or send the header authorization",
            )),
            Self::Bearer(token) => service.bearer(token).await,
            Self::Password { user, password } => service.password(user, password).await,
        }
    }
}

/// A token for a new session.
pub(super) fn new_token() -> Result<String, Failure> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

fn denied(text: &str) -> Failure {
    Failure::with_state(SqlState::INVALID_PASSWORD, text)
}
