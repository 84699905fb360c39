//! Who may come in: users with passwords, API keys and tokens, and the roles they have.

mod verifier;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use verifier::Verifier;

/// Somebody who has proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user's name.
    pub(crate) name: String,
}

/// Everybody who may come in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    users: BTreeMap<String, User>,
}

#[derive(Debug, PartialEq, Eq)]
struct User {
    identity: Arc<Identity>,
    verifier: Verifier,
}

impl Access {
    /// Lets a user in who knows the password.
    pub(crate) fn add_user(&mut self, name: &str, verifier: Verifier) {
        let identity = Arc::new(Identity {
            name: name.to_string(),
        });
        self.users
            .insert(name.to_string(), User { identity, verifier });
    }

    /// May everybody come in?
    pub(crate) fn is_open(&self) -> bool {
        self.users.is_empty()
    }

    /// What proves that somebody is this user.
    pub(crate) fn verifier(&self, user: &str) -> Option<Verifier> {
        self.users.get(user).map(|user| user.verifier.clone())
    }

    /// The user of this name.
    pub(crate) fn identity(&self, user: &str) -> Option<Arc<Identity>> {
        self.users.get(user).map(|user| Arc::clone(&user.identity))
    }

    /// Who comes in where everybody may.
    pub(crate) fn anonymous(&self) -> Arc<Identity> {
        Arc::new(Identity {
            name: "anonymous".to_string(),
        })
    }

    /// What the operator should know when the server starts.
    pub(crate) fn warning(&self, _is_loopback: bool) -> Option<String> {
        self.is_open().then(|| {
            "no users are configured: everybody on this machine may read and write everything"
                .to_string()
        })
    }
}
