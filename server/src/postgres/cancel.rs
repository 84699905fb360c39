//! Statements that another connection may cancel: a client is told a number and a secret when it is let in, and sends
//! both over a connection of its own when it has had enough.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// What each connection runs.
#[derive(Debug, Default)]
pub(super) struct Cancellations {
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    last: i32,
    open: HashMap<i32, Open>,
}

#[derive(Debug)]
struct Open {
    secret: i32,
    user: String,
    /// Of the statement that runs, or of the one before.
    statement: CancellationToken,
    /// Of the connection.
    end: CancellationToken,
}

/// A connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Cancellable {
    all: Arc<Cancellations>,
    pub(super) number: i32,
    /// Cancelled when the connection has to end.
    pub(super) end: CancellationToken,
}

impl Cancellations {
    /// Registers a connection of `user` that knows `secret`, and leaves when `end` is cancelled.
    pub(super) fn register(
        self: &Arc<Self>,
        secret: i32,
        user: &str,
        end: CancellationToken,
    ) -> Cancellable {
        let mut connections = self.lock();
        let number = loop {
            connections.last = connections.last.checked_add(1).unwrap_or(1);
            let number = connections.last;
            if !connections.open.contains_key(&number) {
                break number;
            }
        };
        let statement = CancellationToken::new();
        let open = Open {
            secret,
            user: user.to_string(),
            statement,
            end: end.clone(),
        };
        connections.open.insert(number, open);
        Cancellable {
            all: Arc::clone(self),
            number,
            end,
        }
    }

    /// Cancels what a connection runs, if the secret is its own.
    pub(super) fn cancel(&self, number: i32, secret: i32) {
        if let Some(open) = self.lock().open.get(&number)
            && open.secret == secret
        {
            open.statement.cancel();
        }
    }

    /// Cancels what a connection of `user` runs, and ends the connection too if `is_end`. Is there one?
    pub(super) fn stop(&self, number: i32, user: &str, is_end: bool) -> bool {
        let connections = self.lock();
        let open = connections.open.get(&number);
        let Some(open) = open.filter(|open| open.user == user) else {
            return false;
        };
        if is_end {
            open.end.cancel();
        }
        open.statement.cancel();
        true
    }

    /// The numbers of a user's connections, in order.
    pub(super) fn of_user(&self, user: &str) -> Vec<i32> {
        let connections = self.lock();
        let own = connections
            .open
            .iter()
            .filter(|(_, open)| open.user == user);
        let mut numbers: Vec<i32> = own.map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancellable {
    /// A token for the next statement. A request that comes too late for the one before does not reach it.
    pub(super) fn begin(&self) -> CancellationToken {
        let token = CancellationToken::new();
        self.resume(&token);
        token
    }

    /// A statement that was left for others goes on.
    pub(super) fn resume(&self, token: &CancellationToken) {
        if let Some(open) = self.all.lock().open.get_mut(&self.number) {
            open.statement = token.clone();
        }
    }
}

impl Drop for Cancellable {
    fn drop(&mut self) {
        self.all.lock().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_knows_the_secret_cancels_and_only_what_runs() {
        let all = Arc::new(Cancellations::default());
        let connection = all.register(7, "ada", CancellationToken::new());
        let first = connection.begin();
        all.cancel(connection.number, 8);
        all.cancel(connection.number + 1, 7);
        assert!(!first.is_cancelled());
        all.cancel(connection.number, 7);
        assert!(first.is_cancelled());
        assert!(!connection.begin().is_cancelled());
        drop(connection);
        assert!(all.lock().open.is_empty());
    }

    #[test]
    fn users_stop_their_own_connections() {
        let all = Arc::new(Cancellations::default());
        let [first, second, other] =
            ["ada", "ada", "bob"].map(|user| all.register(7, user, CancellationToken::new()));
        assert_eq!(all.of_user("ada"), [first.number, second.number]);
        let statement = first.begin();
        assert!(!all.stop(first.number, "bob", true) && !all.stop(0, "ada", true));
        assert!(!statement.is_cancelled());
        assert!(all.stop(first.number, "ada", false));
        assert!(statement.is_cancelled() && !first.end.is_cancelled());
        assert!(all.stop(second.number, "ada", true));
        assert!(second.end.is_cancelled() && !other.end.is_cancelled());
    }
}
