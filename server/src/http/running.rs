//! Statements of this door that run, by their numbers, so that their users can cancel them: `DELETE /sql/{id}`.
//!
//! The number is in the header `X-Query-Id` of the response. Who wants to cancel a statement that has not answered yet
//! gives it a number: in the same header of the request.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use ring::rand::{SecureRandom, SystemRandom};
use tokio_util::sync::CancellationToken;

use super::problem::Problem;

/// What runs.
#[derive(Debug, Default)]
pub(super) struct Running {
    statements: Mutex<HashMap<String, Statement>>,
}

#[derive(Debug)]
struct Statement {
    user: String,
    stop: CancellationToken,
}

/// One statement in the list, as long as it is kept.
#[derive(Debug)]
pub(super) struct Listed {
    /// Its number.
    pub(super) id: String,
    /// Cancels it.
    pub(super) stop: CancellationToken,
    list: Arc<Running>,
}

impl Running {
    /// Lists a statement of `user` under the number that its client chose, or one that nobody guesses.
    ///
    /// # Errors
    /// The chosen number is taken, or is none.
    pub(super) fn list(
        self: &Arc<Self>,
        chosen: Option<&str>,
        user: &str,
    ) -> Result<Listed, Problem> {
        let id = match chosen {
            Some(id) if is_number(id) => id.to_string(),
            Some(_) => {
                return Err(Problem::bad_request(
                    "X-Query-Id is 1 to 64 letters, digits and hyphens",
                ));
            }
            None => new_number()?,
        };
        let stop = CancellationToken::new();
        match self.lock().entry(id.clone()) {
            Entry::Occupied(_) => {
                let detail = format!("a statement with the X-Query-Id {id} runs; choose another");
                return Err(Problem::new(StatusCode::CONFLICT, detail));
            }
            Entry::Vacant(vacant) => vacant.insert(Statement {
                user: user.to_string(),
                stop: stop.clone(),
            }),
        };
        Ok(Listed {
            id,
            stop,
            list: Arc::clone(self),
        })
    }

    /// Cancels a statement of `user`.
    ///
    /// # Errors
    /// It does not run any more, or is not theirs.
    pub(super) fn cancel(&self, id: &str, user: &str) -> Result<(), Problem> {
        let statements = self.lock();
        match statements.get(id).filter(|found| found.user == user) {
            Some(found) => {
                found.stop.cancel();
                Ok(())
            }
            None => {
                let detail = "no statement of yours with this number runs; it may have ended";
                Err(Problem::new(StatusCode::NOT_FOUND, detail))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Statement>> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.list.lock().remove(&self.id);
    }
}

fn is_number(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=64).contains(&text.len()) && text.chars().all(is_plain)
}

fn new_number() -> Result<String, Problem> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| {
        let detail = "the system gives no random numbers";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
