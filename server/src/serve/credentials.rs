//! What a client of HTTP or gRPC shows to prove who it is: the header `Authorization`, RFC 9110, section 11.6.2.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::Service;
use crate::access::Identity;
use crate::failure::{Failure, SqlState};

/// Clients in Go send no padding, others do.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a client shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// It does not say who it is.
    Nothing,
    /// A key or a token.
    Bearer(String),
    /// The name of a user, and what may be the password.
    Password { user: String, password: String },
}

impl Credentials {
    /// Reads the header; `None` where there is none.
    ///
    /// # Errors
    /// It says something else than `Basic` and `Bearer`.
    pub(crate) fn of(header: Option<&[u8]>) -> Result<Self, Failure> {
        let Some(header) = header else {
            return Ok(Self::Nothing);
        };
        let read = |header: &str| {
            let (scheme, value) = header.split_once(' ')?;
            let value = value.trim();
            if scheme.eq_ignore_ascii_case("bearer") {
                return Some(Self::Bearer(value.to_string()));
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
        let read = std::str::from_utf8(header).ok().and_then(read);
        read.ok_or_else(|| {
            denied("the header Authorization says neither Basic nor Bearer, and what follows them")
        })
    }

    /// What a session is found by.
    pub(crate) fn secret(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Bearer(token) => format!("Bearer {token}"),
            Self::Password { user, password } => format!("Basic {user}:{password}"),
        }
    }

    /// Who it is. Where no users are configured everybody is the same one.
    ///
    /// # Errors
    /// Nobody who may come in.
    pub(crate) async fn identity(self, service: &Arc<Service>) -> Result<Arc<Identity>, Failure> {
        let access = service.access();
        if access.is_open() {
            return Ok(access.anonymous());
        }
        match self {
            Self::Nothing if access.has_anonymous() => Ok(access.anonymous()),
            Self::Nothing => Err(denied(
                "say who you are: send the header Authorization with Bearer and a key, or with Basic",
            )),
            Self::Bearer(token) => service.bearer(&token).await,
            Self::Password { user, password } => service.password(user, password).await,
        }
    }
}

fn denied(text: &str) -> Failure {
    Failure::with_state(SqlState::INVALID_PASSWORD, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<Credentials> {
        Credentials::of(Some(header.as_bytes())).ok()
    }

    #[test]
    fn headers_say_who_it_is() {
        let password = |password: &str| {
            Some(Credentials::Password {
                user: "ada".to_string(),
                password: password.to_string(),
            })
        };
        // Passwords may hold colons, and padding may be missing.
        let basic = format!("Basic {}", BASE64.encode("ada:a:b"));
        assert!(read(&basic) == password("a:b"));
        assert!(read("basic YWRhOmE=") == password("a"));
        assert!(read("basic YWRhOmE") == password("a"));
        assert!(read("BEARER  key ") == Some(Credentials::Bearer("key".to_string())));
        assert!(Credentials::of(None).ok() == Some(Credentials::Nothing));
        for header in ["", "Basic", "Basic %", "Basic YQ==", "Digest a", "Bearer"] {
            assert!(read(header).is_none(), "{header}");
        }
    }
}
