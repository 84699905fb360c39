//! What one user may use: [`Quota`], said in the user's section and in those of the roles. The largest one counts.
//! [`Quotas`] finds it.

use std::collections::HashMap;
use std::time::Duration;

use graticule_engine::Limits;
use graticule_engine::access::{Directory, User};

use super::section::AccessSection;

/// What one user may use, as far as it is limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Quota {
    /// Memory of all queries together, in bytes.
    pub(crate) memory: Option<u64>,
    /// What one query may decode, in bytes.
    pub(crate) scan: Option<u64>,
    /// Queries that run at a time.
    pub(crate) queries: Option<usize>,
    /// How long a statement may take.
    pub(crate) statement_timeout: Option<Duration>,
    /// Statements per minute.
    pub(crate) rate: Option<u32>,
}

impl Quota {
    /// Of each the larger one; what only one of them says is as it says.
    #[must_use]
    pub(crate) fn or_larger(self, other: Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            scan: self.scan.max(other.scan),
            queries: self.queries.max(other.queries),
            statement_timeout: self.statement_timeout.max(other.statement_timeout),
            rate: self.rate.max(other.rate),
        }
    }

    /// What the engine watches over.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            memory: self
                .memory
                .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            scan_bytes: self.scan,
        }
    }
}

/// What the configuration file says of users and roles.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    users: HashMap<String, Quota>,
    roles: HashMap<String, Quota>,
}

impl Quotas {
    pub(super) fn new(section: &AccessSection) -> Self {
        let users = section.users.iter();
        let roles = section.roles.iter();
        Self {
            users: users.map(|user| (user.name.clone(), user.quota)).collect(),
            roles: roles
                .map(|(name, role)| (name.clone(), role.quota))
                .collect(),
        }
    }

    /// What a user may use, with all the roles that the directory knows of them.
    pub(super) fn of(&self, user: &User, directory: &Directory) -> Quota {
        let own = self.users.get(&user.name).copied().unwrap_or_default();
        let roles = directory.roles(user);
        let roles = roles.iter().filter_map(|role| self.roles.get(role));
        roles.fold(own, |quota, role| quota.or_larger(*role))
    }
}
