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

    /// May everybody come in?
    pub(crate) fn is_open(&self) -> bool {
        true
    }

    /// Who everybody is where nobody has to prove it.
    pub(crate) fn anonymous(&self) -> Arc<Identity> {
        let name = "anonymous".to_string();
        Arc::new(Identity { name })
    }

    /// Who has this key or token.
    pub(crate) fn bearer(&self, _token: &str) -> Result<Arc<Identity>, Failure> {
        Err(nobody())
    }

    /// Who has this name and password.
    pub(crate) fn password(&self, _user: &str, _password: &str) -> Result<Arc<Identity>, Failure> {
        Err(nobody())
    }
}

fn nobody() -> Failure {
    Failure::with_state(SqlState::INVALID_PASSWORD, "no users are configured")
}
