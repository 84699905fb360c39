//! Who may come in: users with passwords, API keys and tokens, and the roles they have.
//!
//! ```text
//!  [users.ada], [roles.analyst], [oidc] ─▶ AccessSection ─▶ Access ◀─▶ the engine's Directory ◀─ CREATE USER, GRANT, …
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
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use graticule_engine::access::{Directory, Grant, OPERATOR, Privileges, User};
use graticule_engine::source::StoreConnector;

use crate::exit_code::ExitCode;
use crate::failure::{Failure, SqlState};
use keys::Hash;
pub(crate) use quota::Quota;
use quota::Quotas;
use scram::Strangers;
pub(crate) use scram::Verifier;
use section::AccessSection;
use tokens::{Bearer, Tokens};

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
    /// When it has to be proved anew; `None`: at no time.
    pub(crate) until: Option<Instant>,
}

impl Identity {
    fn new(user: User, quota: Quota, until: Option<Instant>) -> Arc<Self> {
        Arc::new(Self {
            name: user.name.clone(),
            user: Arc::new(user),
            quota,
            until,
        })
    }

    /// Is its time over?
    pub(crate) fn has_expired(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// May several people be behind it, who are to know nothing of each other?
    pub(crate) fn is_several(&self) -> bool {
        self.name == ANONYMOUS && !self.user.privileges.is_admin()
    }

    /// Somebody whom nobody knows by name.
    fn anonymous(grants: Vec<Grant>) -> Arc<Self> {
        let user = User {
            name: ANONYMOUS.to_string(),
            privileges: Privileges::new(grants),
            ..User::default()
        };
        Self::new(user, Quota::default(), None)
    }
}

/// Everybody who may come in.
#[derive(Debug, Default)]
pub(crate) struct Access {
    /// How users of the configuration file prove who they are.
    users: HashMap<String, Known>,
    keys: HashMap<Hash, String>,
    quotas: Quotas,
    tokens: Option<Tokens>,
    /// All users, and what they may do.
    directory: Arc<Directory>,
    /// Was there nobody when the server started? One that was closed does not open when its last user is dropped.
    began_open: AtomicBool,
    strangers: Strangers,
}

#[derive(Debug)]
struct Known {
    verifier: Option<Verifier>,
    may_log_in: bool,
}

impl Access {
    /// Puts it together. `directory` knows the users of `section`, and those that statements make. `connectors` read the
    /// keys of an issuer of tokens.
    pub(crate) fn new(
        section: &AccessSection,
        directory: Arc<Directory>,
        connectors: &[Arc<dyn StoreConnector>],
    ) -> Self {
        let mut access = Self {
            directory,
            quotas: Quotas::new(section),
            ..Self::default()
        };
        let mut verifiers = section
            .users
            .iter()
            .filter_map(|user| user.verifier.as_ref());
        access.strangers = Strangers::among(verifiers.next());
        for user in &section.users {
            let keys = user.keys.iter().map(|key| (*key, user.name.clone()));
            access.keys.extend(keys);
            let known = Known {
                verifier: user.verifier.clone(),
                may_log_in: user.may_log_in,
            };
            access.users.insert(user.name.clone(), known);
        }
        let oidc = section.oidc.as_ref();
        access.tokens = oidc.map(|oidc| Tokens::new(oidc, connectors));
        access.began_open = AtomicBool::new(access.has_nobody());
        access
    }

    /// The same in the place of `before`, while the server runs. Who would open it to everybody has to start it anew.
    pub(crate) fn instead_of(mut self, before: &Self) -> Self {
        self.began_open = AtomicBool::new(before.is_open());
        self
    }

    /// Is there no user? Then there is no one to ask who they are.
    pub(crate) fn is_open(&self) -> bool {
        let is_open = self.has_nobody();
        if !is_open {
            self.began_open.store(false, Ordering::Relaxed);
        }
        is_open && self.began_open.load(Ordering::Relaxed)
    }

    /// Is there a user of this name, who may come in or not?
    pub(crate) fn knows(&self, user: &str) -> bool {
        self.users.contains_key(user) || self.directory.has_user(user)
    }

    /// Whose tokens let in, where any do.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.tokens.as_ref().map(Tokens::issuer)
    }

    fn has_nobody(&self) -> bool {
        !self.directory.has_users() && self.tokens.is_none()
    }

    /// May somebody come in without saying who they are?
    pub(crate) fn has_anonymous(&self) -> bool {
        self.is_open() || self.identity(ANONYMOUS).is_some()
    }

    /// Who does not say who they are: who may do everything where access is open, what the user `anonymous` may do where
    /// there is one, and else nothing.
    pub(crate) fn anonymous(&self) -> Arc<Identity> {
        if self.is_open() {
            return Identity::anonymous(vec![Grant::Admin]);
        }
        let named = self.identity(ANONYMOUS);
        named.unwrap_or_else(|| Identity::anonymous(vec![]))
    }

    /// A user who may come in. Who asks has to make sure that it is this user.
    pub(crate) fn identity(&self, user: &str) -> Option<Arc<Identity>> {
        let known = self.users.get(user);
        let may_log_in = known.is_none_or(|known| known.may_log_in);
        let user = self.directory.user(user).filter(|_| may_log_in)?;
        Some(self.identified(user, None))
    }

    fn identified(&self, user: User, until: Option<Instant>) -> Arc<Identity> {
        let quota = self.quotas.of(&user, &self.directory);
        Identity::new(user, quota, until)
    }

    /// What a password is checked with, by SCRAM. Of users that are not there, or have no password, it is one that no
    /// password fits, always the same: who asks learns nothing.
    pub(crate) fn verifier(&self, user: &str) -> Option<Verifier> {
        if self.is_open() {
            return None;
        }
        let verifier = match self.users.get(user) {
            Some(known) => known.verifier.clone().filter(|_| known.may_log_in),
            None => {
                let made = self.directory.verifier(user);
                made.and_then(|verifier| Verifier::parse(verifier.text()))
            }
        };
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
        let user = self.keys.get(&keys::hash(token));
        if let Some(identity) = user.and_then(|user| self.identity(user)) {
            return Ok(identity);
        }
        let Some(tokens) = self.tokens.as_ref().filter(|_| token.contains('.')) else {
            return Err(refused("there is no such API key"));
        };
        let Bearer { name, roles, until } = tokens.check(token).map_err(|cause| refused(&cause))?;
        // Names in tokens may be of the user's choice.
        if name == OPERATOR {
            return Err(refused(
                "the token has the name of who runs the command line",
            ));
        }
        match self.directory.has_user(&name) {
            false => {
                let user = self.directory.user_with_roles(&name, roles);
                Ok(self.identified(user, until))
            }
            true => Err(refused("the token has the name of a user of this server")),
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
