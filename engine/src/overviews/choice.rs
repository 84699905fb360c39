//! Which level stands for a cube on a coarse grid: [`Levels`].
//!
//! | asked for | a level that was made by | and whose cells |
//! |---|---|---|
//! | `coarsen`: average, rms, mode | the same method | are the ones that are asked for |
//! | `coarsen`: min, max, sum | the same method | make up those that are asked for |
//! | `reproject`: bilinear, cubic, cubic_spline, lanczos | average | are at most half as large |
//! | `reproject`: nearest | first or last | are at most half as large |
//! | `reproject`: average, rms, sum, mode | the same method | are at most an eighth as large |
//!
//! So what `coarsen` gives does not depend on overviews, but for modes, which are made of those of the level below, and
//! for the bits to which means are rounded ([`Precision`](super::precision::Precision)); and what `reproject` gives is
//! what a method makes of cells that are smaller than the new ones: pictures need two of them along a side, numbers
//! eight. In means a cell of a level weighs as much as the cells with values that it stands for, so a mean is that of the
//! cube but for the cells of the level that lie across an edge of a new cell, each of which has one value for both sides;
//! sums are shared between both, and none gets lost. At the edges of a cube whose sides are no multiples values may reach
//! as much further. `conservative` weighs areas, which a level does not know of what is missing, and medians or extremes
//! of cells across edges would be others: they are made of the cube.

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::execution::SessionState;
use graticule_functions::warp::Method;

use super::kept::{Found, Level};
use crate::cube::{Axis, AxisRole};
use crate::options::CubeOptions;
use crate::scan::CubeTable;

/// Cells that are eight times as large in decimal numbers may be a little less in binary ones.
const ROUNDED: f64 = 1.0 + 1e-9;

/// The levels of a cube, and how coarse they may be.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    levels: Vec<Level>,
    exactly: Option<(usize, usize)>,
}

impl Levels {
    /// The levels of `table` for a grid whose cells are `factors` of the cube's cells along x and y.
    pub(crate) async fn of_cells(
        table: &CubeTable,
        state: &SessionState,
        factors: (usize, usize),
    ) -> Self {
        Self {
            exactly: Some(factors),
            ..Self::of_any_grid(table, state).await
        }
    }

    /// The levels of `table` for any other grid.
    pub(crate) async fn of_any_grid(table: &CubeTable, state: &SessionState) -> Self {
        let options = CubeOptions::of(state.config_options());
        let Some(overviews) = table
            .cube()
            .overviews
            .as_ref()
            .filter(|_| options.overviews)
        else {
            return Self::default();
        };
        // A query needs no overviews: where they cannot be read it reads the cube.
        let found = overviews.found().await.unwrap_or_default();
        let Found { levels, is_current } = found.as_ref();
        let fits =
            |level: &&Level| *is_current && has_axes_of(table, level) && closes(table, level);
        Self {
            levels: levels.iter().filter(fits).cloned().collect(),
            exactly: None,
        }
    }

    /// How many cells of the cube along x and y make up a new one, where these are whole ones.
    pub(crate) fn whole_cells(&self) -> Option<(usize, usize)> {
        self.exactly
    }

    /// The level for a variable that is resampled by `method`, where a new cell lies over `spread` cells of the cube
    /// along x and y.
    pub(crate) fn find(
        &self,
        variable: &str,
        method: Method,
        spread: (f64, f64),
    ) -> Option<&Level> {
        let mut levels = self.levels.iter().rev();
        levels.find(|level| {
            let made = level.methods.get(variable).copied();
            let factor = level.factor();
            let is_weighed = !method.weighs_counts() || level.counts.contains_key(variable);
            match self.exactly {
                Some(factors) => made.is_some_and(|made| makes_up(made, method, factor, factors)),
                None => made
                    .filter(|_| is_weighed)
                    .and_then(|made| cells_needed(made, method))
                    .is_some_and(|cells| cells * factor as f64 <= spread.0.min(spread.1) * ROUNDED),
            }
        })
    }
}

/// Are cells of `factor` cells, made by `made`, enough to make cells of `factors` by `method`?
fn makes_up(made: Method, method: Method, factor: usize, factors: (usize, usize)) -> bool {
    let is_same = factors == (factor, factor);
    let is_multiple = factors.0.is_multiple_of(factor) && factors.1.is_multiple_of(factor);
    match method {
        _ if made != method => false,
        Method::Average | Method::RootMeanSquare | Method::Mode => is_same,
        Method::Minimum | Method::Maximum | Method::Sum => is_multiple,
        _ => false,
    }
}

/// How many cells of a level, made by `made`, a new cell must have along a side so that they stand for the cube's cells
/// that `method` looks at; `None` where no number is enough.
fn cells_needed(made: Method, method: Method) -> Option<f64> {
    match (method, made) {
        (
            Method::Bilinear | Method::Cubic | Method::CubicSpline | Method::Lanczos,
            Method::Average,
        )
        | (Method::Nearest, Method::First | Method::Last) => Some(2.0),
        (Method::Average | Method::RootMeanSquare | Method::Sum | Method::Mode, made)
            if made == method =>
        {
            Some(8.0)
        }
        _ => None,
    }
}

/// Do the cells of a level close the circle where those of the cube do? Not where some are left over.
fn closes(table: &CubeTable, level: &Level) -> bool {
    let mut axes = table.cube().axes.iter();
    axes.all(|axis| {
        let length = axis.coordinates.len();
        axis.role != AxisRole::Longitude
            || length.is_multiple_of(level.factor())
            || !goes_round(axis)
    })
}

/// Do the longitudes of an axis go around the Earth?
fn goes_round(axis: &Axis) -> bool {
    let Ok(centres) = cast(&axis.coordinates, &DataType::Float64) else {
        return false;
    };
    let centres = centres.as_primitive::<Float64Type>().values();
    let (Some(first), Some(last)) = (centres.first(), centres.last()) else {
        return false;
    };
    let step = (last - first).abs() / (centres.len().max(2) - 1) as f64;
    (last - first).abs() + 1.5 * step > 360.0
}

/// Has the level the axes of the cube, those that became coarser apart?
fn has_axes_of(table: &CubeTable, level: &Level) -> bool {
    let mut axes = level.cube.axes.iter();
    axes.all(|axis| {
        let mut of_cube = table.cube().axes.iter();
        let same = of_cube.find(|of_cube| of_cube.field.name() == axis.field.name());
        same.is_some_and(|same| {
            let length = same.coordinates.len();
            same.role == axis.role
                && (axis.coordinates.len() == length
                    || axis.coordinates.len() == length.div_ceil(level.factor()))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarsen_takes_only_what_gives_the_same() {
        use Method::{Average, Maximum, Mode};
        for (made, method, factor, factors, expected) in [
            (Average, Average, 4, (4, 4), true),
            (Average, Average, 2, (4, 4), false),
            (Average, Average, 4, (4, 8), false),
            (Average, Mode, 4, (4, 4), false),
            (Maximum, Maximum, 2, (4, 6), true),
            (Maximum, Maximum, 4, (4, 6), false),
        ] {
            let found = makes_up(made, method, factor, factors);
            assert_eq!(found, expected, "{made} {method} {factor} {factors:?}");
        }
    }
}
