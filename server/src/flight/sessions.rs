//! Sessions: what a client has set and prepared, and what it runs. They are found by the secret that it shows.
//!
//! A handshake's token finds its session on every connection. A client without one, and one that shows a key of its
//! own with every call, has its session on its connection alone. A session that began with a token of an issuer ends with
//! that token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use tokio_util::sync::CancellationToken;

use super::statements::Prepared;
use crate::failure::{Failure, SqlState};
use crate::random::random_bytes;
use crate::serve::{Client, Parent};

/// How long a session lives that nobody uses.
const IDLE: Duration = Duration::from_secs(3600);
/// How long a session lives at most: what its user may do may have changed.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Which part of all sessions one user may have.
const SHARE: usize = 10;
/// Prepared statements of a session at a time.
const PREPARED: usize = 256;

/// The code of a prepared statement that is not there.
const UNKNOWN_STATEMENT: SqlState = SqlState("26000");

/// The name of a statement that is prepared, or that may be cancelled: nobody can guess it.
pub(super) type Handle = [u8; 16];

/// A token for a new session.
pub(super) fn new_token() -> Result<String, Failure> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes::<32>()?))
}

/// One client's session.
pub(super) struct Session {
    pub(super) client: Client,
    prepared: Mutex<HashMap<Handle, Arc<Prepared>>>,
    running: Mutex<HashMap<Handle, CancellationToken>>,
    begun: Instant,
    used: Mutex<Instant>,
}

impl Session {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            prepared: Mutex::default(),
            running: Mutex::default(),
            begun: Instant::now(),
            used: Mutex::new(Instant::now()),
        }
    }

    /// Its time is over.
    fn has_expired(self: &Arc<Self>) -> bool {
        let is_idle = is_at_rest(self) && lock(&self.used).elapsed() > IDLE;
        is_idle || self.begun.elapsed() > LONGEST || self.client.identity.has_expired()
    }

    /// Keeps a prepared statement; its name.
    ///
    /// # Errors
    /// The session has too many.
    pub(super) fn keep(&self, statement: Prepared) -> Result<Handle, Failure> {
        let mut prepared = lock(&self.prepared);
        if prepared.len() >= PREPARED {
            let text = format!("the session has {PREPARED} prepared statements; close some");
            return Err(Failure::with_state(
                SqlState::CONFIGURATION_LIMIT_EXCEEDED,
                text,
            ));
        }
        let handle = random_bytes()?;
        prepared.insert(handle, Arc::new(statement));
        Ok(handle)
    }

    /// The prepared statement of this name.
    ///
    /// # Errors
    /// There is none, any more.
    pub(super) fn prepared(&self, handle: &[u8]) -> Result<Arc<Prepared>, Failure> {
        let prepared = lock(&self.prepared);
        prepared.get(handle).cloned().ok_or_else(|| {
            Failure::with_state(
                UNKNOWN_STATEMENT,
                "there is no such prepared statement in this session; prepare it again",
            )
        })
    }

    /// Forgets a prepared statement, if there is one of this name.
    pub(super) fn forget(&self, handle: &[u8]) {
        lock(&self.prepared).remove(handle);
    }

    /// Notes that a statement runs, until what is returned is dropped.
    pub(super) fn begin(self: &Arc<Self>, handle: Handle) -> Running {
        let stop = CancellationToken::new();
        lock(&self.running).insert(handle, stop.clone());
        Running {
            session: Arc::clone(self),
            handle,
            stop,
            parent: None,
        }
    }

    /// Cancels the statements that run and whose names are in a request. Names cannot be guessed, so that the rest of
    /// the request, which holds the ticket that holds the name, need not be taken apart.
    pub(super) fn cancel(&self, request: &[u8]) -> bool {
        let running = lock(&self.running);
        let mut named = running.iter().filter(|(handle, _)| names(request, handle));
        let first = named.next();
        if let Some((_, stop)) = first {
            stop.cancel();
        }
        first.is_some()
    }
}

/// A statement that runs and can be cancelled by its name.
pub(super) struct Running {
    pub(super) session: Arc<Session>,
    handle: Handle,
    /// Stops it.
    pub(super) stop: CancellationToken,
    /// The span of the client that it belongs to.
    pub(super) parent: Option<Parent>,
}

impl Running {
    /// It belongs to a span of the client.
    pub(super) fn below(mut self, parent: Option<Parent>) -> Self {
        self.parent = parent;
        self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.session.running).remove(&self.handle);
        *lock(&self.session.used) = Instant::now();
    }
}

/// Sessions by the digests of their secrets, so that none can be found out by how long a search takes.
pub(super) struct Sessions {
    limit: usize,
    open: Mutex<HashMap<[u8; 32], Arc<Session>>>,
}

impl Sessions {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            open: Mutex::default(),
        }
    }

    /// The session of a secret; it counts as used.
    pub(super) fn find(&self, secret: &str) -> Option<Arc<Session>> {
        let mut open = lock(&self.open);
        let key = digested(secret);
        let session = open.get(&key)?;
        if session.has_expired() {
            open.remove(&key);
            return None;
        }
        *lock(&session.used) = Instant::now();
        Some(Arc::clone(session))
    }

    /// Adds a session, unless there is one of the same secret by now; the one that is there afterwards. Where there are
    /// too many, or the user has too many, the user's own gives way that has not been used for longest: many clients
    /// never close theirs. Those of others stay.
    ///
    /// # Errors
    /// All of the user's own run something, or the user has none.
    pub(super) fn add(&self, secret: &str, client: Client) -> Result<Arc<Session>, Failure> {
        let mut open = lock(&self.open);
        open.retain(|_, session| !session.has_expired());
        let user = &client.identity.name;
        let own = |session: &Session| session.client.identity.name == *user;
        let of_user = open.values().filter(|session| own(session)).count();
        if open.len() >= self.limit || of_user >= (self.limit / SHARE).max(1) {
            let at_rest = open
                .iter()
                .filter(|(_, session)| own(session) && is_at_rest(session));
            let oldest = at_rest.min_by_key(|(_, session)| *lock(&session.used));
            let Some(oldest) = oldest.map(|(key, _)| *key) else {
                return Err(Failure::with_state(
                    SqlState::TOO_MANY_CONNECTIONS,
                    "there are too many sessions; close some, or try again later",
                ));
            };
            open.remove(&oldest);
        }
        let session = open
            .entry(digested(secret))
            .or_insert_with(|| Arc::new(Session::new(client)));
        Ok(Arc::clone(session))
    }

    /// Ends a session; what it runs goes on.
    pub(super) fn close(&self, secret: &str) {
        lock(&self.open).remove(&digested(secret));
    }
}

/// Does a request hold this name?
pub(super) fn names(request: &[u8], handle: &Handle) -> bool {
    let mut windows = request.windows(handle.len());
    windows.any(|window| window == handle)
}

/// It runs nothing, and no call is about to use it.
fn is_at_rest(session: &Arc<Session>) -> bool {
    Arc::strong_count(session) == 1
}

fn digested(secret: &str) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    key
}

/// A mutex whose holder panicked still holds plain data.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
