//! The log: one line per query that has ended, on standard error, as `[server] log` says: [`Log`].
//!
//! ```json
//! {"timestamp": "…", "level": "INFO", "message": "query", "user": "ada", "door": "http", "seconds": 0.12, "rows": 1,
//!  "bytes": 8, "fetched": 40960, "outcome": "completed", "statement": "SELECT avg(sst) FROM ocean.sst"}
//! ```

use std::io;

use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

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

type Filter = reload::Layer<EnvFilter, Registry>;
type Filtered = Layered<Filter, Registry>;
type Lines = Option<Box<dyn Layer<Filtered> + Send + Sync>>;

/// The log, whose lines may become others while the server runs.
pub(super) struct Log {
    filter: reload::Handle<EnvFilter, Registry>,
    lines: reload::Handle<Lines, Filtered>,
}

impl Log {
    /// Starts it; without a format nothing is written.
    ///
    /// # Errors
    /// There is one already.
    pub(super) fn start(format: Option<LogFormat>) -> Result<Self, Failure> {
        let (filter, of_filter) = reload::Layer::new(filter(format));
        let (lines, of_lines) = reload::Layer::new(lines(format));
        let started = Registry::default().with(filter).with(lines).try_init();
        started.map_err(|error| cannot("start", &error))?;
        Ok(Self {
            filter: of_filter,
            lines: of_lines,
        })
    }

    /// Writes lines of another format, or none.
    ///
    /// # Errors
    /// The log is gone.
    pub(super) fn configure(&self, format: Option<LogFormat>) -> Result<(), Failure> {
        let changed = self.lines.reload(lines(format));
        let changed = changed.and_then(|()| self.filter.reload(filter(format)));
        changed.map_err(|error| cannot("change", &error))
    }
}

/// Lines that nobody writes are not made.
fn filter(format: Option<LogFormat>) -> EnvFilter {
    EnvFilter::new(format.map_or("off", |_| OURS))
}

fn lines(format: Option<LogFormat>) -> Lines {
    let lines = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false);
    Some(match format? {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    })
}

fn cannot(what: &str, error: &dyn std::error::Error) -> Failure {
    let text = format!("cannot {what} the log: {error}");
    Failure::new(ExitCode::Unavailable, text)
}
