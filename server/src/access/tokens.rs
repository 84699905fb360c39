//! Tokens of an issuer, JSON Web Tokens (RFC 7519): [`Tokens`].
//!
//! ```text
//!  header.claims.signature ── kid ──▶ KeySet ──▶ the key, which says the algorithm
//!        └─ exp, nbf, iss, aud, signature checked ─▶ user_claim, roles_claim ─▶ name, roles
//! ```
//! The algorithm is the key's, never the token's: a token that claims another one, or none, is refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use graticule_engine::source::StoreConnector;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::key_set::KeySet;
use super::section::OidcSection;

/// Checks tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    issuer: String,
    audience: String,
    user_claim: String,
    roles_claim: String,
    /// Our roles by what the issuer calls them.
    roles: BTreeMap<String, String>,
    /// By how much clocks may differ.
    leeway: Duration,
    keys: KeySet,
}

/// Who shows a token.
pub(super) struct Bearer {
    pub(super) name: String,
    /// Our roles.
    pub(super) roles: Vec<String>,
    /// When the token is of no use any more; `None`: in the far future.
    pub(super) until: Option<Instant>,
}

impl Tokens {
    /// Reads nothing yet.
    pub(super) fn new(oidc: &OidcSection, connectors: &[Arc<dyn StoreConnector>]) -> Self {
        Self {
            issuer: oidc.issuer.clone(),
            audience: oidc.audience.clone(),
            user_claim: oidc.user_claim.clone(),
            roles_claim: oidc.roles_claim.clone(),
            roles: oidc.roles.clone(),
            leeway: oidc.leeway,
            keys: KeySet::new(oidc.keys.clone(), connectors),
        }
    }

    /// Who has to have issued a token.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Who shows the token.
    ///
    /// # Errors
    /// Why it is not accepted; nothing of its content is said.
    pub(super) fn check(&self, token: &str) -> Result<Bearer, String> {
        let header = decode_header(token).map_err(|_| "this is no token".to_string())?;
        let Some(kid) = header.kid else {
            return Err("the token does not name its key: kid is missing".to_string());
        };
        let key = self.keys.find(&kid)?;
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = self.leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let token = decode::<Map<String, Value>>(token, &key.key, &validation);
        let claims = token.map_err(|error| cause_of(&error))?.claims;
        let name = claims.get(&self.user_claim).and_then(Value::as_str);
        let name = name.filter(|name| !name.is_empty()).ok_or_else(|| {
            format!(
                "the token does not name its user: it has no text {}",
                self.user_claim
            )
        })?;
        let roles = self.roles_in(&claims);
        let roles = roles.filter_map(|role| self.roles.get(role)).cloned();
        Ok(Bearer {
            name: name.to_string(),
            roles: roles.collect(),
            until: self.end_of(&claims),
        })
    }

    /// When the token with these claims is accepted no more.
    fn end_of(&self, claims: &Map<String, Value>) -> Option<Instant> {
        let expires = claims.get("exp").and_then(Value::as_f64)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let left = expires + self.leeway.as_secs_f64() - now.as_secs_f64();
        let left = Duration::try_from_secs_f64(left.max(0.0)).ok()?;
        Instant::now().checked_add(left)
    }

    /// The texts of the claim, which is one or a list of them.
    fn roles_in<'c>(&self, claims: &'c Map<String, Value>) -> impl Iterator<Item = &'c str> {
        let mut path = self.roles_claim.split('.');
        let first = path.next().and_then(|name| claims.get(name));
        // A name with dots may be meant as it is, as URLs are.
        let whole = claims.get(&self.roles_claim);
        let found = whole.or_else(|| path.try_fold(first?, |value, name| value.get(name)));
        let list = match found {
            Some(Value::Array(list)) => list.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        list.iter().filter_map(Value::as_str)
    }
}

fn cause_of(error: &Error) -> String {
    match error.kind() {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidIssuer => "the token is of another issuer",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks one of exp, iss and aud",
        ErrorKind::InvalidAlgorithm => "the token is signed in another way than its key says",
        _ => "the token is not signed by its issuer",
    }
    .to_string()
}
