//! One policy for everything that speaks HTTP: object stores and plain web servers alike.
//!
//! ```text
//!  ObjectStore (object_store: S3, Google, Azure, HTTP)
//!    │  retries: back-off with jitter, counted             RetryConfig  ◀─┐
//!    ▼                                                                    ├── HttpPolicy
//!  PolicyService                                           service.rs   ◀─┘
//!    ├─ wait for a free connection, and as long as the host asked us to   host.rs
//!    ├─ add the credentials that belong to this origin                    credentials.rs
//!    ├─ follow redirects, without credentials to another origin           redirect.rs
//!    └─ hand on complete bodies only                                      body.rs
//!        ▼
//!  reqwest (timeouts, TLS, pooled connections)
//! ```
//!
//! # The policy
//!
//! | what | rule |
//! |---|---|
//! | time | 30 s to connect; 120 s of silence while an answer is awaited or read; one attempt as a whole is unlimited unless `timeout` is set |
//! | repeated | a connection that fails or breaks, an answer that stays silent, a body that ends early, status 429, 5xx, and 408 (the server's own word for a timeout) |
//! | never repeated | every other 4xx: a missing or forbidden object costs one request |
//! | pauses | 100 ms, then random and exponentially growing up to 15 s (decorrelated jitter); at most 8 repetitions within 5 minutes, the time for which a signature holds |
//! | `Retry-After` | seconds or date; holds for all requests to that host. More than 2 minutes is an error that says so, not a silent wait |
//! | concurrency | per host and process: 16 requests for plain HTTPS, 64 for object stores, or `max_connections`. A request counts until its body is read |
//! | secrets | sent to the origin (scheme, host, port) they are for; a redirect elsewhere carries no header but conditions and ranges, and no `Referer` |
//! | redirects | GET and HEAD, at most 10, never from https to http |
//! | honesty | `User-Agent: graticule/VERSION` |
//!
//! # Complete bodies
//!
//! A body shorter than its `Content-Length` is an error of the transport. An object with a strong
//! entity tag is streamed, and after a break the rest is requested and must carry the same tag.
//! Without such a tag the rest might belong to another version, so the body is read whole before
//! it is handed on, and begun anew after a break. A partial answer must be the range that was
//! asked for; a server that ignores ranges is refused, since it would send the whole object for
//! every piece.

mod body;
mod credentials;
mod host;
mod redirect;
mod service;

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError, RwLock};
use std::time::Duration;

use object_store::client::{HttpClient, HttpConnector, SpawnService};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use reqwest::redirect::Policy;
use tokio::runtime::Handle;

pub use credentials::OriginCredentials;
use service::PolicyService;
pub(crate) use service::Refusal;

/// What we call ourselves.
const USER_AGENT: &str = concat!("graticule/", env!("CARGO_PKG_VERSION"));

/// No repetition starts later than this after the first attempt: signatures expire.
const LONGEST_RETRY: Duration = Duration::from_secs(300);

/// The numbers of the policy; the rules are in the module's documentation.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpPolicy {
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest silence while an answer is awaited or read.
    pub read_timeout: Duration,
    /// Longest duration of one attempt, from the connection to the last byte.
    pub timeout: Option<Duration>,
    /// Repetitions after the first attempt.
    pub max_retries: usize,
    /// Requests at once to one host.
    pub max_connections: usize,
    /// Are connections without TLS allowed?
    pub allow_http: bool,
}

impl HttpPolicy {
    /// The policy where the user has not said otherwise.
    pub fn standard(max_connections: usize, allow_http: bool) -> Self {
        Self {
            connect_timeout: Duration::from_secs(30),
            read_timeout: Duration::from_secs(120),
            timeout: None,
            max_retries: 8,
            max_connections,
            allow_http,
        }
    }

    /// When object_store repeats a request.
    pub fn retries(&self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: self.max_retries,
            retry_timeout: LONGEST_RETRY,
        }
    }

    /// The client that object_store sends its requests with. `credentials` are added to requests
    /// to their origin; stores that sign requests themselves have none.
    pub fn connector(&self, credentials: Option<OriginCredentials>) -> PolicyConnector {
        PolicyConnector {
            policy: self.clone(),
            credentials,
        }
    }

    /// The client with these timeouts: one per process, so that stores share connections.
    fn client(&self) -> reqwest::Result<reqwest::Client> {
        type Settings = (Duration, Duration, Option<Duration>, bool);
        static CLIENTS: LazyLock<Mutex<HashMap<Settings, reqwest::Client>>> =
            LazyLock::new(Mutex::default);

        let settings = (
            self.connect_timeout,
            self.read_timeout,
            self.timeout,
            self.allow_http,
        );
        let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&settings) {
            return Ok(client.clone());
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(self.connect_timeout)
            .read_timeout(self.read_timeout)
            .redirect(Policy::none())
            .referer(false)
            .https_only(!self.allow_http)
            .http1_only();
        if let Some(timeout) = self.timeout {
            builder = builder.timeout(timeout);
        }
        let client = builder.build()?;
        clients.insert(settings, client.clone());
        Ok(client)
    }
}

/// Makes object_store send its requests by an [`HttpPolicy`].
#[derive(Debug, Clone)]
pub struct PolicyConnector {
    policy: HttpPolicy,
    credentials: Option<OriginCredentials>,
}

impl HttpConnector for PolicyConnector {
    /// The policy decides; `options` of object_store's own client are not looked at.
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = self
            .policy
            .client()
            .map_err(|error| object_store::Error::Generic {
                store: "HTTP",
                source: Box::new(error),
            })?;
        let service = PolicyService::new(
            client,
            self.policy.max_connections,
            self.credentials.clone(),
        );
        let runtime = RUNTIME.read().unwrap_or_else(PoisonError::into_inner);
        Ok(match runtime.as_ref() {
            Some(runtime) => HttpClient::new(SpawnService::new(service, runtime.clone())),
            None => HttpClient::new(service),
        })
    }
}

static RUNTIME: RwLock<Option<Handle>> = RwLock::new(None);

/// Lets the network I/O of stores connected from now on run on `runtime`, apart from the runtime of
/// the caller, which may be busy computing. Without it, I/O runs where it is asked for.
pub fn use_runtime(runtime: Handle) {
    *RUNTIME.write().unwrap_or_else(PoisonError::into_inner) = Some(runtime);
}
