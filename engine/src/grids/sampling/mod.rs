//! Values of a cube at points: what `sample`, `transect` and `at_times` share.
//!
//! ```text
//!  columns of the points ─▶ Naming: which of them name which axes            (naming)
//!        │ coordinates in the cube's system                                    (coordinates)
//!        ▼
//!  Scale of each axis ─▶ Position of each point ─▶ Sites                     (scale, sites)
//!        │
//!        ▼
//!  a Cube: axis of points, axes that they do not name │ variables: Sampled   (cube, array)
//!          └ cut so that the points of a chunk lie in one chunk of the source
//! ```
//! So points are read as cubes are: by scans, with their predicates, limits, caches, threads and metrics. Each chunk of
//! the source under the points is fetched and decoded once; where values are interpolated neighbours share them through
//! the cache.

mod array;
mod coordinates;
mod cube;
mod gather;
mod naming;
mod scale;
mod sites;
mod touched;

pub(super) use self::coordinates::{Coordinates, Metric};
pub(super) use self::cube::{SampledCube, chunks_of, free_name};
pub(super) use self::naming::{Naming, between, check_columns};
pub(super) use self::scale::Position;
pub(super) use self::sites::{Limits, Sites};

use super::call::Call;
use crate::error::{CubeError, CubeResult};

/// How values are made at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// That of the cell whose centre is nearest along each axis.
    Nearest,
    /// Between the centres around the point, linearly along each axis.
    Linear,
}

impl Method {
    /// The name in SQL.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Linear => "linear",
        }
    }

    /// The method that a call asks for.
    ///
    /// # Errors
    /// There is no such method.
    pub(super) fn of(call: &Call) -> CubeResult<Self> {
        match call.text_argument("method")?.as_deref() {
            None | Some("nearest") => Ok(Self::Nearest),
            Some("linear") => Ok(Self::Linear),
            Some(other) => Err(CubeError::invalid(
                "",
                format!("{} has no method {other}", call.function.name()),
            )
            .remedy("choose nearest or linear")),
        }
    }
}
