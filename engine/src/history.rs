//! The seam to formats whose cubes keep the states they have been in: [`CubeHistory`].
//!
//! ```text
//!  main  ○───○───○       a branch: a name that moves on with each state that is written
//!             \   └ v1   a tag: a name that stays
//!              ○  dev
//! ```

use std::fmt::{self, Debug};

use arrow::temporal_conversions::timestamp_us_to_datetime;
use async_trait::async_trait;

use crate::error::CubeResult;
use crate::source::Location;

/// Which of the states of a cube is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AsOf {
    /// The one that a branch or a tag leads to, or the one that has this identifier.
    Version(String),
    /// The newest one of the main branch that was there at a time, in microseconds since 1970, UTC.
    Time(i64),
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(name) => write!(f, "the version '{name}'"),
            Self::Time(micros) => match timestamp_us_to_datetime(*micros) {
                Some(time) => write!(f, "the version of {time} UTC"),
                None => write!(f, "the version of {micros} µs after 1970"),
            },
        }
    }
}

/// A state of a cube.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CubeVersion {
    /// What no other state is called.
    pub id: String,
    /// The state it was made of, `None` for the first one.
    pub parent: Option<String>,
    /// When it was written, in UTC, as RFC 3339 has it.
    pub time: String,
    /// What its writer said.
    pub message: String,
    /// Branches that end here.
    pub branches: Vec<String>,
    /// Tags that lead here.
    pub tags: Vec<String>,
}

/// The two kinds of names that states have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// Moves on with each state that is written to it.
    Branch,
    /// Stays.
    Tag,
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Branch => "branch",
            Self::Tag => "tag",
        })
    }
}

/// Reads and names the states of cubes of one format.
#[async_trait]
pub trait CubeHistory: Debug + Send + Sync {
    /// All states that a branch or a tag leads to, the newest first.
    ///
    /// # Errors
    /// There is no cube, or the store failed or denied access.
    async fn versions(&self, location: &Location) -> CubeResult<Vec<CubeVersion>>;

    /// Gives the state that `location` means a name.
    ///
    /// # Errors
    /// The name is taken, there is no such state, or the store failed or denied access.
    async fn create_name(&self, location: &Location, kind: NameKind, name: &str) -> CubeResult<()>;

    /// Takes a name away. The states it led to stay, as long as another name leads to them.
    ///
    /// # Errors
    /// There is no such name, it has to stay, or the store failed or denied access.
    async fn drop_name(&self, location: &Location, kind: NameKind, name: &str) -> CubeResult<()>;
}
