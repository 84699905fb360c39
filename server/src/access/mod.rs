//! Who may come in: users with passwords, API keys and tokens, and the roles they have.
//!
//! ```text
//!  [users.ada], [roles.analyst], [oidc] ─▶ AccessSection ─▶ Access
//!                                                             │ password, verifier (SCRAM)
//!  a door, with what its client says ────────────────────────▶│ bearer: an API key, or a JWT
//!                                                             ▼
//!                                                     Identity: a name, and the engine's User
//! ```
//! Passwords and keys are never kept: [`Verifier`]s and hashes are. What fails says the same, and takes as long, whether
//! there is such a user or not.

pub(crate) mod commands;
mod key_set;
mod keys;
mod quota;
pub(crate) mod roles;
mod scram;
pub(crate) mod section;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::HashMap;
use std::sync::Arc;

use graticule_engine::access::{Grant, Privileges, User};
use graticule_engine::source::StoreConnector;

use crate::exit_code::ExitCode;
use crate::failure::{Failure, SqlState};
use keys::Hash;
pub(crate) use quota::Quota;
use scram::Strangers;
pub(crate) use scram::Verifier;
use section::AccessSection;
use tokens::Tokens;

/// The user that stands for everybody who does not say who they are.
pub(crate) const ANONYMOUS: &str = "anonymous";

/// Somebody who has proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user's name.
    pub(crate) name: String,
    /// What the user may do.
    pub(crate) user: Arc<User>,
    /// What the user may use.
    pub(crate) quota: Quota,
}

impl Identity {
    fn new(name: &str, privileges: Privileges, quota: Quota) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_string(),
            user: Arc::new(User {
                name: name.to_string(),
                privileges,
            }),
            quota,
        })
    }
}

/// Everybody who may come in.
#[derive(Debug, Default)]
pub(crate) struct Access {
    users: HashMap<String, Known>,
    keys: HashMap<Hash, Arc<Identity>>,
    tokens: Option<Tokens>,
    strangers: Strangers,
}

#[derive(Debug)]
struct Known {
    identity: Arc<Identity>,
    verifier: Option<Verifier>,
    may_log_in: bool,
}

impl Access {
    /// Puts it together. `connectors` read the keys of an issuer of tokens.
    pub(crate) fn new(section: &AccessSection, connectors: &[Arc<dyn StoreConnector>]) -> Self {
        let mut access = Self::default();
        for user in &section.users {
            let privileges = Privileges::new(section.grants(&user.roles));
            let quota = user.quota.or_larger(section.quota(&user.roles));
            let identity = Identity::new(&user.name, privileges, quota);
            if user.may_log_in {
                let keys = user.keys.iter().map(|key| (*key, Arc::clone(&identity)));
                access.keys.extend(keys);
            }
            let known = Known {
                identity,
                verifier: user.verifier.clone(),
                may_log_in: user.may_log_in,
            };
            access.users.insert(user.name.clone(), known);
        }
        let oidc = section.oidc.as_ref();
        access.tokens = oidc.map(|oidc| Tokens::new(oidc, section, connectors));
        access
    }

    /// Is nobody configured? Then there is no one to ask who they are.
    pub(crate) fn is_open(&self) -> bool {
        self.users.is_empty() && self.tokens.is_none()
    }

    /// May somebody come in without saying who they are?
    pub(crate) fn has_anonymous(&self) -> bool {
        let named = self.users.get(ANONYMOUS);
        self.is_open() || named.is_some_and(|known| known.may_log_in)
    }

    /// Who does not say who they are: who may do everything where access is open, what `[users.anonymous]` may do where
    /// there is such a section, and else nothing.
    pub(crate) fn anonymous(&self) -> Arc<Identity> {
        if self.is_open() {
            let everything = Privileges::new(vec![Grant::Admin]);
            return Identity::new(ANONYMOUS, everything, Quota::default());
        }
        let named = self.users.get(ANONYMOUS).filter(|known| known.may_log_in);
        match named {
            Some(known) => Arc::clone(&known.identity),
            None => Identity::new(ANONYMOUS, Privileges::default(), Quota::default()),
        }
    }

    /// A user who may come in. Who asks has to make sure that it is this user.
    pub(crate) fn identity(&self, user: &str) -> Option<Arc<Identity>> {
        let known = self.users.get(user).filter(|known| known.may_log_in)?;
        Some(Arc::clone(&known.identity))
    }

    /// What a password is checked with, by SCRAM. Of users that are not there, or have no password, it is one that no
    /// password fits, always the same: who asks learns nothing.
    pub(crate) fn verifier(&self, user: &str) -> Option<Verifier> {
        if self.is_open() {
            return None;
        }
        let known = self.users.get(user).filter(|known| known.may_log_in);
        let verifier = known.and_then(|known| known.verifier.clone());
        Some(verifier.unwrap_or_else(|| self.strangers.verifier(user)))
    }

    /// Checks a password that a client has sent.
    ///
    /// # Errors
    /// There is no such user, or the password is another one.
    pub(crate) fn password(&self, user: &str, password: &str) -> Result<Arc<Identity>, Failure> {
        let fits = self
            .verifier(user)
            .is_some_and(|verifier| verifier.fits(password));
        match (fits, self.identity(user)) {
            (true, Some(identity)) => Ok(identity),
            _ => Err(refused(&format!(
                "the password of the user \"{user}\" is not right, or there is no such user"
            ))),
        }
    }

    /// Checks what stands after `Authorization: Bearer`: an API key, or a token of the issuer in `[oidc]`. Reading new
    /// keys of the issuer may take seconds, at most once a minute.
    ///
    /// # Errors
    /// It is neither, or it has expired.
    pub(crate) fn bearer(&self, token: &str) -> Result<Arc<Identity>, Failure> {
        if let Some(identity) = self.keys.get(&keys::hash(token)) {
            return Ok(Arc::clone(identity));
        }
        let Some(tokens) = self.tokens.as_ref().filter(|_| token.contains('.')) else {
            return Err(refused("there is no such API key"));
        };
        let claimed = tokens.check(token).map_err(|cause| refused(&cause))?;
        // Names in tokens may be of the user's choice.
        match self.users.contains_key(&claimed.name) {
            false => Ok(claimed),
            true => Err(refused(
                "the token has the name of a user in the configuration file",
            )),
        }
    }

    /// May the server open its doors?
    ///
    /// # Errors
    /// Everybody could come in from elsewhere, and nobody has said that this is meant.
    pub(crate) fn check(&self, is_loopback: bool, is_meant_open: bool) -> Result<(), Failure> {
        match self.is_open() && !is_loopback && !is_meant_open {
            false => Ok(()),
            true => Err(Failure::new(
                ExitCode::Configuration,
                "no users are configured, and a door is open to other machines: everybody could read and write \
                 everything; configure [users.NAME], listen at 127.0.0.1, or say open = true in [server]",
            )),
        }
    }

    /// What the operator should know when the server starts.
    pub(crate) fn warning(&self, is_loopback: bool) -> Option<String> {
        let everybody = match is_loopback {
            true => "everybody on this machine",
            false => "everybody",
        };
        self.is_open()
            .then(|| format!("no users are configured: {everybody} may read and write everything"))
    }
}

/// Why somebody is not let in.
fn refused(cause: &str) -> Failure {
    let mut failure = Failure::with_state(SqlState::INVALID_PASSWORD, cause);
    failure.code = ExitCode::Denied;
    failure
}
