//! API keys: random texts that a program shows in the place of a password. Only their hashes are kept.
//!
//! ```text
//!  graticule_0Zk…   what the program has         sha256:9f86d0…   what the configuration file has
//! ```
//! They are as long as the hash, so nobody finds one by trying; a slow hash, as for passwords, would gain nothing.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

/// The SHA-256 of a key.
pub(crate) type Hash = [u8; 32];

/// By this one sees what a text is that is found where it should not be.
const PREFIX: &str = "graticule_";
const HASH_PREFIX: &str = "sha256:";

/// The hash of a key.
pub(crate) fn hash(key: &str) -> Hash {
    let mut hash = Hash::default();
    let digest = digest::digest(&digest::SHA256, key.as_bytes());
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// A new key. `None` where the system gives no random numbers.
pub(crate) fn new_key() -> Option<String> {
    let mut random = [0; 32];
    SystemRandom::new().fill(&mut random).ok()?;
    Some(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(random)))
}

/// A hash as it is kept.
pub(crate) fn hash_text(hash: &Hash) -> String {
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{HASH_PREFIX}{digits}")
}

/// Reads what [`hash_text`] writes.
pub(crate) fn parse_hash(text: &str) -> Option<Hash> {
    let digits = text.trim().strip_prefix(HASH_PREFIX)?;
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    let mut hash = Hash::default();
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn hashes_are_those_of_sha_256() {
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash_text(&hash("abc")), text);
        assert_eq!(parse_hash(text), Some(hash("abc")));
        for wrong in [
            "",
            "sha256:",
            "sha256:ba78",
            &text[7..],
            &text.replace('b', "x"),
        ] {
            assert_eq!(parse_hash(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn no_key_comes_twice() {
        let (one, other) = (new_key().unwrap(), new_key().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), PREFIX.len() + 43);
    }
}
