//! Who somebody is, found out beside the threads of the doors: a password is hashed slowly, on purpose, and a token may
//! wait for its issuer.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::Service;
use crate::access::{Access, Identity};
use crate::failure::Failure;

/// Passwords that are checked at a time, and tokens.
const AT_A_TIME: usize = 4;

/// Places of those who are asked who they are.
pub(super) struct Checks {
    passwords: Arc<Semaphore>,
    tokens: Arc<Semaphore>,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            passwords: Arc::new(Semaphore::new(AT_A_TIME)),
            tokens: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }
}

impl Service {
    /// Checks a password, see [`Access::password`].
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn password(
        self: &Arc<Self>,
        user: String,
        password: String,
    ) -> Result<Arc<Identity>, Failure> {
        let check = move |access: &Access| access.password(&user, &password);
        self.check(&self.checks.passwords, check).await
    }

    /// Checks an API key or a token, see [`Access::bearer`].
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn bearer(self: &Arc<Self>, token: &str) -> Result<Arc<Identity>, Failure> {
        // What has no dots is no token, and a key is found without waiting.
        if !token.contains('.') {
            return self.access().bearer(token);
        }
        let token = token.to_string();
        let check = move |access: &Access| access.bearer(&token);
        self.check(&self.checks.tokens, check).await
    }

    async fn check(
        self: &Arc<Self>,
        places: &Arc<Semaphore>,
        check: impl FnOnce(&Access) -> Result<Arc<Identity>, Failure> + Send + 'static,
    ) -> Result<Arc<Identity>, Failure> {
        let place = Arc::clone(places).acquire_owned().await;
        let service = Arc::clone(self);
        let checking = tokio::task::spawn_blocking(move || {
            // Whoever stops waiting does not stop the check: its place is given on when it has ended.
            let _place = place;
            check(&service.access())
        });
        checking.await.unwrap_or_else(|_| Err(Failure::vanished()))
    }
}
