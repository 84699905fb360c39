//! Bytes that nobody can guess: tokens, nonces, names of what only one client may touch.

use ring::rand::{SecureRandom, SystemRandom};

use crate::failure::{Failure, SqlState};

/// `N` of them.
///
/// # Errors
/// The operating system gives none.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(Failure::with_state(
            SqlState::INTERNAL_ERROR,
            "the operating system gives no random numbers; try again",
        )),
    }
}
