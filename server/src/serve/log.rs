//! The log: one line per query that has ended, on standard error, as `[server] log` says.
//!
//! ```json
//! {"timestamp": "…", "level": "INFO", "message": "query", "user": "ada", "door": "http", "seconds": 0.12, "rows": 1,
//!  "bytes": 8, "fetched": 40960, "outcome": "completed", "statement": "SELECT avg(sst) FROM ocean.sst"}
//! ```

use std::io;

use tracing_subscriber::EnvFilter;

use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// What the lines of the log are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What is written down: nothing of the libraries, which do not know what is a secret.
const OURS: &str = "graticule=info";

/// Starts the log, if there is to be one.
///
/// # Errors
/// There is one already.
pub(super) fn start(format: Option<LogFormat>) -> Result<(), Failure> {
    let lines = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_env_filter(EnvFilter::new(OURS));
    let started = match format {
        None => return Ok(()),
        Some(LogFormat::Text) => lines.try_init(),
        Some(LogFormat::Json) => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| {
        let text = format!("cannot start the log: {error}");
        Failure::new(ExitCode::Unavailable, text)
    })
}
