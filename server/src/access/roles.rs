//! Roles of the configuration file: sets of privileges with a name, which may contain each other.

use graticule_engine::access::Grant;

use super::Quota;

/// A role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Role {
    /// What who has it may do.
    pub(crate) grants: Vec<Grant>,
    /// The roles that it contains.
    pub(crate) roles: Vec<String>,
    /// What who has it may use.
    pub(crate) quota: Quota,
}
