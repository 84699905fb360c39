//! Roles: sets of privileges with a name, which may contain each other.

use std::collections::{BTreeMap, BTreeSet};

use graticule_engine::access::Grant;

use super::Quota;

/// A role of the configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Role {
    /// What who has it may do.
    pub(crate) grants: Vec<Grant>,
    /// The roles that it contains.
    pub(crate) roles: Vec<String>,
    /// What who has it may use.
    pub(crate) quota: Quota,
}

/// `roles` and those that they contain, each once. A role that contains itself gives what it gives.
pub(crate) fn all_of<'r>(all: &'r BTreeMap<String, Role>, roles: &'r [String]) -> Vec<&'r Role> {
    let mut waiting: Vec<&str> = roles.iter().map(String::as_str).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    while let Some(name) = waiting.pop() {
        if let Some(role) = all.get(name)
            && seen.insert(name)
        {
            found.push(role);
            waiting.extend(role.roles.iter().map(String::as_str));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_contain_roles_even_themselves() {
        let role = |grant: Grant, roles: &[&str]| Role {
            grants: vec![grant],
            roles: roles.iter().map(ToString::to_string).collect(),
            quota: Quota::default(),
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
        let of = |name: &str| -> Vec<Grant> {
            let roles = [name.to_string()];
            let found = all_of(&all, &roles).into_iter();
            found.flat_map(|role| role.grants.clone()).collect()
        };
        assert_eq!(of("reader"), [Grant::Files]);
        assert_eq!(of("writer"), [Grant::WriteFiles, Grant::Files]);
        assert_eq!(of("boss").len(), 3);
        assert_eq!(of("nobody"), []);
    }
}
