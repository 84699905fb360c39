//! What a user may do: [`Privileges`].

use std::collections::BTreeSet;

use super::grant::{Grant, Object, Privilege};

/// The grants of a user, which add up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Privileges {
    grants: Vec<Grant>,
}

/// What is done with a table, beyond reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// It is made, or something is added to it.
    Insert,
    /// Anything else.
    Change,
}

impl Action {
    fn needs(self) -> Privilege {
        match self {
            Self::Insert => Privilege::Insert,
            Self::Change => Privilege::All,
        }
    }

    /// The word that grants it.
    pub(crate) fn privilege(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Change => "ALL",
        }
    }
}

/// What of a table may be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    Nothing,
    Everything,
    Some(Part),
}

/// Part of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Part {
    /// The columns; `None` for all.
    pub(crate) columns: Option<BTreeSet<String>>,
    /// The condition on its axes.
    pub(crate) condition: Option<String>,
}

impl Privileges {
    /// What `grants` give together.
    pub fn new(grants: Vec<Grant>) -> Self {
        Self { grants }
    }

    /// May the user do everything?
    pub fn is_admin(&self) -> bool {
        self.grants.contains(&Grant::Admin)
    }

    /// May the user read files and URLs by their names?
    pub(crate) fn reads_files(&self) -> bool {
        self.is_admin() || self.grants.contains(&Grant::Files)
    }

    /// May the user write files?
    pub(crate) fn writes_files(&self) -> bool {
        self.is_admin() || self.grants.contains(&Grant::WriteFiles)
    }

    /// May the user do something with a table, be it there or not?
    pub(crate) fn may(&self, action: Action, schema: &str, table: &str) -> bool {
        let needed = action.needs();
        self.is_admin()
            || self
                .on(schema, Some(table))
                .any(|(given, _)| given >= needed)
    }

    /// May the user do something with all tables of a store?
    pub(crate) fn may_with_all(&self, action: Action, schema: &str) -> bool {
        let needed = action.needs();
        self.is_admin() || self.on(schema, None).any(|(given, _)| given >= needed)
    }

    /// Is there anything in the schema for the user?
    pub(crate) fn sees_schema(&self, schema: &str) -> bool {
        let is_of = |grant: &Grant| match grant {
            Grant::Admin => true,
            Grant::Files | Grant::WriteFiles => false,
            Grant::On { object, .. } => match object {
                Object::Store(name) => name == schema,
                Object::Table { schema: of, .. } => of == schema,
            },
        };
        self.grants.iter().any(is_of)
    }

    /// What the user may read of a table. Grants without a condition add up their columns, and go before those with
    /// one. Of several conditions one has to hold, for the columns that are granted with all of them.
    pub(crate) fn reading(&self, schema: &str, table: &str) -> Reading {
        if self.is_admin() {
            return Reading::Everything;
        }
        let parts: Vec<Part> = self.on(schema, Some(table)).map(|(_, part)| part).collect();
        let (limited, whole): (Vec<Part>, Vec<Part>) =
            parts.into_iter().partition(|part| part.condition.is_some());
        let limited = limited.into_iter().reduce(|one, other| Part {
            columns: both(one.columns, other.columns),
            condition: either(one.condition, other.condition),
        });
        let whole = whole.into_iter().reduce(|one, other| Part {
            columns: one.columns.zip(other.columns).map(|(mut one, other)| {
                one.extend(other);
                one
            }),
            condition: None,
        });
        match whole.or(limited) {
            None => Reading::Nothing,
            Some(part) if part == Part::default() => Reading::Everything,
            Some(part) => Reading::Some(part),
        }
    }

    /// The grants on a table, or on all of a schema.
    fn on(&self, schema: &str, table: Option<&str>) -> impl Iterator<Item = (Privilege, Part)> {
        self.grants.iter().filter_map(move |grant| {
            let Grant::On {
                privilege,
                object,
                columns,
                condition,
            } = grant
            else {
                return None;
            };
            let is_on = match object {
                Object::Store(name) => name == schema,
                Object::Table { schema: of, name } => of == schema && Some(name.as_str()) == table,
            };
            let part = Part {
                columns: columns.clone(),
                condition: condition.clone(),
            };
            is_on.then_some((*privilege, part))
        })
    }
}

/// The columns in both sets; `None` is the set of all.
fn both(
    one: Option<BTreeSet<String>>,
    other: Option<BTreeSet<String>>,
) -> Option<BTreeSet<String>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.intersection(&other).cloned().collect()),
        (one, other) => one.or(other),
    }
}

fn either(one: Option<String>, other: Option<String>) -> Option<String> {
    one.zip(other)
        .map(|(one, other)| format!("({one}) OR ({other})"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn privileges(grants: &[&str]) -> Privileges {
        let grants = grants.iter().map(|grant| Grant::parse(grant).unwrap());
        Privileges::new(grants.collect())
    }

    fn part(columns: &[&str], condition: Option<&str>) -> Reading {
        let columns = columns.iter().map(ToString::to_string).collect();
        Reading::Some(Part {
            columns: Some(columns).filter(|columns: &BTreeSet<String>| !columns.is_empty()),
            condition: condition.map(String::from),
        })
    }

    #[test]
    fn grants_add_up_and_never_to_more_than_they_say() {
        for (grants, expected) in [
            (&[][..], Reading::Nothing),
            (
                &["SELECT ON STORE other", "SELECT ON lake.u", "FILES"],
                Reading::Nothing,
            ),
            (&["SELECT ON STORE lake"], Reading::Everything),
            (&["INSERT ON lake.t"], Reading::Everything),
            (&["ADMIN"], Reading::Everything),
            (
                &["SELECT (a) ON lake.t", "SELECT (b) ON lake.t"],
                part(&["a", "b"], None),
            ),
            (
                &["SELECT (a) ON lake.t", "SELECT ON lake.t"],
                Reading::Everything,
            ),
            (
                &["SELECT (a) ON lake.t", "SELECT ON lake.t WHERE x > 1"],
                part(&["a"], None),
            ),
            (&["SELECT ON lake.t WHERE x > 1"], part(&[], Some("x > 1"))),
            (
                &[
                    "SELECT ON lake.t WHERE x > 1",
                    "SELECT ON lake.t WHERE x < 0",
                ],
                part(&[], Some("(x > 1) OR (x < 0)")),
            ),
            (
                &[
                    "SELECT (a, x) ON lake.t WHERE x > 1",
                    "SELECT (b, x) ON lake.t WHERE x < 0",
                ],
                part(&["x"], Some("(x > 1) OR (x < 0)")),
            ),
        ] {
            let found = privileges(grants).reading("lake", "t");
            assert_eq!(found, expected, "{grants:?}");
        }
    }

    #[test]
    fn writing_needs_its_own_privilege() {
        for (grants, insert, change) in [
            (&["SELECT ON STORE lake"][..], false, false),
            (&["INSERT ON lake.t"], true, false),
            (&["ALL ON lake.t"], true, true),
            (&["ALL ON lake.u"], false, false),
            (&["ALL ON STORE lake"], true, true),
            (&["FILES", "WRITE FILES"], false, false),
            (&["ADMIN"], true, true),
        ] {
            let privileges = privileges(grants);
            assert_eq!(
                privileges.may(Action::Insert, "lake", "t"),
                insert,
                "{grants:?}"
            );
            assert_eq!(
                privileges.may(Action::Change, "lake", "t"),
                change,
                "{grants:?}"
            );
        }
        assert!(!privileges(&["ALL ON lake.t"]).may_with_all(Action::Change, "lake"));
        assert!(privileges(&["ALL ON STORE lake"]).may_with_all(Action::Change, "lake"));
    }
}
