//! The roles and users of an engine, and where statements about them are kept: [`Directory`].
//!
//! ```text
//!  Roster of the configuration file ─┐
//!                                    ├─▶ Directory ── user(name) ──▶ User ──▶ CurrentUser: asks again after a change
//!  graticule.access.sql ─────────────┘       ▲
//!                                            └── change ── GRANT, REVOKE, CREATE ROLE, …
//! ```
//! The file is the truth: every change reads it again, and replaces it at once. Who is connected sees a change when the
//! next name is looked up.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::common::Result;

use super::roster::{Change, GrantEntry, Holder, Roster};
use super::{PasswordVerifier, Privileges, Standing, User};
use crate::error::{CubeError, CubeResult};
use crate::script_file::ScriptFile;
use crate::sql::parser::{Command, Statement, parse};

const HEADER: &str = "-- Roles and users of Graticule, beside those of the configuration file. Statements may be edited by hand\n\
                      -- while no server runs; CREATE, GRANT, REVOKE and DROP rewrite the file without comments.\n";

/// Who there is, and what they may do.
#[derive(Debug, Default)]
pub struct Directory {
    /// Where what statements make is kept; without it that lives as long as the process.
    file: Option<ScriptFile>,
    known: Mutex<Known>,
    /// Counts changes.
    changes: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    /// What the configuration file says.
    fixed: Roster,
    /// The same, and what statements have made.
    all: Arc<Roster>,
}

impl Directory {
    /// What the configuration file says, and the statements in a file, which need not exist.
    ///
    /// # Errors
    /// The file cannot be read, or says what cannot be.
    pub fn new(fixed: Roster, file: Option<PathBuf>) -> Result<Self> {
        let file = file.map(|path| ScriptFile::new(path, HEADER, "roles and users").private());
        let directory = Self {
            file,
            ..Self::default()
        };
        directory.configure(fixed)?;
        Ok(directory)
    }

    /// Takes over what the configuration file says now; what statements have made stays.
    ///
    /// # Errors
    /// Both cannot be together, or the file of statements cannot be read. Nothing changes then.
    pub fn configure(&self, fixed: Roster) -> Result<()> {
        let mut known = self.lock();
        let all = match &self.file {
            Some(file) => read(file, &fixed)?,
            None => with_statements(&fixed, &known.all.statements())?,
        };
        *known = Known {
            fixed,
            all: Arc::new(all),
        };
        self.changes.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// A user, with what they may do; `None` where there is none of this name.
    pub fn user(&self, name: &str) -> Option<User> {
        let holder = Holder::User(name.to_string());
        let roster = self.roster();
        roster.has(&holder).then(|| User {
            name: name.to_string(),
            privileges: Privileges::new(roster.grants([holder])),
            standing: Standing::Named,
        })
    }

    /// Somebody of whom others say which roles they have.
    pub fn user_with_roles(&self, name: &str, roles: Vec<String>) -> User {
        let holders = roles.iter().cloned().map(Holder::Role);
        User {
            name: name.to_string(),
            privileges: Privileges::new(self.roster().grants(holders)),
            standing: Standing::Roles(roles),
        }
    }

    /// The roles of a user, with those that they contain.
    pub fn roles(&self, user: &User) -> Vec<String> {
        let holders = self.roster().closure(user.holders()).into_iter();
        let roles = holders.filter_map(|holder| match holder {
            Holder::Role(role) => Some(role),
            Holder::User(_) => None,
        });
        roles.collect()
    }

    /// Is anybody described?
    pub fn has_users(&self) -> bool {
        self.roster().has_users()
    }

    /// Is there a user of this name?
    pub fn has_user(&self, name: &str) -> bool {
        self.roster().has(&Holder::User(name.to_string()))
    }

    /// What the password of a user is checked with who was made by `CREATE USER`.
    pub fn verifier(&self, name: &str) -> Option<PasswordVerifier> {
        self.roster().verifier(name).cloned()
    }

    /// Does what a statement says, whole or not at all, and writes the file.
    ///
    /// # Errors
    /// See [`Roster::apply`]; or the file cannot be read or written.
    pub(crate) fn change(&self, change: Change) -> Result<()> {
        let mut known = self.lock();
        let mut roster = match &self.file {
            Some(file) => read(file, &known.fixed)?,
            None => Roster::clone(&known.all),
        };
        roster.apply(change)?;
        if let Some(file) = &self.file {
            file.write(roster.statements())?;
        }
        known.all = Arc::new(roster);
        self.changes.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Who a name means to `user`.
    ///
    /// # Errors
    /// See [`Roster::find`]; it is nobody of whom they may know.
    pub(crate) fn find(&self, name: &str, user: &User) -> CubeResult<Holder> {
        let mut roster = Roster::clone(&self.roster());
        let known = roster.known_to(user);
        roster.keep(&known);
        roster.find(name)
    }

    /// What has been given to whom, as far as `user` may know.
    pub(crate) fn list(&self, user: &User) -> Vec<GrantEntry> {
        let roster = self.roster();
        roster.list(&roster.known_to(user))
    }

    fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.lock().all)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // It is replaced whole, so that a panic elsewhere leaves it as it was.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user with what they may do now. Who is no longer there may do nothing.
    fn current(&self, user: &Arc<User>) -> Arc<User> {
        let privileges = match &user.standing {
            Standing::Fixed => return Arc::clone(user),
            Standing::Named | Standing::Roles(_) => self.roster().grants(user.holders()),
        };
        Arc::new(User {
            privileges: Privileges::new(privileges),
            ..User::clone(user)
        })
    }
}

/// What the configuration file and a file of statements say together.
fn read(file: &ScriptFile, fixed: &Roster) -> Result<Roster> {
    let statements = file.statements()?;
    let roster = with_statements(fixed, &statements);
    roster.map_err(|error| file.refuse(error.find_root().message().into_owned()))
}

/// What the configuration file says, and what statements make.
fn with_statements(fixed: &Roster, statements: &[String]) -> Result<Roster> {
    let mut roster = fixed.clone();
    for statement in statements {
        match parse(statement)? {
            Statement::Command(Command::ChangeAccess(change)) => roster.apply(change)?,
            _ => {
                let cause = "only CREATE ROLE, CREATE USER and GRANT may stand here";
                return Err(CubeError::invalid("", cause).into());
            }
        }
    }
    Ok(roster)
}

/// A user, with what they may do now.
#[derive(Debug)]
pub(crate) struct CurrentUser {
    directory: Arc<Directory>,
    /// The user after so many changes.
    known: Mutex<(u64, Arc<User>)>,
}

impl CurrentUser {
    /// Asks the directory at once: `user` may have been made before a change.
    pub(crate) fn new(directory: Arc<Directory>, user: &Arc<User>) -> Self {
        let changes = directory.changes.load(Ordering::Acquire);
        let user = directory.current(user);
        Self {
            directory,
            known: Mutex::new((changes, user)),
        }
    }

    /// The user as of the latest change.
    pub(crate) fn now(&self) -> Arc<User> {
        let changes = self.directory.changes.load(Ordering::Acquire);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != changes {
            let user = self.directory.current(&known.1);
            *known = (changes, user);
        }
        Arc::clone(&known.1)
    }
}
