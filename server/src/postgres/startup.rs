//! Letting a client in: who it is, and what it should know of the server.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use pgwire::messages::PgWireBackendMessage as Outgoing;
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey,
};

use super::Postgres;
use super::messages::{Body, Incoming, violation};
use super::scram::{self, Exchange};
use super::settings::Settings;
use super::tokens;
use super::trouble::Trouble;
use super::wire::Wire;
use crate::access::{ANONYMOUS, Identity};
use crate::failure::{Failure, SqlState};
use crate::random::random_bytes;

/// What the client said about itself.
pub(super) struct Startup {
    /// The user that it wants to be.
    user: String,
    /// The database that it asks for; there is one only.
    pub(super) settings: BTreeMap<String, String>,
    /// Options of the protocol that the server does not know.
    unknown: Vec<String>,
    /// Does it speak a newer version of the protocol?
    is_newer: bool,
}

impl Startup {
    /// Reads the startup message.
    ///
    /// # Errors
    /// Another version of the protocol, or no user.
    pub(super) fn read(version: u32, mut parameters: Body) -> Result<Self, Failure> {
        let (major, minor) = (version >> 16, version & 0xffff);
        if major != 3 {
            let text = format!("the protocol {major}.{minor} is not spoken here; use 3.0");
            return Err(Failure::with_state(SqlState::FEATURE_NOT_SUPPORTED, text));
        }
        let mut settings = BTreeMap::new();
        loop {
            let name = parameters.text()?;
            if name.is_empty() {
                break;
            }
            settings.insert(name, parameters.text()?);
        }
        let mut unknown = vec![];
        settings.retain(|name, _| {
            let is_of_protocol = name.starts_with("_pq_.");
            if is_of_protocol {
                unknown.push(name.clone());
            }
            !is_of_protocol
        });
        for reserved in ["database", "replication"] {
            settings.remove(reserved);
        }
        if let Some(options) = settings.remove("options") {
            settings.extend(options_of(&options));
        }
        let user = settings.remove("user").filter(|user| !user.is_empty());
        Ok(Self {
            user: user.ok_or_else(|| {
                let text = "no user is named in the startup message";
                Failure::with_state(SqlState::INVALID_AUTHORIZATION, text)
            })?,
            settings,
            unknown,
            is_newer: minor > 0,
        })
    }
}

/// Settings of the command line that clients may send, `-c name=value` or `--name=value`.
fn options_of(options: &str) -> Vec<(String, String)> {
    let mut words = options.split_ascii_whitespace();
    let mut found = vec![];
    while let Some(word) = words.next() {
        let assignment = match word {
            "-c" => words.next(),
            word => word.strip_prefix("-c").or_else(|| word.strip_prefix("--")),
        };
        if let Some((name, value)) = assignment.and_then(|text| text.split_once('=')) {
            found.push((name.replace('-', "_"), value.to_string()));
        }
    }
    found
}

/// Finds out who the client is. `is_private`: nobody reads along.
///
/// # Errors
/// It cannot prove it.
pub(super) async fn authenticate(
    wire: &mut Wire,
    startup: &Startup,
    postgres: &Postgres,
    is_private: bool,
) -> Result<Arc<Identity>, Trouble> {
    if startup.is_newer || !startup.unknown.is_empty() {
        let newest = NegotiateProtocolVersion::new(0, startup.unknown.clone());
        wire.send(Outgoing::NegotiateProtocolVersion(newest))?;
    }
    let access = postgres.service.access();
    let user = &startup.user;
    if user == ANONYMOUS && access.has_anonymous() {
        return Ok(access.anonymous());
    }
    // There is one of users that are not there, too; none where no users are configured.
    let Some(verifier) = access.verifier(user) else {
        return Ok(access.anonymous());
    };
    if user == tokens::USER && !access.knows(user) {
        return tokens::instead_of_password(wire, postgres, is_private).await;
    }
    let mut mechanisms = vec![scram::MECHANISM.to_string()];
    if is_private && access.issuer().is_some() {
        mechanisms.push(tokens::MECHANISM.to_string());
    }
    let offered = Authentication::SASL(mechanisms.clone());
    wire.send(Outgoing::Authentication(offered))?;
    let mut message = Body(password(wire).await?);
    let chosen = message.text().map_err(Trouble::Fatal)?;
    if !mechanisms.contains(&chosen) {
        let text = format!("{chosen} is not offered; use {}", mechanisms.join(" or "));
        return Err(Trouble::Fatal(violation(text)));
    }
    let first = message.value().map_err(Trouble::Fatal)?.unwrap_or_default();
    if chosen == tokens::MECHANISM {
        return tokens::exchange(wire, postgres, user, &first).await;
    }
    let nonce = STANDARD.encode(random_bytes::<18>().map_err(Trouble::Fatal)?);
    let exchange = Exchange::begin(&first, verifier, &nonce).map_err(Trouble::Fatal)?;
    let challenge = Bytes::from(exchange.challenge.clone());
    wire.send(Outgoing::Authentication(Authentication::SASLContinue(
        challenge,
    )))?;
    let last = password(wire).await?;
    let signature = exchange.finish(&last).map_err(Trouble::Fatal)?;
    match (signature, access.identity(user)) {
        (Some(signature), Some(identity)) => {
            let signature = Authentication::SASLFinal(Bytes::from(signature));
            wire.send(Outgoing::Authentication(signature))?;
            Ok(identity)
        }
        _ => Err(Trouble::Fatal(Failure::with_state(
            SqlState::INVALID_PASSWORD,
            format!("password authentication failed for user \"{user}\""),
        ))),
    }
}

/// Waits for a message about the password.
///
/// # Errors
/// The client sends something else, or has gone.
pub(super) async fn password(wire: &mut Wire) -> Result<Bytes, Trouble> {
    wire.flush().await?;
    let (kind, body) = wire.receive().await?.ok_or(Trouble::Gone)?;
    match Incoming::read(kind, body).map_err(Trouble::Fatal)? {
        Incoming::Password(password) => Ok(password),
        Incoming::Terminate => Err(Trouble::Gone),
        _ => Err(Trouble::Fatal(violation("a password was expected"))),
    }
}

/// Tells a client that it is in, and what it should know.
///
/// # Errors
/// The connection broke.
pub(super) fn welcome(
    wire: &mut Wire,
    settings: &Settings,
    (number, secret): (i32, i32),
) -> Result<(), Trouble> {
    wire.send(Outgoing::Authentication(Authentication::Ok))?;
    for (name, value) in settings.reported() {
        wire.send(Outgoing::ParameterStatus(ParameterStatus::new(name, value)))?;
    }
    let key = BackendKeyData::new(number, SecretKey::I32(secret));
    wire.send(Outgoing::BackendKeyData(key))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn startup_messages_hold_settings() {
        let body = b"user\0ada\0database\0x\0options\0-c statement_timeout=5s --search-path=olci -x\0_pq_.new\0on\0\0";
        let startup = Startup::read(196_608, Body(Bytes::from_static(body))).unwrap();
        assert_eq!(startup.user, "ada");
        assert_eq!(startup.unknown, ["_pq_.new"]);
        let settings: Vec<_> = startup.settings.into_iter().collect();
        let expected = [("search_path", "olci"), ("statement_timeout", "5s")];
        assert_eq!(settings, expected.map(|(a, b)| (a.into(), b.into())));
    }

    #[test]
    fn strangers_are_refused() {
        for (version, body) in [
            (2 << 16, b"user\0a\0\0".as_slice()),
            (3 << 16, b"\0"),
            (3 << 16, b"user\0"),
            (3 << 16, b"user\0a\0"),
        ] {
            let read = Startup::read(version, Body(Bytes::from_static(body)));
            assert!(read.is_err(), "{version} {body:?}");
        }
    }
}
