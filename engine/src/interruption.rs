//! Planning that somebody can stop: [`stoppable`].
//!
//! ```text
//!  stoppable(stop, session.run(…))
//!      └─ parse ─ plan ─ rule ─ rule ─ rule ─ … ─▶ operators
//!                      ▲      ▲      ▲ check: is it stopped?
//! ```
//! A rule of the planner does not wait for anything, so that dropping the statement would let all of them run to their
//! ends first: seconds for joins of hundreds of tables.

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use tokio::task_local;
use tokio_util::sync::CancellationToken;

use crate::error::{CubeError, ErrorKind};

task_local! {
    /// Stops what this task plans.
    static STOP: CancellationToken;
}

/// Does `work`, whose planning fails as soon as `stop` is cancelled. Where it is run in another such work, it is stopped
/// with that, too.
pub async fn stoppable<T>(stop: CancellationToken, work: impl Future<Output = T>) -> T {
    STOP.scope(stop, work).await
}

/// A token that is cancelled with that of the task, if it has one.
pub(crate) fn of_task() -> CancellationToken {
    let stop = STOP.try_with(CancellationToken::child_token);
    stop.unwrap_or_default()
}

/// May planning go on?
///
/// # Errors
/// It is stopped.
pub(crate) fn check() -> Result<()> {
    match STOP.try_with(CancellationToken::is_cancelled) {
        Ok(true) => Err(cancelled()),
        _ => Ok(()),
    }
}

/// The error of a statement that somebody has stopped.
pub(crate) fn cancelled() -> DataFusionError {
    let cause = "the query was cancelled";
    CubeError::new(ErrorKind::Cancelled, "", cause).into()
}
