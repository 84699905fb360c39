//! What the configuration file says of users: the sections `[users]`, `[roles]` and `[oidc]`.
//!
//! ```toml
//! [users.ada]
//! password = "SCRAM-SHA-256$4096:…"    # what `graticule password` prints; or password_env, password_file
//! roles = ["analyst"]
//! api_keys = ["sha256:…"]              # what `graticule api-key` prints
//! login = true                         # false keeps the user out
//! memory = "2GB"                       # of all the user's queries together; limits stand in roles, too
//! scan = "100GB"                       # what one scan of a query may decode
//! queries = 4                          # at a time
//! statement_timeout = "5min"
//! rate = 120                           # statements per minute
//!
//! [users.anonymous]                    # lets in who does not say who they are
//! roles = ["visitor"]
//!
//! [roles.analyst]
//! grants = ["SELECT ON STORE olci", "SELECT (sst, lat, lon, time) ON lake.ocean WHERE lat > 50"]
//! roles = ["visitor"]                  # contains these, too
//!
//! [oidc]                               # lets in who has a token
//! issuer = "https://login.example.org"
//! audience = "graticule"
//! jwks_url = "https://login.example.org/keys"    # or jwks_file
//! user_claim = "sub"
//! roles_claim = "roles"                # "realm_access.roles" for one inside of another
//! leeway = "30s"                       # by how much clocks may differ
//! [oidc.roles]
//! staff = "analyst"                    # what the issuer calls staff is the role analyst
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use graticule_engine::access::Roster;

use super::Quota;
use super::keys::Hash;
pub(crate) use super::keys::parse_hash;
use super::roles::Role;
use super::scram::Verifier;

/// The three sections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AccessSection {
    /// Users.
    pub(crate) users: Vec<UserSection>,
    /// Roles by their names.
    pub(crate) roles: BTreeMap<String, Role>,
    /// Who else says who somebody is.
    pub(crate) oidc: Option<OidcSection>,
}

impl AccessSection {
    /// Roles and users, for the engine, which knows what they may do.
    pub(crate) fn roster(&self) -> Roster {
        let mut roster = Roster::default();
        for (name, role) in &self.roles {
            roster.describe_role(name, &role.grants, &role.roles);
        }
        for user in &self.users {
            roster.describe_user(&user.name, &user.roles);
        }
        roster
    }
}

/// One user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserSection {
    /// The name.
    pub(crate) name: String,
    /// What the password is checked with; `None` where there is no password.
    pub(crate) verifier: Option<Verifier>,
    /// The roles that the user has.
    pub(crate) roles: Vec<String>,
    /// The hashes of API keys.
    pub(crate) keys: Vec<Hash>,
    /// May the user come in?
    pub(crate) may_log_in: bool,
    /// What the user may use, the roles left aside.
    pub(crate) quota: Quota,
}

impl UserSection {
    /// A user without roles, who may come in as soon as there is a way.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_string(),
            verifier: None,
            roles: vec![],
            keys: vec![],
            may_log_in: true,
            quota: Quota::default(),
        }
    }
}

/// An issuer of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OidcSection {
    /// Who has to have issued a token.
    pub(crate) issuer: String,
    /// Whom it has to be for.
    pub(crate) audience: String,
    /// Where the issuer's keys are.
    pub(crate) keys: KeysAt,
    /// The claim with the user's name.
    pub(crate) user_claim: String,
    /// The claim with the user's roles; a path with dots.
    pub(crate) roles_claim: String,
    /// The roles by what the issuer calls them.
    pub(crate) roles: BTreeMap<String, String>,
    /// By how much clocks may differ.
    pub(crate) leeway: Duration,
}

/// Where keys are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeysAt {
    /// In a file.
    File(PathBuf),
    /// At an address.
    Url(String),
}
