//! What is kept in the place of a password: [`PasswordVerifier`]. Doors check with it, the engine only keeps it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{CubeError, CubeResult};

const PREFIX: &str = "SCRAM-SHA-256$";
/// More would let a typing error keep the server busy.
const MOST_ITERATIONS: u32 = 10_000_000;
const KEY_BYTES: usize = 32;

/// A verifier in PostgreSQL's form: `SCRAM-SHA-256$iterations:salt$stored key:server key`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordVerifier(String);

impl PasswordVerifier {
    /// Takes a verifier, and nothing that could be a password.
    ///
    /// # Errors
    /// It is none. The error does not show it.
    pub fn parse(text: &str) -> CubeResult<Self> {
        match has_form(text) {
            Some(()) => Ok(Self(text.to_string())),
            None => Err(CubeError::invalid(
                "",
                "a password stands here as SCRAM-SHA-256$…, never itself",
            )
            .remedy("`graticule password` prints that")),
        }
    }

    /// The form in which it is kept.
    pub fn text(&self) -> &str {
        &self.0
    }
}

fn has_form(text: &str) -> Option<()> {
    let (parameters, keys) = text.strip_prefix(PREFIX)?.split_once('$')?;
    let (iterations, salt) = parameters.split_once(':')?;
    let (stored, server) = keys.split_once(':')?;
    let iterations: u32 = iterations.parse().ok()?;
    let bytes = |text: &str| STANDARD.decode(text).ok().map(|bytes| bytes.len());
    let is_verifier = (1..=MOST_ITERATIONS).contains(&iterations)
        && bytes(salt)? > 0
        && bytes(stored)? == KEY_BYTES
        && bytes(server)? == KEY_BYTES;
    is_verifier.then_some(())
}

/// A verifier is no secret that lets anybody in, and no text for logs either.
impl fmt::Debug for PasswordVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordVerifier").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That of the password `pencil`, from PostgreSQL.
    const PENCIL: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    #[test]
    fn passwords_are_no_verifiers() {
        assert!(PasswordVerifier::parse(PENCIL).is_ok());
        for wrong in [
            "",
            "pencil",
            "SCRAM-SHA-256$pencil",
            &PENCIL.replace("4096", "0"),
            &PENCIL.replace("4096", "4000000000"),
            &PENCIL[..PENCIL.len() - 4],
        ] {
            let error = PasswordVerifier::parse(wrong).map_err(|error| error.to_string());
            assert!(
                error.is_err_and(|error| !error.contains("pencil")),
                "{wrong}"
            );
        }
    }
}
