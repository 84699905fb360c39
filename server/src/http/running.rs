//! Statements of this door that run, by their numbers, so that their users can cancel them: `DELETE /sql/{id}`.
//!
//! The number is in the header `X-Query-Id` of the response. Who wants to cancel a statement that has not answered yet
//! gives it a number: in the same header of the request.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use crate::access::Identity;
use crate::failure::{Failure, SqlState};
use crate::random::random_bytes;

/// Characters of a number that people of the same user do not find by trying.
const HARD_TO_GUESS: usize = 20;

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
    /// Lists a statement under the number that its client chose, or one that nobody guesses.
    ///
    /// # Errors
    /// The chosen number is taken, is none, or others who come in as the same user could guess it.
    pub(super) fn list(
        self: &Arc<Self>,
        chosen: Option<&str>,
        identity: &Identity,
    ) -> Result<Listed, Problem> {
        let id = match chosen {
            Some(id) if identity.is_several() && id.len() < HARD_TO_GUESS => {
                let detail = format!(
                    "who does not say who they are chooses an X-Query-Id that nobody guesses, of at least \
                     {HARD_TO_GUESS} characters; or takes the one in the response"
                );
                return Err(Problem::bad_request(detail));
            }
            Some(id) if is_number(id) => id.to_string(),
            Some(_) => {
                return Err(Problem::bad_request(
                    "X-Query-Id is 1 to 64 letters, digits and hyphens",
                ));
            }
            None => new_key()?,
        };
        let stop = CancellationToken::new();
        match self.lock().entry(id.clone()) {
            Entry::Occupied(_) => {
                let detail = format!("a statement with the X-Query-Id {id} runs; choose another");
                return Err(Problem::new(StatusCode::CONFLICT, detail));
            }
            Entry::Vacant(vacant) => vacant.insert(Statement {
                user: identity.name.clone(),
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

impl Listed {
    /// Does `work`, unless the statement is cancelled before it ends.
    ///
    /// # Errors
    /// It was cancelled, or what the work says.
    pub(super) async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Problem::from(Failure::with_state(
                SqlState::QUERY_CANCELED,
                "the statement was cancelled as its client asked",
            ))),
            outcome = work => outcome,
        }
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

/// A text that nobody guesses.
pub(super) fn new_key() -> Result<String, Failure> {
    Ok(format!("{:032x}", u128::from_be_bytes(random_bytes()?)))
}
