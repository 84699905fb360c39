//! What is kept in the place of a password: [`Verifier`], in PostgreSQL's form (RFC 5802, RFC 7677).
//!
//! ```text
//!  password ─ PBKDF2(salt, iterations) ─▶ salted ─┬─ HMAC "Client Key" ─ SHA-256 ─▶ stored key
//!                                                 └─ HMAC "Server Key" ───────────▶ server key
//!
//!  SCRAM-SHA-256$4096:SALT$STORED:SERVER      salt and keys in Base64
//! ```
//! Who reads it cannot log in with it, and has to try passwords one by one.

use std::fmt;
use std::num::NonZeroU32;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};

/// What PostgreSQL takes. RFC 7677 asks for no fewer.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);
/// More would let a typing error keep the server busy.
const MOST_ITERATIONS: u32 = 10_000_000;
const SALT_BYTES: usize = 16;
const PREFIX: &str = "SCRAM-SHA-256$";

/// What a password is checked with.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Verifier {
    /// How often the password is hashed.
    pub(crate) iterations: u32,
    /// What makes equal passwords differ.
    pub(crate) salt: Vec<u8>,
    /// What a client's proof is checked with.
    pub(crate) stored_key: [u8; 32],
    /// What the server proves itself with.
    pub(crate) server_key: [u8; 32],
}

impl Verifier {
    /// Reads what [`Verifier::text`] writes, or PostgreSQL.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (parameters, keys) = text.trim().strip_prefix(PREFIX)?.split_once('$')?;
        let (iterations, salt) = parameters.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let bytes = |text: &str| BASE64_STANDARD.decode(text).ok();
        let iterations = iterations.parse().ok();
        let salt = bytes(salt)?;
        Some(Self {
            iterations: iterations.filter(|count| (1..=MOST_ITERATIONS).contains(count))?,
            salt: Some(salt).filter(|salt| !salt.is_empty())?,
            stored_key: bytes(stored)?.try_into().ok()?,
            server_key: bytes(server)?.try_into().ok()?,
        })
    }

    /// The verifier of a new password. `None` where the system gives no random numbers.
    pub(crate) fn of(password: &str) -> Option<Self> {
        let mut salt = vec![0; SALT_BYTES];
        SystemRandom::new().fill(&mut salt).ok()?;
        Some(Self::with(password, salt, ITERATIONS))
    }

    fn with(password: &str, salt: Vec<u8>, iterations: NonZeroU32) -> Self {
        let mut salted = [0; digest::SHA256_OUTPUT_LEN];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(
            algorithm,
            iterations,
            &salt,
            password.as_bytes(),
            &mut salted,
        );
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
        let client_key = hmac::sign(&key, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref());
        let server_key = hmac::sign(&key, b"Server Key");
        Self {
            iterations: iterations.get(),
            salt,
            stored_key: sized(stored_key.as_ref()),
            server_key: sized(server_key.as_ref()),
        }
    }

    /// Is it the password? Takes as long whatever is wrong with it.
    pub(crate) fn fits(&self, password: &str) -> bool {
        let iterations = NonZeroU32::new(self.iterations).unwrap_or(NonZeroU32::MIN);
        let given = Self::with(password, self.salt.clone(), iterations);
        let pairs = std::iter::zip(given.stored_key, self.stored_key);
        let difference = pairs.fold(0, |difference, (one, other)| difference | (one ^ other));
        difference == 0
    }

    /// The form in which it is kept.
    pub(crate) fn text(&self) -> String {
        let text = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
        format!(
            "{PREFIX}{}:{}${}:{}",
            self.iterations,
            text(&self.salt),
            text(&self.stored_key),
            text(&self.server_key)
        )
    }
}

/// A verifier is no secret that lets anybody in, and no text for logs either.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

/// The verifiers of users who are not there: of a name always the same, as it is of users.
#[derive(Debug)]
pub(super) struct Strangers {
    secret: hmac::Key,
    iterations: u32,
}

impl Default for Strangers {
    fn default() -> Self {
        let mut secret = [0; digest::SHA256_OUTPUT_LEN];
        // Without random numbers who knows the program could tell strangers from users, and nothing more.
        let _ = SystemRandom::new().fill(&mut secret);
        Self {
            secret: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            iterations: ITERATIONS.get(),
        }
    }
}

impl Strangers {
    /// Those among users like this one: their passwords are hashed as often.
    pub(super) fn among(user: Option<&Verifier>) -> Self {
        let strangers = Self::default();
        Self {
            iterations: user.map_or(strangers.iterations, |user| user.iterations),
            ..strangers
        }
    }

    /// A verifier that no password is known for.
    pub(super) fn verifier(&self, name: &str) -> Verifier {
        let part = |what: &str| {
            sized(hmac::sign(&self.secret, format!("{what} {name}").as_bytes()).as_ref())
        };
        Verifier {
            iterations: self.iterations,
            salt: part("salt")[..SALT_BYTES].to_vec(),
            stored_key: part("stored"),
            server_key: part("server"),
        }
    }
}

fn sized(bytes: &[u8]) -> [u8; 32] {
    let mut sized = [0; 32];
    for (to, from) in sized.iter_mut().zip(bytes) {
        *to = *from;
    }
    sized
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The exchange in RFC 7677, section 3: the server's signature follows from its key.
    #[test]
    fn keys_are_those_of_the_standard() {
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::with("pencil", salt, ITERATIONS);
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let key = hmac::Key::new(hmac::HMAC_SHA256, &verifier.server_key);
        let signature = BASE64_STANDARD.encode(hmac::sign(&key, message.as_bytes()));
        assert_eq!(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        // The proof, undone with the signature of the client, is the client key.
        let stored = hmac::Key::new(hmac::HMAC_SHA256, &verifier.stored_key);
        let signature = hmac::sign(&stored, message.as_bytes());
        let proof = BASE64_STANDARD
            .decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
            .unwrap();
        let pairs = std::iter::zip(proof, signature.as_ref());
        let client_key: Vec<u8> = pairs.map(|(one, other)| one ^ other).collect();
        let hashed = digest::digest(&digest::SHA256, &client_key);
        assert_eq!(hashed.as_ref(), verifier.stored_key);
    }

    #[test]
    fn only_the_password_fits() {
        let verifier = Verifier::of("correct horse").unwrap();
        assert_eq!(Verifier::parse(&verifier.text()), Some(verifier.clone()));
        assert!(verifier.fits("correct horse"));
        for wrong in ["", "correct", "correct horse ", "Correct horse"] {
            assert!(!verifier.fits(wrong), "{wrong}");
        }
        assert_ne!(Verifier::of("correct horse"), Some(verifier));
    }

    #[test]
    fn what_is_no_verifier_is_refused() {
        for text in [
            "",
            "secret",
            "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy",
            "SCRAM-SHA-256$0:c2FsdA==$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=:YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=",
            "SCRAM-SHA-256$4096:$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=:YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=",
            "md5a3556571e93b0d20722ba62be61e8c2d",
        ] {
            assert_eq!(Verifier::parse(text), None, "{text}");
        }
    }

    #[test]
    fn strangers_have_verifiers_that_stay() {
        let strangers = Strangers::default();
        assert_eq!(strangers.verifier("eve"), strangers.verifier("eve"));
        assert_ne!(strangers.verifier("eve"), strangers.verifier("mallory"));
        assert_ne!(
            strangers.verifier("eve"),
            Strangers::default().verifier("eve")
        );
        let user = Verifier {
            iterations: 10_000,
            ..strangers.verifier("ada")
        };
        let strangers = Strangers::among(Some(&user));
        assert_eq!(strangers.verifier("eve").iterations, 10_000);
    }
}
