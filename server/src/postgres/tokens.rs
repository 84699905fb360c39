//! Clients that show a token, or an API key, in the place of a password.
//!
//! ```text
//!  OAUTHBEARER (RFC 7628)                            the user "token", for clients that do not speak it
//!    ── n,,^Aauth=Bearer TOKEN^A^A ──▶  let in         ◀── the password, please, as it is ──
//!    ◀── {"status": "invalid_token"} ─  or not         ── TOKEN ──▶  let in, or not
//!    ── ^A ──────────────────────────▶  why
//! ```
//! Either way whoever reads along has the token; so neither is offered where somebody could.

use std::sync::Arc;

use bytes::Bytes;
use pgwire::messages::PgWireBackendMessage as Outgoing;
use pgwire::messages::startup::Authentication;
use serde_json::json;

use super::Postgres;
use super::messages::{Body, violation};
use super::startup::password;
use super::trouble::Trouble;
use super::wire::Wire;
use crate::access::Identity;
use crate::failure::{Failure, SqlState};

/// The user whose password is a token, and who it is the token says.
pub(super) const USER: &str = "token";

/// What RFC 7628 calls it.
pub(super) const MECHANISM: &str = "OAUTHBEARER";

/// What stands between the parts of a message.
const SEPARATOR: char = '\u{1}';

/// Asks for the token as if it were a password. `is_private`: nobody reads along.
///
/// # Errors
/// Somebody could read along, or the token is not accepted.
pub(super) async fn instead_of_password(
    wire: &mut Wire,
    postgres: &Postgres,
    is_private: bool,
) -> Result<Arc<Identity>, Trouble> {
    if !is_private {
        return Err(Trouble::Fatal(Failure::with_state(
            SqlState::INVALID_AUTHORIZATION,
            "a token is not asked for where others could read it; give the server a certificate, and connect with sslmode=require",
        )));
    }
    wire.send(Outgoing::Authentication(Authentication::CleartextPassword))?;
    let mut answer = Body(password(wire).await?);
    let token = answer.text().map_err(Trouble::Fatal)?;
    let identity = postgres.service.bearer(&token).await;
    identity.map_err(Trouble::Fatal)
}

/// Answers the first message of OAUTHBEARER; `user` is who the client wants to be.
///
/// # Errors
/// The message is none, the token is not accepted, or is that of another user.
pub(super) async fn exchange(
    wire: &mut Wire,
    postgres: &Postgres,
    user: &str,
    message: &[u8],
) -> Result<Arc<Identity>, Trouble> {
    let first = First::read(message).ok_or_else(|| {
        let text = "the first message of OAUTHBEARER is malformed; see RFC 7628";
        Trouble::Fatal(violation(text))
    })?;
    let failure = match postgres.service.bearer(first.token).await {
        Ok(identity) => {
            let is_own = identity.name == user;
            match is_own && first.user.is_none_or(|user| user == identity.name) {
                true => return Ok(identity),
                false => Failure::with_state(
                    SqlState::INVALID_AUTHORIZATION,
                    format!(
                        "the token is not that of the user \"{user}\"; connect as the user that it names"
                    ),
                ),
            }
        }
        Err(failure) => failure,
    };
    let access = postgres.service.access();
    let issuer = access.issuer().unwrap_or_default();
    let issuer = issuer.trim_end_matches('/');
    let told = json!({
        "status": "invalid_token",
        "scope": "openid",
        "openid-configuration": format!("{issuer}/.well-known/openid-configuration"),
    });
    let told = Authentication::SASLContinue(Bytes::from(told.to_string()));
    wire.send(Outgoing::Authentication(told))?;
    // The client says that it has understood, whatever it says.
    password(wire).await?;
    Err(Trouble::Fatal(failure))
}

/// What a client sends first.
#[derive(Debug, PartialEq, Eq)]
struct First<'m> {
    /// Who it wants to be, where it says.
    user: Option<&'m str>,
    /// Empty where the client asks where it can get one.
    token: &'m str,
}

impl<'m> First<'m> {
    fn read(message: &'m [u8]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        let (header, rest) = text.split_once(SEPARATOR)?;
        let (binding, user) = header.strip_suffix(',')?.split_once(',')?;
        // There is no channel binding.
        if !matches!(binding, "n" | "y") {
            return None;
        }
        let user = match user {
            "" => None,
            user => Some(user.strip_prefix("a=")?),
        };
        let pairs = rest.strip_suffix(SEPARATOR)?;
        let mut pairs = pairs.split_terminator(SEPARATOR);
        let credentials = pairs.find_map(|pair| pair.strip_prefix("auth="))?;
        if credentials.is_empty() {
            return Some(Self { user, token: "" });
        }
        let (scheme, token) = credentials.split_once(' ')?;
        let token = token.trim();
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(Self { user, token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_messages_hold_a_token() {
        let read = |text: &'static str| First::read(text.as_bytes());
        let of = |user, token| Some(First { user, token });
        assert_eq!(
            read("n,,\u{1}host=h\u{1}auth=Bearer a.b.c\u{1}\u{1}"),
            of(None, "a.b.c")
        );
        assert_eq!(
            read("y,a=ada,\u{1}auth=bearer t\u{1}\u{1}"),
            of(Some("ada"), "t")
        );
        assert_eq!(read("n,,\u{1}auth=\u{1}\u{1}"), of(None, ""));
        for malformed in [
            "",
            "n,,",
            "p=tls-unique,,\u{1}auth=Bearer t\u{1}\u{1}",
            "n,,\u{1}auth=Basic t\u{1}\u{1}",
            "n,,\u{1}host=h\u{1}\u{1}",
            "n,ada,\u{1}auth=Bearer t\u{1}\u{1}",
            "n,,\u{1}auth=Bearer t",
        ] {
            assert_eq!(read(malformed), None, "{malformed}");
        }
    }
}
