//! Statements that nobody waits for: `POST /sql` with `Prefer: respond-async` (RFC 7240), then `/jobs/{number}`.
//!
//! They are those of who started them, and are forgotten an hour after their end, or when the server stops. Where several
//! people come in as one user, a job is of who knows its address, in which there is a key behind the number.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use datafusion::common::runtime::SpawnedTask;

use super::authentication::Caller;
use super::job::{Job, Report};
use super::problem::Problem;
use super::router::Shared;
use super::running::new_key;
use super::statements::Prepared;
use crate::failure::{Failure, SqlState};

/// How long a job that has ended is remembered.
const MEMORY: Duration = Duration::from_secs(3600);

/// Jobs that are remembered, those that run included.
const LIMIT: usize = 1000;

/// Jobs of one user that have ended and are remembered.
const OF_USER: usize = 100;

/// All jobs by their numbers.
#[derive(Default)]
pub(super) struct Jobs(Mutex<Book>);

#[derive(Default)]
struct Book {
    last: u64,
    jobs: BTreeMap<u64, Entry>,
}

struct Entry {
    job: Arc<Job>,
    _running: SpawnedTask<()>,
}

impl Jobs {
    /// Starts a statement, and says where to ask for it.
    ///
    /// # Errors
    /// Too many run.
    pub(super) fn start(&self, prepared: Prepared) -> Result<impl IntoResponse, Problem> {
        let mut book = self.book();
        book.make_room(&prepared.client.identity.name)?;
        let key = prepared.client.identity.is_several().then(new_key);
        book.last += 1;
        let job = Arc::new(Job::new(book.last, key.transpose()?, &prepared));
        let running = Arc::clone(&job);
        let entry = Entry {
            job: Arc::clone(&job),
            _running: SpawnedTask::spawn(async move { running.run(prepared).await }),
        };
        book.jobs.insert(job.number, entry);
        drop(book);
        let headers = [
            ("location", format!("/jobs/{}", job.name())),
            ("preference-applied", "respond-async".to_string()),
        ];
        Ok((StatusCode::ACCEPTED, headers, Json(job.report(false))))
    }

    fn find(&self, name: &str, user: &str) -> Result<Arc<Job>, Problem> {
        let mut book = self.book();
        book.forget();
        let number = name
            .split('-')
            .next()
            .and_then(|number| number.parse().ok());
        let entry = number.and_then(|number: u64| book.jobs.get(&number));
        let found = entry.map(|entry| &entry.job);
        found
            .filter(|job| job.user == user && job.name() == name)
            .cloned()
            .ok_or_else(|| {
                let detail = format!("you have no job {name}; /jobs lists those of the last hour");
                Problem::new(StatusCode::NOT_FOUND, detail)
            })
    }

    fn of(&self, user: &str) -> Vec<Arc<Job>> {
        let mut book = self.book();
        book.forget();
        let jobs = book.jobs.values().map(|entry| &entry.job);
        let listed = jobs.filter(|job| job.user == user && !job.is_hidden());
        listed.cloned().collect()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn forget(&mut self) {
        self.jobs
            .retain(|_, entry| entry.job.since_end().is_none_or(|since| since < MEMORY));
    }

    fn make_room(&mut self, user: &str) -> Result<(), Problem> {
        self.forget();
        let ended = |(number, entry): (&u64, &Entry)| Some((entry.job.since_end()?, *number));
        let of_user = self.jobs.iter().filter(|(_, entry)| entry.job.user == user);
        let mut of_user: Vec<_> = of_user.filter_map(ended).collect();
        of_user.sort_unstable();
        for (_, number) in of_user.iter().skip(OF_USER - 1) {
            self.jobs.remove(number);
        }
        if self.jobs.len() < LIMIT {
            return Ok(());
        }
        match self.jobs.iter().filter_map(ended).max() {
            Some((_, oldest)) => {
                self.jobs.remove(&oldest);
                Ok(())
            }
            None => {
                let cause = "too many jobs run; try again when some have ended";
                let failure = Failure::with_state(SqlState::TOO_MANY_CONNECTIONS, cause);
                Err(Problem::from(failure))
            }
        }
    }
}

/// Lists the jobs of the user; none of who does not say who they are.
#[utoipa::path(get, path = "/jobs", tag = "jobs", operation_id = "list_jobs", responses((status = 200, description = "The jobs, without results", body = Vec<Report>)))]
pub(super) async fn list(
    State(http): State<Shared>,
    Caller(identity): Caller,
) -> Json<Vec<Report>> {
    let theirs = http.jobs.of(&identity.name);
    Json(theirs.iter().map(|job| job.report(false)).collect())
}

/// Says how far a job is.
#[utoipa::path(
    get, path = "/jobs/{number}", tag = "jobs", operation_id = "show_job", params(("number" = String, Path, description = "The number of the job, as Location says it")),
    responses(
        (status = 200, description = "The job; its rows or its problem, when it has ended", body = Report),
        (status = 404, description = "The user has no such job", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(http): State<Shared>,
    Caller(identity): Caller,
    Path(number): Path<String>,
) -> Result<Json<Report>, Problem> {
    let job = http.jobs.find(&number, &identity.name)?;
    Ok(Json(job.report(true)))
}

/// Cancels a job.
#[utoipa::path(
    delete, path = "/jobs/{number}", tag = "jobs", operation_id = "cancel_job", params(("number" = String, Path, description = "The number of the job, as Location says it")),
    responses(
        (status = 204, description = "It will end soon, or has ended"),
        (status = 404, description = "The user has no such job", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel(
    State(http): State<Shared>,
    Caller(identity): Caller,
    Path(number): Path<String>,
) -> Result<StatusCode, Problem> {
    http.jobs.find(&number, &identity.name)?.stop.cancel();
    Ok(StatusCode::NO_CONTENT)
}
