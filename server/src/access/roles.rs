//! Roles: sets of privileges with a name, which may contain each other.

use std::collections::{BTreeMap, BTreeSet};

use graticule_engine::access::Grant;

/// A role of the configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Role {
    /// What who has it may do.
    pub(crate) grants: Vec<Grant>,
    /// The roles that it contains.
    pub(crate) roles: Vec<String>,
}

/// What `roles` and those that they contain give together. A role that contains itself gives what it gives.
pub(crate) fn grants_of(all: &BTreeMap<String, Role>, roles: &[String]) -> Vec<Grant> {
    let mut waiting: Vec<&str> = roles.iter().map(String::as_str).collect();
    let mut seen = BTreeSet::new();
    let mut grants = Vec::new();
    while let Some(name) = waiting.pop() {
        if let Some(role) = all.get(name)
            && seen.insert(name)
        {
            grants.extend(role.grants.iter().cloned());
            waiting.extend(role.roles.iter().map(String::as_str));
        }
    }
    grants
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_contain_roles_even_themselves() {
        let role = |grant: Grant, roles: &[&str]| Role {
            grants: vec![grant],
            roles: roles.iter().map(ToString::to_string).collect(),
        };
        let all = BTreeMap::from([
            ("reader".to_string(), role(Grant::Files, &[])),
            (
                "writer".to_string(),
                role(Grant::WriteFiles, &["reader", "writer"]),
            ),
            (
                "boss".to_string(),
                role(Grant::Admin, &["writer", "nobody"]),
            ),
        ]);
        let of = |name: &str| grants_of(&all, &[name.to_string()]);
        assert_eq!(of("reader"), [Grant::Files]);
        assert_eq!(of("writer"), [Grant::WriteFiles, Grant::Files]);
        assert_eq!(of("boss").len(), 3);
        assert_eq!(of("nobody"), []);
    }
}
