//! The exit codes of the program, so that scripts can tell causes apart.

use graticule_engine::error::ErrorKind;

/// How the program ends. The numbers are part of its interface and are listed in `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// Everything asked for was done.
    Success = 0,
    /// A statement failed.
    Statement = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The configuration file cannot be read or makes no sense.
    Configuration = 3,
    /// A store, cube or file does not exist.
    NotFound = 4,
    /// A store refused access.
    Denied = 5,
    /// The network or the disk failed after all retries.
    Unavailable = 6,
    /// The user interrupted the work.
    Interrupted = 130,
}

/// The part of `--help` that lists the codes.
pub(crate) const HELP: &str = "\
Exit codes:
    0  done
    1  a statement failed
    2  the command line makes no sense
    3  the configuration file cannot be read or makes no sense
    4  a store, cube or file does not exist
    5  a store refused access
    6  the network or the disk failed after all retries
  130  interrupted";

impl From<ErrorKind> for ExitCode {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Denied => Self::Denied,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Corrupt
            | ErrorKind::Unsupported
            | ErrorKind::Invalid
            | ErrorKind::Limit
            | ErrorKind::Conflict
            | ErrorKind::Cancelled => Self::Statement,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
