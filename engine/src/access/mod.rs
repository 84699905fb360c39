//! What users may do: [`User`], with the [`Privileges`] that [`Grant`]s give.
//!
//! ```text
//!  "SELECT (sst, lat) ON lake.ocean WHERE lat > 50"  ── Grant::parse ──▶ Grant ──▶ Privileges ──▶ User
//!                                                                                                  │
//!  session_as(user) ── every name ──▶ catalog::visible ── what is not granted does not exist ◀─────┘
//!                                           │ granted in part
//!                                           ▼
//!                                   partial: a cube of the granted cells and columns, and of nothing else
//! ```
//! Users and roles, and what they have been given, are in the [`Directory`], which statements change.
//!
//! There is one way from a name to a table, and it leads through [`crate::catalog::visible`]. What comes out there is a
//! cube that never had the other cells, so that no rule, shortcut or statistic above it can tell them.

mod directory;
mod grant;
pub(crate) mod partial;
mod privileges;
mod roster;
mod verifier;

pub(crate) use self::directory::CurrentUser;
pub use self::directory::Directory;
pub use self::grant::{Grant, Object, Privilege};
pub use self::privileges::Privileges;
pub(crate) use self::privileges::{Action, Part, Reading};
pub use self::roster::Roster;
pub(crate) use self::roster::{Change, Given, GrantEntry, Holder};
pub use self::verifier::PasswordVerifier;

/// The name of who runs the command line. No other user may have it: statements are listed for who has the same name.
pub const OPERATOR: &str = "operator";

/// Somebody who runs statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// The name, for lists of what runs.
    pub name: String,
    /// What the user may do.
    pub privileges: Privileges,
    /// Where it is said what the user may do.
    pub standing: Standing,
}

/// Where it is said what a user may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nowhere else: it stays as it is.
    #[default]
    Fixed,
    /// The [`Directory`] knows the user.
    Named,
    /// The [`Directory`] knows these roles of the user.
    Roles(Vec<String>),
}

impl User {
    /// Who runs the command line, and may do everything.
    pub(crate) fn operator() -> Self {
        Self {
            name: OPERATOR.to_string(),
            privileges: Privileges::new(vec![Grant::Admin]),
            standing: Standing::Fixed,
        }
    }

    /// Who in the directory has what the user has.
    fn holders(&self) -> Vec<Holder> {
        match &self.standing {
            Standing::Fixed => vec![],
            Standing::Named => vec![Holder::User(self.name.clone())],
            Standing::Roles(roles) => roles.iter().cloned().map(Holder::Role).collect(),
        }
    }
}
