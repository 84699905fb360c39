//! The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677): the client proves that it knows the password, the server
//! that it knows the verifier, and neither tells the other what it knows.
//!
//! ```text
//!  client                                   server
//!    ── n,,n=,r=NONCE ─────────────────────▶  Exchange::begin
//!    ◀── r=NONCE+OURS,s=SALT,i=ITERATIONS ──  .challenge
//!    ── c=biws,r=NONCE+OURS,p=PROOF ───────▶  .finish
//!    ◀── v=SIGNATURE ───────────────────────
//! ```
//! There is no channel binding: who asks for it is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::hmac;

use super::messages::violation;
use crate::access::Verifier;
use crate::failure::Failure;

/// The only mechanism that is offered.
pub(super) const MECHANISM: &str = "SCRAM-SHA-256";

/// An exchange after the client's first message.
pub(super) struct Exchange {
    verifier: Verifier,
    /// What the client said about channel binding; it must say the same again.
    header: String,
    first: String,
    nonce: String,
    /// What the client is sent.
    pub(super) challenge: String,
}

impl Exchange {
    /// Reads the client's first message; `nonce` is the server's own.
    ///
    /// # Errors
    /// The message is none of SCRAM, or asks for what is not offered.
    pub(super) fn begin(message: &[u8], verifier: Verifier, nonce: &str) -> Result<Self, Failure> {
        let message = text(message)?;
        let mut parts = message.splitn(3, ',');
        let (binding, user, first) = (parts.next(), parts.next(), parts.next());
        let (Some(binding @ ("n" | "y")), Some(user), Some(first)) = (binding, user, first) else {
            return Err(malformed(
                "the first message, or it asks for channel binding",
            ));
        };
        let mut attributes = first.split(',');
        let has_name = attributes.next().is_some_and(|name| name.starts_with("n="));
        let of_client = attributes.next().and_then(|value| value.strip_prefix("r="));
        let (true, Some(of_client)) = (has_name && !of_client.unwrap_or("").is_empty(), of_client)
        else {
            return Err(malformed("the first message"));
        };
        let nonce = format!("{of_client}{nonce}");
        let salt = STANDARD.encode(&verifier.salt);
        Ok(Self {
            header: format!("{binding},{user},"),
            first: first.to_string(),
            challenge: format!("r={nonce},s={salt},i={}", verifier.iterations),
            nonce,
            verifier,
        })
    }

    /// Reads the client's last message: what proves to it that this is the server, or `None` where the client has not
    /// proved who it is.
    ///
    /// # Errors
    /// The message is none of SCRAM.
    pub(super) fn finish(&self, message: &[u8]) -> Result<Option<String>, Failure> {
        let message = text(message)?;
        let (without_proof, proof) = message
            .rsplit_once(",p=")
            .ok_or_else(|| malformed("the last message"))?;
        let mut attributes = without_proof.split(',');
        let binding = attributes.next().and_then(|value| value.strip_prefix("c="));
        let nonce = attributes.next().and_then(|value| value.strip_prefix("r="));
        if binding != Some(STANDARD.encode(&self.header).as_str()) || nonce != Some(&self.nonce) {
            return Err(malformed("the last message"));
        }
        let proof: [u8; 32] = STANDARD
            .decode(proof)
            .ok()
            .and_then(|proof| proof.try_into().ok())
            .ok_or_else(|| malformed("the proof"))?;
        let everything = format!("{},{},{without_proof}", self.first, self.challenge);
        let signature = hmac(&self.verifier.stored_key, everything.as_bytes());
        let client_key: Vec<u8> = proof
            .iter()
            .zip(signature.as_ref())
            .map(|(proof, signature)| proof ^ signature)
            .collect();
        let is_known = is_equal(
            digest(&SHA256, &client_key).as_ref(),
            &self.verifier.stored_key,
        );
        let own = hmac(&self.verifier.server_key, everything.as_bytes());
        Ok(is_known.then(|| format!("v={}", STANDARD.encode(own))))
    }
}

fn hmac(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

/// Compares in a time that does not depend on where the two differ.
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    let differences = left.iter().zip(right).map(|(left, right)| left ^ right);
    left.len() == right.len() && differences.fold(0, |all, difference| all | difference) == 0
}

fn text(message: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(message).map_err(|_| malformed("a message"))
}

fn malformed(what: &str) -> Failure {
    violation(format!("{what} is not one of {MECHANISM}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::num::NonZeroU32;

    use ring::pbkdf2;

    use super::*;

    /// The example of RFC 7677, section 3.
    const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
    const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const LAST: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn verifier(password: &str) -> Verifier {
        let salt = STANDARD.decode(SALT).unwrap();
        let mut salted = [0; 32];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            NonZeroU32::new(4096).unwrap(),
            &salt,
            password.as_bytes(),
            &mut salted,
        );
        let key = |name: &[u8]| <[u8; 32]>::try_from(hmac(&salted, name).as_ref()).unwrap();
        let stored = digest(&SHA256, &key(b"Client Key"));
        Verifier {
            iterations: 4096,
            salt,
            stored_key: stored.as_ref().try_into().unwrap(),
            server_key: key(b"Server Key"),
        }
    }

    #[test]
    fn the_example_of_the_standard() {
        let exchange = Exchange::begin(FIRST, verifier("pencil"), NONCE).unwrap();
        assert_eq!(
            exchange.challenge,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let signature = exchange.finish(LAST.as_bytes()).unwrap();
        assert_eq!(
            signature.as_deref(),
            Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
        );
    }

    #[test]
    fn others_are_refused() {
        let wrong = Exchange::begin(FIRST, verifier("pen"), NONCE).unwrap();
        assert_eq!(wrong.finish(LAST.as_bytes()), Ok(None));
        let right = Exchange::begin(FIRST, verifier("pencil"), NONCE).unwrap();
        for message in [
            "",
            "c=biws,r=other,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "c=eSws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzb",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzb",
        ] {
            assert!(right.finish(message.as_bytes()).is_err(), "{message}");
        }
        for message in [
            "p=tls-unique,,n=,r=a",
            "n,,n=,r=",
            "n,,r=a",
            "n",
            "x,,n=,r=a",
        ] {
            let begun = Exchange::begin(message.as_bytes(), verifier("pencil"), NONCE);
            assert!(begun.is_err(), "{message}");
        }
    }
}
