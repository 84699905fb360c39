//! Who may come in: users with passwords, API keys and tokens, and the roles they have.

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
}
