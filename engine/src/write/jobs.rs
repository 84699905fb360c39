//! The cubes that are being made now: [`Jobs`], which `cube.jobs` lists and `CANCEL JOB` stops.
//!
//! A job is in the list as long as its statement runs. What it has finished stays: the same statement run again
//! goes on there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::new_cube::now;
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::progress::QueryProgress;
use crate::queries::Owner;
use crate::sql::secrets::as_listed;

/// All that run in this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jobs(Arc<Mutex<Running>>);

#[derive(Debug, Default)]
struct Running {
    last: u64,
    jobs: BTreeMap<u64, Job>,
}

/// One that runs.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) number: u64,
    /// The cube, for people.
    pub(crate) cube: String,
    /// The SQL text, without secrets.
    pub(crate) statement: String,
    /// Whose job it is.
    pub(crate) owner: Owner,
    /// Microseconds since 1970.
    pub(crate) since: i64,
    pub(crate) begun: Instant,
    pub(crate) progress: Arc<QueryProgress>,
    cancelled: Arc<Notify>,
}

impl Job {
    /// Seconds until it is done, if the rest goes like what is done; `None` when nothing is yet.
    pub(crate) fn seconds_left(&self) -> Option<f64> {
        let progress = self.progress.snapshot();
        let left = progress.boxes_total.saturating_sub(progress.boxes_done);
        (progress.boxes_done > 0)
            .then(|| self.begun.elapsed().as_secs_f64() * left as f64 / progress.boxes_done as f64)
    }
}

/// The entry of a job in the list, which goes with it.
#[derive(Debug)]
pub(crate) struct Listed {
    jobs: Jobs,
    number: u64,
    cube: String,
    cancelled: Arc<Notify>,
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists a job until what is returned is dropped.
    pub(crate) fn begin(
        &self,
        cube: &str,
        statement: &str,
        owner: Owner,
        progress: &Arc<QueryProgress>,
    ) -> Listed {
        let mut running = self.lock();
        running.last += 1;
        let number = running.last;
        let job = Job {
            number,
            cube: cube.to_string(),
            statement: as_listed(statement),
            owner,
            since: now(),
            begun: Instant::now(),
            progress: Arc::clone(progress),
            cancelled: Arc::default(),
        };
        let cancelled = Arc::clone(&job.cancelled);
        running.jobs.insert(number, job);
        Listed {
            jobs: self.clone(),
            number,
            cube: cube.to_string(),
            cancelled,
        }
    }

    /// Those that run, in the order in which they began.
    pub(crate) fn list(&self) -> Vec<Job> {
        self.lock().jobs.values().cloned().collect()
    }

    /// Stops a job, if it is one that `may_stop` is true of.
    ///
    /// # Errors
    /// No such job of this number runs.
    pub(crate) fn cancel(&self, number: u64, may_stop: impl Fn(&Job) -> bool) -> CubeResult<()> {
        let running = self.lock();
        let job = running.jobs.get(&number).filter(|job| may_stop(job));
        let job = job.ok_or_else(|| {
            CubeError::not_found("", format!("no job {number} runs"))
                .remedy("SELECT * FROM cube.jobs lists those that do")
        })?;
        // It is remembered when nobody waits for it yet.
        job.cancelled.notify_one();
        Ok(())
    }
}

impl Listed {
    /// Ends when somebody cancels the job.
    pub(crate) async fn cancelled(&self) -> CubeError {
        self.cancelled.notified().await;
        CubeError::new(ErrorKind::Cancelled, &self.cube, "the job was cancelled")
            .remedy("run the statement again: it goes on where it stopped; or VACUUM removes what there is of it")
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.jobs.lock().jobs.remove(&self.number);
    }
}
