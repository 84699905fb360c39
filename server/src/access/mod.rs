//! Who may come in: users with passwords, API keys and tokens, and the roles they have.

use std::sync::Arc;

use crate::failure::{Failure, SqlState};

/// Somebody who has proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user's name.
    pub(crate) name: String,
}

/// Everybody who may come in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {}

impl Access {
    /// What the operator should know when the server starts.
    pub(crate) fn warning(&self, _is_loopback: bool) -> Option<String> {
        Some(
            "no users are configured: everybody on this machine may read and write everything"
                .to_string(),
        )
    }

    /// May everybody come in, because no users are configured?
    pub(crate) fn is_open(&self) -> bool {
        true
    }

    /// Who everybody is where no users are configured.
    pub(crate) fn anonymous(&self) -> Arc<Identity> {
        Arc::new(Identity {
            name: "anonymous".to_string(),
        })
    }

    /// The owner of an API key or a token.
    ///
    /// # Errors
    /// Nobody has it.
    pub(crate) fn bearer(&self, _token: &str) -> Result<Arc<Identity>, Failure> {
        Err(unknown("nobody has this key"))
    }

    /// A user with their password.
    ///
    /// # Errors
    /// There is no such user, or the password is another one.
    pub(crate) fn password(&self, _user: &str, _password: &str) -> Result<Arc<Identity>, Failure> {
        Err(unknown("there is no user with this name and password"))
    }
}

fn unknown(cause: &str) -> Failure {
    Failure::with_state(SqlState::INVALID_PASSWORD, cause)
}
