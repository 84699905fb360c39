//! The public keys of an issuer of tokens, a JSON Web Key Set (RFC 7517): [`KeySet`].
//!
//! ```text
//!  find(kid) ─ known, and read in the last ten minutes ──▶ Key
//!       ├───── known, and older ────────────────── read ─▶ Key, or why not; others go on with the old keys
//!       └───── unknown, and not read for a minute ─ read ─▶ Key, or why not
//! ```
//! Issuers change their keys: an unknown one is a reason to read them again, but not for everybody who invents a name;
//! and one that they take back is forgotten. While an issuer cannot be reached, the keys that it had are good.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use datafusion::object_store::ObjectStoreExt;
use graticule_engine::source::{Options, StoreConnector};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use super::section::KeysAt;

/// Keys are read again after this time at the earliest.
const BETWEEN_READINGS: Duration = Duration::from_secs(60);
/// The same as long as reading has always failed: nobody can come in.
const BETWEEN_TRIALS: Duration = Duration::from_secs(5);
/// Keys that are older are read again.
const LONGEST_AGE: Duration = Duration::from_secs(600);
/// How long reading may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// No set of keys is larger.
const LARGEST_SET: u64 = 1 << 20;

/// A key and the one algorithm that it is for.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) key: Arc<DecodingKey>,
}

/// The keys by their names.
pub(super) struct KeySet {
    place: KeysAt,
    connectors: Vec<Arc<dyn StoreConnector>>,
    keys: Mutex<Keys>,
    /// When they were asked for last. Who holds it asks.
    asked: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Keys {
    by_name: HashMap<String, Key>,
    /// When they were read; `None`: never.
    read: Option<Instant>,
}

impl Keys {
    fn are_old(&self) -> bool {
        self.read.is_some_and(|read| read.elapsed() >= LONGEST_AGE)
    }
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySet")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl KeySet {
    /// Reads nothing yet. One of `connectors` reads what is at an address.
    pub(super) fn new(place: KeysAt, connectors: &[Arc<dyn StoreConnector>]) -> Self {
        Self {
            place,
            connectors: connectors.to_vec(),
            keys: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// The key of this name. May wait for the issuer.
    ///
    /// # Errors
    /// There is none, or keys cannot be read.
    pub(super) fn find(&self, kid: &str) -> Result<Key, String> {
        if let Some(key) = self.known(kid) {
            if !lock(&self.keys).are_old() {
                return Ok(key);
            }
            // One reads them again, who must not let in somebody whose key was taken back; the others do not wait.
            let Ok(mut asked) = self.asked.try_lock() else {
                return Ok(key);
            };
            if self.read_again(&mut asked).is_err() {
                return Ok(key);
            }
        } else {
            // Who asks meanwhile waits for what this one reads.
            let mut asked = lock(&self.asked);
            if let Some(key) = self.known(kid) {
                return Ok(key);
            }
            self.read_again(&mut asked)?;
        }
        let unknown = || "the token is signed with a key that its issuer does not name".to_string();
        self.known(kid).ok_or_else(unknown)
    }

    /// Reads the keys, unless they were asked for a moment ago.
    fn read_again(&self, asked: &mut Option<Instant>) -> Result<(), String> {
        let was_read = lock(&self.keys).read.is_some();
        let pause = match was_read {
            true => BETWEEN_READINGS,
            false => BETWEEN_TRIALS,
        };
        let unreadable = "the keys of the issuer of tokens cannot be read";
        if asked.is_some_and(|asked| asked.elapsed() < pause) {
            return match was_read {
                true => Ok(()),
                false => Err(unreadable.to_string()),
            };
        }
        let text = self.text();
        *asked = Some(Instant::now());
        let by_name = text.as_deref().and_then(parse).ok_or(unreadable)?;
        *lock(&self.keys) = Keys {
            by_name,
            read: *asked,
        };
        Ok(())
    }

    fn known(&self, kid: &str) -> Option<Key> {
        lock(&self.keys).by_name.get(kid).cloned()
    }

    fn text(&self) -> Option<String> {
        match &self.place {
            KeysAt::File(path) => fs::read_to_string(path).ok(),
            KeysAt::Url(url) => self.download(url),
        }
    }

    /// Reads an address through the connector for its kind, with its limits and retries, on a thread of its own: who asks
    /// may be in the middle of an asynchronous task.
    fn download(&self, url: &str) -> Option<String> {
        let scheme = url.split_once("://")?.0;
        let mut connectors = self.connectors.iter();
        let connector = connectors.find(|connector| connector.schemes().contains(&scheme))?;
        let place = connector.connect(url, &Options::new()).ok()?;
        let (send, receive) = mpsc::channel();
        let work = async move {
            let found = place.store.get(&place.path).await.ok()?;
            let is_small = found.meta.size <= LARGEST_SET;
            let bytes = found.bytes().await.ok().filter(|_| is_small)?;
            String::from_utf8(bytes.to_vec()).ok()
        };
        let reader = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let text = runtime.ok().and_then(|runtime| runtime.block_on(work));
            // Nobody waits any more: the next token asks again.
            let _ = send.send(text);
        };
        std::thread::Builder::new().spawn(reader).ok()?;
        receive.recv_timeout(PATIENCE).ok()?
    }
}

/// A mutex whose holder panicked still holds plain data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The keys in a document that are for signatures and whose algorithm is known. Others are passed over.
fn parse(text: &str) -> Option<HashMap<String, Key>> {
    let document: Value = serde_json::from_str(text).ok()?;
    let keys = document.get("keys")?.as_array()?.iter().filter_map(|key| {
        let key: Jwk = serde_json::from_value(key.clone()).ok()?;
        let name = key.common.key_id.clone()?;
        Some((name, usable(&key)?))
    });
    Some(keys.collect())
}

fn usable(key: &Jwk) -> Option<Key> {
    let is_for_signatures = matches!(
        key.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    );
    let stated = key.common.key_algorithm;
    let algorithm = match (&key.algorithm, stated) {
        (AlgorithmParameters::RSA(_), None | Some(KeyAlgorithm::RS256)) => Algorithm::RS256,
        (AlgorithmParameters::EllipticCurve(curve), None | Some(KeyAlgorithm::ES256))
            if curve.curve == EllipticCurve::P256 =>
        {
            Algorithm::ES256
        }
        (AlgorithmParameters::OctetKeyPair(curve), None | Some(KeyAlgorithm::EdDSA))
            if curve.curve == EllipticCurve::Ed25519 =>
        {
            Algorithm::EdDSA
        }
        _ => return None,
    };
    let decoding = DecodingKey::from_jwk(key)
        .ok()
        .filter(|_| is_for_signatures)?;
    Some(Key {
        algorithm,
        key: Arc::new(decoding),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const OLD: &str = r#"{"keys": [{"kty": "OKP", "kid": "old", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    #[test]
    fn old_keys_are_read_again_and_stay_while_the_issuer_is_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let keys = KeySet::new(KeysAt::File(path.clone()), &[]);
        let cause = |found: Result<Key, String>| found.err().unwrap_or_default();
        assert!(keys.find("old").is_err());
        // The second trial has to wait, and says the same.
        fs::write(&path, OLD).unwrap();
        assert!(cause(keys.find("old")).contains("cannot be read"));
        let long_ago = |age: Duration| Instant::now().checked_sub(age);
        *lock(&keys.asked) = long_ago(BETWEEN_TRIALS);
        assert!(keys.find("old").is_ok());
        let grow_old = || {
            lock(&keys.keys).read = long_ago(LONGEST_AGE);
            *lock(&keys.asked) = long_ago(LONGEST_AGE);
        };
        grow_old();
        fs::remove_file(&path).unwrap();
        assert!(keys.find("old").is_ok());
        grow_old();
        fs::write(&path, r#"{"keys": []}"#).unwrap();
        assert!(cause(keys.find("old")).contains("does not name"));
    }
}
