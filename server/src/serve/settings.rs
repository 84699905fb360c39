//! What `graticule serve` is told: flags, and the section `[server]` of the configuration file.
//!
//! ```toml
//! [server]
//! pg = "0.0.0.0:5432"                  # PostgreSQL's protocol
//! http = "127.0.0.1:8080"              # SQL over HTTP
//! flight = "127.0.0.1:50051"           # Arrow Flight SQL
//! certificate = "server.pem"           # TLS for all doors; relative to this file
//! private_key = "server.key"
//! connections = 1000                   # open at a time, all doors together
//! queries = 16                         # that run at a time
//! queries_per_user = 12                # three quarters of queries unless it is said: nobody takes all places
//! queue = 64                           # that wait at a time; more are refused
//! queue_timeout = "30s"
//! statement_timeout = "10min"          # none unless it is said; "0" is none, too
//! shutdown_timeout = "10s"             # for what still runs when the server stops
//! open = true                          # other machines may come in though no users are configured
//! log = "json"                         # a line per query on standard error; or "text"; none unless it is said
//! grid_files = "10GB"                  # disk for grids on their way to clients of HTTP, all together
//! origins = "https://a.org"            # pages of the web that may use the server, with spaces between them
//! ```
//!
//! What one user may use is said in `[users.NAME]` and `[roles.NAME]`, see `access/section.rs`: `queries` stands there in the
//! place of `queries_per_user`, and `statement_timeout` in the place of the one above.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;

use super::doors::DOORS;
use super::log::LogFormat;
use crate::arguments::ServeArguments;
use crate::failure::Failure;

/// The section `[server]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerSection {
    /// Where doors listen, by their names.
    pub(crate) addresses: Vec<(String, SocketAddr)>,
    /// The files of the certificate chain and of its private key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// What may happen at a time.
    pub(crate) limits: Limits,
    /// For what still runs when the server stops.
    pub(crate) shutdown_timeout: Duration,
    /// May everybody come in from everywhere while no users are configured?
    pub(crate) is_meant_open: bool,
    /// What the lines of the log are; `None`: there is none.
    pub(crate) log: Option<LogFormat>,
    /// Pages of the web that may talk to the server.
    pub(crate) origins: Vec<HeaderValue>,
    /// Bytes of grids that wait on the disk until they are sent.
    pub(crate) grid_files: u64,
}

/// What may happen at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Open connections of all doors together.
    pub(crate) connections: usize,
    /// Queries that run.
    pub(crate) queries: usize,
    /// Queries of one user that run.
    pub(crate) queries_per_user: usize,
    /// Queries that wait until they may run; more are refused.
    pub(crate) queue: usize,
    /// How long they wait at most.
    pub(crate) queue_timeout: Duration,
    /// How long a statement takes at most, its rows being sent included.
    pub(crate) statement_timeout: Option<Duration>,
}

impl Default for ServerSection {
    fn default() -> Self {
        Self {
            addresses: vec![],
            tls: None,
            limits: Limits {
                connections: 1000,
                queries: 16,
                queries_per_user: 12,
                queue: 64,
                queue_timeout: Duration::from_secs(30),
                statement_timeout: None,
            },
            shutdown_timeout: Duration::from_secs(10),
            is_meant_open: false,
            log: None,
            origins: vec![],
            grid_files: 10_000_000_000,
        }
    }
}

/// The section and the flags together; flags win.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    addresses: Vec<(&'static str, SocketAddr)>,
    /// The files of the certificate chain and of its private key.
    pub(super) tls: Option<(PathBuf, PathBuf)>,
    /// What may happen at a time.
    pub(super) limits: Limits,
    /// For what still runs when the server stops.
    pub(super) grace: Duration,
    /// What the lines of the log are; `None`: there is none.
    pub(super) log: Option<LogFormat>,
    /// Pages of the web that may talk to the server.
    pub(super) origins: Vec<HeaderValue>,
    /// Bytes of grids that wait on the disk until they are sent.
    pub(super) grid_files: u64,
}

impl Settings {
    /// Puts them together. Where no door is named, all are open, to this machine only.
    ///
    /// # Errors
    /// None yet: what the file says is checked when it is read.
    pub(super) fn of(section: &ServerSection, arguments: &ServeArguments) -> Result<Self, Failure> {
        let flags = [
            ("pg", arguments.pg),
            ("http", arguments.http),
            ("flight", arguments.flight),
        ];
        let named = |name: &str| {
            let flag = flags.iter().find(|(flag, _)| *flag == name);
            let in_file = || section.addresses.iter().find(|(key, _)| key == name);
            flag.and_then(|(_, address)| *address)
                .or_else(|| in_file().map(|(_, address)| *address))
        };
        let mut addresses: Vec<_> = DOORS
            .iter()
            .filter_map(|door| Some((door.name, named(door.name)?)))
            .collect();
        if addresses.is_empty() {
            let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
            addresses.extend(
                DOORS
                    .iter()
                    .map(|door| (door.name, SocketAddr::new(here, door.port))),
            );
        }
        Ok(Self {
            addresses,
            tls: section.tls.clone(),
            limits: section.limits.clone(),
            grace: section.shutdown_timeout,
            log: section.log,
            origins: section.origins.clone(),
            grid_files: section.grid_files,
        })
    }

    /// Where a door listens; `None` where it is shut.
    pub(super) fn address(&self, door: &str) -> Option<SocketAddr> {
        let found = self.addresses.iter().find(|(name, _)| *name == door);
        found.map(|(_, address)| *address)
    }

    /// Is every door open to this machine only?
    pub(super) fn is_loopback(&self) -> bool {
        self.addresses
            .iter()
            .all(|(_, address)| address.ip().is_loopback())
    }
}
