//! Roles and users, and what each has been given: [`Roster`], which [`Change`]s change.
//!
//! ```text
//!  configuration file ─▶ describe_role, describe_user ─▶ fixed ─┐
//!                                                               ├─▶ Roster ─▶ grants: what roles and theirs give
//!  SQL, or the file of statements ─▶ Change ─▶ apply ─▶ given ──┘
//! ```
//! Roles and users that statements make have one space of names, so that `TO name` says who is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::grant::Grant;
use super::verifier::PasswordVerifier;
use super::{OPERATOR, User};
use crate::error::{CubeError, CubeResult};
use crate::sql::names::quoted;

/// What a statement changes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// `CREATE ROLE name`
    CreateRole { name: String },
    /// `CREATE USER name [WITH PASSWORD 'verifier']`
    CreateUser {
        name: String,
        verifier: Option<PasswordVerifier>,
    },
    /// `ALTER USER name PASSWORD 'verifier'`
    AlterUser {
        name: String,
        verifier: PasswordVerifier,
    },
    /// `DROP ROLE [IF EXISTS] name`, `DROP USER`
    Drop { holder: Holder, if_exists: bool },
    /// `GRANT …, … TO name, …`
    Grant { given: Vec<Given>, to: Vec<String> },
    /// `REVOKE …, … FROM name, …`
    Revoke {
        given: Vec<Given>,
        from: Vec<String>,
    },
}

/// What a role or a user is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    /// A privilege.
    Privilege(Grant),
    /// All that a role has.
    Role(String),
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Privilege(grant) => write!(f, "{grant}"),
            // Quotes tell a role from a privilege.
            Self::Role(name) if Grant::begins_with(name) => write!(f, "\"{name}\""),
            Self::Role(name) => f.write_str(&quoted(name)),
        }
    }
}

/// Who has something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holder {
    /// A set of privileges.
    Role(String),
    /// Somebody.
    User(String),
}

impl Holder {
    /// `role` or `user`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Role(_) => "role",
            Self::User(_) => "user",
        }
    }

    /// The name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Role(name) | Self::User(name) => name,
        }
    }
}

/// For people: `role analyst`.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), quoted(self.name()))
    }
}

/// Something that is given, as lists show it.
#[derive(Debug, Clone)]
pub(crate) struct GrantEntry {
    pub(crate) holder: Holder,
    pub(crate) given: Given,
    /// Does the configuration file say it?
    pub(crate) is_fixed: bool,
}

/// Roles and users.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Roster {
    entries: BTreeMap<Holder, Entry>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Entry {
    /// Does the configuration file describe it?
    is_fixed: bool,
    verifier: Option<PasswordVerifier>,
    /// What the configuration file gives.
    fixed: Vec<Given>,
    /// What statements have given.
    given: Vec<Given>,
}

impl Entry {
    fn all(&self) -> impl Iterator<Item = (&Given, bool)> {
        let fixed = self.fixed.iter().map(|given| (given, true));
        fixed.chain(self.given.iter().map(|given| (given, false)))
    }

    fn roles(&self) -> impl Iterator<Item = Holder> {
        self.all().filter_map(|(given, _)| match given {
            Given::Role(name) => Some(Holder::Role(name.clone())),
            Given::Privilege(_) => None,
        })
    }
}

impl Roster {
    /// Adds a role of the configuration file.
    pub fn describe_role(&mut self, name: &str, grants: &[Grant], roles: &[String]) {
        let grants = grants.iter().cloned().map(Given::Privilege);
        let roles = roles.iter().cloned().map(Given::Role);
        let fixed = grants.chain(roles).collect();
        self.describe(Holder::Role(name.to_string()), fixed);
    }

    /// Adds a user of the configuration file.
    pub fn describe_user(&mut self, name: &str, roles: &[String]) {
        let fixed = roles.iter().cloned().map(Given::Role).collect();
        self.describe(Holder::User(name.to_string()), fixed);
    }

    fn describe(&mut self, holder: Holder, fixed: Vec<Given>) {
        let entry = Entry {
            is_fixed: true,
            fixed,
            ..Entry::default()
        };
        self.entries.insert(holder, entry);
    }

    /// Does what a statement says. After an error it may have done a part of it.
    ///
    /// # Errors
    /// It names somebody who is not there, or is there already, or would change what the configuration file says.
    pub(crate) fn apply(&mut self, change: Change) -> CubeResult<()> {
        match change {
            Change::CreateRole { name } => self.create(Holder::Role(name), None),
            Change::CreateUser { name, verifier } => self.create(Holder::User(name), verifier),
            Change::AlterUser { name, verifier } => {
                let user = Holder::User(name);
                self.own(&user)?.verifier = Some(verifier);
                Ok(())
            }
            Change::Drop { holder, if_exists } => {
                if if_exists && !self.entries.contains_key(&holder) {
                    return Ok(());
                }
                self.own(&holder)?;
                self.entries.remove(&holder);
                if let Holder::Role(name) = holder {
                    let role = Given::Role(name);
                    let entries = self.entries.values_mut();
                    entries.for_each(|entry| entry.given.retain(|given| *given != role));
                }
                Ok(())
            }
            Change::Grant { given, to } => to.iter().try_for_each(|to| {
                let mut given = given.iter().cloned();
                given.try_for_each(|given| self.grant(given, to))
            }),
            Change::Revoke { given, from } => from.iter().try_for_each(|from| {
                let mut given = given.iter();
                given.try_for_each(|given| self.revoke(given, from))
            }),
        }
    }

    fn create(&mut self, holder: Holder, verifier: Option<PasswordVerifier>) -> CubeResult<()> {
        let name = holder.name();
        if name == OPERATOR {
            let cause = format!("{OPERATOR} is who runs the command line");
            return Err(CubeError::invalid("", cause).remedy("choose another name"));
        }
        if Grant::begins_with(name) {
            let cause = format!("{} is the name of a privilege", name.to_uppercase());
            return Err(CubeError::invalid("", cause).remedy("choose another name"));
        }
        if let Some(there) = self.named(name).first() {
            let error = CubeError::invalid("", format!("the {there} is there"));
            return Err(error.remedy("roles and users have different names"));
        }
        let entry = Entry {
            verifier,
            ..Entry::default()
        };
        self.entries.insert(holder, entry);
        Ok(())
    }

    fn grant(&mut self, given: Given, to: &str) -> CubeResult<()> {
        let holder = self.find(to)?;
        if let Given::Role(role) = &given {
            let role = Holder::Role(role.clone());
            self.entry(&role)?;
            if self.closure([role.clone()]).contains(&holder) {
                let cause = format!("the {role} would contain itself");
                return Err(CubeError::invalid("", cause)
                    .remedy("SHOW GRANTS lists which roles contain which"));
            }
        }
        let entry = self.entry(&holder)?;
        if entry.all().all(|(there, _)| *there != given) {
            entry.given.push(given);
        }
        Ok(())
    }

    fn revoke(&mut self, given: &Given, from: &str) -> CubeResult<()> {
        let holder = self.find(from)?;
        let entry = self.entry(&holder)?;
        if let Some(at) = entry.given.iter().position(|there| there == given) {
            entry.given.remove(at);
            return Ok(());
        }
        if entry.fixed.contains(given) {
            let cause = format!("the configuration file gives {given} to the {holder}");
            return Err(
                CubeError::invalid("", cause).remedy("change it there, and send the server SIGHUP")
            );
        }
        let cause = format!("the {holder} has not been given {given}");
        let remedy = format!(
            "what is revoked is written as it was granted: SHOW GRANTS FOR {}",
            quoted(from)
        );
        Err(CubeError::not_found("", cause).remedy(remedy))
    }

    /// Who a name after `TO`, `FROM` or `FOR` means.
    ///
    /// # Errors
    /// Nobody, or both a role and a user, as the configuration file may have them.
    pub(crate) fn find(&self, name: &str) -> CubeResult<Holder> {
        match self.named(name).as_slice() {
            [holder] => Ok(holder.clone()),
            [] => Err(CubeError::not_found(
                "",
                format!("there is no role or user {}", quoted(name)),
            )
            .remedy("CREATE ROLE, CREATE USER, or the configuration file makes one")),
            _ => Err(
                CubeError::invalid("", format!("{} is a role and a user", quoted(name)))
                    .remedy("give one of them another name in the configuration file"),
            ),
        }
    }

    fn named(&self, name: &str) -> Vec<Holder> {
        let both = [
            Holder::Role(name.to_string()),
            Holder::User(name.to_string()),
        ];
        both.into_iter()
            .filter(|holder| self.entries.contains_key(holder))
            .collect()
    }

    fn entry(&mut self, holder: &Holder) -> CubeResult<&mut Entry> {
        let unknown = || CubeError::not_found("", format!("there is no {holder}"));
        self.entries.get_mut(holder).ok_or_else(unknown)
    }

    /// A role or user that statements have made.
    fn own(&mut self, holder: &Holder) -> CubeResult<&mut Entry> {
        let entry = self.entry(holder)?;
        match entry.is_fixed {
            false => Ok(entry),
            true => Err(CubeError::invalid(
                "",
                format!("the configuration file describes the {holder}"),
            )
            .remedy("change it there, and send the server SIGHUP")),
        }
    }

    /// Those who are given, and all roles that they contain, each once.
    pub(crate) fn closure(&self, given: impl IntoIterator<Item = Holder>) -> Vec<Holder> {
        let mut waiting: Vec<Holder> = given.into_iter().collect();
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        while let Some(holder) = waiting.pop() {
            if let Some(entry) = self.entries.get(&holder)
                && seen.insert(holder.clone())
            {
                waiting.extend(entry.roles());
                found.push(holder);
            }
        }
        found
    }

    /// The privileges of those who are given, and of all roles that they contain. A role that contains itself gives what
    /// it gives.
    pub(crate) fn grants(&self, given: impl IntoIterator<Item = Holder>) -> Vec<Grant> {
        let entries = self.list(&self.closure(given));
        let grants = entries.into_iter().filter_map(|entry| match entry.given {
            Given::Privilege(grant) => Some(grant),
            Given::Role(_) => None,
        });
        grants.collect()
    }

    /// What each of these has been given.
    pub(crate) fn list(&self, holders: &[Holder]) -> Vec<GrantEntry> {
        let entries = holders
            .iter()
            .filter_map(|holder| self.entries.get_key_value(holder));
        let listed = entries.flat_map(|(holder, entry)| {
            entry.all().map(move |(given, is_fixed)| GrantEntry {
                holder: holder.clone(),
                given: given.clone(),
                is_fixed,
            })
        });
        listed.collect()
    }

    /// Of whom `user` may know: themselves and their roles, or everybody. Roles come first.
    pub(crate) fn known_to(&self, user: &User) -> Vec<Holder> {
        if user.privileges.is_admin() {
            return self.entries.keys().cloned().collect();
        }
        let mut known = self.closure(user.holders());
        known.sort();
        known
    }

    /// Forgets all others.
    pub(crate) fn keep(&mut self, known: &[Holder]) {
        self.entries.retain(|holder, _| known.contains(holder));
    }

    pub(crate) fn has(&self, holder: &Holder) -> bool {
        self.entries.contains_key(holder)
    }

    pub(crate) fn has_users(&self) -> bool {
        let mut holders = self.entries.keys();
        holders.any(|holder| matches!(holder, Holder::User(_)))
    }

    pub(crate) fn verifier(&self, user: &str) -> Option<&PasswordVerifier> {
        let entry = self.entries.get(&Holder::User(user.to_string()))?;
        entry.verifier.as_ref()
    }

    /// The statements that make of what the configuration file describes all that there is.
    pub(crate) fn statements(&self) -> Vec<String> {
        let own = self.entries.iter().filter(|(_, entry)| !entry.is_fixed);
        let created = own.map(|(holder, entry)| {
            let kind = holder.kind().to_uppercase();
            let created = format!("CREATE {kind} {}", quoted(holder.name()));
            match &entry.verifier {
                Some(verifier) => format!("{created} WITH PASSWORD '{}'", verifier.text()),
                None => created,
            }
        });
        let granted = self.entries.iter().flat_map(|(holder, entry)| {
            let name = quoted(holder.name());
            let given = entry.given.iter();
            given.map(move |given| format!("GRANT {given} TO {name}"))
        });
        created.chain(granted).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn roles_contain_roles_even_themselves() {
        let mut roster = Roster::default();
        let roles =
            |names: &[&str]| -> Vec<String> { names.iter().map(ToString::to_string).collect() };
        roster.describe_role("reader", &[Grant::Files], &[]);
        roster.describe_role(
            "writer",
            &[Grant::WriteFiles],
            &roles(&["reader", "writer"]),
        );
        roster.describe_role("boss", &[Grant::Admin], &roles(&["writer", "nobody"]));
        let of = |name: &str| roster.grants([Holder::Role(name.to_string())]);
        assert_eq!(of("reader"), [Grant::Files]);
        assert_eq!(of("writer"), [Grant::WriteFiles, Grant::Files]);
        assert_eq!(of("boss").len(), 3);
        assert_eq!(of("nobody"), []);
    }
}
