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
//! There is one way from a name to a table, and it leads through [`crate::catalog::visible`]. What comes out there is a
//! cube that never had the other cells, so that no rule, shortcut or statistic above it can tell them.

mod grant;
pub(crate) mod partial;
mod privileges;

pub use self::grant::{Grant, Object, Privilege};
pub use self::privileges::Privileges;
pub(crate) use self::privileges::{Action, Part, Reading};

/// The name of who runs the command line. No other user may have it: statements are listed for who has the same name.
pub const OPERATOR: &str = "operator";

/// Somebody who runs statements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// The name, for lists of what runs.
    pub name: String,
    /// What the user may do.
    pub privileges: Privileges,
}

impl User {
    /// Who runs the command line, and may do everything.
    pub(crate) fn operator() -> Self {
        Self {
            name: OPERATOR.to_string(),
            privileges: Privileges::new(vec![Grant::Admin]),
        }
    }
}
