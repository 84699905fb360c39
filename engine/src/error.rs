//! The one error of the cube side of the engine: cause, place and remedy in a sentence.
//!
//! [`CubeError`] travels inside `DataFusionError::External`, so every door can show it unchanged.
//! Never put a secret, a signed URL or a query string into any of its texts.

use std::fmt;

use datafusion::error::DataFusionError;

/// What went wrong, coarsely: doors map this to exit codes, SQLSTATEs and HTTP statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The store, cube, array or file does not exist.
    NotFound,
    /// The store refused access.
    Denied,
    /// The data contradict their own metadata, or cannot be decoded.
    Corrupt,
    /// A valid thing that this version cannot read.
    Unsupported,
    /// The caller asked for something that makes no sense: option, name, value.
    Invalid,
    /// A limit the user set would be exceeded.
    Limit,
    /// Someone else is writing, or has written, the same thing.
    Conflict,
    /// The network or the disk failed after all retries.
    Unavailable,
    /// Somebody stopped it.
    Cancelled,
}

/// An error about a cube or a store.
///
/// ```text
/// cannot decode chunk 0/1/2: checksum mismatch (in olci."cube-1-250-250", variable conc_chl); re-copy the chunk from its source
/// └────────────── cause ──────────────────┘     └──────────────── place ─────────────────┘    └────────── remedy ────────────┘
/// ```
#[derive(Debug, Clone)]
pub struct CubeError {
    kind: ErrorKind,
    cause: String,
    place: String,
    remedy: String,
}

/// Result of everything that touches a cube.
pub type CubeResult<T> = Result<T, CubeError>;

impl CubeError {
    /// An error of `kind` at `place` (store, cube, variable, chunk), because of `cause`.
    pub fn new(kind: ErrorKind, place: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self {
            kind,
            cause: cause.to_string(),
            place: place.into(),
            remedy: String::new(),
        }
    }

    /// [`ErrorKind::NotFound`] at `place`.
    pub fn not_found(place: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self::new(ErrorKind::NotFound, place, cause)
    }

    /// [`ErrorKind::Corrupt`] at `place`.
    pub fn corrupt(place: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Corrupt, place, cause)
    }

    /// [`ErrorKind::Unsupported`] at `place`.
    pub fn unsupported(place: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unsupported, place, cause)
    }

    /// [`ErrorKind::Invalid`] at `place`.
    pub fn invalid(place: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Invalid, place, cause)
    }

    /// Adds what the reader of the message can do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// Puts a wider place in front, as the error climbs: `store, cube, variable`.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        if self.place.is_empty() {
            self.place = outer.to_string();
        } else if !self.place.starts_with(outer) {
            self.place = format!("{outer}, {}", self.place);
        }
        self
    }

    /// The coarse kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for CubeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)?;
        if !self.place.is_empty() {
            write!(f, " (in {})", self.place)?;
        }
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for CubeError {}

impl From<CubeError> for DataFusionError {
    fn from(error: CubeError) -> Self {
        DataFusionError::External(Box::new(error))
    }
}
